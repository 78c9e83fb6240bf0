"""The Merkle tree as RFC 6962 section 2.1 defines it: recursive, slow, sharing nothing with the code under test."""

from __future__ import annotations

from hashlib import sha256


def leaf(entry: bytes) -> bytes:
    """The hash of an entry."""
    return sha256(b"\x00" + entry).digest()


def root(leaves: list[bytes]) -> bytes:
    """MTH over leaf hashes."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return sha256(b"\x01" + root(leaves[:k]) + root(leaves[k:])).digest()


def inclusion(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH(index, D[n])."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if index < k:
        return [*inclusion(index, leaves[:k]), root(leaves[k:])]
    return [*inclusion(index - k, leaves[k:]), root(leaves[:k])]


def consistency(size: int, leaves: list[bytes]) -> list[bytes]:
    """PROOF(size, D[n])."""
    return subtree_consistency(0, size, leaves)


def subtree_consistency(start: int, end: int, leaves: list[bytes], *, known: bool = True) -> list[bytes]:
    """SUBTREE_SUBPROOF of draft-ietf-plants-merkle-tree-certs, which for start 0 is SUBPROOF of RFC 6962."""
    if start == 0 and end == len(leaves):
        return [] if known else [root(leaves)]
    k = split(len(leaves))
    if end <= k:
        return [*subtree_consistency(start, end, leaves[:k], known=known), root(leaves[k:])]
    if k <= start:
        return [*subtree_consistency(start - k, end - k, leaves[k:], known=known), root(leaves[:k])]
    return [*subtree_consistency(0, end - k, leaves[k:], known=False), root(leaves[:k])]


def split(size: int) -> int:
    """The largest power of two strictly below `size`."""
    k = 1
    while k * 2 < size:
        k *= 2
    return k
