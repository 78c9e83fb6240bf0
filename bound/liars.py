"""The bound with some owners of evidence lying, and how many a channel survives (annex: bound, 6).

B_f is the largest bound when any f owners are ignored. No further risk is spent on it: the honest rest is one fixed
set of owners, and B_f is at least the bound of that set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bound.assembly import assemble
from bound.outcome import outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bound.evidence import Evidence
    from bound.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Survived:
    """What is left of a bound when owners lie.

    Attributes:
        bound: B_f, teraFLOP; None where some set of liars leaves a channel open.
        liars: the owners whose lies cost most.
        opened: channels that are open without them.
    """

    bound: int | None
    liars: frozenset[str]
    opened: tuple[str, ...]


def with_liars(evidence: Evidence, number: int) -> Survived:
    """B_f by the tree: only an owner behind a row with a multiplier can change the bound, so others are not tried.

    Exact: if nobody left in the best set stands behind a multiplier, ignoring more of them leaves the proof as it is.

    Args:
        evidence: of a lab and window.
        number: f, how many owners may lie.
    """
    found: dict[frozenset[str], Outcome] = {}
    waiting = [frozenset[str]()]
    while waiting:
        liars = waiting.pop()
        if liars in found:
            continue
        left = evidence.without(liars)
        found[liars] = outcome(left)
        if found[liars].bound is None and found[liars].unbounded:
            return Survived(None, liars, found[liars].unbounded)
        if len(liars) < number:
            weighty = owners_behind(left, found[liars].bound_multipliers)
            waiting += [liars | {owner} for owner in weighty]
    # Sources that contradict each other leave no history: such a set is not the one that is honest.
    bounds = {liars: one.bound for liars, one in found.items() if one.bound is not None}
    if not bounds:
        return Survived(None, frozenset(), ())
    worst = max(bounds, key=lambda liars: (bounds[liars], -len(liars), sorted(liars)))
    return Survived(bounds[worst], worst, ())


def owners_behind(evidence: Evidence, multipliers: Sequence[int]) -> frozenset[str]:
    """Owners of what a proof rests on: rows with a multiplier, and limits that stand in the caps of columns."""
    sources = assemble(evidence).program.sources
    rows = (source.owners for source in sources if any(multipliers[source.first : source.stop]))
    return evidence.limiting.union(*rows)


def resilience(evidence: Evidence, most: int) -> tuple[int, Survived]:
    """The greatest number of liars, up to `most`, with whom everything is still bounded; and what one more would open.

    -1 where a channel is open although everybody tells the truth.
    """
    number, survived = 0, with_liars(evidence, 0)
    while survived.bound is not None and number < most:
        number += 1
        survived = with_liars(evidence, number)
    return number - (survived.bound is None), survived
