"""Statements that need terms which give room for them, or a place of their own, or a part in the header."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol import wire
from protocol.agreement import Agreement
from protocol.errors import Reason, Refused
from protocol.leaf import ReadLeaf
from standstill.v1 import header_pb2
from tests.bodies import (
    accession,
    brake,
    clarification,
    evaluation_plan,
    event_report,
    exemption_request,
    inquiry,
    reply,
    withdrawal,
)
from tests.builders import LABS, PAUSE, World, agreement, change
from tests.protocol.statement_cases import GOOD, Edit, set_
from tests.terms import brake_terms

TERMS = agreement()
WORLD = World(TERMS).found()


def _roomy() -> Agreement:
    """Terms that name an event and an exemption."""
    terms = change(TERMS.terms)
    terms.events.add(name="review", reported_by=["beta", "vera"], reports=1, max_age_periods=9)
    cap = {"teraflop": 5, "chip_seconds": 10}
    terms.levels[PAUSE - 1].exemptions.add(name="audit", on_request=True, cap=cap)
    terms.levels[PAUSE - 1].exemptions.add(name="evals")
    return Agreement(wire.encode(terms), terms)


ROOMY = World(_roomy()).found()


def _reason(found: ReadLeaf) -> Reason | None:
    return None if found.refusal is None else found.refusal.reason


EVENTS: list[tuple[str, str, Edit, Reason | None]] = [
    ("beta", "as it should be", lambda _: None, None),
    ("beta", "for a level", set_("level", PAUSE), None),
    ("beta", "of an event that is none", set_("event", "flood"), Reason.NAME_UNKNOWN),
    ("beta", "for a level that is none", set_("level", 3), Reason.NAME_UNKNOWN),
    ("alpha", "by somebody else", lambda _: None, Reason.NO_AUTHORITY),
]


@pytest.mark.parametrize(("author", "name", "edit", "reason"), EVENTS, ids=[one[1] for one in EVENTS])
def test_reads_an_event_report(author: str, name: str, edit: Edit, reason: Reason | None) -> None:
    body = event_report()
    edit(body)
    assert _reason(ROOMY[author].peek(ROOMY[author].write(ROOMY[author].draft(body)))) is reason


def test_knows_no_event_that_the_terms_do_not_name() -> None:
    assert _reason(WORLD["beta"].peek(WORLD["beta"].write(WORLD["beta"].draft(event_report())))) is Reason.NAME_UNKNOWN


REQUESTS: list[tuple[str, str, Edit, Reason | None]] = [
    ("alpha", "as it should be", lambda _: None, None),
    ("alpha", "for a level that is none", set_("level", 3), Reason.NAME_UNKNOWN),
    ("alpha", "of a level without it", set_("level", 1), Reason.NAME_UNKNOWN),
    ("alpha", "of an exemption that is none", set_("exemption", "party"), Reason.NAME_UNKNOWN),
    ("alpha", "of an exemption that needs no grant", set_("exemption", "evals"), Reason.NO_AUTHORITY),
    ("alpha", "of all the operations of its cap", set_("teraflop", 5), None),
    ("alpha", "of more operations than its cap", set_("teraflop", 6), Reason.VALUE_OUT_OF_RANGE),
    ("alpha", "of more time than its cap", set_("chip_seconds", 11), Reason.VALUE_OUT_OF_RANGE),
    ("alpha", "for no time", set_("periods", 0), Reason.VALUE_OUT_OF_RANGE),
    ("alpha", "for ever", set_("periods", 1_000_001), Reason.VALUE_OUT_OF_RANGE),
    ("alpha", "of operations that overflow", set_("teraflop", 2**63), Reason.QUANTITY_OUT_OF_RANGE),
    ("alpha", "of time that overflows", set_("chip_seconds", 2**63), Reason.QUANTITY_OUT_OF_RANGE),
    ("alpha", "with a long purpose", set_("purpose", "x" * 1_001), Reason.VALUE_OUT_OF_RANGE),
    ("vera", "by a party that is no lab", lambda _: None, Reason.NO_AUTHORITY),
]


@pytest.mark.parametrize(("author", "name", "edit", "reason"), REQUESTS, ids=[one[1] for one in REQUESTS])
def test_reads_an_exemption_request(author: str, name: str, edit: Edit, reason: Reason | None) -> None:
    body = exemption_request()
    edit(body)
    assert _reason(ROOMY[author].peek(ROOMY[author].write(ROOMY[author].draft(body)))) is reason


def test_reads_an_accession_at_leaf_0_and_for_this_agreement_alone() -> None:
    fresh = World(TERMS)["alpha"]
    assert _reason(fresh.peek(fresh.write(fresh.draft(accession(TERMS))))) is None
    cases = [({"agreement": bytes(32)}, Reason.WRONG_AGREEMENT), ({"terms": bytes(31)}, Reason.DIGEST_LENGTH)]
    for changes, reason in cases:
        assert _reason(fresh.peek(fresh.write(fresh.draft(accession(TERMS, **changes))))) is reason
    late = WORLD["alpha"]
    assert _reason(late.peek(late.write(late.draft(accession(TERMS))))) is Reason.SEQUENCE_MISMATCH


def test_lets_only_those_plan_who_may_report() -> None:
    for author, reason in (("alpha", None), ("chipco", Reason.NO_AUTHORITY)):
        party = WORLD[author]
        assert _reason(party.peek(party.write(party.draft(evaluation_plan())))) is reason


def _asked(author: str, kind: str, stated: header_pb2.Inquiry | None) -> Refused | None:
    body = clarification() if kind == "question" else reply()
    return WORLD[author].peek(WORLD[author].write(WORLD[author].draft(body, inquiry=stated))).refusal


INQUIRIES: list[tuple[str, str, str, header_pb2.Inquiry | None, Reason, str]] = [
    ("that asks nobody", "beta", "question", None, Reason.SUMMARY_UNEXPECTED, ""),
    ("that asks a verifier", "beta", "question", inquiry("vera"), Reason.NAME_UNKNOWN, ".lab"),
    ("to oneself", "alpha", "question", inquiry("alpha"), Reason.NO_AUTHORITY, ".lab"),
    ("that answers", "beta", "question", inquiry("alpha", bytes(32)), Reason.SUMMARY_UNEXPECTED, ".question"),
    ("to nothing", "alpha", "answer", inquiry("alpha"), Reason.DIGEST_LENGTH, ".question"),
    ("for another lab", "beta", "answer", inquiry("alpha", bytes(32)), Reason.NO_AUTHORITY, ".lab"),
    ("that names nothing", "alpha", "answer", None, Reason.SUMMARY_UNEXPECTED, ""),
]


@pytest.mark.parametrize(
    ("name", "author", "kind", "stated", "reason", "field"), INQUIRIES, ids=[f"{one[2]} {one[0]}" for one in INQUIRIES]
)
def test_refuses_a_header_of_a_question_or_answer(
    name: str, author: str, kind: str, stated: header_pb2.Inquiry | None, reason: Reason, field: str
) -> None:
    assert _asked("beta", "question", inquiry("alpha")) is None
    assert _asked("alpha", "answer", inquiry("alpha", bytes(32))) is None
    found = _asked(author, kind, stated)
    assert found is not None
    assert (found.reason, found.field) == (reason, f"header.inquiry{field}")


def test_asks_no_lab_of_the_own_control_group() -> None:
    made = change(TERMS.terms)
    made.parties[LABS.index("beta")].owner = made.parties[LABS.index("alpha")].owner
    world = World(Agreement(wire.encode(made), made)).found()
    for author, reason in (("beta", Reason.NO_AUTHORITY), ("gamma", None)):
        draft = world[author].draft(clarification(), inquiry=inquiry("alpha"))
        assert _reason(world[author].peek(world[author].write(draft))) is reason


def test_names_a_question_in_no_other_header() -> None:
    alpha = WORLD["alpha"]
    assert _reason(alpha.peek(alpha.write(alpha.draft(withdrawal())))) is None
    stray = replace(alpha.draft(withdrawal()), inquiry=inquiry("beta"))
    assert _reason(alpha.peek(alpha.write(stray))) is Reason.SUMMARY_UNEXPECTED


NO_ROOM: dict[str, Reason] = {
    "admission": Reason.NO_AUTHORITY,
    "amendment": Reason.NO_AUTHORITY,
    "clarification": Reason.NO_AUTHORITY,
    "reply": Reason.NO_AUTHORITY,
}


@pytest.mark.parametrize("kind", NO_ROOM)
def test_does_not_count_a_statement_that_the_terms_give_no_room_for(kind: str) -> None:
    world = World(TERMS).found()
    author, body, about = GOOD[kind]
    assert world[author].say(body, **about).refusal is None
    outcome = world.close()
    assert [found.reason for found in outcome.refusals.values()] == [NO_ROOM[kind]]


def test_counts_no_accession_of_a_founder() -> None:
    world = World(TERMS)
    world["alpha"].say(accession(TERMS))
    outcome = world.close()
    assert outcome.refusals[world["alpha"].cursor.origin, 0].reason is Reason.NO_AUTHORITY
    assert not outcome.state.parties["alpha"].founded


def test_gives_room_where_the_terms_do() -> None:
    made = change(TERMS.terms)
    made.levels[PAUSE - 1].brake.CopyFrom(brake_terms())
    made.verification.clarification_answer_periods = 5
    world = World(Agreement(wire.encode(made), made)).found()
    world["alpha"].say(brake())
    world["beta"].say(clarification(), inquiry=inquiry("alpha"))
    assert not world.close().refusals
