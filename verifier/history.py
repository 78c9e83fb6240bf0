"""The record as this verifier holds it, from the first closing on, for those who fold it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.closing import Record
from standstill.v1 import record_pb2
from verifier.held import Held

if TYPE_CHECKING:
    from collections.abc import Iterator

    from protocol.agreement import Agreement
    from verifier.store import VerifierStore


def history(agreement: Agreement, store: VerifierStore) -> Iterator[Record]:
    """Every record in order, with what every party can read of it; the store may go on being written meanwhile."""
    held, sizes = Held(agreement, store.logs), dict[str, int]()
    for data in store.closings():
        closing = record_pb2.Closing.FromString(data)
        leaves = {head.origin: held.leaves(head.origin, sizes.get(head.origin, 0), head.size) for head in closing.heads}
        yield Record(data, closing, leaves)
        sizes |= {head.origin: head.size for head in closing.heads}
