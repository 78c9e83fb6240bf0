"""Which terms hold under a state (annex 3.5, 4): the one place that knows how terms change.

first        the terms that everybody founded, whose digest stays the agreement's identity
current      the newest terms that were adopted; the first ones until an amendment
in force     the current ones, with parties that were admitted or are leaving, and on every level that was not open
             when they took over also what the terms before them said of it (:mod:`protocol.overlap`)
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

from protocol.agreement import Agreement
from protocol.errors import Reason, require
from protocol.overlap import overlapped
from standstill.v1 import agreement_pb2 as pb

if TYPE_CHECKING:
    from protocol.state import State


def in_force(agreement: Agreement, state: State) -> Agreement:
    """The terms that hold under a state.

    Args:
        agreement: the agreement that everybody founded, under any terms that it has had: they share its first bytes,
            whose digest stays its identity.
        state: of that agreement.

    Returns:
        The same agreement under the terms of this state.

    Raises:
        Refused: STATE_MALFORMED if the state lacks terms that it names; never for a state that the fold has made.
    """
    older = tuple((rank, level.terms) for rank, level in sorted(state.levels.items()) if level.terms)
    admitted = tuple(data for _, data in sorted(state.admitted.items()))
    first = agreement.digest.hex()
    current = state.terms.hex()
    if not admitted and not older and current == first:
        return _first(agreement.data)
    digests = {current, *(digest for _, terms in older for digest in terms)} - {first}
    missing = digests - state.texts.keys()
    require(not missing, Reason.STATE_MALFORMED, "state.texts", f"lacks {', '.join(sorted(missing))}")
    texts = tuple((digest, state.texts[digest]) for digest in sorted(digests))
    return _composed(agreement.data, current, texts, admitted, older)


def first_terms(agreement: Agreement) -> Agreement:
    """The agreement under its first terms."""
    return _first(agreement.data)


def current_terms(agreement: Agreement, state: State) -> pb.Agreement:
    """The newest terms that were adopted, as their text says them."""
    data = state.texts.get(state.terms.hex(), agreement.data)
    return _parsed(data)


@lru_cache(maxsize=32)
def _first(data: bytes) -> Agreement:
    return Agreement(data, pb.Agreement.FromString(data))


@lru_cache(maxsize=32)
def _parsed(data: bytes) -> pb.Agreement:
    return pb.Agreement.FromString(data)


@lru_cache(maxsize=32)
def _composed(
    first: bytes,
    current: str,
    texts: tuple[tuple[str, bytes], ...],
    admitted: tuple[bytes, ...],
    older: tuple[tuple[int, tuple[str, ...]], ...],
) -> Agreement:
    read = {digest: _parsed(data) for digest, data in texts} | {sha256(first).hexdigest(): _parsed(first)}
    beside = {rank: [(digest, read[digest]) for digest in digests] for rank, digests in older}
    terms = overlapped(read[current], beside)
    terms.parties.extend(pb.Party.FromString(data) for data in admitted)
    return Agreement(first, terms)
