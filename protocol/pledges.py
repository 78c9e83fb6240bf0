"""Who is bound: the greatest fixed point of mutually conditional pledges (design section 5, annex 4).

`provided` is monotone in what others keep, so the map G below is monotone on a finite lattice and iterating it from
"everyone keeps the highest level" ends, whatever the order, at the one largest profile that supports itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from protocol import conditions
from protocol.facts import StateFacts
from protocol.lab_status import pledges_of
from protocol.pledge_compiler import parsed
from protocol.pledge_formula import bits
from protocol.pledge_problem import Problem, compile_problem
from protocol.state import GOVERNS_AFTER
from protocol.truth import Explained, Ref, Truth, all_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from protocol.agreement import Agreement
    from protocol.conditions import Facts
    from protocol.state import PledgeState, Stage, State
    from standstill.v1 import pledge_pb2

Profile = dict[str, int]
"""Level that each lab keeps."""


@dataclass(frozen=True)
class Solution:
    """The greatest fixed point.

    Attributes:
        kept: level that each lab keeps.
        rounds: applications of G until nothing changed.
        facts: under which the clauses have their values.
    """

    kept: Profile
    rounds: int
    facts: StateFacts = field(compare=False, repr=False)

    @cached_property
    def reasons(self) -> Mapping[str, Explained]:
        """For each lab, why: the clause of the level it keeps, or the lowest that it has and that does not hold."""
        pledges = self.facts.state.pledges
        return {lab: clause(lab, kept or _lowest(pledges[lab]), self.facts) for lab, kept in self.kept.items()}


def _lowest(pledge: PledgeState) -> int:
    """Lowest level that a lab's pledges have a clause for; 1 if they have none."""
    return min((one.level for data in (pledge.current, pledge.older) for one in parsed(data).clauses), default=1)


def solve(agreement: Agreement, state: State, assumed: Mapping[int, Stage] | None = None) -> Solution:
    """Which level each lab keeps by its pledge (annex 4.1).

    Args:
        agreement: terms in force.
        state: with the pledges, what the labs kept before, and the outside facts.
        assumed: stages to assume instead of those of the state, by rank: for the set that a call would bind.

    Returns:
        The unique largest profile; at most labs x levels + 1 rounds (annex 4.2).
    """
    problem = compile_problem(agreement, state, assumed)
    found, changes = greatest(problem)
    kept = {lab: found[problem.index[lab]] for lab in state.pledges}
    return Solution(kept, len(changes) + 1, StateFacts(agreement, state, kept, assumed or {}))


def kept_by_older(agreement: Agreement, state: State, lab: str) -> int:
    """Level at which a lab's replaced pledge alone still binds it, given what all keep now (annex 3.3); 0: none."""
    pledge = state.pledges[lab]
    if not pledge.older:
        return 0
    problem = compile_problem(agreement, state)
    number = problem.index[lab]
    clauses = tuple(one for one in problem.clauses[number] if one.older and one.level <= pledge.kept)
    alone = replace(problem, clauses=tuple(clauses if other == number else () for other in range(len(problem.labs))))
    kept = [state.pledges[name].kept if name in state.pledges else 0 for name in problem.labs]
    return replace(alone, floor=(0,) * len(problem.labs)).image(number, alone.seen(kept))


def greatest(problem: Problem) -> tuple[list[int], list[dict[int, int]]]:
    """The greatest fixed point of a problem.

    Returns:
        The level that each lab keeps, by number, and for each round what it changed.
    """
    start = [problem.top if problem.members >> lab & 1 else 0 for lab in range(len(problem.labs))]
    return settle(problem, start)


def least(problem: Problem) -> list[int]:
    """The least fixed point above the floors, by number of lab; an unknown counts as false.

    What it binds rests on nobody else going first, and on no inertia (annex 4.1, 6).
    """
    kept, _ = settle(problem, [0] * len(problem.labs), inert=False)
    return kept


def settle(problem: Problem, start: Sequence[int], *, inert: bool = True) -> tuple[list[int], list[dict[int, int]]]:
    """Apply G until nothing changes, looking again only at labs that read something that changed.

    Args:
        problem: stated on masks.
        start: level by number of lab, above or below its own image, so that the rounds go one way.
        inert: whether an unknown holds who kept the level before.

    Returns:
        The fixed point, and for each round the labs that it changed, with their new levels.
    """
    kept = list(start)
    rounds: list[dict[int, int]] = []
    seen, due = problem.seen(kept), problem.members
    while True:
        images = {lab: problem.image(lab, seen, inert=inert) for lab in bits(due)}
        changed = {lab: level for lab, level in images.items() if level != kept[lab]}
        if not changed:
            return kept, rounds
        rounds.append(changed)
        before = list(seen)
        for lab, level in changed.items():
            kept[lab] = level
        for lab in changed:
            problem.show(seen, lab, kept)
        moved = [old ^ new for old, new in zip(before, seen, strict=True)]
        due = _readers(problem, moved)


def _readers(problem: Problem, moved: list[int]) -> int:
    """Mask of the labs whose clauses read something that moved."""
    found = 0
    for lab, reads in enumerate(problem.reads):
        for read, mask in zip(reads, moved, strict=True):
            if read & mask:
                found |= 1 << lab
                break
    return found & problem.members


def certificate(problem: Problem, kept: Sequence[int]) -> bool:
    """Whether a profile supports itself, x <= G(x): then everybody in it is bound at least to it (annex 4.5)."""
    seen = problem.seen(kept)
    return all(level <= problem.image(lab, seen) for lab, level in enumerate(kept))


def named(problem: Problem, kept: Sequence[int]) -> Profile:
    """A profile by names."""
    return dict(zip(problem.labs, kept, strict=True))


def clause(lab: str, rank: int, facts: StateFacts) -> Explained:
    """The lab's clause for a level: the higher of the pledge in force and the one that still runs beside it."""
    period, pledge = facts.state.period, facts.state.pledges[lab]
    governed = GOVERNS_AFTER - 1 if period is None else period + GOVERNS_AFTER
    stated = [data for data in (pledge.current, pledge.older) if data]
    values = [
        _clause(data, rank, facts, governed, ref)
        for data, ref in zip(stated, pledges_of(facts.agreement, facts.state, lab), strict=True)
    ]
    if not values:
        return Explained(Truth.FALSE, "no pledge")
    return max(values, key=lambda value: value.value)


def _clause(data: bytes, rank: int, facts: Facts, governed: int, ref: Ref) -> Explained:
    for stated in parsed(data).clauses:
        if stated.level == rank:
            parts = _parts(stated, facts, governed)
            value = all_of([part.value for part in parts])
            return Explained(value, f"pledge for level {rank}", parts, evidence=(ref,))
    return Explained(Truth.FALSE, f"no clause for level {rank}", evidence=(ref,))


def _parts(stated: pledge_pb2.PledgeClause, facts: Facts, governed: int) -> tuple[Explained, ...]:
    pairs = ((stated.when, stated.HasField("when")), (stated.provided, stated.HasField("provided")))
    parts = [
        conditions.evaluate(condition, facts) if present else Explained(Truth.TRUE, "always")
        for condition, present in pairs
    ]
    if stated.HasField("until_period"):
        over = governed >= stated.until_period
        text = f"until P{stated.until_period}, " + ("which has begun" if over else "which is ahead")
        parts.append(Explained(Truth.FALSE if over else Truth.TRUE, text))
    return tuple(parts)
