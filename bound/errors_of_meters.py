"""How far a meter may be off, as whole numbers that are never too small (annex: bound, 3 and 4).

A reading is: energy of the accelerators x overhead factor x gain x (1 + noise). The gain is one unknown number for all
of a meter's readings of the window, so its share of the risk is paid once; the noise is new in every period.
"""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING, Final

from bound.budget import METERS, PPM, of_instrument
from protocol.errors import Reason, require
from protocol.statistics import MILLI, quantile_milli

if TYPE_CHECKING:
    from bound.evidence import Evidence, Meter

PPB: Final = 1_000_000_000
WORST_PPM: Final = 500_000
"""No meter is used that may be off by more. Statements of more than five per cent are refused, which is nine sigma."""


def systematic_ppm(evidence: Evidence, meter: Meter) -> int:
    """Half-width of the interval of a meter's gain, parts per million.

    Raises:
        Refused: UNCERTAINTY_OUT_OF_RANGE.
    """
    # Half of the risk is for the rows on all meters together, half of the rest for the gain, which has two sides.
    risk = of_instrument(evidence.risk_ppb, METERS, meter.number) // 8
    off = _up(quantile_milli(risk) * meter.systematic_ppm, MILLI) + 1
    require(off <= WORST_PPM, Reason.UNCERTAINTY_OUT_OF_RANGE, "meter.systematic_ppm", f"off by up to {off} ppm")
    return off


def kappa_interval(evidence: Evidence, meter: Meter) -> tuple[int, int]:
    """True energy per unit read, parts per million: least (rounded down) and greatest (rounded up)."""
    off = systematic_ppm(evidence, meter)
    return PPM * PPM // (PPM + off), _up(PPM * PPM, PPM - off)


def noise_ppb(meter: Meter, first: int, stop: int, risk_ppb: int) -> int:
    """Relative half-width of the noise of a sum of readings, parts per billion.

    z sigma sqrt(sum of squares) / sum, times the root of the correlation time; and 2 sigma^2 for the mean of a
    reciprocal.

    Args:
        meter: the meter.
        first: first period of the sum.
        stop: period after the last.
        risk_ppb: of one side.

    Raises:
        Refused: UNCERTAINTY_OUT_OF_RANGE.
    """
    readings = [int(value) for value in meter.energy[first:stop]]
    total = sum(readings)
    if total == 0:
        return 0
    squares = sum(value * value for value in readings) * meter.correlation_periods
    root = isqrt(squares) + 1
    spread = _up(quantile_milli(risk_ppb) * meter.random_ppm * root, total)
    curve = _up(2 * meter.random_ppm**2, MILLI)
    off = spread + curve
    require(off <= WORST_PPM * MILLI, Reason.UNCERTAINTY_OUT_OF_RANGE, "meter.random_ppm", f"off by up to {off} ppb")
    return off


def _up(number: int, divisor: int) -> int:
    return -(-number // divisor)
