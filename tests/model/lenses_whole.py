"""The lens on all of it at once: two levels, a lab that lies as it likes, a verifier that may be lost at any moment."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations
from typing import Any, Final

from protocol.agreement import Agreement
from protocol.state import Membership, Stage, Standing, State
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import header_pb2
from tests.model.lens import Choice, Lens
from tests.model.normal import Limits
from tests.model.parts import (
    ALPHA,
    BETA,
    CALL,
    FIRST,
    GAMMA,
    LIFT,
    SECOND,
    clause,
    next_motion,
    promised,
    short_terms,
)
from tests.model.world import Act, World, assess, leave, promise, vote
from tests.terms import ALWAYS, VERIFIERS, keeps, level, restrictive

VERA: Final = VERIFIERS[0]
_MINDS: Final = {"the slowdown": promised(clause(FIRST)), "nothing": promised()}


def _terms() -> Agreement:
    """A slowdown that waits for pledges, and a pause that binds everybody and is suspended where somebody breaches."""
    clocks = {"wind_down_periods": 0, "ramp_periods": 1, "dormancy_periods": 1, "steady_steps": 1, "mandate_periods": 2}
    shared: dict[str, Any] = clocks | {"resume": ALWAYS}
    slow = level("slowdown", FIRST, trigger=ALWAYS, entry=keeps(FIRST, ALPHA, GAMMA), **shared)
    pause = level("pause", SECOND, trigger=restrictive(FIRST), binds=pb.BINDS_EVERYONE, snap_back=True, **shared)
    standing = pb.Standing(breached=1, of_last=1, release_notice_periods=1, back_after_periods=1, settle_periods=1)
    return short_terms([slow, pause], standing=standing, age=1, pledge_notice_periods=0, withdrawal_notice_periods=1)


def _honest(state: State) -> list[Choice]:
    """Alpha and beta are alike: one of them alone, or both, on either level."""
    motions = [next_motion(state, rank) for rank in (FIRST, SECOND)]
    together = [tuple(vote(lab, *motion) for lab in (ALPHA, BETA)) for motion in motions]
    return [(), *together, tuple(vote(ALPHA, *motion) for motion in motions)]


def _lies(state: State) -> Iterator[Choice]:
    """Every combination of what gamma may say, in one closing: votes both ways, another pledge, its notice."""
    ballots: list[Any] = []
    for rank in (FIRST, SECOND):
        asked = next_motion(state, rank)
        episode = state.levels[rank].episode
        other = (CALL, rank, episode + 1) if asked[0] == LIFT else (LIFT, rank, max(episode, 1))
        ballots += [vote(GAMMA, *asked, yes=False), vote(GAMMA, *other), vote(GAMMA, *asked)]
    words = "nothing" if state.pledges[GAMMA].current == _MINDS["the slowdown"] else "the slowdown"
    every: list[Choice] = [tuple(ballots), (promise(GAMMA, _MINDS[words], words),), (leave(GAMMA),)]
    membership = state.parties[GAMMA].membership
    if membership is Membership.OUT:
        # Whatever it says is refused.
        return iter([(), tuple(chain(*every))])
    if membership is Membership.NOTICE:
        every.pop()
    sizes = range(len(every) + 1)
    return (tuple(chain(*some)) for size in sizes for some in combinations(every, size))


def _verdicts(state: State) -> list[Choice]:
    """What vera says of gamma where it can matter: a breach while it has a duty, honored while it is out; or nothing.

    Nothing is also what a verifier says that is lost.
    """
    standing = state.conduct[GAMMA].standing
    duty = any(GAMMA in found.binds for found in state.levels.values())
    gone = state.parties[GAMMA].membership is Membership.OUT
    words = {Standing.OUT: [header_pb2.VERDICT_HONORED], Standing.RELIED: [header_pb2.VERDICT_BREACHED] * duty}
    return [(), *((assess(VERA, GAMMA, word),) for word in words.get(standing, ()) if not gone)]


def whole(*, full: bool) -> Lens:
    """Three labs, two levels that are called, wind down, hold, end and are called again, and all that may go wrong."""
    del full  # There is one size: what it shows is that it ends.
    made = _terms()

    def start(world: World) -> Iterator[State]:
        said = (
            promise(ALPHA, promised(clause(FIRST, keeps(FIRST, GAMMA))), "the slowdown if gamma does"),
            promise(BETA, _MINDS["the slowdown"], "the slowdown"),
            promise(GAMMA, _MINDS["the slowdown"], "the slowdown"),
        )
        yield world.step(world.step(world.founded(), Act(said)).state, Act()).state

    def choices(state: State) -> list[list[Choice]]:
        return [_honest(state), list(_lies(state)), _verdicts(state)]

    return Lens(
        name="whole",
        looks_at="two levels called, lifted and over, again and again, with a lab that lies and a verifier lost",
        agreement=made,
        limits=Limits(
            reach=4, back=2, counters={"age": 2, "held": 0, "ready": 1, "timer": 1, "honored": 1, "losses": 1}
        ),
        start=start,
        choices=choices,
        darks=(0, 1),
        quiet_darks=True,
        # Once gamma has left, the slowdown waits for it for ever; opening is always within reach.
        reachable=((FIRST, Stage.OPEN), (SECOND, Stage.OPEN)),
        begins=("alpha keeps the slowdown if gamma does, beta and gamma keep it",),
    )
