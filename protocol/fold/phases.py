"""Stage 8: the levels' machines (annex 5)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from protocol import conditions, decisions, levels
from protocol.conduct import HONORED
from protocol.decisions import Asked
from protocol.duty import GOVERNS_AFTER
from protocol.facts import StateFacts
from protocol.fold.ballots import spend
from protocol.fold.work import Transition
from protocol.lab_status import accused_by, verdicts_on
from protocol.levels import LIFTABLE, Event
from protocol.pledges import solve
from protocol.recusal import recused
from protocol.state import RESTRICTIVE, LevelState, Stage, Standing, Status
from protocol.truth import Explained, Truth, all_of, counted
from protocol.truth import of as truth_of
from standstill.v1 import agreement_pb2
from standstill.v1 import decision_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterable

    from protocol.fold.work import Work

    Reasons = dict[Event, Explained]


def phases(work: Work) -> None:
    """8: at most one transition per level, by the table of :mod:`protocol.levels`."""
    if work.new.status is not Status.IN_FORCE:
        return
    moved = {rank: _moved(work, rank, terms) for rank, terms in work.agreement.levels.items()}
    work.new = replace(work.new, levels=moved)


def _moved(work: Work, rank: int, terms: agreement_pb2.Level) -> LevelState:
    """A level after this step: counters, then the first row that applies, then the brake."""
    level, why = _events(work, rank, terms)
    row = levels.next_row(level.stage, {event for event, reason in why.items() if reason.value is Truth.TRUE})
    if row is not None:
        reason = Explained(Truth.TRUE, " and ".join(row.needed), tuple(why[event] for event in row.needed))
        work.transitions.append(Transition(rank, level.stage, row.target, reason, row.needed))
    moved = levels.enter(level, row, terms, work.governed)
    if row is not None and Event.SNAP in row.needed:
        moved = replace(moved, suspended_by=_lost(work, rank, level))
    after = levels.braked(moved, terms, work.governed, rank in work.braked)
    if after.brake_left:
        text = f"a brake for {counted(after.brake_left, 'more period')}, until period {after.brake_cap} at the latest"
        found = work.reasons[rank]
        work.reasons[rank] = found._replace(because=(*found.because, Explained(Truth.TRUE, text)))
    return after


def _events(work: Work, rank: int, terms: agreement_pb2.Level) -> tuple[LevelState, Reasons]:
    """What is true of a level in this step and why, with the counters that depend on it."""
    level, why = work.new.levels[rank], dict[Event, Explained]()
    if level.brake_left:
        why[Event.RATIFIED] = _vote(work, Asked(pb.MOTION_RATIFY, rank, level.episode + 1))
    if level.stage in LIFTABLE:
        level, why[Event.LIFT] = _readiness(work, rank, level, terms)
        work.reasons[rank] = why[Event.LIFT]
    if level.stage in RESTRICTIVE:
        level = _renewed(work, rank, level, terms)
        why[Event.SNAP] = _named(_losses(work, _lost(work, rank, level) if terms.snap_back else ()))
    else:
        level, found = _call(work, rank, level, terms)
        why |= found
        parts = (*found[Event.CALL].because, found[Event.ENTRY])
        work.reasons.setdefault(rank, Explained(found[Event.CALL].value, "call", parts))
    if level.stage is Stage.SUSPENDED:
        back = [lab for lab in level.suspended_by if work.new.conduct[lab].standing is not Standing.OUT]
        why[Event.CURED] = _named(_returns(work, back if len(back) == len(level.suspended_by) else ()))
    clocks = levels.clock_events(level, terms, work.governed) - {Event.LIFT}
    lift = why.get(Event.LIFT)
    if lift is not None:
        # A lift is more than a condition that holds now: it must have held for so many steps.
        why[Event.LIFT] = lift._replace(value=truth_of(level.ready >= terms.steady_steps))
    return level, why | {event: Explained(Truth.TRUE, f"{event}, by the clock") for event in clocks}


def _readiness(work: Work, rank: int, level: LevelState, terms: agreement_pb2.Level) -> tuple[LevelState, Explained]:
    """Steps in a row for which resume was true and the lift rule held; anything else begins again (annex 5.1)."""
    resume = conditions.evaluate(terms.resume, StateFacts(work.agreement, work.new))
    lift = _vote(work, Asked(pb.MOTION_LIFT, rank, level.episode))
    lifted = all_of([resume.value, lift.value]) is Truth.TRUE
    level = replace(level, ready=level.ready + 1 if lifted else 0)
    text = f"lift, {level.ready} of {counted(terms.steady_steps, 'step')}"
    return level, Explained(truth_of(lifted), text, (resume, lift))


def _renewed(work: Work, rank: int, level: LevelState, terms: agreement_pb2.Level) -> LevelState:
    """The mandate goes on by as much again, once for the ballots that renew it."""
    asked = Asked(pb.MOTION_RENEW, rank, level.episode)
    if _vote(work, asked).value is not Truth.TRUE:
        return level
    work.new = replace(work.new, ballots=spend(work.new.ballots, asked))
    return replace(level, end=(level.end or 0) + terms.mandate_periods)


def _call(work: Work, rank: int, level: LevelState, terms: agreement_pb2.Level) -> tuple[LevelState, Reasons]:
    """Whether the level is called and would be entered; and whether its trigger may call by itself from now on."""
    trigger = conditions.evaluate(terms.trigger, StateFacts(work.agreement, work.new))
    armed = _vote(work, Asked(pb.MOTION_ARM, rank, level.episode + 1)).value is Truth.TRUE
    # An unknown trigger does not arm: nobody knows whether what called it last is over.
    if armed or (level.stage is Stage.OPEN and trigger.value is Truth.FALSE):
        level = replace(level, armed=True)
    vote = _vote(work, Asked(pb.MOTION_CALL, rank, level.episode + 1))
    if not terms.called_by:
        vote = Explained(truth_of(level.armed), "armed: the trigger was false since the last call")
    called = truth_of(all_of([trigger.value, vote.value]) is Truth.TRUE)
    return level, {Event.CALL: Explained(called, "call", (trigger, vote)), Event.ENTRY: _entry(work, rank, terms)}


def _entry(work: Work, rank: int, terms: agreement_pb2.Level) -> Explained:
    """Whether the labs that a call would bind are those that the level needs (annex 4.3)."""
    if terms.binds == agreement_pb2.BINDS_EVERYONE or not terms.HasField("entry"):
        return Explained(Truth.TRUE, "no entry rule")
    assumed = {rank: Stage.WINDING}
    solution = solve(work.agreement, work.new, assumed)
    return conditions.evaluate(terms.entry, StateFacts(work.agreement, work.new, solution.kept, assumed))


def _vote(work: Work, asked: Asked) -> Explained:
    without = recused(work.agreement, work.new, asked)
    return decisions.tally(work.agreement, work.new, asked, without).explained(asked)


def _lost(work: Work, rank: int, level: LevelState) -> tuple[str, ...]:
    """Labs that a level binds and that lost their standing in this episode, after their notice (annex 5.1, SNAP)."""
    everyone = work.agreement.levels[rank].binds == agreement_pb2.BINDS_EVERYONE
    lost = set()
    for lab, binding in level.binds.items():
        # Whom a brake alone binds does not carry the restriction: a brake makes nothing laxer.
        bound = binding.until is None and (everyone or work.new.pledges[lab].kept >= rank)
        conduct = work.new.conduct[lab]
        since = conduct.out_since if conduct.standing is Standing.OUT else None
        if bound and since is not None and since + GOVERNS_AFTER > (level.start or 0):
            lost.add(lab)
    return tuple(sorted(lost))


def _losses(work: Work, labs: Iterable[str]) -> Iterable[Explained]:
    for lab in labs:
        how = "by silence" if work.new.conduct[lab].by_silence else "by its breaches"
        breaches = accused_by(work.agreement, work.new, lab)
        yield Explained(Truth.TRUE, f"{lab} lost its standing {how}", evidence=breaches)


def _returns(work: Work, labs: Iterable[str]) -> Iterable[Explained]:
    for lab in labs:
        honored = verdicts_on(work.agreement, work.new, lab, HONORED)
        yield Explained(Truth.TRUE, f"{lab} is relied on again", evidence=honored)


def _named(labs: Iterable[Explained]) -> Explained:
    parts = tuple(labs)
    return Explained(truth_of(bool(parts)), "labs by their standing", parts)
