"""What conditions say of facts, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import conditions
from protocol.progress import Growth
from protocol.truth import Explained, Truth
from standstill.v1 import condition_pb2 as pb
from tests.builders import ALWAYS, LABS, NEVER, change, elapsed, keeps, phase, reading
from tests.protocol.fact_table import Table

V = TypeVar("V")
F, U, T = Truth.FALSE, Truth.UNKNOWN, Truth.TRUE


def value(condition: pb.Condition, **facts: object) -> Truth:
    table = Table(**facts)  # type: ignore[arg-type]
    found = conditions.evaluate(condition, table).value
    assert conditions.value(condition, table) is found
    return found


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


# Readings of groups, of all, and over thresholds that move


def read(threshold: int = 10, **changes: object) -> pb.Condition:
    return pb.Condition(reading=change(reading(threshold).reading, **changes))


TOGETHER = {"alpha": "one", "beta": "one"}


def test_counts_readings_by_control_group() -> None:
    values = {"alpha": (12,), "beta": (12,), "gamma": (5,)}
    assert value(reading(10, labs=2), values=values) is T
    assert value(reading(10, labs=2), values=values, groups=TOGETHER) is F


def test_a_group_passes_from_a_threshold_on_by_its_greatest_lab() -> None:
    assert value(reading(10), values={"alpha": (5,), "beta": (12,)}, groups=TOGETHER) is T
    assert value(reading(10), values={"beta": (5,), "gamma": (5,)}, groups=TOGETHER) is U
    assert value(reading(10), values=dict.fromkeys(LABS, (5,)), groups=TOGETHER) is F


def test_a_group_is_below_a_threshold_only_with_all_its_labs() -> None:
    below = reading(10, below=True, labs=2)
    assert value(below, values={"alpha": (5,), "beta": (12,), "gamma": (5,)}) is T
    assert value(below, values={"alpha": (5,), "beta": (12,), "gamma": (5,)}, groups=TOGETHER) is F
    assert value(below, values={"alpha": (5,), "gamma": (5,)}, groups=TOGETHER) is U


def test_explains_a_group_by_its_labs() -> None:
    found = conditions.evaluate(reading(10), Table(values={"alpha": (5,), "beta": (12,)}, groups=TOGETHER))
    assert [line.strip() for line in found.lines()] == [
        "true    horizon of at least 1 lab >= 10",
        "true    alpha and beta, one control group",
        "false   alpha: horizon of alpha",
        "true    beta: horizon of beta",
        "unknown gamma: horizon of gamma",
    ]


def test_all_labs_are_those_that_take_part() -> None:
    every = read(all=True, labs=0)
    values: dict[str, tuple[int, ...]] = {"alpha": (12,), "beta": (12,)}
    assert value(every, values=values) is U
    assert value(every, values=values, gone=("gamma",)) is T
    assert value(every, values=values | {"gamma": (5,)}) is F
    assert value(every, values=values, gone=LABS) is U
    # A lab that is named counts whether it takes part or not.
    assert value(read(all=True, labs=0, of=LABS), values=values, gone=("gamma",)) is U
    # Every lab, not one of each group.
    assert value(every, values=values | {"beta": (5,)}, gone=("gamma",), groups=TOGETHER) is F


def test_compares_with_the_threshold_that_progress_has_left() -> None:
    ratchet = pb.Condition.Ratchet(every_periods=10, factor_ppm=900_000, limit=8)
    moving = read(ratchet=ratchet)
    values: dict[str, tuple[int, ...]] = {"alpha": (9,)}
    assert [value(moving, values=values, entered=age) for age in (0, 9, 10)] == [U, U, T]
    assert value(read(ratchet=ratchet, of=["alpha"]), values=values, entered=9) is F
    found = conditions.evaluate(moving, Table(values=values, entered=10))
    assert found.text == "horizon of at least 1 lab >= 9 (10 at entry)"


# Trends


def trend(**changes: object) -> pb.Condition:
    made = pb.Condition.Trend(
        indicator="horizon", labs=1, over_periods=30, doubling_periods=60, comparison=pb.COMPARISON_AT_LEAST
    )
    return pb.Condition(trend=change(made, **changes))


FAST, SLOW = Growth(100, 200, 60), Growth(100, 150, 60)


@pytest.mark.parametrize(
    ("grown", "at_least", "below"),
    [((), U, U), ((FAST,), T, F), ((SLOW,), F, T), ((FAST, FAST), T, F), ((FAST, SLOW), U, U)],
)
def test_tells_how_fast_a_reading_doubles(grown: tuple[Growth, ...], at_least: Truth, below: Truth) -> None:
    facts: dict[str, object] = {"grown": {"alpha": grown}}
    assert value(trend(of=["alpha"]), **facts) is at_least
    assert value(trend(of=["alpha"], comparison=pb.COMPARISON_BELOW), **facts) is below


def test_counts_growth_by_control_group() -> None:
    grown = {"alpha": (FAST,), "beta": (SLOW,), "gamma": (SLOW,)}
    assert value(trend(), grown=grown, groups=TOGETHER) is T
    assert value(trend(labs=2), grown=grown | {"beta": (FAST,)}, groups=TOGETHER) is F
    slower = trend(labs=2, comparison=pb.COMPARISON_BELOW)
    assert value(slower, grown=grown) is T
    assert value(slower, grown=grown, groups=TOGETHER) is F
    assert value(trend(all=True, labs=0), grown=grown) is F


# Silence, events, votes


def overdue(**changes: object) -> pb.Condition:
    return pb.Condition(overdue=change(pb.Condition.Overdue(indicator="horizon", labs=1, periods=5), **changes))


@given(
    st.sets(st.sampled_from(LABS)),
    st.sets(st.sampled_from(LABS)),
    st.sampled_from([{"labs": 1}, {"labs": 2}, {"all": True, "labs": 0}]),
)
def test_silence_is_never_unknown(silent: set[str], gone: set[str], count: dict[str, object]) -> None:
    test = overdue(**count)
    table = Table(silent=tuple(silent), gone=tuple(gone))
    found = conditions.evaluate(test, table)
    assert found.value is not U
    assert found.assumed is (found.value is T)
    if count == {"labs": 2}:
        assert (found.value is T) is (len(silent) >= 2)


def test_silence_of_one_lab_is_that_of_its_group() -> None:
    assert value(overdue(labs=2), silent=("alpha", "beta")) is T
    assert value(overdue(labs=2), silent=("alpha", "beta"), groups=TOGETHER) is F
    assert value(overdue(labs=2), silent=("alpha", "gamma"), groups=TOGETHER) is T


def event(periods: int = 0) -> pb.Condition:
    return pb.Condition(event=pb.Condition.EventSeen(event="review", periods=periods))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ((), U),
        (((True, 3),), T),
        (((True, 2),), F),
        (((False, 9),), F),
        (((True, 3), (True, 9)), T),
        (((True, 2), (True, 9)), F),
        (((True, 9), (False, 9)), U),
    ],
)
def test_an_event_has_happened_when_its_reporters_have_agreed_for_long_enough(
    said: tuple[tuple[bool, int], ...], expected: Truth
) -> None:
    assert value(event(3), said=said) is expected
    found = conditions.evaluate(event(3), Table(said=said))
    assert bool(found.missing) is (expected is U)
    assert len(found.evidence) == len(said)


def test_a_vote_is_true_once_it_is_carried() -> None:
    carried = pb.Condition(carried=pb.Condition.Carried(rule="council", level=1, asked=bytes(32)))
    assert [value(carried, resolved=resolved) for resolved in (False, True)] == [F, T]


# Labs


def honored_by(k: int, *of: str) -> pb.Condition:
    return pb.Condition(honored=pb.Condition.Honored(level=1, periods=2, k=k, of=of))


def test_counts_labs_that_were_honored() -> None:
    facts: dict[str, object] = {"binds": ("alpha", "beta"), "rows": {"alpha": 2, "beta": 1}}
    assert value(honored_by(1), **facts) is T
    assert value(honored_by(2), **facts) is F
    assert value(honored_by(0, "alpha"), **facts) is T
    assert value(honored_by(0, "alpha", "beta"), **facts) is F
    assert value(honored_by(1), **facts, groups=TOGETHER) is F


def test_a_lab_that_the_level_does_not_bind_is_not_honored_by_it() -> None:
    facts: dict[str, object] = {"binds": ("alpha",), "rows": {"alpha": 2, "gamma": 9}}
    assert value(honored_by(0, "gamma"), **facts) is F
    assert value(honored_by(1, "alpha", "gamma"), **facts) is T
    assert value(honored_by(3), **facts) is F


def is_status(k: int = 0, *of: str, status: pb.PartyStatus.ValueType = pb.PARTY_STATUS_CONFIRMED) -> pb.Condition:
    return pb.Condition(status=pb.Condition.IsStatus(status=status, k=k, of=of))


def test_counts_labs_by_what_the_record_says_of_them() -> None:
    statuses = {"alpha": T, "beta": F, "gamma": U}
    assert value(is_status(1), statuses=statuses) is T
    assert value(is_status(2), statuses=statuses) is U
    assert value(is_status(3), statuses=statuses) is F
    assert value(is_status(0), statuses=statuses) is F
    assert value(is_status(0), statuses=statuses, gone=("beta",)) is U
    assert value(is_status(0, "alpha", "beta"), statuses=statuses, gone=("beta",)) is F
    assert value(is_status(1), statuses={"alpha": T, "beta": F, "gamma": F}, groups=TOGETHER) is F
    # Whether a lab takes part is asked of those that do not as well.
    takes_part = is_status(status=pb.PARTY_STATUS_TAKES_PART)
    assert value(takes_part, statuses={"alpha": T, "beta": T, "gamma": F}, gone=("gamma",)) is F


def weighs(at_least: int, **weights: int) -> pb.Condition:
    of = [pb.Condition.Weight(lab=lab, weight=weight) for lab, weight in weights.items()]
    return pb.Condition(weighs=pb.Condition.Weighs(level=1, of=of, at_least=at_least))


def test_adds_the_weights_of_groups_that_keep_a_level() -> None:
    kept = {"alpha": 1, "gamma": 2}
    assert [value(weighs(sum_, alpha=2, beta=3, gamma=5), kept=kept) for sum_ in (7, 8)] == [T, F]
    # Beta keeps its group from counting.
    assert [value(weighs(sum_, alpha=2, beta=3, gamma=5), kept=kept, groups=TOGETHER) for sum_ in (5, 6)] == [T, F]
    both = kept | {"beta": 1}
    assert [value(weighs(sum_, alpha=2, beta=3, gamma=5), kept=both, groups=TOGETHER) for sum_ in (10, 11)] == [T, F]


# Clocks, negation


def test_reads_each_clock_of_a_level() -> None:
    clocks = {pb.SINCE_UNSPECIFIED: 1, pb.SINCE_IN_FORCE: 2, pb.SINCE_OPENED: 3, pb.SINCE_ENTRY: 4}
    for since, passed in clocks.items():
        for periods, expected in ((passed, T), (passed + 1, F)):
            test = pb.Condition(elapsed=pb.Condition.Elapsed(level=1, periods=periods, since=since))
            assert value(test, clocks=clocks) is expected


@pytest.mark.parametrize(("values", "expected"), [({}, U), ({"alpha": (12,)}, F), (dict.fromkeys(LABS, (5,)), T)])
def test_negates_what_is_known(values: dict[str, tuple[int, ...]], expected: Truth) -> None:
    denied = pb.Condition(negation=reading(10))
    assert value(denied, values=values) is expected
    assert value(pb.Condition(negation=denied), values=values) is value(reading(10), values=values)


# What holds of all conditions


def _tests() -> st.SearchStrategy[pb.Condition]:
    plain = [
        reading(10),
        reading(10, labs=2),
        reading(10, below=True),
        read(all=True, labs=0),
        trend(),
        trend(all=True, labs=0),
        overdue(),
        event(3),
        phase(1, pb.PHASE_OPEN),
        keeps(1, *LABS, k=2),
        weighs(4, alpha=2, beta=3),
        honored_by(1),
        honored_by(0, "alpha"),
        is_status(2),
        elapsed(1, 2),
        ALWAYS,
        NEVER,
    ]
    tests = st.sampled_from(plain)
    leaves = st.one_of(tests, tests.map(lambda test: pb.Condition(negation=test)))

    def joined(parts: st.SearchStrategy[pb.Condition]) -> st.SearchStrategy[pb.Condition]:
        several = st.lists(parts, min_size=1, max_size=3)
        return st.one_of(
            several.map(lambda of: pb.Condition(all=pb.Condition.Several(of=of))),
            several.map(lambda of: pb.Condition(any=pb.Condition.Several(of=of))),
            several.map(lambda of: pb.Condition(at_least=pb.Condition.AtLeast(k=len(of) // 2 + 1, of=of))),
        )

    return st.recursive(leaves, joined, max_leaves=6)


def _by_lab(values: st.SearchStrategy[V]) -> st.SearchStrategy[dict[str, V]]:
    return st.dictionaries(st.sampled_from(LABS), values)


def _tables() -> st.SearchStrategy[Table]:
    return st.builds(
        Table,
        values=_by_lab(st.sampled_from([(), (5,), (12,), (5, 12)])),
        grown=_by_lab(st.sampled_from([(), (FAST,), (SLOW,), (FAST, SLOW)])),
        groups=st.sampled_from([{}, TOGETHER, dict.fromkeys(LABS, "one")]),
        kept=_by_lab(st.integers(0, 1)),
        binds=st.sampled_from([(), LABS, LABS[:1]]),
        rows=_by_lab(st.integers(0, 3)),
        silent=st.sampled_from([(), LABS[:1]]),
        said=st.sampled_from([(), ((True, 5),), ((False, 5),), ((True, 5), (False, 1))]),
        statuses=_by_lab(st.sampled_from(Truth)),
        age=st.integers(0, 3),
    )


@given(_tests(), _tables())
def test_the_value_is_that_of_the_explanation(condition: pb.Condition, table: Table) -> None:
    assert conditions.value(condition, table) is conditions.evaluate(condition, table).value


@given(_tests(), _tables(), st.data())
def test_more_evidence_never_moves_what_was_decided(condition: pb.Condition, table: Table, data: st.DataObject) -> None:
    before = conditions.value(condition, table)
    known = {
        "values": {lab: table.values.get(lab) or data.draw(st.sampled_from([(5,), (12,)])) for lab in LABS},
        "grown": {lab: table.grown.get(lab) or data.draw(st.sampled_from([(FAST,), (SLOW,)])) for lab in LABS},
        "said": table.said or data.draw(st.sampled_from([((True, 5),), ((False, 5),)])),
        "statuses": {
            lab: data.draw(st.sampled_from([T, F])) if table.statuses.get(lab, U) is U else table.statuses[lab]
            for lab in LABS
        },
    }
    after = conditions.value(condition, replace(table, **known))  # type: ignore[arg-type]
    assert before in {U, after}


@given(_tests(), _tables())
def test_what_is_unknown_says_what_is_missing(condition: pb.Condition, table: Table) -> None:
    for leaf in _leaves(conditions.evaluate(condition, table)):
        evidence = ("horizon of" in leaf.text or "review" in leaf.text) and not leaf.because
        if evidence and leaf.value is U and ":" in leaf.text:
            assert leaf.missing
        assert not (leaf.missing and leaf.value is not U)


def _leaves(found: Explained) -> list[Explained]:
    return [found] if not found.because else [leaf for part in found.because for leaf in _leaves(part)]
