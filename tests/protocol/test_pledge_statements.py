"""What a pledge may say: monotone in what others keep, outside facts elsewhere, labs that are no party yet."""

from __future__ import annotations

import pytest

from protocol.errors import Reason, Refused
from protocol.statements.pledge import MAX_DORMANT, pledge
from standstill.v1 import condition_pb2 as pb
from standstill.v1 import header_pb2, pledge_pb2
from tests.builders import ALWAYS, NEVER, PAUSE, SLOWDOWN, agreement, clause, elapsed, keeps, reading, restrictive
from tests.protocol.pledge_worlds import all_of, any_of, at_least, weighs
from tests.protocol.refusals import refuses

TERMS = agreement()
RELIED = pb.Condition(status=pb.Condition.IsStatus(status=pb.PARTY_STATUS_RELIED, of=["beta"]))
STALE = pb.Condition(status=pb.Condition.IsStatus(status=pb.PARTY_STATUS_STALE, of=["beta"]))


def words(value: object) -> str:
    """A condition, a reason or a field, as the name of a case."""
    return " ".join(str(value).split())


def negated(condition: pb.Condition) -> pb.Condition:
    """Not this."""
    return pb.Condition(negation=condition)


def read(*clauses: pledge_pb2.PledgeClause) -> None:
    """Validate a pledge of alpha."""
    pledge(pledge_pb2.Pledge(clauses=clauses), header_pb2.Header(), TERMS)


@pytest.mark.parametrize(
    "provided",
    [
        keeps(PAUSE, "beta", "gamma", k=1),
        keeps(SLOWDOWN, "alpha", "beta"),
        weighs(SLOWDOWN, 3, beta=1, gamma=2),
        weighs(SLOWDOWN, 1, beta=1, newcomer=1),
        keeps(SLOWDOWN, "beta", "newcomer", k=2),
        RELIED,
        ALWAYS,
        NEVER,
        all_of(keeps(PAUSE, "beta"), any_of(RELIED, weighs(SLOWDOWN, 2, gamma=2))),
        at_least(1, keeps(PAUSE, "beta"), keeps(PAUSE, "gamma")),
    ],
    ids=words,
)
def test_accepts_what_grows_with_what_others_keep(provided: pb.Condition) -> None:
    read(clause(PAUSE, provided=provided))


@pytest.mark.parametrize(
    ("provided", "reason", "field"),
    [
        (negated(keeps(PAUSE, "beta")), Reason.PLEDGE_NOT_MONOTONE, "provided.negation.keeps"),
        (any_of(ALWAYS, negated(RELIED)), Reason.PLEDGE_NOT_MONOTONE, "provided.any[1].negation.status"),
        (all_of(restrictive(PAUSE)), Reason.PLEDGE_NOT_MONOTONE, "provided.all[0].any[0].level_phase"),
        (reading(5), Reason.PLEDGE_NOT_MONOTONE, "provided.reading"),
        (STALE, Reason.PLEDGE_NOT_MONOTONE, "provided.status"),
        (weighs(SLOWDOWN, 1, beta=0, gamma=1), Reason.CONDITION_MALFORMED, "provided.weighs.of"),
        (weighs(SLOWDOWN, 4, beta=1, gamma=2), Reason.CONDITION_MALFORMED, "provided.weighs.at_least"),
        (keeps(SLOWDOWN, "beta", "newcomer", k=3), Reason.CONDITION_MALFORMED, "provided.keeps.k"),
        (keeps(SLOWDOWN, "beta", "beta"), Reason.NAME_TWICE, "provided.keeps.of"),
        (keeps(3, "beta"), Reason.NAME_UNKNOWN, "provided.keeps.level"),
        (keeps(SLOWDOWN, "chipco"), Reason.NAME_UNKNOWN, "provided.keeps.of"),
    ],
    ids=words,
)
def test_refuses_a_clause_that_could_want_others_to_go_on(provided: pb.Condition, reason: Reason, field: str) -> None:
    with pytest.raises(Refused) as caught:
        read(clause(PAUSE, provided=provided))
    assert caught.value.reason is reason
    assert caught.value.field == f"pledge.clauses[0].{field}"


@pytest.mark.parametrize(
    "when",
    [reading(5), restrictive(PAUSE), elapsed(PAUSE, 3), RELIED, NEVER, negated(reading(5)), any_of(reading(5))],
    ids=words,
)
def test_accepts_outside_facts(when: pb.Condition) -> None:
    read(clause(PAUSE, when=when))


@pytest.mark.parametrize(
    "when",
    [
        keeps(PAUSE, "beta"),
        weighs(PAUSE, 1, beta=1),
        negated(RELIED),
        pb.Condition(overdue=pb.Condition.Overdue(indicator="horizon", labs=1, periods=2)),
        pb.Condition(honored=pb.Condition.Honored(level=PAUSE, periods=1)),
    ],
    ids=words,
)
def test_refuses_what_is_no_outside_fact(when: pb.Condition) -> None:
    with refuses(Reason.CONDITION_MALFORMED):
        read(clause(PAUSE, when=when))


def test_refuses_a_name_that_no_lab_could_have() -> None:
    with refuses(Reason.NAME_MALFORMED):
        read(clause(PAUSE, provided=keeps(PAUSE, "beta", "New|comer", k=1)))


def test_refuses_more_unknown_labs_than_an_agreement_has_room_for() -> None:
    names = [f"lab-{number}" for number in range(MAX_DORMANT + 1)]
    read(clause(PAUSE, provided=keeps(PAUSE, *names[:-1], k=1)))
    with refuses(Reason.LIMIT_REACHED):
        read(clause(PAUSE, provided=keeps(PAUSE, *names, k=1)))


def test_accepts_a_clause_that_ends() -> None:
    ending = clause(PAUSE)
    ending.until_period = 9
    read(ending)


def test_refuses_two_clauses_for_one_level() -> None:
    read(clause(PAUSE), clause(SLOWDOWN))
    with refuses(Reason.ROW_TWICE):
        read(clause(PAUSE), clause(PAUSE))
    with refuses(Reason.NAME_UNKNOWN):
        read(clause(3))
