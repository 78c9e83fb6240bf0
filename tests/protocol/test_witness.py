"""The add-checkpoint state machine."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import keys, merkle, note, witness
from protocol.checkpoint import Checkpoint, sign_checkpoint
from protocol.cosignature import cosign
from protocol.errors import Reason, Refused
from protocol.witness import AddCheckpoint, SizeConflict, add_checkpoint, parse_request
from tests.protocol import tree_model as model
from tests.protocol.refusals import refuses

SEED = bytes(range(32))
ORIGIN = "example.org/log"
KEY = note.verifier_key(ORIGIN, keys.public_key(SEED))
LEAVES = [model.leaf(bytes([number])) for number in range(40)]
FROM = merkle.subtree_hashes(LEAVES)


def head(size: int, root: bytes | None = None, origin: str = ORIGIN) -> Checkpoint:
    """The log's head at a size."""
    return Checkpoint(origin, size, model.root(LEAVES[:size]) if root is None else root)


def request(old: int, new: Checkpoint, path: tuple[bytes, ...] | None = None, seed: bytes = SEED) -> AddCheckpoint:
    """An honest request, but for the parts given."""
    if path is None:
        path = merkle.prove_consistency(old, new.size, FROM)
    return AddCheckpoint(old, path, sign_checkpoint(new, seed))


def test_takes_the_first_head() -> None:
    assert add_checkpoint(None, request(0, head(7)), [KEY]) == head(7)
    assert add_checkpoint(head(0), request(0, head(7)), [KEY]) == head(7)
    assert add_checkpoint(None, request(0, head(0)), [KEY]) == head(0)


@given(st.integers(1, 40), st.integers(0, 39))
def test_takes_every_growth_and_every_repetition(old: int, more: int) -> None:
    new = min(old + more, 40)
    assert add_checkpoint(head(old), request(old, head(new)), [KEY]) == head(new)


@given(st.integers(0, 40), st.integers(0, 40))
def test_a_request_is_read_as_it_was_written(old: int, new: int) -> None:
    made = request(min(old, new), head(max(old, new)))
    assert parse_request(made.to_bytes()) == made
    assert made.origin() == ORIGIN


def test_writes_the_body_of_the_specification() -> None:
    made = AddCheckpoint(20, (bytes(32), bytes(range(32))), b"note\n")
    assert made.to_bytes() == (
        b"old 20\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\nnote\n"
    )


GOOD = request(3, head(7)).to_bytes()


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b"", ""),
        (b"old 3\n", ""),
        (GOOD.replace(b"old 3", b"old 03"), "old_size"),
        (GOOD.replace(b"old 3", b"old +3"), "old_size"),
        (GOOD.replace(b"old 3", b"old -3"), "old_size"),
        (GOOD.replace(b"old 3", b"old  3"), "old_size"),
        (GOOD.replace(b"old 3", b"old 3 "), "old_size"),
        (GOOD.replace(b"old 3", b"Old 3"), "old_size"),
        (GOOD.replace(b"old 3", b"old"), "old_size"),
        (GOOD.replace(b"old 3", b"old 9223372036854775808"), "old_size"),
        (GOOD.replace(b"old 3\n", b"old 3\r\n"), "old_size"),
        (GOOD.replace(b"old 3\n", b"old 3\nAAAA\n"), "path"),
        (GOOD.replace(b"old 3\n", b"old 3\n" + b"A" * 44 + b"\n"), "path"),
        (GOOD.replace(b"old 3\n", b"old 3\nnot base64\n"), "path"),
        (b"\xff" + GOOD, ""),
        (b"\n" + GOOD, "old_size"),
    ],
)
def test_refuses_a_malformed_request(data: bytes, field: str) -> None:
    with refuses(Reason.REQUEST_MALFORMED, field):
        parse_request(data)
    assert witness.http_status(Reason.REQUEST_MALFORMED) == 400


def test_refuses_more_than_63_hashes() -> None:
    longest = AddCheckpoint(1, (bytes(32),) * 63, b"note\n")
    assert parse_request(longest.to_bytes()) == longest
    with refuses(Reason.REQUEST_MALFORMED, "path"):
        parse_request(AddCheckpoint(1, (bytes(32),) * 64, b"note\n").to_bytes())


def test_refuses_a_request_beyond_the_limit() -> None:
    room = witness.MAX_REQUEST_BYTES - len(b"old 1\n\n")
    assert len(parse_request(b"old 1\n\n" + bytes(room)).note) == room
    with refuses(Reason.REQUEST_TOO_LARGE):
        parse_request(b"old 1\n\n" + bytes(room + 1))


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 7))
def test_no_flipped_bit_yields_another_head(position: int, bit: int) -> None:
    changed = bytearray(GOOD)
    changed[position] ^= 1 << bit
    with pytest.raises(Refused):
        add_checkpoint(head(3), parse_request(bytes(changed)), [KEY])


def status_of(stored: Checkpoint | None, made: AddCheckpoint, keys_: list[note.VerifierKey]) -> tuple[Reason, int]:
    """How a request is refused."""
    with pytest.raises(Refused) as caught:
        add_checkpoint(stored, made, keys_)
    return caught.value.reason, witness.http_status(caught.value.reason)


def test_404_for_an_unknown_origin() -> None:
    assert status_of(None, request(0, head(7)), []) == (Reason.UNKNOWN_ORIGIN, 404)


def test_403_without_a_signature_by_a_trusted_key() -> None:
    stranger = note.verifier_key(ORIGIN, keys.public_key(bytes(32)))
    assert status_of(None, request(0, head(7)), [stranger]) == (Reason.NO_TRUSTED_SIGNATURE, 403)


@pytest.mark.parametrize("signature", [bytes(64), bytes(63), keys.sign(SEED, b"other")])
def test_403_for_a_bad_signature_by_a_trusted_key(signature: bytes) -> None:
    bad = note.NoteSignature(ORIGIN, KEY.key_id, signature)
    alone = head(7).text() + b"\n" + bad.line().encode()
    beside = note.add_signatures(sign_checkpoint(head(7), SEED), [bad])
    for data in (alone, beside):
        assert status_of(None, AddCheckpoint(0, (), data), [KEY]) == (Reason.BAD_SIGNATURE, 403)


def test_signatures_of_strangers_are_ignored() -> None:
    made = request(0, head(7))
    extra = note.add_signatures(made.note, [note.NoteSignature("stranger", bytes(4), bytes(64))])
    assert add_checkpoint(None, AddCheckpoint(0, (), extra), [KEY]) == head(7)


def test_either_of_two_trusted_keys_suffices_during_a_rotation() -> None:
    old, new = KEY, note.verifier_key(ORIGIN, keys.public_key(bytes(32)))
    assert add_checkpoint(None, request(0, head(7)), [old, new]) == head(7)
    assert add_checkpoint(None, request(0, head(7), seed=bytes(32)), [old, new]) == head(7)


def test_400_for_an_old_size_above_the_new_one() -> None:
    assert status_of(head(9), request(9, head(7), ()), [KEY]) == (Reason.OLD_SIZE_TOO_LARGE, 400)


@pytest.mark.parametrize(("stored", "old"), [(5, 3), (5, 6), (5, 0), (None, 3)])
def test_409_with_the_stored_size_when_the_old_size_is_another(stored: int | None, old: int) -> None:
    known = None if stored is None else head(stored)
    with pytest.raises(SizeConflict) as caught:
        add_checkpoint(known, request(old, head(7)), [KEY])
    assert caught.value.reason is Reason.SIZE_CONFLICT
    assert (witness.http_status(caught.value.reason), caught.value.size) == (409, stored or 0)


def test_of_two_requests_from_one_old_size_one_wins() -> None:
    stored = add_checkpoint(head(5), request(5, head(9)), [KEY])
    with pytest.raises(SizeConflict) as caught:
        add_checkpoint(stored, request(5, head(7)), [KEY])
    assert caught.value.size == 9


def test_a_smaller_head_never_replaces_a_larger_one() -> None:
    for old in range(8):
        with pytest.raises(Refused):
            add_checkpoint(head(8), request(old, head(7)), [KEY])


def test_422_for_a_proof_from_size_0() -> None:
    assert status_of(None, request(0, head(7), (bytes(32),)), [KEY]) == (Reason.UNEXPECTED_PROOF, 422)
    assert status_of(head(0), request(0, head(7), (bytes(32),)), [KEY]) == (Reason.UNEXPECTED_PROOF, 422)


def test_422_for_an_empty_log_with_another_root() -> None:
    assert status_of(None, request(0, head(0, bytes(32)), ()), [KEY]) == (Reason.ROOT_MISMATCH, 422)


def test_422_for_a_second_root_at_one_size() -> None:
    assert status_of(head(7), request(7, head(7, bytes(32)), ()), [KEY]) == (Reason.ROOT_MISMATCH, 422)


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        (3, head(7), ()),
        (3, head(7), merkle.prove_consistency(3, 7, FROM)[:-1]),
        (3, head(7), (*merkle.prove_consistency(3, 7, FROM), bytes(32))),
        (3, head(7), merkle.prove_consistency(3, 7, FROM)[::-1]),
        (3, head(7), merkle.prove_consistency(2, 7, FROM)),
        (3, head(7, model.root(LEAVES[1:8])), None),
        (7, head(7), (bytes(32),)),
        (3, head(8), merkle.prove_consistency(3, 7, FROM)),
    ],
    ids=["none", "short", "long", "reordered", "other old size", "other history", "for no growth", "other new size"],
)
def test_422_for_a_wrong_proof(old: int, new: Checkpoint, path: tuple[bytes, ...] | None) -> None:
    if (old, new.size, path) == (3, 8, merkle.prove_consistency(3, 7, FROM)):
        new = head(8, model.root([*LEAVES[:7], bytes(32)]))
    assert status_of(head(old), request(old, new, path), [KEY]) == (Reason.INCONSISTENT, 422)


def test_400_for_a_malformed_note_or_checkpoint() -> None:
    with_extension = note.sign_note(head(7).text() + b"extension\n", ORIGIN, SEED)
    for data, reason in [
        (b"", Reason.NOTE_MALFORMED),
        (b"text\n", Reason.NOTE_MALFORMED),
        (with_extension, Reason.EXTENSION_LINE),
        (note.sign_note(b"text\n", ORIGIN, SEED), Reason.CHECKPOINT_MALFORMED),
    ]:
        assert status_of(None, AddCheckpoint(0, (), data), [KEY]) == (reason, 400)
    assert add_checkpoint(None, AddCheckpoint(0, (), with_extension), [KEY], third_party=True).size == 7


def test_refuses_to_compare_with_the_head_of_another_log() -> None:
    other = head(3, origin="example.org/other")
    assert status_of(other, request(3, head(7)), [KEY])[0] is Reason.ORIGIN_MISMATCH


def test_answers_are_read_as_they_were_written() -> None:
    line = cosign(head(7).text(), "witness.example.org", bytes(32), 99)
    assert note.parse_signature_lines(witness.format_response([line])) == (line,)
    assert witness.format_size(0) == b"0\n"
    assert witness.parse_size(witness.format_size(2**63 - 1)) == 2**63 - 1


@pytest.mark.parametrize("body", [b"", b"7", b"07\n", b"7\n\n", b"\xff\n", b"-1\n"])
def test_refuses_a_malformed_size(body: bytes) -> None:
    with refuses(Reason.RESPONSE_MALFORMED, "size"):
        witness.parse_size(body)


def test_serves_heads_under_the_hash_of_the_origin() -> None:
    assert witness.checkpoint_path(ORIGIN) == sha256(ORIGIN.encode()).hexdigest() + "/checkpoint"
