"""The fold: reports, plans and events enter the state, and conditions read them down to the statement."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import conditions, fold
from protocol.agreement import Agreement
from protocol.errors import Reason
from protocol.facts import StateFacts
from protocol.fold.evidence import MAX_PLANS
from protocol.fold.work import Outcome
from protocol.progress import read_samples
from protocol.state import Stage, key, read_state
from protocol.truth import Explained, Ref, Truth
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import condition_pb2, decision_pb2, evidence_pb2
from tests.bodies import evaluation_plan, event_report
from tests.builders import (
    LABS,
    PAUSE,
    SLOWDOWN,
    World,
    agreement,
    ballot,
    change,
    elapsed,
    indicator_report,
    level,
    pledge,
    reading,
    terms,
    withdrawal,
)

Condition = condition_pb2.Condition
HORIZON, UPLIFT = terms().indicators
REVIEW = pb.Event(name="review", reported_by=["chipco", "gridco"], reports=1, max_age_periods=4)
DONE = Condition(event=Condition.EventSeen(event="review", level=PAUSE, periods=2))
TREND = Condition(
    trend=Condition.Trend(
        indicator="horizon",
        labs=1,
        over_periods=4,
        doubling_periods=5,
        comparison=condition_pb2.COMPARISON_AT_LEAST,
    )
)
SILENCE = Condition(overdue=Condition.Overdue(indicator="horizon", labs=1, periods=4, of=["alpha"]))


def some(*parts: Condition) -> Condition:
    return Condition(any=Condition.Several(of=parts))


def every(*parts: Condition) -> Condition:
    return Condition(all=Condition.Several(of=parts))


def made(horizon: dict[str, Any] | None = None, **pause: Any) -> Agreement:
    """Terms in which `horizon` and the pause are changed, with an event."""
    levels = [level("slowdown", SLOWDOWN), level("pause", PAUSE, **pause)]
    return agreement(indicators=[change(HORIZON, **(horizon or {})), UPLIFT], levels=levels, events=[REVIEW])


def say(world: World, author: str, body: Any) -> Reason | None:
    """Say something, close, and give the reason why the fold refused it."""
    leaf = world[author].say(body)
    assert leaf.refusal is None, leaf.refusal
    found = world.close().refusals.get((leaf.origin, leaf.index))
    return None if found is None else found.reason


def trigger(world: World) -> Explained:
    now = StateFacts(world.agreement, world.state)
    return conditions.evaluate(world.agreement.levels[PAUSE].trigger, now)


def leaves(found: Explained) -> list[Explained]:
    return [found] if not found.because else [leaf for part in found.because for leaf in leaves(part)]


def test_a_report_is_kept_with_its_interval_and_identity() -> None:
    world = World(made()).found()
    leaf = world["alpha"].say(indicator_report(value=870, low=360, high=5_880))
    world.close()
    report = world.state.reports[key("horizon", "alpha", "alpha")]
    assert (report.value, report.low, report.high) == (870, 360, 5_880)
    assert (report.index, report.identity) == (leaf.index, leaf.identity)
    assert read_state(world.state.text()) == world.state


def test_a_true_reading_ends_in_the_statement() -> None:
    world = World(made(trigger=reading(800))).found()
    leaf = world["beta"].say(indicator_report("beta", 870))
    world.close()
    found = trigger(world)
    assert found.value is Truth.TRUE
    (true,) = [part for part in leaves(found) if part.value is Truth.TRUE]
    assert true.evidence == (Ref(leaf.origin, leaf.index, leaf.identity),)


# Plans

PLANNED = {"plan_periods": 3, "reported_by": [*LABS, "vera"]}


def plan(number: int = 0) -> bytes:
    return sha256(f"plan {number}".encode()).digest()


@pytest.mark.parametrize(("waited", "reason"), [(2, Reason.PLAN_NOT_COMMITTED), (3, None), (9, None)])
def test_a_report_counts_only_if_its_plan_was_committed_in_time(waited: int, reason: Reason | None) -> None:
    world = World(made(PLANNED)).found()
    assert say(world, "vera", evaluation_plan(plan=plan())) is None
    for _ in range(waited - 1):
        world.close()
    assert say(world, "vera", indicator_report(plan=plan())) is reason
    assert bool(world.state.reports) is (reason is None)


@pytest.mark.parametrize("named", [b"", plan(1)], ids=["no plan", "another plan"])
def test_a_report_under_no_committed_plan_is_refused(named: bytes) -> None:
    world = World(made(PLANNED)).found()
    assert say(world, "vera", evaluation_plan(plan=plan())) is None
    world.close_until(6)
    assert say(world, "vera", indicator_report(plan=named)) is Reason.PLAN_NOT_COMMITTED
    assert say(world, "vera", indicator_report(plan=plan())) is None


def test_a_plan_of_another_group_serves_nobody_else() -> None:
    world = World(made(PLANNED)).found()
    assert say(world, "alpha", evaluation_plan(plan=plan())) is None
    world.close_until(6)
    assert say(world, "vera", indicator_report(plan=plan())) is Reason.PLAN_NOT_COMMITTED
    assert say(world, "alpha", indicator_report(plan=plan())) is None


def test_a_plan_that_no_report_needs_is_not_kept() -> None:
    world = World(made()).found()
    assert say(world, "alpha", evaluation_plan(plan=plan())) is None
    assert not world.state.plans


def test_a_plan_said_again_keeps_its_time() -> None:
    world = World(made(PLANNED)).found()
    for _ in range(3):
        assert say(world, "vera", evaluation_plan(plan=plan())) is None
    assert say(world, "vera", indicator_report(plan=plan())) is None


def test_a_plan_is_forgotten_when_no_report_can_name_it_any_more() -> None:
    world = World(made(PLANNED)).found()
    say(world, "vera", evaluation_plan(plan=plan()))
    for _ in range(3 + HORIZON.max_age_periods):
        world.close()
    assert len(world.state.plans) == 1
    world.close()
    assert not world.state.plans


def test_a_party_has_so_many_open_plans_and_no_more() -> None:
    world = World(made(PLANNED)).found()
    said = [world["vera"].say(evaluation_plan(plan=plan(number))) for number in range(MAX_PLANS + 1)]
    again = world["vera"].say(evaluation_plan(plan=plan(0)))
    other = world["alpha"].say(evaluation_plan(plan=plan(0)))
    outcome = world.close()
    refused = {place: found.reason for place, found in outcome.refusals.items()}
    assert refused == {(said[-1].origin, said[-1].index): Reason.LIMIT_REACHED}
    assert len(world.state.plans) == MAX_PLANS + 1
    assert again.refusal is None
    assert other.refusal is None
    assert say(world, "vera", evaluation_plan(plan=plan(99))) is Reason.LIMIT_REACHED


# What a report must state


@pytest.mark.parametrize("compare", [pb.COMPARE_LOWER, pb.COMPARE_UPPER])
def test_a_report_states_the_end_that_counts(compare: pb.Compare.ValueType) -> None:
    world = World(made({"compare": compare})).found()
    bare, whole = indicator_report(value=870), indicator_report(value=870, low=870, high=870)
    refusal = world["alpha"].say(bare).refusal
    assert refusal is not None
    assert refusal.reason is Reason.QUANTITY_ABSENT
    assert world["alpha"].say(whole).refusal is None


def test_only_reporters_confirmers_and_agreed_subjects_report() -> None:
    named: dict[str, Any] = {"reported_by": ["chipco"], "confirmed_by": ["gridco"]}
    for by_subject, allowed in ((False, {"chipco", "gridco"}), (True, {"chipco", "gridco", "alpha"})):
        world = World(made(named | {"by_subject": by_subject})).found()
        found = {name: world[name].say(indicator_report()).refusal for name in ("chipco", "gridco", "alpha", "vera")}
        planned = {name: world[name].say(evaluation_plan()).refusal for name in found}
        for said in (found, planned):
            assert {name for name, refusal in said.items() if refusal is None} == allowed
            assert {refusal.reason for refusal in said.values() if refusal is not None} == {Reason.NO_AUTHORITY}


@pytest.mark.parametrize(
    ("author", "body", "reason"),
    [
        ("chipco", event_report(), None),
        ("chipco", event_report(level=PAUSE), None),
        ("chipco", event_report("flood"), Reason.NAME_UNKNOWN),
        ("chipco", event_report(level=3), Reason.NAME_UNKNOWN),
        ("alpha", event_report(), Reason.NO_AUTHORITY),
    ],
    ids=["of no level", "of a level", "unknown", "of an unknown level", "by somebody else"],
)
def test_events_are_reported_by_those_named(author: str, body: evidence_pb2.EventReport, reason: Reason | None) -> None:
    refusal = World(made()).found()[author].say(body).refusal
    assert (None if refusal is None else refusal.reason) is reason


# Trends and silence


def test_a_trend_is_read_from_what_was_reported_before() -> None:
    world = World(made(trigger=some(reading(10**6), TREND))).found()
    say(world, "alpha", indicator_report(value=100))
    world.close_until(4)
    say(world, "alpha", indicator_report(value=201))
    found = trigger(world)
    assert found.value is Truth.TRUE, [*found.lines()]
    (true,) = [part for part in leaves(found) if part.value is Truth.TRUE]
    assert true.text == "alpha: 100 to 201 in 4 periods (alpha log 3)"
    assert len(true.evidence) == 1
    assert read_samples(world.state.reports[key("horizon", "alpha", "alpha")].samples) == [(1, 100), (5, 201)]


def test_a_trend_is_unknown_before_enough_time_has_passed() -> None:
    world = World(made(trigger=some(reading(10**6), TREND))).found()
    say(world, "alpha", indicator_report(value=100))
    world.close_until(3)
    say(world, "alpha", indicator_report(value=900))
    assert trigger(world).value is Truth.UNKNOWN


def test_an_indicator_without_a_trend_keeps_no_history() -> None:
    world = World(made()).found()
    say(world, "alpha", indicator_report(value=100))
    assert world.state.reports[key("horizon", "alpha", "alpha")].samples == ""


def test_silence_calls_where_that_was_agreed_and_is_said_to_be_assumed() -> None:
    world = World(made(trigger=some(reading(10**6, labs=3), SILENCE))).found()
    world.close_until(3)
    assert trigger(world).value is Truth.UNKNOWN
    world.close()
    found = trigger(world)
    assert found.value is Truth.TRUE
    (true,) = [part for part in leaves(found) if part.value is Truth.TRUE]
    assert true.assumed
    say(world, "alpha", indicator_report(value=1))
    assert trigger(world).value is Truth.FALSE


def test_a_lab_that_left_is_not_silent() -> None:
    world = World(made(trigger=some(reading(10**6, labs=3), SILENCE))).found()
    world["alpha"].say(withdrawal())
    world.close_until(9)
    assert world.state.parties["alpha"].membership == "out"
    assert trigger(world).value is Truth.UNKNOWN


def test_counts_closings_since_entry() -> None:
    world = World(made()).found()
    assert world.state.entered == 1
    world.close_until(3)
    facts = StateFacts(world.agreement, world.state)
    assert facts.clock(PAUSE, condition_pb2.SINCE_ENTRY) == 3
    assert facts.clock(PAUSE, condition_pb2.SINCE_OPENED) == 3


# Events


def _paused(resume: Condition) -> World:
    """A world in which the pause restricts."""
    world = World(made(trigger=reading(2_000), resume=resume)).found()
    for lab in LABS:
        world[lab].say(pledge())
        world[lab].say(indicator_report(lab, 2_500))
    world.close()
    world.vote(decision_pb2.MOTION_CALL)
    world.close()
    assert world.state.levels[PAUSE].stage is Stage.WINDING
    return world


def _resume(world: World) -> Explained:
    return conditions.evaluate(world.agreement.levels[PAUSE].resume, StateFacts(world.agreement, world.state))


def test_an_event_counts_from_the_restriction_on_and_after_it_stood() -> None:
    world = _paused(every(DONE, elapsed(PAUSE, 1)))
    start = world.state.levels[PAUSE].start
    assert start is not None
    say(world, "chipco", event_report(level=PAUSE))
    assert world.state.period is not None
    assert world.state.period < start
    world.close_until(start + 3)
    # What was said before the first period of the restriction is no news of it.
    assert _resume(world).value is Truth.UNKNOWN
    leaf = world["chipco"].say(event_report(level=PAUSE))
    world.close()
    values = []
    for _ in range(3):
        values.append(_resume(world).value)
        world.close()
    assert values == [Truth.FALSE, Truth.FALSE, Truth.TRUE]
    (seen, _) = leaves(_resume(world))
    assert seen.evidence == (Ref(leaf.origin, leaf.index, leaf.identity),)


def test_an_event_said_for_another_level_is_not_said_for_this_one() -> None:
    world = _paused(every(DONE, elapsed(PAUSE, 1)))
    world.close_until(world.state.levels[PAUSE].start or 0)
    for rank in (0, SLOWDOWN):
        world["chipco"].say(event_report(level=rank))
    world["gridco"].say(event_report(level=SLOWDOWN))
    world.close()
    world.close()
    assert _resume(world).value is Truth.UNKNOWN
    world["gridco"].say(event_report(level=PAUSE))
    world.close()
    world.close()
    world.close()
    assert _resume(world).value is Truth.TRUE


def test_an_event_denied_or_too_old_has_not_happened() -> None:
    world = _paused(every(DONE, elapsed(PAUSE, 1)))
    world.close_until(world.state.levels[PAUSE].start or 0)
    say(world, "chipco", event_report(level=PAUSE))
    world.close()
    world.close()
    assert _resume(world).value is Truth.TRUE
    say(world, "chipco", event_report(level=PAUSE, happened=False))
    assert _resume(world).value is Truth.FALSE
    say(world, "chipco", event_report(level=PAUSE))
    assert world.state.events[key("review", "chipco", PAUSE)].since_closing == world.state.closings
    # Said again in time it stands without a break; after its age, anew.
    since = world.state.closings
    for _ in range(REVIEW.max_age_periods - 1):
        world.close()
    say(world, "chipco", event_report(level=PAUSE))
    assert world.state.events[key("review", "chipco", PAUSE)].since_closing == since
    for _ in range(REVIEW.max_age_periods):
        world.close()
    say(world, "chipco", event_report(level=PAUSE))
    assert world.state.events[key("review", "chipco", PAUSE)].since_closing == world.state.closings


def test_reporters_who_differ_leave_an_event_unknown() -> None:
    world = _paused(every(DONE, elapsed(PAUSE, 1)))
    world.close_until(world.state.levels[PAUSE].start or 0)
    world["gridco"].say(event_report(level=PAUSE, happened=False))
    world["chipco"].say(event_report(level=PAUSE))
    world.close()
    world.close()
    assert _resume(world).value is Truth.UNKNOWN
    world["gridco"].say(event_report(level=PAUSE))
    for _ in range(3):
        world.close()
    assert _resume(world).value is Truth.TRUE


# Votes

ASKED = sha256(b"relief").digest()
CARRIED = Condition(carried=Condition.Carried(rule="council", level=PAUSE, asked=ASKED))


def _resolve(world: World, voters: tuple[str, ...], asked: bytes = ASKED) -> Outcome:
    for voter in voters:
        body = ballot(decision_pb2.MOTION_RESOLVE, PAUSE, 0, asked=asked, rule="council")
        assert world[voter].say(body).refusal is None
    return world.close()


def test_a_vote_counts_in_conditions_once_it_is_carried_and_while_it_runs() -> None:
    world = World(made(trigger=every(reading(10), CARRIED))).found()
    _resolve(world, LABS[:1])
    _resolve(world, LABS[:2], sha256(b"something else").digest())

    def vote() -> Explained:
        return conditions.evaluate(CARRIED, StateFacts(world.agreement, world.state))

    assert vote().value is Truth.FALSE
    _resolve(world, LABS[1:2])
    assert vote().value is Truth.TRUE
    refs = [leaf.evidence for leaf in leaves(vote()) if leaf.evidence]
    assert [ref.origin for (ref,) in refs] == [world.agreement.parties[lab].origin for lab in LABS[:2]]
    for _ in range(world.agreement.rules["council"].ballot_life_periods):
        world.close()
    assert vote().value is Truth.FALSE


def test_a_restriction_returns_unless_a_vote_keeps_the_relief() -> None:
    relief = Condition(negation=CARRIED)
    world = World(made(trigger=every(reading(10), relief))).found()
    say(world, "alpha", indicator_report(value=100))
    assert trigger(world).value is Truth.TRUE
    _resolve(world, LABS[:2])
    assert trigger(world).value is Truth.FALSE


@given(st.permutations(LABS))
def test_the_order_between_logs_changes_nothing(order: list[str]) -> None:
    world = World(made(PLANNED, trigger=some(reading(10**6), TREND))).found()
    for name in LABS:
        world[name].say(evaluation_plan(plan=plan(LABS.index(name))))
    world["chipco"].say(event_report())
    world.close_until(5)
    for name in LABS:
        world[name].say(indicator_report(name, 7, plan=plan(LABS.index(name))))
    record = world.record()
    origins = [world.agreement.parties[name].origin for name in order]
    shuffled = replace(record, leaves={origin: record.leaves[origin] for origin in origins})
    states = [fold.step(world.agreement, world.state, one).state for one in (record, shuffled)]
    assert len(states[0].reports) == len(LABS)
    assert states[0] == states[1]
