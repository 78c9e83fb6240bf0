"""What conditions say of facts, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import conditions
from protocol.readings import Evidence, Growth
from protocol.truth import Explained, Ref, Truth
from standstill.v1 import condition_pb2 as pb
from tests.builders import ALWAYS, LABS, NEVER, elapsed, keeps, phase, reading

F, U, T = Truth.FALSE, Truth.UNKNOWN, Truth.TRUE


@dataclass
class Table:
    """Facts written down."""

    values: dict[str, tuple[int, ...]] = field(default_factory=dict)
    stage: pb.Phase.ValueType = pb.PHASE_OPEN
    kept: dict[str, int] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    binds: tuple[str, ...] = ()
    rows: dict[str, int] = field(default_factory=dict)
    age: int = 0
    clocks: dict[int, int] = field(default_factory=dict)
    grown: dict[str, tuple[Growth, ...]] = field(default_factory=dict)
    silent: tuple[str, ...] = ()
    said: tuple[tuple[bool, int], ...] = ()
    statuses: dict[str, Truth] = field(default_factory=dict)
    resolved: bool = False
    gone: tuple[str, ...] = ()
    entered: int = 0

    def labs(self) -> tuple[str, ...]:
        return LABS

    def members(self) -> tuple[str, ...]:
        return tuple(lab for lab in LABS if lab not in self.gone)

    def readings(self, indicator: str, lab: str) -> Evidence[int]:
        return _evidence(self.values.get(lab, ()), f"{indicator} of {lab}")

    def growth(self, indicator: str, lab: str, over: int) -> Evidence[Growth]:
        return _evidence(self.grown.get(lab, ()), f"{indicator} of {lab} over {over}")

    def overdue(self, indicator: str, lab: str, periods: int) -> Explained:
        return Explained(T if lab in self.silent else F, lab, assumed=lab in self.silent)

    def event(self, name: str, level: int) -> Evidence[tuple[bool, int]]:
        return _evidence(self.said, name)

    def carried(self, rule: str, level: int, asked: bytes) -> Explained:
        return Explained(T if self.resolved else F, rule)

    def status(self, lab: str, status: pb.PartyStatus.ValueType, level: int) -> Explained:
        return Explained(self.statuses.get(lab, U), lab)

    def phase(self, level: int) -> pb.Phase.ValueType:
        return self.stage

    def keeps(self, lab: str, level: int) -> bool:
        return self.kept.get(lab, 0) >= level

    def group(self, lab: str) -> str:
        return self.groups.get(lab, lab)

    def bound(self, level: int) -> tuple[str, ...]:
        return self.binds

    def honored_in_a_row(self, lab: str, level: int) -> int:
        return self.rows.get(lab, 0)

    def clock(self, level: int, since: pb.Since.ValueType) -> int:
        return self.clocks.get(since, self.age)

    def periods_since_entry(self) -> int:
        return self.entered


V = TypeVar("V")


def _evidence(values: tuple[V, ...], found: str) -> Evidence[V]:
    refs = tuple(Ref("log", number, bytes(32)) for number in range(len(values)))
    return Evidence(values, found, refs, "" if values else "reports")


def value(condition: pb.Condition, **facts: object) -> Truth:
    return conditions.evaluate(condition, Table(**facts)).value  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("readings", "at_least", "below"),
    [
        ((), U, U),
        ((9,), F, T),
        ((10,), T, F),
        ((10, 11), T, F),
        # Sources on both sides of the threshold: nobody knows.
        ((9, 10), U, U),
    ],
)
def test_compares_a_reading_with_its_threshold(readings: tuple[int, ...], at_least: Truth, below: Truth) -> None:
    one = pb.Condition()
    one.CopyFrom(reading(10))
    one.reading.of.append("alpha")
    assert value(one, values={"alpha": readings}) is at_least
    one.reading.comparison = pb.COMPARISON_BELOW
    assert value(one, values={"alpha": readings}) is below


@given(st.lists(st.sampled_from([(), (5,), (15,)]), min_size=3, max_size=3), st.integers(1, 3))
def test_waits_for_labs_that_could_still_decide(found: list[tuple[int, ...]], needed: int) -> None:
    passed, open_ = found.count((15,)), found.count(())
    expected = T if passed >= needed else U if passed + open_ >= needed else F
    assert value(reading(10, labs=needed), values=dict(zip(LABS, found, strict=True))) is expected


def test_reads_phases() -> None:
    assert value(phase(1, pb.PHASE_OPEN)) is T
    assert value(phase(1, pb.PHASE_RAMPING)) is F


def test_counts_labs_that_keep_a_level() -> None:
    kept = {"alpha": 2, "beta": 1}
    assert value(keeps(2, *LABS, k=1), kept=kept) is T
    assert value(keeps(1, *LABS, k=2), kept=kept) is T
    assert value(keeps(2, *LABS, k=2), kept=kept) is F


def test_counts_a_control_group_once_and_by_its_least_lab() -> None:
    groups = {"alpha": "one", "beta": "one"}
    assert value(keeps(1, *LABS, k=2), kept={"alpha": 1, "beta": 1}) is T
    assert value(keeps(1, *LABS, k=2), kept={"alpha": 1, "beta": 1}, groups=groups) is F
    assert value(keeps(1, *LABS, k=2), kept={"alpha": 1, "gamma": 1}, groups=groups) is F
    assert value(keeps(1, *LABS, k=2), kept={"alpha": 1, "beta": 1, "gamma": 1}, groups=groups) is T


def honored(periods: int) -> pb.Condition:
    return pb.Condition(honored=pb.Condition.Honored(level=1, periods=periods))


def test_is_honored_when_all_whom_the_level_binds_were() -> None:
    assert value(honored(2)) is U
    assert value(honored(2), binds=("alpha", "beta"), rows={"alpha": 2, "beta": 3}) is T
    assert value(honored(2), binds=("alpha", "beta"), rows={"alpha": 2, "beta": 1}) is F


def test_counts_closed_periods_of_restriction() -> None:
    assert [value(elapsed(1, 3), age=age) for age in (2, 3)] == [F, T]


def test_explains_every_part() -> None:
    condition = pb.Condition(all=pb.Condition.Several(of=[ALWAYS, reading(10)]))
    found = conditions.evaluate(condition, Table(values={"alpha": (12,)}))
    assert found.value is T
    assert [line.strip() for line in found.lines()] == [
        "true    all of",
        "true    always",
        "true    horizon of at least 1 lab >= 10",
        "true    alpha: horizon of alpha",
        "unknown beta: horizon of beta",
        "unknown gamma: horizon of gamma",
    ]


@pytest.mark.parametrize(
    ("condition", "one", "two"),
    [
        (lambda n: reading(10, labs=n), "horizon of at least 1 lab >= 10", "horizon of at least 2 labs >= 10"),
        (
            lambda n: keeps(1, "alpha", "beta", k=n),
            "at least 1 of alpha, beta keeps level 1",
            "at least 2 of alpha, beta keep level 1",
        ),
        (lambda n: elapsed(1, n), "level 1 for 1 period, so far 0", "level 1 for 2 periods, so far 0"),
        (honored, "all bound by level 1 honored for 1 period", "all bound by level 1 honored for 2 periods"),
    ],
    ids=["reading", "keeps", "elapsed", "honored"],
)
def test_says_one_thing_and_several_things(condition: Callable[[int], pb.Condition], one: str, two: str) -> None:
    assert [conditions.evaluate(condition(n), Table()).text for n in (1, 2)] == [one, two]


@pytest.mark.parametrize(("row", "said"), [(0, "0 periods"), (1, "1 period"), (2, "2 periods")])
def test_says_how_long_each_lab_was_honored(row: int, said: str) -> None:
    found = conditions.evaluate(honored(2), Table(binds=("alpha",), rows={"alpha": row}))

    assert [part.text for part in found.because] == [f"alpha: honored {said} in a row"]


@given(st.lists(st.sampled_from([ALWAYS, NEVER, reading(10)]), min_size=1, max_size=4), st.integers(1, 4))
def test_joins_parts_as_kleene_does(parts: list[pb.Condition], k: int) -> None:
    values = [value(part) for part in parts]
    assert value(pb.Condition(all=pb.Condition.Several(of=parts))) is min(values)
    assert value(pb.Condition(any=pb.Condition.Several(of=parts))) is max(values)
    counted = value(pb.Condition(at_least=pb.Condition.AtLeast(k=k, of=parts)))
    assert counted is (sorted(values, reverse=True)[k - 1] if k <= len(parts) else F)
