"""Conditions: tests of the record with three values and their reasons (design section 5; annex 4 and 5).

A condition is a closed algebra kept as protobuf. :func:`evaluate` walks it once; what it may look at is :class:`Facts`,
a view of the state, so that a condition can never read a clock, a network or another party's word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from protocol import truth
from protocol.truth import Explained, Truth, counted
from standstill.v1 import condition_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


class Facts(Protocol):
    """What conditions may read."""

    def labs(self) -> tuple[str, ...]:
        """Names of the labs."""

    def readings(self, indicator: str, lab: str) -> tuple[tuple[int, ...], str]:
        """Values of enough independent sources that are not too old, else nothing; and what was found, in words."""

    def phase(self, level: int) -> pb.Phase.ValueType:
        """Phase of a level."""

    def keeps(self, lab: str, level: int) -> bool:
        """Whether a lab keeps a level and is relied on."""

    def group(self, lab: str) -> str:
        """Control group of a lab."""

    def bound(self, level: int) -> tuple[str, ...]:
        """Labs that a level binds."""

    def honored_in_a_row(self, lab: str, level: int) -> int:
        """Newest settled periods in a row in which a lab was honored and the level restricted."""

    def held(self, level: int) -> int:
        """Closed periods of restriction in the level's episode; 0 while open."""


def evaluate(condition: pb.Condition, facts: Facts) -> Explained:
    """Value and reasons of a condition; total on every condition that the agreement's rules admit."""
    test = str(condition.WhichOneof("test"))
    return _TESTS[test](getattr(condition, test), facts)


def _parts(conditions: Iterable[pb.Condition], facts: Facts) -> tuple[Explained, ...]:
    return tuple(evaluate(condition, facts) for condition in conditions)


def _all(several: pb.Condition.Several, facts: Facts) -> Explained:
    parts = _parts(several.of, facts)
    return Explained(truth.all_of([part.value for part in parts]), "all of", parts)


def _any(several: pb.Condition.Several, facts: Facts) -> Explained:
    parts = _parts(several.of, facts)
    return Explained(truth.any_of([part.value for part in parts]), "any of", parts)


def _at_least(some: pb.Condition.AtLeast, facts: Facts) -> Explained:
    parts = _parts(some.of, facts)
    return Explained(truth.at_least(some.k, [part.value for part in parts]), f"at least {some.k} of", parts)


def _reading(test: pb.Condition.Reading, facts: Facts) -> Explained:
    at_least = test.comparison == pb.COMPARISON_AT_LEAST
    sign = ">=" if at_least else "<"
    parts = []
    for lab in test.of or facts.labs():
        values, where = facts.readings(test.indicator, lab)
        passed = {(value >= test.threshold) is at_least for value in values}
        # No value, or sources on both sides of the threshold: nobody knows.
        value = truth.of(passed == {True}) if len(passed) == 1 else Truth.UNKNOWN
        parts.append(Explained(value, f"{lab}: {where}"))
    text = f"{test.indicator} of at least {counted(test.labs, 'lab')} {sign} {test.threshold}"
    return Explained(truth.at_least(test.labs, [part.value for part in parts]), text, tuple(parts))


def _level_phase(test: pb.Condition.LevelPhase, facts: Facts) -> Explained:
    phase = facts.phase(test.level)
    text = f"level {test.level} is {pb.Phase.Name(test.phase)}, found {pb.Phase.Name(phase)}"
    return Explained(truth.of(phase == test.phase), text)


def _keeps(test: pb.Condition.Keeps, facts: Facts) -> Explained:
    groups: dict[str, list[str]] = {}
    for lab in test.of:
        groups.setdefault(facts.group(lab), []).append(lab)
    # A control group keeps the least of what its labs keep, and counts once (annex 4.1, 3).
    parts = tuple(
        Explained(
            truth.of(all(facts.keeps(lab, test.level) for lab in labs)), f"{' and '.join(labs)} at level {test.level}"
        )
        for labs in groups.values()
    )
    keep = "keeps" if test.k == 1 else "keep"
    text = f"at least {test.k} of {', '.join(test.of)} {keep} level {test.level}"
    return Explained(truth.at_least(test.k, [part.value for part in parts]), text, parts)


def _honored(test: pb.Condition.Honored, facts: Facts) -> Explained:
    parts = []
    for lab in facts.bound(test.level):
        row = facts.honored_in_a_row(lab, test.level)
        parts.append(Explained(truth.of(row >= test.periods), f"{lab}: honored {counted(row, 'period')} in a row"))
    text = f"all bound by level {test.level} honored for {counted(test.periods, 'period')}"
    return Explained(truth.all_of([part.value for part in parts]), text, tuple(parts))


def _elapsed(test: pb.Condition.Elapsed, facts: Facts) -> Explained:
    held = facts.held(test.level)
    text = f"level {test.level} for {counted(test.periods, 'period')}, so far {held}"
    return Explained(truth.of(held >= test.periods), text)


def _constant(test: pb.Condition.Constant, _facts: Facts) -> Explained:
    return Explained(truth.of(test.value), "always" if test.value else "never")


_TESTS: Mapping[str, Callable[..., Explained]] = {
    "all": _all,
    "any": _any,
    "at_least": _at_least,
    "reading": _reading,
    "level_phase": _level_phase,
    "keeps": _keeps,
    "honored": _honored,
    "elapsed": _elapsed,
    "constant": _constant,
}
