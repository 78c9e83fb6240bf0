"""What a lab's own machines are told, before and after a state is final (annex 1.7).

    stricter      at once, from the newest state that the node has computed
    laxer         only when the node's own digest of that state stands in a final closing
    differing     the strictest of what is known, and an alarm
    dark          what was kept is kept, up to the calendar ends that the states name

A state is confirmed when the closing after it was accepted: that closing carries the state's digest, and the fold takes
no closing whose digest is another.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from protocol.duty import GOVERNS_AFTER, Duty, duty

if TYPE_CHECKING:
    from collections.abc import Iterable

    from protocol.agreement import Agreement
    from protocol.state import State


class Mode(StrEnum):
    """How what the node computed stands to the record."""

    FINAL = "final"
    """The newest state is confirmed, or asks for nothing else than the confirmed one."""
    AHEAD = "ahead"
    """The newest state, not confirmed yet, is stricter and is obeyed already."""
    DARK = "dark"
    """No period was closed lately; what was kept is kept."""
    DIFFERS = "differs"
    """The record contradicts what the node computed, or itself."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a lab must keep in a period.

    Attributes:
        duty: the strictest that applies.
        mode: how it stands to the record.
        why: one sentence for people.
    """

    duty: Duty
    mode: Mode
    why: str


def order(
    agreement: Agreement, lab: str, period: int, confirmed: Iterable[State], newest: State, *, differs: bool = False
) -> Order:
    """The order for a lab in a period.

    Args:
        agreement: the terms.
        lab: whose duty it is.
        period: now running.
        confirmed: states whose digest stands in a final closing, oldest first; the first may be the initial one.
        newest: the last state that the node computed, confirmed or not.
        differs: whether the record contradicts it.
    """
    before, held = _governing(agreement, lab, period, confirmed)
    # A state binds from two periods on; obeying it sooner harms nobody, and by then it is too late to wind down.
    ahead = duty(agreement, newest, lab, max(period, _governed_from(newest)))
    kept = max(held, ahead, key=strictness)
    if differs:
        why = "the record differs from what was computed here: the strictest of both is kept until they agree again"
        return Order(kept, Mode.DIFFERS, why)
    if strictness(ahead) > strictness(held):
        return Order(kept, Mode.AHEAD, f"the state of P{newest.period} is stricter and is obeyed before it is final")
    if newest.period is not None and period > newest.period + GOVERNS_AFTER:
        why = f"no period after P{newest.period} was closed: what was kept is kept, up to the ends that it names"
        return Order(kept, Mode.DARK, why)
    if before is None:
        return Order(kept, Mode.FINAL, "no closing governs this period yet")
    return Order(kept, Mode.FINAL, f"the state of P{before.period} governs P{period}")


def strictness(one: Duty) -> tuple[int, int, int]:
    """Orders duties: by the level that is kept, how much of it, and the higher one that is being wound down to."""
    return one.level, -one.ramp_ppm, one.winding


def _governing(agreement: Agreement, lab: str, period: int, confirmed: Iterable[State]) -> tuple[State | None, Duty]:
    """The newest confirmed state that governs a period, and the duty under it."""
    found: State | None = None
    for state in confirmed:
        if _governed_from(state) <= period:
            found = state
    return found, Duty() if found is None else duty(agreement, found, lab, period)


def _governed_from(state: State) -> int:
    """First period that a state governs; the initial state governs from the start."""
    return 0 if state.period is None else state.period + GOVERNS_AFTER
