"""Every kind of statement: each field broken in turn, and the unchanged statement accepted."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from google.protobuf.message import Message

from protocol import wire
from protocol.checkpoint import Checkpoint, sign_checkpoint
from protocol.closing import next_closing
from protocol.errors import Reason
from protocol.keys import public_key
from protocol.leaf import ReadLeaf
from protocol.statements import KINDS
from protocol.statements.quantities import require_label, require_quantity
from standstill.v1 import (
    assessment_pb2,
    compute_pb2,
    condition_pb2,
    decision_pb2,
    header_pb2,
    membership_pb2,
)
from standstill.v1 import quantity_pb2 as q
from tests.builders import (
    ALWAYS,
    H100,
    START,
    World,
    agreement,
    assessment,
    attestation,
    ballot,
    change,
    clause,
    elapsed,
    founding,
    halt_report,
    handle,
    indicator_report,
    keeps,
    key_set,
    meter_reading,
    misbehavior,
    pledge,
    quantity,
    reading,
    seed,
    shipment_report,
    summary,
    transfer,
    used,
    withdrawal,
)
from tests.protocol.refusals import refuses

Edit = Callable[[Any], object]

TERMS = agreement()
WORLD = World(TERMS).found()
WRAPPED = 2**64 - 1
"""What -1 becomes for a writer that forgets the sign."""


def read(author: str, body: Message, **about: Any) -> ReadLeaf:
    """A statement at the end of its author's log, read."""
    party = WORLD[author]
    return party.peek(party.write(party.draft(body, **about)))


def _quantity(name: str, *, counted: bool = False) -> list[tuple[str, Edit, Reason]]:
    """The ways to break a quantity, found at a dotted path below the body."""

    def at(edit: Edit) -> Edit:
        def apply(body: Any) -> None:
            place = body
            for part in name.split("."):
                place = place[int(part)] if part.isdigit() else getattr(place, part)
            edit(place)

        return apply

    broken: list[tuple[str, Edit, Reason]] = [
        ("absent", at(lambda found: found.ClearField("value")), Reason.QUANTITY_ABSENT),
        ("negative", at(lambda found: setattr(found, "value", WRAPPED)), Reason.QUANTITY_OUT_OF_RANGE),
        ("overflowing", at(lambda found: setattr(found, "value", 2**63)), Reason.QUANTITY_OUT_OF_RANGE),
        ("without unit", at(lambda found: setattr(found, "unit", 0)), Reason.UNIT_MISMATCH),
        ("in another unit", at(lambda found: setattr(found, "unit", q.UNIT_BYTE)), Reason.UNIT_MISMATCH),
        ("in an unknown unit", at(lambda found: setattr(found, "unit", 99)), Reason.UNIT_MISMATCH),
        ("without basis", at(lambda found: setattr(found, "basis", 0)), Reason.BASIS_UNKNOWN),
        ("of an unknown basis", at(lambda found: setattr(found, "basis", 99)), Reason.BASIS_UNKNOWN),
        ("too uncertain", at(lambda found: setattr(found, "random_ppm", 1_000_001)), Reason.UNCERTAINTY_OUT_OF_RANGE),
        ("biased", at(lambda found: setattr(found, "systematic_ppm", 2_000_000)), Reason.UNCERTAINTY_OUT_OF_RANGE),
    ]
    if counted:
        uncertain = at(lambda found: setattr(found, "random_ppm", 1))
        broken.append(("counted with uncertainty", uncertain, Reason.UNCERTAINTY_OUT_OF_RANGE))
    return [(f"{name} {how}", edit, reason) for how, edit, reason in broken]


def _set(name: str, value: object) -> Edit:
    return lambda body: setattr(body, name, value)


ATTESTATION = attestation(
    TERMS, 3, use=[used(q.LABEL_TRAIN, teraflop=10), used(q.LABEL_INFERENCE), used(q.LABEL_IDLE, 0)]
)
CLOSING = next_closing(WORLD.state, 1, [WORLD["alpha"].checkpoint(), WORLD["beta"].checkpoint()])

GOOD: dict[str, tuple[str, Message, dict[str, Any]]] = {
    "attestation": ("alpha", ATTESTATION, {}),
    "halt report": ("alpha", halt_report(), {"period": 4}),
    "transfer": ("alpha", transfer(), {"period": 4}),
    "shipment": ("chipco", shipment_report(), {"period": 4}),
    "meter reading": ("gridco", meter_reading(TERMS, 3), {"site": handle("alpha")}),
    "indicator report": ("alpha", indicator_report(), {"period": 3}),
    "report by a verifier": ("vera", indicator_report(), {"period": 3}),
    "ballot": ("alpha", ballot(), {}),
    "ballot to lift": ("alpha", ballot(decision_pb2.MOTION_LIFT), {}),
    "ballot to renew": ("alpha", ballot(decision_pb2.MOTION_RENEW), {}),
    "pledge": ("alpha", pledge(clause(1, reading(5), keeps(1, "beta")), clause(2)), {}),
    "key set": ("alpha", key_set("alpha", 2), {}),
    "withdrawal": ("alpha", withdrawal("x" * 1_000), {}),
    "assessment": ("vera", assessment(["a", "b"]), {"summary": summary(codes=["a", "b"])}),
    "misbehavior": ("vera", misbehavior(TERMS), {}),
}

ATTESTATION_BROKEN: list[tuple[str, Edit, Reason]] = [
    ("start too early", _set("start", START), Reason.PERIOD_MISMATCH),
    ("start absent", _set("start", 0), Reason.PERIOD_MISMATCH),
    ("end too late", _set("end", START + 5 * 3_600), Reason.PERIOD_MISMATCH),
    ("end before start", _set("end", START), Reason.PERIOD_MISMATCH),
    ("overflowing end", _set("end", WRAPPED), Reason.PERIOD_MISMATCH),
    ("class twice", lambda body: body.inventory.append(body.inventory[0]), Reason.ROW_TWICE),
    ("unknown class", lambda body: _set("chip_class", "H999")(body.inventory[0]), Reason.CHIP_CLASS_UNKNOWN),
    ("use of a class not held", lambda body: _set("chip_class", "A100-SXM-80")(body.use[0]), Reason.CHIP_CLASS_UNKNOWN),
    ("use of no class", lambda body: _set("chip_class", "")(body.use[0]), Reason.CHIP_CLASS_UNKNOWN),
    ("class and label twice", lambda body: body.use.append(body.use[0]), Reason.ROW_TWICE),
    ("label absent", lambda body: _set("label", 0)(body.use[1]), Reason.LABEL_UNKNOWN),
    ("label unknown", lambda body: _set("label", 12)(body.use[1]), Reason.LABEL_UNKNOWN),
    ("training without operations", lambda body: body.use[0].ClearField("operations"), Reason.QUANTITY_ABSENT),
    ("operations without format", lambda body: _set("format", 0)(body.use[0]), Reason.FORMAT_UNKNOWN),
    ("operations in an unknown format", lambda body: _set("format", 9)(body.use[0]), Reason.FORMAT_UNKNOWN),
    ("a sum that overflows", lambda body: _fill(body.use), Reason.QUANTITY_OUT_OF_RANGE),
    ("a mapping of 31 bytes", _set("mapping", bytes(31)), Reason.DIGEST_LENGTH),
    *_quantity("inventory.0.chips", counted=True),
    *_quantity("use.0.held"),
    *_quantity("use.0.operations"),
    *_quantity("energy"),
]

BROKEN: dict[str, list[tuple[str, Edit, Reason]]] = {
    "attestation": ATTESTATION_BROKEN,
    "halt report": [
        ("unknown level", _set("level", 3), Reason.NAME_UNKNOWN),
        ("level 0", _set("level", 0), Reason.NAME_UNKNOWN),
        ("no episode", _set("episode", 0), Reason.EPISODE_MISMATCH),
        ("run twice", lambda body: body.runs.append(body.runs[0]), Reason.ROW_TWICE),
        ("nameless run", lambda body: _set("run", "")(body.runs[0]), Reason.NAME_MALFORMED),
        ("run with a long name", lambda body: _set("run", "x" * 129)(body.runs[0]), Reason.NAME_MALFORMED),
        ("run with a line feed", lambda body: _set("run", "a\nb")(body.runs[0]), Reason.NAME_MALFORMED),
        ("label unknown", lambda body: _set("label", 99)(body.runs[0]), Reason.LABEL_UNKNOWN),
        ("nothing sealed", lambda body: _set("sealed_checkpoint", b"")(body.runs[0]), Reason.DIGEST_LENGTH),
        *_quantity("runs.0.chips", counted=True),
        *_quantity("runs.0.operations"),
    ],
    "transfer": [
        ("no id", _set("id", ""), Reason.NAME_MALFORMED),
        ("no direction", _set("direction", 0), Reason.VALUE_OUT_OF_RANGE),
        ("unknown direction", _set("direction", 3), Reason.VALUE_OUT_OF_RANGE),
        ("with nobody", _set("counterparty", "delta"), Reason.NAME_UNKNOWN),
        ("with itself", _set("counterparty", "alpha"), Reason.NAME_UNKNOWN),
        ("unknown class", _set("chip_class", "H999"), Reason.CHIP_CLASS_UNKNOWN),
        *_quantity("chips", counted=True),
    ],
    "shipment": [
        ("no id", _set("id", ""), Reason.NAME_MALFORMED),
        ("to nobody", _set("receiver", "delta"), Reason.NAME_UNKNOWN),
        ("to a party that is no lab", _set("receiver", "gridco"), Reason.NAME_UNKNOWN),
        ("unknown class", _set("chip_class", ""), Reason.CHIP_CLASS_UNKNOWN),
        *_quantity("chips", counted=True),
    ],
    "meter reading": [
        ("no meter", _set("meter", ""), Reason.NAME_MALFORMED),
        ("another period", _set("start", START), Reason.PERIOD_MISMATCH),
        ("two periods", _set("end", START + 5 * 3_600), Reason.PERIOD_MISMATCH),
        *_quantity("energy"),
    ],
    "indicator report": [
        ("unknown indicator", _set("indicator", "height"), Reason.NAME_UNKNOWN),
        ("indicator of others", _set("indicator", "uplift-2"), Reason.NAME_UNKNOWN),
        ("of nobody", _set("lab", "vera"), Reason.NAME_UNKNOWN),
        ("of another lab", _set("lab", "beta"), Reason.NO_AUTHORITY),
        ("value absent", lambda body: body.ClearField("value"), Reason.QUANTITY_ABSENT),
        ("value negative", _set("value", WRAPPED), Reason.QUANTITY_OUT_OF_RANGE),
        ("value overflowing", _set("value", 2**63), Reason.QUANTITY_OUT_OF_RANGE),
        ("a plan of 33 bytes", _set("plan", bytes(33)), Reason.DIGEST_LENGTH),
    ],
    "report by a verifier": [("indicator of others", _set("indicator", "uplift"), Reason.NO_AUTHORITY)],
    "ballot": [
        ("no motion", _set("motion", 0), Reason.VALUE_OUT_OF_RANGE),
        ("unknown motion", _set("motion", 9), Reason.VALUE_OUT_OF_RANGE),
        ("unknown level", _set("level", 3), Reason.NAME_UNKNOWN),
        ("no episode", _set("episode", 0), Reason.EPISODE_MISMATCH),
    ],
    "pledge": [
        ("two clauses for a level", lambda body: body.clauses.append(body.clauses[0]), Reason.ROW_TWICE),
        ("unknown level", lambda body: _set("level", 3)(body.clauses[0]), Reason.NAME_UNKNOWN),
        ("when of no test", lambda body: body.clauses[1].when.SetInParent(), Reason.CONDITION_MALFORMED),
        ("when others keep", lambda body: body.clauses[0].when.CopyFrom(keeps(1, "beta")), Reason.CONDITION_MALFORMED),
        ("when time has passed", lambda body: body.clauses[0].when.CopyFrom(elapsed(1, 1)), Reason.CONDITION_MALFORMED),
        ("provided a reading", lambda body: body.clauses[0].provided.CopyFrom(ALWAYS), Reason.PLEDGE_NOT_MONOTONE),
        (
            "provided by nobody",
            lambda body: body.clauses[0].provided.CopyFrom(keeps(1, "chipco")),
            Reason.NAME_UNKNOWN,
        ),
    ],
    "key set": [
        ("no version", _set("version", 0), Reason.KEY_SET_VERSION),
        ("the version in force", _set("version", 1), Reason.KEY_SET_VERSION),
        ("a version jumped", _set("version", 3), Reason.KEY_SET_VERSION),
        ("no keys", lambda body: body.ClearField("keys"), Reason.KEY_COUNT),
        ("too many keys", lambda body: _many_keys(body), Reason.KEY_COUNT),
        ("revoked ahead", _set("revoked_from", 3), Reason.VALUE_OUT_OF_RANGE),
        ("a key of no use", lambda body: _set("use", 0)(body.keys[0]), Reason.VALUE_OUT_OF_RANGE),
        ("a key of unknown use", lambda body: _set("use", 3)(body.keys[0]), Reason.VALUE_OUT_OF_RANGE),
        ("a key twice", lambda body: body.keys.append(body.keys[0]), Reason.KEY_TWICE),
        ("a root key", lambda body: _set("public_key", _key("root 1"))(body.keys[0]), Reason.KEY_TWICE),
        ("a log key", lambda body: _set("public_key", _key("log"))(body.keys[0]), Reason.KEY_TWICE),
        ("a short key", lambda body: _set("public_key", bytes(31))(body.keys[0]), Reason.KEY_LENGTH),
        ("a key of small order", lambda body: _set("public_key", bytes(32))(body.keys[0]), Reason.KEY_SMALL_ORDER),
    ],
    "withdrawal": [("a long reason", _set("reason", "x" * 1_001), Reason.VALUE_OUT_OF_RANGE)],
    "assessment": [
        ("findings other than the codes", lambda body: body.findings.pop(), Reason.ORDER_MISMATCH),
        ("a finding of no severity", lambda body: _set("severity", 0)(body.findings[0]), Reason.VALUE_OUT_OF_RANGE),
        ("unknown severity", lambda body: _set("severity", 5)(body.findings[0]), Reason.VALUE_OUT_OF_RANGE),
        ("a statement not named", lambda body: body.findings[0].statements.add(origin="x"), Reason.DIGEST_LENGTH),
        ("evidence in no state", lambda body: _set("state", 0)(body.evidence[0]), Reason.VALUE_OUT_OF_RANGE),
        ("a state of 31 bytes", _set("state", bytes(31)), Reason.DIGEST_LENGTH),
        ("no bound and no reason", lambda body: body.assurance.ClearField("bound_absent_because"), Reason.FIELD_ABSENT),
        ("a bound and a reason", lambda body: body.assurance.hidden_compute_bound.SetInParent(), Reason.FIELD_ABSENT),
    ],
    "misbehavior": [
        ("of nobody", _set("party", "delta"), Reason.NAME_UNKNOWN),
        ("without proof", lambda body: body.ClearField("split_view"), Reason.MISBEHAVIOR_UNPROVEN),
        ("with one head twice", lambda body: _set("second", body.split_view.first)(body.split_view), Reason.MISBEHAVIOR_UNPROVEN),
        ("with heads of two sizes", lambda body: _set("second", _head(8))(body.split_view), Reason.MISBEHAVIOR_UNPROVEN),
        ("with heads of another log", _set("party", "beta"), Reason.NOTE_UNVERIFIED),
        ("with a note that is none", lambda body: _set("first", b"x")(body.split_view), Reason.NOTE_MALFORMED),
    ],
}  # fmt: skip

CASES = [(kind, *case) for kind, cases in BROKEN.items() for case in cases]


def _key(use: str) -> bytes:
    return public_key(seed("alpha", use))


def _head(size: int) -> bytes:
    head = Checkpoint("alpha.example/standstill", size, sha256(b"two").digest())
    return sign_checkpoint(head, seed("alpha", "log"))


def _many_keys(body: membership_pb2.KeySet) -> None:
    for number in range(16):
        body.keys.add(public_key=public_key(seed("alpha", f"more {number}")), use=membership_pb2.KEY_USE_STATEMENT)


def _fill(use: list[compute_pb2.Use]) -> None:
    for row in use:
        row.held.value = 2**62


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
        (b"\xfa\x07\x80\x80\x04" + bytes(65_536), Reason.MESSAGE_TOO_LARGE),
    ],
    ids=["unknown field", "garbage", "oversized"],
)
def test_refuses_a_body_with_bytes_that_say_nothing(kind: str, extra: bytes, reason: Reason) -> None:
    author, body, about = GOOD[kind]
    party = WORLD[author]
    draft = party.draft(body, **about)
    longer = type(draft)(
        kind=draft.kind, body=draft.body + extra, period=draft.period, site=draft.site, summary=draft.summary
    )
    found = party.peek(party.write(longer))
    assert found.refusal is not None
    assert found.refusal.reason is reason


def test_says_zero_aloud() -> None:
    zero = change(ATTESTATION, energy=quantity(0, q.UNIT_WATT_HOUR))
    assert read("alpha", zero).refusal is None
    assert b"energy" not in wire.encode(zero)
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
    ("of another agreement", _set("agreement", bytes(32)), Reason.WRONG_AGREEMENT),
    ("without terms", _set("terms", b""), Reason.DIGEST_LENGTH),
    ("without previous", _set("previous", b""), Reason.DIGEST_LENGTH),
    ("with a state of 33 bytes", _set("state", bytes(33)), Reason.DIGEST_LENGTH),
    ("of another period than its header", _set("period", 2), Reason.PERIOD_MISMATCH),
    ("with heads out of order", lambda body: body.heads.reverse(), Reason.ORDER_MISMATCH),
    ("with a log twice", lambda body: body.heads.append(body.heads[-1]), Reason.ORDER_MISMATCH),
    ("with an unknown log", lambda body: _set("origin", "beta.example/x")(body.heads[1]), Reason.UNKNOWN_ORIGIN),
    ("with a root of 31 bytes", lambda body: _set("root", bytes(31))(body.heads[0]), Reason.DIGEST_LENGTH),
    ("with an empty log", lambda body: _set("size", 0)(body.heads[0]), Reason.VALUE_OUT_OF_RANGE),
    ("with a log of negative size", lambda body: _set("size", WRAPPED)(body.heads[0]), Reason.VALUE_OUT_OF_RANGE),
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
    assert {type(body) for _, body, _ in GOOD.values()} | {type(CLOSING), membership_pb2.Founding} == {
        rule.body for rule in KINDS.values()
    }
    assert set(BROKEN) | {"ballot to lift", "ballot to renew"} == set(GOOD)
    assert assessment_pb2.Assessment in {type(body) for _, body, _ in GOOD.values()}
    assert condition_pb2.Condition().WhichOneof("test") is None
    assert H100 in TERMS.chips
