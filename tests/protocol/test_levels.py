"""The machine of a level, explored: every state that any course of events can reach.

The abstract step below is the fold's stage 8 for one level, with its inputs chosen freely: the trigger, the resume
condition (false, unknown, true), the votes, the entry rule, brakes, labs that lose and regain their standing, and
whether periods were dark.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path

import pytest

from protocol import levels, levels_picture
from protocol.levels import LIFTABLE, TRANSITIONS, Event
from protocol.state import RESTRICTIVE, LevelState, Stage
from protocol.truth import Truth
from tests.builders import level
from tests.terms import brake_terms

CLOCKS = {"wind_down_periods": 1, "ramp_periods": 2, "mandate_periods": 4, "dormancy_periods": 2, "steady_steps": 2}
TERMS = level("pause", 1, **CLOCKS, brake=brake_terms(window_periods=2, cap_periods=3))
F, U, T = Truth.FALSE, Truth.UNKNOWN, Truth.TRUE


@dataclass(frozen=True)
class Input:
    """What a step finds."""

    call: bool = False
    entry: bool = True
    resume: Truth = F
    lift_voted: bool = False
    renewed: bool = False
    ratified: bool = False
    brake: bool = False
    lost: bool = False
    cured: bool = False
    dark: int = 0


@dataclass(frozen=True)
class Seen:
    """A reachable state; times count from the governed period, so that there are finitely many."""

    stage: Stage
    start: int | None
    end: int | None
    age: int
    ready: int
    armed: bool
    brake_left: int
    brake_cap: int | None

    @property
    def level(self) -> LevelState:
        """The level, with the governed period as time 0."""
        return LevelState(
            stage=self.stage,
            start=self.start,
            end=self.end,
            age=self.age,
            ready=self.ready,
            armed=self.armed,
            brake_left=self.brake_left,
            brake_cap=self.brake_cap,
        )


def _relative(one: LevelState, governed: int) -> Seen:
    # Times beyond every clock of the terms are all alike.
    start = None if one.start is None else max(one.start - governed, -3)
    end = None if one.end is None else min(max(one.end - governed, -3), 8)
    cap = None if one.brake_cap is None else max(one.brake_cap - governed, 0)
    return Seen(one.stage, start, end, min(one.age, 3), min(one.ready, 3), one.armed, one.brake_left, cap)


@cache
def _inputs(stage: Stage, braked: bool) -> tuple[Input, ...]:
    """All that can matter to a level in a stage, whose brake runs or not."""
    restricts, lifts = stage in RESTRICTIVE, stage in LIFTABLE
    both = (False, True)
    return tuple(
        Input(*found)
        for found in product(
            (False,) if restricts else both,
            (True,) if restricts else both,
            (U, T) if lifts else (F,),
            both if lifts else (False,),
            both if restricts else (False,),
            both if braked else (False,),
            both,
            both if restricts else (False,),
            both if stage is Stage.SUSPENDED else (False,),
            (0, 3),
        )
    )


def _step(one: LevelState, found: Input, governed: int) -> tuple[LevelState, set[Event]]:
    """One step, as the fold takes it."""
    if one.stage in LIFTABLE:
        one = replace(one, ready=one.ready + 1 if found.resume is T and found.lift_voted else 0)
    if one.stage in RESTRICTIVE and found.renewed:
        one = replace(one, end=(one.end or 0) + TERMS.mandate_periods)
    events = levels.clock_events(one, TERMS, governed)
    if one.stage not in RESTRICTIVE:
        events |= {Event.CALL} if found.call else set()
        events |= {Event.ENTRY} if found.entry else set()
    events |= {Event.RATIFIED} if found.ratified and one.brake_left else set()
    events |= {Event.SNAP} if found.lost and one.stage in RESTRICTIVE else set()
    events |= {Event.CURED} if found.cured and one.stage is Stage.SUSPENDED else set()
    moved = levels.enter(one, levels.next_row(one.stage, events), TERMS, governed)
    return levels.braked(moved, TERMS, governed, found.brake), events


@cache
def _explore() -> dict[Seen, dict[Input, tuple[Seen, frozenset[Event]]]]:
    """Every reachable state, with what each input leads to."""
    found: dict[Seen, dict[Input, tuple[Seen, frozenset[Event]]]] = {}
    waiting = deque([_relative(LevelState(), 2)])
    while waiting:
        seen = waiting.popleft()
        if seen in found:
            continue
        found[seen] = {}
        for one in _inputs(seen.stage, bool(seen.brake_left)):
            governed = 1 + one.dark
            after, events = _step(seen.level, one, governed)
            reached = _relative(after, governed)
            found[seen][one] = (reached, frozenset(events))
            waiting.append(reached)
    return found


def _moves() -> list[tuple[Seen, Input, Seen, frozenset[Event]]]:
    return [(seen, one, *to) for seen, outgoing in _explore().items() for one, to in outgoing.items()]


def _held(stage: Stage, braked: bool, one: Input) -> Input:
    """As much of an input as matters in a stage."""
    restricts, lifts = stage in RESTRICTIVE, stage in LIFTABLE
    return Input(
        call=one.call and not restricts,
        entry=one.entry or restricts,
        resume=one.resume if lifts else F,
        lift_voted=one.lift_voted and lifts,
        renewed=one.renewed and restricts,
        ratified=one.ratified and braked,
        brake=one.brake,
        lost=one.lost and restricts,
        cured=one.cured and stage is Stage.SUSPENDED,
        dark=one.dark,
    )


def test_explores_every_stage() -> None:
    assert {(seen.stage, seen.brake_left > 0) for seen in _explore()} == set(product(Stage, (False, True)))
    assert len(_explore()) > 500


def test_is_the_table_of_the_specification() -> None:
    table = {
        "open": "ratified > winding, call entry > winding, call > called",
        "called": "ratified > winding, entry > winding, dormant > open",
        "winding": "expired ratified > winding, expired > ramping, lift > ramping, snap > suspended, "
        "wound_down > in_force",
        "in_force": "expired ratified > winding, expired > ramping, lift > ramping, snap > suspended",
        "suspended": "ratified > winding, call entry > winding, expired > open, lift > open, cured > winding",
        "ramping": "ratified > winding, call entry > winding, ramped > open",
    }
    found = {
        str(stage): ", ".join(f"{' '.join(row.needed)} > {row.target}" for row in rows)
        for stage, rows in TRANSITIONS.items()
    }
    assert found == table


def test_the_page_about_phases_is_the_table() -> None:
    page = Path(__file__).parents[2] / "docs" / "phases.md"
    assert page.read_text() == levels_picture.text()
    assert all(f"| {event} | " in levels_picture.text() for event in Event)


def test_never_lifts_on_unknown_or_without_votes() -> None:
    for seen, one, after, events in _moves():
        ends = seen.stage in RESTRICTIVE and after.stage is Stage.RAMPING
        if (ends or (seen.stage, after.stage) == (Stage.SUSPENDED, Stage.OPEN)) and Event.EXPIRED not in events:
            assert one.resume is T
            assert one.lift_voted
            assert Event.LIFT in events


def test_never_lifts_on_fewer_than_steady_true_steps() -> None:
    for seen, one, after, events in _moves():
        lifted = Event.LIFT in events and Event.EXPIRED not in events
        if lifted and after.stage in {Stage.RAMPING, Stage.OPEN}:
            assert seen.ready >= TERMS.steady_steps - 1
        if seen.stage in LIFTABLE and not (one.resume is T and one.lift_voted):
            assert after.stage not in LIFTABLE or after.ready == 0


def test_a_dark_period_neither_adds_to_readiness_nor_takes_from_it() -> None:
    for seen in _explore():
        ready = {
            after.ready
            for one, (after, events) in _explore()[seen].items()
            if one.resume is T and one.lift_voted and seen.stage in RESTRICTIVE and not events & {Event.LIFT}
            if after.stage in RESTRICTIVE and not events.issuperset({Event.EXPIRED, Event.RATIFIED})
        }
        assert len(ready) <= 1


def test_ends_a_restriction_only_by_lift_by_the_end_of_its_mandate_or_by_snap_back() -> None:
    for seen, one, after, events in _moves():
        if seen.stage in RESTRICTIVE and after.stage not in RESTRICTIVE:
            assert events & {Event.LIFT, Event.EXPIRED} or one.lost
            assert after.stage is (Stage.RAMPING if events & {Event.LIFT, Event.EXPIRED} else Stage.SUSPENDED)


def test_gives_every_restriction_an_end_within_its_mandate() -> None:
    for seen in _explore():
        if seen.stage in LIFTABLE:
            assert seen.end is not None
    state, governed = LevelState(), 2
    state, _ = _step(state, Input(call=True), governed)
    for _ in range(TERMS.mandate_periods):
        assert state.stage in RESTRICTIVE
        governed += 1
        state, _ = _step(state, Input(), governed)
    assert state.stage is Stage.RAMPING


def test_nobody_skips_the_ramp() -> None:
    for seen, _, after, _ in _moves():
        if after.stage is Stage.OPEN and seen.stage is not Stage.OPEN:
            # While a level is suspended its labs are on their ramps already.
            assert seen.stage in {Stage.RAMPING, Stage.CALLED, Stage.SUSPENDED}
        if seen.stage is Stage.RAMPING and after.stage is Stage.OPEN:
            # The step itself closes the last period of the ramp; dark periods count for nothing.
            assert seen.age + 1 >= TERMS.ramp_periods
            assert not seen.brake_left


def test_the_ramp_lasts_its_closed_periods() -> None:
    state, governed = LevelState(stage=Stage.IN_FORCE, episode=1, start=0, end=10), 10
    state, _ = _step(state, Input(), governed)
    stages = [state.stage]
    for dark in (0, 3):
        governed += 1 + dark
        state, _ = _step(state, Input(), governed)
        stages.append(state.stage)
    assert stages == [Stage.RAMPING, Stage.RAMPING, Stage.OPEN]


@pytest.mark.parametrize(("late", "stages"), [(0, 2), (1, 1), (2, 1), (9, 1)])
def test_the_ramp_counts_from_a_sunset_in_the_dark(late: int, stages: int) -> None:
    state, governed = LevelState(stage=Stage.IN_FORCE, episode=1, start=0, end=10), 10 + late
    found = []
    for _ in range(4):
        state, _ = _step(state, Input(), governed)
        found.append(state.stage)
        governed += 1
    assert found.count(Stage.RAMPING) == stages
    assert found[-1] is Stage.OPEN


def test_a_renewal_recorded_in_time_is_never_lost() -> None:
    for seen, one, after, _ in _moves():
        if seen.stage in RESTRICTIVE and one.renewed and one.resume is not T and not one.dark and not one.lost:
            assert after.stage in RESTRICTIVE


def test_a_ratification_recorded_in_time_is_never_lost() -> None:
    ratified = [(seen, one, after, events) for seen, one, after, events in _moves() if one.ratified]
    assert any(seen.brake_left == 1 for seen, *_ in ratified)
    for seen, one, after, events in ratified:
        # What restricts anyway goes on; a lift or a snap-back that comes true with it is a decision of its own.
        if seen.stage not in RESTRICTIVE or Event.EXPIRED in events:
            assert (after.stage, after.ready) == (Stage.WINDING, 0)
            assert after.end == min(TERMS.mandate_periods, 8)
            assert bool(after.brake_left) is one.brake
        elif not events & {Event.LIFT, Event.SNAP}:
            assert after.stage in RESTRICTIVE


def test_a_brake_acts_in_its_own_step() -> None:
    for _, one, after, _ in _moves():
        if one.brake:
            assert (after.brake_left, after.brake_cap) == (TERMS.brake.window_periods, TERMS.brake.cap_periods)


def test_a_brake_lapses_after_its_window_and_by_the_calendar_only_at_its_cap() -> None:
    for dark, lefts in ((0, [2, 1, 0]), (1, [2, 1, 0]), (2, [2, 0, 0])):
        state, found = LevelState(), []
        for step, governed in enumerate((10, 11 + dark, 12 + dark)):
            state, _ = _step(state, Input(brake=step == 0), governed)
            found.append(state.brake_left)
        assert found == lefts
        assert state.brake_cap is None


def test_a_brake_never_moves_a_level_and_only_holds_up_its_ramp() -> None:
    for seen, one, after, events in _moves():
        if one.brake:
            without, _ = _explore()[seen][replace(one, brake=False)]
            assert replace(after, brake_left=0, brake_cap=None) == replace(without, brake_left=0, brake_cap=None)
        if seen.brake_left and seen.stage is Stage.RAMPING and after.stage is Stage.RAMPING:
            assert after.age == seen.age
        if seen.brake_left and seen.stage is Stage.CALLED and not events:
            assert after.stage is Stage.CALLED


def test_a_suspended_level_keeps_its_end_and_comes_back_in_the_same_episode() -> None:
    state = LevelState(stage=Stage.IN_FORCE, episode=3, start=1, end=9, held=4)
    state, _ = _step(state, Input(lost=True), 5)
    assert (state.stage, state.episode, state.end, state.held) == (Stage.SUSPENDED, 3, 9, 4)
    state, _ = _step(replace(state, suspended_by=("alpha",)), Input(), 6)
    assert (state.stage, state.held) == (Stage.SUSPENDED, 4)
    back, _ = _step(state, Input(cured=True), 7)
    assert (back.stage, back.episode, back.start, back.end) == (Stage.WINDING, 3, 7, 9)
    assert back.suspended_by == ()
    ended, _ = _step(state, Input(), 9)
    assert (ended.stage, ended.end, ended.suspended_by) == (Stage.OPEN, None, ())
    again, _ = _step(state, Input(call=True), 8)
    assert (again.stage, again.episode, again.end) == (Stage.WINDING, 4, 8 + TERMS.mandate_periods)


def _reaches(target: Stage, steps: int) -> set[Seen]:
    """States from which a stage can be reached."""
    reaching = {seen for seen in _explore() if seen.stage is target}
    for _ in range(steps):
        reaching |= {seen for seen, to in _explore().items() if any(after in reaching for after, _ in to.values())}
    return reaching


@pytest.mark.parametrize("target", [Stage.OPEN, Stage.IN_FORCE])
def test_reaches_open_and_in_force_from_every_stage(target: Stage) -> None:
    assert _reaches(target, 8) == set(_explore())


def test_a_call_without_its_coalition_stays_dormant_and_runs_out() -> None:
    state, governed = LevelState(), 2
    stages = []
    for _ in range(TERMS.dormancy_periods + 1):
        state, _ = _step(state, Input(call=True, entry=False), governed)
        stages.append(state.stage)
        governed += 1
    assert stages == [Stage.CALLED, Stage.CALLED, Stage.OPEN]
    assert not state.armed
    assert state.episode == 1


def test_a_dormant_call_that_starts_is_one_episode_with_a_whole_mandate() -> None:
    state, _ = _step(LevelState(), Input(call=True, entry=False), 2)
    assert (state.stage, state.end) == (Stage.CALLED, None)
    state, _ = _step(state, Input(), 3)
    assert (state.stage, state.episode, state.start, state.end) == (Stage.WINDING, 1, 3, 3 + TERMS.mandate_periods)


def test_every_new_restriction_begins_a_new_episode_unarmed_and_unready() -> None:
    for seen, _, after, events in _moves():
        if seen.stage not in RESTRICTIVE and after.stage in RESTRICTIVE and Event.CURED not in events:
            assert not after.armed
            assert after.ready == 0
    ramping = LevelState(stage=Stage.RAMPING, episode=3, start=1, end=4, ready=2)
    again, _ = _step(ramping, Input(call=True), 9)
    assert (again.stage, again.episode, again.ready) == (Stage.WINDING, 4, 0)


def test_a_restriction_ratified_at_its_sunset_is_a_new_episode_with_a_whole_mandate() -> None:
    state = LevelState(stage=Stage.IN_FORCE, episode=3, start=1, end=9, held=8, ready=1, brake_left=1, brake_cap=12)
    state, _ = _step(state, Input(ratified=True), 9)
    assert (state.stage, state.episode, state.start, state.end) == (Stage.WINDING, 4, 9, 9 + TERMS.mandate_periods)
    assert (state.held, state.ready, state.brake_left, state.brake_cap) == (0, 0, 0, None)


def test_settles_in_open_and_stays_there_when_nobody_asks_for_anything_more() -> None:
    # Who is below the quorum can use brakes, and those end by themselves.
    either = (False, True)
    for resume, voted, lost, cured, entry in product((U, T), either, either, either, either):
        one = Input(resume=resume, lift_voted=voted, lost=lost, cured=cured, entry=entry)
        for start in _explore():
            seen, stages = start, []
            for _ in range(25):
                seen, _ = _explore()[seen][_held(seen.stage, bool(seen.brake_left), one)]
                stages.append(seen.stage)
            assert stages[-1] is Stage.OPEN
            assert not seen.brake_left
            assert stages.count(Stage.OPEN) == len(stages) - stages.index(Stage.OPEN)


@pytest.mark.parametrize("stage", Stage)
def test_stays_without_events(stage: Stage) -> None:
    assert levels.next_stage(stage, set()) is stage


def test_takes_the_first_row_that_fits() -> None:
    both = {Event.EXPIRED, Event.LIFT, Event.SNAP, Event.WOUND_DOWN}
    assert levels.next_stage(Stage.WINDING, both) is Stage.RAMPING
    assert levels.next_stage(Stage.WINDING, both | {Event.RATIFIED}) is Stage.WINDING
    assert levels.next_stage(Stage.IN_FORCE, {Event.RATIFIED, Event.SNAP}) is Stage.SUSPENDED
    assert levels.next_stage(Stage.RAMPING, {Event.CALL, Event.ENTRY, Event.RAMPED}) is Stage.WINDING
    assert levels.next_stage(Stage.CALLED, {Event.ENTRY, Event.DORMANT}) is Stage.WINDING
    # A call on the ramp waits for its coalition there: a dormant call would skip the rest of the ramp.
    assert levels.next_stage(Stage.RAMPING, {Event.CALL}) is Stage.RAMPING
    assert set(TRANSITIONS) == set(Stage)
