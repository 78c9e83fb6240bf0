"""The fold: which ballots count, whose they are, and how long they stay (annex 5.3, 2)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import fold
from protocol.agreement import Agreement
from protocol.errors import Reason
from protocol.fold.work import Work
from protocol.keys import public_key
from protocol.leaf import ReadLeaf
from protocol.seats import sign_ballot
from protocol.state import Stage
from protocol.truth import Explained, Truth
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import condition_pb2, decision_pb2
from tests.bodies import brake
from tests.builders import (
    ALWAYS,
    LABS,
    PAUSE,
    World,
    agreement,
    ballot,
    indicator_report,
    key_set,
    level,
    party,
    pledge,
    reading,
    seed,
    terms,
    withdrawal,
)
from tests.terms import brake_terms

CALL, LIFT, RENEW = decision_pb2.MOTION_CALL, decision_pb2.MOTION_LIFT, decision_pb2.MOTION_RENEW
ARM, RATIFY, RESOLVE = decision_pb2.MOTION_ARM, decision_pb2.MOTION_RATIFY, decision_pb2.MOTION_RESOLVE
DIGEST = bytes(range(32))


def _senate(**changes: Any) -> Agreement:
    """Levels that two of three seats of a senate decide; the trigger is always true."""
    seats = [
        pb.Seat(name=name, owner=f"{name}'s office", public_key=public_key(seed("senate", name)))
        for name in ("first", "second", "third")
    ]
    senate = party("senate", pb.ROLE_COUNCIL, seats=[pb.SeatClass(name="senators", seats=seats)])
    rule = pb.Rule(name="council", ballot_life_periods=6, need=pb.Need(count=pb.Need.Count(k=2, seats="senators")))
    wanted = {"trigger": ALWAYS, "steady_steps": 1} | changes
    levels = [level("slowdown", 1), level("pause", PAUSE, **wanted)]
    return agreement(rules=[rule], levels=levels, parties=[*terms().parties, senate])


def _seat_votes(world: World, seat: str, serial: int, body: decision_pb2.Ballot | None = None) -> ReadLeaf:
    """A seat's ballot, in the log of the senate."""
    unsigned = ballot() if body is None else body
    unsigned.seat, unsigned.serial = seat, serial
    return world["senate"].say(sign_ballot(world.agreement.digest, unsigned, seed("senate", seat)))


def _stage(world: World) -> Stage:
    return world.state.levels[PAUSE].stage


def _leaves(why: Explained) -> list[Explained]:
    return [leaf for part in why.because for leaf in _leaves(part)] if why.because else [why]


def test_seats_decide_through_the_log_of_their_council() -> None:
    world = World(_senate()).found()
    _seat_votes(world, "first", 1)
    world.close()
    assert _stage(world) is Stage.OPEN
    said = _seat_votes(world, "third", 4)
    outcome = world.close()
    assert _stage(world) is Stage.WINDING
    (moved,) = outcome.transitions
    votes = [leaf for leaf in _leaves(moved.why) if "senate/" in leaf.text]
    assert [leaf.text for leaf in votes] == ["senate/first log 2", "senate/third log 3"]
    (ref,) = votes[1].evidence
    assert (ref.origin, ref.index, ref.identity) == (said.origin, said.index, said.identity)


@pytest.mark.parametrize(("serial", "reason"), [(5, Reason.SERIAL_REUSED), (1, Reason.SERIAL_REUSED), (6, None)])
def test_refuses_a_seats_ballot_that_comes_again(serial: int, reason: Reason | None) -> None:
    world = World(_senate()).found()
    _seat_votes(world, "first", 5)
    world.close()
    said = _seat_votes(world, "first", serial, ballot(yes=False))
    refusal = world.close().refusals.get((said.origin, said.index))
    assert (refusal.reason if refusal else None) is reason
    (kept,) = world.state.ballots.values()
    assert (kept.serial, kept.yes) == ((5, True) if reason else (6, False))


def test_serials_of_a_seat_rise_within_a_record_and_over_all_that_it_votes_on() -> None:
    world = World(_senate()).found()
    _seat_votes(world, "first", 2)
    again = _seat_votes(world, "first", 2, ballot(rank=1))
    other = _seat_votes(world, "second", 1)
    outcome = world.close()
    assert outcome.refusals[again.origin, again.index].reason is Reason.SERIAL_REUSED
    assert (other.origin, other.index) not in outcome.refusals
    assert _stage(world) is Stage.WINDING


def test_an_old_ballot_of_a_seat_cannot_come_again_once_it_counts_no_longer() -> None:
    world = World(_senate()).found()
    _seat_votes(world, "first", 1)
    world.close()
    _seat_votes(world, "first", 2, ballot(yes=False))
    world.close_until(20)
    replayed = _seat_votes(world, "first", 1)
    outcome = world.close()
    assert outcome.refusals[replayed.origin, replayed.index].reason is Reason.SERIAL_REUSED


def test_a_seats_ballot_stays_when_its_council_takes_its_key_back() -> None:
    for author, body in (("senate", None), ("alpha", ballot())):
        world = World(agreement() if body else _senate()).found()
        if body:
            world[author].say(body)
        else:
            _seat_votes(world, "first", 1)
        world.close()
        world[author].say(key_set(author, 2, revoked_from=2))
        world.close()
        # A party's own ballot is by the key that it takes back, a seat's is by the seat.
        assert len(world.state.ballots) == (0 if body else 1)


def test_forgets_ballots_that_no_rule_counts_any_longer() -> None:
    world = World().found()
    world.vote(CALL)
    world.close()
    counts = []
    for _ in range(6):
        counts.append(len(world.state.ballots))
        world.close()
    assert counts == [2] * 6
    assert world.state.ballots == {}


def test_seats_that_renewed_do_not_renew_again_and_keep_their_serials() -> None:
    world = World(_senate(mandate_periods=4)).found()
    for seat in ("first", "second"):
        _seat_votes(world, seat, 1)
    world.close()
    for seat in ("first", "second"):
        _seat_votes(world, seat, 2, ballot(RENEW))
    world.close()
    end = world.state.levels[PAUSE].end
    world.close()
    assert world.state.levels[PAUSE].end == end
    again = _seat_votes(world, "first", 2, ballot(RENEW))
    assert world.close().refusals[again.origin, again.index].reason is Reason.SERIAL_REUSED


@pytest.mark.parametrize("called", [False, True])
def test_refuses_to_renew_a_level_that_does_not_restrict(called: bool) -> None:
    world = World(agreement(levels=[level("slowdown", 1), level("pause", PAUSE, trigger=ALWAYS)])).found()
    if called:
        world.vote(CALL)
    world.close()
    said = world["alpha"].say(ballot(RENEW))
    refusal = world.close().refusals.get((said.origin, said.index))
    assert (refusal.reason if refusal else None) is (None if called else Reason.PHASE_MISMATCH)


@pytest.mark.parametrize(("motion", "reason"), [(CALL, None), (LIFT, Reason.NO_AUTHORITY)])
def test_lets_a_party_that_leaves_tighten_and_not_lift(motion: Any, reason: Reason | None) -> None:
    world = World().found()
    world["alpha"].say(withdrawal())
    world.close()
    said = world["alpha"].say(ballot(motion))
    refusal = world.close().refusals.get((said.origin, said.index))
    assert (refusal.reason if refusal else None) is reason


def test_a_level_is_renewed_by_the_rule_that_the_terms_name_for_it() -> None:
    for renewed_by, renewed in (("labs", True), ("", False)):
        made = terms()
        all_labs = pb.Rule(name="labs", yes=3, voters=LABS, ballot_life_periods=6)
        one_lab = pb.Rule(name="one", yes=1, voters=LABS, ballot_life_periods=6)
        pause = level("pause", PAUSE, trigger=ALWAYS, called_by="one", lifted_by="labs", renewed_by=renewed_by)
        world = World(agreement(rules=[*made.rules, all_labs, one_lab], levels=[level("slowdown", 1), pause])).found()
        world.vote(CALL, ["alpha"])
        world.close()
        end = world.state.levels[PAUSE].end
        world.vote(RENEW, ["alpha"])
        world.close()
        # One lab renews where it may call and nothing else is said.
        assert (world.state.levels[PAUSE].end == end) is renewed


def test_a_motion_arms_a_level_whose_trigger_stays_true() -> None:
    for votes in (0, 1, 2):
        pause = level(
            "pause", PAUSE, called_by="", armed_by="council", mandate_periods=4, steady_steps=1, ramp_periods=1
        )
        world = World(agreement(levels=[level("slowdown", 1), pause])).found()
        for period in range(10):
            for lab in LABS:
                world[lab].say(indicator_report(lab, 2_500))
                world[lab].say(pledge())
            if period == 8:
                assert (_stage(world), world.state.levels[PAUSE].armed) == (Stage.OPEN, False)
                world.vote(ARM, LABS[:votes])
            world.close()
        assert world.state.levels[PAUSE].episode == (2 if votes == 2 else 1)


@pytest.mark.parametrize("recuse", [False, True])
def test_whoever_meets_the_trigger_has_no_vote_where_that_is_agreed(recuse: bool) -> None:
    rule = pb.Rule(name="council", yes=2, voters=LABS, ballot_life_periods=6, recuse_subject=recuse)
    pause = level("pause", PAUSE, trigger=reading(2_000))
    world = World(agreement(rules=[rule], levels=[level("slowdown", 1), pause])).found()
    for lab, value in zip(LABS, (2_500, 100, 100), strict=True):
        world[lab].say(pledge())
        world[lab].say(indicator_report(lab, value))
    world.vote(CALL, ["alpha", "beta"])
    outcome = world.close()
    assert _stage(world) is (Stage.OPEN if recuse else Stage.WINDING)
    assert any("alpha group has no vote" in line for line in outcome.reasons[PAUSE].lines()) is recuse
    # Two others are as many as were always needed.
    world.vote(CALL, ["gamma"])
    world.close()
    assert world.state.levels[PAUSE].episode == 1


@pytest.mark.parametrize(
    ("asked", "episode", "lifted"), [(DIGEST, 1, True), (DIGEST[::-1], 1, False), (DIGEST, 2, False)]
)
def test_a_finding_that_was_voted_counts_in_conditions_for_its_episode(
    asked: bytes, episode: int, lifted: bool
) -> None:
    found = condition_pb2.Condition(carried=condition_pb2.Condition.Carried(rule="council", level=PAUSE, asked=DIGEST))
    pause = level("pause", PAUSE, trigger=ALWAYS, resume=found, steady_steps=1)
    world = World(agreement(levels=[level("slowdown", 1), pause])).found()
    world.vote(CALL)
    world.close()
    for lab in LABS[:2]:
        world[lab].say(ballot(RESOLVE, PAUSE, episode, asked=asked, rule="council"))
        world[lab].say(ballot(LIFT))
    world.close()
    assert _stage(world) is (Stage.RAMPING if lifted else Stage.IN_FORCE)


def test_every_vote_that_decided_is_named_by_its_statement() -> None:
    world = World(agreement(levels=[level("slowdown", 1), level("pause", PAUSE, trigger=ALWAYS)])).found()
    said = [world[lab].say(ballot()) for lab in LABS[:2]]
    (moved,) = world.close().transitions
    assert moved.row == ("call", "entry")
    refs = [ref for leaf in _leaves(moved.why) for ref in leaf.evidence if leaf.value is Truth.TRUE]
    assert [(ref.origin, ref.index, ref.identity) for ref in refs] == [
        (leaf.origin, leaf.index, leaf.identity) for leaf in said
    ]


@settings(max_examples=24)
@given(st.permutations([*LABS, "senate"]), st.permutations([*LABS, "senate"]))
def test_order_between_logs_changes_neither_ballots_nor_brakes(first: list[str], second: list[str]) -> None:
    found = []
    for order in (first, second):
        work = Work(RECORDED.agreement, RECORDED.state, RECORD, replace(RECORDED.state, period=2, closings=3))
        by_log = {RECORDED.agreement.parties[name].origin: place for place, name in enumerate(order)}
        work.accepted = sorted(
            (leaf for leaves in RECORD.leaves.values() for leaf in leaves), key=lambda leaf: by_log[leaf.origin]
        )
        for stage in (stage for stage in fold.STAGES if stage.__name__ in STAGES):
            stage(work)
        found.append((work.new.digest(), sorted(work.refusals)))
    assert found[0] == found[1]
    assert found[0][1] == [("gamma.example/standstill", 3), ("senate.example/standstill", 4)]


def _recorded() -> World:
    """A world whose record to come holds votes, a seat's vote twice, and brakes of which one comes too soon."""
    world = World(_senate(brake=brake_terms(ratified_by="council"))).found()
    world["gamma"].say(brake())
    world.close()
    for lab in LABS:
        world[lab].say(brake())
        world[lab].say(pledge())
    _seat_votes(world, "first", 1, ballot(RATIFY))
    _seat_votes(world, "second", 1, ballot(RATIFY))
    _seat_votes(world, "second", 1, ballot(CALL))
    return world


STAGES = ("ballots", "phases", "bind")
RECORDED = _recorded()
RECORD = RECORDED.record()
