"""Pledges as formulas over masks of labs (annex 4.1, 4): what is counted, and its value with three truths."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from protocol.truth import Truth, at_least, of

if TYPE_CHECKING:
    from collections.abc import Iterator

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

    def value(self, seen: Seen) -> Truth:
        """c(i, L, x) of annex 4.1, 4."""
        return min(self.told, value(self.provided, seen)) if self.told else Truth.FALSE


def bits(mask: int) -> Iterator[int]:
    """Numbers of the bits that are set, rising."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest
