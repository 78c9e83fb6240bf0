"""What must hold of every move (annex 5.4), each a sentence. A function returns None, or what was found instead.

They are judged by counting anew (:mod:`tests.model.move`), not by asking the code that decided. A new rule of the fold
is a new function here, or in `keeping`, `changing` or `twins`; `EVERYWHERE` holds for all lenses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from protocol.state import RESTRICTIVE, Stage, group_key
from protocol.truth import Truth
from standstill.v1 import agreement_pb2, decision_pb2, header_pb2
from tests.model.changing import CHANGING
from tests.model.keeping import KEEPING
from tests.model.move import Move

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
    *KEEPING,
    *CHANGING,
)
"""Judged of every move."""
