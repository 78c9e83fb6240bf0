"""What the record says of a lab, as conditions ask for it (annex 2 and 4.4; design section 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol.conduct import BREACHED, DISCREPANT, HONORED, INCONCLUSIVE, Freshness, freshness
from protocol.state import Membership, Standing
from protocol.truth import Explained, Truth, of
from standstill.v1 import condition_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from protocol.agreement import Agreement
    from protocol.state import State

TAKING_PART: Final = frozenset({Membership.IN, Membership.NOTICE})

_VERDICT: Final[Mapping[pb.PartyStatus.ValueType, str]] = {
    pb.PARTY_STATUS_CONFIRMED: HONORED,
    pb.PARTY_STATUS_INCONCLUSIVE: INCONCLUSIVE,
    pb.PARTY_STATUS_DISCREPANT: DISCREPANT,
    pb.PARTY_STATUS_BREACHED: BREACHED,
}
# Silence that is presumed non-compliance is stale as well.
_FRESHNESS: Final[Mapping[pb.PartyStatus.ValueType, frozenset[Freshness]]] = {
    pb.PARTY_STATUS_STALE: frozenset({Freshness.STALE, Freshness.PRESUMED}),
    pb.PARTY_STATUS_PRESUMED: frozenset({Freshness.PRESUMED}),
}
_STANDING: Final[Mapping[pb.PartyStatus.ValueType, frozenset[Standing]]] = {
    pb.PARTY_STATUS_RELIED: frozenset({Standing.RELIED, Standing.ACCUSED}),
    pb.PARTY_STATUS_ACCUSED: frozenset({Standing.ACCUSED}),
    pb.PARTY_STATUS_OUT: frozenset({Standing.OUT}),
}


def lab_status(agreement: Agreement, state: State, lab: str, status: pb.PartyStatus.ValueType, level: int) -> Explained:
    """Whether a lab has a status; UNKNOWN only where that needs a settled verdict and there is none that tells.

    Args:
        agreement: the terms in force.
        state: what is known.
        lab: name of the lab.
        status: what is asked for.
        level: rank for PARTY_STATUS_BOUND, else 0.
    """
    if lab not in state.conduct:
        return Explained(Truth.FALSE, f"{lab}: takes no part")
    conduct = state.conduct[lab]
    if status in _VERDICT:
        return _settled(lab, _VERDICT[status], conduct.newest or (conduct.settled[-1] if conduct.settled else ""))
    if status in _FRESHNESS:
        heard = freshness(conduct.silent, agreement.terms.freshness)
        return Explained(of(heard in _FRESHNESS[status]), f"{lab}: {heard}")
    if status in _STANDING:
        return Explained(of(conduct.standing in _STANDING[status]), f"{lab}: {conduct.standing}")
    if status == pb.PARTY_STATUS_BOUND:
        binding = state.levels[level].binds.get(lab)
        bound = binding is not None and binding.until is None
        return Explained(of(bound), f"{lab}: {'' if bound else 'not '}bound by level {level}")
    membership = state.parties[lab].membership
    return Explained(of(membership in TAKING_PART), f"{lab}: {membership}")


def _settled(lab: str, wanted: str, newest: str) -> Explained:
    """A test of the newest settled verdict.

    Whether a lab that verifiers could not appraise honored its duty is unknown, not false.
    """
    missing = f"a settled verdict on {lab}"
    if not newest:
        return Explained(Truth.UNKNOWN, f"{lab}: no verdict has settled", missing=missing)
    text = f"{lab}: newest settled verdict {newest}"
    if wanted == HONORED and newest == INCONCLUSIVE:
        return Explained(Truth.UNKNOWN, text, missing=f"{missing} that is not inconclusive")
    return Explained(of(newest == wanted), text)
