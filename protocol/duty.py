"""What a lab must keep in a period (annex 1.7): read from a state that was final two periods before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from protocol.conduct import Freshness, freshness
from protocol.in_force import first_terms, in_force
from protocol.levels import LIFTABLE
from protocol.pledges import solve
from protocol.state import GOVERNS_AFTER, Membership, Stage, Status

if TYPE_CHECKING:
    from protocol.agreement import Agreement
    from protocol.state import Binding, LevelState, State
    from protocol.state_entries import GrantState
    from standstill.v1 import agreement_pb2

__all__ = ["GOVERNS_AFTER", "Duty", "Overdue", "duty", "last_attested", "overdue", "silence"]

NO_PERIODS: Final = range(0)
WHOLE: Final = 1_000_000
"""Parts per million."""


class Overdue(NamedTuple):
    """A question that a lab has not answered within the agreement's time for it.

    Attributes:
        question: its identity, 32 bytes.
        asker: name of the party that asks.
        leaf: of the question in the asker's log.
        period: of the closing that recorded it.
        waited: closed periods since.
    """

    question: bytes
    asker: str
    leaf: int
    period: int
    waited: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """A lab's duty in one period.

    Attributes:
        level: highest rank whose restriction applies; 0 is report only.
        episode: of that level; 0 for level 0.
        since: first period in which the restriction applies in full, after the wind-down; 0 for level 0.
        winding: rank of a higher level that is being wound down to; 0 if there is none.
        reports: whether the lab must attest at all.
        owed_since: first period for which it must, if it must.
        grants: of exemptions of that level to the lab that run in the period, by name.
        ramp_ppm: on the way back from that level, the share of its baseline rate at which the lab may do what the level
            forbids, parts per million; 0 while the level holds in full.
        beneath: while such a share is open, the duty of the levels below, which that level no longer implies.
        baseline: periods over which the baseline rate for that level is taken; empty where there is none.
        overdue: answers that the lab owes for too long.
    """

    level: int = 0
    episode: int = 0
    since: int = 0
    winding: int = 0
    reports: bool = False
    owed_since: int = 0
    grants: tuple[tuple[str, GrantState], ...] = ()
    ramp_ppm: int = 0
    beneath: Duty | None = None
    baseline: range = NO_PERIODS
    overdue: tuple[Overdue, ...] = ()


def duty(agreement: Agreement, state: State, lab: str, period: int) -> Duty:
    """The duty of a lab in a period, under the newest state that governs it."""
    agreement = in_force(agreement, state)
    # Before it joined, a lab that was admitted later owes nothing.
    party = state.parties.get(lab)
    late = lab not in first_terms(agreement).parties
    if party is None or (late and party.membership is Membership.FORMING):
        return Duty()
    governed = state.status is Status.IN_FORCE and state.since is not None and period >= state.since
    reports = governed and party.membership is not Membership.OUT
    over = _over(agreement, state, lab, period)
    # Who came in by a later closing owes from where that closing governs; its number is at most its period.
    since = max(state.since or 0, party.joined + GOVERNS_AFTER if party.joined else 0)
    found, winding, owed = Duty(reports=reports, owed_since=since), 0, overdue(agreement, state, lab)
    for rank in sorted(state.levels.keys() - over):
        binding = state.levels[rank].binds.get(lab)
        if binding is None or period < binding.since:
            continue
        if period < binding.since + agreement.levels[rank].wind_down_periods:
            winding = rank
        elif (share := _share(agreement.levels[rank], state, binding, period)) < WHOLE:
            found = _kept(agreement, state, rank, binding, share, found)
    winding = winding if winding > found.level else 0
    return _granted(replace(found, winding=winding, overdue=owed), state, lab, period)


def _kept(agreement: Agreement, state: State, rank: int, binding: Binding, share: int, below: Duty) -> Duty:
    """The duty that a level asks in full, or but for the share of a returning lab."""
    memory = agreement.terms.baseline_periods
    # Before the agreement was in force nobody had to say what it did.
    first = max(binding.since - memory, state.since or 0)
    return Duty(
        level=rank,
        episode=state.levels[rank].episode,
        since=binding.since + agreement.levels[rank].wind_down_periods,
        reports=below.reports,
        owed_since=below.owed_since,
        ramp_ppm=share,
        beneath=below if share else None,
        baseline=range(first, binding.since) if memory and first < binding.since else NO_PERIODS,
    )


def _share(level: agreement_pb2.Level, state: State, binding: Binding, period: int) -> int:
    """Share of the baseline that a lab may do again, parts per million; 0 while the level binds it (annex 1.7, 4.3)."""
    if binding.until is None or not level.ramp:
        return 0
    # A ramp counts closed periods: in the dark it stands where the newest state leaves it.
    reached = period if state.period is None else min(period, state.period + GOVERNS_AFTER)
    after = reached - (binding.until - level.ramp_periods)
    return max((step.share_ppm for step in level.ramp if step.after_periods <= after), default=0)


def _granted(kept: Duty, state: State, lab: str, period: int) -> Duty:
    """A duty with what was granted, at each level of it."""
    beneath = None if kept.beneath is None else _granted(kept.beneath, state, lab, period)
    return replace(kept, grants=_grants(state, lab, kept.level, period), beneath=beneath)


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


def overdue(agreement: Agreement, state: State, lab: str) -> tuple[Overdue, ...]:
    """Questions that a lab leaves unanswered for longer than agreed, as of the last closing; the oldest first."""
    time = agreement.terms.verification.clarification_answer_periods
    waiting = [
        Overdue(bytes.fromhex(name), one.asker, one.index, one.period, state.closings - one.closing)
        for name, one in state.inquiries.items()
        if one.lab == lab and state.closings - one.closing >= time
    ]
    return tuple(sorted(waiting, key=lambda one: (one.period, one.asker, one.leaf)))


def silence(agreement: Agreement, state: State, lab: str) -> Freshness:
    """Freshness of a lab: that of its most silent site, as of the last closing (design section 3)."""
    return freshness(state.conduct[lab].silent, agreement.terms.freshness)


def last_attested(agreement: Agreement, state: State, lab: str) -> int:
    """Last period that is attested for the most silent site of a lab; the one before the first owed if there is none.

    Only while the agreement is in force.
    """
    attested, before = state.conduct[lab].attested, (state.since or 0) - 1
    return min(max(attested.get(site.handle.hex(), before), before) for site in agreement.parties[lab].sites)
