"""What a lab must keep in a period."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol import fold
from protocol.conduct import Freshness
from protocol.duty import Duty, Overdue, duty, last_attested, silence
from protocol.state import Binding, Conduct, LevelState, Membership, PartyState, Stage, State, Status
from protocol.state_entries import InquiryState
from standstill.v1 import agreement_pb2 as pb
from tests.builders import PAUSE, SLOWDOWN, agreement, change, handle

TERMS = agreement()
BASE = replace(fold.initial(TERMS), status=Status.IN_FORCE, since=2, period=10)


def _with(**levels: LevelState) -> State:
    ranks = {"slowdown": SLOWDOWN, "pause": PAUSE}
    return replace(BASE, levels={**BASE.levels, **{ranks[name]: one for name, one in levels.items()}})


def _bound(since: int, until: int | None = None, stage: Stage = Stage.IN_FORCE, end: int | None = 50) -> LevelState:
    return LevelState(stage=stage, episode=3, end=end, binds={"alpha": Binding(since=since, until=until)})


def test_owes_reports_once_the_agreement_governs() -> None:
    assert [duty(TERMS, BASE, "alpha", period).reports for period in (1, 2, 12)] == [False, True, True]
    assert not duty(TERMS, replace(BASE, status=Status.VOID), "alpha", 12).reports
    assert not duty(TERMS, fold.initial(TERMS), "alpha", 12).reports


def test_who_has_left_owes_no_reports() -> None:
    assert duty(TERMS, _member(Membership.NOTICE), "alpha", 12).reports
    assert not duty(TERMS, _member(Membership.OUT), "alpha", 12).reports


def _member(membership: Membership) -> State:
    return replace(BASE, parties={**BASE.parties, "alpha": PartyState(membership=membership)})


def test_owes_an_answer_once_its_time_is_over() -> None:
    asking = agreement(verification=change(TERMS.terms.verification, clarification_answer_periods=3))
    questions = {
        "aa" * 32: InquiryState(lab="alpha", asker="gamma", closing=5, period=5, index=3),
        "bb" * 32: InquiryState(lab="alpha", asker="beta", closing=4, period=4, index=9),
        "cc" * 32: InquiryState(lab="beta", asker="alpha", closing=1, period=1, index=2),
    }
    state = replace(fold.initial(asking), period=10, inquiries=questions, closings=7)
    first = Overdue(b"\xbb" * 32, "beta", 9, 4, 3)
    assert duty(asking, state, "alpha", 12).overdue == (first,)
    later = replace(state, closings=8)
    assert duty(asking, later, "alpha", 12).overdue == (
        first._replace(waited=4),
        Overdue(b"\xaa" * 32, "gamma", 3, 5, 3),
    )
    assert duty(asking, later, "gamma", 12).overdue == ()


def test_winds_down_before_a_level_binds_in_full() -> None:
    state = _with(pause=_bound(12))
    assert duty(TERMS, state, "alpha", 11) == Duty(reports=True, owed_since=2)
    assert duty(TERMS, state, "alpha", 12) == Duty(winding=PAUSE, reports=True, owed_since=2)
    assert duty(TERMS, state, "alpha", 13) == Duty(level=PAUSE, episode=3, since=13, reports=True, owed_since=2)
    assert duty(TERMS, state, "beta", 13) == Duty(reports=True, owed_since=2)


def test_keeps_the_highest_level_that_binds() -> None:
    both = _with(slowdown=_bound(5), pause=_bound(12))
    assert duty(TERMS, both, "alpha", 12) == Duty(
        level=SLOWDOWN, episode=3, since=6, winding=PAUSE, reports=True, owed_since=2
    )
    assert duty(TERMS, both, "alpha", 13) == Duty(level=PAUSE, episode=3, since=13, reports=True, owed_since=2)
    later = _with(slowdown=_bound(12), pause=_bound(5))
    assert duty(TERMS, later, "alpha", 12) == Duty(level=PAUSE, episode=3, since=6, reports=True, owed_since=2)


def test_stays_on_the_ramp_until_a_state_says_that_it_is_over() -> None:
    state = _with(pause=_bound(5, until=13, stage=Stage.RAMPING))
    assert [duty(TERMS, state, "alpha", period).level for period in (12, 13, 40)] == [PAUSE, PAUSE, PAUSE]


@pytest.mark.parametrize(("period", "level"), [(49, PAUSE), (51, PAUSE), (52, 0), (99, 0)])
def test_in_the_dark_keeps_a_level_to_the_end_of_its_mandate_and_ramp(period: int, level: int) -> None:
    assert duty(TERMS, _with(pause=_bound(5)), "alpha", period).level == level


def test_keeps_by_its_own_pledge_what_no_mandate_ends() -> None:
    state = _with(pause=_bound(5, stage=Stage.OPEN, end=None))
    assert duty(TERMS, state, "alpha", 99).level == PAUSE


@pytest.mark.parametrize(
    ("missing", "expected"),
    [(0, Freshness.FRESH), (1, Freshness.LATE), (2, Freshness.STALE), (3, Freshness.PRESUMED)],
)
def test_is_as_fresh_as_its_oldest_missing_attestation(missing: int, expected: Freshness) -> None:
    state = replace(BASE, conduct={**BASE.conduct, "alpha": Conduct(silent=missing)})
    assert silence(TERMS, state, "alpha") is expected


def test_has_attested_what_its_most_silent_site_has() -> None:
    made = TERMS.terms
    parties = list(made.parties)
    parties[0].sites.add(handle=handle("alpha", 2), metered_by="gridco", pue_low_milli=1_100, pue_high_milli=1_500)
    two_sites = agreement(parties=parties)

    def attested(**sites: int) -> int:
        found = {handle("alpha", int(name[1:])).hex(): period for name, period in sites.items()}
        return last_attested(two_sites, replace(BASE, conduct={"alpha": Conduct(attested=found)}), "alpha")

    assert attested() == 1
    assert attested(_1=7) == 1
    assert attested(_1=7, _2=5) == 5
    # What was attested before the agreement governed is owed to nobody.
    assert attested(_1=0, _2=5) == 1


STEPPED = agreement(
    baseline_periods=4,
    levels=[
        change(
            one,
            ramp_periods=4,
            ramp=[pb.RampStep(after_periods=1, share_ppm=250_000), pb.RampStep(after_periods=3, share_ppm=1_000_000)],
        )
        for one in TERMS.terms.levels
    ],
)


def _stepped(since: int, until: int | None = None, stage: Stage = Stage.IN_FORCE) -> State:
    state = fold.initial(STEPPED)
    levels = {**state.levels, PAUSE: _bound(since, until, stage)}
    return replace(state, status=Status.IN_FORCE, since=2, period=10, levels=levels)


def _returning(until: int, period: int) -> State:
    """The newest state before a period, in which the pause lets alpha go since four periods before `until`."""
    return replace(_stepped(5, until, Stage.RAMPING), period=period - 2)


@pytest.mark.parametrize(("period", "share"), [(12, 0), (13, 250_000), (14, 250_000)])
def test_returns_by_the_steps_of_the_ramp(period: int, share: int) -> None:
    found = duty(STEPPED, _returning(16, period), "alpha", period)
    assert (found.level, found.ramp_ppm) == (PAUSE, share)
    assert found.beneath == (Duty(reports=True, owed_since=2) if share else None)


def test_keeps_nothing_of_a_level_after_the_step_that_allows_everything() -> None:
    assert duty(STEPPED, _returning(16, 15), "alpha", 15) == Duty(reports=True, owed_since=2)
    assert duty(STEPPED, _returning(16, 14), "alpha", 14).level == PAUSE


def test_climbs_no_step_in_the_dark() -> None:
    state = _returning(16, 13)
    assert [duty(STEPPED, state, "alpha", period).ramp_ppm for period in (12, 13, 15, 40)] == [0, 250_000] + [
        250_000
    ] * 2


def test_takes_the_baseline_of_the_periods_before_the_wind_down() -> None:
    state = _stepped(9)
    assert duty(STEPPED, state, "alpha", 12).baseline == range(5, 9)
    # Not before the agreement was in force, and where there was nothing before there is no baseline.
    assert duty(STEPPED, _stepped(4), "alpha", 12).baseline == range(2, 4)
    assert not duty(STEPPED, _stepped(2), "alpha", 12).baseline
    assert not duty(TERMS, _with(pause=_bound(9)), "alpha", 12).baseline


def test_keeps_a_lower_level_while_it_returns_from_a_higher_one() -> None:
    state = _returning(16, 13)
    state = replace(state, levels={**state.levels, SLOWDOWN: _bound(3)})
    found = duty(STEPPED, state, "alpha", 13)
    assert (found.level, found.ramp_ppm) == (PAUSE, 250_000)
    assert found.beneath is not None
    assert (found.beneath.level, found.beneath.since, found.beneath.ramp_ppm) == (SLOWDOWN, 4, 0)
