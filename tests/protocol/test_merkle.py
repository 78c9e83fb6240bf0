"""The Merkle tree, against a recursive model and published figures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import merkle
from protocol.errors import Reason, Refused
from tests.protocol import tree_model as model
from tests.protocol.refusals import refuses

LEAVES = [model.leaf(bytes([number])) for number in range(130)]
ROOTS = [model.root(LEAVES[:size]) for size in range(131)]
FROM = merkle.subtree_hashes(LEAVES)

sizes = st.integers(1, 130)


@pytest.fixture(scope="module")
def figures(root: Path) -> Any:
    """Figures that others have published."""
    return json.loads((root / "tests/vectors/merkle/trees.json").read_text())


@st.composite
def inclusions(draw: st.DrawFn) -> tuple[int, int]:
    """An index and a size above it."""
    size = draw(sizes)
    return draw(st.integers(0, size - 1)), size


@st.composite
def growths(draw: st.DrawFn) -> tuple[int, int]:
    """A size and one that is not smaller."""
    new = draw(sizes)
    return draw(st.integers(1, new)), new


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert merkle.EMPTY_ROOT == merkle.root([]) == merkle.Frontier().root() == sha256(b"").digest()


def test_has_the_roots_of_the_reference_tree(figures: Any) -> None:
    hashes = merkle.leaf_hashes([bytes.fromhex(entry) for entry in figures["reference"]["entries"]])
    for size, expected in enumerate(figures["reference"]["roots"], 1):
        assert merkle.root(hashes[:size]).hex() == expected


def test_a_leaf_is_no_node() -> None:
    left, right = LEAVES[:2]
    assert merkle.leaf_hash(left + right) != merkle.node_hash(left, right)
    assert merkle.leaf_hash(b"\x01" + left + right) != merkle.node_hash(left, right)


@given(st.lists(st.binary(max_size=9), max_size=70))
def test_has_the_root_of_the_model(entries: list[bytes]) -> None:
    assert merkle.root(merkle.leaf_hashes(entries)) == model.root([model.leaf(entry) for entry in entries])


@given(st.lists(st.integers(0, 40), max_size=6))
def test_a_frontier_may_grow_in_any_steps(steps: list[int]) -> None:
    frontier, size = merkle.Frontier(), 0
    for step in steps:
        grown = [model.leaf(number.to_bytes(2, "big")) for number in range(size, size + step)]
        frontier, size = frontier.append(grown), size + step
        everything = [model.leaf(number.to_bytes(2, "big")) for number in range(size)]
        assert (frontier.size, frontier.root()) == (size, model.root(everything))
        assert merkle.Frontier.from_bytes(frontier.to_bytes()) == frontier


@given(sizes, sizes)
def test_growing_tells_every_perfect_subtree_that_it_completes(one: int, other: int) -> None:
    old, new = sorted((one, other))
    _, completed = merkle.Frontier().append(LEAVES[:old]).grow(LEAVES[old:new])
    for level in range(len(completed) + 1):
        expected = [FROM(level, index) for index in range(old >> level, new >> level)]
        assert list(completed[level] if level < len(completed) else ()) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(7),
        bytes(9),
        merkle.Frontier().append(LEAVES[:5]).to_bytes()[:-1],
        merkle.Frontier().append(LEAVES[:5]).to_bytes() + b"\0",
        (7).to_bytes(8, "big") + bytes(64),
        (2**63).to_bytes(8, "big") + bytes(32),
    ],
)
def test_refuses_a_frontier_with_more_or_less_than_its_size_needs(data: bytes) -> None:
    with refuses(Reason.FRONTIER_MALFORMED):
        merkle.Frontier.from_bytes(data)


def test_proves_inclusion_like_the_model_everywhere() -> None:
    for size in range(1, 131):
        for index in {0, 1, size // 2, size - 2, size - 1} & set(range(size)):
            path = merkle.prove_inclusion(index, size, FROM)
            assert list(path) == model.inclusion(index, LEAVES[:size])
            merkle.verify_inclusion(index, size, LEAVES[index], path, ROOTS[size])


def test_proves_consistency_like_the_model_everywhere() -> None:
    for new in range(1, 131):
        for old in {1, 2, new // 2, new - 1, new} & set(range(1, new + 1)):
            path = merkle.prove_consistency(old, new, FROM)
            assert list(path) == model.consistency(old, LEAVES[:new])
            merkle.verify_consistency(old, new, ROOTS[old], ROOTS[new], path)


def _aligned(size: int) -> Iterator[tuple[int, int]]:
    """The [start, end) of the draft's subtrees, end by end: start is a multiple of the width, rounded up to 2^k."""
    for end in range(1, size + 1):
        for start in range(end):
            if start % (1 << (end - start - 1).bit_length()) == 0:
                yield start, end


def test_matches_the_accumulated_digest_of_all_subtrees_up_to_130(figures: Any) -> None:
    digest = sha256()
    for start, end in _aligned(130):
        digest.update(f"[{start}, {end}) {merkle.root(LEAVES[start:end]).hex()}\n".encode())
    assert digest.hexdigest() == figures["accumulated"]["subtrees"]


def test_matches_the_accumulated_digest_of_all_inclusion_proofs_up_to_130(figures: Any) -> None:
    digest, proofs = sha256(), 0
    for start, end in _aligned(130):
        within = merkle.subtree_hashes(LEAVES[start:end])
        for index in range(start, end):
            path = merkle.prove_inclusion(index - start, end - start, within)
            digest.update(" ".join([f"{index} [{start}, {end})", *(item.hex() for item in path)]).encode() + b"\n")
            proofs += 1
    assert (proofs, digest.hexdigest()) == (12_807, figures["accumulated"]["inclusion"])


def test_matches_the_accumulated_digest_of_all_consistency_proofs_up_to_130(figures: Any) -> None:
    """Ours for every prefix of every tree, the model's for the subtrees in between: one digest proves both."""
    digest = sha256()
    subtrees = list(_aligned(130))
    for size in range(1, 131):
        for start, end in subtrees:
            if end > size:
                break
            path = (
                model.subtree_consistency(start, end, LEAVES[:size])
                if start
                else merkle.prove_consistency(end, size, FROM)
            )
            digest.update(" ".join([f"[{start}, {end}) {size}", *(item.hex() for item in path)]).encode() + b"\n")
    assert digest.hexdigest() == figures["accumulated"]["consistency"]


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (8, 8), (9, 8), (-1, 8), (2**63, 2**63), (0, 2**63)])
def test_refuses_an_index_outside_the_tree(index: int, size: int) -> None:
    with refuses(Reason.INDEX_OUT_OF_RANGE, "index"):
        merkle.verify_inclusion(index, size, LEAVES[0], [], LEAVES[0])
    with refuses(Reason.INDEX_OUT_OF_RANGE):
        merkle.inclusion_nodes(index, size)


def test_the_only_leaf_needs_no_path() -> None:
    merkle.verify_inclusion(0, 1, LEAVES[0], [], LEAVES[0])
    with refuses(Reason.PROOF_LENGTH):
        merkle.verify_inclusion(0, 1, LEAVES[0], [LEAVES[1]], LEAVES[0])


@given(inclusions(), st.data())
def test_refuses_a_path_of_another_length(position: tuple[int, int], data: st.DataObject) -> None:
    index, size = position
    path = list(merkle.prove_inclusion(index, size, FROM))
    at = data.draw(st.integers(0, len(path)))
    longer = [*path[:at], data.draw(st.sampled_from([*path, LEAVES[0], bytes(32)])), *path[at:]]
    for wrong in [longer, *([path[:-1], path[1:], []] if path else [])]:
        with refuses(Reason.PROOF_LENGTH, "path"):
            merkle.verify_inclusion(index, size, LEAVES[index], wrong, ROOTS[size])


@given(inclusions(), st.data())
def test_refuses_a_path_with_any_bit_flipped_or_two_hashes_swapped(
    position: tuple[int, int], data: st.DataObject
) -> None:
    index, size = position
    path = list(merkle.prove_inclusion(index, size, FROM))
    if not path:
        return
    at, bit = data.draw(st.integers(0, len(path) - 1)), data.draw(st.integers(0, 255))
    flipped = (int.from_bytes(path[at], "big") ^ 1 << bit).to_bytes(32, "big")
    with refuses(Reason.ROOT_MISMATCH, "root"):
        merkle.verify_inclusion(index, size, LEAVES[index], [*path[:at], flipped, *path[at + 1 :]], ROOTS[size])
    if len(path) > 1:
        with refuses(Reason.ROOT_MISMATCH):
            merkle.verify_inclusion(index, size, LEAVES[index], path[::-1], ROOTS[size])


@pytest.mark.parametrize("length", [0, 31, 33])
def test_refuses_a_hash_of_another_length(length: int) -> None:
    path = list(merkle.prove_inclusion(3, 7, FROM))
    with refuses(Reason.HASH_LENGTH, "path"):
        merkle.verify_inclusion(3, 7, LEAVES[3], [*path[:-1], (path[-1] * 2)[:length]], ROOTS[7])
    with refuses(Reason.HASH_LENGTH, "leaf"):
        merkle.verify_inclusion(3, 7, (LEAVES[3] * 2)[:length], path, ROOTS[7])
    grown = list(merkle.prove_consistency(3, 7, FROM))
    with refuses(Reason.HASH_LENGTH, "path"):
        merkle.verify_consistency(3, 7, ROOTS[3], ROOTS[7], [(grown[0] * 2)[:length], *grown[1:]])


@given(inclusions(), st.integers(0, 129))
def test_refuses_another_leaf_another_index_and_an_inner_node_as_a_leaf(position: tuple[int, int], other: int) -> None:
    index, size = position
    path = merkle.prove_inclusion(index, size, FROM)
    if other != index:
        with refuses(Reason.ROOT_MISMATCH):
            merkle.verify_inclusion(index, size, LEAVES[other], path, ROOTS[size])
        if other < size:
            with pytest.raises(Refused):
                merkle.verify_inclusion(other, size, LEAVES[index], path, ROOTS[size])
    if path:
        parent = FROM(1, index // 2) if index // 2 * 2 + 1 < size else path[0]
        with pytest.raises(Refused):
            merkle.verify_inclusion(index, size, parent, path[1:], ROOTS[size])


@pytest.mark.parametrize(("old", "new"), [(2, 1), (8, 7), (-1, 3), (0, 0), (0, 5), (1, 2**63)])
def test_refuses_sizes_between_which_nothing_can_be_proven(old: int, new: int) -> None:
    with refuses(Reason.SIZE_ORDER, "size"):
        merkle.verify_consistency(old, new, ROOTS[0], ROOTS[5], [])


def test_refuses_to_prove_backwards() -> None:
    with refuses(Reason.SIZE_ORDER):
        merkle.prove_consistency(5, 4, FROM)
    assert merkle.prove_consistency(0, 4, FROM) == merkle.prove_consistency(4, 4, FROM) == ()


def test_equal_sizes_need_equal_roots_and_no_path() -> None:
    merkle.verify_consistency(5, 5, ROOTS[5], ROOTS[5], [])
    with refuses(Reason.PROOF_LENGTH):
        merkle.verify_consistency(5, 5, ROOTS[5], ROOTS[5], [ROOTS[5]])
    with refuses(Reason.ROOT_MISMATCH, "old_root"):
        merkle.verify_consistency(5, 5, ROOTS[5], ROOTS[6], [])


@given(growths(), st.data())
def test_refuses_a_consistency_path_of_another_length(growth: tuple[int, int], data: st.DataObject) -> None:
    old, new = growth
    path = list(merkle.prove_consistency(old, new, FROM))
    at = data.draw(st.integers(0, len(path)))
    garbage = data.draw(st.sampled_from([ROOTS[old], ROOTS[new], bytes(32)]))
    for wrong in [[*path[:at], garbage, *path[at:]], *([path[:-1], path[1:], []] if path else []), path + path * 64]:
        if len(wrong) != len(path):
            with refuses(Reason.PROOF_LENGTH, "path"):
                merkle.verify_consistency(old, new, ROOTS[old], ROOTS[new], wrong)


@given(growths(), st.data())
def test_refuses_a_consistency_path_with_any_bit_flipped(growth: tuple[int, int], data: st.DataObject) -> None:
    old, new = growth
    path = list(merkle.prove_consistency(old, new, FROM))
    if not path:
        return
    at, bit = data.draw(st.integers(0, len(path) - 1)), data.draw(st.integers(0, 255))
    flipped = (int.from_bytes(path[at], "big") ^ 1 << bit).to_bytes(32, "big")
    with refuses(Reason.ROOT_MISMATCH):
        merkle.verify_consistency(old, new, ROOTS[old], ROOTS[new], [*path[:at], flipped, *path[at + 1 :]])


@given(growths())
def test_refuses_a_consistency_path_for_other_roots(growth: tuple[int, int]) -> None:
    old, new = growth
    path = merkle.prove_consistency(old, new, FROM)
    if old == new:
        return
    with refuses(Reason.ROOT_MISMATCH):
        merkle.verify_consistency(old, new, ROOTS[new], ROOTS[new], path)
    with refuses(Reason.ROOT_MISMATCH, "new_root"):
        merkle.verify_consistency(old, new, ROOTS[old], ROOTS[old], path)


def test_a_path_alone_does_not_fix_the_sizes() -> None:
    """Why sizes are read from signed heads only: the same three hashes hold for other sizes of the new tree."""
    path = merkle.prove_consistency(4, 7, FROM)
    merkle.verify_consistency(4, 7, ROOTS[4], ROOTS[7], path)
    others = []
    for size in range(5, 16):
        try:
            merkle.verify_consistency(4, size, ROOTS[4], ROOTS[7], path)
            others.append(size)
        except Refused:
            continue
    assert others == [5, 6, 7, 8]
