"""The machine of a level, explored: every state that any course of events can reach.

The abstract step below is the fold's stage 8 for one level, with its inputs chosen freely: the trigger, the resume
condition (false, unknown, true), the votes, the entry rule, and whether periods were dark.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from functools import cache
from itertools import product

import pytest

from protocol import levels
from protocol.levels import TRANSITIONS, Event
from protocol.state import RESTRICTIVE, LevelState, Stage
from protocol.truth import Truth
from tests.builders import level

TERMS = level("pause", 1, wind_down_periods=1, ramp_periods=2, mandate_periods=5, dormancy_periods=2, steady_steps=2)
F, U, T = Truth.FALSE, Truth.UNKNOWN, Truth.TRUE


@dataclass(frozen=True)
class Input:
    """What a step finds."""

    call: bool = False
    entry: bool = True
    resume: Truth = F
    lift_voted: bool = False
    renewed: bool = False
    dark: int = 0


INPUTS = [
    Input(call, entry, resume, lift_voted, renewed, dark)
    for call, entry, resume, lift_voted, renewed, dark in product(
        (False, True), (False, True), Truth, (False, True), (False, True), (0, 3)
    )
]


@dataclass(frozen=True)
class Seen:
    """A reachable state; times count from the governed period, so that there are finitely many."""

    stage: Stage
    start: int | None
    end: int | None
    age: int
    ready: int
    armed: bool

    @property
    def level(self) -> LevelState:
        """The level, with the governed period as time 0."""
        return LevelState(
            stage=self.stage, start=self.start, end=self.end, age=self.age, ready=self.ready, armed=self.armed
        )


def _relative(one: LevelState, governed: int) -> Seen:
    # Times beyond every clock of the terms are all alike.
    start = None if one.start is None else max(one.start - governed, -10)
    end = None if one.end is None else min(max(one.end - governed, -10), 10)
    return Seen(one.stage, start, end, min(one.age, 6), min(one.ready, 3), one.armed)


def _step(one: LevelState, found: Input, governed: int) -> tuple[LevelState, set[Event]]:
    """One step, as the fold takes it."""
    if one.stage in RESTRICTIVE:
        ready = one.ready + 1 if found.resume is T and found.lift_voted else 0
        end = (one.end or 0) + TERMS.mandate_periods if found.renewed else one.end
        one = replace(one, ready=ready, end=end)
    events = levels.clock_events(one, TERMS, governed)
    if one.stage not in RESTRICTIVE:
        events |= {Event.CALL} if found.call else set()
        events |= {Event.ENTRY} if found.entry else set()
    return levels.enter(one, levels.next_stage(one.stage, events), TERMS, governed), events


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
        for one in INPUTS:
            governed = 1 + one.dark
            after, events = _step(seen.level, one, governed)
            reached = _relative(after, governed)
            found[seen][one] = (reached, frozenset(events))
            waiting.append(reached)
    return found


def _moves() -> list[tuple[Seen, Input, Seen, frozenset[Event]]]:
    return [(seen, one, *to) for seen, outgoing in _explore().items() for one, to in outgoing.items()]


def test_explores_every_stage() -> None:
    # No terms that are agreed to so far suspend a level.
    assert {seen.level.stage for seen in _explore()} == set(Stage) - {Stage.SUSPENDED}
    assert len(_explore()) > 100


def test_never_lifts_on_unknown_or_without_votes() -> None:
    for seen, one, after, events in _moves():
        if seen.level.stage in RESTRICTIVE and after.level.stage not in RESTRICTIVE and Event.EXPIRED not in events:
            assert one.resume is T
            assert one.lift_voted
            assert Event.LIFT in events


def test_never_lifts_on_fewer_than_steady_true_steps() -> None:
    for seen, one, after, events in _moves():
        lifted = Event.LIFT in events and Event.EXPIRED not in events
        if lifted and after.level.stage is Stage.RAMPING:
            assert seen.level.ready >= TERMS.steady_steps - 1
        if seen.level.stage in RESTRICTIVE and not (one.resume is T and one.lift_voted):
            assert after.level.stage not in RESTRICTIVE or after.level.ready == 0


def test_a_dark_period_neither_adds_to_readiness_nor_takes_from_it() -> None:
    for seen in _explore():
        ready = {
            after.level.ready
            for one, (after, events) in _explore()[seen].items()
            if one.resume is T and one.lift_voted and seen.level.stage in RESTRICTIVE and not events & {Event.LIFT}
            if after.level.stage in RESTRICTIVE
        }
        assert len(ready) <= 1


def test_ends_a_restriction_only_by_lift_or_by_the_end_of_its_mandate() -> None:
    for seen, _, after, events in _moves():
        if seen.level.stage in RESTRICTIVE and after.level.stage not in RESTRICTIVE:
            assert events & {Event.LIFT, Event.EXPIRED}
            assert after.level.stage is Stage.RAMPING


def test_gives_every_restriction_an_end_within_its_mandate() -> None:
    for seen in _explore():
        if seen.level.stage in RESTRICTIVE:
            assert seen.level.end is not None
    state, governed = LevelState(), 2
    state, _ = _step(state, Input(call=True), governed)
    for _ in range(TERMS.mandate_periods):
        assert state.stage in RESTRICTIVE
        governed += 1
        state, _ = _step(state, Input(), governed)
    assert state.stage is Stage.RAMPING


def test_nobody_skips_the_ramp() -> None:
    for seen, _, after, _ in _moves():
        if after.level.stage is Stage.OPEN and seen.level.stage is not Stage.OPEN:
            assert seen.level.stage in {Stage.RAMPING, Stage.CALLED}
        if seen.level.stage is Stage.RAMPING and after.level.stage is Stage.OPEN:
            # The step itself closes the last period of the ramp; dark periods count for nothing.
            assert seen.level.age + 1 >= TERMS.ramp_periods


def test_the_ramp_lasts_its_closed_periods() -> None:
    state, governed = LevelState(stage=Stage.IN_FORCE, episode=1, start=0, end=10), 10
    state, _ = _step(state, Input(), governed)
    stages = [state.stage]
    for dark in (0, 3):
        governed += 1 + dark
        state, _ = _step(state, Input(), governed)
        stages.append(state.stage)
    assert stages == [Stage.RAMPING, Stage.RAMPING, Stage.OPEN]


def test_a_renewal_recorded_in_time_is_never_lost() -> None:
    for seen, one, after, _ in _moves():
        if seen.level.stage in RESTRICTIVE and one.renewed and one.resume is not T and not one.dark:
            assert after.level.stage in RESTRICTIVE


def _reaches(target: Stage, steps: int) -> set[Seen]:
    """States from which a stage can be reached."""
    reaching = {seen for seen in _explore() if seen.level.stage is target}
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
    for seen, _, after, _ in _moves():
        if seen.level.stage not in RESTRICTIVE and after.level.stage in RESTRICTIVE:
            assert not after.level.armed
            assert after.level.ready == 0
    ramping = LevelState(stage=Stage.RAMPING, episode=3, start=1, end=4, ready=2)
    again, _ = _step(ramping, Input(call=True), 9)
    assert (again.stage, again.episode, again.ready) == (Stage.WINDING, 4, 0)


def test_settles_in_open_and_stays_there_when_nobody_asks_for_anything_more() -> None:
    for one in INPUTS:
        if one.call or one.renewed or one.dark:
            continue
        for start in _explore():
            seen, stages = start, []
            for _ in range(25):
                seen, _ = _explore()[seen][one]
                stages.append(seen.level.stage)
            assert stages[-1] is Stage.OPEN
            assert stages.count(Stage.OPEN) == len(stages) - stages.index(Stage.OPEN)


@pytest.mark.parametrize("stage", Stage)
def test_stays_without_events(stage: Stage) -> None:
    assert levels.next_stage(stage, set()) is stage


def test_takes_the_first_row_that_fits() -> None:
    both = {Event.EXPIRED, Event.LIFT, Event.WOUND_DOWN}
    assert levels.next_stage(Stage.WINDING, both) is Stage.RAMPING
    assert levels.next_stage(Stage.RAMPING, {Event.CALL, Event.ENTRY, Event.RAMPED}) is Stage.WINDING
    assert levels.next_stage(Stage.CALLED, {Event.ENTRY, Event.DORMANT}) is Stage.WINDING
    assert set(TRANSITIONS) == set(Stage)
