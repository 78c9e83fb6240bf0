"""The machine of a level: all transitions are the table below (annex 5.2). Nothing else changes a stage.

Per step and level the first row that applies fires, top to bottom. Precedence in words: a recorded new mandate beats
the end of the old; then sunset; then lift; then snap-back; clocks last. A restriction ends only by a lift that held
for `steady` steps, by the end of its mandate, or by snap-back where that is agreed (annex 5.3, 1). The brake is no
stage: it is a counter beside it, which :func:`braked` moves.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

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
    RATIFIED = "ratified"
    """A brake ran before this step and the ratify rule holds, this record's ballots included."""
    DORMANT = "dormant"
    """The call waited longer than the agreement allows."""
    EXPIRED = "expired"
    """The governed period reached the end of the mandate and nobody renewed it."""
    LIFT = "lift"
    """Resume was true and the lift rule held for `steady` steps in a row."""
    SNAP = "snap"
    """A lab that the level binds lost its standing in this episode, and the agreement then suspends the level."""
    CURED = "cured"
    """Every lab whose loss suspended the level is relied on again."""
    WOUND_DOWN = "wound_down"
    """The wind-down is over by the calendar."""
    RAMPED = "ramped"
    """The ramp is over in closed periods."""


class Row(NamedTuple):
    """A row of the table.

    Attributes:
        needed: events that must all be true.
        target: stage that the level then enters.
    """

    needed: tuple[Event, ...]
    target: Stage


_ENDS: Final = (
    Row((Event.EXPIRED, Event.RATIFIED), Stage.WINDING),
    Row((Event.EXPIRED,), Stage.RAMPING),
    Row((Event.LIFT,), Stage.RAMPING),
    Row((Event.SNAP,), Stage.SUSPENDED),
)
"""How a restriction ends."""

TRANSITIONS: Final[Mapping[Stage, tuple[Row, ...]]] = {
    Stage.OPEN: (
        Row((Event.RATIFIED,), Stage.WINDING),
        Row((Event.CALL, Event.ENTRY), Stage.WINDING),
        Row((Event.CALL,), Stage.CALLED),
    ),
    Stage.CALLED: (
        Row((Event.RATIFIED,), Stage.WINDING),
        Row((Event.ENTRY,), Stage.WINDING),
        Row((Event.DORMANT,), Stage.OPEN),
    ),
    Stage.WINDING: (*_ENDS, Row((Event.WOUND_DOWN,), Stage.IN_FORCE)),
    Stage.IN_FORCE: _ENDS,
    Stage.SUSPENDED: (
        Row((Event.RATIFIED,), Stage.WINDING),
        Row((Event.CALL, Event.ENTRY), Stage.WINDING),
        Row((Event.EXPIRED,), Stage.OPEN),
        Row((Event.LIFT,), Stage.OPEN),
        Row((Event.CURED,), Stage.WINDING),
    ),
    Stage.RAMPING: (
        Row((Event.RATIFIED,), Stage.WINDING),
        Row((Event.CALL, Event.ENTRY), Stage.WINDING),
        Row((Event.RAMPED,), Stage.OPEN),
    ),
}

LIFTABLE: Final = RESTRICTIVE | {Stage.SUSPENDED}
"""Stages of an episode that has an end and can be lifted."""


def at_rest(level: LevelState) -> bool:
    """Whether nothing is left of a level's episode: it is open, no brake runs, and no lab is on its ramp.

    Ramps run per lab (annex 4.3): after a brake, or after a suspension, some last while the level is open.
    """
    ramping = any(binding.until is not None for binding in level.binds.values())
    return level.stage is Stage.OPEN and not level.brake_left and not ramping


def clock_events(level: LevelState, terms: agreement_pb2.Level, governed: int) -> set[Event]:
    """Events that only clocks decide.

    A clock that ends a restriction counts closed periods; one that ends an allowance counts the calendar (annex 1.7):
    the ramp is counted closed, the rest by the governed period.
    """
    found: set[Event] = set()
    if level.stage is Stage.CALLED and governed >= (level.start or 0) + terms.dormancy_periods:
        found.add(Event.DORMANT)
    if level.stage in LIFTABLE and governed >= (level.end or 0):
        found.add(Event.EXPIRED)
    if level.stage in LIFTABLE and level.ready >= terms.steady_steps:
        found.add(Event.LIFT)
    if level.stage is Stage.WINDING and governed >= (level.start or 0) + terms.wind_down_periods:
        found.add(Event.WOUND_DOWN)
    # The period of this step is closed as well, so the ramp lasts as long as that of each lab. A brake holds it up.
    if level.stage is Stage.RAMPING and not level.brake_left and level.age + 1 >= terms.ramp_periods:
        found.add(Event.RAMPED)
    return found


def next_row(stage: Stage, events: set[Event]) -> Row | None:
    """The first row whose events are all true; None if the level stays as it is."""
    return next((row for row in TRANSITIONS[stage] if events.issuperset(row.needed)), None)


def next_stage(stage: Stage, events: set[Event]) -> Stage:
    """The stage after this step."""
    row = next_row(stage, events)
    return stage if row is None else row.target


def enter(level: LevelState, row: Row | None, terms: agreement_pb2.Level, governed: int) -> LevelState:
    """The level after a row has fired, or one step older if none has; the brake apart, but for a new restriction."""
    if row is None:
        # A ramp stands still beneath a brake, or a brake would be a way around it.
        ages = not (level.stage is Stage.RAMPING and level.brake_left)
        return replace(level, age=level.age + ages, held=level.held + (level.stage in RESTRICTIVE))
    moved = replace(level, stage=row.target, age=0)
    match row.target:
        case Stage.CALLED:
            moved = _called(moved, governed)
        case Stage.WINDING if Event.CURED in row.needed:
            # The same episode goes on to the same end, and its ballots stay.
            moved = replace(moved, start=governed, suspended_by=())
        case Stage.WINDING:
            # A dormant call that starts is still the same episode; everything else begins the next one.
            moved = _begun(moved, terms, governed, fresh=row.needed != (Event.ENTRY,))
        case Stage.IN_FORCE:
            moved = replace(moved, held=level.held + 1)
        case Stage.RAMPING:
            # After a sunset in the dark the ramp counts from there, as that of each lab does (annex 1.7).
            run = governed - (level.end or governed) if Event.EXPIRED in row.needed else 0
            moved = replace(moved, age=min(run, terms.ramp_periods))
        case Stage.OPEN:
            moved = replace(moved, start=None, end=None, ready=0, held=0, suspended_by=())
        case Stage.SUSPENDED:
            pass
    return moved


def _called(level: LevelState, governed: int) -> LevelState:
    """Decided and dormant. No end yet: the mandate begins with the restriction."""
    called = replace(level, episode=level.episode + 1, start=governed, end=None)
    return replace(called, ready=0, held=0, armed=False)


def _begun(level: LevelState, terms: agreement_pb2.Level, governed: int, *, fresh: bool) -> LevelState:
    """A new restriction with a whole mandate; what called it is used up."""
    begun = replace(level, episode=level.episode + fresh, start=governed, end=governed + terms.mandate_periods)
    begun = replace(begun, ready=0, held=0, armed=False)
    return replace(begun, brake_left=0, brake_cap=None, suspended_by=())


def braked(level: LevelState, terms: agreement_pb2.Level, governed: int, used: bool) -> LevelState:
    """The level's brake one step later, after the row has fired: so a ratification is tested before the lapse.

    Args:
        level: after :func:`enter`.
        terms: of the level.
        governed: period that the new state governs first.
        used: whether somebody used the brake in this record; it then acts in this very step.
    """
    if used:
        return replace(level, brake_left=terms.brake.window_periods, brake_cap=governed + terms.brake.cap_periods)
    left = max(level.brake_left - 1, 0)
    if left and governed < (level.brake_cap or 0):
        return replace(level, brake_left=left)
    return replace(level, brake_left=0, brake_cap=None)
