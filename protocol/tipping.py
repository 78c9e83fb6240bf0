"""Tipping sets: the fewest labs that would bring a level into force by keeping it unconditionally (annex 4.5).

Finding them is as hard as set cover. Every set that fails, made as large as possible, leaves a *cut* outside: any set
that works has one of its labs. A least set that hits all cuts and works is therefore a least set that works (implicit
hitting sets). Up to `exact_to` candidates all sets that need each of their labs are listed; beyond, and where the
budget ends, the least size is stated as a proven bracket: below by counting how far any `t` labs could ever reach,
above by a set that works.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Final

from protocol.pledge_compiler import Compiler
from protocol.pledge_formula import Fixed, Formula, Join, Keeps, Weighs, bits, value
from protocol.pledges import greatest, settle
from protocol.truth import Truth, at_least, of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from protocol.pledge_formula import Seen
    from protocol.pledge_problem import Problem

MAX_LISTED: Final = 256
"""Most sets that are listed."""
NODES_PER_SOLUTION: Final = 50
"""Steps of the search for hitting sets that count as much against the budget as solving the pledges once."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What is to be brought about.

    Attributes:
        level: that the labs of a tipping set would keep.
        entry: over who keeps what; None where every lab that takes part must keep the level.
    """

    level: int
    entry: Formula | None = None

    def met(self, problem: Problem, kept: Sequence[int]) -> bool:
        """Whether a profile fulfils it."""
        if self.entry is None:
            return all(kept[lab] >= self.level for lab in bits(problem.members))
        return value(self.entry, problem.seen(kept)) is Truth.TRUE


@dataclass(frozen=True, slots=True)
class Tipping:
    """The least sets of labs that bring a goal about.

    Attributes:
        level: that they would keep.
        candidates: labs that take part and do not keep it.
        sets: sets that work and need each of their labs, by rising size; one empty set if the goal is met already.
        least: no smaller set works; None if not even all candidates together do.
        most: a set of this size works; None likewise.
        listed_all: whether `sets` holds all of them.
        evaluated: how often the pledges were solved.
    """

    level: int
    candidates: tuple[str, ...]
    sets: tuple[frozenset[str], ...]
    least: int | None
    most: int | None
    listed_all: bool
    evaluated: int


def goal_of(problem: Problem, level: int) -> Goal:
    """The entry rule of a level, or that every lab keeps it (annex 4.3).

    Raises:
        ValueError: for a problem that was not compiled from terms.
    """
    if problem.source is None:
        raise ValueError("stated on masks: no terms to read the entry rule from")
    terms = problem.source.agreement.levels[level]
    if not terms.HasField("entry"):
        return Goal(level)
    return Goal(level, Compiler(problem.index, problem.owners, problem.source).provided(terms.entry))


def tipping(problem: Problem, goal: Goal, exact_to: int = 20, budget: int = 4_000) -> Tipping:
    """The least sets of labs that bring a goal about by keeping its level unconditionally.

    Args:
        problem: compiled with the level assumed to be winding, so that `when` reads what a call would mean.
        goal: what is to be brought about.
        exact_to: candidates up to which all sets are listed.
        budget: how often the pledges may be solved; where it ends the answer is a bracket.
    """
    search = _Search(problem, goal, budget)
    if search.works(0):
        return search.answer((0,), 0, 0, listed_all=True)
    if not search.works(search.all):
        return search.answer((), None, None, listed_all=True)
    lower, upper = search.below(), search.shrunk()
    every = len(search.candidates) <= exact_to
    if lower == upper.bit_count() and not every:
        return search.answer((upper,), lower, lower, listed_all=False)
    return search.hitting(lower, upper, every=every)


class _Search:
    """The search for tipping sets; sets are masks of labs."""

    def __init__(self, problem: Problem, goal: Goal, budget: int) -> None:
        self._problem, self._goal, self._budget = problem, goal, budget
        now, _ = greatest(problem)
        self.candidates = tuple(lab for lab in bits(problem.members) if now[lab] < goal.level)
        self.all = sum(1 << lab for lab in self.candidates)
        self._ceiling, _ = greatest(problem.keeping(self.all, goal.level))
        self._evaluated, self._nodes = 2, 0

    @property
    def spent(self) -> bool:
        """Whether the budget is used up."""
        return self._evaluated + self._nodes // NODES_PER_SOLUTION >= self._budget

    def works(self, labs: int) -> bool:
        """Whether the goal is met once these labs keep the level."""
        self._evaluated += 1
        changed = self._problem.keeping(labs, self._goal.level)
        # The profile under all candidates supports every smaller set from above: no need to begin at the top.
        kept, _ = settle(changed, self._ceiling)
        return self._goal.met(changed, kept)

    def shrunk(self) -> int:
        """A set that works and needs each of its labs."""
        found = self.all
        for lab in self.candidates:
            if self.works(found & ~(1 << lab)):
                found &= ~(1 << lab)
        return found

    def below(self) -> int:
        """A size that no smaller set has that works: any `t` labs could do at most what :func:`_reaches` grants."""
        low, high = 0, len(self.candidates)
        while high - low > 1:
            middle = (low + high) // 2
            self._evaluated += 1
            if _reaches(self._problem, self._goal, self.all, middle):
                high = middle
            else:
                low = middle
        return high

    def hitting(self, lower: int, upper: int, *, every: bool) -> Tipping:
        """Least hitting sets of growing cuts, by rising size, until all are found, one is, or the budget ends."""
        cuts: list[int] = []
        found: list[int] = []
        size = lower
        while size <= len(self.candidates) and len(found) < MAX_LISTED:
            hit = self._hit(cuts, found, size)
            if self.spent:
                break
            if hit is None:
                size += 1
            elif not self.works(hit):
                cuts.append(self._cut(hit))
            elif every:
                found.append(hit)
            else:
                return self.answer((hit,), size, size, listed_all=False)
        listed_all = size > len(self.candidates)
        if found:
            least = found[0].bit_count()
            return self.answer(tuple(found), least, least, listed_all=listed_all)
        return self.answer((upper,), min(size, upper.bit_count()), upper.bit_count(), listed_all=False)

    def _cut(self, fails: int) -> int:
        """Labs of which every set that works has one: what is left outside a failing set that cannot grow."""
        for lab in self.candidates:
            if not fails >> lab & 1 and not self.works(fails | 1 << lab):
                fails |= 1 << lab
        return self.all & ~fails

    def _hit(self, cuts: list[int], blocked: list[int], size: int, chosen: int = 0, barred: int = 0) -> int | None:
        """A set of at most `size` labs that hits every cut and holds no blocked set; None if there is none.

        Args:
            cuts: masks that must be hit.
            blocked: masks that must not be contained.
            size: labs that may still be chosen.
            chosen: labs chosen so far.
            barred: labs that may not be chosen any more.
        """
        self._nodes += 1
        if self.spent or any(one & chosen == one for one in blocked):
            return None
        open_cuts = [cut & ~barred for cut in cuts if not cut & chosen]
        if not open_cuts:
            return chosen
        if _disjoint(open_cuts) > size:
            return None
        for lab in bits(min(open_cuts, key=int.bit_count)):
            hit = self._hit(cuts, blocked, size - 1, chosen | 1 << lab, barred)
            if hit is not None:
                return hit
            barred |= 1 << lab
        return None

    def answer(self, sets: tuple[int, ...], least: int | None, most: int | None, *, listed_all: bool) -> Tipping:
        """What was found, by name."""
        named = [frozenset(self._problem.labs[lab] for lab in bits(one)) for one in sets]
        return Tipping(
            level=self._goal.level,
            candidates=tuple(self._problem.labs[lab] for lab in self.candidates),
            sets=tuple(sorted(named, key=lambda one: (len(one), sorted(one)))),
            least=least,
            most=most,
            listed_all=listed_all,
            evaluated=self._evaluated,
        )


def _disjoint(cuts: list[int]) -> int:
    """How many cuts share no lab with one another, picked greedily: each needs a lab of its own."""
    taken, count = 0, 0
    for cut in sorted(cuts, key=int.bit_count):
        if not cut & taken:
            taken |= cut
            count += 1
    return count


def _reaches(problem: Problem, goal: Goal, candidates: int, free: int) -> bool:
    """Whether the goal could be met if every count and every sum were granted `free` more candidates.

    A set of `free` labs adds at most that many to any count, so a goal that is missed here is missed by every such set.
    """
    granted = _Granted(problem, goal.level, candidates, free)
    kept = [problem.top if problem.members >> lab & 1 else 0 for lab in range(len(problem.labs))]
    while True:
        seen = problem.seen(kept)
        images = [min(kept[lab], granted.image(lab, seen)) for lab in range(len(kept))]
        if images == kept:
            break
        kept = images
    if goal.entry is not None:
        return granted.value(goal.entry, seen) is Truth.TRUE
    return sum(kept[lab] < goal.level for lab in bits(problem.members)) <= free


class _Granted:
    """Values of formulas with candidates granted."""

    def __init__(self, problem: Problem, level: int, candidates: int, free: int) -> None:
        self._problem, self._level, self._free = problem, level, free
        # A candidate can complete its whole control group.
        self._groups = reduce(or_, (problem.together[lab] for lab in bits(candidates)), 0)

    def image(self, lab: int, seen: Seen) -> int:
        """G(x)(i) with candidates granted."""
        floor, before = self._problem.floor[lab], self._problem.prev[lab]
        for clause in self._problem.clauses[lab]:
            found = min(clause.told, self.value(clause.provided, seen))
            if found == Truth.TRUE or (found == Truth.UNKNOWN and before >= clause.level):
                return max(clause.level, floor)
        return floor

    def value(self, formula: Formula, seen: Seen) -> Truth:
        """Value of a formula with candidates granted."""
        match formula:
            case Fixed():
                return formula.value
            case Keeps():
                return self._keeps(formula, seen[formula.level])
            case Weighs():
                sure = of(self._weighs(formula, seen[formula.level]) >= formula.at_least)
                return sure if formula.of else Truth.UNKNOWN
            case Join():
                return at_least(formula.k, [self.value(part, seen) for part in formula.parts])

    def _keeps(self, test: Keeps, mask: int) -> Truth:
        if not test.groups:
            return Truth.UNKNOWN
        kept = test.count(mask)
        if test.level > self._level or kept >= test.k:
            return of(kept >= test.k)
        helped = (test.alone & self._groups & ~mask).bit_count()
        helped += sum(bool(group & self._groups) and group & mask != group for group in test.joint)
        return of(kept + min(helped, self._free) >= test.k)

    def _weighs(self, test: Weighs, mask: int) -> int:
        """Sum of what is kept and of the heaviest control groups that could be."""
        kept = sum(weight for group, weight in test.of if group & mask == group != 0)
        if test.level > self._level:
            return kept
        could = (weight for group, weight in test.of if group & mask != group and group & self._groups)
        return kept + sum(sorted(could, reverse=True)[: self._free])
