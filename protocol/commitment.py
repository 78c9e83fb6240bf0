"""Salted commitments: what a public tree and a header may show of bytes that not everybody may read.

    entry of a log    SHA-256("standstill.v1/entry" LF || salt || envelope)      the log's leaf data
    body of a header  SHA-256("standstill.v1/body"  LF || salt || body)          restricted kinds

The tag ends in its only line feed and the salt has a fixed length, so no two inputs share an encoding. 32 random bytes
of salt hide the committed bytes even where they could be guessed; opening shows salt and bytes.
"""

from __future__ import annotations

from hashlib import sha256
from hmac import compare_digest
from typing import Final

from protocol.errors import Reason, Refused, require

ENTRY_TAG: Final = b"standstill.v1/entry\n"
"""For the entry of a log: a commitment to the bytes of one envelope."""

BODY_TAG: Final = b"standstill.v1/body\n"
"""For the body of a restricted statement, committed to in its header."""

SALT_BYTES: Final = 32


def commit(tag: bytes, salt: bytes, data: bytes) -> bytes:
    """The commitment (32 bytes) to `data` under `salt` (32 bytes, fresh for every commitment).

    Raises:
        Refused: SALT_LENGTH.
    """
    if len(salt) != SALT_BYTES:
        raise Refused(Reason.SALT_LENGTH, "salt", f"expected {SALT_BYTES} bytes, found {len(salt)}")
    return sha256(tag + salt + data).digest()


def open_commitment(commitment: bytes, tag: bytes, salt: bytes, data: bytes) -> bytes:
    """Return `data` if `commitment` was made to it under `salt` and for the purpose of `tag`.

    Raises:
        Refused: SALT_LENGTH, COMMITMENT_MISMATCH.
    """
    opened = compare_digest(commit(tag, salt, data), commitment)
    require(opened, Reason.COMMITMENT_MISMATCH, "commitment", "expected the commitment to this salt and these bytes")
    return data
