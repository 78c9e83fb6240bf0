"""The signed envelope."""

from __future__ import annotations

from hashlib import sha256
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import keys
from protocol.envelope import (
    MAX_ENVELOPE_BYTES,
    MAX_ENVELOPE_SIGNATURES,
    identity,
    key_id,
    open_envelope,
    pae,
    parse_envelope,
    seal,
    signers,
)
from protocol.errors import Reason, Refused
from standstill.v1 import envelope_pb2
from tests.protocol.refusals import refuses

TYPE = "application/vnd.standstill.v1.Header+protobuf"
SEEDS = [bytes([number]) * 32 for number in range(1, 5)]
KEYS = [keys.public_key(seed) for seed in SEEDS]
SEALED = seal(TYPE, b"body", SEEDS[:1])


def build(payload: bytes = b"body", kind: str = TYPE, signatures: list[tuple[bytes, bytes]] | None = None) -> bytes:
    """An envelope with any parts."""
    message = envelope_pb2.Envelope(payload=payload, payload_type=kind)
    for hint, signature in signatures or []:
        message.signatures.add(keyid=hint, sig=signature)
    return message.SerializeToString()


def signature(seed: bytes, payload: bytes = b"body", kind: str = TYPE) -> bytes:
    """A signature over an envelope's parts."""
    return keys.sign(seed, pae(kind, payload))


def field(number: int, value: bytes) -> bytes:
    """A length-delimited protobuf field of less than 16,384 bytes."""
    size = len(value)
    length = bytes([size]) if size < 128 else bytes([size & 0x7F | 0x80, size >> 7])
    return bytes([number << 3 | 2]) + length + value


# DSSE 1.0.2, protocol.md, section "Test Vectors": type and body are ASCII, lengths decimal.
def test_writes_the_encoding_of_the_dsse_example() -> None:
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_counts_bytes_not_characters() -> None:
    assert pae("é", "ü".encode()) == b"DSSEv1 2 \xc3\xa9 2 \xc3\xbc"
    assert pae("", b"") == b"DSSEv1 0  0 "


@given(st.text(max_size=20), st.binary(max_size=40), st.text(max_size=20), st.binary(max_size=40))
def test_different_types_or_bodies_have_different_encodings(one: str, a: bytes, two: str, b: bytes) -> None:
    assert (pae(one, a) == pae(two, b)) == ((one, a) == (two, b))


@given(st.binary(max_size=200))
def test_hands_out_the_signed_bytes(payload: bytes) -> None:
    assert open_envelope(seal(TYPE, payload, SEEDS[:1]), TYPE, KEYS[:1]) == payload


def test_identity_is_the_hash_of_what_is_signed() -> None:
    assert parse_envelope(SEALED).identity() == identity(TYPE, b"body") == sha256(pae(TYPE, b"body")).digest()


def test_identity_does_not_depend_on_signatures_and_hints() -> None:
    twice = build(signatures=[(b"lie", signature(SEEDS[1])), (b"", signature(SEEDS[0]))])
    assert parse_envelope(twice).identity() == parse_envelope(SEALED).identity()


def test_a_hint_may_lie_or_be_missing() -> None:
    for hint in (b"", b"another", key_id(KEYS[1])):
        assert open_envelope(build(signatures=[(hint, signature(SEEDS[0]))]), TYPE, KEYS) == b"body"


def test_counts_the_keys_that_signed_and_ignores_strangers() -> None:
    sealed = seal(TYPE, b"body", SEEDS[:3])
    assert open_envelope(sealed, TYPE, KEYS[:2], threshold=2) == b"body"
    assert signers(parse_envelope(sealed), KEYS[1:]) == frozenset(KEYS[1:3])


def test_a_bad_signature_beside_a_good_one_neither_helps_nor_harms() -> None:
    mixed = build(signatures=[(key_id(KEYS[1]), bytes(64)), (b"", signature(SEEDS[0]))])
    assert open_envelope(mixed, TYPE, KEYS, threshold=1) == b"body"
    with refuses(Reason.THRESHOLD_NOT_MET, "signatures"):
        open_envelope(mixed, TYPE, KEYS, threshold=2)


def test_one_key_counts_once_however_often_and_under_whatever_hint_it_signs() -> None:
    repeated = build(signatures=[(hint, signature(SEEDS[0])) for hint in (b"", b"one", b"two", key_id(KEYS[1]))])
    with refuses(Reason.THRESHOLD_NOT_MET):
        open_envelope(repeated, TYPE, KEYS[:2], threshold=2)
    assert open_envelope(repeated, TYPE, KEYS[:2], threshold=1) == b"body"


def test_a_key_listed_twice_is_one_key() -> None:
    with refuses(Reason.THRESHOLD_OUT_OF_RANGE, "threshold"):
        open_envelope(SEALED, TYPE, [KEYS[0], KEYS[0]], threshold=2)


@pytest.mark.parametrize("threshold", [0, -1, 5])
def test_refuses_a_threshold_that_means_nothing(threshold: int) -> None:
    with refuses(Reason.THRESHOLD_OUT_OF_RANGE):
        open_envelope(SEALED, TYPE, KEYS, threshold)


def test_empty_signatures_do_not_count() -> None:
    with refuses(Reason.THRESHOLD_NOT_MET):
        open_envelope(build(signatures=[(key_id(KEYS[0]), b"")]), TYPE, KEYS)


def test_refuses_another_type_after_verifying() -> None:
    with refuses(Reason.PAYLOAD_TYPE_UNKNOWN, "payload_type"):
        open_envelope(SEALED, TYPE + "2", KEYS)
    relabelled = build(kind=TYPE + "2", signatures=[(b"", signature(SEEDS[0]))])
    with refuses(Reason.THRESHOLD_NOT_MET):
        open_envelope(relabelled, TYPE + "2", KEYS)


@given(st.integers(0, len(SEALED) * 8 - 1))
def test_refuses_or_ignores_any_flipped_bit(bit: int) -> None:
    changed = bytearray(SEALED)
    changed[bit // 8] ^= 1 << bit % 8
    hint_at = SEALED.index(key_id(KEYS[0]))
    if hint_at <= bit // 8 < hint_at + 8:
        assert open_envelope(bytes(changed), TYPE, KEYS) == b"body"
        return
    with pytest.raises(Refused):
        open_envelope(bytes(changed), TYPE, KEYS)


def test_accepts_the_largest_envelope_and_refuses_one_byte_more() -> None:
    overhead = len(seal(TYPE, bytes(60_000), SEEDS[:1])) - 60_000
    largest = seal(TYPE, bytes(MAX_ENVELOPE_BYTES - overhead), SEEDS[:1])
    assert len(largest) == MAX_ENVELOPE_BYTES
    assert open_envelope(largest, TYPE, KEYS)
    with refuses(Reason.MESSAGE_TOO_LARGE):
        seal(TYPE, bytes(MAX_ENVELOPE_BYTES - overhead + 1), SEEDS[:1])


def test_refuses_an_empty_type() -> None:
    with refuses(Reason.PAYLOAD_TYPE_EMPTY, "payload_type"):
        seal("", b"body", SEEDS[:1])


def test_refuses_an_envelope_without_signature() -> None:
    with refuses(Reason.ENVELOPE_UNSIGNED, "signatures"):
        parse_envelope(build())
    with refuses(Reason.ENVELOPE_UNSIGNED):
        seal(TYPE, b"body", [])


def test_refuses_more_signatures_than_the_limit() -> None:
    many = [(b"", bytes(64))] * MAX_ENVELOPE_SIGNATURES
    assert len(parse_envelope(build(signatures=many)).signatures) == MAX_ENVELOPE_SIGNATURES
    with refuses(Reason.ENVELOPE_SIGNATURES, "signatures"):
        parse_envelope(build(signatures=[*many, (b"", bytes(64))]))


@pytest.mark.parametrize("cut", [1, 2, 10, len(SEALED) - 1])
def test_refuses_a_truncated_envelope(cut: int) -> None:
    with refuses(Reason.MESSAGE_MALFORMED):
        parse_envelope(SEALED[:-cut])


PARTS = {
    "payload": field(1, b"body"),
    "type": field(2, b"t"),
    "signature": field(3, field(1, b"hint") + field(2, bytes(64))),
}


@pytest.mark.parametrize("order", list(permutations(PARTS)), ids=" ".join)
def test_refuses_the_fields_in_another_order_than_that_of_their_numbers(order: tuple[str, ...]) -> None:
    data = b"".join(PARTS[name] for name in order)
    if order == tuple(PARTS):
        assert parse_envelope(data).payload == b"body"
        return
    with refuses(Reason.MESSAGE_NOT_CANONICAL):
        parse_envelope(data)


@pytest.mark.parametrize(
    "surplus",
    [
        field(4, b"unknown"),
        b"\x20\x01",
        field(1, b"body"),
        field(2, b"t"),
        field(1, b""),
    ],
    ids=["unknown field", "unknown number", "payload twice", "type twice", "empty payload after payload"],
)
def test_refuses_a_field_that_two_runtimes_could_read_differently(surplus: bytes) -> None:
    whole = b"".join(PARTS.values())
    assert parse_envelope(whole).payload == b"body"
    for data in (whole + surplus, surplus + whole):
        with refuses(Reason.MESSAGE_NOT_CANONICAL):
            parse_envelope(data)


@pytest.mark.parametrize(
    "entry",
    [
        field(1, b"hint") + field(2, bytes(64)) + field(3, b"x"),
        field(1, b"hint") + field(2, bytes(64)) + field(2, bytes(64)),
        field(1, b"") + field(2, bytes(64)),
    ],
    ids=["unknown field", "signature twice", "default spelled out"],
)
def test_refuses_the_same_inside_a_signature(entry: bytes) -> None:
    with refuses(Reason.MESSAGE_NOT_CANONICAL):
        parse_envelope(PARTS["payload"] + PARTS["type"] + field(3, entry))


def test_refuses_a_padded_length() -> None:
    padded = b"\x0a\x84\x00body" + PARTS["type"] + PARTS["signature"]
    with refuses(Reason.MESSAGE_NOT_CANONICAL):
        parse_envelope(padded)


def test_refuses_a_type_that_is_not_utf_8() -> None:
    with refuses(Reason.MESSAGE_MALFORMED):
        parse_envelope(PARTS["payload"] + field(2, b"\xff") + PARTS["signature"])


def test_a_note_signature_is_no_envelope_signature() -> None:
    note_like = keys.sign(SEEDS[0], b"DSSEv1\n")
    with refuses(Reason.THRESHOLD_NOT_MET):
        open_envelope(build(signatures=[(b"", note_like)]), TYPE, KEYS)
