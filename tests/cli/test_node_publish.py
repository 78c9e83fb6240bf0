"""Statements as people write them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from cli.output import plain
from cli.publish_format import as_table, read_drafts
from protocol.errors import Reason, Refused
from protocol.statements import KINDS
from protocol.wire import encode
from standstill.v1 import decision_pb2, evidence_pb2, header_pb2
from tests import bodies
from tests.protocol.refusals import refuses
from tests.terms import agreement

TERMS = agreement()
HANDLE = bytes(range(16))
SITES = {"g1": HANDLE}
SHIPMENT = {
    "id": "shipment-1",
    "receiver": "alpha",
    "chip_class": "H100-SXM",
    "chips": {"value": 2, "unit": "UNIT_CHIP", "basis": "BASIS_MEASURED"},
}
ONE: dict[str, Any] = {"kind": "ShipmentReport", "period": 3, "body": SHIPMENT}


def read(item: object) -> list[Any]:
    return read_drafts(json.dumps(item), SITES)


def body_of(item: object) -> Message:
    (draft,) = read(item)
    return KINDS[draft.kind].body.FromString(draft.body)


def with_body(**changes: Any) -> dict[str, Any]:
    return {**ONE, "body": {**SHIPMENT, **changes}}


def halt(*runs: object) -> dict[str, Any]:
    return {"kind": "HaltReport", "body": {"runs": list(runs)}}


def test_reads_one_statement_or_a_list() -> None:
    (draft,) = read(ONE)

    assert (draft.kind, draft.period, draft.site) == (header_pb2.KIND_SHIPMENT_REPORT, 3, b"")
    assert evidence_pb2.ShipmentReport.FromString(draft.body) == bodies.shipment_report()
    assert read([ONE, ONE]) == [draft, draft]


def test_kinds_go_by_either_name() -> None:
    assert read({**ONE, "kind": "KIND_SHIPMENT_REPORT"}) == read(ONE)


def test_fields_go_by_either_name() -> None:
    camel = {key: value for key, value in SHIPMENT.items() if key != "chip_class"} | {"chipClass": "H100-SXM"}

    assert read({**ONE, "body": camel}) == read(ONE)


@pytest.mark.parametrize("value", [2, "2", 2**53 + 1, str(2**63 - 1)], ids=repr)
def test_integers_may_be_strings(value: object) -> None:
    body = body_of(with_body(chips={**SHIPMENT["chips"], "value": value}))  # type: ignore[dict-item]

    assert isinstance(body, evidence_pb2.ShipmentReport)
    assert body.chips.value == int(str(value))


def test_a_site_goes_by_its_name_or_its_handle() -> None:
    reading = {"kind": "MeterReading", "period": 0, "body": as_table(bodies.meter_reading(TERMS, 0))}

    named, spelled = (read({**reading, "site": site})[0] for site in ("g1", HANDLE.hex()))
    assert named == spelled
    assert named.site == HANDLE


def test_a_statement_without_a_period_has_none() -> None:
    (draft,) = read({"kind": "Ballot", "body": {"motion": "MOTION_CALL", "level": 2, "episode": 1, "yes": True}})

    assert not draft.HasField("period")
    assert decision_pb2.Ballot.FromString(draft.body) == bodies.ballot()


def test_zero_and_absent_are_different_things() -> None:
    zero = body_of(with_body(chips={"value": 0}))
    absent = body_of(with_body(chips={"value": None}))

    assert isinstance(zero, evidence_pb2.ShipmentReport)
    assert isinstance(absent, evidence_pb2.ShipmentReport)
    assert zero.chips.HasField("value")
    assert absent.HasField("chips")
    assert not absent.chips.HasField("value")


@pytest.mark.parametrize(
    ("item", "field"),
    [
        (7, "statement"),
        ([], "statement"),
        ([ONE] * 1001, "statement"),
        ([ONE, 7], "[1]"),
        ({**ONE, "perido": 3}, "perido"),
        ([ONE, {**ONE, "period": -1}], "[1].period"),
        ({**ONE, "period": 2**63}, "period"),
        ({**ONE, "period": True}, "period"),
        ({**ONE, "period": 1.0}, "period"),
        ({**ONE, "period": "1e3"}, "period"),
        ({**ONE, "period": "9" * 5000}, "period"),
        ({**ONE, "site": "g2"}, "site"),
        ({**ONE, "site": 5}, "site"),
        ({**ONE, "inquiry": "beta"}, "inquiry"),
        ({**ONE, "inquiry": {"labb": "beta"}}, "inquiry.labb"),
        ({**ONE, "inquiry": {"question": "x"}}, "inquiry.question"),
        ({**ONE, "body": []}, "body"),
        (with_body(recevier="alpha"), "body.recevier"),
        (with_body(receiver=5), "body.receiver"),
        (with_body(chips=2), "body.chips"),
        (with_body(chips={"value": -1}), "body.chips.value"),
        (with_body(chips={"value": 2**64}), "body.chips.value"),
        (with_body(chips={"value": 0.5}), "body.chips.value"),
        (with_body(chips={"value": [1]}), "body.chips.value"),
        (with_body(chips={"unit": "UNIT_UNSPECIFIED"}), "body.chips.unit"),
        (with_body(chips={"unit": 5}), "body.chips.unit"),
        (with_body(chips={"random_ppm": 2**32}), "body.chips.random_ppm"),
        (with_body(chipClass="H100-SXM"), "body.chipClass"),
        ([ONE, {"kind": "HaltReport", "body": {"runs": {}}}], "[1].body.runs"),
        (
            {"kind": "HaltReport", "body": {"runs": [{}, {"sealed_checkpoint": "xyz"}]}},
            "body.runs[1].sealed_checkpoint",
        ),
        ({"kind": "HaltReport", "body": {"runs": [{"sealed_checkpoint": "abc"}]}}, "body.runs[0].sealed_checkpoint"),
        ({"kind": "Ballot", "body": {"yes": "true"}}, "body.yes"),
        (
            {"kind": "Pledge", "body": {"clauses": [{"when": {"constant": {"value": True}, "elapsed": {}}}]}},
            "body.clauses[0].when.elapsed",
        ),
    ],
)
def test_names_the_field_that_is_wrong(item: object, field: str) -> None:
    with refuses(Reason.DRAFT_MALFORMED, field):
        read(item)

    assert len(read(ONE)) == 1


@pytest.mark.parametrize("kind", [None, "Shipment", 8, "KIND_UNSPECIFIED", "KIND_CLOSING_TIME"], ids=repr)
def test_refuses_an_unknown_kind_and_names_those_that_exist(kind: object) -> None:
    with pytest.raises(Refused, match="ShipmentReport") as caught:
        read([ONE, {**ONE, "kind": kind}])

    assert (caught.value.reason, caught.value.field) == (Reason.KIND_UNKNOWN, "[1].kind")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('{"kind": "Ballot",}', "line 1, column 19"),
        ("[{},\n ]", "line 2, column 2"),
        ("[\n{}\n", "line 3, column 1"),
        ("", "line 1, column 1"),
        ("[" * 100_000, "statement"),
        ("9" * 5_000, "statement"),
        ('{"kind": "Ballot", "kind": "Pledge"}', "kind"),
    ],
)
def test_refuses_what_is_no_json_object(text: str, field: str) -> None:
    with refuses(Reason.DRAFT_MALFORMED, field):
        read_drafts(text, SITES)


@pytest.mark.parametrize(
    ("text", "message", "at"),
    [
        ('{"kind": "Ballot",}', "Expecting property name enclosed in double quotes", 18),
        ('{"kind": "Ballot",}', "Illegal trailing comma before end of object", 17),
        ('{"kind": "Ballot",\n }', "Illegal trailing comma before end of object", 17),
    ],
    ids=["until Python 3.12", "since Python 3.13", "over two lines"],
)
def test_a_trailing_comma_has_one_place_whatever_python_says(
    monkeypatch: pytest.MonkeyPatch, text: str, message: str, at: int
) -> None:
    def loads(*_: object, **__: object) -> None:
        raise json.JSONDecodeError(message, text, at)

    monkeypatch.setattr(json, "loads", loads)

    with refuses(Reason.DRAFT_MALFORMED, "line 2, column 2" if "\n" in text else "line 1, column 19"):
        read_drafts(text, SITES)


def every_body() -> list[tuple[int, Message]]:
    made = {
        "founding": bodies.founding(TERMS),
        "key_set": bodies.key_set("alpha"),
        "withdrawal": bodies.withdrawal("because"),
        "pledge": bodies.pledge(),
        "attestation": bodies.attestation(TERMS, 3),
        "halt": bodies.halt_report(),
        "transfer": bodies.transfer(),
        "shipment": bodies.shipment_report(),
        "reading": bodies.meter_reading(TERMS, 3),
        "indicator": bodies.indicator_report(),
        "ballot": bodies.ballot(),
    }
    kinds = {rule.body: kind for kind, rule in KINDS.items()}
    return [(kinds[type(body)], body) for body in made.values()]


@pytest.mark.parametrize(("kind", "body"), every_body(), ids=lambda value: type(value).__name__)
def test_what_is_written_reads_back_as_the_same_bytes(kind: header_pb2.Kind.ValueType, body: Message) -> None:
    item = {"kind": header_pb2.Kind.Name(kind), "body": plain(as_table(body))}

    (draft,) = read(item)
    assert draft.body == encode(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*SHIPMENT, "value", "x"]), inner),
    max_leaves=8,
)


@given(item=json_values)
def test_whatever_is_written_is_read_or_refused_by_name(item: object) -> None:
    refusal: Refused | None = None
    try:
        drafts = read({**ONE, "body": item})
    except Refused as refused:
        refusal, drafts = refused, [None]

    assert len(drafts) == 1
    assert refusal is None or (refusal.reason is Reason.DRAFT_MALFORMED and refusal.field.startswith("body"))
