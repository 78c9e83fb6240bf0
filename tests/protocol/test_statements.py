"""Every kind of statement: each field broken in turn, and the unchanged statement accepted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from google.protobuf.message import Message

from protocol.errors import Reason
from protocol.keys import public_key
from protocol.leaf import ReadLeaf
from protocol.statements import KINDS
from protocol.statements.quantities import require_label, require_quantity
from protocol.wire import MAX_MESSAGE_BYTES
from standstill.v1 import (
    decision_pb2,
    envelope_pb2,
    evidence_pb2,
    header_pb2,
    membership_pb2,
)
from standstill.v1 import quantity_pb2 as q
from tests.builders import (
    World,
    agreement,
    assessment,
    attestation,
    ballot,
    change,
    founding,
    handle,
    meter_reading,
    quantity,
    seed,
    summary,
    transfer,
    used,
)
from tests.protocol.refusals import refuses
from tests.protocol.statement_cases import ATTESTATION, BROKEN, CLOSING, GOOD, TERMS, WORLD, WRAPPED, Edit, set_


def read(author: str, body: Message, **about: Any) -> ReadLeaf:
    """A statement at the end of its author's log, read."""
    party = WORLD[author]
    return party.peek(party.write(party.draft(body, **about)))


CASES = [(kind, *case) for kind, cases in BROKEN.items() for case in cases]


@pytest.mark.parametrize("kind", GOOD)
def test_accepts(kind: str) -> None:
    author, body, about = GOOD[kind]
    found = read(author, body, **about)
    assert found.refusal is None, found.refusal
    assert found.body == body


@pytest.mark.parametrize(("kind", "name", "edit", "reason"), CASES, ids=[f"{one[0]}: {one[1]}" for one in CASES])
def test_refuses(kind: str, name: str, edit: Edit, reason: Reason) -> None:
    author, body, about = GOOD[kind]
    broken = change(body)
    edit(broken)
    assert broken != body
    found = read(author, broken, **about)
    assert found.refusal is not None
    assert found.refusal.reason is reason, found.refusal
    assert found.body is None


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        (b"\xf8\x07\x01", Reason.MESSAGE_NOT_CANONICAL),
        (b"\xff", Reason.MESSAGE_MALFORMED),
    ],
    ids=["unknown field", "garbage"],
)
def test_refuses_a_body_with_bytes_that_say_nothing(kind: str, extra: bytes, reason: Reason) -> None:
    found = WORLD[GOOD[kind][0]].peek(longer(kind, extra))
    assert found.refusal is not None
    assert found.refusal.reason is reason


@pytest.mark.parametrize("kind", GOOD)
def test_stops_at_a_body_of_more_bytes_than_any_reader_accepts(kind: str) -> None:
    party = WORLD[GOOD[kind][0]]
    room = MAX_MESSAGE_BYTES - len(party.draft(GOOD[kind][1], **GOOD[kind][2]).body)
    kept = party.peek(longer(kind, bytes(room)))
    assert kept.refusal is not None
    assert kept.refusal.reason is Reason.MESSAGE_MALFORMED
    with refuses(Reason.MESSAGE_TOO_LARGE, f"{party.cursor.origin}[{party.cursor.index}]"):
        party.peek(longer(kind, bytes(room + 1)))


def longer(kind: str, extra: bytes) -> envelope_pb2.Leaf:
    """A statement that commits to a body with more bytes behind it."""
    author, body, about = GOOD[kind]
    draft = WORLD[author].draft(body, **about)
    return WORLD[author].write(replace(draft, body=draft.body + extra))


@pytest.mark.parametrize("ppm", ["random_ppm", "systematic_ppm"])
@pytest.mark.parametrize("kind", ["attestation", "meter reading"])
def test_accepts_an_energy_known_to_five_per_cent(kind: str, ppm: str) -> None:
    author, body, about = GOOD[kind]
    energy = quantity(700, q.UNIT_WATT_HOUR, **{ppm: 50_000})
    assert read(author, change(body, energy=energy), **about).refusal is None


def test_holds_only_energies_to_five_per_cent() -> None:
    vague = change(ATTESTATION)
    vague.use[0].held.random_ppm = vague.use[0].operations.systematic_ppm = 1_000_000
    assert read("alpha", vague).refusal is None


@pytest.mark.parametrize(
    ("author", "counterparty", "accepted"),
    [
        ("alpha", "beta", True),
        ("alpha", "chipco", True),
        ("chipco", "alpha", True),
        ("alpha", "gridco", False),
        ("chipco", "vera", False),
    ],
)
def test_chips_move_between_labs_and_suppliers_alone(author: str, counterparty: str, accepted: bool) -> None:
    refusal = read(author, transfer(counterparty=counterparty, chips=quantity(1))).refusal
    assert (refusal and refusal.reason) is (None if accepted else Reason.NAME_UNKNOWN)


def test_says_zero_aloud() -> None:
    zero = change(ATTESTATION, energy=quantity(0, q.UNIT_WATT_HOUR))
    assert read("alpha", zero).refusal is None
    with refuses(Reason.QUANTITY_ABSENT, "attestation.energy.value"):
        require_quantity(change(ATTESTATION, energy=quantity(None)), "energy", q.UNIT_WATT_HOUR, "attestation")


@pytest.mark.parametrize("label", q.Label.values())
def test_knows_a_closed_list_of_labels(label: q.Label.ValueType) -> None:
    if label == q.LABEL_UNSPECIFIED:
        with refuses(Reason.LABEL_UNKNOWN, "use.label"):
            require_label(label, "use")
        return
    operations = 1 if label in {q.LABEL_TRAIN, q.LABEL_POST_TRAIN} else None
    body = attestation(TERMS, 3, use=[used(label, teraflop=operations)])
    assert read("alpha", body).refusal is None


def test_refuses_a_period_with_a_start_that_only_fits_after_overflow() -> None:
    period = 2**62
    start = TERMS.start_of(period) % 2**64
    body = change(ATTESTATION, start=start, end=(start + 3_600) % 2**64)
    found = read("alpha", body, period=period)
    assert found.refusal is not None
    assert found.refusal.reason is Reason.PERIOD_MISMATCH


def test_lets_only_the_operator_named_for_a_site_read_its_meter() -> None:
    made = change(TERMS.terms)
    made.parties.add().CopyFrom(change(made.parties[4], name="othergrid", origin="othergrid.example/standstill"))
    made.parties[-1].log_key = public_key(seed("othergrid", "log"))
    made.parties[-1].root_keys[:] = [public_key(seed("othergrid", f"root {number}")) for number in (1, 2)]
    made.parties[0].sites[0].metered_by = "othergrid"
    world = World(agreement(parties=list(made.parties))).found()
    for author, reason in (("othergrid", None), ("gridco", Reason.NO_AUTHORITY)):
        draft = world[author].draft(meter_reading(world.agreement, 3), site=handle("alpha"))
        refusal = world[author].peek(world[author].write(draft)).refusal
        assert (refusal and refusal.reason) is reason


def test_gives_a_vote_only_to_voters_of_the_rule() -> None:
    assert read("beta", ballot()).refusal is None
    found = read("vera", ballot())
    assert found.refusal is not None
    assert found.refusal.reason is Reason.NO_AUTHORITY
    assert found.refusal.field == "header.author"


SUMMARIES: list[tuple[str, header_pb2.AssessmentSummary, Reason]] = [
    ("of nobody", summary("delta", codes=["a", "b"]), Reason.NAME_UNKNOWN),
    ("without verdict", summary(verdict=header_pb2.VERDICT_UNSPECIFIED, codes=["a", "b"]), Reason.VALUE_OUT_OF_RANGE),
    ("of an unknown verdict", change(summary(codes=["a", "b"]), verdict=5), Reason.VALUE_OUT_OF_RANGE),
    ("without revision", summary(revision=0, codes=["a", "b"]), Reason.VALUE_OUT_OF_RANGE),
    ("with codes out of order", summary(codes=["b", "a"]), Reason.ORDER_MISMATCH),
    ("with a code twice", summary(codes=["a", "a", "b"]), Reason.ORDER_MISMATCH),
    ("with other codes than findings", summary(codes=["a"]), Reason.ORDER_MISMATCH),
]


@pytest.mark.parametrize(("name", "stated", "reason"), SUMMARIES, ids=[name for name, _, _ in SUMMARIES])
def test_refuses_an_assessment(name: str, stated: header_pb2.AssessmentSummary, reason: Reason) -> None:
    found = read("vera", assessment(["a", "b"]), summary=stated)
    assert found.refusal is not None
    assert found.refusal.reason is reason


CLOSINGS: list[tuple[str, Edit, Reason]] = [
    ("of another agreement", set_("agreement", bytes(32)), Reason.WRONG_AGREEMENT),
    ("without terms", set_("terms", b""), Reason.DIGEST_LENGTH),
    ("without previous", set_("previous", b""), Reason.DIGEST_LENGTH),
    ("with a state of 33 bytes", set_("state", bytes(33)), Reason.DIGEST_LENGTH),
    ("of another period than its header", set_("period", 2), Reason.PERIOD_MISMATCH),
    ("with heads out of order", lambda body: body.heads.reverse(), Reason.ORDER_MISMATCH),
    ("with a log twice", lambda body: body.heads.append(body.heads[-1]), Reason.ORDER_MISMATCH),
    ("with a root of 31 bytes", lambda body: set_("root", bytes(31))(body.heads[0]), Reason.DIGEST_LENGTH),
    ("with an empty log", lambda body: set_("size", 0)(body.heads[0]), Reason.VALUE_OUT_OF_RANGE),
    ("with a log of negative size", lambda body: set_("size", WRAPPED)(body.heads[0]), Reason.VALUE_OUT_OF_RANGE),
]


@pytest.mark.parametrize(("name", "edit", "reason"), CLOSINGS, ids=[name for name, _, _ in CLOSINGS])
def test_refuses_a_closing(name: str, edit: Edit, reason: Reason) -> None:
    registrar = WORLD.registrar
    assert registrar.peek(registrar.write(registrar.draft(CLOSING, period=1))).refusal is None
    broken = change(CLOSING)
    edit(broken)
    refusal = registrar.peek(registrar.write(registrar.draft(broken, period=1))).refusal
    assert refusal is not None
    assert refusal.reason is reason


def test_founds_at_leaf_0_and_for_this_agreement_alone() -> None:
    fresh = World(TERMS)["alpha"]
    assert fresh.peek(fresh.write(fresh.draft(founding(TERMS)))).refusal is None
    other = fresh.peek(fresh.write(fresh.draft(founding(TERMS, agreement=bytes(32))))).refusal
    assert other is not None
    assert other.reason is Reason.WRONG_AGREEMENT
    late = read("alpha", founding(TERMS)).refusal
    assert late is not None
    assert late.reason is Reason.SEQUENCE_MISMATCH


def test_has_one_row_per_kind_and_one_kind_per_body() -> None:
    assert set(KINDS) == set(header_pb2.Kind.values()) - {header_pb2.KIND_UNSPECIFIED}
    assert len({rule.body for rule in KINDS.values()}) == len(KINDS)


def test_knows_what_it_is_tested_with() -> None:
    elsewhere = {
        type(CLOSING),
        membership_pb2.Founding,
        membership_pb2.Accession,
        decision_pb2.ExemptionRequest,
        evidence_pb2.EventReport,
    }
    assert {type(body) for _, body, _ in GOOD.values()} | elsewhere == {rule.body for rule in KINDS.values()}
    twins = {"ballot to lift", "ballot to renew", "halt report under a brake", "shipments complete"}
    assert set(BROKEN) | twins == set(GOOD)
