"""The fold: leaving, and changing one's pledge."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import wire
from protocol.errors import Reason
from protocol.fold.work import Outcome
from protocol.state import Membership, Stage
from standstill.v1 import decision_pb2
from tests.builders import (
    LABS,
    PAUSE,
    World,
    agreement,
    ballot,
    clause,
    indicator_report,
    level,
    pledge,
    restrictive,
    seed,
    withdrawal,
)

CALL, LIFT = decision_pb2.MOTION_CALL, decision_pb2.MOTION_LIFT
TERMS = agreement()


def _reasons(outcome: Outcome) -> dict[tuple[str, int], Reason]:
    return {place: refused.reason for place, refused in outcome.refusals.items()}


def _membership(world: World, name: str) -> Membership:
    return world.state.parties[name].membership


def test_lets_only_the_root_leave() -> None:
    world = World(TERMS).found()
    alpha = world["alpha"]
    alpha.append(alpha.write(alpha.draft(withdrawal()), [seed("alpha", "statement 1")]))
    world.close()
    assert _membership(world, "alpha") is Membership.IN
    alpha.say(withdrawal())
    world.close()
    assert _membership(world, "alpha") is Membership.NOTICE


def test_leaves_after_the_notice() -> None:
    world = World(TERMS).found()
    world["alpha"].say(withdrawal())
    world.close()
    found = []
    for _ in range(3):
        world.close()
        found.append(_membership(world, "alpha"))
    assert found == [Membership.NOTICE, Membership.NOTICE, Membership.OUT]
    world["alpha"].say(ballot())
    assert list(_reasons(world.close()).values()) == [Reason.NO_AUTHORITY]


def test_a_second_notice_does_not_begin_anew() -> None:
    world = World(TERMS).found()
    world["alpha"].say(withdrawal())
    world.close()
    world["alpha"].say(withdrawal())
    world.close_until(4)
    assert _membership(world, "alpha") is Membership.OUT


def test_leaves_only_while_every_level_is_open() -> None:
    world = World(agreement(levels=[level("slowdown", 1), level("pause", PAUSE)])).found()
    for lab in LABS:
        world[lab].say(indicator_report(lab, 5_000))
        world[lab].say(pledge(clause(PAUSE, restrictive(PAUSE))))
    world["gamma"].say(withdrawal())
    world.vote(CALL, ("beta", "gamma"))
    world.close()
    memberships = []
    while world.state.levels[PAUSE].stage is not Stage.OPEN:
        world.close()
        memberships.append(_membership(world, "gamma"))
    # Withdrawal shortens nothing: bound to the end, out in the step after.
    assert set(memberships) == {Membership.NOTICE}
    assert len(memberships) > 3
    world.close()
    assert _membership(world, "gamma") is Membership.OUT
    assert world.state.pledges["gamma"].kept == 0


def test_in_notice_may_tighten_and_not_relax() -> None:
    world = World(TERMS).found()
    world["alpha"].say(withdrawal())
    world.close()
    world["alpha"].say(ballot())
    world["alpha"].say(ballot(LIFT))
    outcome = world.close()
    assert list(_reasons(outcome).values()) == [Reason.NO_AUTHORITY]
    assert list(outcome.state.ballots) == [f"alpha|{CALL}|{PAUSE}"]


def test_runs_a_replaced_pledge_for_its_notice() -> None:
    world = World(TERMS).found()
    world["alpha"].say(pledge(clause(1)))
    world.close()
    assert world.state.pledges["alpha"].kept == 0
    world.close()
    assert world.state.pledges["alpha"].kept == 1
    world["alpha"].say(pledge(clause(PAUSE, restrictive(PAUSE))))
    world.close()
    # The old one is unconditional and binds: it runs on after its notice as long as it does.
    for _ in range(5):
        world.close()
        assert world.state.pledges["alpha"].kept == 1
    assert world.state.pledges["alpha"].older


def test_ends_a_replaced_pledge_that_does_not_bind_with_its_notice() -> None:
    world = World(TERMS).found()
    world["alpha"].say(pledge())
    world.close()
    world["alpha"].say(pledge(clause(1, restrictive(PAUSE))))
    world.close()
    running = []
    for _ in range(4):
        world.close()
        running.append(bool(world.state.pledges["alpha"].older))
    assert running == [True, True, False, False]


def test_a_pledge_made_in_the_notice_replaces_none() -> None:
    notices = {"withdrawal_notice_periods": 6, "pledge_notice_periods": 1}
    world = World(agreement(levels=[level("slowdown", 1), level("pause", PAUSE)], **notices)).found()
    for lab in LABS:
        world[lab].say(indicator_report(lab, 5_000))
        world[lab].say(pledge(clause(PAUSE, restrictive(PAUSE))))
    world.close()
    world["gamma"].say(withdrawal())
    world.close()
    world["gamma"].say(pledge(clause(1)))
    world.close_until(6)
    # Long after the notice of pledges, a call binds it by what it had pledged.
    world.vote(CALL, ("alpha", "beta"))
    for lab in LABS:
        world[lab].say(indicator_report(lab, 5_000))
    world.close_until(8)
    assert _membership(world, "gamma") is Membership.NOTICE
    assert world.state.pledges["gamma"].kept == PAUSE


@pytest.mark.parametrize("left", [0, 1], ids=["no brake", "a brake"])
def test_nobody_leaves_while_a_brake_runs(left: int) -> None:
    world = World(TERMS).found()
    world["alpha"].say(withdrawal())
    world.close_until(3)
    levels = {**world.state.levels, PAUSE: replace(world.state.levels[PAUSE], brake_left=left)}
    world.state = replace(world.state, levels=levels)
    world.close()
    assert _membership(world, "alpha") is (Membership.NOTICE if left else Membership.OUT)


def test_refuses_to_replace_a_pledge_twice_within_its_notice() -> None:
    world = World(TERMS).found()
    hollow = pledge(clause(1, restrictive(PAUSE)))
    world["alpha"].say(pledge())
    world.close()
    world["alpha"].say(hollow)
    world.close()
    world["alpha"].say(hollow)
    assert list(_reasons(world.close()).values()) == [Reason.PLEDGE_STILL_RUNS]
    assert world.state.pledges["alpha"].older == wire.encode(pledge())
    world.close_until(5)
    world["alpha"].say(hollow)
    assert _reasons(world.close()) == {}


def test_keeps_the_pledge_in_force_when_two_new_ones_stand_in_one_record() -> None:
    world = World(TERMS).found()
    world["alpha"].say(pledge())
    world.close()
    world["alpha"].say(pledge(clause(1)))
    world["alpha"].say(pledge(clause(2)))
    world.close()
    held = world.state.pledges["alpha"]
    assert (held.current, held.older) == (wire.encode(pledge(clause(2))), wire.encode(pledge()))


@given(st.lists(st.sets(st.sampled_from(["call", "lift", "report", "pledge"])), min_size=6, max_size=12))
@settings(max_examples=30)
def test_withdrawal_shortens_nothing(history: list[set[str]]) -> None:
    leaving, staying = (World(TERMS).found() for _ in range(2))
    leaving["gamma"].say(withdrawal())
    for world in (leaving, staying):
        for lab in LABS:
            world[lab].say(pledge(clause(PAUSE, restrictive(PAUSE))))
        world.close()
    for actions in history:
        for world in (leaving, staying):
            _act(world, actions)
            world.close()
        if _membership(leaving, "gamma") is Membership.OUT:
            return
        assert leaving.state.levels == staying.state.levels
        kept = [[world.state.pledges[lab].kept for lab in LABS] for world in (leaving, staying)]
        # A pledge that gamma makes while it leaves may add to its duty, never take from it.
        assert kept[0][:2] == kept[1][:2]
        assert kept[0][2] >= kept[1][2]


def _act(world: World, actions: set[str]) -> None:
    """What the others do, and gamma by its pledge."""
    if "report" in actions:
        for lab in LABS:
            world[lab].say(indicator_report(lab, 5_000))
    if "call" in actions:
        world.vote(CALL, ("alpha", "beta"))
    if "lift" in actions:
        world.vote(LIFT, ("alpha", "beta"))
    if "pledge" in actions:
        world["gamma"].say(pledge(clause(PAUSE, restrictive(PAUSE))))
