"""A party's own log: statements are signed, made durable, and only then spoken of (annex 6.2).

    drafts -> salts, signatures -> read back by the reader's own rules -> leaves, tiles, head: one transaction
           -> sign the head -> answer

The head is signed after the transaction that moved it: no root is ever signed that a crash could replace by another of
the same size. The signed note is a function of head and key, so it need not be stored; a restart signs the same bytes.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.leaf import EMPTY, Head
from daemon.rows import header_of, resume, store_leaf
from protocol.authoring import Draft, write_leaf
from protocol.checkpoint import Checkpoint, sign_checkpoint
from protocol.commitment import SALT_BYTES
from protocol.errors import Reason, require
from protocol.judgement import under_terms
from protocol.keys import public_key
from protocol.leaf import Cursor, KeyRing, ReadLeaf, read_leaves
from protocol.statements import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Connection

    from daemon.clock import Clock
    from daemon.log_store import LogStore
    from protocol.agreement import Agreement
    from standstill.v1 import envelope_pb2


@dataclass(frozen=True, slots=True)
class Seeds:
    """Secret keys of a party, 32 bytes each; a daemon that runs holds no root keys.

    Attributes:
        log: signs checkpoints.
        statement: signs statements.
        root: sign Founding and KeySet.
    """

    log: bytes
    statement: bytes = b""
    root: tuple[bytes, ...] = ()

    def __repr__(self) -> str:
        return "Seeds(...)"


@dataclass(frozen=True, slots=True)
class Published:
    """Where statements stand.

    Attributes:
        index: leaf index of the first.
        identities: of the statements, 32 bytes each, in order.
        note: signed checkpoint that covers them.
    """

    index: int
    identities: tuple[bytes, ...]
    note: bytes


class Author:
    """Writes one log. Safe for use from several threads; one process per store, which the store's lock enforces."""

    def __init__(self, agreement: Agreement, store: LogStore, seeds: Seeds, clock: Clock, cursor: Cursor) -> None:
        """Continue a log where the store has it; :func:`open_author` finds the cursor."""
        self._agreement = agreement
        self._store = store
        self._seeds = seeds
        self._clock = clock
        self._cursor = cursor
        self._lock = threading.Lock()
        self._last_time = _last_time(store, cursor.origin)
        head = store.head(cursor.origin)
        self._signed = head, self._sign(head)

    @property
    def origin(self) -> str:
        """Origin of the log."""
        return self._cursor.origin

    @property
    def party(self) -> str:
        """Name of the party that writes."""
        return self._cursor.author

    @property
    def signed(self) -> tuple[Head, bytes]:
        """Size and root of the log, and the signed checkpoint that says so."""
        return self._signed

    @property
    def head(self) -> Head:
        """Size and root of the log."""
        return self._signed[0]

    @property
    def note(self) -> bytes:
        """The newest checkpoint, signed."""
        return self._signed[1]

    @property
    def last_time(self) -> int:
        """Time that the last statement claims, Unix seconds; 0 in an empty log."""
        return self._last_time

    @property
    def keys(self) -> KeyRing:
        """Operational keys in force at the end of the log."""
        return self._cursor.keys

    def publish(
        self,
        drafts: Sequence[Draft],
        also: Callable[[Connection, Sequence[ReadLeaf]], None] | None = None,
        terms: Agreement | None = None,
    ) -> Published:
        """Sign and log statements, all or none, and return when they are durable.

        Args:
            drafts: what to say, in order.
            also: what else to write in the same transaction, given the leaves.
            terms: the agreement under the terms in force, where they are known; else under its first ones.

        Raises:
            Refused: what a reader of the statements would refuse; CLOCK_WENT_BACK if the clock shows less than the
                last statement claims; STORE_UNAVAILABLE. Nothing is logged then.
        """
        require(bool(drafts), Reason.FIELD_ABSENT, "drafts", "at least one statement")
        with self._lock:
            leaves, reads, cursor = self._write(drafts, terms or self._agreement)
            stored = [store_leaf(leaf, read) for leaf, read in zip(leaves, reads, strict=True)]
            with self._store.transaction() as tx:
                head = self._store.append(tx, self.origin, self.head, stored)
                if also is not None:
                    also(tx, reads)
            index, self._cursor = self.head.size, cursor
            self._signed = head, self._sign(head)
            return Published(index, tuple(read.identity for read in reads), self.note)

    def _write(
        self, drafts: Sequence[Draft], terms: Agreement
    ) -> tuple[list[envelope_pb2.Leaf], list[ReadLeaf], Cursor]:
        """The leaves, read back as any reader will."""
        cursor, leaves, reads = self._cursor, [], []
        time = self._time()
        for draft in drafts:
            drawn = secrets.token_bytes(2 * SALT_BYTES)
            leaf = write_leaf(
                self._agreement,
                cursor,
                draft,
                salts=(drawn[:SALT_BYTES], drawn[SALT_BYTES:]),
                time=time,
                seeds=self._signers(draft, cursor.keys),
            )
            # Our own fresh signature needs no check, which would cost three times the signing.
            (read,), cursor = read_leaves(self._agreement, cursor, [leaf], verify=_trust_own)
            if (refusal := under_terms(read, terms)) is not None:
                raise refusal
            leaves.append(leaf)
            reads.append(read)
        self._last_time = time
        return leaves, reads, cursor

    def _time(self) -> int:
        """Now; a clock before the last statement would contradict it."""
        now = self._clock.now()
        sane = now >= self._last_time
        hint = f"expected at least {self._last_time}, the time of the last statement; found {now}. Set the clock right"
        require(sane, Reason.CLOCK_WENT_BACK, "clock", hint)
        return now

    def _signers(self, draft: Draft, keys: KeyRing) -> tuple[bytes, ...]:
        """The seeds that sign a draft where `keys` are in force."""
        if KINDS[draft.kind].by_root:
            required = "this statement is signed by the root: give the root keys"
            require(bool(self._seeds.root), Reason.KEY_NOT_IN_FORCE, "keys.root", required)
            return self._seeds.root
        in_force = bool(self._seeds.statement) and public_key(self._seeds.statement) in keys.statement
        what = "the statement key is in no KeySet of this log; publish one first"
        require(in_force, Reason.KEY_NOT_IN_FORCE, "keys.statement", what)
        return (self._seeds.statement,)

    def _sign(self, head: Head) -> bytes:
        return sign_checkpoint(Checkpoint(self.origin, head.size, head.root), self._seeds.log)


def open_author(agreement: Agreement, store: LogStore, seeds: Seeds, clock: Clock, cursor: Cursor) -> Author:
    """Continue a log, or begin it.

    Args:
        agreement: the terms.
        store: holds the log.
        seeds: of the party.
        clock: the time that statements claim.
        cursor: origin and author, and the keys to start from; the place is found in the store.

    Raises:
        Refused: STORE_UNAVAILABLE.
    """
    with store.transaction() as tx:
        store.add_log(tx, cursor.origin)
    return Author(agreement, store, seeds, clock, resume(store, cursor))


def _trust_own(claims: Sequence[object]) -> list[bool]:
    return [True] * len(claims)


def _last_time(store: LogStore, origin: str) -> int:
    head = store.head(origin)
    if head == EMPTY:
        return 0
    return header_of(store.leaf(origin, head.size - 1)).claimed_time
