"""The bound that is left when owners of evidence lie (annex: bound, 6)."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest

from bound.evidence import Evidence, Site
from bound.liars import resilience, with_liars
from bound.outcome import outcome
from tests.bound.fleet import BEHAVIOURS, seeded

SURE = {"chipco", "cloudco"}


def _meters_may_lie(evidence: Evidence) -> Evidence:
    """The same with stock and rent known beyond doubt, so that every channel stays bounded whoever else lies."""
    stock = tuple(replace(one, owners=frozenset[str]()) for one in evidence.stock)
    rented = tuple(replace(one, owners=frozenset[str]()) for one in evidence.rented)
    return replace(evidence, stock=stock, rented=rented)


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_the_tree_finds_what_trying_every_set_finds(behaviour: str, number: int) -> None:
    evidence = _meters_may_lie(seeded(behaviour, 5).evidence)
    found = with_liars(evidence, number)
    sets = [frozenset(liars) for size in range(number + 1) for liars in combinations(sorted(evidence.owners), size)]
    tried = [bound for liars in sets if (bound := outcome(evidence.without(liars)).bound) is not None]
    assert found.bound == pytest.approx(max(tried), rel=1e-6)


def test_more_liars_never_lower_what_is_left() -> None:
    evidence = _meters_may_lie(seeded("all at once", 2).evidence)
    bounds = [with_liars(evidence, number).bound for number in range(4)]
    assert all(bound is not None for bound in bounds)
    assert bounds == sorted(bounds, key=lambda bound: bound or 0)


def test_a_channel_with_one_owner_survives_no_liar() -> None:
    survived, opened = resilience(seeded("honest", 1).evidence, 2)
    assert survived == 0
    assert opened.bound is None
    assert opened.liars <= SURE
    assert opened.opened


def test_resilience_without_any_source_is_below_nothing() -> None:
    survived, opened = resilience(replace(seeded("honest", 1).evidence, stock=()), 2)
    assert survived == -1
    assert opened.liars == frozenset()


@pytest.mark.parametrize("seed", range(12))
def test_a_lying_meter_cannot_push_the_truth_above_what_is_left(seed: int) -> None:
    made = seeded("running chips declared off", seed)

    def lying(site: Site) -> Site:
        assert site.meter is not None
        return replace(site, meter=replace(site.meter, energy=site.meter.energy * 7 // 10))

    sites = (lying(made.evidence.sites[0]), *made.evidence.sites[1:])
    evidence = _meters_may_lie(replace(made.evidence, sites=sites))
    left = with_liars(evidence, 1).bound
    assert left is not None
    assert made.covert <= left
