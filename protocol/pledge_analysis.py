"""What is published beside who is bound: on whom it rests, what would undo it, what it lacks (annex 4.2 and 4.5).

Everything is computed from a :class:`~protocol.pledge_problem.Problem` alone, so anybody with the state can check it.

    core        bound whatever the others do
    pivotal     whose absence releases somebody else
    cascade     in which order they go, and for want of what
    hollow      pledges that promise nothing
    what_if     all of it, before and after a change
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from protocol.pledge_formula import Fixed, Formula, Join, bits, value
from protocol.pledge_unmet import Unmet, unmet
from protocol.pledges import Profile, greatest, least, named, settle
from protocol.truth import Truth, at_least

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from protocol.pledge_problem import Problem
    from standstill.v1 import pledge_pb2


@dataclass(frozen=True, slots=True)
class Released:
    """A lab that a round of a cascade releases.

    Attributes:
        lab: its name.
        before: level that it kept.
        after: level that it keeps from then on.
        lacks: what its clause for the level before lacks now; None where a change released it, and not its clause.
    """

    lab: str
    before: int
    after: int
    lacks: Unmet | None


@dataclass(frozen=True, slots=True)
class Round:
    """Labs that are released together.

    Attributes:
        number: from 1.
        released: by name.
    """

    number: int
    released: tuple[Released, ...]


@dataclass(frozen=True, slots=True)
class Leaves:
    """A lab leaves the agreement."""

    lab: str


@dataclass(frozen=True, slots=True)
class Joins:
    """A lab takes part, relied on from the start, with a pledge; `owner` is its control group if it shares one."""

    lab: str
    pledge: pledge_pb2.Pledge
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Signs:
    """A lab replaces its pledge, seen from when the notice of the one before is over."""

    lab: str
    pledge: pledge_pb2.Pledge


@dataclass(frozen=True, slots=True)
class Breaches:
    """A lab loses standing: it stays bound to what it kept, and nobody relies on it (annex 4.3)."""

    lab: str


Change = Leaves | Joins | Signs | Breaches


@dataclass(frozen=True, slots=True)
class WhatIf:
    """Who is bound before and after a change.

    Attributes:
        problem: after the change.
        before: level that each lab keeps now.
        after: level that each would keep.
        rounds: who is released, in which order; empty if nobody is.
        pivotal: after the change.
        core: after the change.
    """

    problem: Problem
    before: Profile
    after: Profile
    rounds: tuple[Round, ...]
    pivotal: Mapping[str, frozenset[str]]
    core: Profile


def core(problem: Problem) -> Profile:
    """What each lab keeps whatever the others do: the least fixed point; unknown facts bind nobody here."""
    return named(problem, least(problem))


def pivotal(problem: Problem) -> dict[str, frozenset[str]]:
    """For each lab whose absence lowers somebody else: whom. One fixed point for each lab that keeps something."""
    now, _ = greatest(problem)
    found = {}
    for number in bits(problem.members):
        if now[number]:
            then, _ = settle(problem.absent([problem.labs[number]]), _without(now, number))
            lowered = {problem.labs[lab] for lab in range(len(now)) if lab != number and then[lab] < now[lab]}
            if lowered:
                found[problem.labs[number]] = frozenset(lowered)
    return found


def _without(kept: Sequence[int], number: int) -> list[int]:
    return [0 if lab == number else level for lab, level in enumerate(kept)]


def cascade(problem: Problem, leavers: Iterable[str]) -> tuple[Round, ...]:
    """Who is released, in which order, once some labs keep nothing and nobody relies on them (annex 4.5).

    All are released at once when it happens: the rounds say why, not when (annex 4.4).
    """
    asked = tuple(leavers)
    return _rounds(problem.absent(asked), greatest(problem)[0], asked)


def _rounds(changed: Problem, before: Sequence[int], asked: Iterable[str]) -> tuple[Round, ...]:
    """The rounds from a profile down to one that supports itself in a problem that changed for those asked."""
    rounds: list[Round] = []
    kept = [*before, *[0] * (len(changed.labs) - len(before))]
    due = {changed.index[lab] for lab in asked}
    while True:
        seen = changed.seen(kept)
        images = {lab: changed.image(lab, seen) for lab in due}
        falls = sorted(lab for lab in due if images[lab] < kept[lab])
        if falls:
            released = [_released(changed, lab, kept, images[lab]) for lab in falls]
            rounds.append(Round(len(rounds) + 1, tuple(sorted(released, key=lambda one: one.lab))))
        elif len(due) == len(kept):
            return tuple(rounds)
        for lab in falls:
            kept[lab] = images[lab]
        due = set(range(len(kept)))


def _released(problem: Problem, lab: int, kept: Sequence[int], after: int) -> Released:
    """A lab's release, with what its clause lacks; without clauses it was the change itself that released it."""
    name = problem.labs[lab]
    takes_part = problem.members >> lab & 1 and problem.clauses[lab]
    return Released(name, kept[lab], after, unmet(problem, name, kept[lab], kept) if takes_part else None)


def unmet_of_all(problem: Problem) -> dict[str, Unmet]:
    """For each lab that takes part and keeps less than the highest level: what the next level lacks."""
    kept, _ = greatest(problem)
    return {
        problem.labs[lab]: unmet(problem, problem.labs[lab], kept[lab] + 1, kept)
        for lab in bits(problem.members)
        if kept[lab] < problem.top
    }


def hollow(problem: Problem) -> tuple[tuple[str, int, str], ...]:
    """Clauses that promise nothing: lab, level, and why."""
    return tuple(
        (problem.labs[lab], clause.level, why)
        for lab in bits(problem.members)
        for clause in problem.clauses[lab]
        if not clause.older
        for why in [_hollow(problem, lab, clause.when, clause.provided)]
        if why
    )


def _hollow(problem: Problem, lab: int, when: Formula, provided: Formula) -> str:
    if _at_best(when) is Truth.FALSE:
        return "`when` can never be true"
    if value(provided, _all_keep(problem, 0)) is not Truth.TRUE:
        return "`provided` is not true even if all others keep the highest level"
    others = {problem.together[other] for other in bits(problem.members)} - {problem.together[lab]}
    if len(others) > 1 and all(value(provided, _all_keep(problem, group)) is not Truth.TRUE for group in others):
        return f"only if all {len(others)} other control groups keep it"
    return ""


def _at_best(when: Formula) -> Truth:
    """Value of `when` if every outside fact were as it needs them."""
    match when:
        case Fixed():
            constant = when.stated is not None and when.stated.WhichOneof("test") == "constant"
            return when.value if constant else Truth.TRUE
        case Join():
            return at_least(when.k, [_at_best(part) for part in when.parts])
        case _:
            return Truth.TRUE


def _all_keep(problem: Problem, but: int) -> list[int]:
    """What is seen if all labs named take part, in standing, and keep the highest level, but those of a mask."""
    return [((1 << len(problem.labs)) - 1) & ~but] * (problem.top + 1)


def what_if(problem: Problem, change: Change) -> WhatIf:
    """Who would be bound after a change, and what it would rest on.

    Raises:
        KeyError: for a lab that no pledge names and that does not take part.
    """
    before, _ = greatest(problem)
    changed = apply(problem, change, before)
    after, _ = greatest(changed)
    return WhatIf(
        problem=changed,
        before=named(problem, before),
        after=named(changed, after),
        rounds=_rounds(changed, before, [change.lab]),
        pivotal=pivotal(changed),
        core=core(changed),
    )


def apply(problem: Problem, change: Change, kept: Sequence[int]) -> Problem:
    """The problem after a change; `kept` is what each lab keeps before it, by number."""
    match change:
        case Leaves(lab):
            return problem.without(lab)
        case Joins(lab, pledge, owner):
            return problem.joined(lab, pledge, owner)
        case Signs(lab, pledge):
            return problem.pledged(lab, pledge)
        case Breaches(lab):
            return problem.unreliable(lab, kept[problem.index[lab]])
