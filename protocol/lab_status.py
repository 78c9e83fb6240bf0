"""What the record says of a lab, as conditions ask for it (annex 2 and 4.4; design section 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol.conduct import BREACHED, DISCREPANT, HONORED, INCONCLUSIVE, Freshness, freshness
from protocol.state import Membership, Standing, key
from protocol.truth import Explained, Ref, Truth, of
from standstill.v1 import condition_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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


def verdicts_on(agreement: Agreement, state: State, lab: str, verdict: str, periods: int = 1) -> tuple[Ref, ...]:
    """Statements of a verdict on a lab's newest settled periods, newest first, as far as the state still holds them.

    Args:
        agreement: the terms in force.
        state: what is known.
        lab: name of the lab.
        verdict: in the words of :mod:`protocol.conduct`.
        periods: how many of the newest settled periods.
    """
    if state.period is None:
        return ()
    settled = state.period - agreement.terms.standing.settle_periods
    held = min(periods, max(len(state.conduct[lab].settled), 1))
    return _said(agreement, state, lab, verdict, range(settled, settled - held, -1))


def accused_by(agreement: Agreement, state: State, lab: str) -> tuple[Ref, ...]:
    """Statements of the breaches that accused a lab last, as far as the state still holds them; none after silence."""
    return _said(agreement, state, lab, BREACHED, state.conduct[lab].cause)


def pledges_of(agreement: Agreement, state: State, lab: str) -> tuple[Ref, ...]:
    """A lab's pledge in force, and the older one while it runs beside it."""
    found, origin = state.pledges[lab], agreement.parties[lab].origin
    current = (Ref(origin, found.index, found.identity),) if found.current else ()
    older = (Ref(origin, found.older_index, found.older_identity),) if found.older else ()
    return current + older


def _said(agreement: Agreement, state: State, lab: str, verdict: str, periods: Iterable[int]) -> tuple[Ref, ...]:
    """Statements of a verdict on some periods of a lab."""
    said = (
        (name, state.verdicts.get(key(lab, period, name)))
        for period in periods
        for name in agreement.verifiers
        # What counts for a verdict (annex 2, 2): nothing of the lab's own group, nor of who contradicted itself.
        if agreement.owner(name) != agreement.owner(lab) and not state.parties[name].convicted
    )
    return tuple(
        Ref(agreement.parties[name].origin, found.index, found.identity)
        for name, found in said
        if found is not None and found.verdict == verdict
    )


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
        newest = conduct.newest or (conduct.settled[-1] if conduct.settled else "")
        found = _settled(lab, _VERDICT[status], newest)
        return found._replace(evidence=verdicts_on(agreement, state, lab, newest))
    if status in _FRESHNESS:
        heard = freshness(conduct.silent, agreement.terms.freshness)
        return Explained(of(heard in _FRESHNESS[status]), f"{lab}: {heard}")
    if status in _STANDING:
        holds = of(conduct.standing in _STANDING[status])
        return Explained(holds, f"{lab}: {conduct.standing}", evidence=accused_by(agreement, state, lab))
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
