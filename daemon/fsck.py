"""Re-derive a stored log from its leaves and report what does not fit.

    leaf_salt, envelope -> entry -> leaf hash -> tiles -> frontier, root -> note

Reads everything, believes nothing, changes nothing; memory does not grow with the log.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError
from sqlalchemy import Connection, Row

from daemon.leaf import StoredLeaf
from daemon.log_store import LogStore
from daemon.schema import leaf_key
from protocol.checkpoint import parse_checkpoint
from protocol.commitment import BODY_TAG, ENTRY_TAG, commit
from protocol.errors import Refused
from protocol.merkle import Frontier, leaf_hash
from protocol.tiles import TILE_WIDTH, Tile, TileId
from standstill.v1 import envelope_pb2, header_pb2


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is not what the leaves say.

    Attributes:
        where: what is damaged, such as `leaf 17` or `tile 1/0`.
        what: expected and found.
    """

    where: str
    what: str


def fsck(store: LogStore, origin: str) -> list[Damage]:
    """Check one log; the store should have no writer meanwhile.

    Raises:
        Refused: UNKNOWN_ORIGIN, STORE_UNAVAILABLE.
    """
    with store.database.reading() as connection:
        return list(_Check(store, connection, origin).run())


class _Check:
    def __init__(self, store: LogStore, connection: Connection, origin: str) -> None:
        self._store = store
        self._connection = connection
        self._origin = origin
        self._log: Row[Any] = store.log_row(connection, origin)
        self._frontier = Frontier()
        # Hashes of the tile in progress at each level above 0, and how many tiles of that level are done.
        self._rows: list[list[bytes]] = []
        self._done: list[int] = []

    def run(self) -> Iterator[Damage]:
        if self._log.note is not None and self._log.note_size == 0:
            yield from self._note(self._frontier)
        for start in range(0, self._log.size, TILE_WIDTH):
            end = min(start + TILE_WIDTH, self._log.size)
            found = list(self._store.leaves(self._origin, start, end, tx=self._connection))
            sequence = [leaf.sequence for leaf in found]
            if sequence != list(range(start, end)):
                yield Damage(f"leaves {start} to {end}", f"expected {end - start} leaves, found {len(found)}")
                return
            yield from self._leaves(start, found)
        for level, row in enumerate(self._rows, start=1):
            if row:
                yield from self._tile(TileId(level, self._done[level - 1], len(row)), Tile(tuple(row)))
        yield from self._extra()
        if self._frontier.root() != self._log.root:
            yield Damage("root", f"expected {self._frontier.root().hex()}, found {self._log.root.hex()}")
        if self._frontier.to_bytes() != self._log.frontier:
            yield Damage("frontier", "expected the frontier of the leaves")

    def _leaves(self, start: int, found: Sequence[StoredLeaf]) -> Iterator[Damage]:
        hashes = []
        for leaf in found:
            yield from _body(leaf)
            hashes.append(_hash(leaf))
            if hashes[-1] != leaf.leaf_hash:
                yield Damage(f"leaf {leaf.sequence}", "expected the hash of its salt and envelope")
        signed = self._log.note_size - start
        if self._log.note is not None and 0 < signed <= len(hashes):
            yield from self._note(self._frontier.append(hashes[:signed]))
        self._frontier = self._frontier.append(hashes)
        if len(hashes) == TILE_WIDTH:
            tile = Tile(tuple(hashes))
            yield from self._tile(TileId(0, start // TILE_WIDTH), tile)
            yield from self._raise(1, tile.root())

    def _raise(self, level: int, root: bytes) -> Iterator[Damage]:
        """Add the hash of a full tile to the level above it."""
        if len(self._rows) < level:
            self._rows.append([])
            self._done.append(0)
        row = self._rows[level - 1]
        row.append(root)
        if len(row) == TILE_WIDTH:
            tile = Tile(tuple(row))
            yield from self._tile(TileId(level, self._done[level - 1]), tile)
            self._rows[level - 1] = []
            self._done[level - 1] += 1
            yield from self._raise(level + 1, tile.root())

    def _tile(self, name: TileId, expected: Tile) -> Iterator[Damage]:
        stored = self._store.stored_tile(self._connection, self._log.id, name.level, name.index)
        if stored != expected.to_bytes():
            found = "none" if stored is None else "another"
            yield Damage(f"tile {name.level}/{name.index}", f"expected the hashes of the leaves, found {found}")

    def _extra(self) -> Iterator[Damage]:
        """Rows that this log should not have: it would serve them once it has grown as far."""
        log_id, size = self._log.id, self._log.size
        keys = leaf_key(log_id, 0), leaf_key(log_id + 1, 0)
        tiles = size // TILE_WIDTH + sum(self._done) + sum(1 for row in self._rows if row)
        # A leaf names its log twice, in its key and for the index of kinds.
        yield from self._count("leaves", "id >= ? AND id < ?", keys, size)
        yield from self._count("leaves", "id >= ? AND id < ? AND log_id <> ?", (*keys, log_id), 0)
        yield from self._count("tiles", "log_id = ?", (log_id,), tiles)

    def _count(self, table: str, condition: str, parameters: tuple[int, ...], expected: int) -> Iterator[Damage]:
        statement = f"SELECT count(*) FROM {table} WHERE {condition}"  # noqa: S608 - our own names
        found = self._connection.exec_driver_sql(self._store.database.sql(statement), parameters).scalar()
        if found != expected:
            yield Damage(table, f"expected {expected} rows, found {found}")

    def _note(self, frontier: Frontier) -> Iterator[Damage]:
        """The newest note must speak of the tree of the leaves at its size."""
        try:
            checkpoint = parse_checkpoint(self._log.note.partition(b"\n\n")[0] + b"\n")
        except Refused as refused:
            yield Damage("note", str(refused))
            return
        if (checkpoint.origin, checkpoint.size, checkpoint.root) != (self._origin, frontier.size, frontier.root()):
            yield Damage("note", f"expected size {frontier.size} and the root of the leaves, found {checkpoint}")


def _hash(leaf: StoredLeaf) -> bytes:
    """The leaf hash that salt and envelope give; empty where the salt is none."""
    try:
        return leaf_hash(commit(ENTRY_TAG, leaf.leaf_salt, leaf.envelope))
    except Refused:
        return b""


def _body(leaf: StoredLeaf) -> Iterator[Damage]:
    """The body of an accepted statement must be the one that its header commits to."""
    if leaf.body is None or leaf.body_salt is None or leaf.refusal is not None:
        return
    try:
        payload = envelope_pb2.Envelope.FromString(leaf.envelope).payload
        committed = header_pb2.Header.FromString(payload).body_commitment
        fits = commit(BODY_TAG, leaf.body_salt, leaf.body) == committed
    except (DecodeError, Refused) as error:
        yield Damage(f"leaf {leaf.sequence}", f"expected an envelope, a header and a salt: {error}")
        return
    if not fits:
        yield Damage(f"leaf {leaf.sequence}", "expected the body that its header commits to")
