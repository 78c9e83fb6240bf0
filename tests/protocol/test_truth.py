"""Strong Kleene logic."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.truth import Explained, Truth, all_of, any_of, at_least, negate, of, weigh

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


def test_negation_keeps_what_is_unknown_and_undoes_itself() -> None:
    assert [negate(value) for value in (F, U, T)] == [T, U, F]
    assert all(negate(negate(value)) is value for value in Truth)


@given(st.lists(st.tuples(st.sampled_from(Truth), st.integers(1, 5)), min_size=1, max_size=5), st.integers(1, 30))
def test_weight_is_known_when_what_is_unknown_no_longer_matters(weights: list[tuple[Truth, int]], wanted: int) -> None:
    sure = sum(weight for value, weight in weights if value is T)
    most = sum(weight for value, weight in weights if value is not F)
    expected = T if sure >= wanted else U if most >= wanted else F
    assert weigh(weights, wanted) is expected


def test_nothing_weighs_nothing_and_nobody_knows_it() -> None:
    assert weigh([], 1) is U
