"""Verdicts counted, and what they do to a lab's standing (annex 2 and 4.4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from protocol.agreement_limits import MAX_PERIODS
from protocol.state import Conduct, Standing
from standstill.v1 import agreement_pb2

if TYPE_CHECKING:
    from collections.abc import Sequence

HONORED: Final = "honored"
INCONCLUSIVE: Final = "inconclusive"
DISCREPANT: Final = "discrepant"
BREACHED: Final = "breached"
VERDICTS: Final = (HONORED, INCONCLUSIVE, DISCREPANT, BREACHED)
"""From best to worst; a verdict's number in the protobuf enumeration is its place here plus one."""

MAX_DOUBLINGS: Final = 20
"""Losses after which the way back grows no longer: from one period it is then over a century of hours."""


class Freshness(StrEnum):
    """What a lab's silence means (design section 3)."""

    FRESH = "fresh"
    LATE = "late"
    STALE = "stale"
    PRESUMED = "presumed non-compliant"


def multilateral(verdicts: Sequence[str], quorum: int, liars: int) -> str:
    """M(i,a): what the verifiers say together (annex 2, 3). `verdicts` holds one per operator that reported.

    Honored lifts and breached releases: both relax, so both need the quorum; doubt between them moves nothing.
    """
    if verdicts.count(BREACHED) >= quorum:
        return BREACHED
    if verdicts.count(BREACHED) + verdicts.count(DISCREPANT) >= liars + 1:
        return DISCREPANT
    if verdicts.count(HONORED) >= quorum:
        return HONORED
    return INCONCLUSIVE


def settle(conduct: Conduct, verdict: str, of_last: int) -> Conduct:
    """A lab's conduct with one more settled verdict."""
    settled = (*conduct.settled, verdict)[-of_last:]
    honored = conduct.honored + 1 if verdict == HONORED else 0
    return replace(conduct, settled=settled, honored=honored, newest=verdict)


def revise(conduct: Conduct, ago: int, verdict: str) -> Conduct:
    """A lab's conduct when a settled verdict turns out to be another (annex 2, 4): it acts from now on.

    Args:
        conduct: of the lab.
        ago: periods from the one spoken of to the newest settled.
        verdict: of that period now. One that was found honored late lengthens no row.
    """
    place = len(conduct.settled) - 1 - ago
    if place < 0 or conduct.settled[place] == verdict:
        return conduct
    settled = (*conduct.settled[:place], verdict, *conduct.settled[place + 1 :])
    honored = conduct.honored if verdict == HONORED else min(conduct.honored, ago)
    return replace(conduct, settled=settled, honored=honored, newest=verdict if ago == 0 else conduct.newest)


class Grounds(NamedTuple):
    """What moves a lab's standing beside its own conduct.

    Attributes:
        last: newest settled period.
        closing: period of the closing.
        vacated: periods that are no longer breached, of those whose breaches accused it.
        held: whether a vote holds the lab.
        released: whether a vote releases those who rely on it.
    """

    last: int
    closing: int
    vacated: frozenset[int] = frozenset()
    held: bool = False
    released: bool = False


def move(conduct: Conduct, terms: agreement_pb2.Standing, grounds: Grounds) -> Conduct:
    """Standing after one more closed period: the table of annex 4.4."""
    heard = min(conduct.pardoned, conduct.silent)
    conduct = replace(conduct, timer=conduct.timer + 1, pardoned=heard)
    cause = tuple(period for period in conduct.cause if period not in grounds.vacated)
    vacated = bool(conduct.cause) and len(cause) < terms.breached
    return _MOVES[conduct.standing](replace(conduct, cause=cause), terms, grounds, vacated)


def _silent_too_long(conduct: Conduct, terms: agreement_pb2.Standing) -> bool:
    """Whether silence accuses a lab; what a vote to hold forgave does not count again."""
    return 0 < terms.silence_out_periods <= conduct.silent - conduct.pardoned


def _while_relied(conduct: Conduct, terms: agreement_pb2.Standing, grounds: Grounds, vacated: bool) -> Conduct:
    """Relied on: accused of enough breaches in the window, or of silence."""
    del vacated
    first = grounds.last - len(conduct.settled) + 1
    cause = tuple(first + place for place, verdict in enumerate(conduct.settled) if verdict == BREACHED)
    breached = len(cause) >= terms.breached
    if not breached and not _silent_too_long(conduct, terms):
        return conduct
    times = conduct.accusations + 1
    accused = replace(conduct, standing=Standing.ACCUSED, timer=0, accusations=times)
    return replace(accused, cause=cause if breached else (), by_silence=not breached)


def _while_accused(conduct: Conduct, terms: agreement_pb2.Standing, grounds: Grounds, vacated: bool) -> Conduct:
    """Accused and still relied on: cleared, held by a vote, or out when the notice is over."""
    heard = conduct.by_silence and not _silent_too_long(conduct, terms)
    if vacated or heard:
        return _relied(conduct)
    # A hold forgives what was settled and the silence until now; what comes after it accuses anew.
    if grounds.held:
        return replace(_relied(conduct), settled=(), pardoned=conduct.silent)
    by_vote = terms.release == agreement_pb2.RELEASE_ON_VOTE
    if conduct.timer < terms.release_notice_periods or (by_vote and not grounds.released):
        return conduct
    return replace(conduct, standing=Standing.OUT, timer=0, losses=conduct.losses + 1, out_since=grounds.closing)


def _while_out(conduct: Conduct, terms: agreement_pb2.Standing, grounds: Grounds, vacated: bool) -> Conduct:
    """Out of standing: back at once if the findings were vacated, else by honored periods, twice as many each time."""
    del grounds
    if vacated:
        return replace(_relied(conduct), losses=conduct.losses - 1)
    doublings = min(max(conduct.losses - 1, 0), MAX_DOUBLINGS)
    back_after = min(terms.back_after_periods * 2**doublings, MAX_PERIODS)
    # What was honored before standing was lost does not win it back.
    if min(conduct.honored, conduct.timer) < back_after:
        return conduct
    return replace(_relied(conduct), settled=())


def _relied(conduct: Conduct) -> Conduct:
    return replace(conduct, standing=Standing.RELIED, timer=0, cause=(), by_silence=False, out_since=None)


_Move = Callable[[Conduct, agreement_pb2.Standing, Grounds, bool], Conduct]
_MOVES: Final[Mapping[Standing, _Move]] = {
    Standing.RELIED: _while_relied,
    Standing.ACCUSED: _while_accused,
    Standing.OUT: _while_out,
}


def freshness(silent_for: int, terms: agreement_pb2.Freshness) -> Freshness:
    """What it means that an attestation is not recorded by the closing this many periods after the one spoken of."""
    if silent_for >= terms.presumed_non_compliant_periods:
        return Freshness.PRESUMED
    if silent_for >= terms.stale_periods:
        return Freshness.STALE
    return Freshness.LATE if silent_for >= terms.late_periods else Freshness.FRESH
