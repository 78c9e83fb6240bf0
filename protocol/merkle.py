"""The Merkle tree of RFC 6962: roots, the frontier of a growing log, and proofs of inclusion and consistency.

    leaf = SHA-256(0x00 || entry)      node = SHA-256(0x01 || left || right)      empty tree = SHA-256("")

Above one leaf, the left part of a tree holds the largest power of two strictly below its size. A *subtree* here is a
perfect one: (level, index) spans the 2^level leaves from index * 2^level. Sizes come from signed heads, never from a
proof: a proof does not fix them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from protocol.errors import Reason, Refused, require

HASH_BYTES: Final = 32
MAX_TREE_SIZE: Final = 2**63 - 1
MAX_PROOF_HASHES: Final = 63
"""A tree of at most 2^63 - 1 leaves has no longer proof (C2SP tlog-witness)."""

EMPTY_ROOT: Final = sha256(b"").digest()

_LEAF: Final = b"\x00"
_NODE: Final = b"\x01"
_SIZE_BYTES: Final = 8


Subtree = tuple[int, int]
"""A perfect subtree (level, index): the 2^level leaves from index * 2^level."""

SubtreeHash = Callable[[int, int], bytes]
"""Answers the hash of the perfect subtree (level, index); level 0 are leaf hashes."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash (32 bytes) of one entry (RFC 6962 section 2.1)."""
    return sha256(_LEAF + entry).digest()


def leaf_hashes(entries: Iterable[bytes]) -> list[bytes]:
    """The hashes of many entries; the fast path of :func:`leaf_hash`."""
    return [sha256(_LEAF + entry).digest() for entry in entries]


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash (32 bytes) of an inner node (RFC 6962 section 2.1)."""
    return sha256(_NODE + left + right).digest()


def parents(row: Sequence[bytes]) -> list[bytes]:
    """The hashes one level above `row`, over its complete pairs."""
    return [sha256(_NODE + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=False)]


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over adjacent perfect subtrees, the largest first: how the right edge of a tree is joined."""
    above = hashes[-1]
    for left in reversed(hashes[:-1]):
        above = node_hash(left, above)
    return above


def root(hashes: Sequence[bytes]) -> bytes:
    """The root (32 bytes) of the tree over these leaf hashes; the empty tree has :data:`EMPTY_ROOT`."""
    return Frontier().append(hashes).root()


class Frontier(NamedTuple):
    """All that a growing tree must remember: the perfect subtrees of its left part, one per set bit of its size.

    Attributes:
        size: number of leaves.
        subtrees: their hashes (32 bytes each), the largest subtree first.
    """

    size: int = 0
    subtrees: tuple[bytes, ...] = ()

    def append(self, hashes: Sequence[bytes]) -> Frontier:
        """The frontier after these leaf hashes; this one is unchanged."""
        return self.grow(hashes).frontier

    def grow(self, hashes: Sequence[bytes]) -> Growth:
        """As :meth:`append`, with every perfect subtree that these leaf hashes complete."""
        old = list(self.subtrees)
        row: Sequence[bytes] = hashes
        kept: list[bytes] = []
        completed: list[Sequence[bytes]] = []
        size, level = self.size, 0
        # Row by row instead of leaf by leaf: a batch costs one hash per node and no branch per leaf.
        while row:
            completed.append(row)
            if size >> level & 1:
                row = [old.pop(), *row]
            if len(row) & 1:
                kept.append(row[-1])
            row = parents(row)
            level += 1
        return Growth(Frontier(size + len(hashes), (*old, *reversed(kept))), completed)

    def root(self) -> bytes:
        """The root (32 bytes) of the tree."""
        return fold(self.subtrees) if self.subtrees else EMPTY_ROOT

    def to_bytes(self) -> bytes:
        """The frontier for keeping: size as u64be, then the subtree hashes."""
        return self.size.to_bytes(_SIZE_BYTES, "big") + b"".join(self.subtrees)

    @classmethod
    def from_bytes(cls, data: bytes) -> Frontier:
        """Read what :meth:`to_bytes` wrote.

        Raises:
            Refused: FRONTIER_MALFORMED.
        """
        size = int.from_bytes(data[:_SIZE_BYTES], "big")
        expected = _SIZE_BYTES + HASH_BYTES * size.bit_count()
        exact = len(data) == expected and size <= MAX_TREE_SIZE
        require(exact, Reason.FRONTIER_MALFORMED, "", f"expected {expected} bytes, found {len(data)}")
        return cls(size, tuple(split_hashes(data[_SIZE_BYTES:])))


class Growth(NamedTuple):
    """What leaf hashes make of a tree.

    Attributes:
        frontier: after them.
        completed: the perfect subtrees that they complete, 32 bytes each, from left to right: at place k those over 2^k
            leaves, at place 0 the leaf hashes themselves. It ends where none is completed.
    """

    frontier: Frontier
    completed: Sequence[Sequence[bytes]]


def split_hashes(data: bytes) -> list[bytes]:
    """Cut joined hashes into 32-byte pieces."""
    return [data[start : start + HASH_BYTES] for start in range(0, len(data), HASH_BYTES)]


def subtrees_of(begin: int, end: int) -> tuple[Subtree, ...]:
    """The perfect subtrees over the leaves [begin, end), left to right.

    `begin` must be a multiple of the largest power of two within the range, as every range of a proof is.
    """
    cover = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        cover.append((level, begin >> level))
        begin += 1 << level
    return tuple(cover)


def inclusion_nodes(index: int, size: int) -> tuple[tuple[Subtree, ...], ...]:
    """What an inclusion proof of leaf `index` in a tree of `size` is made of (RFC 6962 section 2.1.1).

    One item per hash of the path, leaf to root: the subtrees to :func:`fold` into it.

    Raises:
        Refused: INDEX_OUT_OF_RANGE.
    """
    _require_index(index, size)
    ranges = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((begin, middle))
            begin = middle
    return tuple([subtrees_of(*span) for span in reversed(ranges)])


def consistency_nodes(old_size: int, new_size: int) -> tuple[tuple[Subtree, ...], ...]:
    """What a consistency proof between two sizes is made of (RFC 6962 section 2.1.2); shape as :func:`inclusion_nodes`.

    Empty for equal sizes and for the empty tree, with which every tree is consistent.

    Raises:
        Refused: SIZE_ORDER.
    """
    _require_sizes(old_size, new_size)
    if old_size in (0, new_size):
        return ()
    ranges = []
    begin, end = 0, new_size
    while old_size != end:
        middle = begin + _split(end - begin)
        if old_size <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((begin, middle))
            begin = middle
    if begin:
        ranges.append((begin, end))
    return tuple([subtrees_of(*span) for span in reversed(ranges)])


def prove_inclusion(index: int, size: int, subtree_hash: SubtreeHash) -> tuple[bytes, ...]:
    """The inclusion path of leaf `index` in the tree of `size`, leaf's sibling first.

    Raises:
        Refused: INDEX_OUT_OF_RANGE.
    """
    return _gather(inclusion_nodes(index, size), subtree_hash)


def prove_consistency(old_size: int, new_size: int, subtree_hash: SubtreeHash) -> tuple[bytes, ...]:
    """The consistency path from the tree of `old_size` to that of `new_size`.

    Raises:
        Refused: SIZE_ORDER.
    """
    return _gather(consistency_nodes(old_size, new_size), subtree_hash)


def subtree_hashes(hashes: Sequence[bytes]) -> SubtreeHash:
    """Hash a whole tree in memory, to prove from; for trees of which all leaf hashes are at hand."""
    rows = [list(hashes)]
    while len(rows[-1]) > 1:
        rows.append(parents(rows[-1]))
    return lambda level, index: rows[level][index]


def verify_inclusion(index: int, size: int, leaf: bytes, path: Sequence[bytes], expected_root: bytes) -> None:
    """Refuse a path that does not prove leaf hash `leaf` at `index` of the tree of `size` (RFC 9162 section 2.1.3.2).

    Raises:
        Refused: INDEX_OUT_OF_RANGE, PROOF_LENGTH, HASH_LENGTH, ROOT_MISMATCH.
    """
    _require_index(index, size)
    # Below `inner` the path leaves the right edge of the tree; above it every sibling is on the left.
    inner = (index ^ (size - 1)).bit_length()
    _require_path(path, inner + (index >> inner).bit_count())
    _require_hash(leaf, "leaf")
    computed = leaf
    for level, sibling in enumerate(path):
        left = level >= inner or index >> level & 1
        computed = sha256(_NODE + (sibling + computed if left else computed + sibling)).digest()
    require(computed == expected_root, Reason.ROOT_MISMATCH, "root", "expected the root that the path leads to")


def verify_consistency(old_size: int, new_size: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> None:
    """Refuse a path that does not prove the tree of `new_size` to extend that of `old_size` (RFC 9162 section 2.1.4.2).

    Equal sizes need equal roots and no path. An old size of 0 is refused: every tree extends the empty one, so a path
    would prove nothing.

    Raises:
        Refused: SIZE_ORDER, PROOF_LENGTH, HASH_LENGTH, ROOT_MISMATCH.
    """
    _require_sizes(old_size, new_size)
    require(old_size > 0, Reason.SIZE_ORDER, "size", "expected an old size above 0")
    if old_size == new_size:
        _require_path(path, 0)
        require(old_root == new_root, Reason.ROOT_MISMATCH, "old_root", "expected the root of the same tree")
        return
    # The last perfect subtree of the old tree is the first common node; a perfect old tree is that node itself.
    shift = (old_size & -old_size).bit_length() - 1
    node = (old_size - 1) >> shift
    inner = (node ^ ((new_size - 1) >> shift)).bit_length()
    seeded = int(old_size != 1 << shift)
    _require_path(path, seeded + inner + (node >> inner).bit_count())
    old = new = path[0] if seeded else old_root
    for level, sibling in enumerate(path[seeded:]):
        if level >= inner or node >> level & 1:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
        else:
            new = node_hash(new, sibling)
    require(old == old_root, Reason.ROOT_MISMATCH, "old_root", "expected the root that the path leads to")
    require(new == new_root, Reason.ROOT_MISMATCH, "new_root", "expected the root that the path leads to")


def _split(size: int) -> int:
    """The largest power of two strictly below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def _gather(nodes: tuple[tuple[Subtree, ...], ...], subtree_hash: SubtreeHash) -> tuple[bytes, ...]:
    return tuple([fold([subtree_hash(level, index) for level, index in group]) for group in nodes])


def _require_index(index: int, size: int) -> None:
    if not 0 <= index < size <= MAX_TREE_SIZE:
        raise Refused(Reason.INDEX_OUT_OF_RANGE, "index", f"expected an index below {size}, found {index}")


def _require_sizes(old_size: int, new_size: int) -> None:
    ordered = 0 <= old_size <= new_size <= MAX_TREE_SIZE
    require(ordered, Reason.SIZE_ORDER, "size", f"expected an old size up to {new_size}, found {old_size}")


def _require_path(path: Sequence[bytes], expected: int) -> None:
    if len(path) != expected:
        raise Refused(Reason.PROOF_LENGTH, "path", f"expected {expected} hashes, found {len(path)}")
    for sibling in path:
        _require_hash(sibling, "path")


def _require_hash(value: bytes, field: str) -> None:
    if len(value) != HASH_BYTES:
        raise Refused(Reason.HASH_LENGTH, field, f"expected {HASH_BYTES} bytes, found {len(value)}")
