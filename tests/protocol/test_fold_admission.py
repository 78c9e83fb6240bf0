"""The fold: parties that are admitted, and what they may do from when."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from protocol import wire
from protocol.closing import Record, next_closing
from protocol.conduct import Freshness
from protocol.decisions import Asked, tally
from protocol.duty import silence
from protocol.errors import Reason
from protocol.fold import step
from protocol.state import Membership, Standing, read_state
from standstill.v1 import agreement_pb2, decision_pb2, membership_pb2
from standstill.v1.header_pb2 import VERDICT_BREACHED
from tests.builders import (
    LABS,
    PAUSE,
    Party,
    World,
    agreement,
    attestation,
    ballot,
    clause,
    founding,
    keeps,
    key_set,
    pledge,
)
from tests.protocol.changing import (
    ADMIT,
    AMEND,
    RULES,
    arrive,
    changeable,
    join,
    newcomer,
    now,
    offer,
    propose,
    reasons,
    text,
    vote,
)
from tests.protocol.refusals import refuses
from tests.terms import change, terms

CALL = decision_pb2.MOTION_CALL


def _membership(world: World, name: str = "delta") -> Membership:
    return world.state.parties[name].membership


def _admitted(**changes: Any) -> World:
    """A world that lists delta, a lab."""
    world = changeable(**changes)
    assert reasons(offer(world, newcomer())) == []
    return world


def test_lists_a_party_that_is_voted_for_and_no_other() -> None:
    world = changeable()
    offer(world, newcomer(), LABS[:1])
    assert "delta" not in world.state.parties
    # The offer stands, and the vote may come later.
    vote(world, ADMIT, next(iter(map(_digest, world.state.offers.values()))), LABS[1:2])
    world.close()
    assert _membership(world) is Membership.FORMING
    assert world.state.offers == {}
    assert now(world).labs == ("alpha", "beta", "delta", "gamma")
    assert now(world).digest == world.agreement.digest


def _digest(data: bytes) -> bytes:
    return sha256(data).digest()


def test_lists_another_after_one_was_listed() -> None:
    world = _admitted()
    assert reasons(offer(world, newcomer("epsilon"))) == []
    assert now(world).labs == ("alpha", "beta", "delta", "epsilon", "gamma")


def test_joins_by_its_accession() -> None:
    world = _admitted()
    join(world)
    assert reasons(world.close()) == []
    party = world.state.parties["delta"]
    assert (party.membership, party.joined) == (Membership.IN, world.state.closings)


def test_says_nothing_before_it_has_acceded() -> None:
    world = _admitted()
    found = arrive(world)
    found.say(key_set("delta"))
    found.say(pledge(clause(1)))
    assert reasons(world.close()) == [Reason.ACCESSION_DUE]
    assert _membership(world) is Membership.FORMING
    other = _admitted()
    join(other).say(pledge(clause(1)))
    # In the record of its accession it takes part no more than a founder does in that of its Founding.
    assert reasons(other.close()) == [Reason.ACCESSION_DUE]
    other["delta"].say(pledge(clause(1)))
    assert reasons(other.close()) == []


def test_who_is_admitted_does_not_found_and_who_founded_does_not_accede() -> None:
    world = _admitted()
    arrive(world).say(founding(world.agreement))
    assert reasons(world.close()) == [Reason.NO_AUTHORITY]
    assert not world.state.parties["delta"].founded
    early = World(agreement(**RULES))
    early["alpha"].say(membership_pb2.Accession(agreement=early.agreement.digest, terms=early.agreement.digest))
    assert reasons(early.close()) == [Reason.NO_AUTHORITY]


def test_an_accession_names_terms_that_are_in_force() -> None:
    world = _admitted()
    arrive(world).say(membership_pb2.Accession(agreement=world.agreement.digest, terms=bytes(32)))
    assert reasons(world.close()) == [Reason.WRONG_AGREEMENT]


def test_nobody_accedes_whom_nobody_listed() -> None:
    world = changeable()
    more = agreement(parties=[*terms().parties, newcomer("delta", agreement_pb2.ROLE_SUPPLIER)])
    stranger = Party(more, "delta")
    stranger.say(key_set("delta"))
    record = world.record()
    closing = next_closing(world.state, 1, [stranger.checkpoint()])
    with refuses(Reason.UNKNOWN_ORIGIN, "closing.heads.origin"):
        step(world.agreement, world.state, Record(wire.encode(closing), closing, {}))
    assert step(world.agreement, world.state, record).state.period == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"name": "alpha"}, Reason.ORIGIN_REUSED),
        ({"origin": "alpha.example/standstill"}, Reason.ORIGIN_REUSED),
        ({"log_key": terms().parties[1].log_key}, Reason.KEY_TWICE),
        ({"root_keys": list(terms().parties[1].root_keys)}, Reason.KEY_TWICE),
        ({"roles": [agreement_pb2.ROLE_VERIFIER]}, Reason.NO_AUTHORITY),
        ({"roles": []}, Reason.ROLE_MISSING),
        ({"owner": "gridco group", "roles": [agreement_pb2.ROLE_SUPPLIER]}, None),
        ({"root_threshold": 3}, Reason.QUORUM_CANNOT_BE_MET),
        ({}, None),
    ],
    ids=["name", "origin", "log key", "root keys", "verifier", "no role", "group", "threshold", "good"],
)
def test_refuses_a_party_that_does_not_fit(changes: dict[str, Any], reason: Reason | None) -> None:
    sites = None if "roles" in changes else list(newcomer().sites)
    world = changeable()
    outcome = offer(world, change(newcomer(), sites=sites, **changes))
    assert reasons(outcome) == ([reason] if reason else [])
    assert len(world.state.admitted) == (0 if reason else 1)


def test_refuses_an_admission_where_no_rule_admits() -> None:
    world = World(agreement()).found()
    world["alpha"].say(membership_pb2.Admission(party=newcomer().SerializeToString()))
    assert reasons(world.close()) == [Reason.NO_AUTHORITY]


def test_a_sponsor_has_one_open_offer() -> None:
    world = changeable()
    for name in ("delta", "epsilon"):
        offer(world, newcomer(name), ())
    assert len(world.state.offers) == 1


def test_of_two_of_one_name_only_one_is_listed() -> None:
    world = changeable()
    for sponsor, threshold in (("alpha", 1), ("beta", 2)):
        data = change(newcomer(), root_threshold=threshold).SerializeToString()
        world[sponsor].say(membership_pb2.Admission(party=data))
        vote(world, ADMIT, _digest(data))
    world.close()
    assert list(world.state.admitted) == ["delta"]
    assert world.state.offers == {}


@pytest.mark.parametrize("name", ["delta", "epsilon"])
def test_terms_that_would_take_the_place_of_who_was_admitted_with_them_do_not_take_over(name: str) -> None:
    world = changeable()
    admitted = newcomer()
    other = newcomer(name, origin=admitted.origin if name == "epsilon" else "elsewhere.example/standstill")
    amended = text(parties=[*terms().parties, other], founding=[*terms().founding, name])
    propose(world, amended)
    vote(world, AMEND, _digest(amended))
    offer(world, admitted)
    world.close()
    assert world.state.terms == world.agreement.digest
    assert now(world).parties["delta"] == admitted
    assert now(world).logs[admitted.origin] == "delta"


def test_a_novice_has_no_vote_and_then_has() -> None:
    rules = [change(terms().rules[0], yes=None, voters=None, need=_labs(3), ballot_life_periods=3)]
    world = _admitted(rules=rules, novice_periods=2)
    join(world)
    world.close()
    called = []
    for _ in range(3):
        world["delta"].say(ballot(CALL, PAUSE, 1))
        world["alpha"].say(ballot(CALL, PAUSE, 1))
        world.close()
        called.append(_says(world))
    assert called == [["alpha group"], ["alpha group", "delta group"], ["alpha group", "delta group"]]


def _labs(k: int) -> agreement_pb2.Need:
    return agreement_pb2.Need(count=agreement_pb2.Need.Count(k=k, role=agreement_pb2.ROLE_LAB))


def _says(world: World) -> list[str]:
    return list(tally(now(world), world.state, Asked(CALL, PAUSE, 1)).yes)


def test_a_newcomer_counts_with_the_control_group_that_it_belongs_to() -> None:
    rules = [change(terms().rules[0], yes=None, voters=None, need=_labs(3))]
    world = changeable(rules=rules)
    offer(world, newcomer(owner="alpha group"))
    join(world)
    world.close()
    for voter in ("alpha", "delta"):
        world[voter].say(ballot(CALL, PAUSE, 1))
    world.close()
    assert _says(world) == ["alpha group"]


def test_a_clause_that_names_a_lab_is_unmet_until_it_keeps_the_level() -> None:
    world = _admitted()
    world["alpha"].say(pledge(clause(1, provided=keeps(1, "delta"))))
    world.close()
    world.close()
    assert world.state.pledges["alpha"].kept == 0
    join(world)
    world.close()
    world["delta"].say(pledge(clause(1)))
    world.close()
    world.close()
    assert (world.state.pledges["delta"].kept, world.state.pledges["alpha"].kept) == (1, 1)


def test_a_newcomer_owes_attestations_from_when_it_joined() -> None:
    standing = change(terms().standing, silence_out_periods=3)
    world = changeable(standing=standing)
    world.close_until(9)
    offer(world, newcomer())
    world.close_until(15)
    conduct = world.state.conduct["delta"]
    assert (conduct.silent, conduct.standing, conduct.settled) == (0, Standing.RELIED, ())
    join(world)
    world.close()
    joined = world.state.period or 0
    assert silence(now(world), world.state, "delta") is Freshness.FRESH
    first = joined + 2
    world.close_until(first)
    world["delta"].say(attestation(now(world), first))
    world.close()
    assert silence(now(world), world.state, "delta") is Freshness.FRESH
    world.close_until(first + 4)
    assert silence(now(world), world.state, "delta") is Freshness.PRESUMED


def test_keeps_no_verdict_on_a_lab_that_has_still_to_join() -> None:
    world = _admitted()
    world.close()
    period = world.state.period
    assert period is not None
    world.assess("delta", period, VERDICT_BREACHED)
    world.assess("alpha", period, VERDICT_BREACHED)
    assert reasons(world.close()) == []

    assert {place.split("|")[0] for place in world.state.verdicts} == {"alpha"}


def test_a_state_with_newcomers_is_the_same_after_its_text() -> None:
    world = _admitted()
    join(world)
    world.close()
    world.state = read_state(world.state.text())
    assert reasons(world.close()) == []
    assert _membership(world) is Membership.IN
