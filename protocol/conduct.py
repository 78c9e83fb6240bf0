"""Verdicts counted, and what they do to a lab's standing (annex 2 and 4.4)."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from protocol.state import Conduct, Standing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from standstill.v1 import agreement_pb2

HONORED: Final = "honored"
INCONCLUSIVE: Final = "inconclusive"
DISCREPANT: Final = "discrepant"
BREACHED: Final = "breached"
VERDICTS: Final = (HONORED, INCONCLUSIVE, DISCREPANT, BREACHED)
"""From best to worst; a verdict's number in the protobuf enumeration is its place here plus one."""


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
    return replace(conduct, settled=settled, honored=conduct.honored + 1 if verdict == HONORED else 0)


def move(conduct: Conduct, terms: agreement_pb2.Standing) -> Conduct:
    """Standing after one more closed period: the table of annex 4.4, without the votes that hold a lab."""
    back_after = terms.back_after_periods * 2 ** max(conduct.losses - 1, 0)
    timer = conduct.timer + 1
    moves: Mapping[Standing, tuple[bool, Standing]] = {
        Standing.RELIED: (conduct.settled.count(BREACHED) >= terms.breached, Standing.ACCUSED),
        Standing.ACCUSED: (timer >= terms.release_notice_periods, Standing.OUT),
        # What was honored before standing was lost does not win it back.
        Standing.OUT: (min(conduct.honored, timer) >= back_after, Standing.RELIED),
    }
    due, target = moves[conduct.standing]
    if not due:
        return replace(conduct, timer=timer)
    losses = conduct.losses + (target is Standing.OUT)
    settled = () if target is Standing.RELIED else conduct.settled
    return replace(conduct, standing=target, timer=0, losses=losses, settled=settled)


def freshness(silent_for: int, terms: agreement_pb2.Freshness) -> Freshness:
    """What it means that an attestation is not recorded by the closing this many periods after the one spoken of."""
    if silent_for >= terms.presumed_non_compliant_periods:
        return Freshness.PRESUMED
    if silent_for >= terms.stale_periods:
        return Freshness.STALE
    return Freshness.LATE if silent_for >= terms.late_periods else Freshness.FRESH
