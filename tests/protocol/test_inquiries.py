"""The fold: questions to labs, their clocks, and what it costs to leave one unanswered."""

from __future__ import annotations

import pytest

from protocol.conduct import BREACHED, DISCREPANT, HONORED, INCONCLUSIVE
from protocol.errors import Reason
from protocol.fold.inquiries import MAX_OPEN
from protocol.leaf import ReadLeaf
from protocol.state import Membership
from standstill.v1 import agreement_pb2, header_pb2
from tests.bodies import clarification, inquiry, reply
from tests.builders import LABS, World, agreement, attestation, change, party, terms, withdrawal

ANSWER = 3
YES, BROKEN = header_pb2.VERDICT_HONORED, header_pb2.VERDICT_BREACHED
ASKED = change(terms().verification, clarification_answer_periods=ANSWER)
TERMS = agreement(verification=ASKED)


def _world(no_answer: agreement_pb2.NoAnswer.ValueType = agreement_pb2.NO_ANSWER_UNSPECIFIED) -> World:
    world = World(agreement(verification=change(ASKED, no_answer=no_answer))).found()
    world.close()
    return world


def _ask(world: World, asker: str = "beta", lab: str = "alpha") -> ReadLeaf:
    return world[asker].say(clarification(), inquiry=inquiry(lab))


def _reply(world: World, question: ReadLeaf, lab: str = "alpha") -> ReadLeaf:
    return world[lab].say(reply(), inquiry=inquiry(lab, question.identity))


def _go_on(world: World, verdict: header_pb2.Verdict.ValueType = YES) -> str:
    """Close a period in which all attest and are assessed; the verdict on alpha that settled."""
    period = world.state.period or 0
    for lab in LABS:
        world[lab].say(attestation(world.agreement, period))
        world.assess(lab, period - 1, verdict)
    world.close()
    return world.state.conduct["alpha"].newest


def _refused(world: World) -> list[Reason]:
    return [refused.reason for refused in world.close().refusals.values()]


def test_keeps_a_question_until_it_is_answered() -> None:
    world = _world()
    question = _ask(world)
    world.close()
    (waiting,) = world.state.inquiries.values()
    assert (waiting.lab, waiting.asker, waiting.index) == ("alpha", "beta", question.index)
    _reply(world, question)
    assert _refused(world) == []
    assert world.state.inquiries == {}


def test_takes_an_answer_that_is_recorded_with_its_question() -> None:
    world = _world()
    _reply(world, _ask(world, "gamma"))
    assert _refused(world) == []
    assert world.state.inquiries == {}


@pytest.mark.parametrize("wait", [ANSWER, ANSWER + 1], ids=["in time", "late"])
def test_counts_the_answer_periods_to_their_last_step(wait: int) -> None:
    world = _world()
    for _ in range(4):
        _go_on(world)
    question = _ask(world)
    found = [_go_on(world) for _ in range(wait)]
    assert found == [HONORED] * wait if wait == ANSWER else [HONORED] * ANSWER + [INCONCLUSIVE]
    _reply(world, question)
    assert [_go_on(world) for _ in range(2)] == [HONORED] * 2


@pytest.mark.parametrize(
    ("no_answer", "expected"),
    [
        (agreement_pb2.NO_ANSWER_UNSPECIFIED, INCONCLUSIVE),
        (agreement_pb2.NO_ANSWER_DISCREPANT, DISCREPANT),
    ],
)
def test_who_owes_an_answer_is_at_best_what_was_agreed(
    no_answer: agreement_pb2.NoAnswer.ValueType, expected: str
) -> None:
    world = _world(no_answer)
    _ask(world)
    for _ in range(ANSWER):
        _go_on(world)
    assert _go_on(world) == expected
    assert world.state.conduct["beta"].newest == HONORED


def test_an_unanswered_question_never_hides_a_breach_and_never_makes_one() -> None:
    world = _world(agreement_pb2.NO_ANSWER_DISCREPANT)
    _ask(world)
    for _ in range(ANSWER + 2):
        _go_on(world)
    assert BREACHED not in world.state.conduct["alpha"].settled
    _go_on(world, BROKEN)
    assert _go_on(world, BROKEN) == BREACHED


def test_the_clock_stops_in_the_dark() -> None:
    world = _world()
    for _ in range(4):
        _go_on(world)
    _ask(world)
    _go_on(world)
    for lab in LABS:
        for period in range(world.state.period or 0, 40):
            world[lab].say(attestation(world.agreement, period))
    world.assess("alpha", 38, YES)
    world.close(period=40)
    assert world.state.conduct["alpha"].newest == HONORED


def test_refuses_an_answer_to_a_question_of_nobody() -> None:
    world = _world()
    question = _ask(world)
    world["alpha"].say(reply(), inquiry=inquiry("alpha", bytes(32)))
    assert _refused(world) == [Reason.INQUIRY_UNKNOWN]
    _reply(world, question)
    assert _refused(world) == []
    _reply(world, question)
    assert _refused(world) == [Reason.INQUIRY_UNKNOWN]


def test_a_lab_cannot_answer_for_another() -> None:
    world = _world()
    question = _ask(world)
    world.close()
    _reply(world, question, "gamma")
    assert _refused(world) == [Reason.INQUIRY_UNKNOWN]
    assert len(world.state.inquiries) == 1


def test_limits_what_one_asker_may_ask_one_lab() -> None:
    world = _world()
    questions = [_ask(world) for _ in range(MAX_OPEN + 1)]
    # Others may still ask, and it may ask others.
    _ask(world, "gamma")
    _ask(world, "beta", "gamma")
    assert _refused(world) == [Reason.INQUIRY_LIMIT]
    assert len(world.state.inquiries) == MAX_OPEN + 2
    _reply(world, questions[0])
    world.close()
    _ask(world)
    assert _refused(world) == []


def test_refuses_a_question_within_a_control_group() -> None:
    made = terms()
    made.parties[1].owner = made.parties[0].owner
    world = World(agreement(parties=list(made.parties), verification=ASKED)).found()
    _ask(world, "beta")
    assert _refused(world) == [Reason.NO_AUTHORITY]
    _ask(world, "gamma")
    assert _refused(world) == []


def test_refuses_questions_where_nobody_owes_answers() -> None:
    world = World(agreement()).found()
    _ask(world)
    assert _refused(world) == [Reason.NO_AUTHORITY]


def test_a_question_leaves_with_its_asker() -> None:
    parties = [*terms().parties, party("delta", agreement_pb2.ROLE_SUPPLIER)]
    world = World(agreement(parties=parties, verification=ASKED)).found()
    _ask(world, "delta")
    world["delta"].say(withdrawal())
    world.close()
    assert len(world.state.inquiries) == 1
    while world.state.parties["delta"].membership is not Membership.OUT:
        world.close()
    assert world.state.inquiries == {}
