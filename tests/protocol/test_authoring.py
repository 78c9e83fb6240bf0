"""Writing leaves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol import authoring, wire
from protocol.commitment import BODY_TAG, commit
from protocol.envelope import MAX_ENVELOPE_BYTES, key_id, parse_envelope
from protocol.errors import Reason
from protocol.keys import public_key
from protocol.leaf import HEADER_TYPE
from protocol.statements import KINDS
from standstill.v1 import header_pb2
from tests.builders import World, agreement, assessment, attestation, handle, seed, summary
from tests.protocol.refusals import refuses
from tests.protocol.statement_cases import GOOD
from tests.protocol.statement_cases import WORLD as SPEAKERS

TERMS = agreement()
WORLD = World(TERMS).found()
ALPHA = WORLD["alpha"]
DRAFT = ALPHA.draft(attestation(TERMS, 3))
SALTS = (b"\1" * 32, b"\2" * 32)


def test_says_where_and_of_what_it_speaks() -> None:
    leaf = authoring.write_leaf(TERMS, ALPHA.cursor, DRAFT, salts=SALTS, time=77, seeds=[seed("alpha", "statement 1")])
    envelope = parse_envelope(leaf.envelope)
    header = header_pb2.Header.FromString(envelope.payload)
    assert envelope.payload_type == HEADER_TYPE
    assert [one.key_id for one in envelope.signatures] == [key_id(public_key(seed("alpha", "statement 1")))]
    assert header == header_pb2.Header(
        agreement=TERMS.digest,
        author="alpha",
        origin="alpha.example/standstill",
        kind=header_pb2.KIND_COMPUTE_ATTESTATION,
        sequence=2,
        previous=ALPHA.read[1].leaf_hash,
        period=3,
        site=handle("alpha"),
        audience=header_pb2.AUDIENCE_VERIFIERS,
        claimed_time=77,
        body_commitment=commit(BODY_TAG, SALTS[1], DRAFT.body),
    )
    assert (leaf.leaf_salt, leaf.body_salt, leaf.body) == (*SALTS, DRAFT.body)


def test_writes_the_same_bytes_again() -> None:
    # Repeating a step after a crash yields the same bytes (annex 6.2).
    assert ALPHA.write(DRAFT).SerializeToString() == ALPHA.write(DRAFT).SerializeToString()


@pytest.mark.parametrize("kind", GOOD)
def test_writes_what_its_reader_accepts(kind: str) -> None:
    author, body, about = GOOD[kind]
    party = SPEAKERS[author]
    draft = party.draft(body, **about)
    read = party.peek(party.write(draft))
    assert read.refusal is None
    assert read.header is not None
    assert read.header.audience == KINDS[draft.kind].audience
    assert read.body is not None
    assert wire.encode(read.body) == draft.body


def test_refuses_a_header_that_no_log_can_hold() -> None:
    party = WORLD["vera"]
    for length, fits in ((1_000, True), (MAX_ENVELOPE_BYTES, False)):
        stated = summary(codes=["x" * length])
        draft = replace(party.draft(assessment()), summary=stated)
        if fits:
            party.write(draft)
            continue
        with refuses(Reason.MESSAGE_TOO_LARGE):
            party.write(draft)


def test_refuses_salts_of_another_length() -> None:
    for salts in ((b"", SALTS[1]), (SALTS[0], bytes(31))):
        with refuses(Reason.SALT_LENGTH):
            leaf = authoring.write_leaf(
                TERMS, ALPHA.cursor, DRAFT, salts=salts, time=1, seeds=[seed("alpha", "statement 1")]
            )
            ALPHA.peek(leaf)
