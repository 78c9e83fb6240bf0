"""Leaves of a log: what is refused, what stops the reading, and what no reader can be made to believe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from protocol.commitment import ENTRY_TAG, commit
from protocol.envelope import parse_envelope
from protocol.errors import Reason
from protocol.judgement import judged
from protocol.leaf import HEADER_TYPE, NO_PREVIOUS, Bodies, Claim, Cursor, ReadLeaf, read_leaves, verify_in_turn
from protocol.merkle import leaf_hash
from protocol.wire import MAX_MESSAGE_BYTES
from standstill.v1 import envelope_pb2, header_pb2, membership_pb2
from standstill.v1 import quantity_pb2 as q
from tests.builders import (
    Party,
    World,
    agreement,
    assessment,
    attestation,
    ballot,
    change,
    founding,
    handle,
    indicator_report,
    key_set,
    quantity,
    seed,
    shipment_report,
    withdrawal,
)
from tests.protocol.refusals import refuses

Edit = Callable[[header_pb2.Header], object]

TERMS = agreement()
OTHER = agreement(name="another agreement")
WORLD = World(TERMS).found()
ALPHA = WORLD["alpha"]
DRAFT = ALPHA.draft(attestation(TERMS, 3))
LEAF = ALPHA.write(DRAFT)
WRAPPED = 2**64 - 1


def _set(name: str, value: Any) -> Edit:
    return lambda header: setattr(header, name, value)


def _reason(read: ReadLeaf) -> Reason | None:
    return read.refusal.reason if read.refusal else None


def grown(name: str = "alpha", terms: Any = TERMS) -> Party:
    """A party with a Founding, a KeySet and three statements."""
    party = World(terms)[name]
    party.found()
    for period in (1, 2, 3):
        party.say(attestation(terms, period))
    return party


def test_accepts_the_next_statement() -> None:
    read = ALPHA.peek(LEAF)
    assert read.refusal is None
    assert read.body == attestation(TERMS, 3)
    assert read.header is not None
    assert (read.origin, read.index, read.header.period) == (ALPHA.cursor.origin, 2, 3)
    assert read.identity == parse_envelope(LEAF.envelope).identity()
    assert read.leaf_hash == leaf_hash(commit(ENTRY_TAG, LEAF.leaf_salt, LEAF.envelope))


HEADERS: list[tuple[str, Edit, Reason]] = [
    ("of another agreement", _set("agreement", OTHER.digest), Reason.WRONG_AGREEMENT),
    ("of no agreement", _set("agreement", b""), Reason.WRONG_AGREEMENT),
    ("of B in A's log", _set("author", "beta"), Reason.WRONG_AUTHOR),
    ("of nobody", _set("author", ""), Reason.WRONG_AUTHOR),
    ("for another log", _set("origin", "beta.example/standstill"), Reason.WRONG_LOG),
    ("of no kind", _set("kind", 0), Reason.KIND_UNKNOWN),
    ("of an unknown kind", _set("kind", 99), Reason.KIND_UNKNOWN),
    ("of a kind for record logs", _set("kind", header_pb2.KIND_CLOSING), Reason.WRONG_LOG),
    ("that skips a place", _set("sequence", 3), Reason.SEQUENCE_MISMATCH),
    ("that stands there already", _set("sequence", 1), Reason.SEQUENCE_MISMATCH),
    ("of sequence 0", _set("sequence", 0), Reason.SEQUENCE_MISMATCH),
    ("after another leaf", _set("previous", bytes(range(32))), Reason.PREVIOUS_MISMATCH),
    ("after no leaf", _set("previous", NO_PREVIOUS), Reason.PREVIOUS_MISMATCH),
    ("without period", lambda header: header.ClearField("period"), Reason.PERIOD_UNEXPECTED),
    ("of a negative period", _set("period", WRAPPED), Reason.QUANTITY_OUT_OF_RANGE),
    ("of a negative time", _set("claimed_time", WRAPPED), Reason.QUANTITY_OUT_OF_RANGE),
    ("without site", _set("site", b""), Reason.SITE_UNKNOWN),
    ("of an unknown site", _set("site", bytes(16)), Reason.SITE_UNKNOWN),
    ("of another lab's site", _set("site", handle("beta")), Reason.SITE_UNKNOWN),
    ("for a wider audience", _set("audience", header_pb2.AUDIENCE_PARTIES), Reason.AUDIENCE_MISMATCH),
    ("for a narrower audience", _set("audience", header_pb2.AUDIENCE_SEALED), Reason.AUDIENCE_MISMATCH),
    ("for no audience", _set("audience", 0), Reason.AUDIENCE_MISMATCH),
    ("with a summary", lambda header: header.assessment.SetInParent(), Reason.SUMMARY_UNEXPECTED),
]


@pytest.mark.parametrize(("name", "edit", "reason"), HEADERS, ids=[name for name, _, _ in HEADERS])
def test_refuses_a_header(name: str, edit: Edit, reason: Reason) -> None:
    read = ALPHA.peek(ALPHA.forge(DRAFT, edit))
    assert _reason(read) is reason
    assert read.body is None
    assert not read.counts
    assert ALPHA.peek(ALPHA.forge(DRAFT)).refusal is None


@pytest.mark.parametrize(
    ("author", "body", "edit", "reason"),
    [
        ("alpha", ballot(), _set("period", 1), Reason.PERIOD_UNEXPECTED),
        ("alpha", ballot(), _set("site", handle("alpha")), Reason.SITE_UNKNOWN),
        ("vera", assessment(), lambda header: header.ClearField("assessment"), Reason.SUMMARY_UNEXPECTED),
        ("alpha", shipment_report(), _set("claimed_time", 1), Reason.NO_AUTHORITY),
        ("chipco", attestation(TERMS, 1), _set("site", handle("alpha")), Reason.SITE_UNKNOWN),
        ("beta", assessment(), _set("claimed_time", 1), Reason.NO_AUTHORITY),
    ],
    ids=["period", "site", "no summary", "a lab ships", "a supplier attests", "a lab assesses"],
)
def test_refuses_what_a_kind_or_a_role_does_not_say(author: str, body: Any, edit: Edit, reason: Reason) -> None:
    party = WORLD[author]
    assert _reason(party.peek(party.forge(party.draft(body), edit))) is reason


def test_refuses_a_closing_outside_and_a_statement_inside_the_record_log() -> None:
    registrar = WORLD.registrar
    assert _reason(registrar.peek(registrar.write(registrar.draft(assessment())))) is Reason.WRONG_LOG


def test_refuses_another_payload_type() -> None:
    for payload_type in ("application/json", HEADER_TYPE.replace("v1", "v2"), HEADER_TYPE + " "):
        assert _reason(ALPHA.peek(ALPHA.forge(DRAFT, payload_type=payload_type))) is Reason.PAYLOAD_TYPE_UNKNOWN


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        (b"\xf8\x01\x01", Reason.MESSAGE_NOT_CANONICAL),
        (b"\x20\x05", Reason.MESSAGE_NOT_CANONICAL),
        (b"\xff", Reason.MESSAGE_MALFORMED),
    ],
    ids=["unknown field", "kind twice", "garbage"],
)
def test_refuses_a_header_with_bytes_that_say_nothing(extra: bytes, reason: Reason) -> None:
    assert _reason(ALPHA.peek(ALPHA.forge(DRAFT, extra=extra))) is reason


def test_refuses_an_envelope_that_cannot_be_read_and_keeps_its_place() -> None:
    for data, reason in (
        (b"\xff", Reason.MESSAGE_MALFORMED),
        (LEAF.envelope[:-1], Reason.MESSAGE_MALFORMED),
        (LEAF.envelope + b"\xf8\x01\x01", Reason.MESSAGE_NOT_CANONICAL),
    ):
        read = ALPHA.peek(change(LEAF, envelope=data))
        assert _reason(read) is reason
        assert (read.index, read.header, read.body) == (2, None, None)


@pytest.mark.parametrize("bodies", Bodies)
@pytest.mark.parametrize("part", ["envelope", "body"])
def test_stops_at_a_leaf_that_no_reader_would_keep(part: str, bodies: Bodies) -> None:
    party = grown()
    start = replace(party.cursor, index=4, previous=party.read[3].leaf_hash)
    largest = change(party.leaves[4], **{part: bytes(MAX_MESSAGE_BYTES)})
    # As large as may be, it is held to the other rules: it keeps its place, or it is not what was committed to.
    if part == "envelope":
        (read,), _ = read_leaves(TERMS, start, [largest], bodies=bodies)
        assert _reason(read) is Reason.MESSAGE_MALFORMED
    else:
        with refuses(Reason.COMMITMENT_MISMATCH):
            read_leaves(TERMS, start, [largest], bodies=bodies)
    leaves = [*party.leaves[:4], change(party.leaves[4], **{part: bytes(MAX_MESSAGE_BYTES + 1)})]
    with refuses(Reason.MESSAGE_TOO_LARGE, f"{party.cursor.origin}[4]"):
        read_leaves(TERMS, Cursor(party.cursor.origin, "alpha"), leaves, bodies=bodies)
    before, _ = read_leaves(TERMS, Cursor(party.cursor.origin, "alpha"), leaves[:4], bodies=bodies)
    assert [read.refusal for read in before] == [None] * 4


SIGNERS = {
    "a root key": ([seed("alpha", "root 1")], Reason.SIGNATURE_INVALID),
    "the log key": ([seed("alpha", "log")], Reason.SIGNATURE_INVALID),
    "the cosignature key": ([seed("alpha", "cosignature 1")], Reason.SIGNATURE_INVALID),
    "another party": ([seed("beta", "statement 1")], Reason.SIGNATURE_INVALID),
    "a key of no KeySet yet": ([seed("alpha", "statement 2")], Reason.SIGNATURE_INVALID),
    "two keys": ([seed("alpha", "statement 1"), seed("alpha", "root 1")], Reason.THRESHOLD_NOT_MET),
    "one key twice": ([seed("alpha", "statement 1")] * 2, Reason.THRESHOLD_NOT_MET),
}


@pytest.mark.parametrize("name", SIGNERS)
def test_refuses_a_statement_signed_by(name: str) -> None:
    seeds, reason = SIGNERS[name]
    read = ALPHA.peek(ALPHA.forge(DRAFT, seeds=seeds))
    assert _reason(read) is reason
    assert read.body is None
    assert not read.counts


def test_refuses_a_statement_before_any_keys() -> None:
    party = World(TERMS)["alpha"]
    party.say(founding(TERMS))
    assert _reason(party.peek(party.write(party.draft(attestation(TERMS, 3))))) is Reason.KEY_NOT_IN_FORCE
    party.say(key_set("alpha"))
    assert party.peek(party.write(party.draft(attestation(TERMS, 3)))).refusal is None


def test_takes_new_keys_from_the_next_leaf_on() -> None:
    party = grown()
    party.say(key_set("alpha", 2))
    draft = party.draft(attestation(TERMS, 4))
    assert _reason(party.peek(party.write(draft, [seed("alpha", "statement 1")]))) is Reason.SIGNATURE_INVALID
    assert party.peek(party.write(draft, [seed("alpha", "statement 2")])).refusal is None


@pytest.mark.parametrize("seeds", [["root 1"], ["root 1", "root 1"], ["root 1", "log"], ["statement 1"]])
def test_refuses_what_the_root_must_sign_without_its_threshold(seeds: list[str]) -> None:
    draft = ALPHA.draft(withdrawal())
    assert ALPHA.peek(ALPHA.write(draft)).refusal is None
    read = ALPHA.peek(ALPHA.write(draft, [seed("alpha", use) for use in seeds]))
    assert _reason(read) is Reason.THRESHOLD_NOT_MET


def _hinted(leaf: envelope_pb2.Leaf, key_id: bytes) -> envelope_pb2.Leaf:
    message = envelope_pb2.Envelope.FromString(leaf.envelope)
    message.signatures[0].keyid = key_id
    return change(leaf, envelope=message.SerializeToString())


@pytest.mark.parametrize("key_id", [b"", bytes(8), b"x" * 30], ids=["absent", "zeros", "long"])
def test_believes_the_signature_and_not_the_key_id(key_id: bytes) -> None:
    assert ALPHA.peek(_hinted(LEAF, key_id)).refusal is None


def test_tries_every_key_in_force_when_the_key_id_lies() -> None:
    party = World(TERMS)["alpha"]
    party.say(founding(TERMS))
    keys = [key for version in (1, 2) for key in key_set("alpha", version).keys]
    party.say(key_set("alpha", keys=keys))
    draft = party.draft(attestation(TERMS, 3))
    hints = [parse_envelope(party.write(draft, [seed("alpha", f"statement {one}")]).envelope) for one in (1, 2)]
    for version in (1, 2):
        leaf = party.write(draft, [seed("alpha", f"statement {version}")])
        for envelope in hints:
            assert party.peek(_hinted(leaf, envelope.signatures[0].key_id)).refusal is None
    strange = party.write(draft, [seed("beta", "statement 1")])
    assert _reason(party.peek(_hinted(strange, hints[0].signatures[0].key_id))) is Reason.SIGNATURE_INVALID


def test_refuses_a_replay_of_the_whole_log() -> None:
    party = grown()
    again, _ = read_leaves(TERMS, party.cursor, party.leaves)
    assert {_reason(read) for read in again} == {Reason.SEQUENCE_MISMATCH}


def test_refuses_the_leaves_after_a_gap() -> None:
    party = grown()
    start = replace(party.cursor, index=2, previous=party.read[1].leaf_hash)
    whole, _ = read_leaves(TERMS, start, party.leaves[2:])
    assert [_reason(read) for read in whole] == [None, None, None]
    gap, _ = read_leaves(TERMS, start, party.leaves[3:])
    assert [_reason(read) for read in gap] == [Reason.SEQUENCE_MISMATCH] * 2


def test_keeps_the_place_of_a_refused_leaf_in_the_chain() -> None:
    party = grown()
    bad = party.append(party.forge(party.draft(attestation(TERMS, 4)), _set("author", "beta")))
    assert _reason(bad) is Reason.WRONG_AUTHOR
    after = party.say(attestation(TERMS, 5))
    assert after.refusal is None
    assert after.header is not None
    assert after.header.previous == bad.leaf_hash
    start = Cursor(party.cursor.origin, "alpha")
    found, end = read_leaves(TERMS, start, party.leaves)
    assert [_reason(read) for read in found] == [None] * 5 + [Reason.WRONG_AUTHOR, None]
    assert end == party.cursor


def test_reads_in_any_batches_alike() -> None:
    party = grown()
    start = Cursor(party.cursor.origin, "alpha")
    whole, _ = read_leaves(TERMS, start, party.leaves)
    for cut in range(len(party.leaves) + 1):
        first, cursor = read_leaves(TERMS, start, party.leaves[:cut])
        rest, _ = read_leaves(TERMS, cursor, party.leaves[cut:])
        assert first + rest == whole


@pytest.mark.parametrize(
    ("served", "reason"),
    [
        ({"envelope": b""}, Reason.LEAF_WITHHELD),
        ({"body_salt": b"", "body": b""}, Reason.LEAF_WITHHELD),
        ({"body": b""}, Reason.COMMITMENT_MISMATCH),
        ({"body": LEAF.body + b"\0"}, Reason.COMMITMENT_MISMATCH),
        ({"body_salt": bytes(32)}, Reason.COMMITMENT_MISMATCH),
        ({"body_salt": bytes(31)}, Reason.SALT_LENGTH),
        ({"leaf_salt": bytes(31)}, Reason.SALT_LENGTH),
        ({"leaf_salt": b""}, Reason.SALT_LENGTH),
    ],
    ids=[
        "no envelope",
        "no body",
        "empty body",
        "longer body",
        "other salt",
        "short salt",
        "short leaf salt",
        "no salt",
    ],
)
def test_stops_at_a_leaf_that_is_not_served_as_the_log_holds_it(served: dict[str, bytes], reason: Reason) -> None:
    party = grown()
    leaves = list(party.leaves)
    leaves[3] = change(leaves[3], **served)
    with refuses(reason):
        read_leaves(TERMS, Cursor(party.cursor.origin, "alpha"), leaves)
    before, _ = read_leaves(TERMS, Cursor(party.cursor.origin, "alpha"), leaves[:3])
    assert [read.refusal for read in before] == [None] * 3


def _without_restricted(party: Party) -> list[envelope_pb2.Leaf]:
    """A log as a party that is no verifier is served it."""
    return [
        change(leaf, body=b"", body_salt=b"")
        if read.header is not None and read.header.audience > header_pb2.AUDIENCE_PARTIES
        else leaf
        for leaf, read in zip(party.leaves, party.read, strict=True)
    ]


def test_checks_headers_and_signatures_without_bodies() -> None:
    party = grown()
    party.append(party.forge(party.draft(attestation(TERMS, 4)), seeds=[seed("beta", "statement 1")]))
    party.append(party.forge(party.draft(attestation(TERMS, 4)), _set("site", handle("beta"))))
    served = _without_restricted(party)
    found, end = read_leaves(TERMS, Cursor(party.cursor.origin, "alpha"), served, bodies=Bodies.WITHHELD)
    assert [_reason(read) for read in found] == [None] * 5 + [Reason.SIGNATURE_INVALID, None]
    assert [_reason(judged(read, TERMS)) for read in found[5:]] == [Reason.SIGNATURE_INVALID, Reason.SITE_UNKNOWN]
    assert [read.body for read in found[2:]] == [None] * 5
    assert end == party.cursor


def test_counts_a_restricted_statement_by_what_every_party_can_check() -> None:
    party = grown()
    bad = party.say(attestation(TERMS, 4, chips={"H999": 1}))
    assert _reason(bad) is Reason.CHIP_CLASS_UNKNOWN
    assert bad.counts
    unsigned = party.append(
        party.forge(party.draft(attestation(TERMS, 5, chips={"H999": 1})), seeds=[seed("beta", "statement 1")])
    )
    assert _reason(unsigned) is Reason.SIGNATURE_INVALID
    assert not unsigned.counts
    open_to_all = party.say(indicator_report(lab="beta"))
    assert _reason(open_to_all) is Reason.NO_AUTHORITY
    assert not open_to_all.counts
    served = _without_restricted(party)
    found, _ = read_leaves(TERMS, Cursor(party.cursor.origin, "alpha"), served, bodies=Bodies.WITHHELD)
    assert [read.counts for read in found] == [read.counts for read in party.read]


def test_names_a_statement_by_what_is_signed_alone() -> None:
    one, two = (change(LEAF, leaf_salt=bytes([number]) * 32) for number in (1, 2))
    assert ALPHA.peek(one).identity == ALPHA.peek(two).identity
    assert ALPHA.peek(one).leaf_hash != ALPHA.peek(two).leaf_hash


def test_asks_once_for_all_signatures_of_a_batch() -> None:
    party = grown()
    batches: list[int] = []

    def verify(claims: Any) -> list[bool]:
        batches.append(len(claims))
        assert all(isinstance(claim, Claim) for claim in claims)
        return verify_in_turn(claims)

    read_leaves(TERMS, Cursor(party.cursor.origin, "alpha"), party.leaves, verify=verify)
    assert batches == [3]


def test_holds_bodies_to_their_commitment_before_it_reads_them() -> None:
    party = grown()
    broken = party.write(party.draft(attestation(TERMS, 4, energy=quantity(1, q.UNIT_BYTE))))
    start = party.cursor
    ((held,), _) = read_leaves(TERMS, start, [broken], bodies=Bodies.HELD)
    assert held.refusal is None
    assert held.body is None
    with refuses(Reason.COMMITMENT_MISMATCH):
        read_leaves(TERMS, start, [change(broken, body=b"")], bodies=Bodies.HELD)
    ((keys,), after) = read_leaves(TERMS, start, [party.write(party.draft(key_set("alpha", 2)))], bodies=Bodies.HELD)
    assert isinstance(keys.body, membership_pb2.KeySet)
    assert after.keys.version == 2
