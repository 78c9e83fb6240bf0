"""Satisfiability against brute force over every small record."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from language.counting import Budget, Count, possible
from language.satisfy import World, can_fail, can_hold, implies, restrictive
from protocol.condition_analysis import can_be
from protocol.truth import Truth
from standstill.v1 import condition_pb2 as pb
from standstill.v1.agreement_pb2 import ROLE_LAB
from tests.terms import ALWAYS, NEVER, elapsed, keeps, level, party, phase, reading, terms
from tests.terms import restrictive as binding

if TYPE_CHECKING:
    from collections.abc import Iterator

C = pb.Condition
TERMS = terms(parties=[party("alpha", ROLE_LAB), party("beta", ROLE_LAB)])
WORLD = World(TERMS)
Record = dict[tuple[str, str], int]


def joined(kind: str, *parts: C, k: int = 0) -> C:
    if kind == "at_least":
        return C(at_least=C.AtLeast(k=k, of=parts))
    return C(**{kind: C.Several(of=parts)})  # type: ignore[arg-type]


def negated(part: C) -> C:
    return C(negation=part)


def status(value: pb.PartyStatus.ValueType, *labs: str, k: int = 1) -> C:
    return C(status=C.IsStatus(status=value, k=k, of=labs))


def records() -> Iterator[Record]:
    """Two indicators of two labs, each 0 to 3: every complete record."""
    keys = [(indicator, lab) for indicator in ("horizon", "uplift") for lab in ("alpha", "beta")]
    for values in product(range(4), repeat=4):
        yield dict(zip(keys, values, strict=True))


RECORDS = tuple(records())


def holds(condition: C, record: Record) -> bool:
    test: Any = condition.WhichOneof("test")
    if test in {"all", "any"}:
        parts = [holds(part, record) for part in getattr(condition, test).of]
        return all(parts) if test == "all" else any(parts)
    if test == "at_least":
        return sum(holds(part, record) for part in condition.at_least.of) >= condition.at_least.k
    if test == "negation":
        return not holds(condition.negation, record)
    read = condition.reading
    labs = list(read.of) or ["alpha", "beta"]
    values = [record[read.indicator, lab] for lab in labs]
    below = read.comparison == pb.COMPARISON_BELOW
    return sum(value < read.threshold if below else value >= read.threshold for value in values) >= read.labs


@st.composite
def readings(draw: st.DrawFn) -> C:
    of = draw(st.sampled_from([(), ("alpha",), ("beta",), ("alpha", "beta")]))
    return C(
        reading=C.Reading(
            indicator=draw(st.sampled_from(["horizon", "uplift"])),
            labs=draw(st.integers(1, 1 if len(of) == 1 else 2)),
            of=of,
            comparison=draw(st.sampled_from([pb.COMPARISON_AT_LEAST, pb.COMPARISON_BELOW])),
            # Thresholds 1 to 3 on values 0 to 3: every cell that the terms can tell apart is in the records.
            threshold=draw(st.integers(1, 3)),
        )
    )


CONDITIONS = st.recursive(
    readings(),
    lambda parts: st.one_of(
        st.builds(lambda of: joined("all", *of), st.lists(parts, min_size=1, max_size=3)),
        st.builds(lambda of: joined("any", *of), st.lists(parts, min_size=1, max_size=3)),
        st.builds(lambda of: joined("at_least", *of, k=2), st.lists(parts, min_size=2, max_size=3)),
        st.builds(negated, parts),
    ),
    max_leaves=6,
)


@settings(max_examples=250, deadline=None)
@given(CONDITIONS, CONDITIONS)
def test_answers_are_those_of_every_small_record(first: C, second: C) -> None:
    assert can_hold(WORLD, first) is any(holds(first, record) for record in RECORDS)
    assert can_fail(WORLD, first) is any(not holds(first, record) for record in RECORDS)
    assert can_hold(WORLD, first, second) is any(holds(first, r) and holds(second, r) for r in RECORDS)
    assert implies(WORLD, first, second) is all(holds(second, r) for r in RECORDS if holds(first, r))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 2), min_size=3, max_size=3), min_size=1, max_size=4),
    st.lists(st.tuples(st.frozensets(st.integers(0, 2)), st.integers(0, 4), st.integers(0, 6)), min_size=4, max_size=4),
)
def test_counting_is_that_of_every_placement(weights: list[list[int]], limits: list[Any]) -> None:
    units = ["a", "b", "c"]
    counts = [
        Count(dict(zip(units, weight, strict=True)), cells, low, high)
        for weight, (cells, low, high) in zip(weights, limits, strict=False)
    ]
    placements = [dict(zip(units, cells, strict=True)) for cells in product(range(3), repeat=3)]
    expected = any(
        all(count.low <= sum(count.weights[u] for u in units if at[u] in count.cells) <= count.high for count in counts)
        for at in placements
    )
    assert possible(units, 3, counts, Budget()) is expected


def test_constants_are_what_they_say() -> None:
    assert can_hold(WORLD, ALWAYS) is True
    assert can_fail(WORLD, ALWAYS) is False
    assert can_hold(WORLD, NEVER) is False


def since(periods: int, clock: pb.Since.ValueType, level: int = 1) -> C:
    return C(elapsed=C.Elapsed(level=level, periods=periods, since=clock))


def seen(level: int = 0) -> C:
    return C(event=C.EventSeen(event="review", level=level))


def doubling(periods: int, comparison: pb.Comparison.ValueType) -> C:
    test = C.Trend(
        indicator="horizon", labs=1, of=["alpha"], over_periods=9, doubling_periods=periods, comparison=comparison
    )
    return C(trend=test)


def weighs(least: int) -> C:
    weights = [C.Weight(lab="alpha", weight=3), C.Weight(lab="beta", weight=2)]
    return C(weighs=C.Weighs(level=1, at_least=least, of=weights))


def honored(periods: int) -> C:
    return C(honored=C.Honored(level=1, periods=periods))


def overdue(labs: int, periods: int) -> C:
    return C(overdue=C.Overdue(indicator="horizon", labs=labs, periods=periods))


TIES = {
    "two phases at once": (phase(1, pb.PHASE_OPEN), phase(1, pb.PHASE_IN_FORCE), False),
    "phases of two levels": (phase(1, pb.PHASE_OPEN), phase(2, pb.PHASE_IN_FORCE), True),
    "an older clock is no younger": (elapsed(1, 5), negated(elapsed(1, 4)), False),
    "a younger clock is no older": (elapsed(1, 4), negated(elapsed(1, 5)), True),
    "who keeps 2 keeps 1": (keeps(2, "alpha"), negated(keeps(1, "alpha")), False),
    "who keeps 1 need not keep 2": (keeps(1, "alpha"), negated(keeps(2, "alpha")), True),
    "both are each": (keeps(1, "alpha", "beta", k=2), negated(keeps(1, "beta")), False),
    "one verdict a lab": (
        status(pb.PARTY_STATUS_CONFIRMED, "alpha"),
        status(pb.PARTY_STATUS_BREACHED, "alpha"),
        False,
    ),
    "verdicts of two labs": (
        status(pb.PARTY_STATUS_CONFIRMED, "alpha"),
        status(pb.PARTY_STATUS_BREACHED, "beta"),
        True,
    ),
    "who is presumed is stale": (
        status(pb.PARTY_STATUS_PRESUMED, "alpha"),
        negated(status(pb.PARTY_STATUS_STALE, "alpha")),
        False,
    ),
    "who is accused is relied on": (
        status(pb.PARTY_STATUS_ACCUSED, "alpha"),
        negated(status(pb.PARTY_STATUS_RELIED, "alpha")),
        False,
    ),
    "in force in another phase": (since(3, pb.SINCE_IN_FORCE), phase(1, pb.PHASE_RAMPING), False),
    "restricted no later than in force": (since(3, pb.SINCE_IN_FORCE), negated(elapsed(1, 3)), False),
    "entered no later than opened": (since(9, pb.SINCE_OPENED), negated(since(9, pb.SINCE_ENTRY, 2)), False),
    "seen since is seen": (seen(1), negated(seen()), False),
    "seen need not be seen since": (seen(), negated(seen(1)), True),
    "nothing is since an open level": (seen(1), phase(1, pb.PHASE_OPEN), False),
    "honored for long is honored for less": (honored(5), negated(honored(4)), False),
    "silent for long is silent for less": (overdue(2, 9), negated(overdue(1, 8)), False),
    "one doubling time": (doubling(5, pb.COMPARISON_AT_LEAST), doubling(6, pb.COMPARISON_BELOW), False),
    "weights need the heavy one": (weighs(5), negated(keeps(1, "alpha")), False),
    "weights do not need the light one": (weighs(3), negated(keeps(1, "beta")), True),
}


@pytest.mark.parametrize(("first", "second", "expected"), TIES.values(), ids=list(TIES))
def test_tests_of_one_kind_are_tied(first: C, second: C, expected: bool) -> None:
    assert can_hold(WORLD, first, second) is expected


def test_thresholds_that_move_alike_keep_their_order() -> None:
    def moving(threshold: int) -> C:
        test = reading(threshold)
        test.reading.ratchet.CopyFrom(C.Ratchet(every_periods=9, factor_ppm=900_000, limit=5))
        return test

    assert can_hold(WORLD, moving(20), negated(moving(10))) is False
    assert can_hold(WORLD, moving(10), negated(moving(20))) is True
    assert can_hold(WORLD, reading(20), negated(moving(10))) is True


def test_a_resume_condition_is_looked_at_while_its_level_restricts() -> None:
    restricting = restrictive(TERMS, level("slowdown", 1, mandate_periods=12))
    assert can_hold(restricting, phase(1, pb.PHASE_OPEN)) is False
    assert can_hold(restricting, phase(1, pb.PHASE_IN_FORCE)) is True
    assert can_hold(restricting, elapsed(1, 12)) is False
    assert can_hold(restricting, elapsed(1, 11)) is True
    assert implies(restricting, elapsed(1, 3), binding(2)) is False


def test_labs_of_one_group_count_once() -> None:
    one_group = [party("alpha", ROLE_LAB, owner="one"), party("beta", ROLE_LAB, owner="one")]
    world = World(terms(parties=[*one_group, party("gamma", ROLE_LAB)]))
    assert can_hold(world, reading(5, labs=2)) is True
    assert can_hold(world, reading(5, labs=3)) is False


def test_a_group_asked_in_part_is_left_undecided() -> None:
    world = World(terms(parties=[party("alpha", ROLE_LAB, owner="one"), party("beta", ROLE_LAB, owner="one")]))
    assert can_hold(world, keeps(1, "alpha")) is None


def test_a_hundred_labs_are_decided() -> None:
    world = World(terms(parties=[party(f"lab{number}", ROLE_LAB) for number in range(100)]))
    assert can_hold(world, reading(5, labs=60), reading(5, labs=60, below=True)) is False
    assert can_hold(world, reading(5, labs=40), reading(7, labs=60, below=True), reading(9, labs=41)) is False
    assert can_hold(world, reading(5, labs=40), reading(7, labs=60, below=True), reading(9, labs=40)) is True


def test_what_is_too_large_is_left_undecided() -> None:
    many = joined("any", *(joined("all", reading(9 + n), phase(1, pb.PHASE_OPEN)) for n in range(70)))
    assert can_hold(WORLD, many) is None
    assert can_hold(WORLD, joined("any", *many.any.of[:40])) is True


@settings(max_examples=100, deadline=None)
@given(CONDITIONS)
def test_readers_of_bytes_find_no_less_possible(condition: C) -> None:
    # The protocol refuses what it proves impossible; with fewer ties it may prove less, never more.
    if can_hold(WORLD, condition):
        assert can_be(TERMS, condition, Truth.TRUE) is not False
    if can_fail(WORLD, condition):
        assert can_be(TERMS, condition, Truth.FALSE) is not False
