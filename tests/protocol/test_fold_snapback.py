"""The fold: a level whose terms say so is suspended by the loss of a lab, and comes back with it (annex 5.1, 5.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from protocol.duty import duty
from protocol.state import Binding, Stage, Standing
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import decision_pb2, header_pb2
from tests.bodies import brake
from tests.builders import (
    ALWAYS,
    LABS,
    NEVER,
    PAUSE,
    World,
    agreement,
    attestation,
    ballot,
    change,
    level,
    pledge,
    terms,
)
from tests.terms import brake_terms

CALL, LIFT, RENEW = decision_pb2.MOTION_CALL, decision_pb2.MOTION_LIFT, decision_pb2.MOTION_RENEW
HOLD = decision_pb2.MOTION_HOLD


def _world(standing: Mapping[str, Any] | None = None, **changes: Any) -> World:
    """A pause with snap-back in force since closing 1, that binds everyone."""
    wanted = {"binds": pb.BINDS_EVERYONE, "trigger": ALWAYS, "snap_back": True, "wind_down_periods": 0} | changes
    levels = [level("slowdown", 1), level("pause", PAUSE, **wanted)]
    made = agreement(levels=levels, standing=change(terms().standing, **(standing or {})))
    world = World(made).found()
    world.vote(CALL)
    world.close()
    world.close()
    assert _stage(world) is Stage.IN_FORCE
    return world


def _stands(world: World, lab: str, standing: Standing, out_since: int | None = None) -> None:
    """A lab whose standing changed with the last closing, or at another period."""
    conduct, pledges = dict(world.state.conduct), dict(world.state.pledges)
    out = standing is Standing.OUT
    since = (world.state.period if out_since is None else out_since) if out else None
    conduct[lab] = replace(conduct[lab], standing=standing, timer=0, out_since=since, losses=int(out), by_silence=out)
    pledges[lab] = replace(pledges[lab], floor=pledges[lab].kept if out else 0)
    world.state = replace(world.state, conduct=conduct, pledges=pledges)


def _stage(world: World) -> Stage:
    return world.state.levels[PAUSE].stage


@pytest.mark.parametrize("snap_back", [True, False])
def test_is_suspended_by_the_loss_of_a_lab_only_where_that_is_agreed(snap_back: bool) -> None:
    world = _world(snap_back=snap_back)
    _stands(world, "beta", Standing.OUT)
    outcome = world.close()
    assert _stage(world) is (Stage.SUSPENDED if snap_back else Stage.IN_FORCE)
    assert world.state.levels[PAUSE].suspended_by == (("beta",) if snap_back else ())
    if snap_back:
        (moved,) = outcome.transitions
        assert moved.row == ("snap",)
        assert any("beta lost its standing" in line for line in moved.why.lines())


def test_who_caused_it_stays_bound_and_the_others_are_on_the_ramp() -> None:
    world = _world()
    _stands(world, "beta", Standing.OUT)
    world.close()
    # Recorded by closing 3, it governs from period 5; the ramp takes two.
    assert world.state.levels[PAUSE].binds == {
        "alpha": Binding(since=3, until=7),
        "beta": Binding(since=3),
        "gamma": Binding(since=3, until=7),
    }
    world.close_until(6)
    assert list(world.state.levels[PAUSE].binds) == ["beta"]
    assert duty(world.agreement, world.state, "beta", 9).level == PAUSE
    assert duty(world.agreement, world.state, "alpha", 9).level == 0


def test_by_pledge_the_floor_binds_who_caused_it() -> None:
    world = World(
        agreement(levels=[level("slowdown", 1), level("pause", PAUSE, trigger=ALWAYS, snap_back=True)])
    ).found()
    for lab in LABS:
        world[lab].say(pledge())
    world.close()
    world.vote(CALL)
    world.close()
    world.close()
    _stands(world, "beta", Standing.OUT)
    world.close()
    found = world.state.levels[PAUSE]
    assert found.stage is Stage.SUSPENDED
    assert {lab: one.until is None for lab, one in found.binds.items()} == {
        "alpha": False,
        "beta": True,
        "gamma": False,
    }


@pytest.mark.parametrize(("lab", "stage"), [("gamma", Stage.IN_FORCE), ("beta", Stage.SUSPENDED)])
def test_whom_only_a_brake_binds_suspends_nothing(lab: str, stage: Stage) -> None:
    pause = level("pause", PAUSE, trigger=ALWAYS, snap_back=True, brake=brake_terms())
    world = World(agreement(levels=[level("slowdown", 1), pause])).found()
    for one in LABS[:2]:
        world[one].say(pledge())
    world.close()
    world.vote(CALL)
    world.close()
    world["gamma"].say(brake())
    world.close()
    assert sorted(world.state.levels[PAUSE].binds) == list(LABS)
    _stands(world, lab, Standing.OUT)
    world.close()
    assert _stage(world) is stage


@pytest.mark.parametrize("standing", [Standing.RELIED, Standing.ACCUSED])
def test_is_not_suspended_before_the_notice_is_over(standing: Standing) -> None:
    world = _world()
    _stands(world, "beta", standing)
    world.close()
    assert _stage(world) is Stage.IN_FORCE


@pytest.mark.parametrize(("out_since", "stage"), [(1, Stage.IN_FORCE), (2, Stage.SUSPENDED)])
def test_a_loss_before_this_episode_suspends_nothing(out_since: int, stage: Stage) -> None:
    world = _world()
    # Called by closing 1: who was out then was not relied on when it began.
    assert world.state.levels[PAUSE].start == 3
    _stands(world, "beta", Standing.OUT, out_since)
    world.close()
    assert _stage(world) is stage


def test_comes_back_in_the_same_episode_to_the_same_end_when_all_are_relied_on_again() -> None:
    world = _world(ramp_periods=4)
    for lab in LABS[:2]:
        _stands(world, lab, Standing.OUT)
    world.close()
    end = world.state.levels[PAUSE].end
    assert world.state.levels[PAUSE].suspended_by == ("alpha", "beta")
    _stands(world, "alpha", Standing.RELIED)
    world.close()
    assert _stage(world) is Stage.SUSPENDED
    _stands(world, "beta", Standing.RELIED)
    (moved,) = world.close().transitions
    assert moved.row == ("cured",)
    found = world.state.levels[PAUSE]
    assert (found.stage, found.episode, found.end, found.start) == (Stage.WINDING, 1, end, 7)
    # Gamma was on its ramp: it is wound down already.
    assert found.binds == dict.fromkeys(LABS, Binding(since=3))


def test_a_cured_level_is_suspended_again_only_by_another_loss() -> None:
    world = _world()
    _stands(world, "beta", Standing.OUT)
    world.close()
    _stands(world, "beta", Standing.RELIED)
    world.close()
    assert _stage(world) is Stage.WINDING
    _stands(world, "beta", Standing.OUT, out_since=2)
    world.close()
    assert _stage(world) is Stage.IN_FORCE
    _stands(world, "beta", Standing.OUT)
    world.close()
    assert _stage(world) is Stage.SUSPENDED


def test_a_suspended_level_ends_with_its_mandate_and_its_cause_is_then_on_the_ramp() -> None:
    world = _world(mandate_periods=6)
    _stands(world, "beta", Standing.OUT)
    world.close()
    end = world.state.levels[PAUSE].end
    assert end == 9
    # In the dark it ends by the calendar all the same: nobody is bound without an end.
    assert [duty(world.agreement, world.state, "beta", period).level for period in (10, 11)] == [PAUSE, 0]
    world.close_until(6)
    assert _stage(world) is Stage.SUSPENDED
    (moved,) = world.close().transitions
    assert (moved.row, moved.after) == (("expired",), Stage.OPEN)
    assert world.state.levels[PAUSE].binds == {"beta": Binding(since=3, until=11)}


def test_a_suspended_level_is_lifted_by_the_same_votes_as_before() -> None:
    world = _world(resume=ALWAYS, steady_steps=2)
    _stands(world, "beta", Standing.OUT)
    world.close()
    world.vote(LIFT)
    world.close()
    assert (_stage(world), world.state.levels[PAUSE].ready) == (Stage.SUSPENDED, 1)
    world.close()
    assert _stage(world) is Stage.OPEN


def test_a_suspended_level_can_be_called_again_and_not_renewed() -> None:
    world = _world(resume=NEVER)
    _stands(world, "beta", Standing.OUT)
    world.close()
    said = world["alpha"].say(ballot(RENEW))
    assert (said.origin, said.index) in world.close().refusals
    world.vote(CALL)
    world.close()
    assert (_stage(world), world.state.levels[PAUSE].episode) == (Stage.WINDING, 2)
    assert world.state.levels[PAUSE].suspended_by == ()
    # Beta lost its standing before this episode.
    world.close()
    assert _stage(world) is Stage.IN_FORCE


def _go_on(world: World, verdict: header_pb2.Verdict.ValueType) -> None:
    """Close one period in which all attest the last one, and the verifier says so of beta, and honored of others."""
    period = world.state.period or 0
    for lab in LABS:
        world[lab].say(attestation(world.agreement, period))
        world.assess(lab, period - 1, verdict if lab == "beta" else header_pb2.VERDICT_HONORED)
    world.close()


def test_a_breach_suspends_after_its_notice_and_honored_periods_bring_the_level_back() -> None:
    world = _world(mandate_periods=60)
    seen: list[tuple[Standing, Stage]] = []
    for verdict in [header_pb2.VERDICT_BREACHED] * 8 + [header_pb2.VERDICT_HONORED] * 8:
        _go_on(world, verdict)
        seen.append((world.state.conduct["beta"].standing, _stage(world)))
    standings, stages = zip(*seen, strict=True)
    accused, out = standings.index(Standing.ACCUSED), standings.index(Standing.OUT)
    assert out - accused == 3
    assert stages[:out] == (Stage.IN_FORCE,) * out
    back = out + standings[out:].index(Standing.RELIED)
    assert stages[out:back] == (Stage.SUSPENDED,) * (back - out)
    assert stages[back] is Stage.WINDING
    assert world.state.levels[PAUSE].episode == 1


def test_who_is_held_by_a_vote_suspends_nothing() -> None:
    for held in (False, True):
        world = _world(mandate_periods=60, standing={"hold_rule": "council"})
        while world.state.conduct["beta"].standing is not Standing.ACCUSED:
            _go_on(world, header_pb2.VERDICT_BREACHED)
        for lab in ("alpha", "gamma") if held else ("alpha", "beta"):
            # The vote of the group whose lab it is does not count.
            world[lab].say(ballot(HOLD, 0, 1, about="beta"))
        for _ in range(3):
            _go_on(world, header_pb2.VERDICT_HONORED)
        assert _stage(world) is (Stage.IN_FORCE if held else Stage.SUSPENDED)
