"""Statements that this verifier holds, as the core reads them: rows of the store back to leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.rows import header_of
from protocol.envelope import identity
from protocol.errors import Refused, refusal_from
from protocol.leaf import NO_PREVIOUS, ReadLeaf, read_body
from standstill.v1 import envelope_pb2, header_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.leaf import StoredLeaf
    from daemon.log_store import LogStore
    from protocol.agreement import Agreement
    from protocol.case_needs import Need


class Held:
    """The logs of a store, opened as far as this reader may."""

    def __init__(self, agreement: Agreement, logs: LogStore) -> None:
        self._agreement = agreement
        self._logs = logs

    def leaves(self, origin: str, start: int, end: int) -> Leaves:
        """Leaves of a range for the fold; can be gone through more than once, and holds no more than a batch.

        The fold reads only what every party can read, or parties and verifiers would compute different states: bodies
        for verifiers stay closed here, and whether their form is right is no business of the fold (annex 7, 2).
        """
        return Leaves(self, origin, start, end)

    def needed(self, need: Need, size: int) -> Iterator[ReadLeaf]:
        """Leaves that a case needs, as far as they are recorded; a log of which nothing is may not be known here."""
        if not size:
            return
        for row in self._logs.by_kind(need.origin, need.kind, need.first, need.last):
            # A meter operator reads for many: what is not needed is not opened either.
            if row.sequence < size and (not need.sites or header_of(row).site in need.sites):
                yield self.read(need.origin, row)

    def stored(self, origin: str, start: int, end: int) -> Iterator[ReadLeaf]:
        """Leaves of a range for the fold, once."""
        for row in self._logs.leaves(origin, start, end):
            yield self.read(origin, row, open_body=row.audience <= header_pb2.AUDIENCE_PARTIES)

    def read(self, origin: str, row: StoredLeaf, *, open_body: bool = True) -> ReadLeaf:
        """A leaf whose header was checked when it came in; its body is read here, and judged where it is counted."""
        header, name = None, NO_PREVIOUS
        # kind 0 marks a leaf whose header could not be read.
        if row.kind:
            envelope = envelope_pb2.Envelope.FromString(row.envelope)
            header = header_pb2.Header.FromString(envelope.payload)
            name = identity(envelope.payload_type, envelope.payload)
        refusal = refusal_from(row.refusal) if row.refusal is not None else None
        body = None
        if open_body and refusal is None and header is not None and row.body is not None:
            try:
                body = read_body(self._agreement, header, row.body)
            except Refused as refused:
                refusal = refused
        return ReadLeaf(origin, row.sequence, row.leaf_hash, name, header, body, refusal)


class Leaves:
    """A range of a log that can be gone through more than once."""

    def __init__(self, held: Held, origin: str, start: int, end: int) -> None:
        self._held, self._range = held, (origin, start, end)

    def __iter__(self) -> Iterator[ReadLeaf]:
        return self._held.stored(*self._range)
