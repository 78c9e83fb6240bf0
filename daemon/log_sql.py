"""What a store of logs says to its database, with `?` for parameters; a leaf's index comes out of its key."""

from __future__ import annotations

from typing import Final

from daemon.leaf import StoredLeaf
from daemon.schema import INDEX_BITS

_INDEX: Final = f"id & {(1 << INDEX_BITS) - 1}"
_REST: Final = "kind, period, audience, leaf_hash, leaf_salt, refusal, body_salt, envelope, body"
_VALUES: Final = ", ".join("?" * len(StoredLeaf._fields[1:]))
_SELECT: Final = f"SELECT {_INDEX}, {_REST} FROM leaves WHERE"  # noqa: S608 - our own names
_WITHIN: Final = "id >= ? AND id < ? ORDER BY id"
_OPENING: Final = "audience, leaf_salt, body_salt, envelope, body"

LOG: Final = "SELECT id, size, root, frontier, note, note_size FROM logs WHERE origin = ?"
SWAP_HEAD: Final = "UPDATE logs SET size = ?, root = ?, frontier = ? WHERE id = ? AND size = ? AND root = ?"
UPSERT_TILE: Final = (
    "INSERT INTO tiles (log_id, level, idx, hashes) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (log_id, level, idx) DO UPDATE SET hashes = excluded.hashes"
)
INSERT: Final = (
    f"INSERT INTO leaves (log_id, id, {_REST}) "  # noqa: S608 - our own names
    f"VALUES ({{log_id}}, {{first}} + ?, {_VALUES})"
)
LEAF: Final = f"{_SELECT} id = ?"
RANGE: Final = f"{_SELECT} {_WITHIN} LIMIT ?"
BY_KIND: Final = f"{_SELECT} log_id = ? AND kind = ?"
OPENINGS: Final = f"SELECT {_INDEX}, {_OPENING} FROM leaves WHERE {_WITHIN} LIMIT ?"  # noqa: S608 - our own names
HASHES: Final = f"SELECT leaf_hash FROM leaves WHERE {_WITHIN}"  # noqa: S608 - our own names
