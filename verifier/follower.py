"""Following one party's log: pull, check, keep, cosign (design section 7; transparency (c) 1 to 6).

    checkpoint -> its signature -> leaves in batches -> tree rebuilt -> consistency with the signed head -> statements
               -> store, chunk by chunk -> cosign the head, once everything up to it is held

Everything stored is proven to be part of a head that the party signed: a chunk that ends before the head is tied to it
by a consistency proof. A head is cosigned only by the rules of a C2SP witness, and the cosignature is durable before it
is shown.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import grpc

from daemon.journal import journal
from daemon.leaf import storable
from daemon.log_client import LogClient
from daemon.rows import resume, store_leaf
from daemon.rpc_errors import refused_by
from protocol.checkpoint import Checkpoint, checkpoint_of, open_checkpoint
from protocol.cosignature import cosign
from protocol.errors import Reason, Refused, require
from protocol.leaf import Bodies, Cursor, open_leaves
from protocol.note import add_signatures, ed25519_verifier, open_note, verifier_key
from protocol.witness import AddCheckpoint, add_checkpoint
from standstill.v1 import record_pb2
from verifier.mirror import read_mirrored
from verifier.trouble import RETRY_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from daemon.clock import Clock
    from daemon.leaf import StoredLeaf
    from protocol.agreement import Agreement
    from protocol.leaf import Claim
    from protocol.merkle import Frontier, Growth
    from standstill.v1 import envelope_pb2
    from verifier.store import VerifierStore

NEVER: Final = 0

CHUNK_BYTES: Final = 64 << 20
"""A chunk ends where it has grown to this: what a party may serve at once must not fill our memory."""


@dataclass(frozen=True, slots=True)
class Witness:
    """The name and key under which this verifier cosigns; no key for a mirror, which cosigns nothing."""

    name: str
    seed: bytes | None


@dataclass(frozen=True, slots=True)
class Handling:
    """What a follower does with what it finds.

    Attributes:
        witness: under which name and key heads are cosigned.
        chunk: most leaves checked and committed at once.
        check: begins to check signatures in bulk; what it returns waits for the answers.
        accuse: is told of a proven contradiction.
    """

    witness: Witness
    chunk: int
    check: Callable[[Sequence[Claim]], Callable[[], Sequence[bool]]]
    accuse: Callable[[record_pb2.Misbehavior], None]


@dataclass(frozen=True, slots=True)
class Following:
    """How far a log has been followed.

    Attributes:
        origin: the log.
        party: its author.
        size: leaves held and checked.
        seen: time of the last answer, Unix seconds; 0 if there was none.
        state: "ok", or what is wrong, for people.
    """

    origin: str
    party: str
    size: int
    seen: int
    state: str


_Read = tuple[list[bytes], Cursor, "Callable[[], list[StoredLeaf]]"]
"""Leaf hashes of a batch, the cursor after it, and its rows, for which one waits until its signatures are checked."""


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Leaves that are proven part of the signed head, with the cursor after them and what they make of the tree."""

    cursor: Cursor
    grown: Growth
    batches: Sequence[Callable[[], list[StoredLeaf]]]


class Follower:
    """Follows one party's log in a thread of its own."""

    def __init__(
        self,
        agreement: Agreement,
        store: VerifierStore,
        party: str,
        channel: grpc.Channel,
        clock: Clock,
        handling: Handling,
    ) -> None:
        """Follow `party` through `channel`."""
        self._agreement, self._store, self._clock, self._handling = agreement, store, clock, handling
        self._party = agreement.parties[party]
        self._origin = self._party.origin
        self._log_key = verifier_key(self._origin, self._party.log_key)
        self._client = LogClient(channel)
        with store.logs.transaction() as tx:
            store.logs.add_log(tx, self._origin)
            if handling.witness.seed is None:
                store.mark_mirrored(tx, self._origin)
        checked = handling.witness.seed is None or not store.is_mirrored(self._origin)
        what = "expected a store whose statements were checked; set mirror = true, or begin with a new store"
        require(checked, Reason.STORE_IS_MIRROR, self._origin, what)
        self._cursor = resume(store.logs, Cursor(self._origin, party))
        self._frontier = store.logs.frontier(self._origin)
        self._stop = threading.Event()
        self.status = Following(self._origin, party, self._cursor.index, NEVER, "not reached yet")

    def run(self, poll: int, stop: threading.Event) -> None:
        """Look at the log now and every `poll` seconds until stopped; trouble is noted and tried again."""
        self._stop, going = stop, True
        while going and not stop.is_set():
            self.look()
            try:
                going = self._clock.wait_until(self._clock.now() + poll, stop)
            except Refused:
                # Every look meets the same clock, and notes it.
                going = not stop.wait(RETRY_SECONDS)

    def look(self) -> Following:
        """Pull what is new. Never raises for what a peer does: the status says what is wrong."""
        before = self.status.state
        try:
            self._pull()
            self.status = replace(self.status, size=self._cursor.index, seen=self._clock.now(), state="ok")
        except Refused as refused:
            self.status = replace(self.status, size=self._cursor.index, state=str(refused))
        except grpc.RpcError as error:
            refused_us = refused_by(error)
            state = f"refused us: {refused_us}" if refused_us else f"not reached: {error.code().name}"
            self.status = replace(self.status, size=self._cursor.index, state=state)
        if self.status.state not in {before, "ok"}:
            journal().warning("following", party=self.status.party, size=self.status.size, state=self.status.state)
        return self.status

    def _pull(self) -> None:
        note = open_note(self._client.note(self._origin), [ed25519_verifier(self._log_key)])
        head = checkpoint_of(note, self._origin, self._log_key)
        # The log's own line alone: others that it adds, such as a false one in our name, would spoil ours.
        signed = note._replace(signatures=note.verified[:1]).to_bytes()
        self._require_growth(head, signed)
        if self._cursor.index < head.size:
            self._catch_up(head)
        # Told to stop on the way, it holds less than the head.
        if self._cursor.index == head.size > self._store.logs.note(self._origin)[1]:
            self._keep(head, signed)

    def _require_growth(self, head: Checkpoint, note: bytes) -> None:
        """A log never shrinks and never has two roots of one size; two of them convict it (transparency (c) 7)."""
        held, size = self._store.logs.head(self._origin), head.size
        seen = self._store.cosigned_note(self._origin, size)
        if seen is not None and open_checkpoint(seen, self._origin, self._log_key).root != head.root:
            proof = record_pb2.Misbehavior.SplitView(first=seen, second=note)
            self._handling.accuse(record_pb2.Misbehavior(party=self._party.name, split_view=proof))
            raise Refused(Reason.EQUIVOCATION, self._origin, f"two roots at size {size}; the proof is logged")
        same = size != held.size or head.root == held.root
        require(same, Reason.EQUIVOCATION, self._origin, f"two roots at size {size}, one of which was not cosigned")
        detail = f"shows size {size} after {held.size}: rolled back, or restored from an old copy"
        require(size >= held.size, Reason.ROLLED_BACK, self._origin, detail)

    def _catch_up(self, head: Checkpoint) -> None:
        """Store what the head has beyond us, chunk by chunk.

        Reading is one chunk ahead of storing: while one is read and another stored, signatures are being checked.
        """
        for chunk in _one_ahead(self._chunks(head)):
            rows = [row for batch in chunk.batches for row in batch()]
            with self._store.logs.transaction() as tx:
                held = self._store.logs.head(self._origin, tx=tx)
                self._store.logs.append(tx, self._origin, held, rows, chunk.grown)
            self._cursor, self._frontier = chunk.cursor, chunk.grown.frontier

    def _chunks(self, head: Checkpoint) -> Iterator[_Chunk]:
        """Fetch and read, chunk by chunk, up to the head or until told to stop."""
        cursor, frontier = self._cursor, self._frontier
        while cursor.index < head.size and not self._stop.is_set():
            chunk = self._read_chunk(head, cursor, frontier)
            cursor, frontier = chunk.cursor, chunk.grown.frontier
            yield chunk

    def _read_chunk(self, head: Checkpoint, cursor: Cursor, frontier: Frontier) -> _Chunk:
        """Fetch and read the next leaves, at most a chunk of them; signatures are being checked when it returns."""
        end = min(head.size, cursor.index + self._handling.chunk)
        read = self._read_mirrored if self._handling.witness.seed is None else self._read_signed
        batches: list[Callable[[], list[StoredLeaf]]] = []
        hashes: list[bytes] = []
        taken = 0
        for leaves, size in self._client.leaves(self._origin, cursor.index, end):
            found, cursor, rows = read(cursor, leaves)
            hashes += found
            batches.append(rows)
            taken += size
            if taken >= CHUNK_BYTES:
                break
        complete = cursor.index == end or taken >= CHUNK_BYTES
        require(complete, Reason.LEAF_WITHHELD, self._origin, f"{cursor.index} of {end} leaves were served")
        grown = frontier.grow(hashes)
        self._client.require_part_of(head, grown.frontier)
        return _Chunk(cursor, grown, batches)

    def _read_signed(self, cursor: Cursor, leaves: Sequence[envelope_pb2.Leaf]) -> _Read:
        """Read leaves as a verifier: every rule now, every signature in the background."""
        reads, unchecked, cursor = open_leaves(self._agreement, cursor, leaves, bodies=Bodies.HELD)
        holds = self._handling.check(unchecked.claims)
        rows = list(map(store_leaf, leaves, reads))

        def checked() -> list[StoredLeaf]:
            for place, refusal in unchecked.refused(holds()).items():
                rows[place] = rows[place]._replace(refusal=storable(refusal))
            return rows

        return [row.leaf_hash for row in rows], cursor, checked

    def _read_mirrored(self, cursor: Cursor, leaves: Sequence[envelope_pb2.Leaf]) -> _Read:
        """Read leaves as a mirror: tree and commitments only."""
        rows, cursor = read_mirrored(cursor, leaves)
        return [row.leaf_hash for row in rows], cursor, lambda: rows

    def _keep(self, head: Checkpoint, note: bytes) -> None:
        """Keep a head whose leaves are all held: cosigned by the rules of a C2SP witness, or as a mirror has it.

        A head whose leaves were committed just before a crash is kept at the next look.
        """
        logs, witness = self._store.logs, self._handling.witness
        if witness.seed is None:
            with logs.transaction() as tx:
                logs.save_note(tx, self._origin, note)
            return
        stored_note, size = logs.note(self._origin)
        stored = None if stored_note is None else open_checkpoint(stored_note, self._origin, self._log_key)
        path = logs.consistency_path(self._origin, size, head.size) if size else ()
        add_checkpoint(stored, AddCheckpoint(size, path, note), [self._log_key])
        now = self._clock.now()
        line = cosign(head.text(), witness.name, witness.seed, now)
        with logs.transaction() as tx:
            self._store.cosign(tx, self._origin, head.size, now, add_signatures(note, [line]))


def _one_ahead(chunks: Iterator[_Chunk]) -> Iterator[_Chunk]:
    """Hand out each chunk when the next has been read; trouble with the next does not lose this one."""
    chunk = next(chunks, None)
    while chunk is not None:
        try:
            following = next(chunks, None)
        except (Refused, grpc.RpcError):
            yield chunk
            raise
        yield chunk
        chunk = following
