"""Before when a level cannot be lifted, read from a state alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol import fold
from protocol.agreement import Agreement
from protocol.explain import earliest_lift
from protocol.state import LevelState, Stage, State, Status
from standstill.v1 import condition_pb2 as pb
from tests import builders
from tests.builders import PAUSE

C = pb.Condition
YES, NO = C(constant=C.Constant(value=True)), C(constant=C.Constant(value=False))
STEADY = 3


def elapsed(periods: int) -> pb.Condition:
    return C(elapsed=C.Elapsed(level=PAUSE, periods=periods))


def honored(periods: int) -> pb.Condition:
    return C(honored=C.Honored(level=PAUSE, periods=periods))


def world(resume: pb.Condition, held: int = 0, ready: int = 0) -> tuple[Agreement, State]:
    """A pause in force after the closing of P10, with this resume condition."""
    slowdown, pause = builders.terms().levels
    terms = builders.agreement(
        levels=[slowdown, builders.change(pause, resume=resume, steady_steps=STEADY, mandate_periods=100)]
    )
    base = fold.initial(terms)
    bound = LevelState(stage=Stage.IN_FORCE, episode=1, start=4, end=90, held=held, ready=ready)
    return terms, replace(base, status=Status.IN_FORCE, since=2, period=10, levels={**base.levels, PAUSE: bound})


def earliest(resume: pb.Condition, held: int = 0, ready: int = 0) -> int | None:
    return earliest_lift(*world(resume, held, ready), PAUSE)


def test_a_lift_needs_its_steps_after_its_clock() -> None:
    # The seventh closing from P4 on is that of P10; two more until nine, and then two further steps.
    assert earliest(elapsed(9), held=7) == 10 + 2 + STEADY - 1


def test_steps_that_held_already_count_on() -> None:
    assert earliest(elapsed(5), held=7, ready=2) == 11
    assert earliest(elapsed(5), held=7, ready=0) == 10 + STEADY


def test_what_only_others_can_say_may_come_with_the_next_closing() -> None:
    reading = C(reading=C.Reading(indicator="horizon", labs=1, comparison=pb.COMPARISON_BELOW, threshold=10))

    assert earliest(reading) == 10 + STEADY


@pytest.mark.parametrize("held", [3, 7])
def test_honored_periods_are_those_of_the_restriction_once_settled_also_after_a_dark_stretch(held: int) -> None:
    # The eighth period from P4 on is P11, which is settled two periods later.
    assert earliest(honored(8), held=held) == 13 + STEADY - 1


def test_a_clock_since_entry_is_not_that_of_the_restriction() -> None:
    since = C(elapsed=C.Elapsed(level=PAUSE, periods=100, since=pb.SINCE_ENTRY))
    terms, state = world(since, held=2)

    assert earliest_lift(terms, replace(state, closings=96, entered=1), PAUSE) == 10 + 5 + STEADY - 1


def test_a_clock_in_force_has_not_begun_while_a_level_is_winding_down() -> None:
    since = C(elapsed=C.Elapsed(level=PAUSE, periods=5, since=pb.SINCE_IN_FORCE))
    terms, state = world(since, held=2)
    winding = replace(state.levels[PAUSE], stage=Stage.WINDING, age=2)

    assert earliest_lift(terms, replace(state, levels={**state.levels, PAUSE: winding}), PAUSE) == 10 + 5 + STEADY - 1


@pytest.mark.parametrize(
    ("resume", "steps"),
    [
        (C(all=C.Several(of=[elapsed(9), elapsed(12)])), 5),
        (C(any=C.Several(of=[elapsed(9), elapsed(12)])), 2),
        (C(at_least=C.AtLeast(k=2, of=[elapsed(9), elapsed(12), elapsed(20)])), 5),
        (C(any=C.Several(of=[NO, elapsed(12)])), 5),
    ],
    ids=["all", "any", "at least 2", "any but never"],
)
def test_all_waits_for_the_last_any_for_the_first_and_at_least_k_for_the_kth(resume: pb.Condition, steps: int) -> None:
    assert earliest(resume, held=7) == 10 + steps + STEADY - 1


def test_what_never_resumes_is_never_lifted() -> None:
    assert earliest(NO) is None


def test_a_level_that_is_open_has_nothing_to_lift() -> None:
    terms, state = world(YES)
    assert earliest_lift(terms, replace(state, levels={**state.levels, PAUSE: LevelState()}), PAUSE) is None
