"""Ballot: a vote on what is asked of a level and episode (annex 5.3, 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.errors import Reason, require
from standstill.v1 import decision_pb2 as pb

if TYPE_CHECKING:
    from protocol.agreement import Agreement
    from standstill.v1.header_pb2 import Header


def ballot(body: pb.Ballot, header: Header, agreement: Agreement) -> None:
    """A known motion on a known level, by a voter of the rule that decides it."""
    motions = {pb.MOTION_CALL, pb.MOTION_LIFT, pb.MOTION_RENEW}
    require(body.motion in motions, Reason.VALUE_OUT_OF_RANGE, "ballot.motion", str(body.motion))
    require(body.level in agreement.levels, Reason.NAME_UNKNOWN, "ballot.level", str(body.level))
    require(body.episode >= 1, Reason.EPISODE_MISMATCH, "ballot.episode", "from 1")
    level = agreement.levels[body.level]
    rule = level.lifted_by if body.motion == pb.MOTION_LIFT else level.called_by
    voters = agreement.rules[rule].voters if rule else ()
    require(header.author in voters, Reason.NO_AUTHORITY, "header.author", f"{header.author} has no vote in {rule!r}")
