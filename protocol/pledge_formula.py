"""Pledges as formulas over masks of labs (annex 4.1, 4): what is counted, and its value with three truths."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, reduce
from operator import or_
from typing import TYPE_CHECKING

from protocol.truth import Truth, at_least, of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from standstill.v1 import condition_pb2

Seen = list[int]
"""By level, from 0: mask of the labs that others see keep at least that level (y of annex 4.1, 3)."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """A test whose value no profile changes.

    Attributes:
        value: its value.
        stated: the condition; None where nothing was written, which is `always`.
    """

    value: Truth
    stated: condition_pb2.Condition | None = field(default=None, hash=False)


@dataclass(frozen=True)
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

    @cached_property
    def alone(self) -> int:
        """Mask of the labs that are counted by themselves."""
        return sum(group for group in self.groups if group.bit_count() == 1)

    @cached_property
    def joint(self) -> tuple[int, ...]:
        """Masks of the groups of which several labs are named."""
        return tuple(group for group in self.groups if group.bit_count() > 1)

    def count(self, mask: int) -> int:
        """Groups all of whose labs are in a mask."""
        return (self.alone & mask).bit_count() + sum(group & mask == group for group in self.joint)


@dataclass(frozen=True, slots=True)
class Weighs:
    """Control groups that keep a level weigh enough.

    Attributes:
        level: rank.
        of: for each group weighed, the mask of its labs that are named, 0 for one that can never keep it; and what they
            weigh together.
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
            return of(formula.count(seen[formula.level]) >= formula.k) if formula.groups else Truth.UNKNOWN
        case Weighs():
            mask = seen[formula.level]
            kept = sum(weight for group, weight in formula.of if group & mask == group != 0)
            return of(kept >= formula.at_least) if formula.of else Truth.UNKNOWN
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


def regrouped(formula: Formula, owners: Sequence[str]) -> Formula:
    """The same formula once labs have other control groups, by number of lab: each group still counts once."""
    match formula:
        case Fixed():
            return formula
        case Keeps():
            groups = tuple(group for group, _ in _merged(((group, 0) for group in formula.groups), owners))
            return Keeps(formula.level, groups, formula.k)
        case Weighs():
            return Weighs(formula.level, _merged(formula.of, owners), formula.at_least)
        case Join():
            return Join(formula.k, tuple(regrouped(part, owners) for part in formula.parts))


def _merged(groups: Iterable[tuple[int, int]], owners: Sequence[str]) -> tuple[tuple[int, int], ...]:
    found: dict[str, tuple[int, int]] = {}
    for number, (group, weight) in enumerate(groups):
        owner = owners[group.bit_length() - 1] if group else f"|{number}"
        mask, total = found.get(owner, (0, 0))
        found[owner] = mask | group, total + weight
    return tuple(found.values())


@dataclass(frozen=True)
class Clause:
    """One clause of a pledge.

    Attributes:
        level: rank.
        when: outside facts.
        provided: what others keep.
        older: whether it stands in the pledge that was replaced and still runs.
        over: whether the clause's time is over.
    """

    level: int
    when: Formula
    provided: Formula
    older: bool = False
    over: bool = False

    @cached_property
    def told(self) -> Truth:
        """What outside facts leave of it: FALSE, or the most that it can be."""
        return Truth.FALSE if self.over else value(self.when, [])

    @cached_property
    def reads(self) -> Mapping[int, int]:
        """By level, mask of the labs whose keeping it is tested."""
        read: dict[int, int] = {}
        for leaf in leaves(self.provided):
            if isinstance(leaf, Keeps):
                read[leaf.level] = read.get(leaf.level, 0) | leaf.alone | sum(leaf.joint)
            elif isinstance(leaf, Weighs):
                read[leaf.level] = read.get(leaf.level, 0) | reduce(or_, (group for group, _ in leaf.of), 0)
        return read

    def value(self, seen: Seen) -> Truth:
        """c(i, L, x) of annex 4.1, 4."""
        return min(self.told, value(self.provided, seen)) if self.told else Truth.FALSE


def bits(mask: int) -> Iterator[int]:
    """Numbers of the bits that are set, rising."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest
