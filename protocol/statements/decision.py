"""Ballot, Brake, ExemptionRequest: what decides, stops, and asks to be let through (annex 5.1 and 5.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol.errors import Reason, require
from protocol.wire import MAX_UINT
from standstill.v1 import decision_pb2 as pb

if TYPE_CHECKING:
    from protocol.agreement import Agreement
    from standstill.v1.header_pb2 import Header


MAX_REASON: Final = 1_000
"""Longest reason or purpose, characters: it is for people."""

MAX_GRANT: Final = 1_000_000
"""Longest grant that can be asked for, periods."""

_LATER_FIELDS: Final = ("asked", "about", "rule", "seat", "serial", "seat_signature")


def ballot(body: pb.Ballot, header: Header, agreement: Agreement) -> None:
    """A known motion on a known level, by a voter of the rule that decides it."""
    motions = {pb.MOTION_CALL, pb.MOTION_LIFT, pb.MOTION_RENEW}
    require(body.motion in motions, Reason.VALUE_OUT_OF_RANGE, "ballot.motion", str(body.motion))
    for field in _LATER_FIELDS:
        require(not getattr(body, field), Reason.VALUE_OUT_OF_RANGE, f"ballot.{field}", "must be absent in this motion")
    require(body.level in agreement.levels, Reason.NAME_UNKNOWN, "ballot.level", str(body.level))
    require(body.episode >= 1, Reason.EPISODE_MISMATCH, "ballot.episode", "from 1")
    level = agreement.levels[body.level]
    rule = level.lifted_by if body.motion == pb.MOTION_LIFT else level.called_by
    voters = agreement.rules[rule].voters if rule else ()
    require(header.author in voters, Reason.NO_AUTHORITY, "header.author", f"{header.author} has no vote in {rule!r}")


def brake(body: pb.Brake, header: Header, agreement: Agreement) -> None:
    """A known level, and a reason for people. Who may use it and when is the fold's to say."""
    del header
    require(body.level in agreement.levels, Reason.NAME_UNKNOWN, "brake.level", str(body.level))
    found = len(body.reason)
    require(found <= MAX_REASON, Reason.VALUE_OUT_OF_RANGE, "brake.reason", f"{found} characters")


def exemption_request(body: pb.ExemptionRequest, header: Header, agreement: Agreement) -> None:
    """An exemption of a known level, for a time, within limits that can be counted."""
    del header
    require(body.level in agreement.levels, Reason.NAME_UNKNOWN, "exemption_request.level", str(body.level))
    known = {exemption.name for exemption in agreement.levels[body.level].exemptions}
    require(body.exemption in known, Reason.NAME_UNKNOWN, "exemption_request.exemption", repr(body.exemption))
    for field in ("teraflop", "chip_seconds"):
        asked = getattr(body, field)
        require(asked <= MAX_UINT, Reason.QUANTITY_OUT_OF_RANGE, f"exemption_request.{field}", str(asked))
    in_range = 1 <= body.periods <= MAX_GRANT
    require(in_range, Reason.VALUE_OUT_OF_RANGE, "exemption_request.periods", str(body.periods))
    found = len(body.purpose)
    require(found <= MAX_REASON, Reason.VALUE_OUT_OF_RANGE, "exemption_request.purpose", f"{found} characters")
