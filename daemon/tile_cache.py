"""The tiles that a log's readers use most, ready for proofs."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

from protocol.tiles import Tile, TileId

CACHED_TILES: Final = 192
"""About 7 MB: a tile of 256 hashes with its inner levels takes some 37 kB."""


class TileCache:
    """The tiles used last, with their inner levels, by origin. Safe for use from several threads."""

    def __init__(self, most: int = CACHED_TILES) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._tiles: OrderedDict[tuple[str, TileId], Tile] = OrderedDict()

    def get(self, name: tuple[str, TileId]) -> Tile | None:
        """The tile, if it is here."""
        with self._lock:
            found = self._tiles.get(name)
            if found is not None:
                self._tiles.move_to_end(name)
            return found

    def put(self, name: tuple[str, TileId], tile: Tile) -> None:
        """Keep a tile, and let go of the one not used for longest."""
        with self._lock:
            self._tiles[name] = tile
            while len(self._tiles) > self._most:
                self._tiles.popitem(last=False)
