"""Strong Kleene logic, and answers that carry their reasons (design section 5).

The order FALSE < UNKNOWN < TRUE makes the three connectives one idea: `all` is the least of its parts, `any` the
greatest, and `at least k` the k-th greatest. All are monotone, which is what makes pledges solvable.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Truth(IntEnum):
    """What is known of a test. Missing evidence is UNKNOWN, never FALSE."""

    FALSE = 0
    UNKNOWN = 1
    TRUE = 2


@dataclass(frozen=True, slots=True)
class Ref:
    """A statement that an explanation ends in.

    Attributes:
        origin: the log that it stands in.
        index: its leaf.
        identity: SHA-256 of its pre-authentication encoding, 32 bytes.
    """

    origin: str
    index: int
    identity: bytes


class Explained(NamedTuple):
    """A value with why it has it.

    Attributes:
        value: the value.
        text: one line for people: what was tested, what was found.
        because: the parts that it was computed from, in order.
        evidence: the statements that it was read from.
        missing: what would have to be said before it is known; empty unless the value is UNKNOWN.
        assumed: whether silence alone made it true.
    """

    value: Truth
    text: str
    because: tuple[Explained, ...] = ()
    evidence: tuple[Ref, ...] = ()
    missing: str = ""
    assumed: bool = False

    def lines(self, depth: int = 0) -> Iterator[str]:
        """The tree as indented lines, one test a line."""
        yield f"{'  ' * depth}{self.value.name.lower():8}{self.text}"
        for part in self.because:
            yield from part.lines(depth + 1)


def of(holds: bool) -> Truth:
    """The value of a test whose evidence is all there."""
    return Truth.TRUE if holds else Truth.FALSE


def at_least(k: int, values: Sequence[Truth]) -> Truth:
    """The k-th greatest; FALSE if there are fewer than k; UNKNOWN over an empty group: silence is no evidence."""
    if not values:
        return Truth.UNKNOWN
    if k > len(values):
        return Truth.FALSE
    return sorted(values, reverse=True)[k - 1]


def all_of(values: Sequence[Truth]) -> Truth:
    """The least; UNKNOWN over an empty group."""
    return at_least(len(values), values)


def any_of(values: Sequence[Truth]) -> Truth:
    """The greatest; UNKNOWN over an empty group."""
    return at_least(1, values)


def negate(value: Truth) -> Truth:
    """True for false and false for true; what is unknown stays so."""
    return Truth(Truth.TRUE - value)


def weigh(weights: Sequence[tuple[Truth, int]], at_least: int) -> Truth:
    """Whether the weights of what is true reach a sum; UNKNOWN while what is unknown could still decide it."""
    if not weights:
        return Truth.UNKNOWN
    for least in (Truth.TRUE, Truth.UNKNOWN):
        if sum(weight for value, weight in weights if value >= least) >= at_least:
            return least
    return Truth.FALSE


def counted(count: int, noun: str) -> str:
    """A number of things, for the sentences of explanations; nouns whose plural takes an s."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
