"""How the agreed risk is divided, before any reading is seen (annex: bound, 4).

The sum over all rows is at most alpha, so by the union bound the whole program holds for the true history with
probability 1 - alpha, however its sources depend on each other.
"""

from __future__ import annotations

from typing import Final

PPM: Final = 1_000_000
_BASEL_PPB: Final = 607_927_101
"""6 / pi^2, parts per billion, rounded down: the shares 6 / (pi j)^2 of all instruments j = 1, 2, ... sum to 1."""
_PPB: Final = 1_000_000_000


# Share of alpha of each family of instruments, parts per million: a million in all.
METERS: Final = 350_000
POWER: Final = 125_000
OVERHEAD: Final = 125_000
CHALLENGES: Final = 200_000
TELEMETRY: Final = 100_000
TOKENS: Final = 100_000


def of_instrument(risk_ppb: int, family_ppm: int, number: int) -> int:
    """Risk of the instrument that was registered as `number` (1, 2, ...) of its family, parts per billion.

    It never depends on how many others there are, so that more evidence never raises a bound.
    """
    share = risk_ppb * family_ppm // PPM
    return share * _BASEL_PPB // (_PPB * number**2)
