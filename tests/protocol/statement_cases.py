"""One good statement of every kind, and every way to break each field of it."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

from google.protobuf.message import Message

from protocol.checkpoint import Checkpoint, sign_checkpoint
from protocol.closing import next_closing
from protocol.errors import Reason
from protocol.keys import public_key
from standstill.v1 import (
    compute_pb2,
    condition_pb2,
    decision_pb2,
    membership_pb2,
    record_pb2,
)
from standstill.v1 import quantity_pb2 as q
from tests.bodies import admission, amendment, brake, clarification, evaluation_plan, inquiry, reply, shipments_complete
from tests.builders import (
    PAUSE,
    START,
    World,
    agreement,
    assessment,
    attestation,
    ballot,
    clause,
    halt_report,
    handle,
    indicator_report,
    keeps,
    key_set,
    level,
    meter_reading,
    misbehavior,
    pledge,
    quantity,
    reading,
    seed,
    shipment_report,
    summary,
    terms,
    transfer,
    used,
    withdrawal,
)
from tests.terms import brake_terms

Edit = Callable[[Any], object]

TERMS = agreement(levels=[terms().levels[0], level("pause", PAUSE, brake=brake_terms())])
WORLD = World(TERMS).found()
WRAPPED = 2**64 - 1
"""What -1 becomes for a writer that forgets the sign."""


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


def _energy() -> list[tuple[str, Edit, Reason]]:
    """The ways to break an energy; above five per cent it contradicts nothing."""
    reason = Reason.UNCERTAINTY_OUT_OF_RANGE
    return [
        *_quantity("energy"),
        ("energy vague", lambda body: set_("random_ppm", 50_001)(body.energy), reason),
        ("energy vaguely biased", lambda body: set_("systematic_ppm", 50_001)(body.energy), reason),
    ]


def set_(name: str, value: object) -> Edit:
    return lambda body: setattr(body, name, value)


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


def _refer(refs: Any, count: int) -> None:
    for _ in range(count):
        refs.add(origin="x", identity=bytes(32))


def _no_episode(body: compute_pb2.HaltReport) -> None:
    # The pause has a brake, which stops work before there is an episode.
    body.level, body.episode = 1, 0


def _one_head_twice(body: record_pb2.Misbehavior) -> None:
    body.split_view.second = body.split_view.first


def _heads_of_two_sizes(body: record_pb2.Misbehavior) -> None:
    body.split_view.second = _head(8)


ATTESTATION = attestation(
    TERMS, 3, use=[used(q.LABEL_TRAIN, teraflop=10), used(q.LABEL_INFERENCE), used(q.LABEL_IDLE, 0)]
)
ATTESTATION.runs.add(run="run-1", label=q.LABEL_TRAIN, chips=quantity(2), operations=quantity(10, q.UNIT_TERAFLOP))
CLOSING = next_closing(WORLD.state, 1, [WORLD["alpha"].checkpoint(), WORLD["beta"].checkpoint()])

GOOD: dict[str, tuple[str, Message, dict[str, Any]]] = {
    "attestation": ("alpha", ATTESTATION, {"period": 3}),
    "halt report": ("alpha", halt_report(), {"period": 4}),
    "halt report under a brake": ("alpha", halt_report(PAUSE, 0), {"period": 4}),
    "transfer": ("alpha", transfer(), {"period": 4}),
    "shipment": ("chipco", shipment_report(), {"period": 4}),
    "shipments complete": ("chipco", shipments_complete(), {"period": 4}),
    "meter reading": ("gridco", meter_reading(TERMS, 3), {"period": 3, "site": handle("alpha")}),
    "indicator report": ("alpha", indicator_report(), {"period": 3}),
    "report by a verifier": ("vera", indicator_report(), {"period": 3}),
    "ballot": ("alpha", ballot(), {}),
    "ballot to lift": ("alpha", ballot(decision_pb2.MOTION_LIFT), {}),
    "ballot to renew": ("alpha", ballot(decision_pb2.MOTION_RENEW), {}),
    "ballot to ratify": ("alpha", ballot(decision_pb2.MOTION_RATIFY), {}),
    "pledge": ("alpha", pledge(clause(1, reading(5), keeps(1, "beta")), clause(2)), {}),
    "key set": ("alpha", key_set("alpha", 2), {}),
    "withdrawal": ("alpha", withdrawal("x" * 1_000), {}),
    "assessment": ("vera", assessment(["a", "b"]), {"summary": summary(codes=["a", "b"])}),
    "misbehavior": ("vera", misbehavior(TERMS), {}),
    "brake": ("alpha", brake(reason="x" * 1_000), {}),
    "admission": ("vera", admission(TERMS.parties["alpha"]), {}),
    "amendment": ("beta", amendment(part=17, parts=18, data=bytes(60_000)), {}),
    "evaluation plan": ("alpha", evaluation_plan(), {}),
    "clarification": ("beta", clarification(question="x" * 4_000), {"inquiry": inquiry("alpha")}),
    "reply": ("alpha", reply(text="x" * 4_000), {"inquiry": inquiry("alpha", bytes(32))}),
}

ATTESTATION_BROKEN: list[tuple[str, Edit, Reason]] = [
    ("start too early", set_("start", START), Reason.PERIOD_MISMATCH),
    ("start absent", set_("start", 0), Reason.PERIOD_MISMATCH),
    ("end too late", set_("end", START + 5 * 3_600), Reason.PERIOD_MISMATCH),
    ("end before start", set_("end", START), Reason.PERIOD_MISMATCH),
    ("overflowing end", set_("end", WRAPPED), Reason.PERIOD_MISMATCH),
    ("class twice", lambda body: body.inventory.append(body.inventory[0]), Reason.ROW_TWICE),
    ("unknown class", lambda body: set_("chip_class", "H999")(body.inventory[0]), Reason.CHIP_CLASS_UNKNOWN),
    ("use of a class not held", lambda body: set_("chip_class", "A100-SXM-80")(body.use[0]), Reason.CHIP_CLASS_UNKNOWN),
    ("use of no class", lambda body: set_("chip_class", "")(body.use[0]), Reason.CHIP_CLASS_UNKNOWN),
    ("class and label twice", lambda body: body.use.append(body.use[0]), Reason.ROW_TWICE),
    ("label absent", lambda body: set_("label", 0)(body.use[1]), Reason.LABEL_UNKNOWN),
    ("label unknown", lambda body: set_("label", 12)(body.use[1]), Reason.LABEL_UNKNOWN),
    ("training without operations", lambda body: body.use[0].ClearField("operations"), Reason.QUANTITY_ABSENT),
    ("operations without format", lambda body: set_("format", 0)(body.use[0]), Reason.FORMAT_UNKNOWN),
    ("operations in an unknown format", lambda body: set_("format", 9)(body.use[0]), Reason.FORMAT_UNKNOWN),
    ("a sum that overflows", lambda body: _fill(body.use), Reason.QUANTITY_OUT_OF_RANGE),
    ("a mapping of 31 bytes", set_("mapping", bytes(31)), Reason.DIGEST_LENGTH),
    ("an exemption that no level has", lambda body: set_("exemption", "audit")(body.use[1]), Reason.NAME_UNKNOWN),
    ("a run twice", lambda body: body.runs.append(body.runs[0]), Reason.ORDER_MISMATCH),
    ("a nameless run", lambda body: set_("run", "")(body.runs[0]), Reason.NAME_MALFORMED),
    ("a run under no label", lambda body: set_("label", 0)(body.runs[0]), Reason.LABEL_UNKNOWN),
    *_quantity("inventory.0.chips", counted=True),
    *_quantity("use.0.held"),
    *_quantity("use.0.operations"),
    *_quantity("runs.0.chips", counted=True),
    *_quantity("runs.0.operations"),
    *_energy(),
]

BROKEN: dict[str, list[tuple[str, Edit, Reason]]] = {
    "attestation": ATTESTATION_BROKEN,
    "halt report": [
        ("unknown level", set_("level", 3), Reason.NAME_UNKNOWN),
        ("level 0", set_("level", 0), Reason.NAME_UNKNOWN),
        ("no episode", _no_episode, Reason.EPISODE_MISMATCH),
        ("run twice", lambda body: body.runs.append(body.runs[0]), Reason.ROW_TWICE),
        ("nameless run", lambda body: set_("run", "")(body.runs[0]), Reason.NAME_MALFORMED),
        ("run with a long name", lambda body: set_("run", "x" * 129)(body.runs[0]), Reason.NAME_MALFORMED),
        ("run with a line feed", lambda body: set_("run", "a\nb")(body.runs[0]), Reason.NAME_MALFORMED),
        ("label unknown", lambda body: set_("label", 99)(body.runs[0]), Reason.LABEL_UNKNOWN),
        ("nothing sealed", lambda body: set_("sealed_checkpoint", b"")(body.runs[0]), Reason.DIGEST_LENGTH),
        *_quantity("runs.0.chips", counted=True),
        *_quantity("runs.0.operations"),
    ],
    "transfer": [
        ("no id", set_("id", ""), Reason.NAME_MALFORMED),
        ("no direction", set_("direction", 0), Reason.VALUE_OUT_OF_RANGE),
        ("unknown direction", set_("direction", 3), Reason.VALUE_OUT_OF_RANGE),
        ("with nobody", set_("counterparty", "delta"), Reason.NAME_UNKNOWN),
        ("with itself", set_("counterparty", "alpha"), Reason.NAME_UNKNOWN),
        ("with a meter operator", set_("counterparty", "gridco"), Reason.NAME_UNKNOWN),
        ("with a verifier", set_("counterparty", "vera"), Reason.NAME_UNKNOWN),
        ("of no chips", lambda body: set_("value", 0)(body.chips), Reason.QUANTITY_OUT_OF_RANGE),
        ("unknown class", set_("chip_class", "H999"), Reason.CHIP_CLASS_UNKNOWN),
        *_quantity("chips", counted=True),
    ],
    "shipment": [
        ("no id", set_("id", ""), Reason.NAME_MALFORMED),
        ("to nobody", set_("receiver", "delta"), Reason.NAME_UNKNOWN),
        ("to a party that is no lab", set_("receiver", "gridco"), Reason.NAME_UNKNOWN),
        ("unknown class", set_("chip_class", ""), Reason.CHIP_CLASS_UNKNOWN),
        ("of no chips", lambda body: set_("value", 0)(body.chips), Reason.QUANTITY_OUT_OF_RANGE),
        *_quantity("chips", counted=True),
    ],
    "meter reading": [
        ("no meter", set_("meter", ""), Reason.NAME_MALFORMED),
        ("another period", set_("start", START), Reason.PERIOD_MISMATCH),
        ("two periods", set_("end", START + 5 * 3_600), Reason.PERIOD_MISMATCH),
        *_energy(),
    ],
    "indicator report": [
        ("unknown indicator", set_("indicator", "height"), Reason.NAME_UNKNOWN),
        ("indicator of others", set_("indicator", "uplift-2"), Reason.NAME_UNKNOWN),
        ("of nobody", set_("lab", "vera"), Reason.NAME_UNKNOWN),
        ("of another lab", set_("lab", "beta"), Reason.NO_AUTHORITY),
        ("value absent", lambda body: body.ClearField("value"), Reason.QUANTITY_ABSENT),
        ("value negative", set_("value", WRAPPED), Reason.QUANTITY_OUT_OF_RANGE),
        ("value overflowing", set_("value", 2**63), Reason.QUANTITY_OUT_OF_RANGE),
        ("a plan of 33 bytes", set_("plan", bytes(33)), Reason.DIGEST_LENGTH),
        ("a low end above it", set_("low", 101), Reason.VALUE_OUT_OF_RANGE),
        ("a high end below it", set_("high", 99), Reason.VALUE_OUT_OF_RANGE),
        ("a high end overflowing", set_("high", 2**63), Reason.QUANTITY_OUT_OF_RANGE),
    ],
    "report by a verifier": [("indicator of others", set_("indicator", "uplift"), Reason.NO_AUTHORITY)],
    "ballot": [
        ("no motion", set_("motion", 0), Reason.VALUE_OUT_OF_RANGE),
        ("unknown motion", set_("motion", 12), Reason.VALUE_OUT_OF_RANGE),
        ("unknown level", set_("level", 3), Reason.NAME_UNKNOWN),
        ("no episode", set_("episode", 0), Reason.EPISODE_MISMATCH),
        ("something further asked", set_("asked", bytes(32)), Reason.DIGEST_LENGTH),
        ("about a lab", set_("about", "beta"), Reason.NAME_UNKNOWN),
        ("under another rule", set_("rule", "council"), Reason.NAME_UNKNOWN),
        ("by a seat", set_("seat", "chair"), Reason.SEAT_UNKNOWN),
        ("with a serial", set_("serial", 1), Reason.SEAT_UNKNOWN),
        ("with a seat's signature", set_("seat_signature", bytes(64)), Reason.SEAT_UNKNOWN),
    ],
    "pledge": [
        (
            "when one and all read",
            lambda body: set_("all", True)(body.clauses[0].when.reading),
            Reason.CONDITION_MALFORMED,
        ),
        ("two clauses for a level", lambda body: body.clauses.append(body.clauses[0]), Reason.ROW_TWICE),
        ("unknown level", lambda body: set_("level", 3)(body.clauses[0]), Reason.NAME_UNKNOWN),
        ("when of no test", lambda body: body.clauses[1].when.SetInParent(), Reason.CONDITION_MALFORMED),
        ("when others keep", lambda body: body.clauses[0].when.CopyFrom(keeps(1, "beta")), Reason.CONDITION_MALFORMED),
        (
            "when others were honored",
            lambda body: body.clauses[0].when.honored.MergeFrom(condition_pb2.Condition.Honored(level=1, periods=1)),
            Reason.CONDITION_MALFORMED,
        ),
        ("provided a reading", lambda body: body.clauses[0].provided.CopyFrom(reading(1)), Reason.PLEDGE_NOT_MONOTONE),
        (
            "provided by nobody",
            lambda body: body.clauses[0].provided.CopyFrom(keeps(1, "chipco")),
            Reason.NAME_UNKNOWN,
        ),
    ],
    "key set": [
        ("no version", set_("version", 0), Reason.KEY_SET_VERSION),
        ("the version in force", set_("version", 1), Reason.KEY_SET_VERSION),
        ("a version jumped", set_("version", 3), Reason.KEY_SET_VERSION),
        ("no keys", lambda body: body.ClearField("keys"), Reason.KEY_COUNT),
        ("too many keys", _many_keys, Reason.KEY_COUNT),
        ("revoked ahead", set_("revoked_from", 3), Reason.VALUE_OUT_OF_RANGE),
        ("a key of no use", lambda body: set_("use", 0)(body.keys[0]), Reason.VALUE_OUT_OF_RANGE),
        ("a key of unknown use", lambda body: set_("use", 3)(body.keys[0]), Reason.VALUE_OUT_OF_RANGE),
        ("a key twice", lambda body: body.keys.append(body.keys[0]), Reason.KEY_TWICE),
        ("a root key", lambda body: set_("public_key", _key("root 1"))(body.keys[0]), Reason.KEY_TWICE),
        ("a log key", lambda body: set_("public_key", _key("log"))(body.keys[0]), Reason.KEY_TWICE),
        ("a short key", lambda body: set_("public_key", bytes(31))(body.keys[0]), Reason.KEY_LENGTH),
        ("a key of small order", lambda body: set_("public_key", bytes(32))(body.keys[0]), Reason.KEY_SMALL_ORDER),
    ],
    "withdrawal": [("a long reason", set_("reason", "x" * 1_001), Reason.VALUE_OUT_OF_RANGE)],
    "assessment": [
        ("findings other than the codes", lambda body: body.findings.pop(), Reason.ORDER_MISMATCH),
        ("a finding of no severity", lambda body: set_("severity", 0)(body.findings[0]), Reason.VALUE_OUT_OF_RANGE),
        ("unknown severity", lambda body: set_("severity", 5)(body.findings[0]), Reason.VALUE_OUT_OF_RANGE),
        ("a statement not named", lambda body: body.findings[0].statements.add(origin="x"), Reason.DIGEST_LENGTH),
        ("evidence in no state", lambda body: set_("state", 0)(body.evidence[0]), Reason.VALUE_OUT_OF_RANGE),
        ("a state of 31 bytes", set_("state", bytes(31)), Reason.DIGEST_LENGTH),
        ("no bound and no reason", lambda body: body.assurance.ClearField("bound_absent_because"), Reason.FIELD_ABSENT),
        ("a bound and a reason", lambda body: body.assurance.hidden_compute.SetInParent(), Reason.FIELD_ABSENT),
    ],
    "misbehavior": [
        ("of nobody", set_("party", "delta"), Reason.NAME_UNKNOWN),
        ("without proof", lambda body: body.ClearField("split_view"), Reason.MISBEHAVIOR_UNPROVEN),
        ("with one head twice", _one_head_twice, Reason.MISBEHAVIOR_UNPROVEN),
        ("with heads of two sizes", _heads_of_two_sizes, Reason.MISBEHAVIOR_UNPROVEN),
        ("with heads of another log", set_("party", "beta"), Reason.NOTE_UNVERIFIED),
        ("with a note that is none", lambda body: set_("first", b"x")(body.split_view), Reason.NOTE_MALFORMED),
    ],
    "ballot to ratify": [("a level without a brake", set_("level", 1), Reason.BRAKE_NOT_AGREED)],
    "brake": [
        ("unknown level", set_("level", 3), Reason.NAME_UNKNOWN),
        ("a level without a brake", set_("level", 1), Reason.BRAKE_NOT_AGREED),
        ("a long reason", set_("reason", "x" * 1_001), Reason.VALUE_OUT_OF_RANGE),
    ],
    "admission": [
        ("of no party", set_("party", b"\xff"), Reason.MESSAGE_MALFORMED),
        ("of a party with bytes that say nothing", set_("party", b"\xf8\x07\x01"), Reason.MESSAGE_NOT_CANONICAL),
    ],
    "amendment": [
        ("a digest of 31 bytes", set_("digest", bytes(31)), Reason.DIGEST_LENGTH),
        ("a part beyond the last", set_("part", 18), Reason.VALUE_OUT_OF_RANGE),
        ("no parts", set_("parts", 0), Reason.VALUE_OUT_OF_RANGE),
        ("too many parts", set_("parts", 19), Reason.VALUE_OUT_OF_RANGE),
        ("an empty part", set_("data", b""), Reason.VALUE_OUT_OF_RANGE),
        ("a large part", set_("data", bytes(60_001)), Reason.VALUE_OUT_OF_RANGE),
    ],
    "evaluation plan": [
        ("unknown indicator", set_("indicator", "height"), Reason.NAME_UNKNOWN),
        ("indicator of others", set_("indicator", "uplift-2"), Reason.NAME_UNKNOWN),
        ("a plan of 31 bytes", set_("plan", bytes(31)), Reason.DIGEST_LENGTH),
    ],
    "clarification": [
        ("that asks nothing", set_("question", ""), Reason.FIELD_ABSENT),
        ("that is long", set_("question", "x" * 4_001), Reason.VALUE_OUT_OF_RANGE),
        ("about a period after overflow", set_("period", 2**63), Reason.QUANTITY_OUT_OF_RANGE),
        ("about a statement not named", lambda body: body.about.add(origin="x"), Reason.DIGEST_LENGTH),
        ("about too much", lambda body: _refer(body.about, 101), Reason.VALUE_OUT_OF_RANGE),
    ],
    "reply": [
        ("that says nothing", set_("text", ""), Reason.FIELD_ABSENT),
        ("that is long", set_("text", "x" * 4_001), Reason.VALUE_OUT_OF_RANGE),
        ("that points to a statement not named", lambda body: body.refs.add(origin="x"), Reason.DIGEST_LENGTH),
        ("that points to too much", lambda body: _refer(body.refs, 101), Reason.VALUE_OUT_OF_RANGE),
    ],
}
