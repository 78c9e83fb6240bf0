"""Checkpoints: a log's signed statement of its size and root (C2SP tlog-checkpoint v1.0.0).

    origin LF          names the log, forever; in this profile also the name of its key
    size LF            decimal
    base64(root) LF

Extension lines are forbidden in this profile: monitors cannot audit them and not every cosignature covers them. Logs of
others may carry them, and may be signed under a name that is not their origin: read those with `third_party=True`.
"""

from __future__ import annotations

from base64 import b64encode
from typing import NamedTuple

from protocol.errors import Reason, Refused, require
from protocol.merkle import EMPTY_ROOT, HASH_BYTES
from protocol.note import (
    MAX_NAME_BYTES,
    Note,
    VerifierKey,
    decode_base64,
    decode_decimal,
    ed25519_verifier,
    open_note,
    require_name,
    sign_note,
)


class Checkpoint(NamedTuple):
    """What a log says of itself.

    Attributes:
        origin: the log's identity.
        size: number of entries.
        root: RFC 6962 root (32 bytes) over them.
        extensions: further lines, of third-party logs only.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> bytes:
        """The note text that is signed."""
        lines = [self.origin, str(self.size), b64encode(self.root).decode(), *self.extensions]
        return "".join(f"{line}\n" for line in lines).encode()


def parse_checkpoint(text: bytes, *, third_party: bool = False) -> Checkpoint:
    """Read the text of a checkpoint note; there is one spelling of every checkpoint.

    Raises:
        Refused: CHECKPOINT_MALFORMED, or EXTENSION_LINE for a fourth line unless `third_party`.
    """
    malformed = Reason.CHECKPOINT_MALFORMED
    try:
        lines = text.decode().split("\n")
    except UnicodeDecodeError as error:
        raise Refused(malformed, "", "expected UTF-8") from error
    complete = len(lines) > 3 and not lines[-1] and all(lines[:-1])
    require(complete, malformed, "", "expected three non-empty lines, each with a line feed")
    origin, size, root, *extensions = lines[:-1]
    _require_origin(origin, third_party=third_party)
    allowed = third_party or not extensions
    require(allowed, Reason.EXTENSION_LINE, "extensions", f"expected none, found {len(extensions)}")
    return Checkpoint(
        origin,
        decode_decimal(size, malformed, "size"),
        decode_base64(root, malformed, "root", HASH_BYTES),
        tuple(extensions),
    )


def sign_checkpoint(checkpoint: Checkpoint, seed: bytes) -> bytes:
    """Sign a checkpoint as its log (type 0x01, key name = origin) and return the note.

    Raises:
        Refused: what :func:`parse_checkpoint` refuses; KEY_LENGTH.
    """
    text = checkpoint.text()
    parse_checkpoint(text)
    return sign_note(text, checkpoint.origin, seed)


def open_checkpoint(note: bytes, origin: str, log_key: VerifierKey, *, third_party: bool = False) -> Checkpoint:
    """Return the checkpoint of the log `origin` that `log_key` (type 0x01) has signed; other lines are ignored.

    Raises:
        Refused: what :func:`protocol.note.open_note` and :func:`parse_checkpoint` refuse; ORIGIN_MISMATCH;
            ROOT_MISMATCH for an empty log whose root is not that of the empty tree.
    """
    return checkpoint_of(open_note(note, [ed25519_verifier(log_key)]), origin, log_key, third_party=third_party)


def checkpoint_of(note: Note, origin: str, log_key: VerifierKey, *, third_party: bool = False) -> Checkpoint:
    """The checkpoint in a verified note; for notes opened with more keys than the log's.

    Raises:
        Refused: as :func:`open_checkpoint`; NOTE_UNVERIFIED if no line of `log_key` was verified.
    """
    require(note.signed_by(log_key), Reason.NOTE_UNVERIFIED, "signatures", "expected a line by the log's key")
    checkpoint = parse_checkpoint(note.text, third_party=third_party)
    require(checkpoint.origin == origin, Reason.ORIGIN_MISMATCH, "origin", f"expected {origin}")
    named = third_party or log_key.name == origin
    require(named, Reason.ORIGIN_MISMATCH, "signatures.name", f"expected {origin}, found {log_key.name}")
    empty_as_empty = checkpoint.size > 0 or checkpoint.root == EMPTY_ROOT
    require(empty_as_empty, Reason.ROOT_MISMATCH, "root", "expected the root of the empty tree at size 0")
    return checkpoint


def _require_origin(origin: str, *, third_party: bool) -> None:
    """Ours are key names; of others only the length is bounded."""
    if not third_party:
        require_name(origin, Reason.CHECKPOINT_MALFORMED, "origin")
    found = len(origin.encode())
    fits = found <= MAX_NAME_BYTES
    detail = f"expected at most {MAX_NAME_BYTES} bytes, found {found}"
    require(fits, Reason.CHECKPOINT_MALFORMED, "origin", detail)
