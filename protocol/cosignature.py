"""Cosignatures: a witness saw this checkpoint, at this time, as the largest consistent tree of its log.

C2SP tlog-cosignature v1.0.1, Ed25519 form (type 0x04). Signed is the checkpoint's text under a header of two lines:

    cosignature/v1 LF
    time SP <POSIX seconds> LF
    <checkpoint text>

and the line in the note carries u64be(time) || signature. The Ed25519 form does not sign the witness's name: one key
must mean one witness. Types 0x05 and 0x06 are recognised as keys and ignored as lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from protocol.errors import Reason, require
from protocol.keys import SIGNATURE_BYTES, public_key, sign, verify
from protocol.note import (
    Note,
    NoteSignature,
    SignatureType,
    Verifier,
    VerifierKey,
    require_kind,
    verifier_key,
)

MAX_TIME: Final = 2**63 - 1

_TIME_BYTES: Final = 8


class Cosignature(NamedTuple):
    """A verified cosignature.

    Attributes:
        witness: the witness's key.
        time: when it was made, as the witness says, in POSIX seconds.
    """

    witness: VerifierKey
    time: int


def cosignature_message(text: bytes, time: int) -> bytes:
    """What a witness signs over a checkpoint's `text` at `time` (POSIX seconds)."""
    return b"cosignature/v1\ntime %d\n%b" % (time, text)


def witness_key(name: str, public_key: bytes) -> VerifierKey:
    """Name an Ed25519 public key as a witness's (type 0x04).

    Raises:
        Refused: NAME_MALFORMED, and what :func:`protocol.keys.admit_public_key` refuses.
    """
    return verifier_key(name, public_key, SignatureType.COSIGNATURE_V1)


def as_witness_key(key: VerifierKey) -> VerifierKey:
    """The same key and name for type 0x04: some lists of witnesses name theirs as type 0x01.

    Raises:
        Refused: SIGNATURE_TYPE for a key that is neither.
    """
    if key.kind != SignatureType.COSIGNATURE_V1:
        require_kind(key, SignatureType.ED25519)
    return witness_key(key.name, key.public_key)


def cosign(text: bytes, name: str, seed: bytes, time: int) -> NoteSignature:
    """Cosign a checkpoint's `text` as the witness `name` at `time` (POSIX seconds, 1 to 2^63 - 1).

    Raises:
        Refused: COSIGNATURE_TIME, NAME_MALFORMED, KEY_LENGTH.
    """
    _require_time(time)
    key = witness_key(name, public_key(seed))
    signature = sign(seed, cosignature_message(text, time))
    return NoteSignature(name, key.key_id, time.to_bytes(_TIME_BYTES, "big") + signature)


def cosignature_verifier(key: VerifierKey) -> Verifier:
    """How lines of type 0x04 are checked.

    Raises:
        Refused: SIGNATURE_TYPE for a key of another type.
    """
    require_kind(key, SignatureType.COSIGNATURE_V1)
    return Verifier(key, lambda text, signature: _check(key, text, signature))


def cosignatures(note: Note, witnesses: Sequence[VerifierKey]) -> tuple[Cosignature, ...]:
    """Which of `witnesses` have cosigned a note that :func:`open_note` verified; one per witness, its latest."""
    latest: dict[tuple[str, bytes], int] = {}
    for entry in note.verified:
        pair = entry.name, entry.key_id
        latest[pair] = max(cosignature_time(entry), latest.get(pair, 0))
    found = [key for key in witnesses if (key.name, key.key_id) in latest]
    return tuple([Cosignature(key, latest[key.name, key.key_id]) for key in found])


def cosignature_time(entry: NoteSignature) -> int:
    """The time (POSIX seconds) that a line of type 0x04 carries."""
    return int.from_bytes(entry.signature[:_TIME_BYTES], "big")


def require_not_after(cosignature: Cosignature, latest: int) -> None:
    """Refuse a cosignature whose time lies after `latest` (POSIX seconds): the present plus the allowed clock skew.

    Raises:
        Refused: COSIGNATURE_TIME.
    """
    found = cosignature.time
    require(found <= latest, Reason.COSIGNATURE_TIME, "time", f"expected at most {latest}, found {found}")


def require_independent(witnesses: Sequence[VerifierKey], log_key: VerifierKey) -> None:
    """Refuse a set of witnesses in which one key stands twice, or the log itself by key or by name.

    Type bytes and names are no difference: what counts is who holds the key.

    Raises:
        Refused: KEY_REUSED, WITNESS_IS_LOG.
    """
    keys = [key.public_key for key in witnesses]
    require(len(set(keys)) == len(keys), Reason.KEY_REUSED, "witnesses", "expected every key under one name")
    by_key = log_key.public_key in keys
    by_name = any(key.name == log_key.name for key in witnesses)
    require(not (by_key or by_name), Reason.WITNESS_IS_LOG, "witnesses", "expected witnesses other than the log")


def _check(key: VerifierKey, text: bytes, signature: bytes) -> None:
    expected, found = _TIME_BYTES + SIGNATURE_BYTES, len(signature)
    require(found == expected, Reason.SIGNATURE_LENGTH, "signature", f"expected {expected} bytes, found {found}")
    time = int.from_bytes(signature[:_TIME_BYTES], "big")
    _require_time(time)
    verify(key.public_key, cosignature_message(text, time), signature[_TIME_BYTES:])


def _require_time(time: int) -> None:
    # Zero means "no statement about the largest tree" and is for subtrees only.
    in_range = 1 <= time <= MAX_TIME
    require(in_range, Reason.COSIGNATURE_TIME, "time", f"expected 1 to 2^63 - 1, found {time}")
