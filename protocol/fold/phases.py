"""Stage 8: the levels' machines (annex 5)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from protocol import conditions, decisions, levels
from protocol.facts import StateFacts, solve
from protocol.fold.work import Transition
from protocol.levels import Event
from protocol.state import RESTRICTIVE, LevelState, Stage, Status
from protocol.truth import Explained, Truth, all_of, counted
from protocol.truth import of as truth_of
from standstill.v1 import agreement_pb2, decision_pb2

if TYPE_CHECKING:
    from protocol.fold.work import Work


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
    spent = [str(int(motion)), str(rank)]
    kept = {place: ballot for place, ballot in work.new.ballots.items() if place.split("|")[1:3] != spent}
    work.new = replace(work.new, ballots=kept)


def _entry(work: Work, rank: int, terms: agreement_pb2.Level) -> Explained:
    """Whether the labs that a call would bind are those that the level needs (annex 4.3)."""
    if terms.binds == agreement_pb2.BINDS_EVERYONE or not terms.HasField("entry"):
        return Explained(Truth.TRUE, "no entry rule")
    assumed = {rank: Stage.WINDING}
    solution = solve(work.agreement, work.new, assumed)
    return conditions.evaluate(terms.entry, StateFacts(work.agreement, work.new, solution.kept, assumed))
