"""Contradicting sets are impossible as they stand, and possible without any one member (annex: bound, 7)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bound.assembly import assemble
from bound.certificate import proven
from bound.contradiction import contradiction, impossible
from bound.evidence import Evidence, Site
from bound.outcome import outcome
from bound.program import fixed, keeping
from tests.bound.fleet import BEHAVIOURS, seeded

CASES = [(behaviour, seed) for behaviour in BEHAVIOURS for seed in range(6)]


@pytest.mark.parametrize(("behaviour", "seed"), CASES)
def test_a_floor_above_nothing_has_a_minimal_contradicting_set(behaviour: str, seed: int) -> None:
    evidence = seeded(behaviour, seed).evidence
    found = contradiction(evidence)
    assert (found is not None) == (outcome(evidence).floor > 0)
    if found is None:
        return
    assert found.declarations
    made = assemble(evidence)
    truthful = fixed(made.program, np.flatnonzero(made.misdeclared))
    nothing = np.zeros(len(truthful.caps), np.int64)
    assert proven(keeping(truthful, found.sources), nothing, found.multipliers) < 0
    for source in found.sources:
        if source.owners or source.what:
            assert impossible(keeping(truthful, [one for one in found.sources if one is not source])) is None


def test_two_meters_that_cannot_both_be_right_contradict_each_other() -> None:
    evidence = seeded("honest", 1).evidence

    def drawn(site: Site, share: float) -> Site:
        assert site.meter is not None
        return replace(site, meter=replace(site.meter, energy=(site.meter.energy * share).astype(np.int64)))

    none = Evidence.without(evidence, frozenset())
    sites = (drawn(none.sites[0], 9.0), *none.sites[1:])
    fleet = int(none.sites[0].work[0].declared.sum())
    assert fleet > 0
    found = contradiction(replace(none, sites=sites, world_chips=60))
    assert found is not None
    assert not found.declarations
    assert any(source.family == "meter" for source in found.sources)
    assert outcome(replace(none, sites=sites, world_chips=60)).bound is None
