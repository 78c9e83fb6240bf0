"""The lenses: what is explored, in two sizes. A new feature is a new lens, or a choice in one of these."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, Final

from protocol.agreement import Agreement
from protocol.state import RESTRICTIVE, Stage, Standing, State
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import condition_pb2, decision_pb2, header_pb2, pledge_pb2
from tests.model.invariants import (
    a_refused_statement_changes_nothing,
    giving_notice_shortens_nothing,
    more_pledged_never_binds_fewer,
    notice_shortens_nothing,
)
from tests.model.lens import Choice, Lens, one_of
from tests.model.normal import Limits
from tests.model.world import Act, Said, World, assess, brake, leave, promise, report, vote
from tests.terms import ALWAYS, LABS, VERIFIERS, agreement, keeps, level, restrictive, terms

CALL, LIFT, RENEW = decision_pb2.MOTION_CALL, decision_pb2.MOTION_LIFT, decision_pb2.MOTION_RENEW
RATIFY = decision_pb2.MOTION_RATIFY
LOW, HIGH = 100, 5_000
FIRST, SECOND = 1, 2
ALPHA, BETA, GAMMA = LABS
SCOUT: Final = "gridco"
"""Who reports the indicator, and votes where one voter decides."""


def _reading(threshold: int, *, below: bool = False) -> condition_pb2.Condition:
    """A test of the indicator of alpha."""
    sign = condition_pb2.COMPARISON_BELOW if below else condition_pb2.COMPARISON_AT_LEAST
    test = condition_pb2.Condition.Reading(
        indicator="horizon", labs=1, comparison=sign, threshold=threshold, of=[ALPHA]
    )
    return condition_pb2.Condition(reading=test)


def _terms(levels: Sequence[pb.Level], verifiers: int = 1, *, life: int = 1, age: int = 2, **changes: Any) -> Agreement:
    """Terms of three labs with one indicator, one council of two labs of three, and a rule of one voter."""
    rules = [
        pb.Rule(name="council", yes=2, voters=LABS, ballot_life_periods=life),
        pb.Rule(name="one", yes=1, voters=[SCOUT], ballot_life_periods=life),
    ]
    made = terms(verifiers)
    indicator = pb.Indicator(name="horizon", unit="minutes", reported_by=[SCOUT], reports=1, max_age_periods=age)
    return agreement(
        verifiers,
        levels=levels,
        rules=changes.pop("rules", rules),
        indicators=[indicator, made.indicators[1]],
        **changes,
    )


def _levels(first: dict[str, Any], second: dict[str, Any]) -> list[pb.Level]:
    slow = level("slowdown", FIRST, binds=pb.BINDS_EVERYONE, allowed=None, **first)
    pause = level("pause", SECOND, binds=pb.BINDS_EVERYONE, **second)
    # A slowdown that allows what the pause allows needs no caps here.
    slow.allowed.extend(pause.allowed)
    return [slow, pause]


def _stays(*said: Said) -> Callable[[Act], str | None]:
    """Names the courses of events in which nobody says anything, or only what holds an input where it is."""

    def name(act: Act) -> str | None:
        if act.dark or any(one not in said for one in act.said) or len(act.said) > 1:
            return None
        return str(act.said[0]) if act.said else "nobody says anything"

    return name


def votes(*, full: bool) -> Lens:
    """Two levels that bind everybody; three voters, one of them lying; a trigger that is false, unknown or true."""
    clocks = {"wind_down_periods": 1, "ramp_periods": 2 if full else 1, "dormancy_periods": 1}
    first = clocks | {"trigger": _reading(1_000), "resume": _reading(1_000, below=True), "called_by": ""}
    first |= {"mandate_periods": 3, "steady_steps": 1, "lifted_by": "one"}
    second = clocks | {"trigger": _reading(1_000), "resume": _reading(1_000, below=True)}
    second |= {"mandate_periods": 4, "steady_steps": 2}
    made = _terms(_levels(first, second), age=1)
    inputs = [report(SCOUT, ALPHA, value) for value in (LOW, HIGH)]

    def choices(state: State) -> list[list[Choice]]:
        paused = state.levels[SECOND]
        episode = paused.episode
        if paused.stage in RESTRICTIVE:
            honest = [(LIFT, episode), (RENEW, episode)] if full else [(LIFT, episode)]
        else:
            honest = [(CALL, episode + 1)]
        lies = [(LIFT, episode), (CALL, episode + 1)] if full else []
        scout = [*one_of(*inputs), (vote(SCOUT, LIFT, FIRST, max(state.levels[FIRST].episode, 1)),)]
        return [
            *([*one_of(*(vote(lab, *_motion(one)) for one in honest))] for lab in (ALPHA, BETA)),
            one_of(*(vote(GAMMA, *_motion(one)) for one in lies)),
            scout,
        ]

    return Lens(
        name="votes",
        looks_at="calls, lifts, renewals and sunsets of two levels under a trigger of three values",
        agreement=made,
        limits=Limits(reach=9, counters={"age": 3, "held": 0, "ready": 2, "timer": 0, "honored": 0}),
        start=lambda world: [world.founded()],
        choices=choices,
        darks=(0, 2) if full else (0, 3),
        quiet_darks=not full,
        constant=_stays(*inputs),
        reachable=_reachable(FIRST, SECOND),
    )


def _motion(one: tuple[Any, int]) -> tuple[Any, int, int]:
    motion, episode = one
    return motion, SECOND, max(episode, 1)


def _grouped(life: int) -> Agreement:
    """One level that binds everybody, voted on by three labs of which two belong to one group."""
    clocks = {"wind_down_periods": 0, "ramp_periods": 1, "dormancy_periods": 1, "steady_steps": 1}
    pause = clocks | {"trigger": ALWAYS, "resume": ALWAYS, "mandate_periods": 3}
    made = terms()
    made.parties[2].owner = made.parties[1].owner
    return _terms([level("pause", 1, binds=pb.BINDS_EVERYONE, **pause)], life=life, parties=list(made.parties))


def ballots(*, full: bool) -> Lens:
    """One level, ballots that live for several closings, voters of whom two belong to one group, retracted votes."""

    def choices(state: State) -> list[list[Choice]]:
        found = state.levels[1]
        motion, of = (LIFT, found.episode) if found.stage in RESTRICTIVE else (CALL, found.episode + 1)
        yes, no = vote(GAMMA, motion, 1, of), vote(GAMMA, motion, 1, of, yes=False)
        both: list[Choice] = [(yes, no), (no, yes)] if full else []
        return [one_of(vote(ALPHA, motion, 1, of)), one_of(vote(BETA, motion, 1, of)), [*one_of(yes, no), *both]]

    return Lens(
        name="ballots",
        looks_at="ballots that outlive the closing and the episode they were cast in, and groups that count once",
        agreement=_grouped(4 if full else 3),
        limits=Limits(reach=9, counters={"age": 2, "held": 0, "ready": 1, "timer": 0, "honored": 0}),
        start=lambda world: [world.founded()],
        choices=choices,
        reachable=_reachable(1),
    )


def renewals(*, full: bool) -> Lens:
    """One level, mandates renewed by ballots that live on, again and again, in time and too late."""

    def choices(state: State) -> list[list[Choice]]:
        found = state.levels[1]
        motion, of = (RENEW, found.episode) if found.stage in RESTRICTIVE else (CALL, found.episode + 1)
        voters = LABS if full else LABS[:2]
        return [one_of(vote(voter, motion, 1, of)) for voter in voters]

    return Lens(
        name="renewals",
        looks_at="mandates renewed in time, too late, and twice by one vote",
        agreement=_grouped(3 if full else 2),
        limits=Limits(reach=9, counters={"age": 2, "held": 0, "ready": 1, "timer": 0, "honored": 0}),
        start=lambda world: [world.founded()],
        choices=choices,
        darks=(0, 1, 3) if full else (0, 1),
        reachable=_reachable(1),
    )


def braking(*, full: bool) -> Lens:
    """One level with a brake that two labs may use, ratified or not, in every phase; and a lab on its way out."""
    clocks = {"wind_down_periods": 0, "ramp_periods": 2, "dormancy_periods": 1, "steady_steps": 1, "mandate_periods": 3}
    stop = pb.BrakeTerms(parties=[ALPHA, BETA], window_periods=2, cap_periods=3, rest_periods=5, ratified_by="council")
    pause = level("pause", 1, binds=pb.BINDS_EVERYONE, trigger=ALWAYS, resume=ALWAYS, brake=stop, **clocks)
    made = _terms([pause], withdrawal_notice_periods=1)

    def choices(state: State) -> list[list[Choice]]:
        found = state.levels[1]
        ratify = {lab: vote(lab, RATIFY, 1, found.episode + 1) for lab in LABS}
        ask = {lab: vote(lab, *_next(state, 1)) for lab in LABS}
        # In the small size two labs call and lift, and the same two ratify.
        second = [brake(BETA, 1), ratify[BETA], ask[BETA]] if full else [ratify[BETA], ask[BETA]]
        return [one_of(brake(ALPHA, 1), ratify[ALPHA], ask[ALPHA]), one_of(*second), one_of(leave(GAMMA))]

    return Lens(
        name="brake",
        looks_at="brakes begun, ratified and lapsed, beneath every phase",
        agreement=made,
        limits=Limits(reach=9, counters={"age": 2, "held": 0, "ready": 1, "timer": 0, "honored": 0}),
        start=lambda world: [world.founded()],
        choices=choices,
        darks=(0, 2),
        quiet_darks=True,
    )


# Pledges


def _pledge(*clauses: pledge_pb2.PledgeClause) -> bytes:
    return pledge_pb2.Pledge(clauses=clauses).SerializeToString(deterministic=True)


def _clause(
    rank: int, provided: condition_pb2.Condition | None = None, when: condition_pb2.Condition | None = None
) -> pledge_pb2.PledgeClause:
    return pledge_pb2.PledgeClause(level=rank, when=restrictive(rank) if when is None else when, provided=provided)


def shapes(lab: str) -> dict[str, bytes]:
    """Pledges of a lab, by their words."""
    others = [name for name in LABS if name != lab]
    return {
        "the pause if both others do, else the slowdown": _pledge(
            _clause(FIRST), _clause(SECOND, keeps(SECOND, *others))
        ),
        "the pause if one other does": _pledge(_clause(SECOND, keeps(SECOND, *others, k=1))),
        "the pause": _pledge(_clause(SECOND)),
        "the slowdown if one other does, while the indicator is high": _pledge(
            _clause(FIRST, keeps(FIRST, *others, k=1), _reading(1_000))
        ),
    }


def pledges(*, full: bool) -> Lens:
    """Two levels kept by pledge, every mix of pledges of three labs, one of whom changes its mind; dormant calls."""
    clocks = {"wind_down_periods": 0, "ramp_periods": 1, "dormancy_periods": 1, "steady_steps": 1}
    shared: dict[str, Any] = clocks | {"binds": pb.BINDS_BY_PLEDGE, "called_by": "one", "lifted_by": "one"}
    shared |= {"mandate_periods": 3 if full else 2, "trigger": ALWAYS, "resume": ALWAYS}
    both = [level("slowdown", FIRST, **shared), level("pause", SECOND, entry=keeps(SECOND, *LABS, k=2), **shared)]
    made = _terms(both, pledge_notice_periods=1, age=1)

    # All mixes, or those in which somebody hangs on somebody.
    every = list(product(range(4), repeat=3)) if full else [(0, 1, 1), (3, 0, 1)]
    mixes = [[list(shapes(lab).items())[number] for lab, number in zip(LABS, mix, strict=True)] for mix in every]

    def start(world: World) -> Iterator[State]:
        for mix in mixes:
            said = tuple(promise(lab, data, words) for lab, (words, data) in zip(LABS, mix, strict=True))
            yield world.step(world.founded(), Act(said)).state

    def choices(state: State) -> list[list[Choice]]:
        asked = [
            vote(SCOUT, LIFT, rank, found.episode)
            if found.stage in RESTRICTIVE
            else vote(SCOUT, CALL, rank, found.episode + 1)
            for rank, found in state.levels.items()
        ]
        reads = [report(SCOUT, ALPHA, value) for value in (LOW, HIGH)]
        minds = [promise(ALPHA, data, words) for words, data in shapes(ALPHA).items()]
        return [one_of(*asked, *reads), one_of(*(minds if full else minds[2:3]))]

    begins = tuple("; ".join(f"{lab}: {words}" for lab, (words, _) in zip(LABS, mix, strict=True)) for mix in mixes)
    return Lens(
        name="pledges",
        looks_at="who is bound by pledges that depend on each other, at two levels, with calls that lie dormant",
        agreement=made,
        limits=Limits(reach=9, counters={"age": 2, "held": 0, "ready": 1, "timer": 0, "honored": 0}),
        start=start,
        choices=choices,
        darks=(0, 2) if full else (0,),
        quiet_darks=True,
        constant=_stays(*(report(SCOUT, ALPHA, value) for value in (LOW, HIGH))),
        twins=(more_pledged_never_binds_fewer,),
        begins=begins,
    )


def standing(*, full: bool) -> Lens:
    """Four verifiers, of whom one lies and one is lost for a while; a lab accused; a pause that hangs on it."""
    clocks = {"wind_down_periods": 0, "ramp_periods": 1, "dormancy_periods": 1, "steady_steps": 1}
    shared: dict[str, Any] = clocks | {"binds": pb.BINDS_BY_PLEDGE, "called_by": "one", "lifted_by": "one"}
    # In the small size the pause goes on for longer than anybody looks.
    pause = level("pause", 1, trigger=ALWAYS, resume=ALWAYS, mandate_periods=6 if full else 50, **shared)
    rules = pb.Standing(
        breached=2 if full else 1, of_last=2, release_notice_periods=2, back_after_periods=2, settle_periods=1
    )
    made = _terms([pause], 4, standing=rules, lying_verifiers=1)
    honest, liar, lost = VERIFIERS[:2], VERIFIERS[2], VERIFIERS[3]
    words = (header_pb2.VERDICT_HONORED, header_pb2.VERDICT_BREACHED)

    def start(world: World) -> Iterator[State]:
        mutual = {ALPHA: keeps(1, BETA), BETA: keeps(1, ALPHA), GAMMA: None}
        said = tuple(promise(lab, _pledge(_clause(1, need)), "the pause") for lab, need in mutual.items())
        pledged = world.step(world.founded(), Act(said)).state
        paused = world.step(pledged, Act((vote(SCOUT, CALL, 1, 1),))).state
        yield pledged if full else paused
        lost = replace(paused.conduct[ALPHA], standing=Standing.OUT, losses=2)
        held = replace(paused.pledges[ALPHA], floor=paused.pledges[ALPHA].kept)
        yield replace(paused, conduct={**paused.conduct, ALPHA: lost}, pledges={**paused.pledges, ALPHA: held})

    def choices(state: State) -> list[list[Choice]]:
        found = state.levels[1]
        truth = [tuple(assess(name, ALPHA, word) for name in honest) for word in words]
        lies: list[Choice] = [(assess(liar, ALPHA, word),) for word in words]
        lies.append((assess(liar, ALPHA, words[0]), assess(liar, ALPHA, words[1])))
        lies.append((assess(liar, ALPHA, words[1], 1, 2),))
        late = [(assess(lost, ALPHA, word),) for word in words]
        asks = [] if found.stage in RESTRICTIVE else [(vote(SCOUT, CALL, 1, found.episode + 1),)]
        return [truth, [(), *lies] if full else lies, [(), *(late if full else late[1:])], [(), *asks]]

    return Lens(
        name="standing",
        looks_at="verdicts of four verifiers, one lying and one lost, and what a breach does to others",
        agreement=made,
        limits=Limits(reach=9, counters={"age": 1, "held": 5, "ready": 1, "timer": 5, "honored": 5, "losses": 2}),
        start=start,
        choices=choices,
        darks=(0, 2) if full else (0,),
        quiet_darks=True,
        begins=(
            "alpha and beta pause if the other does, gamma pauses",
            "alpha has lost its standing for the second time",
        ),
    )


def leaving(*, full: bool) -> Lens:
    """Parties that give notice while levels are called and lifted; one that changes its pledge on the way out."""
    clocks = {"wind_down_periods": 0, "ramp_periods": 2, "dormancy_periods": 1, "steady_steps": 1, "mandate_periods": 3}
    shared: dict[str, Any] = clocks | {"trigger": ALWAYS, "resume": ALWAYS}
    levels = [level("pause", FIRST, binds=pb.BINDS_BY_PLEDGE, **shared)]
    if full:
        levels.append(level("stop", SECOND, binds=pb.BINDS_EVERYONE, **shared))
    made = _terms(levels, withdrawal_notice_periods=2, pledge_notice_periods=1)

    def start(world: World) -> Iterator[State]:
        said = tuple(promise(lab, _pledge(_clause(FIRST)), "the pause") for lab in LABS)
        yield world.step(world.founded(), Act(said)).state

    def choices(state: State) -> list[list[Choice]]:
        mind = promise(ALPHA, _pledge(), "nothing any more")
        asked = {lab: [vote(lab, *_next(state, rank)) for rank in made.levels] for lab in LABS}
        parting: list[Choice] = [(mind, leave(ALPHA)), *([(mind,)] if full else [])]
        return [
            [*one_of(*asked[ALPHA], leave(ALPHA)), *parting],
            one_of(*asked[BETA]),
            one_of(leave(GAMMA), *(asked[GAMMA] if full else ())),
        ]

    return Lens(
        name="leaving",
        looks_at="notice and exit while levels are called and lifted, and pledges changed on the way out",
        agreement=made,
        limits=Limits(reach=9, counters={"age": 2, "held": 0, "ready": 1, "timer": 0, "honored": 0}),
        start=start,
        choices=choices,
        darks=(0, 2),
        quiet_darks=True,
        twins=(a_refused_statement_changes_nothing, notice_shortens_nothing, giving_notice_shortens_nothing),
        begins=("all pledge the pause",),
    )


def _next(state: State, rank: int) -> tuple[Any, int, int]:
    """What can be asked of a level: to call it, or to lift it."""
    found = state.levels[rank]
    restricts = found.stage in RESTRICTIVE
    return (LIFT, rank, found.episode) if restricts else (CALL, rank, found.episode + 1)


def _reachable(*ranks: int) -> tuple[tuple[int, Stage], ...]:
    return tuple((rank, stage) for rank in ranks for stage in (Stage.OPEN, Stage.IN_FORCE))


LENSES: Final[dict[str, Callable[..., Lens]]] = {
    "votes": votes,
    "ballots": ballots,
    "renewals": renewals,
    "brake": braking,
    "pledges": pledges,
    "standing": standing,
    "leaving": leaving,
}
"""By name; each is made small, or full."""
