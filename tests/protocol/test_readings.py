"""What the record says of an indicator: sources, thresholds that move, growth, silence."""

from __future__ import annotations

from dataclasses import replace
from math import log2

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from protocol import fold, progress, readings
from protocol.agreement import Agreement
from protocol.progress import Growth, doubles_within, ratcheted, read_samples, sample
from protocol.state import Membership, PartyState, ReportState, State, Status, key
from protocol.truth import Ref, Truth
from standstill.v1 import agreement_pb2
from standstill.v1 import condition_pb2 as pb
from tests.builders import agreement, change, terms

HORIZON, UPLIFT = terms().indicators
IDENTITY = bytes(range(32))


def made(owners: dict[str, str] | None = None, **changes: object) -> Agreement:
    """An agreement in which `uplift`, reported by chipco, gridco and alpha, is changed, and some owners are."""
    parties = [change(one, owner=(owners or {}).get(one.name, one.owner)) for one in terms().parties]
    return agreement(parties=parties, indicators=[HORIZON, change(UPLIFT, **changes)])


def state(agreed: Agreement, **reports: ReportState) -> State:
    """After twenty closings, with these reports of uplift on alpha."""
    return replace(
        fold.initial(agreed),
        period=30,
        closings=20,
        entered=2,
        status=Status.IN_FORCE,
        parties={name: PartyState(membership=Membership.IN) for name in agreed.parties},
        reports={key("uplift", "alpha", reporter): report for reporter, report in reports.items()},
    )


def report(value: int, closing: int = 20, **changes: object) -> ReportState:
    made_ = ReportState(value=value, period=closing + 10, closing=closing, index=5, identity=IDENTITY)
    return replace(made_, **changes)  # type: ignore[arg-type]


def values(agreed: Agreement, **reports: ReportState) -> tuple[int, ...]:
    return readings.readings(agreed, state(agreed, **reports), "uplift", "alpha").values


def test_points_to_the_statements_that_it_read() -> None:
    agreed = made()
    found = readings.readings(agreed, state(agreed, chipco=report(5), gridco=report(7)), "uplift", "alpha")
    origins = [agreed.parties[name].origin for name in ("chipco", "gridco")]
    assert found.refs == tuple(Ref(origin, 5, IDENTITY) for origin in origins)
    assert found.missing == ""


def test_says_what_is_missing_where_reports_are_too_few() -> None:
    agreed = made()
    found = readings.readings(agreed, state(agreed, chipco=report(5)), "uplift", "alpha")
    assert (found.values, found.found) == ((), "1 of 2 reports")
    assert found.missing == "reports of uplift on alpha, none older than 6 periods"
    assert len(found.refs) == 1


def test_counts_a_report_only_with_as_many_confirmations_as_agreed() -> None:
    agreed = made(reported_by=["alpha", "chipco"], confirmed_by=["gridco"], confirmations=1)
    assert values(agreed, alpha=report(5), chipco=report(6)) == ()
    found = readings.readings(agreed, state(agreed, alpha=report(5), chipco=report(6)), "uplift", "alpha")
    assert found.found == "0 of 1 confirmation"
    assert values(agreed, alpha=report(5), gridco=report(7)) == (5, 7)


def test_a_subsidiary_does_not_confirm_its_owner() -> None:
    named = ["vera", "gridco", "alpha"]
    apart, together = made(reported_by=named), made({"vera": "alpha group"}, reported_by=named)
    reports = {"vera": report(5), "gridco": report(7)}
    assert values(apart, **reports) == (5, 7)
    assert values(together, **reports) == ()
    # The lab itself, which the terms name, is a source; its subsidiary beside it adds none.
    assert values(together, alpha=report(6), **reports) == (7, 6)


def test_a_subject_may_report_on_itself_where_that_is_agreed() -> None:
    silent, spoken = made(reported_by=["chipco", "gridco"]), made(reported_by=["chipco", "gridco"], by_subject=True)
    reports = {"alpha": report(5), "chipco": report(6)}
    assert values(silent, **reports) == ()
    assert values(spoken, **reports) == (6, 5)


@pytest.mark.parametrize(
    ("compare", "expected"),
    [
        (agreement_pb2.COMPARE_UNSPECIFIED, 870),
        (agreement_pb2.COMPARE_LOWER, 360),
        (agreement_pb2.COMPARE_UPPER, 5_880),
    ],
)
def test_compares_the_agreed_end_of_an_interval(compare: agreement_pb2.Compare.ValueType, expected: int) -> None:
    agreed = made(compare=compare, reports=1)
    assert values(agreed, chipco=report(870, low=360, high=5_880)) == (expected,)


# Silence


def overdue(agreed: Agreement, found: State, periods: int, since: int = 2) -> Truth:
    silence = readings.overdue(agreed, found, "uplift", "alpha", periods, since)
    assert silence.assumed is (silence.value is Truth.TRUE)
    return silence.value


def test_silence_is_seen_after_so_many_closings_without_enough_reports() -> None:
    agreed = made()
    assert overdue(agreed, state(agreed), 10) is Truth.TRUE
    # The newest report of the second source is five closings old.
    found = state(agreed, chipco=report(5, 19), gridco=report(5, 15))
    assert [overdue(agreed, found, periods) for periods in (4, 5, 6)] == [Truth.TRUE, Truth.TRUE, Truth.FALSE]
    assert overdue(agreed, state(agreed, chipco=report(5, 19)), 6) is Truth.TRUE


def test_nobody_is_silent_longer_than_it_takes_part() -> None:
    agreed = made()
    assert [overdue(agreed, state(agreed), periods, since=15) for periods in (5, 6)] == [Truth.TRUE, Truth.FALSE]


# Thresholds that move


def ratchet(every: int, factor: int, limit: int) -> pb.Condition.Ratchet:
    return pb.Condition.Ratchet(every_periods=every, factor_ppm=factor, limit=limit)


@pytest.mark.parametrize(
    ("elapsed", "threshold"),
    [(0, 1_000), (9, 1_000), (10, 900), (19, 900), (20, 810), (30, 729), (40, 656), (50, 600), (10_000, 600)],
)
def test_lowers_a_threshold_step_by_step_down_to_its_limit(elapsed: int, threshold: int) -> None:
    assert ratcheted(1_000, ratchet(10, 900_000, 600), elapsed) == threshold


def test_raises_a_threshold_up_to_its_limit() -> None:
    assert [ratcheted(10, ratchet(1, 2_000_000, 35), elapsed) for elapsed in range(4)] == [10, 20, 35, 35]


@given(st.integers(0, 2**63 - 1), st.integers(1, 999_999), st.integers(1, 50), st.integers(0, 5_000), st.data())
def test_a_falling_threshold_never_rises(
    threshold: int, factor: int, every: int, elapsed: int, data: st.DataObject
) -> None:
    rule = ratchet(every, factor, data.draw(st.integers(0, threshold)))
    now, later = ratcheted(threshold, rule, elapsed), ratcheted(threshold, rule, elapsed + every)
    assert rule.limit <= later <= now <= threshold
    assert later == (max(now * factor // 1_000_000, rule.limit) if elapsed // every < progress.MAX_MOVES else now)


# Growth


@pytest.mark.parametrize(
    ("old", "new", "elapsed", "periods", "doubles"),
    [
        (100, 200, 60, 60, True),
        (100, 199, 60, 60, False),
        (100, 200, 61, 60, False),
        (100, 200, 59, 60, True),
        (100, 800, 180, 60, True),
        (100, 799, 180, 60, False),
        (1, 3, 95, 60, True),
        (1, 3, 96, 60, False),
        (100, 100, 1, 60, False),
        (200, 100, 60, 60, False),
        (0, 1, 20_000, 1, True),
        (0, 0, 60, 60, False),
        (2**62, 2**63 - 1, 20_000, 20_000, False),
        (2**61, 2**62, 20_000, 20_000, True),
        (3**38, 3**39, 20_000, 12_620, True),
        (3**38, 3**39, 20_000, 12_618, False),
    ],
)
def test_tells_whether_it_doubled_in_time_exactly(
    old: int, new: int, elapsed: int, periods: int, doubles: bool
) -> None:
    assert doubles_within(Growth(old, new, elapsed), periods) is doubles


@given(st.integers(1, 2**40), st.integers(1, 2**40), st.integers(1, 20_000), st.integers(1, 20_000))
def test_agrees_with_logarithms_away_from_equality(old: int, new: int, elapsed: int, periods: int) -> None:
    margin = periods * (log2(new) - log2(old)) - elapsed
    assume(abs(margin) > 1e-6 * elapsed)
    assert doubles_within(Growth(old, new, elapsed), periods) is (margin > 0)


def test_keeps_no_earlier_values_where_no_trend_reads_them() -> None:
    assert sample("", 5, 1, 0) == ""
    assert sample("1:5", 5, 1, 0) == ""


@given(st.integers(1, 2_000), st.lists(st.integers(1, 300), min_size=1, max_size=200))
def test_keeps_few_earlier_values_and_one_that_is_old_enough(over: int, gaps: list[int]) -> None:
    samples, period, said = "", 0, []
    for gap in gaps:
        period += gap
        said.append(period)
        samples = sample(samples, period, period * 10, over)
    kept = read_samples(samples)
    assert kept == sorted(set(kept))
    assert all(place in said and value == place * 10 for place, value in kept)
    assert len(kept) <= 36
    old = [place for place in said if place <= period - over]
    grid = -(-over // 32)
    found = [place for place, _ in kept if place <= period - over]
    assert bool(found) is bool(old)
    # The one compared with is at most a step of the grid older than the best.
    assert not old or found[-1] > old[-1] - grid


def growth(agreed: Agreement, over: int, **reports: ReportState) -> readings.Evidence[Growth]:
    return readings.growth(agreed, state(agreed, **reports), "uplift", "alpha", over)


def test_compares_the_newest_report_with_the_newest_that_is_old_enough() -> None:
    agreed = made(reports=1)
    found = growth(agreed, 8, chipco=report(40, samples="10:5,20:10,25:30,30:40"))
    assert found.values == (Growth(10, 40, 10),)
    assert found.found == "10 to 40 in 10 periods (chipco log 5)"
    assert len(found.refs) == 1


def test_does_not_know_growth_without_an_old_report_or_enough_sources() -> None:
    agreed = made()
    recent, old = report(40, samples="25:30,30:40"), report(40, samples="20:10,30:40")
    assert growth(agreed, 8, chipco=old, gridco=recent).values == ()
    assert growth(agreed, 8, chipco=old, gridco=recent).missing == "reports of uplift on alpha, 8 periods apart"
    assert growth(agreed, 8, chipco=old, gridco=old).values == (Growth(10, 40, 10),) * 2
