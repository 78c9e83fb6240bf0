"""What a node keeps of the record: how far each log has been read, and the newest states."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, insert, select

from node.schema import FOLLOWED, STATES
from protocol.fold import initial
from protocol.leaf import Cursor, KeyRing
from protocol.merkle import Frontier
from protocol.state import State, read_state
from standstill.v1 import membership_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from daemon.database import Database
    from protocol.agreement import Agreement

KEPT_STATES: Final = 8
"""The newest states that are kept: an order needs the ones of the last two closings, and a dark stretch no more."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far a log has been read.

    Attributes:
        cursor: the next leaf, and the keys in force there.
        frontier: of the leaves before it.
        key_set: body of the KeySet in force, exact bytes; empty before the first.
    """

    cursor: Cursor
    frontier: Frontier = field(default_factory=Frontier)
    key_set: bytes = b""


class RecordStore:
    """Places and states, in the database that holds the node's own log."""

    def __init__(self, agreement: Agreement, database: Database) -> None:
        """Of a node under an agreement."""
        self._agreement, self._database = agreement, database

    def place(self, start: Cursor) -> Place:
        """How far the log has been read that `start` is the beginning of."""
        with self._database.reading() as connection:
            row = connection.execute(select(FOLLOWED).where(FOLLOWED.c.origin == start.origin)).first()
        if row is None:
            return Place(start)
        frontier = Frontier.from_bytes(row.frontier)
        keys = start.keys
        if row.key_set:
            keys = KeyRing().after(membership_pb2.KeySet.FromString(row.key_set))
        cursor = Cursor(start.origin, start.author, start.in_record, frontier.size, row.previous, keys)
        return Place(cursor, frontier, row.key_set)

    def states(self) -> list[State]:
        """The newest states, oldest first; the initial one where there is no other."""
        with self._database.reading() as connection:
            texts = connection.execute(select(STATES.c.state).order_by(STATES.c.period)).scalars().all()
        return [read_state(text) for text in texts] or [initial(self._agreement)]

    def keep(self, tx: Connection, places: Iterable[Place], state: State | None = None) -> None:
        """Remember how far logs were read, and the state after that."""
        for place in places:
            origin, previous = place.cursor.origin, place.cursor.previous or b""
            tx.execute(delete(FOLLOWED).where(FOLLOWED.c.origin == origin))
            frontier = place.frontier.to_bytes()
            row = {"origin": origin, "previous": previous, "frontier": frontier, "key_set": place.key_set}
            tx.execute(insert(FOLLOWED).values(row))
        if state is not None and state.period is not None:
            tx.execute(insert(STATES).values(period=state.period, state=state.text()))
            self._prune(tx)

    def _prune(self, tx: Connection) -> None:
        newest = select(STATES.c.period).order_by(STATES.c.period.desc()).offset(KEPT_STATES - 1).limit(1)
        oldest = tx.execute(newest).scalar()
        if oldest is not None:
            tx.execute(delete(STATES).where(STATES.c.period < oldest))
