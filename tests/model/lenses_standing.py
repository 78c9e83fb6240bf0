"""Lenses on what a lost standing does to others: a restriction that snaps back, holds, and releases by vote."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from protocol.state import Standing, State
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import decision_pb2, header_pb2
from tests.model.lens import Choice, Lens, one_of
from tests.model.normal import Limits
from tests.model.parts import (
    ALPHA,
    BETA,
    CALL,
    FIRST,
    GAMMA,
    SCOUT,
    clause,
    next_motion,
    promised,
    reachable,
    short_terms,
)
from tests.model.twins import a_refused_statement_changes_nothing
from tests.model.world import Act, World, assess, promise, vote
from tests.terms import ALWAYS, LABS, VERIFIERS, keeps, level

HOLD, RELEASE = decision_pb2.MOTION_HOLD, decision_pb2.MOTION_RELEASE
VERA: Final = VERIFIERS[0]


# Snap-back


def suspending(*, full: bool) -> Lens:
    """A level that others leave when one loses its standing, unless they hold it; findings that are taken back."""
    clocks = {"wind_down_periods": 0, "ramp_periods": 1, "dormancy_periods": 1, "steady_steps": 1}
    shared: dict[str, Any] = clocks | {"trigger": ALWAYS, "resume": ALWAYS, "snap_back": True, "mandate_periods": 8}
    levels = [level("pause", FIRST, binds=pb.BINDS_EVERYONE, **shared)]
    standing = pb.Standing(
        breached=1, of_last=1, release_notice_periods=2, back_after_periods=1, settle_periods=1, hold_rule="council"
    )
    made = short_terms(levels, standing=standing)
    breached, honored = header_pb2.VERDICT_BREACHED, header_pb2.VERDICT_HONORED

    def choices(state: State) -> list[list[Choice]]:
        found = state.conduct[ALPHA]
        verdicts = [assess(VERA, ALPHA, word) for word in (breached, honored)]
        # Taken back: the period that accused alpha, as long as anybody looks at it.
        back = [
            assess(VERA, ALPHA, honored, ago, 2) for ago in {(state.period or 0) - period for period in found.cause}
        ]
        asked = {lab: vote(lab, *next_motion(state, FIRST)) for lab in LABS}
        # Who is not accused cannot be held.
        holds = found.standing is Standing.ACCUSED or full
        hold = {lab: vote(lab, HOLD, 0, max(found.accusations, 1), about=ALPHA) for lab in LABS}
        return [
            one_of(*verdicts, *back),
            one_of(*([hold[ALPHA]] if holds else [])),
            [(), (asked[BETA], *([hold[BETA]] if holds else []))],
            [(), (asked[GAMMA], *([hold[GAMMA]] if holds else []))],
        ]

    def start(world: World) -> Iterator[State]:
        founded = world.founded()
        paused = world.step(founded, Act((vote(BETA, CALL, FIRST, 1), vote(GAMMA, CALL, FIRST, 1)))).state
        # The first period of which there are verdicts is the one that the agreement in force governs first.
        found = world.step(world.step(paused, Act()).state, Act((assess(VERA, ALPHA, breached),))).state
        for _ in range(3):
            found = world.step(found, Act()).state
        calls = (vote(lab, *next_motion(found, FIRST)) for lab in (BETA, GAMMA))
        again = world.step(found, Act(tuple(calls))).state
        return iter((founded, found, again, world.step(found, Act((assess(VERA, ALPHA, honored),))).state))

    return Lens(
        name="suspending",
        looks_at="a restriction that snaps back when a lab loses its standing, holds, and findings taken back",
        agreement=made,
        limits=Limits(reach=9, counters={"age": 1, "held": 0, "ready": 1, "timer": 3, "honored": 2, "losses": 2}),
        start=start,
        choices=choices,
        darks=(0, 2) if full else (0,),
        quiet_darks=True,
        reachable=reachable(FIRST),
        twins=(a_refused_statement_changes_nothing,),
        begins=(
            "everybody has founded",
            "alpha breached the pause, and its notice is over",
            "the same, and the pause was called again",
            "the same, and alpha was honored once since",
        ),
    )


# Release by vote


def releasing(*, full: bool) -> Lens:
    """A lab that breaches and is let off, held, or released from by a vote of the others; two who rely on it."""
    clocks = {"wind_down_periods": 0, "ramp_periods": 1, "dormancy_periods": 1, "steady_steps": 1, "mandate_periods": 3}
    standing = pb.Standing(
        breached=1,
        of_last=1,
        release_notice_periods=2,
        back_after_periods=1,
        settle_periods=1,
        release=pb.RELEASE_ON_VOTE,
        release_rule="council",
        hold_rule="council",
    )
    pause = level("pause", FIRST, trigger=ALWAYS, resume=ALWAYS, called_by="one", lifted_by="one", **clocks)
    made = short_terms([pause], standing=standing)
    breached, honored = header_pb2.VERDICT_BREACHED, header_pb2.VERDICT_HONORED

    def start(world: World) -> Iterator[State]:
        relies = promise(BETA, promised(clause(FIRST, keeps(FIRST, ALPHA))), "the pause if alpha does")
        said = (promise(ALPHA, promised(clause(FIRST)), "the pause"), relies)
        pledged = world.step(world.founded(), Act(said)).state
        yield pledged
        yield world.step(pledged, Act((vote(SCOUT, CALL, FIRST, 1),))).state

    def choices(state: State) -> list[list[Choice]]:
        found = state.conduct[ALPHA]
        verdicts = [assess(VERA, ALPHA, word) for word in (breached, honored)]
        accusation = max(found.accusations, 1)
        release = {lab: vote(lab, RELEASE, 0, accusation, about=ALPHA) for lab in LABS}
        hold = {lab: vote(lab, HOLD, 0, accusation, about=ALPHA) for lab in LABS}
        asked = vote(SCOUT, *next_motion(state, FIRST))
        # Alpha has no vote on itself, and nobody has one while it is not accused.
        accused = found.standing is Standing.ACCUSED
        others: list[list[Choice]] = [one_of(release[lab], hold[lab]) if accused else [()] for lab in (BETA, GAMMA)]
        settles = verdicts if full else verdicts[1:] if found.standing is Standing.OUT else verdicts[:1]
        return [
            one_of(*settles),
            one_of(release[ALPHA], *([hold[ALPHA]] if full else [])),
            *others,
            one_of(asked),
        ]

    return Lens(
        name="releasing",
        looks_at="a lab from which the others are released by their vote only, and one that holds it",
        agreement=made,
        limits=Limits(reach=9, counters={"age": 1, "held": 0, "ready": 1, "timer": 2, "honored": 2, "losses": 2}),
        start=start,
        choices=choices,
        darks=(0, 2) if full else (0,),
        quiet_darks=True,
        reachable=reachable(FIRST),
        twins=(a_refused_statement_changes_nothing,),
        begins=("alpha keeps the pause, beta does if alpha does", "and the pause is called"),
    )
