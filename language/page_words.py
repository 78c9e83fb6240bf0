"""Quantities, names and lists as people say them, without loss: what is printed is exactly what is signed."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import quantity_pb2 as q

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_PERIODS: Final = 1_000_000
"""The longest duration that terms can state, which stands for "no end"."""

_PLAIN_DIGITS: Final = 4
_TERA: Final = 12


def number(value: int) -> str:
    """`20,000`."""
    return f"{value:,}"


def counted(value: int, thing: str) -> str:
    """`1 vote`, `2 votes`."""
    return f"{number(value)} {thing}{'' if value == 1 else 's'}"


def seconds(value: int) -> str:
    """`90 min`, `2 h`, `30 d`: the largest unit that keeps the number whole."""
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        # A day is said in hours, as clocks of hours are: `24 h`, `2 d`.
        if value % unit == 0 and value > (unit if unit == 86_400 else 0):
            return f"{number(value // unit)} {name}"
    return f"{number(value)} s"


def span(terms: pb.Agreement, periods: int) -> str:
    """Periods as a time."""
    return "no time" if periods == 0 else seconds(periods * terms.period_seconds)


def moment(unix: int) -> str:
    """`2027-01-03 00:00`, UTC; with seconds where there are any."""
    when = dt.datetime.fromtimestamp(unix, dt.UTC)
    return f"{when:%Y-%m-%d %H:%M:%S}".removesuffix(":00")


def scientific(value: int) -> str:
    """`3e25`, `8.2944e17`: exact, however long; small numbers stay plain."""
    digits = str(value)
    if len(digits) <= _PLAIN_DIGITS:
        return digits
    mantissa = digits.rstrip("0")
    point = f".{mantissa[1:]}" if len(mantissa) > 1 else ""
    return f"{mantissa[0]}{point}e{len(digits) - 1}"


def flop(teraflop: int) -> str:
    """Operations from teraFLOP."""
    return f"{scientific(teraflop * 10**_TERA)} FLOP"


def rate(gigaflop_per_second: int) -> str:
    """A rate of operations from 10^9 a second."""
    tera, rest = divmod(gigaflop_per_second, 1_000)
    return f"{number(gigaflop_per_second)} GFLOP/s" if rest else f"{number(tera)} TFLOP/s"


def share(ppm: int) -> str:
    """`5 %`, `12.5 %`, `23 ppm`: percent with at most two decimals, else parts per million."""
    if ppm % 100:
        return f"{number(ppm)} ppm"
    whole, rest = divmod(ppm, 10_000)
    return f"{number(whole)}{f'.{rest // 100:02d}'.rstrip('0') if rest else ''} %"


def milli(value: int) -> str:
    """Thousandths as a decimal."""
    whole, rest = divmod(value, 1_000)
    return f"{whole}{f'.{rest:03d}'.rstrip('0') if rest else ''}"


def chip_time(chip_seconds: int) -> str:
    """Chip time from chip-seconds."""
    hours, rest = divmod(chip_seconds, 3_600)
    return f"{counted(chip_seconds, 'chip-second')}" if rest else f"{counted(hours, 'chip-hour')}"


def listed(names: Iterable[str] | Sequence[str], last: str = "and", *, empty: str = "nobody") -> str:
    """`alpha, beta and gamma`."""
    found = list(names)
    if not found:
        return empty
    return found[0] if len(found) == 1 else f"{', '.join(found[:-1])} {last} {found[-1]}"


def labels(values: Iterable[int]) -> str:
    """Kinds of work."""
    return listed((enum_word(q.Label, value, "LABEL_") for value in values), empty="nothing")


def number_format(value: int) -> str:
    """A number format."""
    return enum_word(q.NumberFormat, value, "NUMBER_FORMAT_")


def enum_word(enum: Any, value: int, prefix: str) -> str:
    """The name of an enumeration's value without what all its names begin with."""
    name: str = enum.Name(value)
    return name.removeprefix(prefix).lower()


def level_name(terms: pb.Agreement, rank: int) -> str:
    """The name of the level of a rank."""
    return next((level.name for level in terms.levels if level.rank == rank), f"level {rank}")


ROLE_WORDS: Final = {
    pb.ROLE_LAB: "lab",
    pb.ROLE_SUPPLIER: "supplier",
    pb.ROLE_METER: "meter operator",
    pb.ROLE_EVALUATOR: "evaluator",
    pb.ROLE_VERIFIER: "verifier",
    pb.ROLE_COUNCIL: "council",
    pb.ROLE_OPERATOR: "operator",
    pb.ROLE_INSPECTOR: "inspector",
}


def threshold(terms: pb.Agreement, indicator: str, value: int) -> str:
    """A number of an indicator with its unit: times in the largest unit, shares in percent."""
    unit = next((one.unit for one in terms.indicators if one.name == indicator), "")
    lengths = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}
    if unit in lengths:
        return seconds(value * lengths[unit])
    special = {"ppm": share, "FLOP": flop}
    return special[unit](value) if unit in special else f"{number(value)} {unit}".rstrip()
