"""The witness: one stored head per log, and one step that moves it (C2SP tlog-witness v1.0.0, add-checkpoint).

    old SP size LF
    base64(hash) LF        zero to 63 lines: the consistency proof from the old size
    LF
    checkpoint note

:func:`add_checkpoint` is the whole decision. Its caller reads the stored head, calls it, stores the result and only
then cosigns, all under one lock: two requests from one old size must not both win, and what is signed must survive a
crash.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from protocol.checkpoint import Checkpoint, checkpoint_of, parse_checkpoint
from protocol.errors import Reason, Refused, require
from protocol.merkle import HASH_BYTES, MAX_PROOF_HASHES, verify_consistency
from protocol.note import (
    MAX_NOTE_BYTES,
    Note,
    NoteSignature,
    VerifierKey,
    decode_base64,
    decode_decimal,
    ed25519_verifier,
    open_note,
    parse_note,
)

MAX_REQUEST_BYTES: Final = MAX_NOTE_BYTES + 4096
"""The old size, 63 hashes of 45 bytes, and the largest note."""

CONTENT_TYPE_SIZE: Final = "text/x.tlog.size"
"""Content type of the answer 409, whose body is the stored size."""

HTTP_OK: Final = 200
HTTP_BAD_REQUEST: Final = 400

HTTP_STATUS: Final[Mapping[Reason, int]] = {
    Reason.NO_TRUSTED_SIGNATURE: 403,
    Reason.BAD_SIGNATURE: 403,
    Reason.UNKNOWN_ORIGIN: 404,
    Reason.SIZE_CONFLICT: 409,
    Reason.INCONSISTENT: 422,
    Reason.ROOT_MISMATCH: 422,
    Reason.UNEXPECTED_PROOF: 422,
}
"""The answers that are not 400; every other refusal is a malformed request."""

_BAD_SIGNATURE: Final = frozenset(
    {
        Reason.SIGNATURE_LENGTH,
        Reason.SIGNATURE_NOT_CANONICAL,
        Reason.SIGNATURE_SMALL_ORDER,
        Reason.SIGNATURE_INVALID,
    }
)


class SizeConflict(Refused):
    """The request starts from another size than the stored one.

    Attributes:
        size: the stored size, which the answer tells.
    """

    def __init__(self, size: int, old_size: int) -> None:
        super().__init__(Reason.SIZE_CONFLICT, "old_size", f"expected {size}, found {old_size}")
        self.size = size


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A request to cosign.

    Attributes:
        old_size: the size that the proof starts from.
        path: consistency proof, hashes of 32 bytes.
        note: the signed checkpoint, verbatim.
    """

    old_size: int
    path: tuple[bytes, ...]
    note: bytes

    def to_bytes(self) -> bytes:
        """The request body."""
        lines = [f"old {self.old_size}", *(b64encode(sibling).decode() for sibling in self.path), ""]
        return "".join(f"{line}\n" for line in lines).encode() + self.note

    def origin(self, *, third_party: bool = False) -> str:
        """The log that the checkpoint claims to be of, to look up its keys and stored head; nothing is verified.

        Raises:
            Refused: what :func:`protocol.note.parse_note` and :func:`protocol.checkpoint.parse_checkpoint` refuse.
        """
        return parse_checkpoint(parse_note(self.note).text, third_party=third_party).origin


def parse_request(data: bytes) -> AddCheckpoint:
    """Read the body of add-checkpoint; the note inside is not read yet.

    Raises:
        Refused: REQUEST_TOO_LARGE, REQUEST_MALFORMED.
    """
    size, malformed = len(data), Reason.REQUEST_MALFORMED
    fits = size <= MAX_REQUEST_BYTES
    require(fits, Reason.REQUEST_TOO_LARGE, "", f"expected at most {MAX_REQUEST_BYTES} bytes, found {size}")
    head, blank, note = data.partition(b"\n\n")
    require(bool(blank), malformed, "", "expected an empty line before the checkpoint")
    require(head.isascii(), malformed, "", "expected ASCII before the checkpoint")
    first, *lines = head.decode().split("\n")
    require(first.startswith("old "), malformed, "old_size", "expected the word old, a space and a size")
    old_size = decode_decimal(first.removeprefix("old "), malformed, "old_size")
    found = len(lines)
    few = found <= MAX_PROOF_HASHES
    require(few, malformed, "path", f"expected at most {MAX_PROOF_HASHES} hashes, found {found}")
    return AddCheckpoint(old_size, tuple([decode_base64(line, malformed, "path", HASH_BYTES) for line in lines]), note)


def add_checkpoint(
    stored: Checkpoint | None,
    request: AddCheckpoint,
    log_keys: Sequence[VerifierKey],
    *,
    third_party: bool = False,
) -> Checkpoint:
    """The head to store and cosign: the request's checkpoint, if it extends the stored one.

    Args:
        stored: the largest head of this origin that was cosigned; None before the first.
        request: the parsed request.
        log_keys: the keys trusted for the request's origin; none if the origin is unknown.
        third_party: accept what :func:`protocol.checkpoint.open_checkpoint` accepts of logs outside this profile.

    Raises:
        Refused: UNKNOWN_ORIGIN, NO_TRUSTED_SIGNATURE, BAD_SIGNATURE, OLD_SIZE_TOO_LARGE, SIZE_CONFLICT (as
            :class:`SizeConflict`), ROOT_MISMATCH, UNEXPECTED_PROOF, INCONSISTENT; or what makes note or checkpoint
            malformed. :data:`HTTP_STATUS` maps them.
    """
    origin = request.origin(third_party=third_party)
    require(bool(log_keys), Reason.UNKNOWN_ORIGIN, "origin", f"expected a known log, found {origin}")
    note = _open(request.note, log_keys)
    signer = next(key for key in log_keys if note.signed_by(key))
    checkpoint = checkpoint_of(note, origin, signer, third_party=third_party)
    old, new = request.old_size, checkpoint.size
    require(old <= new, Reason.OLD_SIZE_TOO_LARGE, "old_size", f"expected at most {new}, found {old}")
    # The old size must be the stored one; a log that has lost it learns it from this answer.
    current = 0 if stored is None else stored.size
    if old != current:
        raise SizeConflict(current, old)
    if stored is not None:
        same_log = stored.origin == origin
        require(same_log, Reason.ORIGIN_MISMATCH, "stored.origin", f"expected {origin}, found {stored.origin}")
    _require_consistent(stored, checkpoint, request.path)
    return checkpoint


def http_status(reason: Reason) -> int:
    """The status that a witness answers a refusal with."""
    return HTTP_STATUS.get(reason, HTTP_BAD_REQUEST)


def format_response(signatures: Sequence[NoteSignature]) -> bytes:
    """The body of the answer 200: the witness's signature lines. Read it with `parse_signature_lines`."""
    return "".join(entry.line() for entry in signatures).encode()


def format_size(size: int) -> bytes:
    """The body of the answer 409: the stored size."""
    return b"%d\n" % size


def parse_size(body: bytes) -> int:
    """Read the body of the answer 409.

    Raises:
        Refused: RESPONSE_MALFORMED.
    """
    text = body.decode("ascii", errors="replace")
    require(text.endswith("\n"), Reason.RESPONSE_MALFORMED, "size", "expected a size and a line feed")
    return decode_decimal(text[:-1], Reason.RESPONSE_MALFORMED, "size")


def checkpoint_path(origin: str) -> str:
    """Where a witness serves the head it has cosigned last, below its monitoring prefix."""
    return f"{sha256(origin.encode()).hexdigest()}/checkpoint"


def _open(note: bytes, log_keys: Sequence[VerifierKey]) -> Note:
    """Open the note with the log's keys, in the words of the witness protocol."""
    try:
        return open_note(note, [ed25519_verifier(key) for key in log_keys])
    except Refused as refused:
        if refused.reason is Reason.NOTE_UNVERIFIED:
            raise Refused(Reason.NO_TRUSTED_SIGNATURE, refused.field, refused.detail) from refused
        if refused.reason in _BAD_SIGNATURE:
            raise Refused(Reason.BAD_SIGNATURE, refused.field, refused.detail) from refused
        raise


def _require_consistent(stored: Checkpoint | None, new: Checkpoint, path: tuple[bytes, ...]) -> None:
    if stored is None or stored.size == 0:
        require(not path, Reason.UNEXPECTED_PROOF, "path", f"expected no hashes from size 0, found {len(path)}")
        return
    if stored.size == new.size:
        require(stored.root == new.root, Reason.ROOT_MISMATCH, "root", "expected the root cosigned at this size")
    try:
        verify_consistency(stored.size, new.size, stored.root, new.root, path)
    except Refused as refused:
        raise Refused(Reason.INCONSISTENT, refused.field, refused.detail) from refused
