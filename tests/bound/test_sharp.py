"""How tight the bound is where only noise separates it from the truth, and what makes it wider (annex: bound, 10)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bound.evidence import Evidence, Stock, Window
from bound.outcome import outcome
from tests.bound.fleet import BEHAVIOURS, CHIP, OFF, Conduct, Instruments, observe, seeded

SEEDS = 40


def _best_corner(seed: int, tools: Instruments) -> tuple[float, float]:
    """Bound and floor by truth: chips declared off train at the corner with the most operations for a joule."""
    rng = np.random.default_rng(seed)
    declared = np.zeros((3, 28, 3))
    declared[:, :, OFF] = 4_000
    conduct = Conduct.of(declared)
    conduct.divert(OFF, rng.uniform(100, 400, (3, 1)), 600_000, 1_000_000)
    shown = replace(observe(rng, conduct, tools), stock=(Stock(CHIP, frozenset({"chipco"}), np.zeros(28, np.int64)),))
    found = outcome(shown)
    assert found.bound is not None
    return found.bound / (conduct.trained.sum() * 3.6), found.floor / conduct.false_seconds


@pytest.mark.parametrize(
    ("tools", "most"),
    [
        (Instruments(drawn=0, systematic_ppm=0, pue_milli=(1_080, 1_080)), 1.01),
        (Instruments(drawn=0), 1.25),
    ],
    ids=["random errors only", "all errors"],
)
def test_only_noise_separates_the_bound_from_the_truth(tools: Instruments, most: float) -> None:
    ratios = [_best_corner(seed, tools)[0] for seed in range(SEEDS)]
    assert sum(ratio < 1 for ratio in ratios) <= 0.05 * SEEDS
    assert float(np.median(ratios)) <= most


behaviours = st.tuples(st.sampled_from(sorted(BEHAVIOURS)), st.integers(0, 10_000))


def _bound(evidence: Evidence) -> float:
    found = outcome(evidence).bound
    return float("inf") if found is None else found


@settings(max_examples=25)
@given(behaviours)
def test_more_evidence_never_raises_the_bound(case: tuple[str, int]) -> None:
    evidence = seeded(*case).evidence
    whole = _bound(evidence)
    for owner in sorted(evidence.owners):
        # A proof is rounded up to whole operations and its multipliers are the solver's: a few parts in a million.
        assert whole <= _bound(evidence.without(frozenset({owner}))) * 1.000_01


@settings(max_examples=25)
@given(behaviours, st.integers(1, 20))
def test_a_wider_interval_never_lowers_the_bound(case: tuple[str, int], wider: int) -> None:
    evidence = seeded(*case).evidence
    sites = tuple(
        replace(site, pue_low_milli=site.pue_low_milli - wider, pue_high_milli=site.pue_high_milli + wider)
        for site in evidence.sites
    )
    assert _bound(evidence) <= _bound(replace(evidence, sites=sites)) * 1.000_01


@settings(max_examples=25)
@given(behaviours)
def test_summing_periods_never_lowers_the_bound_below_the_truth(case: tuple[str, int]) -> None:
    made = seeded(*case)
    window = made.evidence.window
    for starts in ([0], [0, 14], list(range(len(window.seconds)))):
        blocks = replace(made.evidence, window=Window(window.seconds, np.array(starts)))
        assert made.covert <= _bound(blocks)


@settings(max_examples=25)
@given(behaviours)
def test_the_order_of_sites_changes_nothing_but_the_numbers_of_their_meters(case: tuple[str, int]) -> None:
    evidence = seeded(*case).evidence
    turned = replace(evidence, sites=tuple(reversed(evidence.sites)))
    assert _bound(turned) == pytest.approx(_bound(evidence), rel=1e-6)


@pytest.mark.parametrize(
    ("owner", "channel"),
    [("chipco", "undeclared H100 at site-0"), ("cloudco", "rented H100")],
)
def test_without_the_word_on_a_channel_there_is_no_number(owner: str, channel: str) -> None:
    evidence = seeded("honest", 1).evidence
    found = outcome(evidence.without(frozenset({owner})))
    assert found.bound is None
    assert any(name.startswith(channel.split(" at ", maxsplit=1)[0]) for name in found.unbounded)
    assert outcome(evidence).unbounded == ()
