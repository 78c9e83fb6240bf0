"""What a lab must keep in a period (annex 1.7): read from a state that was final two periods before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from protocol.conduct import Freshness, freshness
from protocol.in_force import first_terms, in_force
from protocol.levels import LIFTABLE
from protocol.pledges import solve
from protocol.state import GOVERNS_AFTER, Membership, Stage, Status

if TYPE_CHECKING:
    from protocol.agreement import Agreement
    from protocol.state import LevelState, State
    from protocol.state_entries import GrantState

__all__ = ["GOVERNS_AFTER", "Duty", "duty", "last_attested", "silence"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """A lab's duty in one period.

    Attributes:
        level: highest rank whose restriction applies; 0 is report only.
        episode: of that level; 0 for level 0.
        since: first period in which the restriction applies in full, after the wind-down; 0 for level 0.
        winding: rank of a higher level that is being wound down to; 0 if there is none.
        reports: whether the lab must attest at all.
        grants: of exemptions of that level to the lab that run in the period, by name.
    """

    level: int = 0
    episode: int = 0
    since: int = 0
    winding: int = 0
    reports: bool = False
    grants: tuple[tuple[str, GrantState], ...] = ()


def duty(agreement: Agreement, state: State, lab: str, period: int) -> Duty:
    """The duty of a lab in a period, under the newest state that governs it."""
    agreement = in_force(agreement, state)
    # Before it joined, a lab that was admitted later owes nothing.
    party = state.parties.get(lab)
    late = lab not in first_terms(agreement).parties
    if party is None or (late and party.membership is Membership.FORMING):
        return Duty()
    reports = state.status is Status.IN_FORCE and state.since is not None and period >= state.since
    over = _over(agreement, state, lab, period)
    found, winding = Duty(reports=reports), 0
    for rank in sorted(state.levels.keys() - over):
        level, binding = state.levels[rank], state.levels[rank].binds.get(lab)
        if binding is None or period < binding.since:
            continue
        since = binding.since + agreement.levels[rank].wind_down_periods
        if period >= since:
            found = Duty(level=rank, episode=level.episode, since=since, reports=reports)
        else:
            winding = rank
    above = winding if winding > found.level else 0
    grants = _grants(state, lab, found.level, period)
    return replace(found, winding=above, grants=grants)


def _grants(state: State, lab: str, rank: int, period: int) -> tuple[tuple[str, GrantState], ...]:
    """Exemptions of a level that a lab has been granted for a period."""
    held = ((place.split("|"), grant) for place, grant in state.grants.items())
    return tuple(
        (name, grant)
        for (of, level, name), grant in held
        if of == lab and int(level) == rank and grant.start <= period < grant.until
    )


def _over(agreement: Agreement, state: State, lab: str, period: int) -> set[int]:
    """Ranks that bind a lab no longer although no closing has said so.

    While the record is dark a lab keeps what it keeps, up to the calendar ends in the state: the end of a mandate, the
    cap of a brake, and the ramp after the later of them (annex 1.7). What a pledge then keeps besides, it keeps on.
    """
    running = {rank for rank, level in state.levels.items() if level.stage in LIFTABLE or level.brake_left}
    ended = {
        rank for rank in running if period >= _calendar_end(state.levels[rank]) + agreement.levels[rank].ramp_periods
    }
    if not ended:
        return ended
    kept = solve(agreement, state, dict.fromkeys(ended, Stage.OPEN)).kept[lab]
    bound = {rank for rank in state.levels.keys() - ended if rank in running or rank <= kept}
    return set(state.levels) - bound


def _calendar_end(level: LevelState) -> int:
    """The period from which a restriction or a brake that runs ends by the calendar, whichever is later."""
    mandate = level.end if level.stage in LIFTABLE else None
    return max(mandate or 0, level.brake_cap or 0)


def silence(agreement: Agreement, state: State, lab: str) -> Freshness:
    """Freshness of a lab: that of its most silent site, as of the last closing (design section 3)."""
    return freshness(state.conduct[lab].silent, agreement.terms.freshness)


def last_attested(agreement: Agreement, state: State, lab: str) -> int:
    """Last period that is attested for the most silent site of a lab; the one before the first owed if there is none.

    Only while the agreement is in force.
    """
    attested, before = state.conduct[lab].attested, (state.since or 0) - 1
    return min(max(attested.get(site.handle.hex(), before), before) for site in agreement.parties[lab].sites)
