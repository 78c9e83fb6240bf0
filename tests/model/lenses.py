"""The lenses: what is explored, in two sizes. A new feature is a new lens, or a choice in one of these."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

from protocol.agreement import Agreement
from protocol.state import RESTRICTIVE, Standing, State
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import header_pb2
from tests.model.lens import Choice, Lens, one_of
from tests.model.lenses_changing import admitting, amending, dormant, exempting, rounds
from tests.model.lenses_standing import releasing, suspending
from tests.model.lenses_whole import whole
from tests.model.normal import Limits
from tests.model.parts import (
    ALPHA,
    BETA,
    CALL,
    FIRST,
    GAMMA,
    HIGH,
    LIFT,
    LOW,
    RATIFY,
    RENEW,
    SCOUT,
    SECOND,
    alpha_reads,
    clause,
    next_motion,
    promised,
    reachable,
    short_terms,
    stays,
)
from tests.model.twins import (
    a_refused_statement_changes_nothing,
    giving_notice_shortens_nothing,
    more_pledged_never_binds_fewer,
    notice_shortens_nothing,
)
from tests.model.world import Act, World, assess, brake, leave, promise, report, vote
from tests.terms import ALWAYS, LABS, VERIFIERS, keeps, level, terms


def _levels(first: dict[str, Any], second: dict[str, Any]) -> list[pb.Level]:
    slow = level("slowdown", FIRST, binds=pb.BINDS_EVERYONE, allowed=None, **first)
    pause = level("pause", SECOND, binds=pb.BINDS_EVERYONE, **second)
    # A slowdown that allows what the pause allows needs no caps here.
    slow.allowed.extend(pause.allowed)
    return [slow, pause]


def votes(*, full: bool) -> Lens:
    """Two levels that bind everybody; three voters, one of them lying; a trigger that is false, unknown or true."""
    clocks = {"wind_down_periods": 1, "ramp_periods": 1, "dormancy_periods": 1}
    first = clocks | {"trigger": alpha_reads(1_000), "resume": alpha_reads(1_000, below=True), "called_by": ""}
    first |= {"mandate_periods": 3, "steady_steps": 1, "lifted_by": "one"}
    second = clocks | {"trigger": alpha_reads(1_000), "resume": alpha_reads(1_000, below=True)}
    second |= {"mandate_periods": 4, "steady_steps": 2}
    made = short_terms(_levels(first, second), age=1)
    inputs = [report(SCOUT, ALPHA, value) for value in (LOW, HIGH)]

    def choices(state: State) -> list[list[Choice]]:
        paused = state.levels[SECOND]
        episode = paused.episode
        honest = (LIFT, episode) if paused.stage in RESTRICTIVE else (CALL, episode + 1)
        # Who lies says everything at once.
        lies = tuple(vote(GAMMA, *_motion(one)) for one in ((LIFT, episode), (CALL, episode + 1)))
        scout = [*one_of(*inputs), (vote(SCOUT, LIFT, FIRST, max(state.levels[FIRST].episode, 1)),)]
        return [
            *(one_of(vote(lab, *_motion(honest))) for lab in (ALPHA, BETA)),
            [(), *([lies] if full else [])],
            scout,
        ]

    return Lens(
        name="votes",
        looks_at="calls, lifts and sunsets of two levels under a trigger of three values",
        agreement=made,
        limits=Limits(reach=9, counters={"age": 3, "held": 0, "ready": 2, "timer": 0, "honored": 0}),
        # Here, and nowhere else, also what happens just after the founding.
        start=lambda world: [world.founded(quiet=0), world.founded()],
        choices=choices,
        darks=(0, 3),
        quiet_darks=True,
        constant=stays(*inputs),
        reachable=reachable(FIRST, SECOND),
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
    return short_terms([level("pause", 1, binds=pb.BINDS_EVERYONE, **pause)], life=life, parties=list(made.parties))


def ballots(*, full: bool) -> Lens:
    """One level, ballots that live for several closings, voters of whom two belong to one group, retracted votes."""

    def choices(state: State) -> list[list[Choice]]:
        found = state.levels[1]
        motion, of = (LIFT, found.episode) if found.stage in RESTRICTIVE else (CALL, found.episode + 1)
        yes, no = vote(GAMMA, motion, 1, of), vote(GAMMA, motion, 1, of, yes=False)
        both: list[Choice] = [(yes, no), (no, yes)] if full else []
        return [one_of(vote(ALPHA, motion, 1, of)), one_of(vote(BETA, motion, 1, of)), [*one_of(yes, no), *both]]

    def start(world: World) -> Iterator[State]:
        founded = world.founded()
        paused = world.step(founded, Act((vote(ALPHA, CALL, 1, 1), vote(BETA, CALL, 1, 1)))).state
        return iter((founded, paused, world.step(paused, Act((vote(ALPHA, LIFT, 1, 1),))).state))

    return Lens(
        name="ballots",
        looks_at="ballots that outlive the closing and the episode they were cast in, and groups that count once",
        agreement=_grouped(3),
        limits=Limits(reach=9, counters={"age": 2, "held": 0, "ready": 1, "timer": 0, "honored": 0}),
        start=start,
        choices=choices,
        reachable=reachable(1),
        begins=("everybody has founded", "the pause was called", "and alpha voted to lift it"),
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
        agreement=_grouped(2),
        limits=Limits(reach=9, counters={"age": 2, "held": 0, "ready": 1, "timer": 0, "honored": 0}),
        start=lambda world: [world.founded()],
        choices=choices,
        darks=(0, 1),
        reachable=reachable(1),
    )


def braking(*, full: bool) -> Lens:
    """One level with a brake that two labs may use, ratified or not, in every phase; and a lab on its way out."""
    clocks = {"wind_down_periods": 0, "ramp_periods": 2, "dormancy_periods": 1, "steady_steps": 1, "mandate_periods": 3}
    stop = pb.BrakeTerms(parties=[ALPHA, BETA], window_periods=2, cap_periods=3, rest_periods=5, ratified_by="council")
    pause = level("pause", 1, binds=pb.BINDS_EVERYONE, trigger=ALWAYS, resume=ALWAYS, brake=stop, **clocks)
    made = short_terms([pause], withdrawal_notice_periods=1)

    def choices(state: State) -> list[list[Choice]]:
        found = state.levels[1]
        ratify = {lab: vote(lab, RATIFY, 1, found.episode + 1) for lab in LABS}
        ask = {lab: vote(lab, *next_motion(state, 1)) for lab in LABS}
        # In the small size two labs call and lift, and the same two ratify.
        second = [brake(BETA, 1), ratify[BETA], ask[BETA]] if full else [ratify[BETA], ask[BETA]]
        return [one_of(brake(ALPHA, 1), ratify[ALPHA], ask[ALPHA]), one_of(*second), one_of(leave(GAMMA))]

    def start(world: World) -> Iterator[State]:
        found: State = world.founded()
        yield found
        for _ in range(2):
            found = world.step(
                found, Act((vote(ALPHA, *next_motion(found, 1)), vote(BETA, *next_motion(found, 1))))
            ).state
            yield found

    return Lens(
        name="brake",
        looks_at="brakes begun, ratified and lapsed, beneath every phase",
        agreement=made,
        limits=Limits(reach=9, counters={"age": 2, "held": 0, "ready": 1, "timer": 0, "honored": 0}),
        start=start,
        choices=choices,
        darks=(0, 2),
        quiet_darks=True,
        begins=("everybody has founded", "the pause is in force", "the pause was lifted"),
    )


# Pledges


def shapes(lab: str) -> dict[str, bytes]:
    """Pledges of a lab, by their words."""
    others = [name for name in LABS if name != lab]
    return {
        "the pause if both others do, else the slowdown": promised(
            clause(FIRST), clause(SECOND, keeps(SECOND, *others))
        ),
        "the pause if one other does": promised(clause(SECOND, keeps(SECOND, *others, k=1))),
        "the pause": promised(clause(SECOND)),
        "the slowdown if one other does, while the indicator is high": promised(
            clause(FIRST, keeps(FIRST, *others, k=1), alpha_reads(1_000))
        ),
    }


def pledges(*, full: bool) -> Lens:
    """Two levels kept by pledge, every mix of pledges of three labs, one of whom changes its mind; dormant calls."""
    clocks = {"wind_down_periods": 0, "ramp_periods": 1, "dormancy_periods": 1, "steady_steps": 1}
    shared: dict[str, Any] = clocks | {"binds": pb.BINDS_BY_PLEDGE, "called_by": "one", "lifted_by": "one"}
    shared |= {"mandate_periods": 2, "trigger": ALWAYS, "resume": ALWAYS}
    both = [level("slowdown", FIRST, **shared), level("pause", SECOND, entry=keeps(SECOND, *LABS, k=2), **shared)]
    made = short_terms(both, pledge_notice_periods=1, age=1)

    # Mixes in which somebody hangs on somebody.
    every = [(0, 1, 1), (3, 0, 1), *([(0, 0, 0), (1, 1, 1), (3, 3, 2)] if full else [])]
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
        return [one_of(*asked, *reads), one_of(*minds[2:3])]

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
        constant=stays(*(report(SCOUT, ALPHA, value) for value in (LOW, HIGH))),
        twins=(more_pledged_never_binds_fewer,),
        begins=begins,
    )


def standing(*, full: bool) -> Lens:
    """Four verifiers, of whom one lies and one is lost for a while; a lab accused; a pause that hangs on it."""
    clocks = {"wind_down_periods": 0, "ramp_periods": 1, "dormancy_periods": 1, "steady_steps": 1}
    shared: dict[str, Any] = clocks | {"binds": pb.BINDS_BY_PLEDGE, "called_by": "one", "lifted_by": "one"}
    # In the small size the pause goes on for longer than anybody looks.
    pause = level("pause", 1, trigger=ALWAYS, resume=ALWAYS, mandate_periods=6 if full else 50, **shared)
    rules = pb.Standing(breached=1, of_last=2, release_notice_periods=2, back_after_periods=2, settle_periods=1)
    made = short_terms([pause], 4, standing=rules, lying_verifiers=1)
    honest, liar, lost = VERIFIERS[:2], VERIFIERS[2], VERIFIERS[3]
    words = (header_pb2.VERDICT_HONORED, header_pb2.VERDICT_BREACHED)

    def start(world: World) -> Iterator[State]:
        mutual = {ALPHA: keeps(1, BETA), BETA: keeps(1, ALPHA), GAMMA: None}
        said = tuple(promise(lab, promised(clause(1, need)), "the pause") for lab, need in mutual.items())
        pledged = world.step(world.founded(), Act(said)).state
        paused = world.step(pledged, Act((vote(SCOUT, CALL, 1, 1),))).state
        yield pledged if full else paused
        breached = tuple(assess(name, ALPHA, words[1]) for name in (*honest, liar))
        yield world.step(paused, Act(breached)).state
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
            "three verifiers have said that alpha breached the pause",
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
    made = short_terms(levels, withdrawal_notice_periods=2, pledge_notice_periods=1)

    def start(world: World) -> Iterator[State]:
        said = tuple(promise(lab, promised(clause(FIRST)), "the pause") for lab in LABS)
        pledged = world.step(world.founded(), Act(said)).state
        yield pledged
        yield world.step(pledged, Act((leave(ALPHA),))).state

    def choices(state: State) -> list[list[Choice]]:
        mind = promise(ALPHA, promised(), "nothing any more")
        asked = {lab: [vote(lab, *next_motion(state, rank)) for rank in made.levels] for lab in LABS}
        parting: list[Choice] = [(mind, leave(ALPHA)), *([(mind,)] if full else [])]
        return [
            [*one_of(*asked[ALPHA], leave(ALPHA)), *parting],
            one_of(*asked[BETA]),
            one_of(leave(GAMMA)),
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
        begins=("all pledge the pause", "and alpha gave notice"),
    )


LENSES: Final[dict[str, Callable[..., Lens]]] = {
    "votes": votes,
    "ballots": ballots,
    "renewals": renewals,
    "brake": braking,
    "pledges": pledges,
    "standing": standing,
    "leaving": leaving,
    "amending": amending,
    "admitting": admitting,
    "exempting": exempting,
    "suspending": suspending,
    "releasing": releasing,
    "dormant": dormant,
    "rounds": rounds,
    "whole": whole,
}
"""By name; each is made small, or full."""
