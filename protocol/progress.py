"""Progress in whole numbers: thresholds that move, growth, and the earlier values that show it (design section 5).

All of it counts the calendar, so that a stretch in which nothing could be recorded delays none of it.
"""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from standstill.v1 import condition_pb2 as pb

PPM: Final = 1_000_000
MAX_MOVES: Final = 4_096
"""Most moves of a ratchet; where they are used up, the threshold stays."""
SAMPLES: Final = 32
"""Steps of the grid on which earlier values are kept, over the longest distance that a trend looks back."""


class Growth(NamedTuple):
    """Two reports of one source.

    Attributes:
        old: the earlier value, in the indicator's unit.
        new: the newest.
        elapsed: calendar periods between the closings that recorded them.
    """

    old: int
    new: int
    elapsed: int


def ratcheted(threshold: int, ratchet: pb.Condition.Ratchet, elapsed: int) -> int:
    """A threshold after `elapsed` calendar periods since entry.

    Every `every_periods` it becomes floor(threshold * factor_ppm / 10^6), until it would pass `limit`, where it stays.
    """
    bound = max if ratchet.factor_ppm < PPM else min
    for _ in range(min(elapsed // ratchet.every_periods, MAX_MOVES)):
        if threshold == ratchet.limit:
            break
        threshold = bound(threshold * ratchet.factor_ppm // PPM, ratchet.limit)
    return threshold


def doubles_within(growth: Growth, periods: int) -> bool:
    """Whether it doubled at least once in every `periods`: (new / old)^periods >= 2^elapsed, in whole numbers."""
    old, new = growth.old, growth.new
    if new <= old:
        return False
    if old == 0:
        return True
    common = gcd(periods, growth.elapsed)
    power, doublings = periods // common, growth.elapsed // common
    # 2^(bits - 1) <= x < 2^bits decides all but close calls without the powers.
    if power * (new.bit_length() - 1 - old.bit_length()) >= doublings:
        return True
    if power * (new.bit_length() + 1 - old.bit_length()) <= doublings:
        return False
    holds: bool = old**power << doublings <= new**power
    return holds


def read_samples(samples: str) -> list[tuple[int, int]]:
    """Earlier values as (period, value), oldest first."""
    pairs = (entry.split(":") for entry in samples.split(",") if entry)
    return [(int(period), int(value)) for period, value in pairs]


def sample(samples: str, period: int, value: int, over: int) -> str:
    """Earlier values with one more, thinned to a grid.

    Args:
        samples: as kept so far.
        period: of the closing that records the value.
        value: as conditions compare it.
        over: longest distance that a trend looks back, calendar periods; 0: no trend reads the indicator.

    Returns:
        At most one value in each of the last 34 steps of the grid, and the newest that is at least `over` old.
    """
    if not over:
        return ""
    grid = -(-over // SAMPLES)
    kept = read_samples(samples)
    if not kept or kept[-1][0] // grid != period // grid:
        kept.append((period, value))
    newest = max((place for place, _ in kept if place <= period - over), default=None)
    kept = [one for one in kept if one[0] >= period - over - 2 * grid or one[0] == newest]
    return ",".join(f"{place}:{number}" for place, number in kept)
