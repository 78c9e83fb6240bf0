"""What the terms have to say of a statement: judged where it counts, whatever its reader knew when it read it."""

from __future__ import annotations

import pytest

from protocol.errors import Reason
from protocol.judgement import judged, under_terms
from protocol.leaf import Bodies, Cursor, ReadLeaf, read_leaves
from standstill.v1 import agreement_pb2
from tests.builders import LABS, World, agreement, assessment, attestation, change, handle, summary, terms

TERMS = agreement()


def _grown() -> World:
    world = World(TERMS)
    for one in world.parties.values():
        one.found()
    world["alpha"].say(attestation(TERMS, 3))
    world["alpha"].say(attestation(TERMS, 4, chips={"H999": 1}))
    world["vera"].say(assessment(), summary=summary())
    return world


def _read(world: World, name: str, bodies: Bodies = Bodies.READ) -> list[ReadLeaf]:
    party = world[name]
    return read_leaves(TERMS, Cursor(party.cursor.origin, name), party.leaves, bodies=bodies)[0]


def test_reads_what_only_the_terms_refuse() -> None:
    read = _read(_grown(), "alpha")
    assert [leaf.refusal for leaf in read] == [None] * 4
    found = [under_terms(leaf, TERMS) for leaf in read]
    assert [refused and refused.reason for refused in found] == [None] * 3 + [Reason.CHIP_CLASS_UNKNOWN]


def test_refuses_a_body_and_lets_the_header_count_where_not_every_party_sees_the_body() -> None:
    refused = judged(_read(_grown(), "alpha")[3], TERMS)
    assert refused.body is None
    assert refused.header is not None
    assert refused.counts


@pytest.mark.parametrize("bodies", [Bodies.READ, Bodies.HELD])
def test_counts_alike_for_those_who_read_a_body_and_those_who_may_not(bodies: Bodies) -> None:
    read = _read(_grown(), "alpha", bodies)
    assert [judged(leaf, TERMS).counts for leaf in read] == [True] * 4


def test_judges_an_old_statement_under_the_terms_that_it_is_judged_under() -> None:
    made = agreement(parties=_moved())
    leaf = _read(_grown(), "alpha")[2]
    assert under_terms(leaf, TERMS) is None
    refused = judged(leaf, made)
    assert refused.refusal is not None
    assert refused.refusal.reason is Reason.SITE_UNKNOWN
    assert (refused.header, refused.body, refused.counts) == (None, None, False)


def _moved() -> list[agreement_pb2.Party]:
    """The parties, with alpha at another site."""
    parties = list(terms().parties)
    parties[0].sites[0].handle = handle("elsewhere")
    return parties


def test_refuses_a_party_that_the_terms_do_not_know() -> None:
    said = _read(_grown(), "vera")[2]
    assert under_terms(said, TERMS) is None
    more = agreement(2)
    without = agreement(
        parties=[party for party in more.terms.parties if party.name != "vera"],
        founding=[*LABS, "vito"],
        indicators=[change(one, reported_by=[*LABS, "chipco"]) for one in more.terms.indicators],
    )
    gone = under_terms(said, without)
    assert gone is not None
    assert gone.reason is Reason.NO_AUTHORITY
