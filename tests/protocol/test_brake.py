"""The fold: a brake acts at once, ends by itself, and becomes a restriction when it is ratified (annex 5.1)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from protocol.agreement import Agreement
from protocol.duty import duty
from protocol.errors import Reason
from protocol.state import Binding, LevelState, Stage
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import decision_pb2
from tests.bodies import brake
from tests.builders import (
    ALWAYS,
    LABS,
    PAUSE,
    World,
    agreement,
    indicator_report,
    keeps,
    level,
    pledge,
    terms,
    withdrawal,
)
from tests.terms import brake_terms

CALL, RATIFY = decision_pb2.MOTION_CALL, decision_pb2.MOTION_RATIFY
LIFT = decision_pb2.MOTION_LIFT


def _terms(parties: list[pb.Party] | None = None, **changes: Any) -> Agreement:
    """A pause with a brake of three periods, at most six by the calendar, and a rest of ten."""
    stop = {"brake": brake_terms()} | changes
    made: dict[str, Any] = {"levels": [level("slowdown", 1), level("pause", PAUSE, **stop)]}
    return agreement(**(made | ({"parties": parties} if parties else {})))


def _braked(made: Agreement | None = None) -> World:
    """A world in which alpha brakes in period 1, and nobody has pledged anything."""
    world = World(made or _terms()).found()
    world["alpha"].say(brake())
    world.close()
    return world


def _pause(world: World) -> tuple[Stage, int]:
    found = world.state.levels[PAUSE]
    return found.stage, found.brake_left


def test_acts_in_its_own_step_and_binds_every_lab_that_takes_part() -> None:
    world = _braked()
    found = world.state.levels[PAUSE]
    assert (found.stage, found.brake_left, found.brake_cap, found.episode) == (Stage.OPEN, 3, 9, 0)
    assert found.binds == dict.fromkeys(LABS, Binding(since=3))
    wound_down = [duty(world.agreement, world.state, "beta", period) for period in (2, 3, 4)]
    assert [(one.level, one.winding) for one in wound_down] == [(0, 0), (0, PAUSE), (PAUSE, 0)]


def test_says_how_long_it_still_acts() -> None:
    world = World(_terms()).found()
    world["alpha"].say(brake())
    lines = list(world.close().reasons[PAUSE].lines())
    assert any("a brake for 3 more periods, until period 9 at the latest" in line for line in lines)
    world.close_until(3)
    assert not any("a brake" in line for line in world.close().reasons[PAUSE].lines())


def test_lapses_after_its_window_onto_the_ramp() -> None:
    world = _braked()
    found = []
    for _ in range(3):
        world.close()
        found.append(_pause(world))
    assert found == [(Stage.OPEN, 2), (Stage.OPEN, 1), (Stage.OPEN, 0)]
    # Recorded by closing 4, the lapse governs from period 6, and the ramp takes two.
    assert world.state.levels[PAUSE].binds == dict.fromkeys(LABS, Binding(since=3, until=8))
    assert world.state.levels[PAUSE].brake_cap is None
    assert duty(world.agreement, world.state, "beta", 7).level == PAUSE
    world.close_until(6)
    assert world.state.levels[PAUSE].binds == {}


@pytest.mark.parametrize("ratified", [True, False])
def test_a_ratification_recorded_in_its_last_period_is_not_lost(ratified: bool) -> None:
    world = _braked()
    world.close_until(3)
    assert _pause(world) == (Stage.OPEN, 1)
    for lab in LABS:
        world[lab].say(pledge())
    if ratified:
        world.vote(RATIFY)
    outcome = world.close()
    assert _pause(world) == (Stage.WINDING if ratified else Stage.OPEN, 0)
    assert [str(event) for one in outcome.transitions for event in one.row] == (["ratified"] if ratified else [])
    assert world.state.levels[PAUSE].episode == int(ratified)


def test_who_was_stopped_by_the_brake_is_wound_down_already_when_it_is_ratified() -> None:
    world = _braked()
    for lab in LABS[:2]:
        world[lab].say(pledge())
    world.close()
    world.vote(RATIFY)
    world.close()
    found = world.state.levels[PAUSE]
    assert (found.start, found.end) == (5, 17)
    # Who pledged nothing is let go by a level that binds by pledge, onto the ramp.
    assert found.binds == {
        "alpha": Binding(since=3),
        "beta": Binding(since=3),
        "gamma": Binding(since=3, until=7),
    }


@pytest.mark.parametrize("ratified", [True, False])
def test_a_ratification_at_the_sunset_begins_a_new_mandate(ratified: bool) -> None:
    world = World(_terms(mandate_periods=4, steady_steps=1, trigger=ALWAYS)).found()
    for lab in LABS:
        world[lab].say(pledge())
    world.close()
    world.vote(CALL)
    world.close_until(5)
    assert (_pause(world), world.state.levels[PAUSE].end) == ((Stage.IN_FORCE, 0), 8)
    world["alpha"].say(brake())
    world.state = replace(world.state, levels=_ending(world, 1))
    world.close()
    assert _pause(world) == (Stage.IN_FORCE, 3)
    if ratified:
        world.vote(RATIFY)
    world.close()
    found = world.state.levels[PAUSE]
    assert (found.stage, found.episode) == ((Stage.WINDING, 2) if ratified else (Stage.RAMPING, 1))
    assert found.end == (13 if ratified else 9)


def _ending(world: World, later: int) -> dict[int, LevelState]:
    """The levels with a mandate that ends so much later."""
    pause = world.state.levels[PAUSE]
    return dict(world.state.levels) | {PAUSE: replace(pause, end=(pause.end or 0) + later)}


def test_a_ratification_too_late_is_too_late() -> None:
    world = _braked()
    world.close_until(4)
    world.vote(RATIFY)
    world.close()
    assert _pause(world) == (Stage.OPEN, 0)


def test_ratifies_nothing_in_the_step_in_which_the_brake_begins_but_counts_in_the_next() -> None:
    world = World(_terms()).found()
    world["alpha"].say(brake())
    world.vote(RATIFY)
    world.close()
    assert _pause(world) == (Stage.OPEN, 3)
    world.close()
    assert _pause(world) == (Stage.WINDING, 0)


def test_the_window_counts_closed_periods_and_the_cap_the_calendar() -> None:
    for period, left in ((3, 2), (6, 2), (7, 0), (20, 0)):
        world = _braked()
        # Governed from two periods later; the cap is period 9.
        world.close(period=period)
        assert world.state.levels[PAUSE].brake_left == left


def test_ends_in_the_dark_at_its_cap_with_a_ramp_from_there() -> None:
    world = _braked()
    assert world.state.levels[PAUSE].brake_cap == 9
    kept = [duty(world.agreement, world.state, "alpha", period).level for period in (9, 10, 11)]
    assert kept == [PAUSE, PAUSE, 0]
    world.close(period=20)
    assert world.state.levels[PAUSE].binds == {}


def test_a_control_group_rests_with_all_its_parties() -> None:
    parties = list(terms().parties)
    parties[1].owner = parties[0].owner
    world = _braked(_terms(parties))
    # Beta belongs to the group of alpha.
    refused, accepted = world["beta"].say(brake()), world["gamma"].say(brake())
    outcome = world.close()
    assert outcome.refusals[refused.origin, refused.index].reason is Reason.BRAKE_RESTS
    assert (accepted.origin, accepted.index) not in outcome.refusals
    assert _pause(world) == (Stage.OPEN, 3)
    assert sorted(world.state.rests.values()) == [9, 10]


@pytest.mark.parametrize(("period", "left"), [(10, 0), (11, 3)])
def test_rests_for_as_many_closed_periods_as_agreed(period: int, left: int) -> None:
    world = _braked()
    world.close_until(period - 1)
    world["alpha"].say(brake())
    world.close()
    assert world.state.levels[PAUSE].brake_left == left


def test_a_rest_does_not_run_in_the_dark() -> None:
    world = _braked()
    world.close(period=40)
    said = world["alpha"].say(brake())
    assert world.close().refusals[said.origin, said.index].reason is Reason.BRAKE_RESTS


def test_two_brakes_in_one_record_last_as_long_as_one_and_both_rest() -> None:
    world = World(_terms()).found()
    for lab in LABS[:2]:
        world[lab].say(brake())
    world.close()
    assert _pause(world) == (Stage.OPEN, 3)
    assert list(world.state.rests.values()) == [10, 10]


def test_another_brake_before_the_lapse_goes_on_from_there() -> None:
    world = _braked()
    world.close_until(3)
    world["beta"].say(brake())
    world.close()
    assert _pause(world) == (Stage.OPEN, 3)
    assert world.state.levels[PAUSE].binds["alpha"] == Binding(since=3)


def test_holds_up_the_ramp_beneath_it() -> None:
    ages = {}
    for braked in (False, True):
        world = World(_terms(mandate_periods=4, steady_steps=1, ramp_periods=3)).found()
        for lab in LABS:
            world[lab].say(pledge())
            world[lab].say(indicator_report(lab, 2_500))
        world.close()
        world.vote(CALL)
        world.close_until(6)
        assert world.state.levels[PAUSE].stage is Stage.RAMPING
        if braked:
            world["alpha"].say(brake())
        found = []
        for _ in range(6):
            world.close()
            found.append((world.state.levels[PAUSE].stage, world.state.levels[PAUSE].age))
        ages[braked] = found
    assert ages[False][:3] == [(Stage.RAMPING, 1), (Stage.RAMPING, 2), (Stage.OPEN, 0)]
    # The brake is recorded in the first of these steps and runs before the next three.
    assert ages[True] == [*[(Stage.RAMPING, 1)] * 4, (Stage.RAMPING, 2), (Stage.OPEN, 0)]


def test_who_is_stopped_on_the_ramp_gets_a_whole_ramp_after_it() -> None:
    world = World(_terms(mandate_periods=4, steady_steps=1, ramp_periods=2)).found()
    for lab in LABS:
        world[lab].say(pledge())
        world[lab].say(indicator_report(lab, 2_500))
    world.close()
    world.vote(CALL)
    world.close_until(6)
    assert world.state.levels[PAUSE].binds["alpha"] == Binding(since=4, until=10)
    world["alpha"].say(brake())
    world.close()
    assert world.state.levels[PAUSE].binds["alpha"] == Binding(since=4)
    world.close_until(10)
    assert _pause(world) == (Stage.RAMPING, 0)
    # The mandate ended long ago; what ends here is the brake, by a closing that governs from period 12.
    assert world.state.levels[PAUSE].binds["alpha"] == Binding(since=4, until=14)


def test_leaves_a_dormant_call_as_it_is() -> None:
    world = World(_terms(entry=keeps(PAUSE, *LABS, k=2), trigger=ALWAYS)).found()
    world.vote(CALL)
    world["alpha"].say(brake())
    world.close()
    assert _pause(world) == (Stage.CALLED, 3)
    assert sorted(world.state.levels[PAUSE].binds) == list(LABS)
    for lab in LABS[:2]:
        world[lab].say(pledge())
    world.close()
    world.close()
    assert _pause(world) == (Stage.WINDING, 0)
    assert world.state.levels[PAUSE].episode == 1


def test_ratified_over_a_dormant_call_begins_another_episode_in_which_the_same_votes_do_not_ratify_again() -> None:
    world = World(_terms(entry=keeps(PAUSE, *LABS, k=2), trigger=ALWAYS, resume=ALWAYS, wind_down_periods=0)).found()
    world.vote(CALL)
    world["alpha"].say(brake())
    world.close()
    world.vote(RATIFY)
    world.close()
    assert _pause(world) == (Stage.WINDING, 0)
    assert world.state.levels[PAUSE].episode == 2
    # Lifted, and braked by another on the ramp while those votes still live: nobody ratified this one.
    world.vote(LIFT)
    while _pause(world)[0] is not Stage.RAMPING:
        world.close()
    world["beta"].say(brake())
    world.close()
    world.close()
    assert _pause(world) == (Stage.RAMPING, 2)


def test_binds_those_too_who_pledged_nothing_beneath_a_restriction_by_pledge() -> None:
    world = World(_terms(trigger=ALWAYS)).found()
    for lab in LABS[:2]:
        world[lab].say(pledge())
    world.close()
    world.vote(CALL)
    world.close()
    assert list(world.state.levels[PAUSE].binds) == ["alpha", "beta"]
    world["gamma"].say(brake())
    world.close()
    assert _pause(world) == (Stage.IN_FORCE, 3)
    assert {lab: one.since for lab, one in world.state.levels[PAUSE].binds.items()} == {
        "alpha": 4,
        "beta": 4,
        "gamma": 5,
    }


def test_is_open_to_who_is_leaving() -> None:
    world = World(_terms()).found()
    world["alpha"].say(withdrawal())
    world.close()
    world["alpha"].say(brake())
    world.close()
    assert _pause(world) == (Stage.OPEN, 3)
    assert sorted(world.state.levels[PAUSE].binds) == list(LABS)


def test_is_refused_by_the_fold_whom_the_terms_do_not_entitle() -> None:
    world = World(_terms(brake=brake_terms(roles=None, parties=["beta"]))).found()
    refused, accepted = world["alpha"].say(brake()), world["beta"].say(brake())
    outcome = world.close()
    assert {place: one.reason for place, one in outcome.refusals.items()} == {
        (refused.origin, refused.index): Reason.NO_AUTHORITY
    }
    assert accepted.refusal is None
    assert _pause(world) == (Stage.OPEN, 3)
