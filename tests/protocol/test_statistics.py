"""Whole-number statistics against exact fractions."""

from __future__ import annotations

from fractions import Fraction
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.statistics import Z_MILLI, quantile_milli, sigma, tolerance
from tests.builders import quantity

ppm = st.integers(0, 1_000_000)


@pytest.mark.parametrize(("share", "milli"), Z_MILLI.items())
def test_holds_normal_quantiles_rounded_up(share: int, milli: int) -> None:
    exact = NormalDist().inv_cdf(1 - share / 1_000_000) * 1_000
    assert exact <= milli < exact + 1


@given(st.integers(0, 2**63 - 1), ppm, ppm)
def test_sigma_is_the_smallest_whole_number_not_below_the_exact_one(value: int, random: int, systematic: int) -> None:
    found = sigma(quantity(value, random_ppm=random, systematic_ppm=systematic))
    exact_square = Fraction(value) ** 2 * (random**2 + systematic**2) / Fraction(1_000_000) ** 2
    assert found**2 >= exact_square
    assert found == 0 or (found - 1) ** 2 < exact_square


@given(st.lists(st.integers(0, 2**70), max_size=5), st.sampled_from(list(Z_MILLI)))
def test_tolerance_is_z_times_the_joint_sigma_rounded_up(sigmas: list[int], share: int) -> None:
    found = tolerance(sigmas, share)
    exact_square = sum(value**2 for value in sigmas) * Fraction(Z_MILLI[share], 1_000) ** 2
    assert found**2 >= exact_square
    assert found == 0 or (found - 1) ** 2 < exact_square


def test_exact_counts_tolerate_nothing() -> None:
    assert sigma(quantity(2**63 - 1)) == 0
    assert tolerance([0, 0], 1_000) == 0


@pytest.mark.parametrize(("share", "milli"), Z_MILLI.items())
def test_finds_the_quantiles_of_the_table(share: int, milli: int) -> None:
    assert quantile_milli(share * 1_000) == milli


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_a_smaller_tail_lies_farther_out(one: int, other: int) -> None:
    assert (quantile_milli(min(one, other))) >= quantile_milli(max(one, other))


@given(st.integers(1, 499_000_000))
def test_leaves_no_more_in_the_tail_than_was_asked_for(tail_ppb: int) -> None:
    # The library's floats are good to 1e-9 of the tail here; one thousandth of a sigma is far more.
    exact = NormalDist().inv_cdf(1 - tail_ppb / 10**9)
    assert exact - 1e-6 <= quantile_milli(tail_ppb) / 1_000 < exact + 0.001_001


def test_half_of_everything_lies_beyond_nothing() -> None:
    assert quantile_milli(500_000_000) == quantile_milli(10**9) == 0
