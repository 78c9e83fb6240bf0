"""What evidence is worth: told by solving again, and only where it limits what binds (annex: bound, 8)."""

from __future__ import annotations

from dataclasses import replace

from bound.outcome import outcome
from bound.worth import CATALOGUE, worths
from tests.bound.fleet import seeded


def test_every_change_of_the_catalogue_is_tried_where_it_applies() -> None:
    evidence = seeded("honest", 1).evidence
    bare = replace(
        evidence,
        sites=tuple(replace(site, meter=None, located=False) for site in evidence.sites),
        rented=(),
        challenges=(),
    )
    changes = [one.change for one in (*worths(evidence), *worths(bare))]
    assert [name for name in CATALOGUE if not any(change.startswith(name) for change in changes)] == []


def test_a_gain_is_the_difference_of_two_bounds() -> None:
    evidence = seeded("displaced at equal power", 1).evidence
    now = outcome(evidence).bound
    found = worths(evidence)
    assert now is not None
    assert all(one.bound is not None and one.gain == now - one.bound for one in found)
    assert found == sorted(found, key=lambda one: one.bound or 0)


def test_evidence_on_another_channel_is_worth_nothing() -> None:
    evidence = seeded("honest", 1).evidence
    twice = next(one for one in worths(evidence) if one.change.startswith("challenges"))
    better = [one for one in worths(evidence) if one.change.startswith("half the systematic")]
    assert twice.gain is not None
    assert twice.gain > 0
    assert all(one.gain is not None and one.gain < twice.gain for one in better)


def test_an_open_channel_is_closed_only_by_what_is_missing() -> None:
    evidence = replace(seeded("honest", 1).evidence, rented=())
    closed = {one.change for one in worths(evidence) if one.bound is not None}
    assert closed == {"reports of all operators"}
