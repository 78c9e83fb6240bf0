"""The fold: who takes part, which statements count, and that everybody computes the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import fold, wire
from protocol.closing import Record, next_closing
from protocol.errors import Reason
from protocol.fold.work import Outcome
from protocol.leaf import Bodies, Cursor, read_leaves
from protocol.state import Membership, State, Status, read_state
from standstill.v1 import decision_pb2, header_pb2
from tests.builders import (
    LABS,
    World,
    agreement,
    assessment,
    attestation,
    ballot,
    change,
    founding,
    indicator_report,
    key_set,
    meter_reading,
    misbehavior,
    pledge,
    reordered,
    transfer,
    withdrawal,
)
from tests.protocol.refusals import refuses

CALL, LIFT = decision_pb2.MOTION_CALL, decision_pb2.MOTION_LIFT
TERMS = agreement()


def _reasons(outcome: Outcome) -> dict[tuple[str, int], Reason]:
    return {place: refused.reason for place, refused in outcome.refusals.items()}


def _status(world: World) -> Status:
    return world.state.status


def _but_for_sizes(state: State) -> State:
    parties = {name: replace(party, size=0) for name, party in state.parties.items()}
    return replace(state, parties=parties, closing=b"")


def test_is_in_force_once_every_founder_has_founded_under_keys() -> None:
    world = World()
    for name in ("alpha", "beta", "gamma"):
        world[name].found()
    world["vera"].say(founding(TERMS))
    world.close()
    assert _status(world) is Status.FORMING
    world["vera"].say(key_set("vera"))
    world.close()
    assert (_status(world), world.state.since) == (Status.IN_FORCE, 3)
    memberships = {name: party.membership for name, party in world.state.parties.items()}
    assert memberships == dict.fromkeys((*LABS, "vera"), Membership.IN) | dict.fromkeys(
        ("chipco", "gridco"), Membership.FORMING
    )


def test_lets_who_is_no_founder_in_later() -> None:
    world = World()
    for name in (*LABS, "vera"):
        world[name].found()
    world.close()
    world["gridco"].found()
    world.close()
    assert world.state.parties["gridco"].membership is Membership.IN
    assert world.state.since == 2


@pytest.mark.parametrize("last", [4, 5])
def test_is_void_when_it_is_not_in_force_in_time(last: int) -> None:
    world = World()
    for name in LABS:
        world[name].found()
    for _ in range(last - 1):
        world.close()
    assert _status(world) is Status.FORMING
    if last == 4:
        world["vera"].found()
    world.close()
    assert _status(world) is (Status.IN_FORCE if last == 4 else Status.VOID)
    if last == 5:
        world["vera"].found()
        world.close()
        assert _status(world) is Status.VOID


def test_accepts_only_founding_and_keys_while_forming() -> None:
    world = World()
    world["alpha"].found()
    world["alpha"].say(ballot())
    world["alpha"].say(attestation(TERMS, 0))
    world["vera"].found()
    world["vera"].say(misbehavior(TERMS, "beta"))
    assert all(leaf.refusal is None for leaf in world["alpha"].read + world["vera"].read)
    outcome = world.close()
    alpha, vera = TERMS.parties["alpha"].origin, TERMS.parties["vera"].origin
    assert _reasons(outcome) == {
        (alpha, 2): Reason.NOT_IN_FORCE,
        (alpha, 3): Reason.NOT_IN_FORCE,
        (vera, 2): Reason.NOT_IN_FORCE,
    }
    assert not world.state.ballots
    assert not world.state.parties["beta"].convicted


REFUSED: list[tuple[str, str, Callable[[], Any], dict[str, Any], Reason]] = [
    ("a body that breaks a rule", "alpha", lambda: ballot(rank=9), {}, Reason.NAME_UNKNOWN),
    ("an attestation of a period that lasts", "alpha", lambda: attestation(TERMS, 1), {}, Reason.PERIOD_MISMATCH),
    ("a reading of a period ahead", "gridco", lambda: meter_reading(TERMS, 5), {}, Reason.PERIOD_MISMATCH),
    ("an assessment of a period ahead", "vera", assessment, {"period": 1}, Reason.PERIOD_MISMATCH),
    ("keys of a version that jumps", "alpha", lambda: key_set("alpha", 3), {}, Reason.KEY_SET_VERSION),
    ("a second founding", "alpha", lambda: founding(TERMS), {}, Reason.SEQUENCE_MISMATCH),
]


@pytest.mark.parametrize(("name", "author", "body", "about", "reason"), REFUSED, ids=[one[0] for one in REFUSED])
def test_a_refused_statement_changes_only_the_recorded_size(
    name: str, author: str, body: Callable[[], Any], about: dict[str, Any], reason: Reason
) -> None:
    with_it, without = World(TERMS).found(), World(TERMS).found()
    with_it[author].say(body(), **about)
    refused, plain = with_it.close(), without.close()
    assert _reasons(refused) == {(TERMS.parties[author].origin, 2): reason}
    assert _but_for_sizes(refused.state) == _but_for_sizes(plain.state)
    assert refused.state.parties[author].size == 3


def test_takes_the_same_statement_a_period_later() -> None:
    world = World(TERMS).found()
    world.close()
    world["alpha"].say(attestation(TERMS, 1))
    outcome = world.close()
    assert outcome.refusals == {}
    assert list(outcome.state.conduct["alpha"].attested.values()) == [1]


def _busy() -> World:
    """A world in which everybody says something in one period."""
    world = World(agreement(4, lying_verifiers=1)).found()
    world.close()
    for lab in LABS:
        world[lab].say(pledge())
        world[lab].say(attestation(world.agreement, 1))
        world[lab].say(indicator_report(lab, 2_000))
        world[lab].say(ballot(yes=lab != "gamma"))
    world["alpha"].say(withdrawal("done"))
    world["beta"].say(key_set("beta", 2))
    world["chipco"].say(transfer(counterparty="alpha"), period=1)
    world["gridco"].say(meter_reading(world.agreement, 1))
    world["vito"].say(misbehavior(world.agreement, "gamma"))
    world.assess("alpha", 0, header_pb2.VERDICT_BREACHED)
    return world


@given(st.permutations(range(9)))
def test_order_between_logs_does_not_exist(order: list[int]) -> None:
    world = _busy()
    record = world.record()
    origins = sorted(record.leaves)
    assert len(origins) == len(order)
    expected = fold.step(world.agreement, world.state, record)
    found = fold.step(world.agreement, world.state, reordered(record, [origins[place] for place in order]))
    assert found.state.digest() == expected.state.digest()
    assert found.refusals.keys() == expected.refusals.keys()


def test_order_within_a_log_counts() -> None:
    states = []
    for yes in (True, False):
        world = World(TERMS).found()
        world["alpha"].say(ballot(yes=yes))
        world["alpha"].say(ballot(yes=not yes))
        states.append(world.close().state)
    first, second = (next(iter(state.ballots.values())) for state in states)
    assert (first.yes, second.yes) == (False, True)


def test_gives_the_same_state_to_everybody_who_may_not_read_what_is_restricted() -> None:
    world = _busy()
    world["alpha"].say(attestation(world.agreement, 1, chips={"H999": 2}))
    record = world.record()
    parties = {}
    for origin in record.leaves:
        party = world[world.agreement.logs[origin]]
        served = [
            change(leaf, body=b"", body_salt=b"")
            if read.header is not None and read.header.audience > header_pb2.AUDIENCE_PARTIES
            else leaf
            for leaf, read in zip(party.leaves, party.read, strict=True)
        ]
        start = Cursor(origin, party.name)
        read, _ = read_leaves(world.agreement, start, served, bodies=Bodies.WITHHELD)
        parties[origin] = read[world.state.parties[party.name].size :]
    verifier = fold.step(world.agreement, world.state, record)
    party_state = fold.step(world.agreement, world.state, replace(record, leaves=parties)).state
    assert party_state.digest() == verifier.state.digest()
    assert Reason.CHIP_CLASS_UNKNOWN in _reasons(verifier).values()


def test_computes_the_same_again_and_from_the_text_of_the_state() -> None:
    world = _busy()
    record = world.record()
    once = fold.step(world.agreement, world.state, record)
    again = fold.step(world.agreement, read_state(world.state.text()), record)
    assert once.state == again.state
    assert once.state.digest() == again.state.digest()


def test_pins_the_state_after_a_busy_period() -> None:
    assert _busy().close().state.digest().hex() == "7aaf00558bbabaadc6df258aa8bee0b58648984a348a4285df403f43eb6ece66"


def test_refuses_a_record_that_lacks_leaves_of_its_closing() -> None:
    world = World(TERMS).found()
    world["alpha"].say(ballot())
    world["alpha"].say(ballot(yes=False))
    record = world.record()
    origin = TERMS.parties["alpha"].origin
    fold.step(TERMS, world.state, record)
    leaves = list(record.leaves[origin])
    for kept in ([], leaves[:1], leaves[1:], leaves[::-1], [*leaves, leaves[-1]]):
        with refuses(Reason.LEAF_WITHHELD):
            fold.step(TERMS, world.state, replace(record, leaves={origin: kept}))


def test_refuses_a_closing_that_does_not_follow() -> None:
    world = World(TERMS).found()
    record = world.record()
    fold.step(TERMS, world.state, record)
    with refuses(Reason.STATE_DIFFERS):
        fold.step(TERMS, replace(world.state, since=3), record)
    closing = next_closing(world.state, 0, [])
    with refuses(Reason.CLOSING_NOT_NEXT):
        fold.step(TERMS, world.state, Record(wire.encode(closing), closing, {}))


def test_chains_closings() -> None:
    world = World(TERMS).found()
    record = world.record()
    after = world.close()
    assert (after.state.closing, after.state.closings, after.state.period) == (record.digest, 2, 1)
    assert world.record().closing.previous == record.digest


def test_a_statement_left_out_of_a_closing_counts_in_the_next() -> None:
    world = World(TERMS).found()
    world["alpha"].say(ballot())
    world.close(names=["beta"])
    assert not world.state.ballots
    world.close()
    assert [one.period for one in world.state.ballots.values()] == [2]


def test_convicts_whoever_a_proof_names() -> None:
    world = World(TERMS).found()
    world["vera"].say(misbehavior(TERMS, "beta"))
    world.close()
    assert {name for name, party in world.state.parties.items() if party.convicted} == {"beta"}


def test_takes_keys_back_from_the_index_on_that_a_key_set_names() -> None:
    world = World(TERMS).found()
    alpha = world["alpha"]
    alpha.say(ballot(LIFT))
    alpha.say(ballot())
    world.close()
    assert len(world.state.ballots) == 2
    alpha.say(attestation(TERMS, 0))
    alpha.say(ballot(LIFT, yes=False))
    alpha.say(key_set("alpha", 2, revoked_from=3))
    alpha.say(attestation(TERMS, 1))
    outcome = world.close()
    # Leaves from 3 on that are not recorded are refused; the recorded ballot from 3 on no longer counts (annex 3.3).
    assert _reasons(outcome) == {(alpha.cursor.origin, index): Reason.KEY_REVOKED for index in (4, 5)}
    assert [one.index for one in outcome.state.ballots.values()] == [2]
    assert list(outcome.state.conduct["alpha"].attested.values()) == [1]
    assert outcome.state.parties["alpha"].keys_version == 2


def test_takes_nothing_back_unless_a_key_set_says_so() -> None:
    world = World(TERMS).found()
    world["alpha"].say(ballot())
    world["alpha"].say(key_set("alpha", 2))
    outcome = world.close()
    assert outcome.refusals == {}
    assert len(outcome.state.ballots) == 1
