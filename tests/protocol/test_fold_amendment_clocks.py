"""The fold: no amendment moves a clock that runs, or ends a limit before what it limits is over (annex 3.5, 4)."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from protocol.amendments import problem
from protocol.duty import duty
from protocol.errors import Reason
from protocol.in_force import in_force
from protocol.state import Stage, Standing
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import condition_pb2, decision_pb2, header_pb2
from standstill.v1 import quantity_pb2 as q
from tests.bodies import brake
from tests.builders import ALWAYS, LABS, PAUSE, World, clause, elapsed, pledge, reading
from tests.protocol.changing import amend, changeable, newcomer, now, text
from tests.terms import brake_terms, change, level, terms

Condition = condition_pb2.Condition
CALL, LIFT = decision_pb2.MOTION_CALL, decision_pb2.MOTION_LIFT
FREE = [label for label in q.Label.values() if label != q.LABEL_UNSPECIFIED]


def _steps(*steps: tuple[int, int]) -> list[pb.RampStep]:
    return [pb.RampStep(after_periods=after, share_ppm=share) for after, share in steps]


def _pause(**changes: Any) -> dict[str, Any]:
    """Terms whose pause binds everyone as soon as two vote for it."""
    wanted = {"binds": pb.BINDS_EVERYONE, "trigger": ALWAYS, "resume": ALWAYS, "mandate_periods": 60} | changes
    return {"levels": [terms().levels[0], level("pause", PAUSE, **wanted)], "baseline_periods": 4}


def _stage(world: World) -> Stage:
    return world.state.levels[PAUSE].stage


def _called(**changes: Any) -> World:
    world = changeable(**_pause(**changes))
    world.vote(CALL)
    world.close_until(6)
    assert _stage(world) is Stage.IN_FORCE
    return world


def _amend(world: World, data: bytes) -> None:
    """Amend, in two closings."""
    amend(world, data)
    assert world.state.terms == sha256(data).digest()


def _beta(world: World) -> tuple[int, int]:
    """The level that beta must keep in the period that the newest state governs first, and the share that is open."""
    found = duty(world.agreement, world.state, "beta", (world.state.period or 0) + 2)
    return found.level, found.ramp_ppm


SHORT = {"ramp_periods": 4, "ramp": _steps((0, 100_000), (2, 500_000), (4, 1_000_000))}


@pytest.mark.parametrize(
    ("longer", "expected"),
    [
        ({"ramp_periods": 9, "ramp": _steps((0, 100_000), (3, 400_000), (9, 1_000_000))}, [100_000] + [400_000] * 6),
        ({"ramp_periods": 9, "ramp": []}, [0] * 7),
        ({"ramp_periods": 1, "ramp": _steps((0, 900_000), (1, 1_000_000))}, [500_000] * 2),
    ],
    ids=["longer", "longer without shares", "shorter"],
)
def test_nobody_jumps_ahead_on_a_ramp_whose_terms_change(longer: dict[str, Any], expected: list[int]) -> None:
    world = _called(**SHORT)
    world.vote(LIFT)
    while _stage(world) is not Stage.RAMPING:
        world.close()
    assert _beta(world) == (PAUSE, 100_000)
    _amend(world, text(**_pause(**longer)))
    shares = []
    while _beta(world)[0]:
        shares.append(_beta(world)[1])
        world.close()
    # Two periods of the way are behind beta; of the rest it has at every moment the lower share.
    assert shares == expected


def test_the_level_itself_is_not_open_before_the_longer_ramp_is_over() -> None:
    world = _called(**SHORT)
    world.vote(LIFT)
    while _stage(world) is not Stage.RAMPING:
        world.close()
    _amend(world, text(**_pause(ramp_periods=9)))
    left = 0
    while _stage(world) is Stage.RAMPING:
        left += 1
        world.close()
    assert left == 9 - 2
    assert _beta(world) == (0, 0)


def _duties(world: World, closings: int) -> set[int]:
    found = set()
    for _ in range(closings):
        world.close()
        found.add(_beta(world)[0])
    return found


def test_whoever_is_wound_down_stays_so_however_often_the_wind_down_is_amended() -> None:
    world = _called(wind_down_periods=1)
    world["beta"].say(pledge(clause(PAUSE)))
    for longer in (8, 5, 1, 8):
        _amend(world, text(**_pause(wind_down_periods=longer)))
        assert _beta(world) == (PAUSE, 0)
        assert _duties(world, 2) == {PAUSE}


def test_who_winds_down_has_the_time_that_it_was_given() -> None:
    world = changeable(**_pause(wind_down_periods=6))
    world.vote(CALL)
    world.close()
    start = world.state.levels[PAUSE].start
    assert start is not None
    _amend(world, text(**_pause(wind_down_periods=1)))
    first = next(
        period for period in range(start, 20) if duty(world.agreement, world.state, "beta", period).level == PAUSE
    )
    assert first == start + 6


@pytest.mark.parametrize("wind_down", [9, 1], ids=["longer", "shorter"])
def test_a_pledge_that_binds_without_a_call_binds_on_whatever_becomes_of_the_wind_down(wind_down: int) -> None:
    by_pledge = {"binds": pb.BINDS_BY_PLEDGE}
    world = changeable(**_pause(**by_pledge, wind_down_periods=3))
    world["beta"].say(pledge(clause(PAUSE)))
    world.close_until(8)
    assert _stage(world) is Stage.OPEN
    assert _beta(world) == (PAUSE, 0)
    _amend(world, text(**_pause(**by_pledge, wind_down_periods=wind_down)))
    assert _beta(world) == (PAUSE, 0)
    assert _duties(world, 3) == {PAUSE}


def _loose(**changes: Any) -> bytes:
    """Terms under which nothing is forbidden."""
    made = _pause(**changes)
    return text(**made | {"levels": [change(one, allowed=FREE, caps=None) for one in made["levels"]]})


def _limits(world: World) -> set[int]:
    return set(in_force(world.agreement, world.state).levels[PAUSE].allowed)


def test_a_brake_that_runs_keeps_its_limits_and_so_does_the_ramp_after_it() -> None:
    stop = {"trigger": terms().levels[1].trigger, "brake": brake_terms(), "ramp_periods": 5}
    world = changeable(**_pause(**stop))
    strict = _limits(world)
    world["alpha"].say(brake())
    world.close()
    _amend(world, _loose(**stop))
    seen = []
    while _beta(world) != (0, 0):
        seen.append((world.state.levels[PAUSE].brake_left > 0, _limits(world) == strict))
        world.close()
    # While the brake runs and while anyone is on the ramp after it; the level is open all along.
    assert set(seen) == {(True, True), (False, True)}
    assert _stage(world) is Stage.OPEN
    world.close()
    assert _limits(world) == set(FREE)
    assert world.state.levels[PAUSE].terms == ()


def test_a_level_at_rest_has_the_new_terms_at_once() -> None:
    world = changeable(**_pause(brake=brake_terms()))
    _amend(world, _loose(brake=brake_terms()))
    assert _limits(world) == set(FREE)


@pytest.mark.parametrize(("rest", "reason"), [(13, Reason.RULES_CONTRADICT), (15, Reason.RULES_CONTRADICT), (16, None)])
def test_who_is_to_leave_by_new_terms_may_brake_until_then_and_is_counted_among_those_who_may(
    rest: int, reason: Reason | None
) -> None:
    extra = newcomer("delta", pb.ROLE_SUPPLIER)
    stop = brake_terms(roles=[pb.ROLE_LAB, pb.ROLE_SUPPLIER], rest_periods=16)
    world = changeable(parties=[*terms().parties, extra], **_pause(brake=stop))
    # Four groups stay; with delta there are five, at three periods each.
    shorter = change(stop, rest_periods=rest)
    found = problem(now(world), world.state, text(**_pause(brake=shorter)))
    assert (found and found.reason) is reason


LAX_INDICATOR = {"indicators": [change(terms().indicators[0], reported_by=["chipco"]), terms().indicators[1]]}
LAX_RULE = {"rules": [terms().rules[0], pb.Rule(name="unanimity", yes=1, voters=LABS, ballot_life_periods=6)]}
LAX_EVENT = {"events": [pb.Event(name="review", reported_by=["chipco"], reports=1, max_age_periods=90)]}
ASKED = bytes(32)


def _waiting(resume: condition_pb2.Condition) -> tuple[World, dict[str, Any]]:
    """A pause that ends by a condition, and its terms: a strict rule, a strict event, and the usual indicator."""
    strict: dict[str, Any] = {
        "rules": [terms().rules[0], pb.Rule(name="unanimity", yes=3, voters=LABS, ballot_life_periods=6)],
        "events": [pb.Event(name="review", reported_by=["chipco", "gridco"], reports=2, max_age_periods=9)],
    }
    made = _pause(resume=resume) | strict
    return changeable(**made), made


@pytest.mark.parametrize("lax", [LAX_INDICATOR, LAX_RULE, LAX_EVENT], ids=["indicator", "rule", "event"])
@pytest.mark.parametrize(
    ("resume", "fields"),
    [
        (reading(900, below=True), "indicators"),
        (Condition(carried=Condition.Carried(rule="unanimity", level=PAUSE, asked=ASKED)), "rules"),
        (Condition(event=Condition.EventSeen(event="review", level=PAUSE)), "events"),
        (elapsed(PAUSE, 2), ""),
    ],
    ids=["reading", "carried", "event", "clock"],
)
def test_what_a_pause_waits_for_is_not_made_easier_while_it_waits(
    resume: condition_pb2.Condition, fields: str, lax: dict[str, Any]
) -> None:
    world, made = _waiting(resume)
    # While the level is at rest everything may change.
    assert problem(now(world), world.state, text(**made | lax)) is None
    world.vote(CALL)
    world.close()
    found = problem(now(world), world.state, text(**made | lax))
    assert (found and found.reason) is (Reason.AMENDMENT_CHANGES_IDENTITY if fields in lax else None)


def test_what_older_terms_wait_for_is_not_made_easier_either() -> None:
    world, made = _waiting(Condition(carried=Condition.Carried(rule="unanimity", level=PAUSE, asked=ASKED)))
    world.vote(CALL)
    world.close()
    sooner = _pause(resume=ALWAYS) | {"rules": made["rules"], "events": made["events"]}
    _amend(world, text(**sooner))
    found = problem(now(world), world.state, text(**sooner | LAX_RULE))
    assert found is not None
    assert (found.reason, found.field) == (Reason.AMENDMENT_CHANGES_IDENTITY, "rules.unanimity")


@pytest.mark.parametrize("restricted", [True, False])
def test_a_notice_of_release_that_runs_in_a_pause_is_not_cut_short_by_an_amendment(restricted: bool) -> None:
    long = {"standing": change(terms().standing, breached=1, release_notice_periods=8)}
    short = {"standing": change(long["standing"], release_notice_periods=3)}
    world = changeable(**_pause() | long)
    if restricted:
        world.vote(CALL)
    world.close_until(6)
    world.assess("beta", 5, header_pb2.VERDICT_BREACHED)
    while world.state.conduct["beta"].standing is Standing.RELIED:
        world.close()
    _amend(world, text(**_pause() | short))
    closings = 2
    while world.state.conduct["beta"].standing is Standing.ACCUSED:
        world.close()
        closings += 1
    assert world.state.conduct["beta"].standing is Standing.OUT
    assert closings == (8 if restricted else 3)


@pytest.mark.parametrize(("called", "periods", "refused"), [(True, 9, True), (True, 4, False), (False, 9, False)])
def test_what_shares_are_shares_of_stays_while_a_level_restricts(called: bool, periods: int, refused: bool) -> None:
    world = changeable(**_pause(**SHORT))
    if called:
        world.vote(CALL)
    world.close()
    found = problem(now(world), world.state, text(**_pause(**SHORT) | {"baseline_periods": periods}))
    assert (found and found.reason) is (Reason.AMENDMENT_CHANGES_TIME if refused else None)
