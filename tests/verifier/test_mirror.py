"""A mirror's light reading: what it checks, what it leaves alone, and whom it would serve."""

from __future__ import annotations

import pytest

from daemon.rows import store_leaf
from protocol.errors import Reason, Refused
from protocol.leaf import Bodies, Cursor, read_leaves
from protocol.wire import MAX_MESSAGE_BYTES
from standstill.v1 import envelope_pb2, header_pb2
from tests.builders import Party, agreement, attestation, change, seed
from verifier.mirror import read_mirrored

TERMS = agreement()


@pytest.fixture
def party() -> Party:
    made = Party(TERMS, "alpha")
    made.found()
    for period in range(3):
        made.say(attestation(TERMS, period))
    return made


def start(party: Party) -> Cursor:
    return Cursor(party.cursor.origin, party.name)


def refused(party: Party, leaf: envelope_pb2.Leaf) -> Refused:
    with pytest.raises(Refused) as caught:
        read_mirrored(start(party), [*party.leaves[:2], leaf])
    return caught.value


def test_rows_are_a_verifier_s_but_for_verdicts(party: Party) -> None:
    reads, _ = read_leaves(TERMS, start(party), party.leaves, bodies=Bodies.HELD)
    expected = [store_leaf(leaf, read) for leaf, read in zip(party.leaves, reads, strict=True)]

    rows, cursor = read_mirrored(start(party), party.leaves)

    assert rows == expected
    assert (cursor.index, cursor.previous) == (5, rows[-1].leaf_hash)


def test_reads_on_where_it_was(party: Party) -> None:
    whole, end = read_mirrored(start(party), party.leaves)

    first, cursor = read_mirrored(start(party), party.leaves[:2])
    rest, later = read_mirrored(cursor, party.leaves[2:])
    nothing, same = read_mirrored(later, [])

    assert [*first, *rest] == whole
    assert (later, nothing, same) == (end, [], end)


def test_leaves_signatures_to_a_verifier(party: Party) -> None:
    leaf = party.forge(party.draft(attestation(TERMS, 3)), seeds=[seed("beta", "statement 1")])

    rows, _ = read_mirrored(start(party), [leaf])

    assert rows[0].refusal is None


@pytest.mark.parametrize("field", ["envelope", "body_salt"])
def test_refuses_a_leaf_that_is_withheld(party: Party, field: str) -> None:
    caught = refused(party, change(party.leaves[2], **{field: None}))

    assert caught.reason is Reason.LEAF_WITHHELD
    assert caught.field.startswith(f"{party.cursor.origin}[2]")


@pytest.mark.parametrize(("field", "value"), [("body", b"other"), ("body_salt", bytes(32))])
def test_refuses_another_body_than_the_header_commits_to(party: Party, field: str, value: bytes) -> None:
    assert refused(party, change(party.leaves[2], **{field: value})).reason is Reason.COMMITMENT_MISMATCH


@pytest.mark.parametrize("field", ["leaf_salt", "body_salt"])
def test_refuses_a_salt_of_another_length(party: Party, field: str) -> None:
    assert refused(party, change(party.leaves[2], **{field: bytes(31)})).reason is Reason.SALT_LENGTH


@pytest.mark.parametrize("field", ["envelope", "body"])
def test_refuses_what_no_reader_accepts_for_its_size(party: Party, field: str) -> None:
    caught = refused(party, change(party.leaves[2], **{field: bytes(MAX_MESSAGE_BYTES + 1)}))

    assert caught.reason is Reason.MESSAGE_TOO_LARGE


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("audience", header_pb2.AUDIENCE_PUBLIC),
        ("kind", 99),
        ("period", 2**63),
    ],
)
def test_holds_a_leaf_without_a_usable_header_with_its_body_sealed(party: Party, name: str, value: int) -> None:
    leaf = party.forge(party.draft(attestation(TERMS, 3)), lambda header: setattr(header, name, value))

    (row,), _ = read_mirrored(start(party), [leaf])

    assert (row.kind, row.period, row.audience) == (0, None, header_pb2.AUDIENCE_SEALED)
    assert (row.envelope, row.body) == (leaf.envelope, leaf.body)


def test_holds_what_is_no_envelope(party: Party) -> None:
    (row,), _ = read_mirrored(start(party), [change(party.leaves[2], envelope=b"\xff")])

    assert (row.kind, row.audience, row.envelope) == (0, header_pb2.AUDIENCE_SEALED, b"\xff")
