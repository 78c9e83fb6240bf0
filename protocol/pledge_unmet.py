"""What a lab's clause lacks: the fewest tests that would have to turn true (annex 4.2).

all        the sum of its parts
any        the cheapest of them
k of them  the cheapest that are missing
weights    the heaviest labs that are missing
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from protocol import conditions
from protocol.pledge_formula import Clause, Fixed, Formula, Join, Keeps, Weighs, bits, leaves, value
from protocol.truth import Truth

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from protocol.pledge_formula import Seen
    from protocol.pledge_problem import Problem


@dataclass(frozen=True, slots=True)
class Atom:
    """One test that is not true.

    Attributes:
        labs: whose keeping a level is tested, all of one control group; empty for an outside fact.
        level: that they would have to keep; 0 for an outside fact.
        value: FALSE, or UNKNOWN where evidence is missing.
        text: one line for people.
    """

    labs: tuple[str, ...]
    level: int
    value: Truth
    text: str


@dataclass(frozen=True, slots=True)
class Unmet:
    """The smallest unmet clause.

    Attributes:
        lab: whose clause.
        level: of the clause; the least level asked for where there is no clause.
        atoms: the fewest tests that would have to turn true; of several such sets the first.
        possible: whether any would do; without a clause, past its time, or against a constant, none does.
        exact: whether fewer cannot do; False where a lab or fact is tested twice, which makes `atoms` an upper bound.
    """

    lab: str
    level: int
    atoms: tuple[Atom, ...]
    possible: bool
    exact: bool

    @property
    def cost(self) -> int:
        """Number of tests that would have to turn true; -1 if none would do."""
        return len(self.atoms) if self.possible else -1

    def text(self) -> str:
        """What is missing, in one line."""
        if not self.possible:
            return f"no clause that could hold at level {self.level}"
        return " and ".join(atom.text for atom in self.atoms)


def unmet(problem: Problem, lab: str, level: int, kept: Sequence[int]) -> Unmet:
    """The smallest unmet clause of a lab at a profile in which it alone is raised.

    Args:
        problem: stated on masks.
        lab: name of a lab that takes part.
        level: that it should keep, from 1; a clause for a higher one does as well.
        kept: level by number of lab, usually the greatest fixed point.
    """
    number = problem.index[lab]
    raised = list(kept)
    raised[number] = max(raised[number], level)
    seen = problem.seen(raised)
    clauses = [clause for clause in problem.clauses[number] if clause.level >= level]
    missing = [(clause, _missing(problem, clause, seen)) for clause in clauses]
    found = [(clause, atoms) for clause, atoms in missing if atoms is not None]
    exact = all(_read_once(problem, clause) for clause in clauses)
    if not found:
        return Unmet(lab, level, (), possible=False, exact=True)
    clause, atoms = min(found, key=lambda pair: len(pair[1]))
    return Unmet(lab, clause.level, atoms, possible=True, exact=exact)


def _missing(problem: Problem, clause: Clause, seen: Seen) -> tuple[Atom, ...] | None:
    """Fewest tests that make a clause true; None if nothing does."""
    if clause.over:
        return None
    return _sum(_lacks(problem, part, seen) for part in (clause.when, clause.provided))


def _lacks(problem: Problem, formula: Formula, seen: Seen) -> tuple[Atom, ...] | None:
    if value(formula, seen) is Truth.TRUE:
        return ()
    match formula:
        case Fixed():
            return _fixed(problem, formula)
        case Keeps():
            return _keeps(problem, formula, seen)
        case Weighs():
            return _weighs(problem, formula, seen)
        case Join():
            parts = [_lacks(problem, part, seen) for part in formula.parts]
            cheapest = sorted((part for part in parts if part is not None), key=len)
            return _sum(cheapest[: formula.k]) if 0 < formula.k <= len(cheapest) else None


def _sum(parts: Iterable[tuple[Atom, ...] | None]) -> tuple[Atom, ...] | None:
    found = list(parts)
    return None if None in found else tuple(chain.from_iterable(part for part in found if part is not None))


def _fixed(problem: Problem, test: Fixed) -> tuple[Atom, ...] | None:
    if test.stated is None or test.stated.WhichOneof("test") == "constant":
        return None
    said = "an outside fact"
    if problem.source is not None:
        said = conditions.evaluate(test.stated, problem.source.facts).text
    return (Atom((), 0, test.value, said),)


def _keeps(problem: Problem, test: Keeps, seen: Seen) -> tuple[Atom, ...] | None:
    mask = seen[test.level]
    absent = [group for group in test.groups if group & mask != group or not group]
    lacking = test.k - (len(test.groups) - len(absent))
    # A name that is no lab here can turn true only by joining; those that are here are cheaper to ask.
    named = sorted(absent, key=lambda group: not group & problem.members)[: max(lacking, 0)]
    return tuple(_kept(problem, group, test.level) for group in named) if lacking <= len(absent) else None


def _weighs(problem: Problem, test: Weighs, seen: Seen) -> tuple[Atom, ...] | None:
    mask = seen[test.level]
    absent = [(group, weight) for group, weight in test.of if group & mask != group or not group]
    lacking = test.at_least - sum(weight for _, weight in test.of) + sum(weight for _, weight in absent)
    found = []
    for group, weight in sorted(absent, key=lambda one: -one[1]):
        if lacking > 0:
            found.append(_kept(problem, group, test.level))
            lacking -= weight
    return tuple(found) if lacking <= 0 else None


def _kept(problem: Problem, group: int, level: int) -> Atom:
    labs = tuple(problem.labs[lab] for lab in bits(group)) or ("a lab that is no party",)
    keep = "keeps" if len(labs) == 1 else "keep"
    return Atom(labs, level, Truth.FALSE, f"{' and '.join(labs)} {keep} level {level}")


def _read_once(problem: Problem, clause: Clause) -> bool:
    """Whether no control group and no fact is tested twice."""
    owners: list[str] = []
    facts: list[bytes] = []
    for leaf in chain(leaves(clause.when), leaves(clause.provided)):
        if isinstance(leaf, Fixed):
            facts += [] if leaf.stated is None else [leaf.stated.SerializeToString(deterministic=True)]
        elif isinstance(leaf, Keeps):
            owners += {problem.owners[lab] for group in leaf.groups for lab in bits(group)}
        else:
            owners += {problem.owners[lab] for group, _ in leaf.of for lab in bits(group)}
    return len(set(owners)) == len(owners) and len(set(facts)) == len(facts)
