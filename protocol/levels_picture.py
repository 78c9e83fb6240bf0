"""The table of a level's machine as a picture and as text, for people (docs/phases.md is this and nothing else)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol.levels import TRANSITIONS, Event
from protocol.state import RESTRICTIVE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from protocol.levels import Row

MEANING: Final = {
    Event.CALL: "the trigger is true and the call rule holds; without a call rule the level must be armed",
    Event.ENTRY: "the level binds everyone, or its entry rule holds on those who would keep it",
    Event.RATIFIED: "a brake ran before this step and the rule that ratifies it holds",
    Event.DORMANT: "the call has waited for the dormancy that was agreed",
    Event.EXPIRED: "the mandate has reached its end and nobody renewed it",
    Event.LIFT: "the resume condition was true and the lift rule held, for as many steps in a row as agreed",
    Event.SNAP: "a lab that the level binds lost its standing in this episode, and snap-back is agreed",
    Event.CURED: "every lab whose loss suspended the level is relied on again",
    Event.WOUND_DOWN: "the time to wind down is over",
    Event.RAMPED: "the ramp is over and no brake held it up",
}
"""Every event in words."""


def text() -> str:
    """The page: picture, rows in the order in which they are tried, and what the events mean."""
    return "".join(f"{line}\n" for line in (*_head(), *_picture(), *_rows(), *_events()))


def _head() -> Iterator[str]:
    yield "# The phases of a level"
    yield ""
    yield "Generated from `protocol/levels.py` by `protocol/levels_picture.py`; a test compares them. In each step the"
    yield "first row that applies moves a level, by at most one phase. The phases that restrict are"
    yield f"{' and '.join(sorted(RESTRICTIVE))}. A brake is no phase: it acts beneath any of them."
    yield ""


def _picture() -> Iterator[str]:
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield "    [*] --> open"
    for stage, rows in TRANSITIONS.items():
        for row in rows:
            yield f"    {stage} --> {row.target}: {_needed(row, ', ')}"
    yield "```"
    yield ""


def _rows() -> Iterator[str]:
    yield "| phase | row | events | next phase |"
    yield "|---|---|---|---|"
    for stage, rows in TRANSITIONS.items():
        for number, row in enumerate(rows, 1):
            yield f"| {stage} | {number} | {_needed(row, ' and ')} | {row.target} |"
    yield ""


def _events() -> Iterator[str]:
    yield "| event | true when |"
    yield "|---|---|"
    for event in Event:
        yield f"| {event} | {MEANING[event]} |"


def _needed(row: Row, joint: str) -> str:
    return joint.join(row.needed)
