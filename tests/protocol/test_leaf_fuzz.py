"""Leaves from strangers: whatever the bytes, a refusal or the statement that was signed."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from protocol import wire
from protocol.envelope import parse_envelope, seal
from protocol.errors import Reason, Refused
from protocol.leaf import HEADER_TYPE
from standstill.v1 import envelope_pb2
from tests.builders import World, agreement, attestation, change, seed, shipment_report

TERMS = agreement()
WORLD = World(TERMS).found()
ALPHA = WORLD["alpha"]
LEAF = ALPHA.write(ALPHA.draft(attestation(TERMS, 3)))


@given(st.integers(0, len(LEAF.envelope) - 1), st.integers(1, 255))
def test_takes_no_envelope_with_a_byte_flipped_for_the_same_statement(place: int, flip: int) -> None:
    data = bytearray(LEAF.envelope)
    data[place] ^= flip
    try:
        read = ALPHA.peek(change(LEAF, envelope=bytes(data)))
    except Refused as refused:
        # The flip is in the body's commitment.
        if refused.reason is not Reason.COMMITMENT_MISMATCH:
            raise
        return
    # Only the key id is not signed; it says nothing, and the leaf hash still tells the two apart.
    same = read.refusal is None
    assert not same or parse_envelope(bytes(data)).payload == parse_envelope(LEAF.envelope).payload
    assert read.leaf_hash != ALPHA.peek(LEAF).leaf_hash


@given(st.binary(min_size=1, max_size=400))
def test_answers_any_bytes_as_an_envelope_with_a_refusal(data: bytes) -> None:
    assert ALPHA.peek(change(LEAF, envelope=data)).refusal is not None


@given(st.binary(max_size=400))
def test_answers_any_bytes_as_a_signed_header_with_a_refusal(payload: bytes) -> None:
    envelope = seal(HEADER_TYPE, payload, [seed("alpha", "statement 1")])
    assert ALPHA.peek(change(LEAF, envelope=envelope)).refusal is not None


@given(st.binary(max_size=400))
def test_answers_any_bytes_as_a_signed_body_with_a_refusal_or_with_these_bytes(body: bytes) -> None:
    for kind in ("chipco", "alpha"):
        party = WORLD[kind]
        draft = party.draft(shipment_report() if kind == "chipco" else attestation(TERMS, 3))
        read = party.peek(party.write(replace(draft, body=body)))
        assert read.refusal is not None or (read.body is not None and wire.encode(read.body) == body)


@given(st.binary(max_size=200), st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=40))
def test_answers_any_leaf_with_a_refusal(envelope: bytes, leaf_salt: bytes, body_salt: bytes, body: bytes) -> None:
    leaf = envelope_pb2.Leaf(envelope=envelope, leaf_salt=leaf_salt, body_salt=body_salt, body=body)
    try:
        read = ALPHA.peek(leaf)
    except Refused as refused:
        if refused.reason not in {Reason.LEAF_WITHHELD, Reason.SALT_LENGTH}:
            raise
    else:
        assert read.refusal is not None
