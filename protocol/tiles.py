"""Tiles: the Merkle tree and the log's entries as static files of 256 (C2SP tlog-tiles).

Tile `index` at `level` holds up to 256 hashes; hash i is the root over the 256^level leaves that start at
(256 * index + i) * 256^level. Only the last tile of a level is partial, and only full tiles are hashed into the level
above. An entry bundle holds the entries under one tile of level 0.

    tile/0/x001/234        full tile 1234 of leaf hashes
    tile/1/004.p/210       partial tile: 210 hashes so far
    tile/entries/x001/234  the entries themselves, each a u16be length and its bytes

A store answers `read_tile(TileId) -> Tile`. A :class:`Tile` carries its inner levels, so that a store that caches tiles
hashes each of them once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from protocol.errors import Reason, Refused, require
from protocol.merkle import (
    EMPTY_ROOT,
    HASH_BYTES,
    MAX_TREE_SIZE,
    fold,
    parents,
    prove_consistency,
    prove_inclusion,
    split_hashes,
)

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 256
MAX_ENTRY_BYTES: Final = 65_535
"""What the u16 length of an entry bundle can express."""

MAX_LEVEL: Final = 7
"""The highest level that a tree of at most 2^63 - 1 leaves reaches."""

_PATH: Final = re.compile(
    r"tile/(?P<level>0|[1-9][0-9]?|entries)/(?P<index>(?:x[0-9]{3}/)*[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True, slots=True)
class TileId:
    """Names a tile: its level (0 to 7), its index within the level, and how many hashes it holds (1 to 256)."""

    level: int
    index: int
    width: int = TILE_WIDTH


@dataclass(frozen=True)
class Tile:
    """The hashes of one tile.

    Attributes:
        hashes: 1 to 256 hashes of 32 bytes.
    """

    hashes: tuple[bytes, ...]

    @classmethod
    def from_bytes(cls, data: bytes, width: int) -> Tile:
        """Read a tile of `width` hashes.

        Raises:
            Refused: TILE_WIDTH, TILE_MALFORMED.
        """
        require(1 <= width <= TILE_WIDTH, Reason.TILE_WIDTH, "width", f"expected 1 to {TILE_WIDTH}, found {width}")
        expected, found = width * HASH_BYTES, len(data)
        require(found == expected, Reason.TILE_MALFORMED, "hashes", f"expected {expected} bytes, found {found}")
        return cls(tuple(split_hashes(data)))

    def to_bytes(self) -> bytes:
        """The tile as served."""
        return b"".join(self.hashes)

    @cached_property
    def rows(self) -> tuple[list[bytes], ...]:
        """The perfect subtrees within the tile: row h holds those over 2^h of its hashes."""
        rows = [list(self.hashes)]
        while len(rows[-1]) > 1:
            rows.append(parents(rows[-1]))
        return tuple(rows)

    def root(self) -> bytes:
        """The root (32 bytes) over the tile's hashes; for a full tile this is its hash in the level above."""
        return fold(self.edge())

    def edge(self) -> list[bytes]:
        """The perfect subtrees that cover the tile, the largest first; one if it is full."""
        width = len(self.hashes)
        bits = [height for height in reversed(range(TILE_HEIGHT + 1)) if width >> height & 1]
        return [self.rows[height][(width >> height) - 1] for height in bits]


ReadTile = Callable[[TileId], Tile]
"""Answers a stored tile of the width asked for, or raises in the store's own way."""


def tile_path(tile: TileId) -> str:
    """Where a tile is served, below the log's prefix."""
    return f"tile/{tile.level}/{_index_path(tile.index, tile.width)}"


def entries_path(index: int, width: int = TILE_WIDTH) -> str:
    """Where an entry bundle is served, below the log's prefix."""
    return f"tile/entries/{_index_path(index, width)}"


def parse_path(path: str) -> tuple[bool, TileId]:
    """Read a path: whether it names an entry bundle, and which tile (level 0 for a bundle).

    Raises:
        Refused: TILE_PATH.
    """
    match = _PATH.fullmatch(path)
    if match is None:
        raise Refused(Reason.TILE_PATH, "path", "expected tile/<level>/<index>[.p/<width>]")
    entries = match["level"] == "entries"
    level = 0 if entries else int(match["level"])
    tile = TileId(level, int(re.sub("[x/]", "", match["index"])), int(match["width"] or TILE_WIDTH))
    # One path per tile: no zero group in front, no partial tile of full width, nothing above the largest tree.
    canonical = entries_path(tile.index, tile.width) if entries else tile_path(tile)
    fits = level <= MAX_LEVEL and tile.index <= MAX_TREE_SIZE >> TILE_HEIGHT * (level + 1)
    require(path == canonical and fits, Reason.TILE_PATH, "path", f"expected {canonical}")
    return entries, tile


def tile_width(level: int, index: int, size: int) -> int:
    """How many hashes tile `index` at `level` holds in a tree of `size`: 0 to 256."""
    return max(0, min((size >> TILE_HEIGHT * level) - index * TILE_WIDTH, TILE_WIDTH))


def edge_tiles(size: int) -> tuple[TileId, ...]:
    """The partial tiles of a tree of `size`, lowest level first: what an append reads, and what the root is made of."""
    tiles = []
    level = 0
    while size >> TILE_HEIGHT * level:
        count = size >> TILE_HEIGHT * level
        if count % TILE_WIDTH:
            tiles.append(TileId(level, count // TILE_WIDTH, count % TILE_WIDTH))
        level += 1
    return tuple(tiles)


def new_tiles(old_size: int, completed: Sequence[Sequence[bytes]], read_tile: ReadTile) -> list[tuple[TileId, Tile]]:
    """The tiles to write when a tree of `old_size` has grown, lowest level first.

    Every tile that gains a hash is there once, at its new width; of the old tree only its partial tiles are read.

    Args:
        old_size: before it grew.
        completed: as of :class:`protocol.merkle.Growth`; what a tile holds is there already.
        read_tile: reads a tile of the old tree.
    """
    written: list[tuple[TileId, Tile]] = []
    for level, row in enumerate(completed[::TILE_HEIGHT]):
        index, width = divmod(old_size >> TILE_HEIGHT * level, TILE_WIDTH)
        if width:
            row = (*read_tile(TileId(level, index, width)).hashes, *row)  # noqa: PLW2901 - the row that tiles are cut of
        for start in range(0, len(row), TILE_WIDTH):
            tile = Tile(tuple(row[start : start + TILE_WIDTH]))
            written.append((TileId(level, index + start // TILE_WIDTH, len(tile.hashes)), tile))
    return written


def inclusion_path(index: int, size: int, read_tile: ReadTile) -> tuple[bytes, ...]:
    """The inclusion path of leaf `index` in the tree of `size`, from tiles.

    Raises:
        Refused: INDEX_OUT_OF_RANGE.
    """
    return prove_inclusion(index, size, _subtree_reader(size, read_tile))


def consistency_path(old_size: int, new_size: int, read_tile: ReadTile) -> tuple[bytes, ...]:
    """The consistency path between two sizes, from the tiles of the newer tree.

    Raises:
        Refused: SIZE_ORDER.
    """
    return prove_consistency(old_size, new_size, _subtree_reader(new_size, read_tile))


def tree_root(size: int, read_tile: ReadTile) -> bytes:
    """The root (32 bytes) of the tree of `size`, from its partial tiles alone."""
    subtrees = [subtree for tile in reversed(edge_tiles(size)) for subtree in read_tile(tile).edge()]
    return fold(subtrees) if subtrees else EMPTY_ROOT


def authenticate_tile(tile: TileId, size: int, root: bytes, read_tile: ReadTile) -> Tile:
    """Return a tile of the tree with this signed `size` and `root`, chained hash by hash up to that root.

    A proof covers one leaf; a tile from a proxy or a cache may hold 255 other hashes that nobody checked. Whoever keeps
    a tile checks it here first: a full tile is hashed into its parent, and so on to the partial tiles under the root.

    Raises:
        Refused: TILE_WIDTH for a tile that this tree does not have; ROOT_MISMATCH.
    """
    width = tile_width(tile.level, tile.index, size)
    asked = tile.width
    require(asked == width > 0, Reason.TILE_WIDTH, "width", f"expected {width} in a tree of {size}, found {asked}")
    found = read_tile(tile)
    require(len(found.hashes) == width, Reason.TILE_WIDTH, "hashes", f"expected {width}, found {len(found.hashes)}")
    if width < TILE_WIDTH:
        computed = tree_root(size, lambda edge: found if edge == tile else read_tile(edge))
        require(computed == root, Reason.ROOT_MISMATCH, "root", "expected the root over the partial tiles")
        return found
    level, (index, position) = tile.level + 1, divmod(tile.index, TILE_WIDTH)
    parent = authenticate_tile(TileId(level, index, tile_width(level, index, size)), size, root, read_tile)
    chained = parent.hashes[position] == found.root()
    require(chained, Reason.ROOT_MISMATCH, tile_path(tile), "expected the tile that its parent holds the hash of")
    return found


def require_extends(old: Tile, new: Tile) -> None:
    """Refuse a tile that does not begin with all hashes of an earlier, narrower version of itself.

    Raises:
        Refused: TILE_CONFLICT.
    """
    prefix = new.hashes[: len(old.hashes)]
    require(prefix == old.hashes, Reason.TILE_CONFLICT, "hashes", "expected the hashes served before, then more")


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """Join entries into a bundle: for each a u16be length, then its bytes.

    Raises:
        Refused: ENTRY_TOO_LARGE.
    """
    return b"".join(_encode_entries(entries))


def decode_bundle(data: bytes, width: int = TILE_WIDTH) -> list[bytes]:
    """Split a bundle into its `width` entries.

    Raises:
        Refused: BUNDLE_MALFORMED.
    """
    entries = []
    position = 0
    while position < len(data):
        start = position + 2
        position = start + int.from_bytes(data[position:start], "big")
        entries.append(data[start:position])
    exact = position == len(data) and len(entries) == width
    require(exact, Reason.BUNDLE_MALFORMED, "", f"expected {width} whole entries, found {len(entries)}")
    return entries


def _encode_entries(entries: Iterable[bytes]) -> Iterator[bytes]:
    for entry in entries:
        size = len(entry)
        fits = size <= MAX_ENTRY_BYTES
        require(fits, Reason.ENTRY_TOO_LARGE, "", f"expected at most {MAX_ENTRY_BYTES} bytes, found {size}")
        yield size.to_bytes(2, "big")
        yield entry


def _subtree_reader(size: int, read_tile: ReadTile) -> Callable[[int, int], bytes]:
    """Answer perfect subtrees of a tree of `size` from its tiles, reading each of them once."""
    tiles: dict[tuple[int, int], Tile] = {}

    def subtree_hash(level: int, index: int) -> bytes:
        tile_level, height = divmod(level, TILE_HEIGHT)
        tile_index, position = divmod(index << height, TILE_WIDTH)
        tile = tiles.get((tile_level, tile_index))
        if tile is None:
            tile = read_tile(TileId(tile_level, tile_index, tile_width(tile_level, tile_index, size)))
            tiles[tile_level, tile_index] = tile
        return tile.rows[height][position >> height]

    return subtree_hash


def _index_path(index: int, width: int) -> str:
    """Three digits per path element, all but the last after an `x`; the width of a partial tile behind."""
    digits = str(index)
    digits = digits.zfill(len(digits) + -len(digits) % 3)
    groups = [digits[start : start + 3] for start in range(0, len(digits), 3)]
    path = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    return path if width == TILE_WIDTH else f"{path}.p/{width}"
