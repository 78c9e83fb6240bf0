"""Sampling plans are exact, and draws are fair and repeatable."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from hashlib import sha256
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.errors import Reason
from protocol.sampling import draw, least_sample, missed_ppm, spoiled_items
from tests.protocol.refusals import refuses

PPM = 1_000_000


@st.composite
def lots(draw_: st.DrawFn) -> tuple[int, int, int]:
    """Items, how many of them are spoiled, how many are drawn."""
    items = draw_(st.integers(0, 60))
    return items, draw_(st.integers(0, items)), draw_(st.integers(0, items))


def _exact(items: int, spoiled: int, drawn: int, notice_ppm: int) -> Fraction:
    overlooked = 1 - Fraction(notice_ppm, PPM)
    ways = (comb(spoiled, k) * comb(items - spoiled, drawn - k) * overlooked**k for k in range(drawn + 1))
    return Fraction(sum(ways), comb(items, drawn))


@given(lots(), st.integers(0, PPM))
def test_the_chance_of_missing_is_the_hypergeometric_one(lot: tuple[int, int, int], notice_ppm: int) -> None:
    exact = _exact(*lot, notice_ppm) * PPM
    assert exact <= missed_ppm(*lot, notice_ppm) < exact + 1 + Fraction(1, PPM)


@given(lots(), st.integers(0, PPM), st.integers(0, PPM))
def test_a_plan_is_the_smallest_sample_that_reaches_its_goal(
    lot: tuple[int, int, int], detection_ppm: int, notice_ppm: int
) -> None:
    items, spoiled, _ = lot
    found = least_sample(items, spoiled, detection_ppm, notice_ppm)
    enough = [n for n in range(items + 1) if missed_ppm(items, spoiled, n, notice_ppm) <= PPM - detection_ppm]
    assert found == (enough[0] if enough else None)


@pytest.mark.parametrize(
    ("items", "spoiled", "goal", "sample"),
    [
        (10_000, 976, 500_000, 7),
        (10_000, 976, 900_000, 23),
        (100_000, 976, 900_000, 236),
        (100_000, 326, 950_000, 915),
        (1_000_000, 976, 990_000, 4_708),
    ],
)
def test_plans_for_fleets(items: int, spoiled: int, goal: int, sample: int) -> None:
    # The sheet of formulas (D13) rounds n = N (1 - beta^(1/r)) up, which never asks for less than is needed.
    found = least_sample(items, spoiled, goal, PPM)
    assert found is not None
    assert sample - 3 <= found <= sample + 1


def test_a_sample_cannot_show_what_is_never_noticed() -> None:
    assert least_sample(100, 1, 900_000, 500_000) is None
    assert least_sample(100, 0, 1, PPM) is None
    assert least_sample(100, 0, 0, PPM) == 0


def test_a_significant_quantity_spoils_whole_items() -> None:
    assert spoiled_items(10**12, 10**12) == 1
    assert spoiled_items(10**12 + 1, 10**12) == 2
    assert spoiled_items(0, 10**12) == 0


@given(st.binary(min_size=32, max_size=32), lots())
def test_a_draw_names_different_items_and_is_the_same_for_everybody(seed: bytes, lot: tuple[int, int, int]) -> None:
    items, _, drawn = lot
    found = draw(seed, items, drawn)
    assert len(found) == len(set(found)) == drawn
    assert found == sorted(found)
    assert all(0 <= number < items for number in found)
    assert draw(seed, items, drawn) == found


def test_draws_favour_no_item() -> None:
    counts = Counter(
        number for one in range(6_000) for number in draw(sha256(bytes([one % 256, one // 256])).digest(), 7, 3)
    )
    # 6,000 x 3 / 7 = 2,571 of each, with a standard deviation of 38.
    assert all(2_571 - 5 * 38 < counts[number] < 2_571 + 5 * 38 for number in range(7))


def test_a_draw_from_a_known_seed() -> None:
    assert draw(bytes(32), 1_000, 5) == draw(bytes(32), 1_000, 5)
    assert draw(bytes(32), 1_000, 5) != draw(bytes(31) + b"\1", 1_000, 5)


@pytest.mark.parametrize(("length", "items", "drawn"), [(31, 5, 1), (33, 5, 1)])
def test_refuses_a_seed_of_another_length(length: int, items: int, drawn: int) -> None:
    with refuses(Reason.DIGEST_LENGTH, "seed"):
        draw(bytes(length), items, drawn)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ((-1, 0, 0, 0), "items"),
        ((1 << 49, 0, 0, 0), "items"),
        ((5, 6, 0, 0), "spoiled"),
        ((5, 0, 6, 0), "drawn"),
        ((5, 0, 0, PPM + 1), "notice_ppm"),
    ],
)
def test_refuses_lots_that_are_none(arguments: tuple[int, int, int, int], field: str) -> None:
    with refuses(Reason.VALUE_OUT_OF_RANGE, field):
        missed_ppm(*arguments)
