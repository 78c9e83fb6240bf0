"""Tiles and entry bundles."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import merkle, tiles
from protocol.errors import Reason, Refused
from protocol.tiles import Tile, TileId
from tests.protocol import tree_model as model
from tests.protocol.refusals import refuses

SIZE = 70_000
LEAVES = merkle.leaf_hashes([number.to_bytes(4, "big") for number in range(SIZE)])
ROOT = merkle.root(LEAVES)
FROM = merkle.subtree_hashes(LEAVES)


class Store:
    """Tiles in memory, by their full name."""

    def __init__(self) -> None:
        self.kept: dict[TileId, Tile] = {}
        self.size = 0
        self.frontier = merkle.Frontier()

    def append(self, hashes: list[bytes]) -> list[TileId]:
        """Write what an append adds; return what was written."""
        self.frontier, completed = self.frontier.grow(hashes)
        written = tiles.new_tiles(self.size, completed, self.read)
        self.kept.update(written)
        self.size += len(hashes)
        return [tile for tile, _ in written]

    def read(self, tile: TileId) -> Tile:
        """The tile of this width; a wider one holds it too."""
        if tile in self.kept:
            return self.kept[tile]
        wider = next(found for name, found in self.kept.items() if (name.level, name.index) == (tile.level, tile.index))
        return Tile(wider.hashes[: tile.width])


def grown(*sizes: int) -> Store:
    """A store that has grown in these steps."""
    store = Store()
    for old, new in zip((0, *sizes), sizes, strict=False):
        store.append(LEAVES[old:new])
    return store


FULL = grown(SIZE)


def test_has_the_tiles_of_the_example_in_the_specification() -> None:
    names = [(tile.level, tile.width) for tile in FULL.kept]
    assert names.count((0, 256)) == 273
    assert names.count((1, 256)) == 1
    assert [name for name in names if name[1] < 256] == [(0, 112), (1, 17), (2, 1)]
    assert tiles.edge_tiles(SIZE) == (TileId(0, 273, 112), TileId(1, 1, 17), TileId(2, 0, 1))


def test_a_tree_of_256_has_a_full_tile_and_one_hash_above() -> None:
    assert list(grown(256).kept) == [TileId(0, 0), TileId(1, 0, 1)]
    assert tiles.edge_tiles(256) == (TileId(1, 0, 1),)
    assert tiles.edge_tiles(0) == ()


@given(st.lists(st.integers(1, 700), min_size=1, max_size=4))
def test_tiles_do_not_depend_on_the_steps_of_growth(steps: list[int]) -> None:
    store = Store()
    for step in steps:
        store.append(LEAVES[store.size : store.size + step])
    at_once = grown(store.size)
    assert {tile: store.kept[tile] for tile in at_once.kept} == at_once.kept
    assert tiles.tree_root(store.size, store.read) == merkle.root(LEAVES[: store.size])


def test_an_append_reads_and_writes_only_the_right_edge() -> None:
    store = grown(65_535)
    assert store.append(LEAVES[65_535:65_536]) == [TileId(0, 255), TileId(1, 0), TileId(2, 0, 1)]
    assert store.append([]) == []
    assert tiles.new_tiles(0, [], FULL.read) == []


@given(st.integers(1, SIZE), st.data())
def test_proves_from_tiles_what_the_tree_in_memory_proves(size: int, data: st.DataObject) -> None:
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    store = grown(size)
    path = tiles.inclusion_path(index, size, store.read)
    assert path == merkle.prove_inclusion(index, size, FROM)
    merkle.verify_inclusion(index, size, LEAVES[index], path, merkle.root(LEAVES[:size]))
    assert tiles.consistency_path(old, size, store.read) == merkle.prove_consistency(old, size, FROM)


def test_a_proof_reads_a_tile_per_level_and_the_edge_and_none_twice() -> None:
    asked: list[TileId] = []

    def read(tile: TileId) -> Tile:
        asked.append(tile)
        return FULL.read(tile)

    assert tiles.inclusion_path(12_345, SIZE, read)
    assert sorted(asked, key=lambda tile: (tile.level, tile.index)) == [
        TileId(0, 48),
        TileId(0, 273, 112),
        TileId(1, 0),
        TileId(1, 1, 17),
    ]


def test_rows_of_a_tile_are_its_subtrees() -> None:
    tile = FULL.kept[TileId(0, 3)]
    assert [len(row) for row in tile.rows] == [256, 128, 64, 32, 16, 8, 4, 2, 1]
    assert tile.root() == model.root(LEAVES[768:1024]) == FULL.kept[TileId(1, 0)].hashes[3]


@given(st.integers(1, 256))
def test_the_root_of_a_partial_tile_is_that_of_its_hashes(width: int) -> None:
    assert Tile(tuple(LEAVES[:width])).root() == model.root(LEAVES[:width])


@pytest.mark.parametrize("tile", [TileId(0, 5), TileId(0, 273, 112), TileId(1, 0), TileId(1, 1, 17), TileId(2, 0, 1)])
def test_authenticates_every_kind_of_tile_up_to_the_signed_root(tile: TileId) -> None:
    assert tiles.authenticate_tile(tile, SIZE, ROOT, FULL.read) == FULL.kept[tile]


@pytest.mark.parametrize("wrong", [TileId(0, 5), TileId(0, 273, 112), TileId(1, 0), TileId(1, 1, 17), TileId(2, 0, 1)])
@pytest.mark.parametrize("at", [0, -1])
def test_refuses_a_tile_with_one_wrong_hash_at_any_level(wrong: TileId, at: int) -> None:
    hashes = list(FULL.kept[wrong].hashes)
    hashes[at] = bytes(32)
    forged = Tile(tuple(hashes))

    def read(tile: TileId) -> Tile:
        return forged if tile == wrong else FULL.read(tile)

    with refuses(Reason.ROOT_MISMATCH):
        tiles.authenticate_tile(wrong, SIZE, ROOT, read)


def test_refuses_a_tile_whose_leaf_proves_well_but_whose_other_hashes_are_forged() -> None:
    """CVE-2026-56865: the path of one leaf does not vouch for the tile that it came from."""
    honest = FULL.kept[TileId(0, 5)]
    forged = Tile((*honest.hashes[:200], bytes(32), *honest.hashes[201:]))
    index = 5 * 256
    path = tiles.inclusion_path(index, SIZE, FULL.read)
    merkle.verify_inclusion(index, SIZE, forged.hashes[0], path, ROOT)

    def read(tile: TileId) -> Tile:
        return forged if tile == TileId(0, 5) else FULL.read(tile)

    with refuses(Reason.ROOT_MISMATCH, "tile/0/005"):
        tiles.authenticate_tile(TileId(0, 5), SIZE, ROOT, read)


def test_refuses_a_tile_of_another_log_and_a_consistent_lie_about_its_parent() -> None:
    other = Tile(tuple(merkle.leaf_hashes([b"%d" % number for number in range(256)])))
    parent = FULL.kept[TileId(1, 0)]
    lie = Tile((*parent.hashes[:5], other.root(), *parent.hashes[6:]))
    with refuses(Reason.ROOT_MISMATCH, "tile/0/005"):
        tiles.authenticate_tile(TileId(0, 5), SIZE, ROOT, lambda t: other if t == TileId(0, 5) else FULL.read(t))
    known = {TileId(0, 5): other, TileId(1, 0): lie}
    with refuses(Reason.ROOT_MISMATCH, "tile/1/000"):
        tiles.authenticate_tile(TileId(0, 5), SIZE, ROOT, lambda t: known.get(t) or FULL.read(t))


@pytest.mark.parametrize(
    "tile", [TileId(0, 5, 255), TileId(0, 273, 111), TileId(0, 274, 0), TileId(3, 0, 1), TileId(0, 274)]
)
def test_refuses_a_tile_that_the_tree_does_not_have(tile: TileId) -> None:
    with refuses(Reason.TILE_WIDTH):
        tiles.authenticate_tile(tile, SIZE, ROOT, FULL.read)


def test_refuses_a_store_that_answers_another_width() -> None:
    with refuses(Reason.TILE_WIDTH, "hashes"):
        tiles.authenticate_tile(TileId(0, 5), SIZE, ROOT, lambda _: Tile(tuple(LEAVES[:255])))


def test_refuses_a_full_tile_that_contradicts_an_earlier_partial_one() -> None:
    partial, full = Tile(tuple(LEAVES[:9])), Tile(tuple(LEAVES[:256]))
    tiles.require_extends(partial, full)
    tiles.require_extends(partial, partial)
    with refuses(Reason.TILE_CONFLICT):
        tiles.require_extends(partial, Tile((*LEAVES[:8], bytes(32), *LEAVES[9:256])))
    with refuses(Reason.TILE_CONFLICT):
        tiles.require_extends(partial, Tile(tuple(LEAVES[:8])))


@pytest.mark.parametrize("width", [1, 17, 256])
def test_a_tile_is_read_as_it_was_written(width: int) -> None:
    tile = Tile(tuple(LEAVES[:width]))
    assert Tile.from_bytes(tile.to_bytes(), width) == tile
    for data in (tile.to_bytes()[:-1], tile.to_bytes() + b"\0", b""):
        with refuses(Reason.TILE_MALFORMED):
            Tile.from_bytes(data, width)


@pytest.mark.parametrize("width", [-1, 0, 257])
def test_refuses_a_width_that_no_tile_has(width: int) -> None:
    with refuses(Reason.TILE_WIDTH):
        Tile.from_bytes(b"", width)


@pytest.mark.parametrize(
    ("path", "tile"),
    [
        ("tile/0/000", TileId(0, 0)),
        ("tile/0/x001/x234/067", TileId(0, 1_234_067)),
        ("tile/1/004.p/210", TileId(1, 4, 210)),
        ("tile/7/000.p/1", TileId(7, 0, 1)),
        ("tile/0/x001/000", TileId(0, 1000)),
    ],
)
def test_names_tiles_as_in_the_specification(path: str, tile: TileId) -> None:
    assert tiles.tile_path(tile) == path
    assert tiles.parse_path(path) == (False, tile)
    if tile.level == 0:
        entries = path.replace("/0/", "/entries/", 1)
        assert tiles.entries_path(tile.index, tile.width) == entries
        assert tiles.parse_path(entries) == (True, tile)


@given(st.integers(0, 2**55 - 1), st.integers(1, 256))
def test_every_name_is_read_back(index: int, width: int) -> None:
    tile = TileId(0, index, width)
    assert tiles.parse_path(tiles.tile_path(tile)) == (False, tile)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0",
        "/tile/0/000",
        "tile/00/000",
        "tile/8/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000\n",
        "tile/0/٠٠٠",
        "tile/0/../000",
        "tile/entries/000.p/256",
        "tile/7/x001/000",
    ],
)
def test_refuses_every_other_spelling_of_a_path(path: str) -> None:
    with refuses(Reason.TILE_PATH, "path"):
        tiles.parse_path(path)


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=9))
def test_a_bundle_holds_its_entries(entries: list[bytes]) -> None:
    assert tiles.decode_bundle(tiles.encode_bundle(entries), len(entries)) == entries


def test_writes_lengths_big_endian() -> None:
    assert tiles.encode_bundle([b"a", b"", b"b" * 258]) == b"\0\x01a\0\0\x01\x02" + b"b" * 258


@pytest.mark.parametrize("size", [tiles.MAX_ENTRY_BYTES + 1])
def test_refuses_an_entry_longer_than_its_length_can_say(size: int) -> None:
    assert tiles.decode_bundle(tiles.encode_bundle([bytes(size - 1)]), 1) == [bytes(size - 1)]
    with refuses(Reason.ENTRY_TOO_LARGE):
        tiles.encode_bundle([bytes(size)])


@pytest.mark.parametrize(
    ("data", "width"),
    [
        (b"\0\x01a", 2),
        (b"\0\x01a\0\x01b", 1),
        (b"\0\x01a\0", 2),
        (b"\0\x02a", 1),
        (b"\0", 1),
        (b"", 1),
    ],
)
def test_refuses_a_bundle_with_more_or_less_than_its_entries(data: bytes, width: int) -> None:
    with refuses(Reason.BUNDLE_MALFORMED):
        tiles.decode_bundle(data, width)


@given(st.binary(max_size=60), st.integers(1, 4))
def test_a_bundle_is_read_in_one_way_or_refused(data: bytes, width: int) -> None:
    entries: list[bytes] | None = None
    with suppress(Refused):
        entries = tiles.decode_bundle(data, width)
    assert entries is None or tiles.encode_bundle(entries) == data
