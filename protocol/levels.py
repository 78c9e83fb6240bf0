"""The machine of a level: all transitions are the table below (annex 5.2). Nothing else changes a stage.

Per step and level the first row that applies fires, top to bottom. Precedence in words: sunset, then lift, then the
clocks. A restriction ends only by a lift that held for `steady` steps or by the end of its mandate (annex 5.3, 1).
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from protocol.state import RESTRICTIVE, LevelState, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from standstill.v1 import agreement_pb2


class Event(StrEnum):
    """What may be true of a level in a step (annex 5.1)."""

    CALL = "call"
    """The trigger is true and the call rule holds; without a call rule the level must be armed as well."""
    ENTRY = "entry"
    """The level binds everyone, or its entry rule holds on the set that would keep it."""
    DORMANT = "dormant"
    """The call waited longer than the agreement allows."""
    EXPIRED = "expired"
    """The governed period reached the end of the mandate and nobody renewed it."""
    LIFT = "lift"
    """Resume was true and the lift rule held for `steady` steps in a row."""
    WOUND_DOWN = "wound_down"
    """The wind-down is over by the calendar."""
    RAMPED = "ramped"
    """The ramp is over in closed periods."""


TRANSITIONS: Final[Mapping[Stage, tuple[tuple[frozenset[Event], Stage], ...]]] = {
    Stage.OPEN: (
        (frozenset({Event.CALL, Event.ENTRY}), Stage.WINDING),
        (frozenset({Event.CALL}), Stage.CALLED),
    ),
    Stage.CALLED: (
        (frozenset({Event.ENTRY}), Stage.WINDING),
        (frozenset({Event.DORMANT}), Stage.OPEN),
    ),
    Stage.WINDING: (
        (frozenset({Event.EXPIRED}), Stage.RAMPING),
        (frozenset({Event.LIFT}), Stage.RAMPING),
        (frozenset({Event.WOUND_DOWN}), Stage.IN_FORCE),
    ),
    Stage.IN_FORCE: (
        (frozenset({Event.EXPIRED}), Stage.RAMPING),
        (frozenset({Event.LIFT}), Stage.RAMPING),
    ),
    Stage.RAMPING: (
        (frozenset({Event.CALL, Event.ENTRY}), Stage.WINDING),
        (frozenset({Event.RAMPED}), Stage.OPEN),
    ),
    # No terms that are agreed to so far suspend a level.
    Stage.SUSPENDED: (),
}


def clock_events(level: LevelState, terms: agreement_pb2.Level, governed: int) -> set[Event]:
    """Events that only clocks decide.

    A clock that ends a restriction counts closed periods; one that ends an allowance counts the calendar (annex 1.7):
    the ramp is counted closed, the rest by the governed period.
    """
    found: set[Event] = set()
    if level.stage is Stage.CALLED and governed >= (level.start or 0) + terms.dormancy_periods:
        found.add(Event.DORMANT)
    if level.stage in RESTRICTIVE and governed >= (level.end or 0):
        found.add(Event.EXPIRED)
    if level.stage in RESTRICTIVE and level.ready >= terms.steady_steps:
        found.add(Event.LIFT)
    if level.stage is Stage.WINDING and governed >= (level.start or 0) + terms.wind_down_periods:
        found.add(Event.WOUND_DOWN)
    # The period of this step is closed as well, so the ramp lasts as long as that of each lab.
    if level.stage is Stage.RAMPING and level.age + 1 >= terms.ramp_periods:
        found.add(Event.RAMPED)
    return found


def next_stage(stage: Stage, events: set[Event]) -> Stage:
    """The stage after this step: that of the first row whose events are all true, else the same."""
    return next((target for needed, target in TRANSITIONS[stage] if needed <= events), stage)


def enter(level: LevelState, target: Stage, terms: agreement_pb2.Level, governed: int) -> LevelState:
    """The level after a transition, or one step older if there is none."""
    if target is level.stage:
        held = level.held + (level.stage in RESTRICTIVE)
        return replace(level, age=level.age + 1, held=held)
    # A new episode begins with the call; a dormant call that starts is still the same one.
    fresh = target in {Stage.CALLED, Stage.WINDING} and level.stage is not Stage.CALLED
    moved = replace(level, stage=target, age=0, episode=level.episode + fresh)
    if target is Stage.CALLED:
        return replace(moved, start=governed, end=None, ready=0, held=0, armed=False)
    if target is Stage.WINDING:
        end = governed + terms.mandate_periods
        return replace(moved, start=governed, end=end, ready=0, held=0, armed=False)
    if target is Stage.OPEN:
        return replace(moved, start=None, end=None, ready=0, held=0)
    return replace(moved, held=level.held + 1) if target is Stage.IN_FORCE else moved
