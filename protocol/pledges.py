"""Who is bound: the greatest fixed point of mutually conditional pledges (design section 5, annex 4).

`provided` is monotone in what others keep, so the map G below is monotone on a finite lattice and iterating it from
"everyone keeps the highest level" ends, whatever the order, at the one largest profile that supports itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from protocol import conditions
from protocol.truth import Explained, Truth, all_of
from standstill.v1 import pledge_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from protocol.conditions import Facts
    from protocol.state import PledgeState
    from standstill.v1 import condition_pb2

Profile = dict[str, int]
"""Level that each lab keeps."""


@dataclass(frozen=True, slots=True)
class Solution:
    """The greatest fixed point.

    Attributes:
        kept: level that each lab keeps.
        reasons: for each lab, why: the clauses that hold, or the one that fails at the lowest level not kept.
        rounds: applications of G until nothing changed.
    """

    kept: Profile
    reasons: Mapping[str, Explained]
    rounds: int


def solve(
    pledges: Mapping[str, PledgeState], top: int, facts_of: Callable[[Profile], Facts], parties: frozenset[str]
) -> Solution:
    """The greatest fixed point over all levels together.

    Args:
        pledges: by lab.
        top: highest rank.
        facts_of: facts under a profile; `keeps` must read the profile of those relied on (annex 4.1, 3).
        parties: labs that take part.

    Returns:
        The unique largest profile; at most labs x levels + 1 rounds (annex 4.2).
    """
    profile = {lab: top if lab in parties else 0 for lab in pledges}
    rounds = 0
    while True:
        rounds += 1
        facts = facts_of(profile)
        following = {lab: kept(pledges[lab], top, facts) if lab in parties else 0 for lab in pledges}
        if following == profile:
            break
        profile = following
    reasons = {lab: _reason(pledges[lab], profile[lab], top, facts) for lab in pledges}
    return Solution(profile, reasons, rounds)


def kept(pledge: PledgeState, top: int, facts: Facts) -> int:
    """G(x)(i): the greatest of 0, the floor and every level whose clause holds (annex 4.1, 6)."""
    held = [rank for rank in range(1, top + 1) if _holds(clause(pledge, rank, facts), pledge.kept, rank)]
    return max([0, pledge.floor, *held])


def _holds(value: Explained, before: int, rank: int) -> bool:
    """True, or unknown and kept before: an unknown neither starts nor ends a duty (annex 4.1, 5)."""
    return value.value == Truth.TRUE or (value.value == Truth.UNKNOWN and before >= rank)


def clause(pledge: PledgeState, rank: int, facts: Facts) -> Explained:
    """The lab's clause for a level: the higher of the pledge in force and the one that still runs beside it."""
    values = [_clause(data, rank, facts) for data in (pledge.current, pledge.older) if data]
    if not values:
        return Explained(Truth.FALSE, "no pledge")
    return max(values, key=lambda value: value.value)


def _clause(data: bytes, rank: int, facts: Facts) -> Explained:
    for stated in pledge_pb2.Pledge.FromString(data).clauses:
        if stated.level == rank:
            parts = tuple(
                conditions.evaluate(condition, facts) if present else Explained(Truth.TRUE, "always")
                for condition, present in _conditions(stated)
            )
            return Explained(all_of([part.value for part in parts]), f"pledge for level {rank}", parts)
    return Explained(Truth.FALSE, f"no clause for level {rank}")


def _conditions(stated: pledge_pb2.PledgeClause) -> tuple[tuple[condition_pb2.Condition, bool], ...]:
    return (stated.when, stated.HasField("when")), (stated.provided, stated.HasField("provided"))


def _reason(pledge: PledgeState, kept: int, top: int, facts: Facts) -> Explained:
    """The clause of the level kept, or of the lowest level not kept."""
    return clause(pledge, kept or min(1, top), facts)
