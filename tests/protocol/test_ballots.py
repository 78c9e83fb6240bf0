"""Who may cast which ballot: motions, seats, and the statements that seats sign."""

from __future__ import annotations

from typing import Any

import pytest

from protocol import wire
from protocol.agreement import Agreement
from protocol.errors import Reason
from protocol.keys import public_key
from protocol.seats import sign_ballot
from protocol.statements import decision
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import decision_pb2, header_pb2
from tests.builders import LABS, PAUSE, agreement, ballot, level, party, seed, terms
from tests.protocol.refusals import refuses
from tests.terms import brake_terms

M = decision_pb2
DIGEST = bytes(range(32))
OTHER_NAME = "another agreement"


def _made(name: str = "test agreement") -> Agreement:
    """Terms in which every motion has a rule, and a senate of two seats votes on them all but one."""
    made = terms(name=name)
    seats = [
        pb.Seat(name="chair", owner="chair's office", public_key=public_key(seed("senate", "chair"))),
        pb.Seat(name="alpha", owner="alpha group", held_by="alpha"),
    ]
    voters = ["alpha", "beta", "senate/chair", "senate/alpha"]
    of_all = pb.Need(count=pb.Need.Count(k=3, voters=voters))
    made.parties.append(party("senate", pb.ROLE_COUNCIL, seats=[pb.SeatClass(name="senators", seats=seats)]))
    made.rules.append(pb.Rule(name="all", ballot_life_periods=6, need=of_all))
    made.rules.append(pb.Rule(name="labs", ballot_life_periods=6, yes=3, voters=LABS))
    changes: dict[str, Any] = {"called_by": "all", "lifted_by": "all", "renewed_by": "all", "armed_by": "all"}
    made.levels[1].CopyFrom(level("pause", PAUSE, brake=brake_terms(ratified_by="all"), **changes))
    made.standing.hold_rule = made.standing.release_rule = "all"
    made.admitted_by = made.amended_by = made.exempted_by = "all"
    # The rules of terms are tested elsewhere.
    return Agreement(wire.encode(made), made)


TERMS = _made()
GOOD: dict[str, M.Ballot] = {
    "call": ballot(M.MOTION_CALL),
    "lift": ballot(M.MOTION_LIFT),
    "renew": ballot(M.MOTION_RENEW),
    "ratify": ballot(M.MOTION_RATIFY),
    "arm": ballot(M.MOTION_ARM),
    "hold": ballot(M.MOTION_HOLD, 0, about="gamma"),
    "release": ballot(M.MOTION_RELEASE, 0, about="gamma"),
    "exempt": ballot(M.MOTION_EXEMPT, PAUSE, 0, about="gamma", asked=DIGEST),
    "admit": ballot(M.MOTION_ADMIT, 0, 0, asked=DIGEST),
    "amend": ballot(M.MOTION_AMEND, 0, 0, asked=DIGEST),
    "resolve": ballot(M.MOTION_RESOLVE, PAUSE, 1, asked=DIGEST, rule="all"),
    "resolve before the first episode": ballot(M.MOTION_RESOLVE, PAUSE, 0, asked=DIGEST, rule="all"),
}
OF_LEVEL = {"call", "lift", "renew", "ratify", "arm", "exempt", "resolve"}
OF_LAB = {"hold", "release", "exempt"}
OF_CONTENT = {"exempt", "admit", "amend", "resolve"}


def _says(body: M.Ballot, author: str = "alpha", made: Agreement = TERMS) -> None:
    decision.ballot(body, header_pb2.Header(author=author), made)


def _changed(body: M.Ballot, **changes: Any) -> M.Ballot:
    found = M.Ballot()
    found.CopyFrom(body)
    for name, value in changes.items():
        setattr(found, name, value)
    return found


def _seat(made: Agreement = TERMS, use: str = "chair", **changes: Any) -> M.Ballot:
    body = _changed(ballot(), **({"seat": "chair", "serial": 1} | changes))
    return sign_ballot(made.digest, body, seed("senate", use))


@pytest.mark.parametrize("name", GOOD)
def test_accepts_every_motion_that_has_a_rule(name: str) -> None:
    _says(GOOD[name])


@pytest.mark.parametrize("name", GOOD)
def test_refuses_a_motion_that_has_no_rule(name: str) -> None:
    made = terms()
    made.rules.append(pb.Rule(name="labs", ballot_life_periods=6, yes=3, voters=LABS[1:]))
    made.levels[1].called_by = made.levels[1].lifted_by = ""
    made.levels[1].brake.SetInParent()
    bare = Agreement(wire.encode(made), made)
    body = _changed(GOOD[name], rule="labs") if GOOD[name].rule else GOOD[name]
    with refuses(Reason.NO_AUTHORITY):
        _says(body, made=bare)


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize(
    ("field", "value", "stated_by", "reason"),
    [
        ("level", 0, OF_LEVEL, Reason.NAME_UNKNOWN),
        ("level", 3, OF_LEVEL, Reason.NAME_UNKNOWN),
        ("about", "", OF_LAB, Reason.NAME_UNKNOWN),
        ("about", "vera", OF_LAB, Reason.NAME_UNKNOWN),
        ("asked", b"", OF_CONTENT, Reason.DIGEST_LENGTH),
        ("asked", DIGEST[:31], OF_CONTENT, Reason.DIGEST_LENGTH),
        ("rule", "", {"resolve"}, Reason.NAME_UNKNOWN),
        ("rule", "elders", {"resolve"}, Reason.NAME_UNKNOWN),
    ],
)
def test_states_what_it_is_about_exactly_where_the_motion_is_about_it(
    name: str, field: str, value: Any, stated_by: set[str], reason: Reason
) -> None:
    body = _changed(GOOD[name], **{field: value})
    if body == GOOD[name]:
        assert not {name, name.split(maxsplit=1)[0]} & stated_by
        return
    with refuses(reason):
        _says(body)


@pytest.mark.parametrize("name", ["exempt", "admit", "amend"])
def test_refuses_an_episode_where_there_is_none(name: str) -> None:
    with refuses(Reason.EPISODE_MISMATCH):
        _says(_changed(GOOD[name], episode=1))


@pytest.mark.parametrize("name", ["call", "lift", "renew", "ratify", "arm", "hold", "release"])
def test_refuses_no_episode_where_there_is_one(name: str) -> None:
    with refuses(Reason.EPISODE_MISMATCH):
        _says(_changed(GOOD[name], episode=0))


def test_refuses_a_voter_that_the_rule_does_not_name() -> None:
    for author, body in (("gamma", ballot()), ("senate", ballot()), ("vera", ballot())):
        with refuses(Reason.NO_AUTHORITY):
            _says(body, author)
    _says(ballot(), "beta")


def test_gives_a_vote_by_name_by_role_and_by_class_of_seats() -> None:
    for count, entitled in (
        (pb.Need.Count(k=1, voters=["beta"]), "beta"),
        (pb.Need.Count(k=1, role=pb.ROLE_LAB), "gamma"),
        (pb.Need.Count(k=1, seats="senators"), "alpha"),
    ):
        made = _made()
        made.terms.rules[1].need.count.CopyFrom(count)
        changed = Agreement(wire.encode(made.terms), made.terms)
        _says(ballot(), entitled, changed)
        with refuses(Reason.NO_AUTHORITY):
            _says(ballot(), "vera", changed)


def test_accepts_a_seat_in_the_log_of_its_council() -> None:
    _says(_seat(), "senate")


@pytest.mark.parametrize(
    ("author", "changes"),
    [("alpha", {}), ("vera", {}), ("senate", {"seat": "clerk"}), ("senate", {"seat": "alpha"})],
    ids=["another's log", "a log of no council", "no such seat", "a seat that a party holds"],
)
def test_refuses_a_seat_that_its_author_does_not_carry(author: str, changes: dict[str, Any]) -> None:
    with refuses(Reason.SEAT_UNKNOWN):
        _says(_seat(**changes), author)


def test_refuses_a_seat_without_a_serial() -> None:
    with refuses(Reason.VALUE_OUT_OF_RANGE):
        _says(_seat(serial=0), "senate")


@pytest.mark.parametrize(
    "changes",
    [
        {"yes": False},
        {"serial": 2},
        {"episode": 2},
        {"level": 1},
        {"seat_signature": bytes(64)},
        {"seat_signature": b""},
    ],
    ids=["vote", "serial", "episode", "level", "signature of zeros", "no signature"],
)
def test_refuses_a_seats_ballot_that_was_changed(changes: dict[str, Any]) -> None:
    with refuses(Reason.SEAT_SIGNATURE):
        _says(_changed(_seat(), **changes), "senate")


def test_refuses_a_seats_ballot_for_another_agreement_or_by_another_key() -> None:
    other = _made(OTHER_NAME)
    assert other.digest != TERMS.digest
    for body in (_seat(other), _seat(use="clerk")):
        with refuses(Reason.SEAT_SIGNATURE):
            _says(body, "senate")
    _says(_seat(other), "senate", other)


def test_lets_use_a_brake_whom_the_level_names_by_role_or_by_name() -> None:
    brake = M.Brake(level=PAUSE)
    by_role = agreement(levels=[level("slowdown", 1), level("pause", PAUSE, brake=brake_terms())])
    by_name = agreement(
        levels=[level("slowdown", 1), level("pause", PAUSE, brake=brake_terms(roles=None, parties=["chipco"]))]
    )
    for made, entitled, others in ((by_role, LABS, ["chipco", "vera"]), (by_name, ["chipco"], ["alpha", "vera"])):
        for name in entitled:
            decision.brake(brake, header_pb2.Header(author=name), made)
        for name in others:
            with refuses(Reason.NO_AUTHORITY):
                decision.brake(brake, header_pb2.Header(author=name), made)
