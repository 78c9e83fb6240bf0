"""Keys that were taken back: which statements a KeySet revokes, for the fold and for cases alike (annex 3.3).

What was recorded before the KeySet stands: others have acted on it. What is recorded with it counts for nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.errors import Reason, Refused
from protocol.statements import KINDS
from standstill.v1 import header_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterable

    from protocol.leaf import ReadLeaf


def is_key_set(leaf: ReadLeaf) -> bool:
    """Whether a statement is a KeySet, in good form or not."""
    return leaf.header is not None and leaf.header.kind == pb.KIND_KEY_SET


def revoked(leaves: Iterable[ReadLeaf]) -> list[range]:
    """Leaf indices of a log that its KeySets among these leaves take back."""
    sets = [leaf for leaf in leaves if leaf.refusal is None and is_key_set(leaf)]
    found = [(leaf.body.revoked_from, leaf.index) for leaf in sets]  # type: ignore[union-attr]
    return [range(first, index) for first, index in found if first]


def by_revoked_key(leaf: ReadLeaf, taken: Iterable[range]) -> Refused | None:
    """The refusal of a statement whose key was taken back: KEY_REVOKED, or None if it was not.

    Args:
        leaf: the statement.
        taken: indices that the KeySets of its log take back which the same closing records.
    """
    if leaf.header is None or KINDS[leaf.header.kind].by_root or not any(leaf.index in indices for indices in taken):
        return None
    return Refused(Reason.KEY_REVOKED, "signatures", "by a key that a later KeySet takes back from here on")
