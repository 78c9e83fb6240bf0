"""What the store keeps of a log: its head, and all that is known of a leaf."""

from __future__ import annotations

from typing import Final, NamedTuple

from protocol.merkle import EMPTY_ROOT

MAX_REASON_CHARACTERS: Final = 1_000
"""Keeps what a stranger wrote from filling a store by way of its refusal."""


class Head(NamedTuple):
    """Size and root hash (32 bytes) of a log."""

    size: int
    root: bytes


EMPTY: Final = Head(0, EMPTY_ROOT)


class StoredLeaf(NamedTuple):
    """All that is known of a leaf; the log entry is the commitment to `envelope` under `leaf_salt`.

    Attributes:
        sequence: leaf index.
        kind: `Kind` of the header; 0 where no header could be read.
        period: period spoken of, below 2^63; None where the kind speaks of none.
        audience: `Audience` of the body; AUDIENCE_SEALED where no header could be read.
        leaf_hash: RFC 6962 leaf hash of the entry, 32 bytes.
        leaf_salt: salt of the entry, 32 bytes.
        refusal: reason for which the statement was refused; None if it was accepted.
        body_salt: salt of the body commitment, 32 bytes; None where the body is not held.
        envelope: serialized Envelope, exact bytes.
        body: serialized body, exact bytes; None where it is not held.
    """

    sequence: int
    kind: int
    period: int | None
    audience: int
    leaf_hash: bytes
    leaf_salt: bytes
    refusal: str | None
    body_salt: bytes | None
    envelope: bytes
    body: bytes | None


def storable(refusal: object) -> str:
    """The text of a refusal as every database takes it: short, and without the NUL that PostgreSQL refuses."""
    return str(refusal).replace("\0", "\\0")[:MAX_REASON_CHARACTERS]
