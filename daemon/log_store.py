"""Logs in a database: leaves, hash tiles, heads and notes of any number of logs.

    transaction:  append leaves -> tiles -> head (compared and swapped) -> ... -> save note     all or nothing
    proofs:       from tiles; a small cache keeps tiles with their inner levels

Writes take the connection of a transaction, so that a daemon can do several things at once. Reads see what is
committed, or the transaction that is handed to them. What a tile holds never changes once it is committed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, NamedTuple, cast

from sqlalchemy import Connection, Row

from daemon import log_sql as sql
from daemon.database import Database, open_database
from daemon.leaf import Head, StoredLeaf
from daemon.schema import leaf_key
from daemon.tile_cache import TileCache
from protocol.checkpoint import parse_checkpoint
from protocol.errors import Reason, Refused, require
from protocol.merkle import EMPTY_ROOT, Frontier, Growth, split_hashes
from protocol.tiles import (
    TILE_WIDTH,
    Tile,
    TileId,
    consistency_path,
    inclusion_path,
    new_tiles,
)

BATCH_LEAVES: Final = 250
BATCH_BYTES: Final = 1 << 18

_LEAF_OVERHEAD_BYTES: Final = 96
_PART_LEAVES: Final = 100


Opening = tuple[int, int, bytes, bytes | None, bytes, bytes | None]
"""Sequence, audience, leaf_salt, body_salt, envelope and body of a :class:`StoredLeaf`."""


class Conflict(Refused):
    """The log is not where its writer thought it was; nothing was written."""

    def __init__(self, origin: str, detail: str) -> None:
        super().__init__(Reason.HEAD_CONFLICT, origin, detail)


class _End(NamedTuple):
    """Where this process has left a log: what the next append needs, if the log's head is still this one.

    A head says all of its tree, so what was true of it once stays true, whatever became of the transaction.
    """

    log_id: int
    head: Head
    frontier: Frontier
    edge: tuple[bytes, ...]
    """Leaf hashes of the last tile, if that is partial."""


class LogStore:
    """Logs in one database. Safe for use from several threads."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._ids: dict[str, int] = {}
        self._tiles = TileCache()
        self._ends: dict[str, _End] = {}

    def transaction(self) -> AbstractContextManager[Connection]:
        """Do several things at once or not at all; see :meth:`daemon.database.Database.transaction`."""
        return self.database.transaction()

    def close(self) -> None:
        """Close the database and let go of its lock."""
        self.database.close()

    # -- writing ------------------------------------------------------------------------------------------------------

    def add_log(self, tx: Connection, origin: str) -> None:
        """Begin an empty log; one that exists stays as it is."""
        statement = (
            "INSERT INTO logs (origin, size, root, frontier, note_size) VALUES (?, 0, ?, ?, 0) "
            "ON CONFLICT (origin) DO NOTHING"
        )
        tx.exec_driver_sql(self.database.sql(statement), (origin, EMPTY_ROOT, Frontier().to_bytes()))

    def append(
        self,
        tx: Connection,
        origin: str,
        expected: Head,
        leaves: Sequence[StoredLeaf],
        grown: Growth | None = None,
    ) -> Head:
        """Append leaves to the log whose head is `expected`, and return the new head.

        Args:
            tx: the transaction.
            origin: the log.
            expected: where the writer thinks that the log ends.
            leaves: what follows.
            grown: what these leaves make of the tree, from a caller that has rebuilt it already.

        Raises:
            Refused: UNKNOWN_ORIGIN; :class:`Conflict` where the head is another or an index is not the next one.
        """
        log_id, frontier = self._open_for_append(tx, origin, expected)
        if [leaf.sequence for leaf in leaves] != list(range(expected.size, expected.size + len(leaves))):
            raise Conflict(origin, f"expected leaves from index {expected.size} on without gaps")
        if not leaves:
            return expected
        after, completed = grown or frontier.grow([leaf.leaf_hash for leaf in leaves])
        head = Head(after.size, after.root())
        self._swap_head(tx, origin, log_id, expected, head, after)
        # The number of the log stands in the statement, so that the leaves are the rows.
        insert = self.database.sql(sql.INSERT.format(log_id=log_id, first=leaf_key(log_id, 0)))
        rows = list(map(tuple, leaves))  # drivers bind plain tuples faster than named ones
        self.database.cursor(tx).executemany(insert, rows)
        edge = self._write_tiles(tx, origin, log_id, expected, completed)
        self._ends[origin] = _End(log_id, head, after, edge)
        return head

    def save_note(self, tx: Connection, origin: str, note: bytes) -> None:
        """Keep the newest signed note of a log; its signatures are the caller's business.

        Raises:
            Refused: UNKNOWN_ORIGIN; CHECKPOINT_MALFORMED; :class:`Conflict` where the note speaks of more than the log
                holds, of less than the note before it, or of another root at the same size.
        """
        checkpoint = parse_checkpoint(note.partition(b"\n\n")[0] + b"\n")
        row = self.log_row(tx, origin)
        fits = checkpoint.origin == origin and row.note_size <= checkpoint.size <= row.size
        if not fits or (checkpoint.size == row.size and checkpoint.root != row.root):
            raise Conflict(origin, f"expected a checkpoint from size {row.note_size} to {row.size} of this log")
        statement = self.database.sql("UPDATE logs SET note = ?, note_size = ? WHERE id = ?")
        tx.exec_driver_sql(statement, (note, checkpoint.size, row.id))

    def _open_for_append(self, tx: Connection, origin: str, expected: Head) -> tuple[int, Frontier]:
        end = self._ends.get(origin)
        # Whether the log is still there is seen when its head is swapped.
        if end is not None and end.head == expected:
            return end.log_id, end.frontier
        row = self.log_row(tx, origin)
        found = Head(row.size, row.root)
        if found != expected:
            raise Conflict(origin, f"expected size {expected.size}, found {found.size} or another root")
        return row.id, Frontier.from_bytes(row.frontier)

    def _swap_head(self, tx: Connection, origin: str, log_id: int, expected: Head, head: Head, after: Frontier) -> None:
        # Two writers that read the same head must not both move it: that would sign two trees of one size. The row
        # count says which of them did; this row is all that stands between a mistake and a split view.
        swapped = self.database.cursor(tx)
        swapped.execute(self.database.sql(sql.SWAP_HEAD), (head.size, head.root, after.to_bytes(), log_id, *expected))
        if swapped.rowcount != 1:
            raise Conflict(origin, f"expected size {expected.size}, found that another writer was first")

    def _write_tiles(
        self, tx: Connection, origin: str, log_id: int, expected: Head, completed: Sequence[Sequence[bytes]]
    ) -> tuple[bytes, ...]:
        """Write the tiles that hold what was completed; returns the last one at level 0, if that is partial."""
        end = self._ends.get(origin)

        def read_tile(tile: TileId) -> Tile:
            if tile.level == 0 and end is not None and end.head == expected:
                return Tile(end.edge)
            return self._read_tile(tx, log_id, tile)

        rest: tuple[bytes, ...] = ()
        rows = []
        for name, tile in new_tiles(expected.size, completed, read_tile):
            if name.level == 0 and name.width < TILE_WIDTH:
                rest = tile.hashes
            else:
                rows.append((log_id, name.level, name.index, tile.to_bytes()))
        if rows:
            self.database.cursor(tx).executemany(self.database.sql(sql.UPSERT_TILE), rows)
        return rest

    # -- reading ------------------------------------------------------------------------------------------------------

    def origins(self, *, tx: Connection | None = None) -> list[str]:
        """The logs in this store, sorted."""
        with self.database.reading(tx) as connection:
            return list(connection.exec_driver_sql("SELECT origin FROM logs ORDER BY origin").scalars())

    def head(self, origin: str, *, tx: Connection | None = None) -> Head:
        """The head of a log: what it holds, whether signed yet or not.

        Raises:
            Refused: UNKNOWN_ORIGIN.
        """
        with self.database.reading(tx) as connection:
            row = self.log_row(connection, origin)
            return Head(row.size, row.root)

    def frontier(self, origin: str, *, tx: Connection | None = None) -> Frontier:
        """The roots of a log's complete subtrees, from which it is continued.

        Raises:
            Refused: UNKNOWN_ORIGIN.
        """
        with self.database.reading(tx) as connection:
            return Frontier.from_bytes(self.log_row(connection, origin).frontier)

    def note(self, origin: str, *, tx: Connection | None = None) -> tuple[bytes | None, int]:
        """The newest signed note of a log, exact bytes, and the size that it speaks of; (None, 0) if there is none.

        Raises:
            Refused: UNKNOWN_ORIGIN.
        """
        with self.database.reading(tx) as connection:
            row = self.log_row(connection, origin)
            return row.note, row.note_size

    def leaf(self, origin: str, index: int, *, tx: Connection | None = None) -> StoredLeaf:
        """One leaf.

        Raises:
            Refused: UNKNOWN_ORIGIN, INDEX_OUT_OF_RANGE.
        """
        with self.database.reading(tx) as connection:
            log_id = self._log_id(connection, origin)
            row = connection.exec_driver_sql(self.database.sql(sql.LEAF), (leaf_key(log_id, index),)).first()
        if row is None:
            raise Refused(Reason.INDEX_OUT_OF_RANGE, "index", f"expected an index below the size, found {index}")
        return StoredLeaf._make(row)

    def batch(self, origin: str, start: int, end: int, *, tx: Connection | None = None) -> list[StoredLeaf]:
        """The first leaves of [start, end): at least one if there is one, then as many as a message takes.

        Raises:
            Refused: UNKNOWN_ORIGIN.
        """
        return [StoredLeaf._make(row) for row in self._some(sql.RANGE, origin, start, end, tx)]

    def openings(self, origin: str, start: int, end: int) -> list[Opening]:
        """As :meth:`batch`, only what a leaf is served from: a log is streamed more often than anything else is read.

        Raises:
            Refused: UNKNOWN_ORIGIN.
        """
        return cast("list[Opening]", self._some(sql.OPENINGS, origin, start, end, None))

    def _some(self, statement: str, origin: str, start: int, end: int, tx: Connection | None) -> list[Row[Any]]:
        """The first rows of a range that ends in envelope and body: as many as a message takes."""
        found: list[Row[Any]] = []
        room = BATCH_BYTES
        with self.database.reading(tx) as connection:
            log_id = self._log_id(connection, origin)
            keys = leaf_key(log_id, start), leaf_key(log_id, end)
            rows = connection.exec_driver_sql(self.database.sql(statement), (*keys, BATCH_LEAVES))
            for part in rows.partitions(_PART_LEAVES):
                for row in part:
                    room -= len(row[-2]) + len(row[-1] or b"") + _LEAF_OVERHEAD_BYTES
                    if found and room < 0:
                        rows.close()
                        return found
                    found.append(row)
        return found

    def leaves(self, origin: str, start: int, end: int, *, tx: Connection | None = None) -> Iterator[StoredLeaf]:
        """The leaves of [start, end) in order, read in batches so that a slow reader holds nothing open.

        Raises:
            Refused: UNKNOWN_ORIGIN.
        """
        while batch := self.batch(origin, start, end, tx=tx):
            yield from batch
            start = batch[-1].sequence + 1

    def by_kind(
        self,
        origin: str,
        kind: int,
        first_period: int | None = None,
        last_period: int | None = None,
        *,
        tx: Connection | None = None,
    ) -> list[StoredLeaf]:
        """The leaves of one kind by period, then index; the caller bounds the periods, both inclusive.

        Raises:
            Refused: UNKNOWN_ORIGIN.
        """
        condition, parameters = "", []
        for sign, bound in ((">=", first_period), ("<=", last_period)):
            if bound is not None:
                condition += f" AND period {sign} ?"
                parameters.append(bound)
        statement = self.database.sql(f"{sql.BY_KIND}{condition} ORDER BY period, id")
        with self.database.reading(tx) as connection:
            log_id = self._log_id(connection, origin)
            rows = connection.exec_driver_sql(statement, (log_id, kind, *parameters))
            return [StoredLeaf._make(row) for row in rows]

    # -- proofs -------------------------------------------------------------------------------------------------------

    def tile(self, origin: str, tile: TileId) -> Tile:
        """A tile of hashes as wide as asked for.

        Raises:
            Refused: UNKNOWN_ORIGIN; INDEX_OUT_OF_RANGE where the log does not reach as far.
        """
        found = self._tiles.get((origin, tile))
        if found is None:
            with self.database.reading() as connection:
                found = self._read_tile(connection, self._log_id(connection, origin), tile)
            self._tiles.put((origin, tile), found)
        return found

    def inclusion_path(self, origin: str, index: int, size: int) -> tuple[bytes, ...]:
        """The inclusion path of leaf `index` in the tree of `size`.

        Raises:
            Refused: UNKNOWN_ORIGIN, INDEX_OUT_OF_RANGE.
        """
        self._require_log(origin)
        return inclusion_path(index, size, lambda tile: self.tile(origin, tile))

    def consistency_path(self, origin: str, old_size: int, new_size: int) -> tuple[bytes, ...]:
        """The consistency path between the trees of two sizes.

        Raises:
            Refused: UNKNOWN_ORIGIN, SIZE_ORDER, INDEX_OUT_OF_RANGE.
        """
        self._require_log(origin)
        return consistency_path(old_size, new_size, lambda tile: self.tile(origin, tile))

    def _read_tile(self, connection: Connection, log_id: int, tile: TileId) -> Tile:
        stored = self.stored_tile(connection, log_id, tile.level, tile.index)
        hashes = split_hashes(stored) if stored is not None else []
        if stored is None and tile.level == 0:
            start = tile.index * TILE_WIDTH
            keys = leaf_key(log_id, start), leaf_key(log_id, start + tile.width)
            rows = connection.exec_driver_sql(self.database.sql(sql.HASHES), keys)
            hashes = list(rows.scalars())
        enough = 1 <= tile.width <= len(hashes)
        require(enough, Reason.INDEX_OUT_OF_RANGE, "tile", f"expected up to {len(hashes)} hashes, not {tile.width}")
        return Tile(tuple(hashes[: tile.width]))

    def stored_tile(self, connection: Connection, log_id: int, level: int, index: int) -> bytes | None:
        """The row of a tile as it is stored, joined hashes; None where there is none."""
        statement = self.database.sql("SELECT hashes FROM tiles WHERE log_id = ? AND level = ? AND idx = ?")
        found: bytes | None = connection.exec_driver_sql(statement, (log_id, level, index)).scalar()
        return found

    def _require_log(self, origin: str) -> None:
        if origin not in self._ids:
            with self.database.reading() as connection:
                self._log_id(connection, origin)

    def _log_id(self, connection: Connection, origin: str) -> int:
        if (known := self._ids.get(origin)) is not None:
            return known
        found: int = self.log_row(connection, origin).id
        # In a transaction that may yet fail, a number is not settled.
        if not self.database.writes(connection):
            self._ids[origin] = found
        return found

    def log_row(self, connection: Connection, origin: str) -> Row[Any]:
        """The row of a log: id, size, root, frontier, note, note_size.

        Raises:
            Refused: UNKNOWN_ORIGIN.
        """
        row = connection.exec_driver_sql(self.database.sql(sql.LOG), (origin,)).first()
        if row is None:
            raise Refused(Reason.UNKNOWN_ORIGIN, "origin", f"expected a log of this store, found {origin}")
        return row


def open_store(url: str, *, create: bool = False, writer: bool = True) -> LogStore:
    """Open a store of logs; arguments and refusals as :func:`daemon.database.open_database`."""
    return LogStore(open_database(url, create=create, writer=writer))
