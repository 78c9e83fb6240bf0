"""Whole-number statistics: decisions use no floats, so every implementation decides alike (design section 2)."""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from standstill.v1.quantity_pb2 import Quantity

PPM: Final = 1_000_000
MILLI: Final = 1_000

Z_MILLI: Final[Mapping[int, int]] = {
    50_000: 1_645,
    25_000: 1_960,
    10_000: 2_327,
    5_000: 2_576,
    1_000: 3_091,
    500: 3_291,
    100: 3_720,
    50: 3_891,
    10: 4_265,
    1: 4_754,
}
"""One-sided normal quantile z(1 - alpha) in thousandths, rounded up, by alpha in parts per million."""


def sigma(quantity: Quantity) -> int:
    """One standard deviation of a quantity, in its own unit, rounded up: random and systematic parts in quadrature.

    Source: research formula D4 for a single measurement, sigma^2 = x^2 (d_r^2 + d_s^2).
    """
    relative_squared = quantity.random_ppm**2 + quantity.systematic_ppm**2
    return _root_up(quantity.value**2 * relative_squared, PPM)


def tolerance(sigmas: list[int], false_alarm_ppm: int) -> int:
    """Widest difference that independent errors explain at the agreed false-alarm share: z times the joint sigma."""
    squares = sum(value**2 for value in sigmas)
    return _root_up(squares * Z_MILLI[false_alarm_ppm] ** 2, MILLI)


def joint_sigma(sigmas: list[int]) -> int:
    """One standard deviation of a sum of independent errors, rounded up."""
    return _root_up(sum(value**2 for value in sigmas), 1)


def _root_up(square: int, divisor: int) -> int:
    """Smallest integer t with (t * divisor)^2 >= square."""
    root = isqrt(square)
    root += root * root < square
    return -(-root // divisor)
