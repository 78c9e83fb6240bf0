"""Leaves, logs and connections for the tests of the daemons' machinery."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256

from sqlalchemy import Connection

from daemon.leaf import Head, StoredLeaf
from daemon.log_store import LogStore
from protocol.checkpoint import Checkpoint, sign_checkpoint
from protocol.commitment import BODY_TAG, ENTRY_TAG, commit
from protocol.envelope import seal
from protocol.merkle import leaf_hash
from standstill.v1 import header_pb2

ORIGIN = "alpha.example/log"
OTHER = "beta.example/log"
SEED = bytes(range(32))
PAYLOAD_TYPE = "application/vnd.standstill.v1.Header+protobuf"


def make_leaf(
    sequence: int,
    *,
    kind: int = header_pb2.KIND_COMPUTE_ATTESTATION,
    period: int | None = None,
    audience: int = header_pb2.AUDIENCE_PARTIES,
    body: bytes | None = None,
    history: bytes = b"",
) -> StoredLeaf:
    """A leaf with a real envelope; other `history`, other leaf."""
    salt, body_salt = (sha256(purpose + history + b"%d" % sequence).digest() for purpose in (b"leaf", b"body"))
    held = body if body is not None else b"body %d" % sequence
    header = header_pb2.Header(
        author="alpha",
        origin=ORIGIN,
        kind=header_pb2.Kind.ValueType(kind),
        sequence=sequence,
        audience=header_pb2.Audience.ValueType(audience),
        body_commitment=commit(BODY_TAG, body_salt, held),
    )
    payload = header.SerializeToString()
    envelope = seal(PAYLOAD_TYPE, payload, [SEED])
    return StoredLeaf(
        sequence=sequence,
        kind=kind,
        period=sequence if period is None else period,
        audience=audience,
        leaf_hash=leaf_hash(commit(ENTRY_TAG, salt, envelope)),
        leaf_salt=salt,
        refusal=None,
        body_salt=body_salt,
        envelope=envelope,
        body=held,
    )


def make_leaves(start: int, end: int, history: bytes = b"") -> list[StoredLeaf]:
    return [make_leaf(sequence, history=history) for sequence in range(start, end)]


def add(store: LogStore, leaves: Sequence[StoredLeaf], origin: str = ORIGIN) -> Head:
    """Append in one transaction, beginning the log where it is new."""
    with store.transaction() as tx:
        store.add_log(tx, origin)
        return store.append(tx, origin, store.head(origin, tx=tx), leaves)


class _Abandoned(Exception):
    """Ends a transaction."""


@contextmanager
def abandoned(store: LogStore) -> Iterator[Connection]:
    """A transaction that fails after its last step."""
    with suppress(_Abandoned), store.transaction() as tx:
        yield tx
        raise _Abandoned


def sign_head(store: LogStore, origin: str = ORIGIN, head: Head | None = None) -> bytes:
    """Sign the head and keep the note."""
    signed = head if head is not None else store.head(origin)
    note = sign_checkpoint(Checkpoint(origin, *signed), SEED)
    with store.transaction() as tx:
        store.save_note(tx, origin, note)
    return note
