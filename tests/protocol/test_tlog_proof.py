"""Offline proofs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import keys, merkle, note
from protocol.checkpoint import Checkpoint, sign_checkpoint
from protocol.cosignature import cosign, witness_key
from protocol.errors import Reason, Refused
from protocol.note import VerifierKey
from protocol.tlog_proof import MAX_EXTRA_BYTES, MAX_TLOG_PROOF_BYTES, TlogProof, parse_tlog_proof, verify_tlog_proof
from tests.protocol import tree_model as model
from tests.protocol.refusals import refuses

LOG_SEED = bytes(range(32))
ORIGIN = "example.org/log"
LOG = note.verifier_key(ORIGIN, keys.public_key(LOG_SEED))
WITNESS_SEEDS = [bytes([number]) * 32 for number in range(1, 5)]
WITNESSES = [witness_key(f"w{number}.example.org", keys.public_key(seed)) for number, seed in enumerate(WITNESS_SEEDS)]
LEAVES = [model.leaf(bytes([number])) for number in range(11)]
FROM = merkle.subtree_hashes(LEAVES)
HEAD = Checkpoint(ORIGIN, 11, model.root(LEAVES))


def cosigned(count: int, head: Checkpoint = HEAD) -> bytes:
    """The head with the first witnesses' cosignatures."""
    lines = [cosign(head.text(), WITNESSES[n].name, WITNESS_SEEDS[n], 1_000 + n) for n in range(count)]
    return note.add_signatures(sign_checkpoint(head, LOG_SEED), lines)


PROOF = TlogProof(6, merkle.prove_inclusion(6, 11, FROM), cosigned(3), b"context")


def verify(proof: TlogProof = PROOF, leaf: bytes = LEAVES[6], quorum: int = 3) -> int:
    """Verify with the usual policy; return how many witnesses were counted."""
    return len(verify_tlog_proof(proof, leaf, ORIGIN, LOG, WITNESSES, quorum).cosignatures)


def test_proves_an_entry_under_a_witnessed_head() -> None:
    proven = verify_tlog_proof(parse_tlog_proof(PROOF.to_bytes()), LEAVES[6], ORIGIN, LOG, WITNESSES, 3)
    assert proven.checkpoint == HEAD
    assert [cosignature.time for cosignature in proven.cosignatures] == [1_000, 1_001, 1_002]


@given(st.integers(0, 10), st.binary(max_size=20))
def test_is_read_as_it_was_written(index: int, extra: bytes) -> None:
    proof = TlogProof(index, merkle.prove_inclusion(index, 11, FROM), cosigned(3), extra)
    assert parse_tlog_proof(proof.to_bytes()) == proof
    assert verify(proof, LEAVES[index]) == 3


def test_proves_an_entry_of_a_running_log(root: Path) -> None:
    vectors = root / "tests/vectors"
    heads: list[dict[str, Any]] = json.loads((vectors / "notes/checkpoints.json").read_text())
    head = next(head for head in heads if head["name"] == "rekor-2025-1-412115")
    data = (vectors / "tlog_proof/rekor-412114.tlog-proof").read_bytes()
    leaf = merkle.leaf_hash((vectors / "tlog_proof/rekor-412114.entry").read_bytes())
    proof, key = parse_tlog_proof(data), note.parse_vkey(head["vkey"])
    assert proof.to_bytes() == data
    assert verify_tlog_proof(proof, leaf, head["origin"], key, [], 0).checkpoint.size == 412_115
    with refuses(Reason.ROOT_MISMATCH):
        verify_tlog_proof(proof, LEAVES[0], head["origin"], key, [], 0)


def test_writes_the_lines_of_the_specification() -> None:
    assert TlogProof(73, (bytes(32),), b"note\n", b"\0\0\0").to_bytes() == (
        b"c2sp.org/tlog-proof@v1\nextra AAAA\nindex 73\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\nnote\n"
    )
    assert TlogProof(0, (), b"note\n").to_bytes() == b"c2sp.org/tlog-proof@v1\nindex 0\n\nnote\n"


DATA = TlogProof(6, PROOF.path, PROOF.note, b"\0\0\0").to_bytes()


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b"", ""),
        (DATA.partition(b"\n\n")[0], ""),
        (DATA.replace(b"index 6", b"index 06"), "index"),
        (DATA.replace(b"index 6", b"index -6"), "index"),
        (DATA.replace(b"index 6", b"index 9223372036854775808"), "index"),
        (DATA.replace(b"index 6", b"index"), "index"),
        (DATA.replace(b"index 6", b"Index 6"), "index"),
        (DATA.replace(b"index 6\n", b""), "index"),
        (DATA.replace(b"index 6\n", b"index 6\nindex 6\n"), "path"),
        (DATA.replace(b"index 6\n", b"index 6\nAAAA\n"), "path"),
        (DATA.replace(b"extra AAAA\n", b"extra \n"), "extra"),
        (DATA.replace(b"extra AAAA\n", b"extra AAA\n"), "extra"),
        (DATA.replace(b"extra AAAA\n", b"extra AAAA\nextra AAAA\n"), "index"),
        (DATA.replace(b"extra AAAA\nindex 6\n", b"index 6\nextra AAAA\n"), "path"),
        (DATA.replace(b"extra", b"\xc3\xa9xtra"), ""),
        (DATA.replace(b"index 6\n", b"index 6\r\n"), "index"),
    ],
)
def test_refuses_a_malformed_proof(data: bytes, field: str) -> None:
    assert parse_tlog_proof(DATA).index == 6
    with refuses(Reason.TLOG_PROOF_MALFORMED, field):
        parse_tlog_proof(data)


@pytest.mark.parametrize(
    "version", [b"c2sp.org/tlog-proof@v2", b"c2sp.org/tlog-proof@v1 ", b"", b"\nc2sp.org/tlog-proof@v1"]
)
def test_refuses_an_unknown_version(version: bytes) -> None:
    with refuses(Reason.TLOG_PROOF_VERSION):
        parse_tlog_proof(DATA.replace(b"c2sp.org/tlog-proof@v1", version))


def test_refuses_a_proof_beyond_its_limits() -> None:
    largest = TlogProof(0, (bytes(32),) * 63, b"note\n", bytes(MAX_EXTRA_BYTES))
    assert parse_tlog_proof(largest.to_bytes()) == largest
    with refuses(Reason.TLOG_PROOF_MALFORMED, "extra"):
        parse_tlog_proof(TlogProof(0, (), b"note\n", bytes(MAX_EXTRA_BYTES + 1)).to_bytes())
    with refuses(Reason.TLOG_PROOF_MALFORMED, "path"):
        parse_tlog_proof(TlogProof(0, (bytes(32),) * 64, b"note\n").to_bytes())
    with refuses(Reason.TLOG_PROOF_TOO_LARGE):
        parse_tlog_proof(TlogProof(0, (), bytes(MAX_TLOG_PROOF_BYTES)).to_bytes())


@pytest.mark.parametrize("leaf", [LEAVES[5], bytes(32), FROM(1, 3)])
def test_refuses_another_entry(leaf: bytes) -> None:
    """CVE-2026-22703: a proof of something is no proof of this."""
    assert verify() == 3
    with refuses(Reason.ROOT_MISMATCH):
        verify(leaf=leaf)


@pytest.mark.parametrize(
    ("proof", "reason"),
    [
        (TlogProof(7, PROOF.path, PROOF.note), Reason.ROOT_MISMATCH),
        (TlogProof(11, PROOF.path, PROOF.note), Reason.INDEX_OUT_OF_RANGE),
        (TlogProof(2**63 - 1, PROOF.path, PROOF.note), Reason.INDEX_OUT_OF_RANGE),
        (TlogProof(6, (), PROOF.note), Reason.PROOF_LENGTH),
        (TlogProof(6, PROOF.path[:-1], PROOF.note), Reason.PROOF_LENGTH),
        (TlogProof(6, (*PROOF.path, bytes(32)), PROOF.note), Reason.PROOF_LENGTH),
        (TlogProof(6, PROOF.path[::-1], PROOF.note), Reason.ROOT_MISMATCH),
        (TlogProof(6, PROOF.path, cosigned(3, Checkpoint(ORIGIN, 10, model.root(LEAVES[:10])))), Reason.ROOT_MISMATCH),
        (TlogProof(6, PROOF.path, cosigned(3, Checkpoint(ORIGIN, 5, HEAD.root))), Reason.INDEX_OUT_OF_RANGE),
    ],
)
def test_refuses_a_proof_for_another_place_or_another_head(proof: TlogProof, reason: Reason) -> None:
    with refuses(reason):
        verify(proof)


def test_refuses_a_head_of_another_log() -> None:
    stranger = note.verifier_key("example.org/other", LOG.public_key)
    with refuses(Reason.NOTE_UNVERIFIED):
        verify_tlog_proof(PROOF, LEAVES[6], "example.org/other", stranger, [], 0)
    with refuses(Reason.ORIGIN_MISMATCH):
        verify_tlog_proof(PROOF, LEAVES[6], "example.org/other", LOG, [], 0)


def test_a_head_that_only_witnesses_have_signed_is_no_head() -> None:
    lines = cosigned(3).split(b"\n")
    without_log = b"\n".join(line for line in lines if not line.startswith("\u2014 example.org/log ".encode()))
    with refuses(Reason.NOTE_UNVERIFIED):
        verify(TlogProof(6, PROOF.path, without_log))


def test_counts_witnesses_against_the_quorum() -> None:
    assert verify(TlogProof(6, PROOF.path, cosigned(4)), quorum=3) == 4
    with refuses(Reason.QUORUM_NOT_MET):
        verify(TlogProof(6, PROOF.path, cosigned(2)), quorum=3)
    assert verify(TlogProof(6, PROOF.path, cosigned(0)), quorum=0) == 0


@pytest.mark.parametrize("quorum", [-1, 5])
def test_refuses_a_quorum_that_cannot_be_met_or_means_nothing(quorum: int) -> None:
    with refuses(Reason.QUORUM_OUT_OF_RANGE):
        verify(quorum=quorum)


def test_one_witness_repeating_itself_counts_once() -> None:
    again = [cosign(HEAD.text(), WITNESSES[0].name, WITNESS_SEEDS[0], time) for time in (5, 6, 7)]
    repeated = TlogProof(6, PROOF.path, note.add_signatures(sign_checkpoint(HEAD, LOG_SEED), again))
    assert verify(repeated, quorum=1) == 1
    with refuses(Reason.QUORUM_NOT_MET):
        verify(repeated, quorum=2)


@pytest.mark.parametrize(
    ("witnesses", "reason"),
    [
        ([WITNESSES[0], witness_key("second.example.org", WITNESSES[0].public_key)], Reason.KEY_REUSED),
        ([WITNESSES[0], WITNESSES[0]], Reason.KEY_REUSED),
        ([witness_key("second.example.org", LOG.public_key)], Reason.WITNESS_IS_LOG),
        ([witness_key(ORIGIN, WITNESSES[0].public_key)], Reason.WITNESS_IS_LOG),
        ([note.verifier_key("w0.example.org", WITNESSES[0].public_key)], Reason.SIGNATURE_TYPE),
    ],
)
def test_refuses_a_policy_that_counts_one_key_twice_or_the_log_as_its_witness(
    witnesses: list[VerifierKey], reason: Reason
) -> None:
    with refuses(reason):
        verify_tlog_proof(PROOF, LEAVES[6], ORIGIN, LOG, witnesses, 1)


@given(st.integers(0, len(PROOF.to_bytes()) - 1), st.integers(0, 7))
def test_no_flipped_bit_proves_anything_else(position: int, bit: int) -> None:
    changed = bytearray(PROOF.to_bytes())
    changed[position] ^= 1 << bit
    try:
        proven = verify_tlog_proof(parse_tlog_proof(bytes(changed)), LEAVES[6], ORIGIN, LOG, WITNESSES, 3)
    except Refused:
        return
    # Only the extra data is authenticated by nothing.
    assert proven.checkpoint == HEAD
    assert b"\nextra " in changed[: position + 8]
    assert position < bytes(changed).index(b"\nindex ")
