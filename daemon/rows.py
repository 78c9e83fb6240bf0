"""Between leaves as the core reads them and rows as the store keeps them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from daemon.leaf import EMPTY, StoredLeaf, storable
from protocol.envelope import parse_envelope
from standstill.v1 import envelope_pb2, header_pb2, membership_pb2

if TYPE_CHECKING:
    from daemon.log_store import LogStore
    from protocol.leaf import Cursor, ReadLeaf


def resume(store: LogStore, cursor: Cursor) -> Cursor:
    """The end of a log as the store has it, with the keys in force there.

    Args:
        store: holds the log.
        cursor: its origin and author, and the keys to start from.
    """
    head = store.head(cursor.origin)
    if head == EMPTY:
        return cursor
    for row in store.by_kind(cursor.origin, header_pb2.KIND_KEY_SET):
        if row.refusal is None and row.body is not None:
            cursor = replace(cursor, keys=cursor.keys.after(membership_pb2.KeySet.FromString(row.body)))
    last = store.leaf(cursor.origin, head.size - 1)
    return replace(cursor, index=head.size, previous=last.leaf_hash)


def header_of(row: StoredLeaf) -> header_pb2.Header:
    """The header of a leaf that was read when it was stored; of one with kind 0 none could be."""
    return header_pb2.Header.FromString(envelope_pb2.Envelope.FromString(row.envelope).payload)


def identity_of(row: StoredLeaf) -> bytes:
    """The identity of a statement whose header was read when it was stored, 32 bytes."""
    return parse_envelope(row.envelope).identity()


def store_leaf(leaf: envelope_pb2.Leaf, read: ReadLeaf) -> StoredLeaf:
    """The row of a leaf that was read."""
    header, body_salt = read.header, leaf.body_salt
    if header is None:
        kind, period, audience = 0, None, header_pb2.AUDIENCE_SEALED
    else:
        kind, audience = header.kind, header.audience
        period = header.period if header.HasField("period") else None
    refusal = storable(read.refusal) if read.refusal is not None else None
    salt, body = (body_salt, leaf.body) if body_salt else (None, None)
    # By position, in the order of the columns: names would cost a verifier as much again for every statement.
    return StoredLeaf(
        read.index,
        kind,
        period,
        audience,
        read.leaf_hash,
        leaf.leaf_salt,
        refusal,
        salt,
        leaf.envelope,
        body,
    )
