"""The offline proof that an entry is in a witnessed log: one small text file (C2SP tlog-proof, draft).

The file is made of these lines:

    c2sp.org/tlog-proof@v1 LF
    extra SP base64 LF          optional, authenticated by nothing
    index SP <decimal> LF
    base64(hash) LF             the inclusion path, leaf's sibling first
    LF
    checkpoint note, verbatim
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from protocol.checkpoint import Checkpoint, checkpoint_of
from protocol.cosignature import Cosignature, cosignature_verifier, cosignatures, require_independent
from protocol.errors import Reason, require
from protocol.merkle import HASH_BYTES, MAX_PROOF_HASHES, verify_inclusion
from protocol.note import MAX_NOTE_BYTES, VerifierKey, decode_base64, decode_decimal, ed25519_verifier, open_note

HEADER: Final = "c2sp.org/tlog-proof@v1"

MAX_EXTRA_BYTES: Final = 65_535
"""As much as one entry: the extra data helps to rebuild one."""

MAX_TLOG_PROOF_BYTES: Final = MAX_NOTE_BYTES + 2 * MAX_EXTRA_BYTES
"""The largest note, the largest extra data in base64, and 63 hashes."""


@dataclass(frozen=True, slots=True)
class TlogProof:
    """An offline proof, not yet verified.

    Attributes:
        index: position of the entry in the log.
        path: inclusion path, hashes of 32 bytes.
        note: the signed checkpoint, verbatim.
        extra: application data that nothing authenticates; empty if there is none.
    """

    index: int
    path: tuple[bytes, ...]
    note: bytes
    extra: bytes = b""

    def to_bytes(self) -> bytes:
        """The proof file."""
        extra = [f"extra {b64encode(self.extra).decode()}"] if self.extra else []
        hashes = [b64encode(sibling).decode() for sibling in self.path]
        lines = [HEADER, *extra, f"index {self.index}", *hashes, ""]
        return "".join(f"{line}\n" for line in lines).encode() + self.note


@dataclass(frozen=True, slots=True)
class ProvenEntry:
    """What a verified proof proves.

    Attributes:
        checkpoint: the log's head that the entry is under.
        cosignatures: who among the given witnesses has cosigned that head, and when.
    """

    checkpoint: Checkpoint
    cosignatures: tuple[Cosignature, ...]


def parse_tlog_proof(data: bytes) -> TlogProof:
    """Read a proof file; the note inside is not read yet.

    Raises:
        Refused: TLOG_PROOF_TOO_LARGE, TLOG_PROOF_VERSION, TLOG_PROOF_MALFORMED.
    """
    size, malformed = len(data), Reason.TLOG_PROOF_MALFORMED
    fits = size <= MAX_TLOG_PROOF_BYTES
    require(fits, Reason.TLOG_PROOF_TOO_LARGE, "", f"expected at most {MAX_TLOG_PROOF_BYTES} bytes, found {size}")
    head, blank, note = data.partition(b"\n\n")
    require(bool(blank) and head.isascii(), malformed, "", "expected ASCII lines, an empty line and a checkpoint")
    version, *lines = head.decode().split("\n")
    require(version == HEADER, Reason.TLOG_PROOF_VERSION, "", f"expected {HEADER}")
    extra = b""
    if lines and lines[0].startswith("extra "):
        extra = decode_base64(lines.pop(0).removeprefix("extra "), malformed, "extra")
        require(0 < len(extra) <= MAX_EXTRA_BYTES, malformed, "extra", f"expected 1 to {MAX_EXTRA_BYTES} bytes")
    require(bool(lines) and lines[0].startswith("index "), malformed, "index", "expected the word index and a number")
    index = decode_decimal(lines.pop(0).removeprefix("index "), malformed, "index")
    few = len(lines) <= MAX_PROOF_HASHES
    require(few, malformed, "path", f"expected at most {MAX_PROOF_HASHES} hashes, found {len(lines)}")
    path = tuple([decode_base64(line, malformed, "path", HASH_BYTES) for line in lines])
    return TlogProof(index, path, note, extra)


def verify_tlog_proof(
    proof: TlogProof,
    leaf: bytes,
    origin: str,
    log_key: VerifierKey,
    witnesses: Sequence[VerifierKey],
    quorum: int,
    *,
    third_party: bool = False,
) -> ProvenEntry:
    """Prove that leaf hash `leaf` is in the log `origin`, under a head that `quorum` of `witnesses` have cosigned.

    The leaf hash is computed from the bytes that the caller holds, never taken from the proof. A quorum of 0 is a
    policy that somebody must write down: it has no default. Witness keys are of type 0x04.

    Raises:
        Refused: KEY_REUSED, WITNESS_IS_LOG, QUORUM_OUT_OF_RANGE; what :func:`protocol.note.open_note` and
            :func:`protocol.checkpoint.open_checkpoint` refuse; QUORUM_NOT_MET; what
            :func:`protocol.merkle.verify_inclusion` refuses.
    """
    require_independent(witnesses, log_key)
    possible = 0 <= quorum <= len(witnesses)
    detail = f"expected 0 to {len(witnesses)}, found {quorum}"
    require(possible, Reason.QUORUM_OUT_OF_RANGE, "quorum", detail)
    note = open_note(proof.note, [ed25519_verifier(log_key), *map(cosignature_verifier, witnesses)])
    checkpoint = checkpoint_of(note, origin, log_key, third_party=third_party)
    counted = cosignatures(note, witnesses)
    enough = len(counted) >= quorum
    require(enough, Reason.QUORUM_NOT_MET, "signatures", f"expected {quorum} witnesses, found {len(counted)}")
    verify_inclusion(proof.index, checkpoint.size, leaf, proof.path, checkpoint.root)
    return ProvenEntry(checkpoint, counted)
