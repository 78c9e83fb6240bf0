"""The fold: a level called, wound down to, in force, lifted and left, by statements alone."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.agreement import Agreement
from protocol.duty import duty
from protocol.state import RESTRICTIVE, Binding, Stage
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import condition_pb2, decision_pb2
from tests.builders import (
    ALWAYS,
    LABS,
    PAUSE,
    World,
    agreement,
    clause,
    elapsed,
    indicator_report,
    keeps,
    level,
    pledge,
    reading,
    restrictive,
    withdrawal,
)

CALL, LIFT, RENEW = decision_pb2.MOTION_CALL, decision_pb2.MOTION_LIFT, decision_pb2.MOTION_RENEW


def _stage(world: World, rank: int = PAUSE) -> Stage:
    return world.state.levels[rank].stage


def _terms(**changes: Any) -> Agreement:
    """Terms with another pause."""
    return agreement(levels=[level("slowdown", 1), level("pause", PAUSE, **changes)])


def _ready(terms: Agreement | None = None) -> World:
    """A world in which all labs have pledged and the indicator stands above the trigger; nobody has voted."""
    world = World(terms).found()
    for lab in LABS:
        world[lab].say(pledge())
        world[lab].say(indicator_report(lab, 2_500))
    world.close()
    return world


def _called(terms: Agreement | None = None) -> World:
    """The same after the council's call."""
    world = _ready(terms)
    world.vote(CALL)
    world.close()
    return world


def _report(world: World, value: int) -> None:
    for lab in LABS:
        world[lab].say(indicator_report(lab, value))


def test_runs_from_call_to_open() -> None:
    world = _ready()
    assert _stage(world) is Stage.OPEN
    world.vote(CALL)
    outcome = world.close()
    assert [(one.level, one.before, one.after) for one in outcome.transitions] == [(PAUSE, Stage.OPEN, Stage.WINDING)]
    found = world.state.levels[PAUSE]
    # Recorded by closing 2, it governs from period 4.
    assert (found.episode, found.start, found.end) == (1, 4, 16)
    assert found.binds == dict.fromkeys(LABS, Binding(since=4))
    assert [world.state.pledges[lab].kept for lab in LABS] == [PAUSE] * 3
    world.close()
    assert _stage(world) is Stage.IN_FORCE
    world.vote(LIFT)
    stages = []
    for _ in range(6):
        world.close()
        stages.append(_stage(world))
    # Two periods of restriction closed, then two steps in a row; then a ramp of two periods.
    assert stages == [Stage.IN_FORCE, Stage.IN_FORCE, Stage.RAMPING, Stage.RAMPING, Stage.OPEN, Stage.OPEN]
    assert world.state.levels[PAUSE].binds == {}


def test_binds_each_lab_through_wind_down_and_ramp() -> None:
    world = _called()
    world.vote(LIFT)
    states = world.states
    world.close_until(12)
    duties = [duty(world.agreement, states[period - 2], "alpha", period) for period in range(3, 13)]
    assert [(one.level, one.winding) for one in duties[:4]] == [(0, 0), (0, PAUSE), (PAUSE, 0), (PAUSE, 0)]
    levels = [one.level for one in duties]
    lifted = next(period for period, state in states.items() if state.levels[PAUSE].stage is Stage.RAMPING)
    # The ramp governs two periods from two after the lift.
    assert levels == [0, 0] + [PAUSE] * (lifted + 4 - 5) + [0] * (13 - (lifted + 4))


@pytest.mark.parametrize("voters", [[], ["alpha"]])
def test_is_not_called_below_the_quorum(voters: list[str]) -> None:
    world = _ready()
    world.vote(CALL, voters)
    world.close()
    assert _stage(world) is Stage.OPEN


def test_is_not_called_while_its_trigger_is_not_true() -> None:
    for value in (1_999, None):
        world = World().found()
        for lab in LABS:
            world[lab].say(pledge())
            if value is not None:
                world[lab].say(indicator_report(lab, value))
        world.vote(CALL)
        world.close()
        assert _stage(world) is Stage.OPEN


def test_is_not_called_by_ballots_that_name_another_episode() -> None:
    world = _ready()
    world.vote(CALL, episode=2)
    world.close()
    assert _stage(world) is Stage.OPEN
    world.vote(CALL, episode=1)
    world.close()
    assert _stage(world) is Stage.WINDING


def test_is_not_called_again_by_the_ballots_that_called_it() -> None:
    # Constant inputs, constant stage: the trigger stays true, the old ballots stand, and nothing happens.
    world = _called(_terms(mandate_periods=4, steady_steps=1))
    stages = []
    for _ in range(14):
        _report(world, 2_500)
        world.close()
        stages.append(_stage(world))
    assert stages[-1] is Stage.OPEN
    assert stages[stages.index(Stage.OPEN) :] == [Stage.OPEN] * (14 - stages.index(Stage.OPEN))
    assert world.state.levels[PAUSE].episode == 1


def test_is_not_lifted_on_unknown() -> None:
    # The indicator grows old: unknown neither lifts the pause nor keeps it from its sunset.
    world = _called(_terms(resume=reading(2_000, below=True, labs=3)))
    stages = []
    for _ in range(12):
        world.vote(LIFT)
        world.close()
        stages.append(_stage(world))
    assert stages.index(Stage.RAMPING) == 11
    assert world.state.period == world.state.levels[PAUSE].end - 2  # type: ignore[operator]


def test_is_not_lifted_without_votes_or_on_votes_alone() -> None:
    voted = _called(_terms(resume=reading(2_000, below=True)))
    resumed = _called(_terms(resume=ALWAYS))
    for world in (voted, resumed):
        for _ in range(5):
            if world is voted:
                _report(world, 2_500)
                world.vote(LIFT)
            world.close()
        assert _stage(world) is Stage.IN_FORCE


def test_is_lifted_after_as_many_true_steps_in_a_row_as_it_wants() -> None:
    world = _called(_terms(resume=reading(2_000, below=True, labs=3), steady_steps=3))
    world.vote(LIFT)
    readies = []
    for value in (1_000, 1_000, 2_500, 1_000, 1_000, 1_000):
        _report(world, value)
        world.vote(LIFT)
        world.close()
        readies.append(world.state.levels[PAUSE].ready)
    assert readies == [1, 2, 0, 1, 2, 3]
    assert _stage(world) is Stage.RAMPING


def test_dark_periods_neither_lift_nor_reset() -> None:
    world = _called(_terms(resume=reading(2_000, below=True, labs=3), steady_steps=2))
    _report(world, 1_000)
    world.vote(LIFT)
    world.close()
    assert world.state.levels[PAUSE].ready == 1
    world.close(period=7)
    assert _stage(world) is Stage.RAMPING


def test_is_not_lifted_by_the_ballots_that_lifted_it_last_time() -> None:
    world = _called(_terms(trigger=ALWAYS, resume=ALWAYS, steady_steps=1, ramp_periods=0))
    world.vote(LIFT)
    world.close()
    assert _stage(world) is Stage.RAMPING
    world.close()
    world.vote(CALL)
    world.close()
    assert (_stage(world), world.state.levels[PAUSE].episode) == (Stage.WINDING, 2)
    lifts = [ballot for place, ballot in world.state.ballots.items() if f"|{LIFT}|" in place]
    assert [ballot.yes for ballot in lifts] == [True, True]
    world.close()
    assert _stage(world) is Stage.IN_FORCE
    world.vote(LIFT)
    world.close()
    assert _stage(world) is Stage.RAMPING


def test_ends_with_its_mandate_unless_renewed() -> None:
    for renewed in (False, True):
        world = _called(_terms(mandate_periods=4, steady_steps=1))
        end = world.state.levels[PAUSE].end
        assert end == 8
        world.close_until(5)
        assert _stage(world) is Stage.IN_FORCE
        if renewed:
            # In the very step in which it would end.
            world.vote(RENEW)
        world.close()
        assert _stage(world) is (Stage.IN_FORCE if renewed else Stage.RAMPING)
        assert world.state.levels[PAUSE].end == (12 if renewed else 8)


def test_is_not_renewed_again_by_the_ballots_that_renewed_it() -> None:
    world = _called(_terms(mandate_periods=4, steady_steps=1))
    world.vote(RENEW)
    stages = {}
    for period in range(3, 12):
        world.close()
        stages[period] = _stage(world)
    assert stages[9] is Stage.IN_FORCE
    assert stages[10] is Stage.RAMPING


def test_is_called_again_on_the_ramp_by_fresh_ballots_and_needs_no_new_wind_down() -> None:
    world = _called(_terms(mandate_periods=4, steady_steps=1, ramp_periods=5))
    world.close_until(6)
    assert _stage(world) is Stage.RAMPING
    bound = world.state.levels[PAUSE].binds["alpha"]
    assert bound == Binding(since=4, until=13)
    _report(world, 2_500)
    world.vote(CALL)
    world.close()
    assert _stage(world) is Stage.WINDING
    assert world.state.levels[PAUSE].episode == 2
    # A call makes nothing laxer: who is wound down already stays so.
    assert world.state.levels[PAUSE].binds["alpha"] == Binding(since=4)
    assert duty(world.agreement, world.state, "alpha", 9).level == PAUSE


def test_the_ramp_counts_closed_periods() -> None:
    world = _called(_terms(mandate_periods=4, steady_steps=1, ramp_periods=2))
    world.close_until(6)
    assert world.state.levels[PAUSE].binds["alpha"].until == 10
    # Periods 7 to 19 are dark: the ramp has one closed period behind it and one to go.
    world.close(period=20)
    assert _stage(world) is Stage.RAMPING
    assert world.state.levels[PAUSE].binds["alpha"].until == 23
    assert duty(world.agreement, world.state, "alpha", 22).level == PAUSE
    world.close()
    assert _stage(world) is Stage.OPEN
    assert world.state.levels[PAUSE].binds == {}


def test_the_ramp_counts_from_a_sunset_in_the_dark() -> None:
    world = _called(_terms(mandate_periods=4, steady_steps=1, ramp_periods=2))
    end = world.state.levels[PAUSE].end
    assert end == 8
    for period, level_ in ((9, PAUSE), (10, 0)):
        assert duty(world.agreement, world.state, "alpha", period).level == level_
    world.close(period=20)
    assert world.state.levels[PAUSE].binds == {}


def _coalition() -> Agreement:
    """A pause that starts only once two labs would keep it."""
    return _terms(entry=keeps(PAUSE, *LABS, k=2))


def test_a_call_without_its_coalition_stays_dormant_until_it_forms() -> None:
    for joins in (False, True):
        world = World(_coalition()).found()
        world["alpha"].say(pledge())
        _report(world, 2_500)
        world.vote(CALL)
        world.close()
        assert _stage(world) is Stage.CALLED
        assert world.state.levels[PAUSE].binds == {}
        if joins:
            world["beta"].say(pledge())
        stages = []
        for _ in range(3):
            world.close()
            stages.append(_stage(world))
        assert stages == (
            [Stage.CALLED, Stage.WINDING, Stage.IN_FORCE] if joins else [Stage.CALLED, Stage.CALLED, Stage.OPEN]
        )
        assert sorted(world.state.levels[PAUSE].binds) == (["alpha", "beta"] if joins else [])


def test_binds_every_lab_whatever_it_pledged_where_the_level_says_so() -> None:
    world = World(_terms(binds=pb.BINDS_EVERYONE, entry=keeps(PAUSE, *LABS))).found()
    _report(world, 2_500)
    world["gamma"].say(withdrawal())
    world.vote(CALL)
    world.close()
    assert _stage(world) is Stage.WINDING
    assert sorted(world.state.levels[PAUSE].binds) == list(LABS)
    world.close()
    # Notice ends no duty.
    assert sorted(world.state.levels[PAUSE].binds) == list(LABS)


def test_a_trigger_alone_calls_once_until_it_was_false() -> None:
    terms = _terms(called_by="", mandate_periods=4, steady_steps=1, ramp_periods=1)
    world = World(terms).found()
    for lab in LABS:
        world[lab].say(pledge())
    _report(world, 2_500)
    world.close()
    assert _stage(world) is Stage.WINDING
    for _ in range(12):
        _report(world, 2_500)
        world.close()
    assert _stage(world) is Stage.OPEN
    armed = [world.state.levels[PAUSE].armed]
    _report(world, 0)
    world.close()
    armed.append(world.state.levels[PAUSE].armed)
    assert armed == [False, True]
    _report(world, 2_500)
    world.close()
    assert (_stage(world), world.state.levels[PAUSE].episode) == (Stage.WINDING, 2)


def test_an_unknown_trigger_does_not_arm() -> None:
    world = World(_terms(called_by="", mandate_periods=4, steady_steps=1, ramp_periods=1)).found()
    _report(world, 2_500)
    world.close_until(15)
    assert _stage(world) is Stage.OPEN
    assert not world.state.levels[PAUSE].armed


def test_one_level_reads_the_stage_of_another_as_the_old_state_has_it() -> None:
    follows = condition_pb2.Condition(any=restrictive(PAUSE).any)
    terms = agreement(
        levels=[level("slowdown", 1, trigger=follows, called_by="", resume=elapsed(1, 1)), level("pause", PAUSE)]
    )
    world = _called(terms)
    assert (_stage(world, 1), _stage(world)) == (Stage.OPEN, Stage.WINDING)
    world.close()
    assert (_stage(world, 1), _stage(world)) == (Stage.WINDING, Stage.IN_FORCE)


def test_releases_whose_clause_fails_and_puts_it_on_the_ramp() -> None:
    world = World(_terms()).found()
    world["alpha"].say(pledge(clause(PAUSE, restrictive(PAUSE), keeps(PAUSE, "beta"))))
    world["beta"].say(pledge(clause(PAUSE, reading(2_000, labs=3))))
    _report(world, 2_500)
    world.close()
    world.vote(CALL)
    world.close()
    assert sorted(world.state.levels[PAUSE].binds) == ["alpha", "beta"]
    _report(world, 1_000)
    world.close()
    # Beta's reason is gone, and with it alpha's; the level itself stays.
    assert _stage(world) in RESTRICTIVE
    assert {lab: one.until for lab, one in world.state.levels[PAUSE].binds.items()} == {"alpha": 7, "beta": 7}


def test_says_why_a_level_moved_and_why_labs_are_bound() -> None:
    world = _ready()
    world.vote(CALL)
    outcome = world.close()
    (moved,) = outcome.transitions
    text = "\n".join(moved.why.lines())
    assert "vote to call: 2 groups say yes, 2 needed" in text
    assert "alpha: 2500 (alpha log 3)" in text
    assert set(outcome.reasons) == {1, PAUSE, *LABS}
    assert outcome.reasons["alpha"].text == "pledge for level 2"


@pytest.mark.parametrize(
    ("voters", "said"),
    [((), "0 groups say yes"), (LABS[:1], "1 group says yes"), (LABS[:2], "2 groups say yes")],
    ids=range(3),
)
def test_says_how_many_groups_voted(voters: tuple[str, ...], said: str) -> None:
    world = _ready()
    world.vote(CALL, voters)
    why = world.close().reasons[PAUSE]
    assert any(said in line for line in why.lines())
