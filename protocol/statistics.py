"""Whole-number statistics: decisions use no floats, so every implementation decides alike (design section 2)."""

from __future__ import annotations

from decimal import Decimal, localcontext
from functools import lru_cache
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


_DIGITS: Final = 40
_PI: Final = Decimal("3.1415926535897932384626433832795028841971693993751")
_FARTHEST_MILLI: Final = 9_000
_HALF: Final = 500_000_000
"""One half, parts per billion."""


@lru_cache(maxsize=4096)
def quantile_milli(tail_ppb: int) -> int:
    """One-sided normal quantile z(1 - tail) in thousandths, rounded up.

    The smallest z of which the normal tail beyond z / 1000 is at most `tail_ppb`, in decimal arithmetic that is the
    same on every machine.

    Args:
        tail_ppb: chance that is left beyond it, parts per billion, above 0; at a half and above the quantile is 0.
    """
    low, high = 0, 20_000
    while low < high:
        middle = (low + high) // 2
        if _tail_ppb(middle) > tail_ppb:
            low = middle + 1
        else:
            high = middle
    return low


def _tail_ppb(z_milli: int) -> Decimal:
    """Chance that a standard normal variable is above z, parts per billion.

    Series of Marsaglia (2004): the tail is 1/2 - phi(z) (z + z^3/3 + z^5/15 + ...). Forty digits outlast the
    cancellation up to z = 9; beyond it the tail is below 1e-9 parts per billion, and is said to be nothing.
    """
    if z_milli > _FARTHEST_MILLI:
        return Decimal(0)
    with localcontext(prec=_DIGITS):
        z = Decimal(z_milli) / MILLI
        term = total = z
        odd = 1
        while term > Decimal(10) ** -_DIGITS:
            odd += 2
            term *= z * z / odd
            total += term
        return _HALF * (1 - 2 * total * (-z * z / 2).exp() / (2 * _PI).sqrt())


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
