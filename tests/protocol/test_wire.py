"""Strict reading of protobuf bytes."""

from __future__ import annotations

import pkgutil
from importlib import import_module

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from protocol import wire
from protocol.errors import Reason, Refused
from standstill import v1
from standstill.v1 import agreement_pb2, condition_pb2, header_pb2, quantity_pb2
from tests.protocol.refusals import refuses
from tests.protocol.statement_cases import GOOD as GOOD_STATEMENTS

GOOD = quantity_pb2.Quantity(value=0, unit=quantity_pb2.UNIT_CHIP, basis=quantity_pb2.BASIS_MEASURED, random_ppm=200)
DATA = wire.encode(GOOD)

MUTATIONS = [
    ("an unknown field", DATA + b"\xf8\x01\x01", Reason.MESSAGE_NOT_CANONICAL),
    ("a singular field twice", DATA + b"\x10\x05", Reason.MESSAGE_NOT_CANONICAL),
    ("a default spelled out", DATA + b"\x28\x00", Reason.MESSAGE_NOT_CANONICAL),
    ("a padded varint", b"\x08\x80\x00" + DATA[2:], Reason.MESSAGE_NOT_CANONICAL),
    ("a truncated message", DATA[:-1], Reason.MESSAGE_MALFORMED),
    ("no protobuf", b"\xff\xff", Reason.MESSAGE_MALFORMED),
]


def test_reads_what_an_encoder_writes() -> None:
    assert wire.parse(quantity_pb2.Quantity, DATA, "quantity") == GOOD


@pytest.mark.parametrize(("name", "data", "reason"), MUTATIONS, ids=[name for name, _, _ in MUTATIONS])
def test_refuses_bytes_with_a_second_reading(name: str, data: bytes, reason: Reason) -> None:
    with refuses(reason, "quantity"):
        wire.parse(quantity_pb2.Quantity, data, "quantity")


MINUS_ONE = b"\xff\xff\xff\xff\x0f"
"""An enum value of -1 in five bytes, where encoders write ten."""

SAME_LENGTH: list[tuple[str, type[Message], bytes]] = [
    # What one field has too much, another has too little: the length alone would give none of them away.
    ("two fields in another order", quantity_pb2.Quantity, b"\x10\x01\x08\x05"),
    (
        "an unknown field beside an enum value that is written too short",
        quantity_pb2.Quantity,
        b"\x08\x05\x10" + MINUS_ONE + b"\xfa\x01\x02hi",
    ),
    (
        "a singular field twice beside an enum value that is written too short",
        quantity_pb2.Quantity,
        b"\x08\x85\x80\x80\x00\x08\x09\x10" + MINUS_ONE,
    ),
    ("a padded length beside an unpacked list", agreement_pb2.Party, b"\x0a\x85\x00alpha\x10\x01"),
    ("a default spelled out beside unpacked lists", agreement_pb2.Agreement, b"\x08\x00" + 2 * b"\x2a\x02\x10\x01"),
]


@pytest.mark.parametrize(("name", "kind", "data"), SAME_LENGTH, ids=[name for name, _, _ in SAME_LENGTH])
def test_refuses_other_bytes_of_the_length_that_an_encoder_writes(name: str, kind: type[Message], data: bytes) -> None:
    understood = kind.FromString(data)
    understood.DiscardUnknownFields()
    written = wire.encode(understood)
    assert len(written) == len(data)
    assert wire.parse(kind, written, "message") == understood
    with refuses(Reason.MESSAGE_NOT_CANONICAL, "message"):
        wire.parse(kind, data, "message")


@pytest.mark.parametrize(("number", "packed"), [(1, b"\x12\x01\x01"), (2, b"\x12\x02\x01\x02")])
def test_refuses_an_unpacked_list_of_numbers(number: int, packed: bytes) -> None:
    unpacked = b"".join(b"\x10" + bytes([role]) for role in range(1, number + 1))
    party = agreement_pb2.Party(roles=[agreement_pb2.ROLE_LAB, agreement_pb2.ROLE_SUPPLIER][:number])
    assert agreement_pb2.Party.FromString(unpacked) == party
    assert wire.parse(agreement_pb2.Party, packed, "party") == party
    with refuses(Reason.MESSAGE_NOT_CANONICAL, "party"):
        wire.parse(agreement_pb2.Party, unpacked, "party")


@pytest.mark.parametrize("kind", GOOD_STATEMENTS)
def test_writes_the_fields_in_the_order_of_their_numbers(kind: str) -> None:
    body = GOOD_STATEMENTS[kind][1]
    fields = [field for field, _ in body.ListFields()]
    assert wire.encode(body) == b"".join(_alone(body, field.name) for field in sorted(fields, key=lambda f: f.number))


def test_no_message_that_is_signed_holds_a_map_whose_entries_could_be_written_in_any_order() -> None:
    modules = [info.name for info in pkgutil.iter_modules(v1.__path__)]
    names = [name for name in modules if name.endswith("_pb2") and not name.endswith("_service_pb2")]
    found = [import_module(f"{v1.__name__}.{name}").DESCRIPTOR for name in names]
    messages = [message for file in found for message in file.message_types_by_name.values()]
    assert header_pb2.Header.DESCRIPTOR in messages

    assert [one.full_name for one in messages if any(inner.GetOptions().map_entry for inner in one.nested_types)] == []


def _alone(message: Message, name: str) -> bytes:
    """One field of a message, written by itself."""
    copy = type(message)()
    copy.CopyFrom(message)
    for field, _ in message.ListFields():
        if field.name != name:
            copy.ClearField(field.name)
    return wire.encode(copy)


def test_refuses_an_unknown_field_at_any_depth() -> None:
    header = header_pb2.Header(assessment=header_pb2.AssessmentSummary(lab="alpha"))
    inner = wire.encode(header.assessment) + b"\xf8\x01\x01"
    good = b"\x62" + bytes([len(inner) - 3]) + inner[:-3]
    assert wire.parse(header_pb2.Header, good, "header") == header
    with refuses(Reason.MESSAGE_NOT_CANONICAL, "header"):
        wire.parse(header_pb2.Header, b"\x62" + bytes([len(inner)]) + inner, "header")


def test_refuses_a_message_beyond_its_limit_by_one_byte() -> None:
    assert wire.parse(quantity_pb2.Quantity, DATA, "quantity", len(DATA)) == GOOD
    with refuses(Reason.MESSAGE_TOO_LARGE, "quantity"):
        wire.parse(quantity_pb2.Quantity, DATA, "quantity", len(DATA) - 1)


def test_refuses_nesting_that_would_exhaust_the_stack() -> None:
    data = b""
    for _ in range(3_000):
        part = b"\x0a" + _varint(len(data)) + data
        data = b"\x0a" + _varint(len(part)) + part
    with refuses(Reason.MESSAGE_MALFORMED):
        wire.parse(condition_pb2.Condition, data, "condition")


@given(st.binary(max_size=300))
def test_answers_any_bytes_with_a_message_of_exactly_these_bytes_or_a_refusal(data: bytes) -> None:
    try:
        message = wire.parse(header_pb2.Header, data, "header")
    except Refused as refused:
        if refused.reason not in {Reason.MESSAGE_MALFORMED, Reason.MESSAGE_NOT_CANONICAL}:
            raise
    else:
        assert wire.encode(message) == data


@given(st.binary(max_size=64))
def test_takes_for_a_digest_exactly_32_bytes(value: bytes) -> None:
    if len(value) == 32:
        wire.require_digest(value, "state")
        return
    with refuses(Reason.DIGEST_LENGTH, "state"):
        wire.require_digest(value, "state")


def _varint(value: int) -> bytes:
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])
