"""What a condition must satisfy before anyone signs it."""

from __future__ import annotations

import pytest

from protocol import condition_rules
from protocol.errors import Reason
from standstill.v1 import agreement_pb2
from standstill.v1 import condition_pb2 as pb
from tests.builders import ALWAYS, NEVER, PAUSE, change, elapsed, keeps, level, party, phase, reading, terms

Condition = pb.Condition
TERMS = terms()


def every(*parts: Condition) -> Condition:
    return Condition(all=Condition.Several(of=parts))


def some(*parts: Condition) -> Condition:
    return Condition(any=Condition.Several(of=parts))


def at_least(k: int, *parts: Condition) -> Condition:
    return Condition(at_least=Condition.AtLeast(k=k, of=parts))


def honored(rank: int, periods: int) -> Condition:
    return Condition(honored=Condition.Honored(level=rank, periods=periods))


def read(**changes: object) -> Condition:
    return Condition(reading=change(reading(10).reading, **changes))


def nested(depth: int) -> Condition:
    return ALWAYS if depth == 0 else every(nested(depth - 1))


GOOD = {
    "a constant": ALWAYS,
    "a reading of all labs": reading(10, labs=3),
    "a reading of one lab": read(of=["beta"]),
    "a phase": phase(PAUSE, pb.PHASE_OPEN),
    "labs that keep a level": keeps(1, "alpha", "beta", k=1),
    "honored": honored(1, 1),
    "elapsed": elapsed(2, 1),
    "two of three": at_least(2, ALWAYS, NEVER, ALWAYS),
    "nesting of the greatest depth": nested(condition_rules.MAX_DEPTH),
}
BROKEN = {
    "no test": (Condition(), Reason.CONDITION_MALFORMED),
    "no test within": (every(ALWAYS, Condition()), Reason.CONDITION_MALFORMED),
    "all of nothing": (every(), Reason.CONDITION_MALFORMED),
    "any of nothing": (some(), Reason.CONDITION_MALFORMED),
    "none of some": (at_least(0, ALWAYS), Reason.CONDITION_MALFORMED),
    "three of two": (at_least(3, ALWAYS, ALWAYS), Reason.CONDITION_MALFORMED),
    "nesting too deep": (nested(condition_rules.MAX_DEPTH + 1), Reason.CONDITION_MALFORMED),
    "an unknown indicator": (read(indicator="height"), Reason.NAME_UNKNOWN),
    "a reading of somebody else": (read(of=["chipco"]), Reason.NAME_UNKNOWN),
    "a reading of a lab twice": (read(of=["alpha", "alpha"], labs=2), Reason.NAME_TWICE),
    "a reading of no lab": (read(labs=0), Reason.CONDITION_MALFORMED),
    "a reading of more labs than there are": (read(labs=4), Reason.CONDITION_MALFORMED),
    "a reading of more labs than listed": (read(of=["beta"], labs=2), Reason.CONDITION_MALFORMED),
    "a comparison left out": (read(comparison=0), Reason.CONDITION_MALFORMED),
    "a level that is none": (phase(3, pb.PHASE_OPEN), Reason.NAME_UNKNOWN),
    "a phase left out": (phase(1, pb.PHASE_UNSPECIFIED), Reason.CONDITION_MALFORMED),
    "keeping by somebody else": (keeps(1, "chipco"), Reason.NAME_UNKNOWN),
    "keeping by a lab twice": (keeps(1, "alpha", "alpha", k=1), Reason.NAME_TWICE),
    "keeping by nobody": (keeps(1), Reason.CONDITION_MALFORMED),
    "keeping by more than listed": (keeps(1, "alpha", k=2), Reason.CONDITION_MALFORMED),
    "keeping level 0": (keeps(0, "alpha"), Reason.NAME_UNKNOWN),
    "honored for no time": (honored(1, 0), Reason.CONDITION_MALFORMED),
    "elapsed for no time": (elapsed(1, 0), Reason.CONDITION_MALFORMED),
}


@pytest.mark.parametrize("name", GOOD)
def test_admits(name: str) -> None:
    assert list(condition_rules.problems(TERMS, GOOD[name], "trigger")) == []


@pytest.mark.parametrize("name", BROKEN)
def test_refuses(name: str) -> None:
    condition, reason = BROKEN[name]
    found = [problem.reason for problem in condition_rules.problems(TERMS, condition, "trigger")]
    assert found == [reason]


@pytest.mark.parametrize("name", BROKEN)
def test_finds_a_mistake_in_any_depth_and_says_where(name: str) -> None:
    condition, reason = BROKEN[name]
    if reason is Reason.CONDITION_MALFORMED and "deep" in name:
        return
    wrapped = every(ALWAYS, some(condition))
    (problem,) = condition_rules.problems(TERMS, wrapped, "trigger")
    assert problem.reason is reason
    assert problem.field.startswith("trigger.all[1].any[0]")


def test_counts_labs_of_one_group_once_in_what_others_keep() -> None:
    made = terms()
    condition = keeps(1, "alpha", "beta")
    assert list(condition_rules.problems(made, condition, "entry")) == []
    made.parties[1].owner = made.parties[0].owner
    assert [found.reason for found in condition_rules.problems(made, condition, "entry")] == [
        Reason.CONDITION_MALFORMED
    ]


OF_LEVELS = {
    "a trigger on who keeps a level": ({"trigger": keeps(1, "alpha")}, Reason.CONDITION_MALFORMED),
    "a resume condition on who keeps a level": ({"resume": every(keeps(1, "alpha"))}, Reason.CONDITION_MALFORMED),
    "an entry rule on readings": ({"entry": every(reading(1))}, Reason.PLEDGE_NOT_MONOTONE),
    "a trigger that is never true": ({"trigger": NEVER}, Reason.CONDITION_NEVER_TRUE),
    "no trigger": ({"trigger": None}, Reason.FIELD_ABSENT),
    "no resume condition": ({"resume": None}, Reason.FIELD_ABSENT),
    "a resume condition after the mandate": ({"resume": some(elapsed(2, 12))}, Reason.CLOCKS_CONTRADICT),
}


@pytest.mark.parametrize("name", OF_LEVELS)
def test_refuses_a_level_with(name: str) -> None:
    changes, reason = OF_LEVELS[name]
    good = level("pause", 2, entry=keeps(2, "alpha", "beta"), resume=some(elapsed(2, 11)))
    assert list(condition_rules.problems_of_level(TERMS, good)) == []
    bad = change(good, **changes)  # type: ignore[arg-type]
    assert [problem.reason for problem in condition_rules.problems_of_level(TERMS, bad)] == [reason]


def test_walks_the_tests_in_order() -> None:
    condition = every(ALWAYS, some(reading(1), at_least(1, elapsed(1, 1), NEVER)), keeps(1, "alpha"))
    found = [atom.WhichOneof("test") for atom in condition_rules.atoms(condition)]
    assert found == ["constant", "reading", "elapsed", "constant", "keeps"]


def test_names_a_lab_only_if_it_is_one() -> None:
    made = terms(parties=[party("alpha", agreement_pb2.ROLE_LAB), *TERMS.parties[3:]])
    assert [found.reason for found in condition_rules.problems(made, keeps(1, "alpha", "beta", k=1), "entry")] == [
        Reason.NAME_UNKNOWN
    ]
