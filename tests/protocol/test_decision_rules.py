"""Terms are refused whose rules, seats or brakes cannot do what they are for (annex 5.3, 5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from protocol import agreement_rules, decision_rules
from protocol.errors import Reason
from protocol.keys import public_key
from standstill.v1 import agreement_pb2 as pb
from tests.builders import LABS, PAUSE, level, party, seed, terms
from tests.terms import brake_terms

Edit = Callable[[pb.Agreement], object]


def _terms() -> pb.Agreement:
    """Terms with a brake, a senate, and a rule of every form."""
    made = terms()
    seats = [
        pb.Seat(name="chair", owner="chair's office", public_key=public_key(seed("senate", "chair"))),
        pb.Seat(name="clerk", owner="clerk's office", public_key=public_key(seed("senate", "clerk"))),
        pb.Seat(name="alpha", owner="alpha group", held_by="alpha"),
    ]
    made.parties.append(party("senate", pb.ROLE_COUNCIL, seats=[pb.SeatClass(name="senators", seats=seats)]))
    weights = [pb.VoterWeight(voter=voter, weight=2) for voter in (*LABS, "senate/chair")]
    parts = [
        pb.Need(count=pb.Need.Count(k=3, seats="senators")),
        pb.Need(count=pb.Need.Count(k=2, role=pb.ROLE_LAB)),
        pb.Need(weighted=pb.Need.Weighted(of=weights, at_least=6, ceiling=4)),
    ]
    joined = pb.Need(all=pb.Need.Several(of=parts))
    made.rules.append(pb.Rule(name="senate", ballot_life_periods=6, need=joined))
    made.levels[1].CopyFrom(level("pause", PAUSE, brake=brake_terms(ratified_by="senate")))
    return made


def _need(made: pb.Agreement) -> pb.Need:
    return made.rules[1].need


def _seat(made: pb.Agreement, number: int = 0) -> pb.Seat:
    return made.parties[-1].seats[0].seats[number]


def _brake(made: pb.Agreement) -> pb.BrakeTerms:
    return made.levels[1].brake


def _set(place: Callable[[pb.Agreement], Any], name: str, value: Any) -> Edit:
    def edit(made: pb.Agreement) -> None:
        if isinstance(value, list):
            getattr(place(made), name).extend(value)
        else:
            setattr(place(made), name, value)

    return edit


def _part(number: int) -> Callable[[pb.Agreement], Any]:
    def place(made: pb.Agreement) -> Any:
        part = _need(made).all.of[number]
        return getattr(part, str(part.WhichOneof("need")))

    return place


def _itself(made: pb.Agreement) -> pb.Agreement:
    return made


def _pause(made: pb.Agreement) -> pb.Level:
    return made.levels[1]


def _standing(made: pb.Agreement) -> pb.Standing:
    return made.standing


def _rule(made: pb.Agreement) -> pb.Rule:
    return made.rules[1]


def _two_coalitions(made: pb.Agreement) -> None:
    made.rules.append(pb.Rule(name="one", yes=1, voters=LABS[:1], ballot_life_periods=6))
    made.levels[1].brake.ratified_by = "one"
    made.levels[1].lifted_by = "other"
    made.rules.append(pb.Rule(name="other", yes=2, voters=LABS[1:], ballot_life_periods=6))


def _need_of_nothing(made: pb.Agreement) -> None:
    _need(made).Clear()
    _rule(made).need.SetInParent()


def _brake_of_nobody(made: pb.Agreement) -> None:
    _brake(made).ClearField("roles")
    _brake(made).roles.append(pb.ROLE_INSPECTOR)


def _twice(made: pb.Agreement) -> None:
    made.parties[-1].seats.add(name="senators", seats=[pb.Seat(name="vice", owner="x", held_by="alpha")])


BROKEN: list[tuple[str, Edit, Reason]] = [
    (
        "a lab with seats",
        _set(
            lambda made: made.parties[0],
            "seats",
            [pb.SeatClass(name="x", seats=[pb.Seat(name="y", owner="z", held_by="alpha")])],
        ),
        Reason.ROLE_MISSING,
    ),
    ("a council without seats", lambda made: made.parties[-1].ClearField("seats"), Reason.ROLE_MISSING),
    ("a class of seats twice", _twice, Reason.NAME_TWICE),
    ("a class with a bad name", _set(lambda made: made.parties[-1].seats[0], "name", "A|B"), Reason.NAME_MALFORMED),
    ("a seat twice", _set(lambda made: _seat(made, 1), "name", "chair"), Reason.NAME_TWICE),
    ("a seat with a bad name", _set(_seat, "name", "the chair"), Reason.NAME_MALFORMED),
    ("a seat of nobody", _set(_seat, "owner", ""), Reason.FIELD_ABSENT),
    ("a seat without key or holder", _set(_seat, "public_key", b""), Reason.SEAT_UNKNOWN),
    ("a seat with both", _set(_seat, "held_by", "alpha"), Reason.SEAT_UNKNOWN),
    ("a seat held by nobody known", _set(lambda made: _seat(made, 2), "held_by", "delta"), Reason.NAME_UNKNOWN),
    ("a seat counted with another group", _set(lambda made: _seat(made, 2), "owner", "elders"), Reason.SEAT_UNKNOWN),
    (
        "one key for two seats",
        _set(lambda made: _seat(made, 1), "public_key", public_key(seed("senate", "chair"))),
        Reason.KEY_TWICE,
    ),
    ("a seat with a log's key", _set(_seat, "public_key", public_key(seed("alpha", "log"))), Reason.KEY_TWICE),
    ("a seat with a short key", _set(_seat, "public_key", bytes(31)), Reason.KEY_LENGTH),
    ("a need beside votes", _set(_rule, "yes", 2), Reason.RULES_CONTRADICT),
    ("a need beside voters", _set(_rule, "voters", ["alpha"]), Reason.RULES_CONTRADICT),
    ("a need of nothing", _need_of_nothing, Reason.FIELD_ABSENT),
    ("all of none", lambda made: _need(made).all.ClearField("of"), Reason.FIELD_ABSENT),
    ("a part of nothing", lambda made: _need(made).all.of[0].Clear(), Reason.FIELD_ABSENT),
    ("a count of nobody", _set(_part(0), "seats", ""), Reason.FIELD_ABSENT),
    ("a count in two ways", _set(_part(0), "role", pb.ROLE_LAB), Reason.FIELD_ABSENT),
    ("a count of a class unknown", _set(_part(0), "seats", "elders"), Reason.NAME_UNKNOWN),
    ("a count of a role unknown", _set(_part(1), "role", 99), Reason.ROLE_MISSING),
    ("a count of none", _set(_part(1), "k", 0), Reason.QUORUM_CANNOT_BE_MET),
    ("a count of more than there are", _set(_part(1), "k", 4), Reason.QUORUM_CANNOT_BE_MET),
    (
        "a count of more seats than groups",
        _set(lambda made: _seat(made, 1), "owner", "chair's office"),
        Reason.QUORUM_CANNOT_BE_MET,
    ),
    (
        "weights of a voter unknown",
        _set(lambda made: _part(2)(made).of[0], "voter", "senate/usher"),
        Reason.NAME_UNKNOWN,
    ),
    ("weights of a voter twice", _set(lambda made: _part(2)(made).of[0], "voter", "beta"), Reason.NAME_TWICE),
    ("a weight of nothing", _set(lambda made: _part(2)(made).of[0], "weight", 0), Reason.VALUE_OUT_OF_RANGE),
    ("more weight than there is", _set(_part(2), "at_least", 9), Reason.QUORUM_CANNOT_BE_MET),
    ("more weight than ceilings leave", _set(_part(2), "ceiling", 1), Reason.QUORUM_CANNOT_BE_MET),
    ("no weight needed", _set(_part(2), "at_least", 0), Reason.QUORUM_CANNOT_BE_MET),
    ("ballots that never count", _set(_rule, "ballot_life_periods", 0), Reason.VALUE_OUT_OF_RANGE),
    ("novices for longer than anybody lives", _set(_itself, "novice_periods", 1_000_001), Reason.VALUE_OUT_OF_RANGE),
    ("renewed by an unknown rule", _set(_pause, "renewed_by", "elders"), Reason.NAME_UNKNOWN),
    ("armed by an unknown rule", _set(_pause, "armed_by", "elders"), Reason.NAME_UNKNOWN),
    ("called by an unknown rule", _set(_pause, "called_by", "elders"), Reason.NAME_UNKNOWN),
    ("lifted by no rule", _set(_pause, "lifted_by", ""), Reason.NAME_UNKNOWN),
    ("a brake ratified by no rule", _set(_brake, "ratified_by", ""), Reason.NAME_UNKNOWN),
    ("a brake for nobody known", _set(_brake, "parties", ["delta"]), Reason.NAME_UNKNOWN),
    (
        "a brake for a role that nobody has",
        _brake_of_nobody,
        Reason.QUORUM_CANNOT_BE_MET,
    ),
    ("a brake without window", _set(_brake, "window_periods", 0), Reason.VALUE_OUT_OF_RANGE),
    ("a brake whose cap cuts its window", _set(_brake, "cap_periods", 2), Reason.CLOCKS_CONTRADICT),
    ("a brake that is over before the wind-down", _set(_pause, "wind_down_periods", 3), Reason.CLOCKS_CONTRADICT),
    ("brakes that can be chained for ever", _set(_brake, "rest_periods", 9), Reason.RULES_CONTRADICT),
    ("some ratify what others lift", _two_coalitions, Reason.RULES_CONTRADICT),
]

KEPT: list[tuple[str, Edit]] = [
    ("unchanged", lambda _: None),
    ("a count of all there are", _set(_part(1), "k", 3)),
    ("all the weight there is", _set(_part(2), "at_least", 8)),
    ("a cap as long as the window", _set(_brake, "cap_periods", 3)),
    ("a wind-down just shorter than the brake", _set(_pause, "wind_down_periods", 2)),
    (
        "renewed and armed by rules that there are",
        lambda made: made.levels[1].MergeFrom(pb.Level(renewed_by="senate", armed_by="council")),
    ),
    ("a group that brakes twice as two parties", _set(_brake, "parties", ["alpha"])),
    ("no snap-back and then one", _set(_pause, "snap_back", True)),
]


@pytest.mark.parametrize(("name", "edit", "reason"), BROKEN, ids=[one[0] for one in BROKEN])
def test_refuses(name: str, edit: Edit, reason: Reason) -> None:
    made = _terms()
    edit(made)
    found = agreement_rules.problems(made)
    assert reason in {one.reason for one in found}, [str(one) for one in found]


@pytest.mark.parametrize(("name", "edit"), KEPT, ids=[one[0] for one in KEPT])
def test_accepts(name: str, edit: Edit) -> None:
    made = _terms()
    edit(made)
    assert [str(one) for one in agreement_rules.problems(made)] == []


def test_counts_who_may_brake_by_control_group() -> None:
    made = _terms()
    made.levels[1].brake.rest_periods = 7
    # Three groups of three periods need a rest of ten, two of them one of seven.
    found = list(decision_rules.brakes_cannot_be_chained(made))
    assert [one.reason for one in found] == [Reason.RULES_CONTRADICT]
    made.parties[1].owner = made.parties[0].owner
    assert list(decision_rules.brakes_cannot_be_chained(made)) == []


@pytest.mark.parametrize("field", ["admitted_by", "amended_by", "exempted_by"])
def test_refuses_what_is_decided_by_a_rule_that_is_not_there(field: str) -> None:
    for name, known in (("elders", False), ("senate", True)):
        made = _terms()
        setattr(made, field, name)
        assert [one.field for one in decision_rules.rules_are_named(made)] == ([] if known else [field])


@pytest.mark.parametrize("field", ["hold_rule", "release_rule"])
def test_refuses_standing_decided_by_a_rule_that_is_not_there(field: str) -> None:
    for name, known in (("elders", False), ("senate", True)):
        made = _terms()
        setattr(_standing(made), field, name)
        wanted = [] if known else [f"standing.{field}"]
        assert [one.field for one in decision_rules.rules_are_named(made)] == wanted


def test_refuses_release_by_a_vote_that_no_rule_counts() -> None:
    made = _terms()
    made.standing.release = pb.RELEASE_ON_VOTE
    assert [one.reason for one in decision_rules.rules_are_named(made)] == [Reason.FIELD_ABSENT]
    made.standing.release_rule = "senate"
    assert list(decision_rules.rules_are_named(made)) == []


def test_tells_an_author_about_brakes_before_there_are_parties() -> None:
    made = _terms()
    made.levels[1].brake.cap_periods = 1
    del made.parties[:], made.founding[:], made.rules[:]
    assert Reason.CLOCKS_CONTRADICT in {one.reason for one in agreement_rules.problems_of_draft(made)}
