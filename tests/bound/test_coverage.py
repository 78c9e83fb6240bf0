"""The bound's claim, on labs whose truth is known: whatever they did, it is at most the bound (annex: bound, 10)."""

from __future__ import annotations

import pytest

from bound.outcome import Outcome, outcome
from tests.bound.fleet import BEHAVIOURS, Seeded, seeded

CASES = 46
"""Of each of eleven behaviours: more than five hundred together."""
ALPHA = 0.05


def _judged(behaviour: str) -> list[tuple[Seeded, Outcome]]:
    cases = [seeded(behaviour, seed) for seed in range(CASES)]
    return [(case, outcome(case.evidence)) for case in cases]


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_the_truth_is_at_most_the_bound_and_at_least_the_floor(behaviour: str) -> None:
    judged = _judged(behaviour)

    missed = [case for case, found in judged if found.bound is None or case.covert > found.bound]
    exceeded = [case for case, found in judged if found.floor > case.false_seconds]
    assert len(missed) <= ALPHA * CASES
    assert len(exceeded) <= ALPHA * CASES


def test_an_honest_lab_is_hardly_ever_contradicted() -> None:
    contradicted = [found for _, found in _judged("honest") if found.floor > 0]
    assert len(contradicted) <= ALPHA * CASES
