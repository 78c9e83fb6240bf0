"""What must hold of who keeps what: pledges, standing, membership; and of closings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from protocol.state import Membership, Stage, Standing
from protocol.truth import Truth
from standstill.v1 import decision_pb2, header_pb2
from tests.model.move import MEMBERS, Move

LIFT: Final = decision_pb2.MOTION_LIFT
Invariant = Callable[[Move], str | None]


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


KEEPING: Final[tuple[Invariant, ...]] = (
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
)
"""Judged of every move."""
