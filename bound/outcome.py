"""Bound and floor of one lab and window, with what multipliers prove of them (annex: bound, 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from bound.assembly import assemble
from bound.certificate import proven
from bound.solver import maximise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bound.assembly import Assembled
    from bound.evidence import Evidence

_GIGA_A_TERA: Final = 1_000
_AT_CAP: Final = 0.999


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is proven of a lab and a window.

    Attributes:
        bound: no more than so much covert training is possible, teraFLOP; None where only the number of accelerators
            in the world limits it, or the sources contradict each other.
        floor: at least so much was declared falsely, chip-seconds.
        bound_multipliers: prove the bound.
        floor_multipliers: prove the floor.
        unbounded: channels that nothing limits.
        story: the covert training of the worst history by channel, teraFLOP; an approximation, for people.
    """

    bound: int | None
    floor: int
    bound_multipliers: tuple[int, ...]
    floor_multipliers: tuple[int, ...]
    unbounded: tuple[str, ...]
    story: Mapping[str, int]


def outcome(evidence: Evidence) -> Outcome:
    """Find multipliers, and say what they prove."""
    made = assemble(evidence)
    worst = maximise(made.program, made.covert)
    least = maximise(made.program, -made.misdeclared)
    floor_multipliers = tuple(least.multipliers) if least is not None else ()
    floor = proven_floor(made, floor_multipliers) if least is not None else 0
    if worst is None:
        return Outcome(None, floor, (), floor_multipliers, (), {})
    multipliers = tuple(worst.multipliers)
    story, unbounded = {}, []
    for channel in made.layout.channels:
        if channel.way in evidence.left_open:
            continue
        spent = worst.values[channel.columns]
        story[channel.name] = int(np.sum(spent * channel.rates)) // _GIGA_A_TERA
        caps = made.program.caps[channel.columns]
        if not channel.known and np.any((caps > 0) & (spent >= _AT_CAP * caps)):
            unbounded.append(channel.name)
    bound = None if unbounded else proven_bound(made, multipliers)
    return Outcome(bound, floor, multipliers, floor_multipliers, tuple(unbounded), story)


def proven_bound(made: Assembled, multipliers: Sequence[int]) -> int:
    """What the multipliers prove: teraFLOP, rounded up.

    Raises:
        Refused: CERTIFICATE_MALFORMED.
    """
    return -(-proven(made.program, made.covert, multipliers) // _GIGA_A_TERA)


def proven_floor(made: Assembled, multipliers: Sequence[int]) -> int:
    """What the multipliers prove: chip-seconds, never below 0.

    Raises:
        Refused: CERTIFICATE_MALFORMED.
    """
    return max(0, -proven(made.program, -made.misdeclared, multipliers))
