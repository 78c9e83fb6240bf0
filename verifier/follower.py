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

from daemon.author import store_leaf
from daemon.journal import journal
from daemon.leaf import EMPTY
from protocol.checkpoint import Checkpoint, open_checkpoint
from protocol.cosignature import cosign
from protocol.errors import Reason, Refused, require
from protocol.leaf import Bodies, Cursor, read_leaves
from protocol.merkle import Frontier, verify_consistency
from protocol.note import add_signatures, verifier_key
from protocol.witness import AddCheckpoint, add_checkpoint
from standstill.v1 import header_pb2, log_service_pb2, log_service_pb2_grpc, membership_pb2, record_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from daemon.clock import Clock
    from protocol.agreement import Agreement
    from protocol.leaf import Claim
    from standstill.v1 import envelope_pb2
    from verifier.store import VerifierStore

NEVER: Final = 0


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
        verify: checks signatures in bulk.
        accuse: is told of a proven contradiction.
    """

    witness: Witness
    chunk: int
    verify: Callable[[Sequence[Claim]], Sequence[bool]]
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
        self._stub = log_service_pb2_grpc.LogServiceStub(channel)
        with store.logs.transaction() as tx:
            store.logs.add_log(tx, self._origin)
        self._cursor = resume(store, self._origin, party)
        self._frontier = store.logs.frontier(self._origin)
        self.status = Following(self._origin, party, self._cursor.index, NEVER, "not reached yet")

    def run(self, poll: int, stop: threading.Event) -> None:
        """Look at the log now and every `poll` seconds until stopped; trouble is noted and tried again."""
        going = True
        while going and not stop.is_set():
            self.look()
            going = self._clock.wait_until(self._clock.now() + poll, stop)

    def look(self) -> Following:
        """Pull what is new. Never raises for what a peer does: the status says what is wrong."""
        before = self.status.state
        try:
            self._pull()
            self.status = replace(self.status, size=self._cursor.index, seen=self._clock.now(), state="ok")
        except Refused as refused:
            self.status = replace(self.status, size=self._cursor.index, state=str(refused))
        except grpc.RpcError as error:
            self.status = replace(self.status, size=self._cursor.index, state=f"not reached: {error.code().name}")
        if self.status.state not in {before, "ok"}:
            journal().warning("following", party=self.status.party, size=self.status.size, state=self.status.state)
        return self.status

    def _pull(self) -> None:
        answer = self._stub.GetCheckpoint(log_service_pb2.GetCheckpointRequest(origin=self._origin))
        head = open_checkpoint(answer.note, self._origin, self._log_key)
        self._require_growth(head, answer.note)
        held = self._cursor.index
        while self._cursor.index < head.size:
            self._pull_chunk(head)
        if self._handling.witness.seed is not None and (head.size > held or self._uncosigned(head)):
            self._cosign(head, answer.note)

    def _uncosigned(self, head: Checkpoint) -> bool:
        """A head whose leaves were committed just before a crash still wants its cosignature."""
        return head.size > 0 and self._store.cosigned_note(self._origin, head.size) is None

    def _require_growth(self, head: Checkpoint, note: bytes) -> None:
        """A log never shrinks and never has two roots of one size; two of them convict it (transparency (c) 7)."""
        held = self._store.logs.head(self._origin)
        if head.size == held.size and head.root != held.root:
            seen = self._store.cosigned_note(self._origin, held.size)
            if seen is not None:
                proof = record_pb2.Misbehavior.SplitView(first=seen, second=note)
                self._handling.accuse(record_pb2.Misbehavior(party=self._party.name, split_view=proof))
            raise Refused(Reason.EQUIVOCATION, self._origin, f"two roots at size {held.size}; the proof is logged")
        if head.size < held.size:
            detail = f"shows size {head.size} after {held.size}: rolled back, or restored from an old copy"
            raise Refused(Reason.ROLLED_BACK, self._origin, detail)

    def _pull_chunk(self, head: Checkpoint) -> None:
        """Fetch, check and store the next leaves, at most a chunk of them."""
        start = self._cursor.index
        end = min(head.size, start + self._handling.chunk)
        bodies = Bodies.HELD
        rows, cursor, frontier = [], self._cursor, self._frontier
        for leaves in self._stream(start, end):
            reads, cursor = read_leaves(self._agreement, cursor, leaves, bodies=bodies, verify=self._handling.verify)
            frontier = frontier.append([read.leaf_hash for read in reads])
            rows += [store_leaf(leaf, read) for leaf, read in zip(leaves, reads, strict=True)]
        complete = cursor.index == end
        require(complete, Reason.LEAF_WITHHELD, self._origin, f"{cursor.index} of {end} leaves were served")
        self._require_part_of(head, frontier)
        with self._store.logs.transaction() as tx:
            self._store.logs.append(tx, self._origin, self._store.logs.head(self._origin, tx=tx), rows)
        self._cursor, self._frontier = cursor, frontier

    def _stream(self, start: int, end: int) -> Iterator[Sequence[envelope_pb2.Leaf]]:
        request = log_service_pb2.StreamLeavesRequest(origin=self._origin, start=start, end=end)
        got = start
        for batch in self._stub.StreamLeaves(request):
            got += len(batch.leaves)
            # A server that never stops serving must not fill our memory.
            require(got <= end, Reason.LEAF_WITHHELD, self._origin, f"more than {end - start} leaves were served")
            yield batch.leaves

    def _require_part_of(self, head: Checkpoint, frontier: Frontier) -> None:
        """What was served is what the head commits to."""
        if frontier.size == head.size:
            same = frontier.root() == head.root
            require(same, Reason.ROOT_MISMATCH, self._origin, f"the leaves give another root at size {head.size}")
            return
        request = log_service_pb2.GetConsistencyProofRequest(
            origin=self._origin, old_size=frontier.size, new_size=head.size
        )
        path = self._stub.GetConsistencyProof(request).hashes
        verify_consistency(frontier.size, head.size, frontier.root(), head.root, path)

    def _cosign(self, head: Checkpoint, note: bytes) -> None:
        """Cosign by the rules of a C2SP witness; the store's row makes it happen once per size."""
        stored_note, size = self._store.logs.note(self._origin)
        stored, path = None, tuple[bytes, ...]()
        if stored_note is not None:
            stored = open_checkpoint(stored_note, self._origin, self._log_key)
            if 0 < size < head.size:
                path = self._store.logs.consistency_path(self._origin, size, head.size)
        add_checkpoint(stored, AddCheckpoint(size, path, note), [self._log_key])
        now = self._clock.now()
        assert self._handling.witness.seed is not None  # noqa: S101 - only witnesses get here
        line = cosign(head.text(), self._handling.witness.name, self._handling.witness.seed, now)
        with self._store.logs.transaction() as tx:
            self._store.cosign(tx, self._origin, head.size, now, add_signatures(note, [line]))


def resume(store: VerifierStore, origin: str, party: str) -> Cursor:
    """The place in a log up to which its leaves are held, with the keys in force there."""
    head = store.logs.head(origin)
    cursor = Cursor(origin, party)
    if head == EMPTY:
        return cursor
    for row in store.logs.by_kind(origin, header_pb2.KIND_KEY_SET):
        if row.refusal is None and row.body is not None:
            cursor = replace(cursor, keys=cursor.keys.after(membership_pb2.KeySet.FromString(row.body)))
    last = store.logs.leaf(origin, head.size - 1)
    return replace(cursor, index=head.size, previous=last.leaf_hash)
