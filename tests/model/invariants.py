"""What must hold of every move (annex 5.4), each a sentence. A function returns None, or what was found instead.

They are judged by counting anew (:mod:`tests.model.move`), not by asking the code that decided. A new rule of the fold
is a new function here; `EVERYWHERE` holds for all lenses, `TWINS` compare with a second course of events and cost a
step each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from protocol import pledges
from protocol.state import RESTRICTIVE, Membership, Stage, Standing, group_key
from protocol.truth import Truth
from standstill.v1 import agreement_pb2, decision_pb2, header_pb2
from tests.model.changing import CHANGING, an_accession_changes_nothing_for_the_others
from tests.model.move import MEMBERS, Move
from tests.model.world import Act

CALL, LIFT, RENEW = decision_pb2.MOTION_CALL, decision_pb2.MOTION_LIFT, decision_pb2.MOTION_RENEW
RATIFY = decision_pb2.MOTION_RATIFY
Invariant = Callable[[Move], str | None]


# Restrictions


def a_restriction_is_never_lifted_on_unknown(move: Move) -> str | None:
    """A level that leaves its restriction before its end does so while its resume condition is true, not unknown."""
    for rank, _, before, after in move.levels():
        early = move.governed < (before.end or 0) and after.stage is not Stage.SUSPENDED
        if before.stage in RESTRICTIVE and after.stage not in RESTRICTIVE and early:
            found = move.may_resume(rank)
            if found is not Truth.TRUE:
                return f"level {rank} was lifted while its resume condition was {found.name.lower()}"
    return None


def readiness_is_a_row_of_true_and_voted_steps(move: Move) -> str | None:
    """Readiness rises by one where resume is true and the lift is carried in this episode; anything else resets it."""
    for rank, _, before, after in move.levels():
        if before.stage in RESTRICTIVE and after.stage in RESTRICTIVE and after.episode == before.episode:
            good = move.may_resume(rank) is Truth.TRUE and move.yes(LIFT, rank, before.episode)
            if after.ready > (before.ready + 1 if good else 0):
                return f"level {rank} counts {after.ready} steps of readiness after {before.ready}, good: {good}"
    return None


def a_restriction_ends_only_by_lift_or_sunset(move: Move) -> str | None:
    """A restriction ends at its end, or after `steady` steps in a row in which it could be lifted; by nothing else."""
    for rank, terms, before, after in move.levels():
        snapped = after.stage is Stage.SUSPENDED and terms.snap_back
        ends = before.stage in RESTRICTIVE and after.stage not in RESTRICTIVE and not snapped
        if ends and move.governed < (before.end or 0):
            voted = move.yes(LIFT, rank, before.episode)
            if before.ready + 1 < terms.steady_steps or not voted:
                return f"level {rank} was lifted after {before.ready + 1} steps, with votes: {voted}"
    return None


def every_restriction_has_an_end(move: Move) -> str | None:
    """A restriction that a closing leaves in place ends in a period to come."""
    for rank, _, _, after in move.levels():
        if after.stage in RESTRICTIVE and (after.end is None or after.end <= move.governed):
            return f"level {rank} restricts period {move.governed}, and its mandate ends with {after.end}"
    return None


def a_restriction_begins_with_its_whole_mandate(move: Move) -> str | None:
    """The mandate is counted from the restriction, not from a call that lay dormant; readiness begins anew."""
    for rank, terms, before, after in move.levels():
        begins = before.stage not in {*RESTRICTIVE, Stage.SUSPENDED} or after.episode != before.episode
        if after.stage in RESTRICTIVE and begins:
            whole = move.governed + terms.mandate_periods
            if (after.start, after.end, after.ready) != (move.governed, whole, 0):
                return f"level {rank} began {after.start} to {after.end}, ready {after.ready}, not until {whole}"
    return None


def a_renewal_recorded_in_time_is_never_lost(move: Move) -> str | None:
    """A mandate whose renewal is carried by the closing that would have ended it goes on."""
    for rank, terms, before, after in move.levels():
        renewed = (before.end or 0) + terms.mandate_periods
        in_time = before.stage in RESTRICTIVE and move.governed < renewed
        ready = before.ready + 1 >= terms.steady_steps and move.yes(LIFT, rank, before.episode)
        ended = in_time and not ready and after.stage not in RESTRICTIVE
        if ended and move.yes(RENEW, rank, before.episode, surely=True):
            return f"level {rank} ended although its renewal was carried"
    return None


def a_renewal_needs_fresh_votes(move: Move) -> str | None:
    """A mandate grows by one mandate at most, when votes for it are carried of which one is new."""
    for rank, terms, before, after in move.levels():
        if before.stage in RESTRICTIVE and after.stage in RESTRICTIVE and after.episode == before.episode:
            grown = (after.end or 0) - (before.end or 0)
            new = any(said.body.motion == RENEW for said in move.accepted(header_pb2.KIND_BALLOT))  # type: ignore[attr-defined]
            allowed = terms.mandate_periods if new and move.yes(RENEW, rank, before.episode) else 0
            if grown not in {0, allowed}:
                return f"the mandate of level {rank} grew by {grown}"
    return None


# Calls


def a_call_needs_its_trigger_and_its_votes(move: Move) -> str | None:
    """A level is called only while its trigger is true, by votes for the episode to come, or armed where none vote."""
    for rank, terms, before, after in move.levels():
        begins = before.stage in {Stage.OPEN, Stage.RAMPING} and after.stage in {Stage.CALLED, *RESTRICTIVE}
        # What was suspended comes back in its episode; another one needs another call.
        begins = begins or (before.stage is Stage.SUSPENDED and after.episode != before.episode)
        if not begins or (before.brake_left and move.yes(RATIFY, rank, before.episode + 1)):
            continue
        if (found := move.truth(terms.trigger)) is not Truth.TRUE:
            return f"level {rank} was called while its trigger was {found.name.lower()}"
        if terms.called_by and not move.yes(CALL, rank, before.episode + 1):
            return f"level {rank} was called without its votes"
        if not terms.called_by and not before.armed:
            return f"level {rank} called itself unarmed"
    return None


def a_call_carried_is_never_lost(move: Move) -> str | None:
    """Where trigger, votes and coalition are there, the level that was open or on its ramp restricts."""
    for rank, terms, before, after in move.levels():
        everyone = terms.binds == agreement_pb2.BINDS_EVERYONE or not terms.HasField("entry")
        voted = bool(terms.called_by) and move.yes(CALL, rank, before.episode + 1, surely=True)
        called = voted and move.truth(terms.trigger) is Truth.TRUE
        if called and everyone and before.stage in {Stage.OPEN, Stage.RAMPING} and after.stage not in RESTRICTIVE:
            return f"level {rank} is {after.stage} although its call was carried"
    return None


def a_call_starts_only_with_its_coalition(move: Move) -> str | None:
    """A level that labs keep by pledge restricts from the closing on in which enough of them would."""
    for rank, terms, before, after in move.levels():
        # What a brake has stopped needs its ratification only (annex 5.2).
        ratified = before.brake_left and move.yes(RATIFY, rank, before.episode + 1)
        begins = before.stage not in {*RESTRICTIVE, Stage.SUSPENDED} and after.stage in RESTRICTIVE
        starts = begins and not ratified and terms.HasField("entry")
        if starts and move.now(terms.entry) is not Truth.TRUE:
            return f"level {rank} began without the labs that it needs"
    return None


# Ramps


def nobody_skips_the_ramp(move: Move) -> str | None:
    """A level opens from its ramp, after all of it, or from a call that never began; a call lies dormant from open."""
    for rank, terms, before, after in move.levels():
        if before.stage in RESTRICTIVE and after.stage not in {*RESTRICTIVE, Stage.RAMPING, Stage.SUSPENDED}:
            return f"level {rank} went from {before.stage} to {after.stage}"
        if before.stage is Stage.RAMPING and after.stage is Stage.OPEN and before.age + 1 < terms.ramp_periods:
            return f"level {rank} opened after {before.age + 1} periods of its ramp of {terms.ramp_periods}"
        if before.stage is after.stage is Stage.RAMPING and after.age > before.age + 1:
            return f"level {rank} counts {after.age} periods of its ramp after {before.age}"
        if after.stage is Stage.CALLED and before.stage not in {Stage.CALLED, Stage.OPEN}:
            return f"level {rank} went from {before.stage} to a dormant call"
    return None


def a_ramp_counts_closed_periods(move: Move) -> str | None:
    """Of a lab's ramp each closing takes one period away, however long the dark before it; it begins whole."""
    for rank, terms, before, after in move.levels():
        for lab, binding in before.binds.items():
            found = after.binds.get(lab)
            if found is not None and found.until is None:
                continue
            if binding.until is None:
                left = terms.ramp_periods - max(move.governed - _calendar_end(move, before, after), 0)
            else:
                left = binding.until - (move.governed - 1 - move.act.dark) - 1
            shown = 0 if found is None else (found.until or 0) - move.governed
            if max(left, 0) != shown:
                return f"{lab} has {shown} periods left of the ramp of level {rank}, not {left}"
    return None


def _calendar_end(move: Move, before: Any, after: Any) -> int:
    """The end that a mandate or a brake had by the calendar, the later one, where this closing ended it."""
    # A suspended level still has its end, and binds whoever caused it until then.
    runs = {*RESTRICTIVE, Stage.SUSPENDED}
    ends = [before.end or 0] if before.stage in runs and after.stage not in runs else []
    if before.brake_left and not after.brake_left:
        ends.append(before.brake_cap or 0)
    return max(ends, default=move.governed)


# Brakes


def a_brake_acts_in_its_own_step(move: Move) -> str | None:
    """A brake binds every lab from the closing on that records it, for its whole window."""
    for said in move.accepted(header_pb2.KIND_BRAKE):
        rank = said.body.level  # type: ignore[attr-defined]
        level, brake = move.after.levels[rank], move.agreement.levels[rank].brake
        free = [lab for lab in move.members() if lab not in level.binds or level.binds[lab].until is not None]
        cap = move.governed + brake.cap_periods
        if free or (level.brake_left, level.brake_cap) != (brake.window_periods, cap):
            return f"{said}, and it acts for {level.brake_left} periods, and does not bind {', '.join(free)}"
    return None


def a_brake_ends_by_itself(move: Move) -> str | None:
    """A brake that nobody uses anew loses a period with every closing, and never outlasts its cap."""
    used = {said.body.level for said in move.accepted(header_pb2.KIND_BRAKE)}  # type: ignore[attr-defined]
    for rank, _, before, after in move.levels():
        if rank not in used and after.brake_left > max(before.brake_left - 1, 0):
            return f"the brake of level {rank} has {after.brake_left} periods left after {before.brake_left}"
        if after.brake_left and move.governed >= (after.brake_cap or 0):
            return f"the brake of level {rank} acts in period {move.governed}, after its cap {after.brake_cap}"
    return None


def who_used_a_brake_rests(move: Move) -> str | None:
    """Whoever used a brake uses it again only after its rest, counted in closings."""
    for said in move.accepted(header_pb2.KIND_BRAKE):
        rank, owner = said.body.level, group_key(move.agreement.owner(said.author))  # type: ignore[attr-defined]
        left = move.before.rests.get(f"{rank}|{owner}", 0)
        if left > 1 or not move.after.rests.get(f"{rank}|{owner}"):
            return f"{said}, with {left} periods of rest to go"
    return None


def a_ratification_recorded_in_time_is_never_lost(move: Move) -> str | None:
    """Where the votes to ratify are there by the last closing of a brake, the level restricts on."""
    for rank, _, before, after in move.levels():
        if not before.brake_left or not move.yes(RATIFY, rank, before.episode + 1, surely=True):
            continue
        expired = before.stage in RESTRICTIVE and move.governed >= (before.end or 0)
        renewed = move.yes(RENEW, rank, before.episode)
        begins = before.stage not in RESTRICTIVE or (expired and not renewed)
        if begins and after.stage not in RESTRICTIVE:
            return f"level {rank} is {after.stage} although the brake was ratified in time"
    return None


# Pledges


def nobody_is_bound_by_a_clause_that_does_not_hold(move: Move) -> str | None:
    """What a lab keeps beyond its floor, one of its clauses asks: true now, or unknown and kept before."""
    for lab, pledge in move.after.pledges.items():
        if pledge.kept > pledge.floor:
            found, before = move.clauses(lab, pledge.kept), move.pledged(lab).kept
            if found is Truth.FALSE or (found is Truth.UNKNOWN and before < pledge.kept):
                return f"{lab} keeps level {pledge.kept} by a clause that is {found.name.lower()}"
    return None


def nobody_is_released_on_unknown(move: Move) -> str | None:
    """A lab that takes part keeps every level whose clause is true, and those that it kept whose clause is unknown."""
    for lab, pledge in move.after.pledges.items():
        if move.after.parties[lab].membership in MEMBERS:
            for rank in range(pledge.kept + 1, max(move.agreement.levels) + 1):
                found = move.clauses(lab, rank)
                if found is Truth.TRUE or (found is Truth.UNKNOWN and move.pledged(lab).kept >= rank):
                    return f"{lab} keeps {pledge.kept} although its clause for level {rank} is {found.name.lower()}"
    return None


def a_replaced_pledge_runs_on(move: Move) -> str | None:
    """Who replaces a pledge is held to the older one beside it for the notice, and cannot replace it meanwhile."""
    notice = move.agreement.terms.pledge_notice_periods
    for lab, after in move.after.pledges.items():
        before = move.pledged(lab)
        if after.current != before.current and before.current:
            if (after.older, after.older_left) != (before.current, notice):
                return f"{lab} replaced its pledge, and the older one does not run for {notice} periods"
        elif after.older != before.older and before.older_left > 0:
            return f"the older pledge of {lab} ended {before.older_left} periods early"
    return None


# Standing


def breach_is_what_a_quorum_says(move: Move) -> str | None:
    """What is newly found of a lab is what the verifiers' table makes of their newest words."""
    last = (move.after.period or 0) - move.agreement.terms.standing.settle_periods
    old = (move.before.period or 0) - move.agreement.terms.standing.settle_periods
    for lab, after in move.after.conduct.items():
        known = dict(zip(range(old, -1, -1), reversed(move.conducted(lab).settled), strict=False))
        for period, verdict in zip(range(last, -1, -1), reversed(after.settled), strict=False):
            if known.get(period) != verdict and verdict != (found := move.said_of(lab, period)):
                return f"{lab} was {verdict} in period {period}; its verifiers make that {found}"
    return None


def nobody_is_released_without_notice(move: Move) -> str | None:
    """Standing is lost after an accusation that stood for all of its notice, and accused is who breached often."""
    terms = move.agreement.terms.standing
    for lab, after in move.after.conduct.items():
        before = move.conducted(lab)
        if after.standing is before.standing:
            continue
        if after.standing is Standing.OUT:
            if before.standing is not Standing.ACCUSED or before.timer + 1 < terms.release_notice_periods:
                return f"{lab} lost its standing {before.timer + 1} periods after it was {before.standing}"
        elif after.standing is Standing.ACCUSED and after.settled.count("breached") < terms.breached:
            return f"{lab} is accused of {after.settled.count('breached')} breaches"
    return None


def standing_returns_only_for_conduct(move: Move) -> str | None:
    """Who lost standing is relied on again after honored periods in a row, twice as many after every further loss."""
    terms = move.agreement.terms.standing
    for lab, after in move.after.conduct.items():
        before = move.conducted(lab)
        # A loss whose findings were taken back is none.
        vacated = after.losses < before.losses
        if before.standing is Standing.OUT and after.standing is Standing.RELIED and not vacated:
            needed = terms.back_after_periods * 2 ** max(before.losses - 1, 0)
            row = before.honored + len(list(move.settling()))
            if min(row, before.timer + 1) < needed:
                return f"{lab} is relied on again after {min(row, before.timer + 1)} of {needed} periods"
    return None


def own_breach_frees_nobody_of_its_own_duty(move: Move) -> str | None:
    """A lab that loses standing goes on keeping what it kept, until its standing returns or the level is open."""
    for lab, after in move.after.conduct.items():
        if after.standing is not Standing.OUT or move.after.parties[lab].membership not in MEMBERS:
            continue
        held, before = move.pledged(lab), move.conducted(lab)
        floor = held.kept if before.standing is not Standing.OUT else held.floor
        if move.after.pledges[lab].kept < min(floor, move.highest()):
            return f"{lab} is out of standing and keeps {move.after.pledges[lab].kept} instead of {floor}"
    return None


# Membership


def exit_comes_only_when_every_level_is_open(move: Move) -> str | None:
    """Who gave notice stays until the notice has run out and every level is open."""
    for name, after in move.after.parties.items():
        before = move.was(name)
        # Who was admitted and has not joined yet is out at once where new terms do not list it.
        unlisted = before.membership is Membership.FORMING and move.after.terms != move.before.terms
        if after.membership is Membership.OUT and before.membership is not Membership.OUT and not unlisted:
            closed = [
                rank for rank, level in move.before.levels.items() if level.stage is not Stage.OPEN or level.brake_left
            ]
            if before.membership is not Membership.NOTICE or before.notice_left > 1 or closed:
                return f"{name} left from {before.membership}, {before.notice_left} periods of notice to go: {closed}"
    return None


def who_is_leaving_relaxes_nothing(move: Move) -> str | None:
    """A party in notice has no vote to lift."""
    for said in move.accepted(header_pb2.KIND_BALLOT):
        leaving = move.before.parties[said.author].membership is not Membership.IN
        if leaving and said.body.motion == LIFT:  # type: ignore[attr-defined]
            return f"{said} was accepted"
    return None


def who_has_left_says_nothing(move: Move) -> str | None:
    """Nothing that a party says after its exit counts, but which keys are its own."""
    for said in move.act.said:
        left = move.before.parties[said.author].membership is Membership.OUT
        if left and said.kind != header_pb2.KIND_KEY_SET and said not in move.refused:
            return f"{said} was accepted"
    return None


def closings_follow_one_another(move: Move) -> str | None:
    """Every closing has a number and a period of its own, and names the one before it."""
    before, after, closing = move.before, move.after, move.record.closing
    rises = before.period is None or (after.period or 0) > before.period
    if not rises or after.closings != before.closings + 1 or closing.previous != before.closing:
        return f"closing {after.closings} of period {after.period} follows {before.closings} of {before.period}"
    return None


# Twins: what would have been


def a_refused_statement_changes_nothing(move: Move) -> str | None:
    """Without its refused statements a closing leads to the same state, sizes of logs apart."""
    if not move.refused:
        return None
    kept = replace(move.act, said=tuple(said for said in move.act.said if said not in move.refused))
    other = move.world.step(move.before, kept).state
    sizes = {name: replace(party, size=0) for name, party in move.after.parties.items()}
    others = {name: replace(party, size=0) for name, party in other.parties.items()}
    # Refused leaves move those after them by their places.
    here, there = _placeless(replace(move.after, parties=sizes)), _placeless(replace(other, parties=others))
    return None if here == there else f"refused, and it changed the state: {next(iter(move.refused))}"


def _placeless(state: object) -> object:
    ballots = {name: replace(ballot, index=0, identity=b"") for name, ballot in state.ballots.items()}  # type: ignore[attr-defined]
    reports = {name: replace(report, index=0, identity=b"") for name, report in state.reports.items()}  # type: ignore[attr-defined]
    pledges = {lab: replace(one, index=0, identity=b"") for lab, one in state.pledges.items()}  # type: ignore[attr-defined]
    return replace(state, ballots=ballots, reports=reports, pledges=pledges, closing=b"")  # type: ignore[type-var]


def notice_shortens_nothing(move: Move) -> str | None:
    """Had a party that is leaving not given notice, nobody would keep more, until it goes."""
    leaving = {name for name, party in move.before.parties.items() if party.membership is Membership.NOTICE}
    leaving = {name for name in leaving if move.after.parties[name].membership is Membership.NOTICE}
    if not leaving:
        return None
    parties = {
        name: replace(party, membership=Membership.IN, notice_left=0) if name in leaving else party
        for name, party in move.before.parties.items()
    }
    act = Act(tuple(said for said in move.act.said if said not in move.refused), move.act.dark)
    other = move.world.step(replace(move.before, parties=parties), act).state
    here, there = _kept(move.after), _kept(other)
    same = here == there and other.levels == move.after.levels
    # Who leaves keeps an older pledge until it is gone, also one that it replaced before.
    more = here != there and all(here[lab] >= there[lab] for lab in here)
    return None if same or more else f"by the notice of {', '.join(sorted(leaving))} somebody keeps less"


def giving_notice_shortens_nothing(move: Move) -> str | None:
    """A closing in which somebody gives notice leaves everybody as bound as it would without that."""
    if not move.accepted(header_pb2.KIND_WITHDRAWAL):
        return None
    said = tuple(one for one in move.act.said if one.kind != header_pb2.KIND_WITHDRAWAL)
    other = move.world.step(move.before, replace(move.act, said=said)).state
    same = _stages(other) == _stages(move.after) and _kept(other) == _kept(move.after)
    return None if same else "a notice changed who is bound"


def more_pledged_never_binds_fewer(move: Move) -> str | None:
    """Had any one lab pledged to keep the highest level whatever happens, nobody would keep less."""
    kept = pledges.solve(move.agreement, move.after, {}).kept
    for lab in move.agreement.labs:
        held = replace(move.after.pledges[lab], older=move.world.firmest)
        more = replace(move.after, pledges={**move.after.pledges, lab: held})
        found = pledges.solve(move.agreement, more, {}).kept
        fewer = [name for name in kept if found[name] < kept[name]]
        if fewer:
            return f"had {lab} pledged more, {fewer[0]} would keep {found[fewer[0]]} instead of {kept[fewer[0]]}"
    return None


def _kept(state: object) -> dict[str, int]:
    return {lab: pledge.kept for lab, pledge in state.pledges.items()}  # type: ignore[attr-defined]


def _stages(state: object) -> list[tuple[Stage, object]]:
    return [(level.stage, level.binds) for level in state.levels.values()]  # type: ignore[attr-defined]


EVERYWHERE: Final[tuple[Invariant, ...]] = (
    a_restriction_is_never_lifted_on_unknown,
    readiness_is_a_row_of_true_and_voted_steps,
    a_restriction_ends_only_by_lift_or_sunset,
    every_restriction_has_an_end,
    a_restriction_begins_with_its_whole_mandate,
    a_renewal_recorded_in_time_is_never_lost,
    a_renewal_needs_fresh_votes,
    a_call_needs_its_trigger_and_its_votes,
    a_call_carried_is_never_lost,
    a_call_starts_only_with_its_coalition,
    nobody_skips_the_ramp,
    a_ramp_counts_closed_periods,
    a_brake_acts_in_its_own_step,
    a_brake_ends_by_itself,
    who_used_a_brake_rests,
    a_ratification_recorded_in_time_is_never_lost,
    nobody_is_bound_by_a_clause_that_does_not_hold,
    nobody_is_released_on_unknown,
    a_replaced_pledge_runs_on,
    breach_is_what_a_quorum_says,
    nobody_is_released_without_notice,
    standing_returns_only_for_conduct,
    own_breach_frees_nobody_of_its_own_duty,
    exit_comes_only_when_every_level_is_open,
    who_is_leaving_relaxes_nothing,
    who_has_left_says_nothing,
    closings_follow_one_another,
    *CHANGING,
)
"""Judged of every move."""

TWINS: Final[tuple[Invariant, ...]] = (
    a_refused_statement_changes_nothing,
    notice_shortens_nothing,
    giving_notice_shortens_nothing,
    more_pledged_never_binds_fewer,
    an_accession_changes_nothing_for_the_others,
)
"""Judged where a lens asks for them: each compares with another course of events."""

SENTENCES: Final[Mapping[str, str]] = {
    one.__name__: (one.__doc__ or "").split("\n")[0] for one in (*EVERYWHERE, *TWINS)
}
