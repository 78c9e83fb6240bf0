"""Pledges compiled to bit masks, so that who is bound can be solved thousands of times (annex 4.1).

`when`, and what `provided` reads of standing, do not depend on who keeps what: they are evaluated once. What remains
is counted on masks of labs. Nothing here knows how the fixed points are found.

    Problem
    ├── labs, owners, members, relied      who takes part, who is relied on (annex 4.1, 3)
    ├── clauses[lab]                       falling levels, each `when` and `provided` as a Formula
    └── prev, floor[lab]                   what inertia and lost standing hold (annex 4.1, 5 and 4.3)
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from protocol import conditions
from protocol.facts import StateFacts
from protocol.state import Membership, Stage, Standing
from protocol.truth import Truth, at_least, of
from standstill.v1 import pledge_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from protocol.agreement import Agreement
    from protocol.state import PledgeState, State
    from standstill.v1 import condition_pb2

Seen = list[int]
"""By level, from 0: mask of the labs that others see keep at least that level (y of annex 4.1, 3)."""

GOVERNS_AFTER = 2
"""A closing of period p governs from period p + 2 on (annex 1.2)."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """A test whose value no profile changes.

    Attributes:
        value: its value.
        stated: the condition; None where nothing was written, which is `always`.
    """

    value: Truth
    stated: condition_pb2.Condition | None = field(default=None, hash=False)


@dataclass(frozen=True, slots=True)
class Keeps:
    """At least k control groups keep a level.

    Attributes:
        level: rank.
        groups: for each group counted, the mask of its labs that are named; 0 for one that can never keep it.
        k: how many must.
    """

    level: int
    groups: tuple[int, ...]
    k: int


@dataclass(frozen=True, slots=True)
class Weighs:
    """Labs that keep a level weigh enough.

    Attributes:
        level: rank.
        of: mask of one lab each, and its weight.
        at_least: least sum.
    """

    level: int
    of: tuple[tuple[int, int], ...]
    at_least: int


@dataclass(frozen=True, slots=True)
class Join:
    """At least k parts hold: 1 is any, their number is all."""

    k: int
    parts: tuple[Formula, ...]


Formula = Fixed | Keeps | Weighs | Join

ALWAYS = Fixed(Truth.TRUE)


def value(formula: Formula, seen: Seen) -> Truth:
    """Strong Kleene value of a formula under what others see."""
    match formula:
        case Fixed():
            return formula.value
        case Keeps():
            mask = seen[formula.level]
            kept = sum(group & mask == group != 0 for group in formula.groups)
            return of(kept >= formula.k) if formula.groups else Truth.UNKNOWN
        case Weighs():
            mask = seen[formula.level]
            return of(sum(weight for lab, weight in formula.of if lab & mask) >= formula.at_least)
        case Join():
            values = [value(part, seen) for part in formula.parts]
            return at_least(formula.k, values)


def leaves(formula: Formula) -> Iterator[Fixed | Keeps | Weighs]:
    """The tests of a formula."""
    if isinstance(formula, Join):
        for part in formula.parts:
            yield from leaves(part)
    else:
        yield formula


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause of a pledge.

    Attributes:
        level: rank.
        when: outside facts.
        provided: what others keep.
        older: whether it stands in the pledge that was replaced and still runs.
        told: value of `when`; FALSE once the clause's time is over.
    """

    level: int
    when: Formula
    provided: Formula
    older: bool = False
    told: Truth = Truth.TRUE

    def value(self, seen: Seen) -> Truth:
        """c(i, L, x) of annex 4.1, 4."""
        return min(self.told, value(self.provided, seen)) if self.told else Truth.FALSE


@dataclass(frozen=True, slots=True)
class Source:
    """What a problem was compiled from.

    Attributes:
        agreement: the terms.
        state: what is known.
        facts: what `when` reads.
        governed: first period that the state governs; clauses whose time is over by then are false.
    """

    agreement: Agreement
    state: State
    facts: StateFacts
    governed: int


@dataclass(frozen=True)
class Problem:
    """Who is bound to what, as a question on masks.

    Bit i of a mask is `labs[i]`. Labs that clauses name and that take no part are there too: they keep nothing.

    Attributes:
        labs: names.
        owners: control group of each.
        top: highest rank.
        members: mask of the labs that take part.
        relied: mask of the labs in standing.
        clauses: by lab, levels falling.
        prev: level that each lab kept after the last step.
        floor: level that each lab keeps whatever its clauses say.
        source: where the clauses came from; None for a problem stated on masks.
    """

    labs: tuple[str, ...]
    owners: tuple[str, ...]
    top: int
    members: int
    relied: int
    clauses: tuple[tuple[Clause, ...], ...]
    prev: tuple[int, ...]
    floor: tuple[int, ...]
    source: Source | None = field(default=None, compare=False, repr=False)

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Number of a lab."""
        return {lab: number for number, lab in enumerate(self.labs)}

    @cached_property
    def together(self) -> tuple[int, ...]:
        """For each lab, the mask of the labs of its control group that take part."""
        masks: dict[str, int] = {}
        for lab in bits(self.members):
            masks[self.owners[lab]] = masks.get(self.owners[lab], 0) | 1 << lab
        return tuple(masks.get(owner, 0) for owner in self.owners)

    @cached_property
    def reads(self) -> tuple[tuple[int, ...], ...]:
        """For each lab and level, the labs whose keeping that level its clauses read."""
        return tuple(self._reads(clauses) for clauses in self.clauses)

    def _reads(self, clauses: Iterable[Clause]) -> tuple[int, ...]:
        read = [0] * (self.top + 1)
        for clause in clauses:
            for leaf in leaves(clause.provided):
                if isinstance(leaf, Keeps):
                    for group in leaf.groups:
                        read[leaf.level] |= group
                elif isinstance(leaf, Weighs):
                    for lab, _ in leaf.of:
                        read[leaf.level] |= lab
        return tuple(read)

    def image(self, lab: int, seen: Seen, *, inert: bool = True) -> int:
        """G(x)(i) (annex 4.1, 6); without inertia an unknown counts as false."""
        if not self.members >> lab & 1:
            return 0
        floor, before = self.floor[lab], self.prev[lab] if inert else 0
        for clause in self.clauses[lab]:
            if clause.level <= floor:
                break
            found = clause.value(seen)
            # An unknown neither starts nor ends a duty (annex 4.1, 5).
            if found == Truth.TRUE or (found == Truth.UNKNOWN and before >= clause.level):
                return clause.level
        return floor

    def seen(self, kept: Sequence[int]) -> Seen:
        """What others see of a profile (annex 4.1, 3)."""
        seen = [0] * (self.top + 1)
        for lab in bits(self.members):
            self.show(seen, lab, kept)
        return seen

    def show(self, seen: Seen, lab: int, kept: Sequence[int]) -> None:
        """Update what others see of a lab's control group, which keeps the least of what its labs keep."""
        group = self.together[lab]
        relied = group & self.relied == group
        least = min((kept[other] for other in bits(group)), default=0) if relied else 0
        for level in range(self.top + 1):
            if level <= least:
                seen[level] |= group
            else:
                seen[level] &= ~group

    def without(self, lab: str) -> Problem:
        """The same after a lab has left."""
        number = self.index[lab]
        return self._with(number, members=self.members & ~(1 << number), floor=0)

    def absent(self, labs: Iterable[str]) -> Problem:
        """The same if labs kept nothing and nobody relied on them (annex 4.5); their groups then keep nothing."""
        changed = self
        for number in sorted(self.index[lab] for lab in labs):
            relied = changed.relied & ~(1 << number)
            changed = changed._with(number, relied=relied, clauses=(), floor=0)  # noqa: SLF001 - its own class
        return changed

    def keeping(self, labs: int, level: int) -> Problem:
        """The same if the labs of a mask kept a level unconditionally."""
        floor = tuple(max(now, level) if labs >> number & 1 else now for number, now in enumerate(self.floor))
        return replace(self, floor=floor)

    def unreliable(self, lab: str, floor: int) -> Problem:
        """The same once a lab has lost standing: nobody relies on it, and it stays bound to `floor` (annex 4.3)."""
        number = self.index[lab]
        return self._with(number, relied=self.relied & ~(1 << number), floor=max(self.floor[number], floor))

    def pledged(self, lab: str, pledge: pledge_pb2.Pledge) -> Problem:
        """The same with another pledge of a lab, once the notice of the one before is over."""
        return self._with(self.index[lab], clauses=self.compiled(pledge))

    def joined(self, name: str, pledge: pledge_pb2.Pledge, owner: str = "") -> Problem:
        """The same with another lab, relied on from the start; `owner` is its control group, its own if not said."""
        if name not in self.index:
            grown = replace(
                self,
                labs=(*self.labs, name),
                owners=(*self.owners, owner or _own(name)),
                clauses=(*self.clauses, ()),
                prev=(*self.prev, 0),
                floor=(*self.floor, 0),
            )
            return grown.joined(name, pledge, owner)
        number = self.index[name]
        owners = [owner if owner and lab == name else now for lab, now in zip(self.labs, self.owners, strict=True)]
        here = replace(self, owners=tuple(owners))
        bit = 1 << number
        changed = here._with(number, members=self.members | bit, relied=self.relied | bit)  # noqa: SLF001 - its own class
        return changed.pledged(name, pledge)

    def compiled(self, pledge: pledge_pb2.Pledge) -> tuple[Clause, ...]:
        """The clauses of a pledge among these labs; names that are not among them keep nothing."""
        if self.source is None:
            raise ValueError("stated on masks: no facts to compile a pledge with")
        return _Compiler(self.index, self.owners, self.source).clauses(pledge, older=False)

    def _with(
        self,
        number: int,
        *,
        members: int | None = None,
        relied: int | None = None,
        clauses: tuple[Clause, ...] | None = None,
        floor: int | None = None,
    ) -> Problem:
        """The same, with what is given changed for one lab."""
        of_labs = list(self.clauses)
        of_labs[number] = of_labs[number] if clauses is None else clauses
        floors = list(self.floor)
        floors[number] = floors[number] if floor is None else floor
        return replace(
            self,
            members=self.members if members is None else members,
            relied=self.relied if relied is None else relied,
            clauses=tuple(of_labs),
            floor=tuple(floors),
        )


def bits(mask: int) -> Iterator[int]:
    """Numbers of the bits that are set, rising."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


@lru_cache(maxsize=1_024)
def parsed(data: bytes) -> pledge_pb2.Pledge:
    """A serialized pledge, which nobody may change."""
    return pledge_pb2.Pledge.FromString(data)


def compile_problem(agreement: Agreement, state: State, assumed: Mapping[int, Stage] | None = None) -> Problem:
    """The pledges of a state as a problem.

    Args:
        agreement: terms in force.
        state: what is known.
        assumed: stages to assume instead of those of the state, by rank: for the set that a call would bind.
    """
    facts = StateFacts(agreement, state, assumed=assumed or {})
    governed = GOVERNS_AFTER - 1 if state.period is None else state.period + GOVERNS_AFTER
    source = Source(agreement, state, facts, governed)
    labs = (*agreement.labs, *sorted(_dormant(agreement, state)))
    owners = tuple(agreement.owner(lab) if lab in agreement.parties else _own(lab) for lab in labs)
    compiler = _Compiler({lab: number for number, lab in enumerate(labs)}, owners, source)
    pledges = [state.pledges.get(lab) for lab in labs]
    return Problem(
        labs=labs,
        owners=owners,
        top=max(agreement.levels, default=0),
        members=_mask(lab in agreement.labs and _takes_part(state, lab) for lab in labs),
        relied=_mask(lab in state.conduct and state.conduct[lab].standing is not Standing.OUT for lab in labs),
        clauses=tuple(compiler.both(pledge) if pledge else () for pledge in pledges),
        prev=tuple(pledge.kept if pledge else 0 for pledge in pledges),
        floor=tuple(pledge.floor if pledge else 0 for pledge in pledges),
        source=source,
    )


def _takes_part(state: State, lab: str) -> bool:
    return lab in state.parties and state.parties[lab].membership in {Membership.IN, Membership.NOTICE}


def _mask(flags: Iterable[bool]) -> int:
    return sum(1 << number for number, flag in enumerate(flags) if flag)


def _own(lab: str) -> str:
    """Control group of a lab that is no party: no name contains a bar, so it is nobody else's."""
    return f"|{lab}"


def _dormant(agreement: Agreement, state: State) -> set[str]:
    """Names in pledges that are no lab of the agreement."""
    named: set[str] = set()
    for pledge in state.pledges.values():
        for data in (pledge.current, pledge.older):
            for clause in parsed(data).clauses:
                named |= names_in(clause.provided)
    return named - set(agreement.labs)


def names_in(condition: condition_pb2.Condition) -> set[str]:
    """Labs that a clause on what others keep names."""
    test = condition.WhichOneof("test")
    if test in _GROUPS:
        return {name for part in getattr(condition, test).of for name in names_in(part)}
    if test == "keeps":
        return set(condition.keeps.of)
    return {one.lab for one in condition.weighs.of} if test == "weighs" else set()


_GROUPS = frozenset({"all", "any", "at_least"})


class _Compiler:
    """Turns conditions into formulas; a `when` that several clauses share is evaluated once."""

    def __init__(self, index: Mapping[str, int], owners: Sequence[str], source: Source) -> None:
        self._index, self._owners, self._source = index, owners, source
        self._whens: dict[bytes, Formula] = {}

    def both(self, pledge: PledgeState) -> tuple[Clause, ...]:
        """Clauses of the pledge in force and of the one that still runs, levels falling."""
        found = [clause for data, older in ((pledge.current, False), (pledge.older, True)) if data
                 for clause in self.clauses(parsed(data), older=older)]  # fmt: skip
        return tuple(sorted(found, key=lambda clause: -clause.level))

    def clauses(self, pledge: pledge_pb2.Pledge, *, older: bool) -> tuple[Clause, ...]:
        levels = self._source.agreement.levels
        found = [self._clause(stated, older) for stated in pledge.clauses if stated.level in levels]
        return tuple(sorted(found, key=lambda clause: -clause.level))

    def _clause(self, stated: pledge_pb2.PledgeClause, older: bool) -> Clause:
        when = self._when(stated.when) if stated.HasField("when") else ALWAYS
        told = value(when, [])
        if stated.HasField("until_period") and self._source.governed >= stated.until_period:
            told = Truth.FALSE
        provided = self._provided(stated.provided) if stated.HasField("provided") else ALWAYS
        return Clause(stated.level, when, provided, older, told)

    def _when(self, condition: condition_pb2.Condition) -> Formula:
        key = condition.SerializeToString(deterministic=True)
        if key not in self._whens:
            self._whens[key] = self._join(condition, outside=True)
        return self._whens[key]

    def _provided(self, condition: condition_pb2.Condition) -> Formula:
        return self._join(condition, outside=False)

    def _join(self, condition: condition_pb2.Condition, *, outside: bool) -> Formula:
        test = condition.WhichOneof("test")
        if test in _GROUPS:
            of = getattr(condition, test).of
            parts = tuple(self._join(part, outside=outside) for part in of)
            return Join({"all": len(parts), "any": 1}.get(test) or condition.at_least.k, parts)
        if test == "keeps" and not outside:
            return self._keeps(condition.keeps)
        if test == "weighs" and not outside:
            of = tuple((self._bit(one.lab), one.weight) for one in condition.weighs.of)
            return Weighs(condition.weighs.level, of, condition.weighs.at_least)
        return Fixed(conditions.evaluate(condition, self._source.facts).value, condition)

    def _keeps(self, test: condition_pb2.Condition.Keeps) -> Keeps:
        groups: dict[str, int] = {}
        for lab in test.of:
            number = self._index.get(lab)
            owner = _own(lab) if number is None else self._owners[number]
            groups[owner] = groups.get(owner, 0) | self._bit(lab)
        return Keeps(test.level, tuple(groups.values()), test.k)

    def _bit(self, lab: str) -> int:
        """Mask of a lab; none for a name that is not among them, which keeps nothing."""
        return 1 << self._index[lab] if lab in self._index else 0
