"""What multipliers prove is never less than what some history reaches, whoever found them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bound.certificate import SCALE_BITS, proven
from bound.program import Builder, Program
from bound.solver import maximise
from protocol.errors import Reason
from tests.protocol.refusals import refuses

ONE = 1 << SCALE_BITS
small = st.integers(-50, 50)


@st.composite
def histories(draw: st.DrawFn) -> tuple[Program, np.ndarray[tuple[int], np.dtype[np.int64]], list[int]]:
    """A program, gains, and a history that satisfies all its rows."""
    width, height = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    caps = draw(st.lists(st.integers(0, 40), min_size=width, max_size=width))
    history = [draw(st.integers(0, cap)) for cap in caps]
    builder = Builder()
    columns = builder.new(caps)
    for number in range(height):
        coefficients = np.array(draw(st.lists(small, min_size=width, max_size=width)))
        reached = int(coefficients @ np.array(history))
        if number == 0 and draw(st.booleans()) and reached == 0:
            builder.balance("exact", (columns[None, :], coefficients[None, :]))
        else:
            builder.add("row", (columns[None, :], coefficients[None, :]), to=reached + draw(st.integers(0, 30)))
    gain = np.array(draw(st.lists(small, min_size=width, max_size=width)), np.int64)
    return builder.build(), gain, history


@given(histories(), st.data())
def test_any_multipliers_prove_no_less_than_a_history_reaches(
    case: tuple[Program, np.ndarray[tuple[int], np.dtype[np.int64]], list[int]], data: st.DataObject
) -> None:
    program, gain, history = case
    drawn = [data.draw(st.integers(0 if not equal else -9 * ONE, 9 * ONE)) for equal in program.equal]
    assert proven(program, gain, drawn) >= int(gain @ np.array(history))


@given(histories())
def test_the_solver_finds_multipliers_that_prove_hardly_more_than_its_optimum(
    case: tuple[Program, np.ndarray[tuple[int], np.dtype[np.int64]], list[int]],
) -> None:
    program, gain, history = case
    found = maximise(program, gain)
    assert found is not None
    optimum = float(gain @ found.values)
    assert proven(program, gain, found.multipliers) <= optimum + 1.01
    assert proven(program, gain, found.multipliers) >= int(gain @ np.array(history))


def _box() -> tuple[Program, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    builder = Builder()
    columns = builder.new([10, 10])
    builder.add("row", (columns[None, :], 1), to=12)
    return builder.build(), np.array([1, 2], np.int64)


def test_the_best_multipliers_prove_the_optimum() -> None:
    program, gain = _box()
    assert proven(program, gain, [ONE]) == 22
    assert proven(program, gain, [0]) == 30


def test_refuses_a_multiplier_below_nothing() -> None:
    program, gain = _box()
    with refuses(Reason.CERTIFICATE_MALFORMED, "multipliers"):
        proven(program, gain, [-1])


@pytest.mark.parametrize("number", [0, 2])
def test_refuses_too_few_and_too_many_multipliers(number: int) -> None:
    program, gain = _box()
    with refuses(Reason.CERTIFICATE_MALFORMED, "multipliers"):
        proven(program, gain, [ONE] * number)
