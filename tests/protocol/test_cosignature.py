"""Witness cosignatures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import keys, note
from protocol.checkpoint import Checkpoint, sign_checkpoint
from protocol.cosignature import (
    Cosignature,
    as_witness_key,
    cosign,
    cosignature_message,
    cosignature_time,
    cosignature_verifier,
    cosignatures,
    require_independent,
    require_not_after,
    witness_key,
)
from protocol.errors import Reason, Refused
from protocol.note import NoteSignature, VerifierKey
from tests.protocol.refusals import refuses

LOG_SEED, SEED = bytes(range(32)), bytes(range(32, 64))
ORIGIN, NAME = "example.org/log", "witness.example.org/w1"
LOG = note.verifier_key(ORIGIN, keys.public_key(LOG_SEED))
WITNESS = witness_key(NAME, keys.public_key(SEED))
HEAD = Checkpoint(ORIGIN, 42, bytes(range(32)))
TIME = 1_679_315_147
LINE = cosign(HEAD.text(), NAME, SEED, TIME)
SIGNED = note.add_signatures(sign_checkpoint(HEAD, LOG_SEED), [LINE])


def open_it(data: bytes, *witnesses: VerifierKey) -> note.Note:
    """Open with the log's key and some witnesses'."""
    return note.open_note(data, [note.ed25519_verifier(LOG), *map(cosignature_verifier, witnesses)])


def test_signs_header_time_and_text() -> None:
    assert cosignature_message(HEAD.text(), TIME) == b"cosignature/v1\ntime 1679315147\n" + HEAD.text()
    assert LINE.signature[:8] == TIME.to_bytes(8, "big")
    keys.verify(WITNESS.public_key, cosignature_message(HEAD.text(), TIME), LINE.signature[8:])


# sigsum-go (BSD-2-Clause), pkg/checkpoint tests: seed 17 then zeros, a tree head of size 10, time 1234.
def test_cosigns_like_sigsum() -> None:
    text = b"example.org/log\n10\nHA5HAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
    made = cosign(text, "example.org/witness", bytes([17]) + bytes(31), 1234)
    assert made.line() == (
        "\u2014 example.org/witness "
        "ys8uUAAAAAAAAATSftMzceM8zssdZ9jin9SjwIxzx9iADMf63VqirX2hafol9RsqNqbofIz0LVRqHXI2kpEBSki5RTXFtxz1vo9+Cg==\n"
    )


def test_verifies_the_cosignatures_of_running_witnesses(root: Path) -> None:
    heads: list[dict[str, Any]] = json.loads((root / "tests/vectors/notes/checkpoints.json").read_text())
    counted = 0
    for head in heads:
        log, witnesses = note.parse_vkey(head["vkey"]), [note.parse_vkey(vkey) for vkey in head["witnesses"]]
        require_independent(witnesses, log)
        verifiers = [note.ed25519_verifier(log), *map(cosignature_verifier, witnesses)]
        found = cosignatures(note.open_note(head["note"].encode(), verifiers), witnesses)
        assert [cosignature.witness for cosignature in found] == witnesses
        assert all(1_700_000_000 < cosignature.time < 1_800_000_000 for cosignature in found)
        counted += len(found)
    assert counted == 12


@given(st.integers(1, 2**63 - 1))
def test_verifies_what_it_made(time: int) -> None:
    line = cosign(HEAD.text(), NAME, SEED, time)
    opened = open_it(note.add_signatures(sign_checkpoint(HEAD, LOG_SEED), [line]), WITNESS)
    assert cosignatures(opened, [WITNESS]) == (Cosignature(WITNESS, time),)
    assert cosignature_time(line) == time


@pytest.mark.parametrize("time", [0, -1, 2**63, 2**64])
def test_refuses_to_sign_a_time_out_of_range(time: int) -> None:
    with refuses(Reason.COSIGNATURE_TIME, "time"):
        cosign(HEAD.text(), NAME, SEED, time)


@pytest.mark.parametrize("time", [0, 2**63, 2**64 - 1])
def test_refuses_a_time_out_of_range_though_it_is_signed(time: int) -> None:
    signature = keys.sign(SEED, cosignature_message(HEAD.text(), time))
    line = NoteSignature(NAME, WITNESS.key_id, time.to_bytes(8, "big") + signature)
    with refuses(Reason.COSIGNATURE_TIME, "time"):
        open_it(note.add_signatures(sign_checkpoint(HEAD, LOG_SEED), [line]), WITNESS)


@pytest.mark.parametrize(
    "other",
    [
        Checkpoint("example.org/other", 42, bytes(range(32))),
        Checkpoint(ORIGIN, 43, bytes(range(32))),
        Checkpoint(ORIGIN, 42, bytes(32)),
    ],
    ids=["origin", "size", "root"],
)
def test_refuses_a_cosignature_replayed_onto_another_checkpoint(other: Checkpoint) -> None:
    log = note.verifier_key(other.origin, LOG.public_key)
    replayed = note.add_signatures(sign_checkpoint(other, LOG_SEED), [LINE])
    with refuses(Reason.SIGNATURE_INVALID):
        note.open_note(replayed, [note.ed25519_verifier(log), cosignature_verifier(WITNESS)])


def test_refuses_another_time_around_the_same_signature() -> None:
    later = NoteSignature(NAME, WITNESS.key_id, (TIME + 1).to_bytes(8, "big") + LINE.signature[8:])
    with refuses(Reason.SIGNATURE_INVALID):
        open_it(note.add_signatures(sign_checkpoint(HEAD, LOG_SEED), [later]), WITNESS)


@pytest.mark.parametrize("length", [8, 64, 71, 73])
def test_refuses_a_cosignature_of_another_length(length: int) -> None:
    line = NoteSignature(NAME, WITNESS.key_id, (LINE.signature * 2)[:length])
    with refuses(Reason.SIGNATURE_LENGTH):
        open_it(note.add_signatures(sign_checkpoint(HEAD, LOG_SEED), [line]), WITNESS)


@pytest.mark.parametrize("position", range(SIGNED.index(b"witness") - 4, len(SIGNED)))
def test_any_byte_changed_in_the_line_loses_the_cosignature_or_the_note(position: int) -> None:
    changed = bytearray(SIGNED)
    changed[position] ^= 1
    try:
        opened = open_it(bytes(changed), WITNESS)
    except Refused:
        return
    assert cosignatures(opened, [WITNESS]) == ()


def test_a_log_signature_is_no_cosignature() -> None:
    plain = NoteSignature(NAME, WITNESS.key_id, keys.sign(SEED, HEAD.text()))
    with refuses(Reason.SIGNATURE_LENGTH):
        open_it(note.add_signatures(sign_checkpoint(HEAD, LOG_SEED), [plain]), WITNESS)
    dressed = NoteSignature(NAME, WITNESS.key_id, TIME.to_bytes(8, "big") + keys.sign(SEED, HEAD.text()))
    with refuses(Reason.SIGNATURE_INVALID):
        open_it(note.add_signatures(sign_checkpoint(HEAD, LOG_SEED), [dressed]), WITNESS)


def test_a_witness_without_a_line_is_not_counted() -> None:
    absent = witness_key("witness.example.org/w2", keys.public_key(bytes(32)))
    assert cosignatures(open_it(SIGNED, WITNESS, absent), [WITNESS, absent]) == (Cosignature(WITNESS, TIME),)


def test_a_line_that_was_not_verified_is_not_counted() -> None:
    assert cosignatures(open_it(SIGNED), [WITNESS]) == ()


def test_a_witness_with_two_lines_counts_once_with_its_latest_time() -> None:
    twice = note.add_signatures(SIGNED, [cosign(HEAD.text(), NAME, SEED, TIME + 9), LINE])
    assert cosignatures(open_it(twice, WITNESS), [WITNESS]) == (Cosignature(WITNESS, TIME + 9),)


def test_refuses_a_time_in_the_future() -> None:
    require_not_after(Cosignature(WITNESS, TIME), TIME)
    with refuses(Reason.COSIGNATURE_TIME):
        require_not_after(Cosignature(WITNESS, TIME), TIME - 1)


def test_reads_a_witness_listed_as_type_1() -> None:
    assert as_witness_key(note.verifier_key(NAME, WITNESS.public_key)) == as_witness_key(WITNESS) == WITNESS
    with refuses(Reason.SIGNATURE_TYPE):
        as_witness_key(VerifierKey(NAME, bytes(4), 6, bytes(1312)))


def test_refuses_one_witness_key_under_two_names() -> None:
    other = witness_key("witness.example.org/w2", keys.public_key(bytes(32)))
    require_independent([WITNESS, other], LOG)
    with refuses(Reason.KEY_REUSED):
        require_independent([WITNESS, witness_key("witness.example.org/w2", WITNESS.public_key)], LOG)


@pytest.mark.parametrize(
    "witness",
    [
        witness_key(ORIGIN, keys.public_key(SEED)),
        witness_key(NAME, LOG.public_key),
        witness_key(ORIGIN, LOG.public_key),
        VerifierKey(ORIGIN, bytes(4), 6, bytes(1312)),
    ],
    ids=["by name", "by key", "by both", "by name with another algorithm"],
)
def test_refuses_the_log_as_its_own_witness(witness: VerifierKey) -> None:
    with refuses(Reason.WITNESS_IS_LOG):
        require_independent([witness], LOG)
