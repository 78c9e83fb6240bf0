"""The fold: exemptions that labs ask for, that are granted, and that end."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest

from protocol import wire
from protocol.duty import duty
from protocol.errors import Reason
from protocol.state import Binding, LevelState, Membership, Stage, read_state
from standstill.v1 import decision_pb2
from tests.bodies import exemption_request
from tests.builders import PAUSE, World, ballot, withdrawal
from tests.protocol.changing import amend, reasons
from tests.protocol.exempt import USUAL, agreed, exempting, exemption
from tests.terms import change

EXEMPT = decision_pb2.MOTION_EXEMPT
REQUEST = exemption_request(exemption="trial", periods=3)
PLACE = f"alpha|{PAUSE}|trial"


def ask(world: World, *voters: str, body: decision_pb2.ExemptionRequest = REQUEST) -> None:
    """Alpha asks, and voters say yes."""
    world["alpha"].say(body)
    vote(world, *voters, body=body)


def vote(world: World, *voters: str, body: decision_pb2.ExemptionRequest = REQUEST) -> None:
    """Voters say yes to what alpha asks."""
    for voter in voters:
        digest = sha256(wire.encode(body)).digest()
        world[voter].say(ballot(EXEMPT, PAUSE, 0, about="alpha", asked=digest))


def test_grants_what_is_voted_for_and_nothing_else() -> None:
    world = World(USUAL).found()
    ask(world, "beta")
    assert reasons(world.close()) == []
    assert (world.state.grants, list(world.state.requests)) == ({}, ["alpha"])
    # The request waits, and the vote may come later.
    vote(world, "gamma")
    world.close()
    grant = world.state.grants[PLACE]
    period = world.state.period or 0
    assert (grant.chip_seconds, grant.teraflop, grant.start, grant.until) == (10, None, period + 2, period + 5)
    assert (world.state.requests, world.state.ballots) == ({}, {})


def test_a_vote_for_another_request_grants_nothing() -> None:
    world = World(USUAL).found()
    world["alpha"].say(REQUEST)
    vote(world, "beta", "gamma", body=change(REQUEST, periods=4))
    world.close()
    assert world.state.grants == {}


def test_a_grant_ends_by_the_calendar() -> None:
    world = World(USUAL).found()
    ask(world, "beta", "gamma")
    world.close()
    until = world.state.grants[PLACE].until
    world.close_until(until - 3)
    assert list(world.state.grants) == [PLACE]
    world.close()
    assert world.state.grants == {}
    dark = World(USUAL).found()
    ask(dark, "beta", "gamma")
    dark.close()
    dark.close(dark.state.grants[PLACE].until)
    assert dark.state.grants == {}


def test_a_newer_request_replaces_the_one_that_waits() -> None:
    world = World(USUAL).found()
    ask(world, "beta")
    world.close()
    newer = change(REQUEST, periods=2)
    world["alpha"].say(newer)
    vote(world, "gamma")
    world.close()
    assert (world.state.grants, list(world.state.requests.values())) == ({}, [wire.encode(newer)])
    vote(world, "beta", "gamma", body=newer)
    world.close()
    assert world.state.grants[PLACE].until - world.state.grants[PLACE].start == 2


def test_who_is_leaving_asks_for_nothing_and_is_granted_nothing() -> None:
    world = World(USUAL).found()
    world["alpha"].say(withdrawal())
    world.close()
    assert world.state.parties["alpha"].membership is Membership.NOTICE
    world["alpha"].say(REQUEST)
    assert reasons(world.close()) == [Reason.NO_AUTHORITY]
    other = World(USUAL).found()
    ask(other, "beta")
    other.close()
    other["alpha"].say(withdrawal())
    other.close()
    vote(other, "gamma")
    other.close()
    assert (other.state.grants, other.state.requests) == ({}, {})


def test_a_lab_has_no_vote_on_its_own_exemption_where_the_rule_says_so() -> None:
    for recuse, count in ((False, 1), (True, 0)):
        terms = agreed(exemption("trial", on_request=True)).terms
        rules = [change(terms.rules[0], recuse_subject=recuse)]
        world = World(agreed(exemption("trial", on_request=True), rules=rules)).found()
        ask(world, "alpha", "beta")
        world.close()
        assert len(world.state.grants) == count


@pytest.mark.parametrize(("on_request", "expected"), [(False, [Reason.NO_AUTHORITY]), (True, [])])
def test_refuses_a_request_for_what_needs_no_grant(on_request: bool, expected: list[Reason]) -> None:
    world = World(agreed(exemption("trial", on_request=on_request))).found()
    world["alpha"].say(REQUEST)
    assert reasons(world.close()) == expected


def test_a_state_with_grants_is_the_same_after_its_text() -> None:
    world = World(USUAL).found()
    ask(world, "beta", "gamma")
    world["beta"].say(REQUEST)
    world.close()
    assert world.state.grants
    assert world.state.requests
    assert read_state(world.state.text()) == world.state


def test_a_duty_names_the_grants_that_run_for_its_level() -> None:
    world = World(USUAL).found()
    ask(world, "beta", "gamma")
    world.close()
    grant = world.state.grants[PLACE]
    bound = LevelState(
        stage=Stage.IN_FORCE, episode=1, end=99, binds={lab: Binding(since=1) for lab in ("alpha", "beta")}
    )
    state = replace(world.state, levels={**world.state.levels, PAUSE: bound})
    assert duty(USUAL, state, "alpha", grant.start).grants == (("trial", grant),)
    assert duty(USUAL, state, "alpha", grant.until - 1).grants
    assert not duty(USUAL, state, "alpha", grant.until).grants
    assert not duty(USUAL, state, "alpha", grant.start - 1).grants
    assert not duty(USUAL, state, "beta", grant.start).grants


def test_grants_and_requests_end_where_terms_ask_for_none_any_more() -> None:
    for kept in (True, False):
        world = World(agreed(*_BOTH, amended_by="council")).found()
        ask(world, "beta", "gamma")
        world["beta"].say(REQUEST)
        world.close()
        after = exempting(_BOTH[0], exemption("trial", on_request=kept), amended_by="council", name="amended")
        amend(world, wire.encode(after))
        assert world.state.terms == sha256(wire.encode(after)).digest()
        assert (list(world.state.grants), list(world.state.requests)) == (([PLACE], ["beta"]) if kept else ([], []))


_BOTH = (exemption(), exemption("trial", on_request=True))
