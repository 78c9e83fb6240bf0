"""Closings: what counts as said by a period, as data (annex 1.1, 5 to 8, and 1.2)."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from protocol.agreement_limits import quorum
from protocol.errors import Reason, require
from standstill.v1 import agreement_pb2, record_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from protocol.checkpoint import Checkpoint
    from protocol.leaf import ReadLeaf
    from protocol.state import State


@dataclass(frozen=True, slots=True)
class Record:
    """The record of a period: a closing and the statements that it covers first (annex 1.1, 7).

    Attributes:
        data: exact bytes of the closing's body.
        closing: the same, parsed.
        leaves: for each log that grew, the leaves between its sizes in the previous closing and in this one, in order.
    """

    data: bytes
    closing: record_pb2.Closing
    leaves: Mapping[str, Iterable[ReadLeaf]]

    @property
    def digest(self) -> bytes:
        """SHA-256 of the closing's body, 32 bytes."""
        return sha256(self.data).digest()


class Quorum(NamedTuple):
    """How many of which verifier operators, by control group, make a closing final (annex 1.1, 2)."""

    operators: frozenset[str]
    needed: int

    def met(self, cosigned: Iterable[str]) -> bool:
        """Whether these control groups are enough."""
        return len(self.operators & set(cosigned)) >= self.needed


def next_closing(state: State, period: int, heads: Iterable[Checkpoint], term: int = 0) -> record_pb2.Closing:
    """The closing of a period that follows a state.

    Args:
        state: after the previous closing.
        period: to be closed.
        heads: of the logs that grew since.
        term: of the registrar.
    """
    return record_pb2.Closing(
        agreement=state.agreement,
        terms=state.terms,
        term=term,
        period=period,
        previous=state.closing,
        state=state.digest(),
        heads=[
            record_pb2.Head(origin=head.origin, size=head.size, root=head.root)
            for head in sorted(heads, key=lambda head: head.origin)
        ],
    )


def require_next(state: State, closing: record_pb2.Closing, sizes: Mapping[str, int]) -> None:
    """Refuse a closing that does not follow a state (annex 1.2, conditions 2 to 4).

    Args:
        state: after the previous closing.
        closing: in good form.
        sizes: recorded size of every log, by origin.

    Raises:
        Refused: WRONG_AGREEMENT, CLOSING_NOT_NEXT, STATE_DIFFERS, UNKNOWN_ORIGIN.
    """
    same = closing.agreement == state.agreement
    require(same, Reason.WRONG_AGREEMENT, "closing.agreement", closing.agreement.hex())
    rises = state.period is None or closing.period > state.period
    require(rises, Reason.CLOSING_NOT_NEXT, "closing.period", f"{closing.period} after {state.period}")
    chained = closing.previous == state.closing
    require(chained, Reason.CLOSING_NOT_NEXT, "closing.previous", closing.previous.hex())
    require(closing.terms == state.terms, Reason.CLOSING_NOT_NEXT, "closing.terms", closing.terms.hex())
    require(closing.state == state.digest(), Reason.STATE_DIFFERS, "closing.state", closing.state.hex())
    for head in closing.heads:
        require(head.origin in sizes, Reason.UNKNOWN_ORIGIN, "closing.heads.origin", repr(head.origin))
        grows = head.size > sizes[head.origin]
        require(grows, Reason.CLOSING_NOT_NEXT, f"closing.heads.{head.origin}", f"size {head.size} does not rise")


def quorums_needed(old: agreement_pb2.Agreement, new: agreement_pb2.Agreement) -> tuple[Quorum, ...]:
    """What makes a closing final at which terms take over from others (annex 3.3).

    Returns:
        One quorum where both terms name the same verifiers; else that of the old set and that of the new one, of which
        each is needed.
    """
    found = (_quorum(old), _quorum(new))
    return found[:1] if found[0] == found[1] else found


def _quorum(terms: agreement_pb2.Agreement) -> Quorum:
    operators = frozenset(party.owner for party in terms.parties if agreement_pb2.ROLE_VERIFIER in party.roles)
    return Quorum(operators, quorum(terms))
