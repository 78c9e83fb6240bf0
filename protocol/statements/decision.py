"""Ballot, Brake, ExemptionRequest: what decides, stops, and asks to be let through (annex 5.1 and 5.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol import decisions
from protocol.errors import Reason, require
from protocol.seats import signature_holds
from protocol.wire import MAX_UINT
from standstill.v1 import decision_pb2 as pb

if TYPE_CHECKING:
    from protocol.agreement import Agreement
    from standstill.v1.header_pb2 import Header


MAX_REASON: Final = 1_000
"""Longest reason or purpose, characters: it is for people."""

MAX_GRANT: Final = 1_000_000
"""Longest grant that can be asked for, periods."""

_OF_EPISODE: Final = frozenset(
    {
        pb.MOTION_CALL,
        pb.MOTION_LIFT,
        pb.MOTION_RENEW,
        pb.MOTION_RATIFY,
        pb.MOTION_ARM,
        pb.MOTION_HOLD,
        pb.MOTION_RELEASE,
    }
)
"""Motions of one episode or accusation, counted from 1; a finding may also be asked for before the first episode."""


def ballot(body: pb.Ballot, header: Header, agreement: Agreement) -> None:
    """A known motion that says what it asks and no more, by a voter of the rule that decides it."""
    known = body.motion in pb.Motion.values() and body.motion != pb.MOTION_UNSPECIFIED
    require(known, Reason.VALUE_OUT_OF_RANGE, "ballot.motion", str(body.motion))
    _subject(body, agreement)
    asked = decisions.asked_by(body)
    rule = decisions.rule_of(agreement, asked)
    ratifies = body.motion == pb.MOTION_RATIFY
    braked = not ratifies or agreement.levels[body.level].HasField("brake")
    require(braked, Reason.BRAKE_NOT_AGREED, "ballot.level", f"level {body.level} has no brake")
    voter = _voter(body, header, agreement)
    entitled = {one.ballots for one in decisions.voters(agreement, asked).values()}
    found = f"{voter} has no vote in {rule.name!r}" if rule else f"no rule decides whether to {asked.name}"
    require(voter in entitled, Reason.NO_AUTHORITY, "header.author", found)


def _subject(body: pb.Ballot, agreement: Agreement) -> None:
    """What the motion is about: level, episode, lab, content, rule; each stated exactly where it has one."""
    of_level = body.motion in decisions.OF_LEVEL
    level_fits = body.level in agreement.levels if of_level else not body.level
    require(level_fits, Reason.NAME_UNKNOWN, "ballot.level", str(body.level))
    episode_fits = bool(body.episode) == (body.motion in _OF_EPISODE) or body.motion == pb.MOTION_RESOLVE
    wanted = "from 1" if body.motion in _OF_EPISODE else "must be 0 in this motion"
    require(episode_fits, Reason.EPISODE_MISMATCH, "ballot.episode", f"{body.episode}, {wanted}")
    length = 32 if body.motion in decisions.OF_CONTENT else 0
    complete = len(body.asked) == length
    require(complete, Reason.DIGEST_LENGTH, "ballot.asked", f"expected {length} bytes, found {len(body.asked)}")
    lab_fits = body.about in agreement.labs if body.motion in decisions.OF_LAB else not body.about
    require(lab_fits, Reason.NAME_UNKNOWN, "ballot.about", repr(body.about))
    rule_fits = body.rule in agreement.rules if body.motion == pb.MOTION_RESOLVE else not body.rule
    require(rule_fits, Reason.NAME_UNKNOWN, "ballot.rule", repr(body.rule))


def _voter(body: pb.Ballot, header: Header, agreement: Agreement) -> str:
    """Who casts a ballot: its author, or a seat of its author that signs for itself."""
    if not body.seat:
        alone = not body.serial and not body.seat_signature
        require(alone, Reason.SEAT_UNKNOWN, "ballot.seat", "absent, but there is a serial or a signature of one")
        return header.author
    name = f"{header.author}/{body.seat}"
    seat = agreement.electorate.voters.get(name)
    require(seat is not None, Reason.SEAT_UNKNOWN, "ballot.seat", f"{name} is no seat")
    assert seat is not None  # noqa: S101 - the line above refuses
    require(bool(seat.key), Reason.SEAT_UNKNOWN, "ballot.seat", f"{seat.party} holds it and votes in its own log")
    require(body.serial >= 1, Reason.VALUE_OUT_OF_RANGE, "ballot.serial", "from 1")
    signed = signature_holds(agreement.digest, body, seat.key)
    require(signed, Reason.SEAT_SIGNATURE, "ballot.seat_signature", f"not by {name} for this agreement and vote")
    return name


def brake(body: pb.Brake, header: Header, agreement: Agreement) -> None:
    """A brake that the level has, used by a party that may, with a reason for people."""
    require(body.level in agreement.levels, Reason.NAME_UNKNOWN, "brake.level", str(body.level))
    level = agreement.levels[body.level]
    require(level.HasField("brake"), Reason.BRAKE_NOT_AGREED, "brake.level", f"level {body.level} has no brake")
    by_role = any(agreement.has_role(header.author, role) for role in level.brake.roles)
    entitled = by_role or header.author in level.brake.parties
    require(entitled, Reason.NO_AUTHORITY, "header.author", f"{header.author} may not use the brake of {level.name}")
    found = len(body.reason)
    require(found <= MAX_REASON, Reason.VALUE_OUT_OF_RANGE, "brake.reason", f"{found} characters")


def exemption_request(body: pb.ExemptionRequest, header: Header, agreement: Agreement) -> None:
    """An exemption that a known level grants on request, for a time, within its cap and what can be counted."""
    del header
    require(body.level in agreement.levels, Reason.NAME_UNKNOWN, "exemption_request.level", str(body.level))
    known = {exemption.name: exemption for exemption in agreement.levels[body.level].exemptions}
    require(body.exemption in known, Reason.NAME_UNKNOWN, "exemption_request.exemption", repr(body.exemption))
    exemption = known[body.exemption]
    of_need = f"{exemption.name} needs no grant"
    require(exemption.on_request, Reason.NO_AUTHORITY, "exemption_request.exemption", of_need)
    for field in ("teraflop", "chip_seconds"):
        where = f"exemption_request.{field}"
        asked: int = getattr(body, field)
        require(asked <= MAX_UINT, Reason.QUANTITY_OUT_OF_RANGE, where, str(asked))
        # What is granted is never larger than the exemption itself.
        fits = not exemption.cap.HasField(field) or asked <= getattr(exemption.cap, field)
        require(fits, Reason.VALUE_OUT_OF_RANGE, where, f"{asked}, above the cap of {exemption.name}")
    in_range = 1 <= body.periods <= MAX_GRANT
    require(in_range, Reason.VALUE_OUT_OF_RANGE, "exemption_request.periods", str(body.periods))
    found = len(body.purpose)
    require(found <= MAX_REASON, Reason.VALUE_OUT_OF_RANGE, "exemption_request.purpose", f"{found} characters")
