from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from language import units
from language.parse import parse_condition
from language.problem import Unfit
from language.spans import Span
from language.syntax import Amount, Quantity
from language.units import Dimension

HERE = Span(1, 1, 1, 2)


def quantity(text: str) -> Quantity:
    value = parse_condition(text)
    assert isinstance(value, Amount)
    return value.quantity


def measured(text: str, dimension: Dimension) -> int:
    return units.measure(quantity(text), dimension, "it", {})


def refused(text: str, dimension: Dimension) -> tuple[str, str]:
    with pytest.raises(Unfit) as unfit:
        measured(text, dimension)
    return unfit.value.problem.code, unfit.value.problem.sentence


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("1.5 h", Dimension.TIME, 5_400),
        ("3e25 FLOP", Dimension.COMPUTE, 3 * 10**13),
        ("989 TFLOP/s", Dimension.RATE, 989_000),
        ("12.5 %", Dimension.SHARE, 125_000),
        ("10 ppm", Dimension.SHARE, 10),
        ("0.7 W", Dimension.POWER, 700),
        ("2 chip_h", Dimension.CHIP_TIME, 7_200),
        ("20_000 chips", Dimension.CHIPS, 20_000),
        ("100 x", Dimension.FACTOR, 100),
        ("7", Dimension.COUNT, 7),
    ],
)
def test_a_quantity_is_exact_in_the_unit_of_its_field(text: str, dimension: Dimension, value: int) -> None:
    assert measured(text, dimension) == value


@pytest.mark.parametrize(
    ("text", "dimension", "code", "sentence"),
    [
        ("3 FLOP", Dimension.TIME, "wrong-kind", "it is a time, 3 FLOP is compute; write 3 h"),
        ("3 h", Dimension.COUNT, "wrong-kind", "it is a number, 3 h is a time; write 3"),
        ("1e11 FLOP", Dimension.COMPUTE, "not-whole", "1e11 FLOP is no whole number of teraFLOP"),
        ("0.00001 %", Dimension.SHARE, "not-whole", "0.00001 % is no whole number of ppm"),
        ("3 Q7e", Dimension.RATE, "unknown-unit", 'Q7e. Define it: unit "Q7e" { equals = ... }'),
        ("1e99 FLOP", Dimension.COMPUTE, "number-too-long", "at most 30 digits and e40"),
        ("1" * 31, Dimension.COUNT, "number-too-long", "at most 30 digits and e40"),
        ("1__0", Dimension.COUNT, "syntax", "1__0 groups no digits; write 20_000"),
    ],
)
def test_a_quantity_that_does_not_fit_says_what_to_write(
    text: str, dimension: Dimension, code: str, sentence: str
) -> None:
    assert refused(text, dimension) == (code, sentence)


def test_months_are_read_only_where_lawyers_read() -> None:
    year = quantity("12 months")

    assert units.seconds(year, "notice", legal=True) == 360 * units.DAY
    with pytest.raises(Unfit) as unfit:
        units.seconds(year, "late")
    assert unfit.value.problem.sentence == ("late is an exact time, 12 months is a time in calendar words; write 360 d")


def test_a_unit_of_the_text_is_known_where_it_is_defined() -> None:
    own = {"H100e": units.Unit(Dimension.RATE, Fraction(989_000))}

    assert units.measure(quantity("16 H100e"), Dimension.RATE, "above", own) == 16 * 989_000


@given(st.integers(0, 2**63))
def test_what_is_shown_is_read_as_the_same(number: int) -> None:
    assert measured(units.show_flop(number), Dimension.COMPUTE) == number
    assert measured(units.show_share(number), Dimension.SHARE) == number
    assert measured(units.show_rate(number), Dimension.RATE) == number
    assert measured(units.show_power(number), Dimension.POWER) == number
    assert measured(units.show_chip_time(number), Dimension.CHIP_TIME) == number
    assert measured(units.show_seconds(number), Dimension.TIME) == number
    assert measured(units.show_number(number), Dimension.COUNT) == number


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (units.show_seconds(86_400), "24 h"),
        (units.show_seconds(7 * 86_400), "7 d"),
        (units.show_seconds(5_400), "90 min"),
        (units.show_seconds(61), "61 s"),
        (units.show_flop(15 * 10**12), "1.5e25 FLOP"),
        (units.show_share(125_000), "12.5 %"),
        (units.show_share(10), "10 ppm"),
        (units.show_number(20_000), "20_000"),
        (units.show_number(9_999), "9999"),
        (units.show_decimal(1_250, 1_000), "1.25"),
    ],
)
def test_quantities_are_shown_as_people_say_them(shown: str, said: str) -> None:
    assert shown == said
