"""The node follows the record and computes the state for itself (annex 1.7): it believes no verifier's word for it.

    record log    checkpoint -> signature -> leaves -> tree -> closings in order
    each closing  leaves that it covers, from whoever serves them -> statement signatures and chain -> tree against the
                  closing's head -> fold -> state: the closing must carry the digest of the state before it
    order         what a lab must keep now (`protocol.obedience`), for its status and for the file `order.json`

One closing is one transaction: a crash loses none and folds none twice. Only states and places are kept, no leaves:
they can be fetched again.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import grpc

from daemon.journal import journal
from daemon.log_client import LogClient
from daemon.rpc_errors import refused_by
from node.record_store import KEPT_STATES, Place, RecordStore
from protocol.checkpoint import open_checkpoint
from protocol.closing import Record
from protocol.commitment import ENTRY_TAG, commit
from protocol.errors import Reason, Refused, require
from protocol.fold import step
from protocol.in_force import in_force
from protocol.leaf import Bodies, Cursor, ReadLeaf, read_leaves
from protocol.merkle import leaf_hash
from protocol.note import verifier_key
from protocol.obedience import Order, order
from protocol.wire import parse
from standstill.v1 import header_pb2, membership_pb2, record_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from daemon.clock import Clock
    from daemon.database import Database
    from protocol.agreement import Agreement
    from protocol.checkpoint import Checkpoint
    from protocol.state import State
    from standstill.v1 import envelope_pb2

TERM: Final = 0
MOST_CLOSINGS: Final = 256
"""Closings read at once: a node that was away for a year must not hold all of it."""

RETRY_SECONDS: Final = 1.0
CONTRADICTIONS: Final = frozenset(
    {
        Reason.STATE_DIFFERS,
        Reason.CLOSING_NOT_NEXT,
        Reason.ROOT_MISMATCH,
        Reason.INCONSISTENT,
        Reason.ROLLED_BACK,
        Reason.SIGNATURE_INVALID,
        Reason.COMMITMENT_MISMATCH,
    }
)
"""Refusals by which the record contradicts itself or what was computed here. Others are of the way to it."""


class RecordFollower:
    """Follows the record log of a registrar through one verifier, in a thread of its own."""

    def __init__(
        self,
        agreement: Agreement,
        party: str,
        database: Database,
        channel: grpc.Channel,
        clock: Clock,
        tell: Callable[[Order, Agreement], None],
    ) -> None:
        """Follow for `party`, through the verifier at the end of `channel`; a lab's orders go to `tell`."""
        self._agreement, self._clock, self._tell = agreement, clock, tell
        self._party = party
        self._database, self._client = database, LogClient(channel)
        self._store = RecordStore(agreement, database)
        self._registrar = agreement.parties[agreement.verifiers[TERM]]
        self._origin = agreement.record_origin(TERM)
        self._log_key = verifier_key(self._origin, self._registrar.log_key)
        self._lock = threading.Lock()
        self._states = self._store.states()
        self._trouble, self._differs = "", False

    def run(self, poll: int, stop: threading.Event) -> None:
        """Look at the record now and every `poll` seconds until stopped."""
        going = True
        while going and not stop.is_set():
            self.look()
            try:
                now = self._clock.now()
                if (found := self.order(now)) is not None:
                    self._tell(found, self.terms())
                going = self._clock.wait_until(now + poll, stop)
            except Refused:
                # The clock cannot be read; every other call meets it too, and says so.
                going = not stop.wait(RETRY_SECONDS)

    def look(self) -> None:
        """Fold what is new. Never raises for what a peer does: :attr:`trouble` says what is wrong."""
        before = self._trouble
        try:
            self._follow()
            self._trouble, self._differs = "", False
        except Refused as refused:
            self._trouble = str(refused)
            # Only a record that agrees ends the alarm: whoever contradicted could otherwise fall silent and be obeyed.
            self._differs = self._differs or refused.reason in CONTRADICTIONS
        except grpc.RpcError as error:
            refused_us = refused_by(error)
            self._trouble = f"refused us: {refused_us}" if refused_us else f"not reached: {error.code().name}"
        if self._trouble not in {"", before}:
            say = journal().error if self._differs else journal().warning
            say("following the record", trouble=self._trouble, differs=self._differs)

    @property
    def trouble(self) -> str:
        """What is wrong with the record or the way to it; empty if nothing."""
        return self._trouble

    @property
    def newest(self) -> State:
        """The last state that was computed here."""
        with self._lock:
            return self._states[-1]

    def terms(self) -> Agreement:
        """The agreement under the terms in force by the last state that was computed here."""
        return in_force(self._agreement, self.newest)

    @property
    def confirmed(self) -> State | None:
        """The newest state whose digest stands in a final closing; None before the second closing."""
        with self._lock:
            return self._states[-2] if len(self._states) > 1 else None

    def order(self, now: int) -> Order | None:
        """What the lab must keep at a moment; None for a party that is no lab, or before the agreement starts."""
        period = self._agreement.period_at(now)
        if self._party not in self.terms().labs or period is None:
            return None
        with self._lock:
            states = list(self._states)
        return order(self._agreement, self._party, period, states[:-1], states[-1], differs=self._differs)

    def _follow(self) -> None:
        note = self._client.note(self._origin)
        head = open_checkpoint(note, self._origin, self._log_key)
        place = self._store.place(Cursor(self._origin, self._registrar.name, in_record=True))
        held = place.cursor.index
        what = f"shows size {head.size} after {held}: rolled back, or another record"
        require(head.size >= held, Reason.ROLLED_BACK, self._origin, what)
        if head.size == held:
            self._client.require_part_of(head, place.frontier)
        while place.cursor.index < head.size:
            place = self._fold_some(head, place)

    def _fold_some(self, head: Checkpoint, place: Place) -> Place:
        """Read the next closings, tie them to the signed head, and fold them one by one."""
        end = min(head.size, place.cursor.index + MOST_CLOSINGS)
        leaves = [leaf for batch, _ in self._client.leaves(self._origin, place.cursor.index, end) for leaf in batch]
        there = place.cursor.index + len(leaves)
        require(there == end, Reason.LEAF_WITHHELD, self._origin, f"{there} of {end} closings")
        hashes = [leaf_hash(commit(ENTRY_TAG, leaf.leaf_salt, leaf.envelope)) for leaf in leaves]
        self._client.require_part_of(head, place.frontier.append(hashes))
        for leaf in leaves:
            place = self._fold(leaf, place)
        return place

    def _fold(self, leaf: envelope_pb2.Leaf, place: Place) -> Place:
        """One closing: everything that it covers, the state after it, and all of it kept or nothing."""
        said = parse(record_pb2.Closing, leaf.body, f"{self._origin}[{place.cursor.index}].body")
        # The registrar's keys change in its own log: those hold that stand where the closing itself records it.
        covered = {head.origin: self._covered(head) for head in said.heads if head.origin == self._registrar.origin}
        known = covered.get(self._registrar.origin, (self._place_of(self._registrar.origin),))[0]
        cursor = replace(place.cursor, keys=known.cursor.keys)
        (read,), cursor = read_leaves(self._agreement, cursor, [leaf])
        if read.refusal is not None:
            raise read.refusal
        covered |= {head.origin: self._covered(head) for head in said.heads if head.origin not in covered}
        leaves = {origin: found for origin, (_, found) in covered.items()}
        outcome = step(self._agreement, self.newest, Record(leaf.body, said, leaves))
        after = Place(replace(cursor, keys=place.cursor.keys), place.frontier.append([read.leaf_hash]))
        with self._database.transaction() as tx:
            self._store.keep(tx, [*(one for one, _ in covered.values()), after], outcome.state)
        with self._lock:
            self._states = [*self._states, outcome.state][-KEPT_STATES:]
        for moved in outcome.transitions:
            journal().info("level", rank=moved.level, before=moved.before, after=moved.after)
        return after

    def _place_of(self, origin: str) -> Place:
        """How far the log of a party has been read."""
        author = self.terms().logs.get(origin)
        if author is None:
            raise Refused(Reason.UNKNOWN_ORIGIN, "closing.heads.origin", repr(origin))
        return self._store.place(Cursor(origin, author))

    def _covered(self, recorded: record_pb2.Head) -> tuple[Place, list[ReadLeaf]]:
        """The statements of a log that a closing covers first, checked to be those of its head."""
        origin, agreement = recorded.origin, self.terms()
        place = self._place_of(origin)
        cursor, found = place.cursor, list[ReadLeaf]()
        for batch, _ in self._client.leaves(origin, cursor.index, recorded.size):
            reads, cursor = read_leaves(agreement, cursor, batch, bodies=Bodies.WITHHELD)
            found += reads
        complete = cursor.index == recorded.size
        require(complete, Reason.LEAF_WITHHELD, origin, f"{cursor.index} of {recorded.size} leaves were served")
        for read in found:
            _require_body(read)
        frontier = place.frontier.append([read.leaf_hash for read in found])
        same = frontier.root() == recorded.root
        require(same, Reason.ROOT_MISMATCH, origin, f"the leaves give another root than the closing at {recorded.size}")
        return Place(cursor, frontier, _key_set(found, place.key_set)), found


def _require_body(read: ReadLeaf) -> None:
    """A body that every party may read must be there, or parties would compute different states (annex 7, 3)."""
    header = read.header
    if read.refusal is None and header is not None and header.audience <= header_pb2.AUDIENCE_PARTIES:
        there = read.body is not None
        require(there, Reason.LEAF_WITHHELD, f"{read.origin}[{read.index}].body", "a body that parties may read")


def _key_set(reads: Sequence[ReadLeaf], before: bytes) -> bytes:
    """The last KeySet among leaves, serialized; the one before them if there is none."""
    for read in reversed(reads):
        if isinstance(read.body, membership_pb2.KeySet):
            return read.body.SerializeToString(deterministic=True)
    return before
