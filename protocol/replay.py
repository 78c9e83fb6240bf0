"""The record once more, from its beginning: as it was, or as it would have been under other terms.

What labs and verifiers would have said under other terms nobody knows. A replay answers only what the same words would
have led to.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from protocol.agreement import Agreement, read_agreement
from protocol.closing import Record
from protocol.fold import initial, step
from protocol.fold.work import Outcome
from protocol.in_force import in_force
from protocol.wire import encode
from standstill.v1 import record_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from protocol.leaf import ReadLeaf
    from protocol.state import State


class Replayed(NamedTuple):
    """A record, as far as the terms list its logs, and what it leads to."""

    record: Record
    outcome: Outcome


def replay(agreement: Agreement, records: Iterable[Record], text: bytes | None = None) -> Iterator[Replayed]:
    """Fold records from the first one on.

    Args:
        agreement: whose records these are.
        records: every record from the first closing on, in order.
        text: terms to suppose from the first closing on; absent: those of the agreement.

    Yields:
        What each record leads to. Under other terms closings are chained anew, so their digests are no one's, and what
        stands in logs that they do not list waits until they do.

    Raises:
        Refused: if the text is no agreement, or as :func:`protocol.fold.step`.
    """
    state = initial(agreement) if text is None else _supposed(agreement, text)
    waiting: dict[str, tuple[record_pb2.Head, list[Iterable[ReadLeaf]]]] = {}
    for record in records:
        listed = _listed(in_force(agreement, state), record, waiting)
        chained = _chained(state, listed)
        outcome = step(agreement, state, chained)
        yield Replayed(chained, outcome)
        state = outcome.state


def _listed(
    terms: Agreement, record: Record, waiting: dict[str, tuple[record_pb2.Head, list[Iterable[ReadLeaf]]]]
) -> Record:
    """The part of a record that stands in logs of these terms, with what has waited there; the rest goes on waiting."""
    for head in record.closing.heads:
        _, before = waiting.get(head.origin, (head, []))
        waiting[head.origin] = (head, [*before, record.leaves[head.origin]])
    now = {origin: waiting.pop(origin) for origin in sorted(waiting) if origin in terms.logs}
    closing = record_pb2.Closing()
    closing.CopyFrom(record.closing)
    del closing.heads[:]
    closing.heads.extend(head for head, _ in now.values())
    leaves = {
        origin: parts[0] if len(parts) == 1 else list(chain.from_iterable(parts)) for origin, (_, parts) in now.items()
    }
    return Record(encode(closing), closing, leaves)


def _supposed(agreement: Agreement, text: bytes) -> State:
    """The state before the first closing, as if these terms had been in force from then on."""
    terms = read_agreement(text).terms
    digest = sha256(text).digest()
    state = replace(initial(Agreement(agreement.data, terms)), terms=digest)
    return state if digest == agreement.digest else replace(state, texts={digest.hex(): text})


def _chained(state: State, record: Record) -> Record:
    """A record whose closing follows a state: the same one where it does already."""
    closing = record_pb2.Closing()
    closing.CopyFrom(record.closing)
    closing.terms, closing.previous, closing.state = state.terms, state.closing, state.digest()
    return Record(encode(closing), closing, record.leaves)
