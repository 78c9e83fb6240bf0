"""Closing and Misbehavior: what counts as said, and what convicts (annex 1.1 and 3.2, transparency (c) 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.checkpoint import open_checkpoint
from protocol.errors import Reason, require
from protocol.note import verifier_key
from protocol.wire import MAX_UINT, require_digest

if TYPE_CHECKING:
    from protocol.agreement import Agreement
    from standstill.v1 import record_pb2
    from standstill.v1.header_pb2 import Header


def closing(body: record_pb2.Closing, header: Header, agreement: Agreement) -> None:
    """Heads sorted by origin, each once (annex 1.1, 5). Of which logs, and what they extend, is the fold's to say."""
    require(body.agreement == agreement.digest, Reason.WRONG_AGREEMENT, "closing.agreement", body.agreement.hex())
    for field in ("terms", "previous", "state"):
        require_digest(getattr(body, field), f"closing.{field}")
    require(body.period == header.period, Reason.PERIOD_MISMATCH, "closing.period", f"header says {header.period}")
    origins = [head.origin for head in body.heads]
    require(origins == sorted(set(origins)), Reason.ORDER_MISMATCH, "closing.heads", "sorted by origin, each once")
    for head in body.heads:
        require_digest(head.root, "closing.heads.root")
        in_range = 0 < head.size <= MAX_UINT
        require(in_range, Reason.VALUE_OUT_OF_RANGE, "closing.heads.size", str(head.size))


def misbehavior(body: record_pb2.Misbehavior, header: Header, agreement: Agreement) -> None:
    """The proof is checked from its bytes alone; a proof that does not hold is refused, so nobody is accused by it."""
    del header
    require(body.party in agreement.parties, Reason.NAME_UNKNOWN, "misbehavior.party", repr(body.party))
    party = agreement.parties[body.party]
    require(body.HasField("split_view"), Reason.MISBEHAVIOR_UNPROVEN, "misbehavior.proof", "absent")
    key = verifier_key(party.origin, party.log_key)
    first, second = (
        open_checkpoint(note, party.origin, key) for note in (body.split_view.first, body.split_view.second)
    )
    proven = first.size == second.size and first.root != second.root
    require(proven, Reason.MISBEHAVIOR_UNPROVEN, "misbehavior.split_view", "the two heads do not contradict each other")
