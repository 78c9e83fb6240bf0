"""Denominators: what the primitives alone can do, in this process, on this machine, in the same minutes."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from nacl import bindings

from protocol.envelope import parse_envelope
from standstill.v1 import header_pb2

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from daemon.leaf import StoredLeaf


class Rate(NamedTuple):
    """Work and what it took: seconds of CPU of this process, and of the wall clock."""

    done: int
    cpu: float
    wall: float


class Signed(NamedTuple):
    """A signature with its bytes as libsodium takes them."""

    joined: bytes
    public_key: bytes


def signed_bytes(leaves: Sequence[StoredLeaf], public_key: bytes) -> list[Signed]:
    """Signature and signed bytes of every statement that the key signed."""
    found = []
    for leaf in leaves:
        if leaf.kind == header_pb2.KIND_COMPUTE_ATTESTATION:
            envelope = parse_envelope(leaf.envelope)
            found.append(Signed(envelope.signatures[0].signature + envelope.pae(), public_key))
    return found


def verify_rate(signed: Sequence[Signed]) -> Rate:
    """Check signatures one after another in one thread, with nothing round it: `crypto_sign_open`, already joined."""
    check = bindings.crypto_sign_open
    wall, cpu = time.perf_counter(), time.process_time()
    for joined, public_key in signed:
        check(joined, public_key)
    return Rate(len(signed), time.process_time() - cpu, time.perf_counter() - wall)


_TABLE: Final = """
CREATE TABLE leaves (
    log_id INTEGER NOT NULL, idx INTEGER NOT NULL, kind INTEGER NOT NULL, period INTEGER, audience INTEGER NOT NULL,
    leaf_hash BLOB NOT NULL, leaf_salt BLOB NOT NULL, refusal TEXT, body_salt BLOB, envelope BLOB NOT NULL, body BLOB
);
CREATE UNIQUE INDEX leaf ON leaves (log_id, idx);
"""
_INSERT: Final = f"INSERT INTO leaves VALUES ({', '.join('?' * 11)})"  # noqa: S608 - our own text


class BareStore:
    """SQLite alone: the rows of a log with one index, WAL, synchronous=FULL, one row per commit."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.executescript(_TABLE)

    def commit_rate(self, leaves: Sequence[StoredLeaf]) -> Rate:
        """Insert these rows, each durable before the next."""
        execute = self._connection.execute
        wall, cpu = time.perf_counter(), time.process_time()
        for leaf in leaves:
            execute("BEGIN IMMEDIATE")
            execute(_INSERT, (1, *leaf))
            execute("COMMIT")
        return Rate(len(leaves), time.process_time() - cpu, time.perf_counter() - wall)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
