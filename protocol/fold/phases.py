"""Stages 7 to 9: ballots, the levels' machines, and who is bound (annex 4 and 5)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from protocol import conditions, decisions, levels
from protocol.facts import StateFacts, solve
from protocol.fold.work import Transition
from protocol.levels import Event
from protocol.revocation import revoked
from protocol.state import RESTRICTIVE, BallotState, Binding, LevelState, Membership, Stage, Status, key
from protocol.truth import Explained, Truth, all_of, counted
from protocol.truth import of as truth_of
from standstill.v1 import agreement_pb2, decision_pb2
from standstill.v1 import header_pb2 as pb

if TYPE_CHECKING:
    from protocol.fold.work import Work


def ballots(work: Work) -> None:
    """7: the newest ballot of each voter on each motion."""
    newest = {place: ballot for place, ballot in work.new.ballots.items() if not _taken_back(work, place, ballot)}
    for leaf in work.of_kind(pb.KIND_BALLOT):
        body, voter = leaf.body, work.agreement.logs[leaf.origin]
        place = key(voter, body.motion, body.level)  # type: ignore[union-attr]
        newest[place] = BallotState(
            episode=body.episode,  # type: ignore[union-attr]
            yes=body.yes,  # type: ignore[union-attr]
            period=work.record.closing.period,
            closing=work.new.closings,
            index=leaf.index,
        )
    work.new = replace(work.new, ballots=newest)


def _taken_back(work: Work, place: str, ballot: BallotState) -> bool:
    """Whether the voter now revokes the key that cast a ballot: what it decided stands, but it counts no longer."""
    voter = place.split("|", maxsplit=1)[0]
    sets = [leaf for leaf in work.of_kind(pb.KIND_KEY_SET) if work.agreement.logs[leaf.origin] == voter]
    return any(ballot.index in indices for indices in revoked(sets))


def phases(work: Work) -> None:
    """8: at most one transition per level, by the table of :mod:`protocol.levels`."""
    if work.new.status is not Status.IN_FORCE:
        return
    moved = {}
    for rank, terms in work.agreement.levels.items():
        level, events, why = _events(work, rank, terms)
        target = levels.next_stage(level.stage, events)
        if target is not level.stage:
            work.transitions.append(Transition(rank, level.stage, target, why))
        work.reasons[rank] = why
        moved[rank] = levels.enter(level, target, terms, work.governed)
    work.new = replace(work.new, levels=moved)


def _events(work: Work, rank: int, terms: agreement_pb2.Level) -> tuple[LevelState, set[Event], Explained]:
    """What is true of a level in this step, with the counters that depend on it, and why."""
    level, now = work.new.levels[rank], StateFacts(work.agreement, work.new)
    if level.stage in RESTRICTIVE:
        resume = conditions.evaluate(terms.resume, now)
        lift = _vote(work, rank, decision_pb2.MOTION_LIFT, level.episode)
        lifted = all_of([resume.value, lift.value]) is Truth.TRUE
        level = replace(level, ready=level.ready + 1 if lifted else 0)
        if _vote(work, rank, decision_pb2.MOTION_RENEW, level.episode).value is Truth.TRUE:
            level = replace(level, end=(level.end or 0) + terms.mandate_periods)
            _spend(work, rank, decision_pb2.MOTION_RENEW)
        why = Explained(
            truth_of(lifted), f"lift, {level.ready} of {counted(terms.steady_steps, 'step')}", (resume, lift)
        )
        return level, levels.clock_events(level, terms, work.governed), why
    trigger = conditions.evaluate(terms.trigger, now)
    vote = _vote(work, rank, decision_pb2.MOTION_CALL, level.episode + 1)
    if not terms.called_by:
        vote = Explained(truth_of(level.armed), "armed: the trigger was false since the last call")
    entry = _entry(work, rank, terms)
    if level.stage is Stage.OPEN and trigger.value is Truth.FALSE:
        level = replace(level, armed=True)
    events = levels.clock_events(level, terms, work.governed)
    called = all_of([trigger.value, vote.value]) is Truth.TRUE
    events |= {Event.CALL} if called else set()
    events |= {Event.ENTRY} if entry.value is Truth.TRUE else set()
    return level, events, Explained(truth_of(called), "call", (trigger, vote, entry))


def _vote(work: Work, rank: int, motion: decision_pb2.Motion.ValueType, episode: int) -> Explained:
    count = decisions.tally(work.agreement, work.new, rank, motion, episode)
    asked = decision_pb2.Motion.Name(motion).removeprefix("MOTION_").lower()
    say = "says" if len(count.yes) == 1 else "say"
    text = f"vote to {asked}: {counted(len(count.yes), 'group')} {say} yes, {count.needed} needed"
    parts = tuple(Explained(Truth.TRUE, f"{voter} log {index}") for voter, index in count.ballots)
    return Explained(truth_of(count.carried), text, parts)


def _spend(work: Work, rank: int, motion: decision_pb2.Motion.ValueType) -> None:
    """Ballots that renewed a mandate do not renew it again."""
    suffix = f"|{motion}|{rank}"
    kept = {place: ballot for place, ballot in work.new.ballots.items() if not place.endswith(suffix)}
    work.new = replace(work.new, ballots=kept)


def _entry(work: Work, rank: int, terms: agreement_pb2.Level) -> Explained:
    """Whether the labs that a call would bind are those that the level needs (annex 4.3)."""
    if terms.binds == agreement_pb2.BINDS_EVERYONE or not terms.HasField("entry"):
        return Explained(Truth.TRUE, "no entry rule")
    assumed = {rank: Stage.WINDING}
    solution = solve(work.agreement, work.new, assumed)
    return conditions.evaluate(terms.entry, StateFacts(work.agreement, work.new, solution.kept, assumed))


def bind(work: Work) -> None:
    """9: the greatest fixed point of the pledges, and since when each level binds each lab."""
    highest = max((rank for rank, level in work.new.levels.items() if level.stage is not Stage.OPEN), default=0)
    held = {lab: replace(pledge, floor=min(pledge.floor, highest)) for lab, pledge in work.new.pledges.items()}
    work.new = replace(work.new, pledges=held)
    solution = solve(work.agreement, work.new, {})
    work.reasons.update(solution.reasons)
    bound = {rank: _bound(work, rank, solution.kept) for rank in work.new.levels}
    work.new = replace(
        work.new,
        pledges={lab: replace(pledge, kept=solution.kept[lab]) for lab, pledge in held.items()},
        levels={rank: _rebind(work, rank, bound[rank]) for rank in work.new.levels},
    )


def _bound(work: Work, rank: int, kept: dict[str, int]) -> set[str]:
    if work.agreement.levels[rank].binds == agreement_pb2.BINDS_BY_PLEDGE:
        return {lab for lab, level in kept.items() if level >= rank}
    restrictive = work.new.levels[rank].stage in RESTRICTIVE
    members = {Membership.IN, Membership.NOTICE}
    labs = work.agreement.labs if restrictive else ()
    return {lab for lab in labs if work.new.parties[lab].membership in members}


def _rebind(work: Work, rank: int, bound: set[str]) -> LevelState:
    """Wind-down and ramp run per lab from the period in which the level began or ceased to bind it (annex 4.3)."""
    level, terms = work.new.levels[rank], work.agreement.levels[rank]
    binds = {lab: Binding(since=work.governed) for lab in bound}
    for lab, binding in level.binds.items():
        # A ramp counts closed periods; only where the mandate ended in the dark it counts from there (annex 1.7).
        began = work.governed if level.end is None else min(work.governed, level.end)
        until = began + terms.ramp_periods if binding.until is None else binding.until + work.dark
        if lab in bound and (binding.until is None or until > work.governed):
            # Bound again on the ramp: it is wound down already.
            binds[lab] = replace(binding, until=None)
        elif lab not in bound and until > work.governed:
            binds[lab] = replace(binding, until=until)
    return replace(level, binds=dict(sorted(binds.items())))
