"""Units and exact numbers. No floats: `0.1` is one tenth, and what is not whole in its field is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum, unique
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from language.problem import Unfit, error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from language.spans import Span
    from language.syntax import Quantity

MAX_DIGITS: Final = 30
MAX_EXPONENT: Final = 40
"""Greatest power of ten: numbers are expanded to all their digits."""
DAY: Final = 86_400
"""Seconds."""


@unique
class Dimension(StrEnum):
    """What a number counts; the value is how people say it."""

    TIME = "a time"
    PERIODS = "a number of periods"
    LEGAL_TIME = "a time in calendar words"
    COMPUTE = "compute"
    RATE = "a rate of compute"
    POWER = "power"
    CHIP_TIME = "chip time"
    SHARE = "a share"
    FACTOR = "a factor"
    CHIPS = "a number of chips"
    COUNT = "a number"


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: `per` base units of its dimension.

    Base units are those of the wire: seconds, periods, teraFLOP, GFLOP/s, milliwatt, chip-seconds, parts per million,
    1 of everything else.
    """

    dimension: Dimension
    per: Fraction


def _table() -> dict[str, Unit]:
    rows: dict[Dimension, dict[str, int | Fraction]] = {
        Dimension.TIME: {"s": 1, "min": 60, "h": 3_600, "d": DAY},
        Dimension.PERIODS: {"period": 1, "periods": 1},
        # Exact spans, not those of a calendar (annex 1.1, 1).
        Dimension.LEGAL_TIME: {"month": 30 * DAY, "months": 30 * DAY, "year": 365 * DAY, "years": 365 * DAY},
        Dimension.COMPUTE: {"FLOP": Fraction(1, 10**12)},
        Dimension.RATE: {"TFLOP/s": 1_000, "GFLOP/s": 1},
        Dimension.POWER: {"W": 1_000, "mW": 1},
        Dimension.CHIP_TIME: {"chip_h": 3_600, "chip_s": 1},
        Dimension.SHARE: {"%": 10_000, "ppm": 1},
        Dimension.FACTOR: {"x": 1},
        Dimension.CHIPS: {"chips": 1},
    }
    return {word: Unit(kind, Fraction(per)) for kind, words in rows.items() for word, per in words.items()}


UNITS: Final[Mapping[str, Unit]] = _table()
"""Every unit word but those that a text defines."""
UNIT_ALIASES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("second", "seconds", "sec"), "s"),
    **dict.fromkeys(("minute", "minutes", "mins"), "min"),
    **dict.fromkeys(("hour", "hours", "hr", "hrs"), "h"),
    **dict.fromkeys(("day", "days", "week", "weeks"), "d"),
    **dict.fromkeys(("flop", "flops"), "FLOP"),
    **dict.fromkeys(("percent", "pct"), "%"),
    **dict.fromkeys(("times", "fold"), "x"),
    **dict.fromkeys(("chip", "gpus", "accelerators"), "chips"),
}
"""What people write instead, in lower case."""

REPLACEMENT: Final[Mapping[Dimension, str]] = {
    Dimension.TIME: "h",
    Dimension.PERIODS: "periods",
    Dimension.LEGAL_TIME: "months",
    Dimension.COMPUTE: "FLOP",
    Dimension.RATE: "TFLOP/s",
    Dimension.POWER: "W",
    Dimension.CHIP_TIME: "chip_h",
    Dimension.SHARE: "%",
    Dimension.FACTOR: "x",
    Dimension.CHIPS: "chips",
    Dimension.COUNT: "",
}
"""The unit to propose where a number has one of another kind."""


def exact(number: str, span: Span) -> Fraction:
    """The number as written, `20_000`, `0.5`, `3e25`.

    Raises:
        Unfit: `number-too-long`, or `_` where no digits are grouped.
    """
    mantissa, _, power = number.lower().partition("e")
    digits, _, decimals = mantissa.partition(".")
    if len(digits) + len(decimals) > MAX_DIGITS or len(power) > 2 or int(power or 0) > MAX_EXPONENT:
        found = f"at most {MAX_DIGITS} digits and e{MAX_EXPONENT}"
        raise Unfit(error("number-too-long", "", found, span))
    if not re.fullmatch(r"\d+(_\d+)*", digits):
        raise Unfit(error("syntax", "", f"{digits} groups no digits", span, "write 20_000"))
    power_of_ten: int = 10 ** int(power or 0)
    return Fraction(int(digits + decimals) * power_of_ten, 10 ** len(decimals))


def shown(quantity: Quantity) -> str:
    """The quantity as written."""
    return f"{quantity.number} {quantity.unit}" if quantity.unit else quantity.number


def unit_of(quantity: Quantity, own: Mapping[str, Unit]) -> Unit:
    """The unit of a quantity; `own` are the units that the text defines.

    Raises:
        Unfit: `unknown-unit`.
    """
    if not quantity.unit:
        return Unit(Dimension.COUNT, Fraction(1))
    found = own.get(quantity.unit) or UNITS.get(quantity.unit)
    if found is None:
        remedy = f'Define it: unit "{quantity.unit}" {{ equals = ... }}'
        raise Unfit(error("unknown-unit", "", f"{quantity.unit}.", quantity.span, remedy))
    return found


def wrong_kind(said: str, wanted: Dimension, quantity: Quantity, found: Dimension) -> Unfit:
    """`task_horizon is a time (min), 24 FLOP is compute; write 24 h`; `said` is what stands before the comma."""
    unit = REPLACEMENT[wanted]
    remedy = f"write {quantity.number} {unit}" if unit else f"write {quantity.number}"
    return Unfit(error("wrong-kind", "", f"{said}, {shown(quantity)} is {found}", quantity.span, remedy))


def whole(quantity: Quantity, value: Fraction, base: str) -> int:
    """A value that must be whole in its base unit.

    Raises:
        Unfit: `not-whole`.
    """
    if value.denominator != 1:
        found = f"{shown(quantity)} is no whole number of {base}"
        raise Unfit(error("not-whole", "", found, quantity.span))
    return int(value)


BASES: Final[Mapping[Dimension, str]] = {
    Dimension.TIME: "seconds",
    Dimension.PERIODS: "periods",
    Dimension.LEGAL_TIME: "seconds",
    Dimension.COMPUTE: "teraFLOP",
    Dimension.RATE: "GFLOP/s",
    Dimension.POWER: "milliwatts",
    Dimension.CHIP_TIME: "chip-seconds",
    Dimension.SHARE: "ppm",
    Dimension.FACTOR: "times",
    Dimension.CHIPS: "chips",
    Dimension.COUNT: "things",
}


def measure(quantity: Quantity, dimension: Dimension, subject: str, own: Mapping[str, Unit]) -> int:
    """A quantity in the base unit of a dimension.

    Args:
        quantity: as written.
        dimension: what it must be.
        subject: what it is said of, for the message.
        own: units that the text defines.

    Raises:
        Unfit: `unknown-unit`, `wrong-kind`, `not-whole`, `number-too-long`.
    """
    unit = unit_of(quantity, own)
    if unit.dimension is not dimension:
        raise wrong_kind(f"{subject} is {dimension}", dimension, quantity, unit.dimension)
    return whole(quantity, exact(quantity.number, quantity.span) * unit.per, BASES[dimension])


def seconds(quantity: Quantity, subject: str, *, legal: bool = False) -> Fraction:
    """A span in seconds, not rounded. Months (30 d) and years (365 d) only where `legal`.

    Raises:
        Unfit: as :func:`measure`.
    """
    unit = unit_of(quantity, {})
    if unit.dimension is Dimension.LEGAL_TIME and not legal:
        days = exact(quantity.number, quantity.span) * unit.per / DAY
        remedy = f"write {show_number(int(days))} d" if days.denominator == 1 else "write days"
        text = f"{subject} is an exact time, {shown(quantity)} is {unit.dimension}"
        raise Unfit(error("wrong-kind", "", text, quantity.span, remedy))
    if unit.dimension not in {Dimension.TIME, Dimension.LEGAL_TIME}:
        raise wrong_kind(f"{subject} is {Dimension.TIME}", Dimension.TIME, quantity, unit.dimension)
    return exact(quantity.number, quantity.span) * unit.per


def show_number(number: int) -> str:
    """Digits, grouped by `_` above 9,999."""
    return f"{number:_}" if number > 9_999 else str(number)


def show_seconds(number: int) -> str:
    """The largest of d, h, min, s that divides; up to three days are hours, as people say them."""
    for unit, size in (("d", DAY), ("h", 3_600), ("min", 60)):
        if number % size == 0 and (unit != "d" or number > 3 * DAY or number == 0):
            return f"{show_number(number // size)} {unit}"
    return f"{show_number(number)} s"


def show_flop(teraflop: int) -> str:
    """Operations, `3e25 FLOP`, as few digits as say it."""
    if teraflop == 0:
        return "0 FLOP"
    digits = str(teraflop).rstrip("0")
    power = len(str(teraflop)) - 1 + 12
    return f"{digits[0]}{'.' + digits[1:] if len(digits) > 1 else ''}e{power} FLOP"


def show_share(ppm: int) -> str:
    """`%` where two decimals say it, else ppm."""
    if ppm % 100:
        return f"{show_number(ppm)} ppm"
    return f"{show_decimal(ppm, 10_000)} %"


def show_decimal(number: int, scale: int) -> str:
    """`number / scale` in decimals, exactly; `scale` is a power of ten."""
    front, rest = divmod(number, scale)
    decimals = str(rest).rjust(len(str(scale)) - 1, "0").rstrip("0")
    return f"{show_number(front)}.{decimals}" if rest else show_number(front)


def show_rate(gigaflop_per_second: int) -> str:
    """TFLOP/s where whole, else GFLOP/s."""
    if gigaflop_per_second % 1_000:
        return f"{show_number(gigaflop_per_second)} GFLOP/s"
    return f"{show_number(gigaflop_per_second // 1_000)} TFLOP/s"


def show_power(milliwatt: int) -> str:
    """W where whole, else mW."""
    if milliwatt % 1_000:
        return f"{show_number(milliwatt)} mW"
    return f"{show_number(milliwatt // 1_000)} W"


def show_chip_time(chip_seconds: int) -> str:
    """Chip-hours where whole, else chip-seconds."""
    if chip_seconds % 3_600:
        return f"{show_number(chip_seconds)} chip_s"
    return f"{show_number(chip_seconds // 3_600)} chip_h"
