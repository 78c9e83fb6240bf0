"""Strong Kleene logic."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.truth import Explained, Truth, all_of, any_of, at_least, of

F, U, T = Truth.FALSE, Truth.UNKNOWN, Truth.TRUE
values = st.lists(st.sampled_from(Truth), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("left", "right", "both", "either"),
    [
        (F, F, F, F),
        (F, U, F, U),
        (F, T, F, T),
        (U, F, F, U),
        (U, U, U, U),
        (U, T, U, T),
        (T, F, F, T),
        (T, U, U, T),
        (T, T, T, T),
    ],
)
def test_joins_two_values_as_kleene_does(left: Truth, right: Truth, both: Truth, either: Truth) -> None:
    assert all_of([left, right]) is both
    assert any_of([left, right]) is either


@given(values, st.integers(1, 7))
def test_counts_as_every_completion_of_the_unknowns_would(known: list[Truth], k: int) -> None:
    completions = {
        sum(value is T for value in chosen) >= k for chosen in product(*[[F, T] if v is U else [v] for v in known])
    }
    expected = of(completions == {True}) if len(completions) == 1 else U
    assert at_least(k, known) is expected


@given(values, st.integers(1, 6), st.integers(0, 5))
def test_is_monotone_in_every_part(known: list[Truth], k: int, place: int) -> None:
    raised = list(known)
    raised[place % len(raised)] = T
    assert at_least(k, raised) >= at_least(k, known)


def test_knows_nothing_of_an_empty_group() -> None:
    assert at_least(1, []) is U
    assert all_of([]) is U
    assert any_of([]) is U


def test_prints_reasons_as_an_indented_tree() -> None:
    tree = Explained(F, "all of", (Explained(T, "one"), Explained(F, "any of", (Explained(F, "two"),))))
    assert list(tree.lines()) == ["false   all of", "  true    one", "  false   any of", "    false   two"]
