"""What a lab's own machines are told before and after a state is final: each row of annex 1.7."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from protocol import fold
from protocol.duty import Duty, duty
from protocol.obedience import Mode, order, strictness
from protocol.state import Binding, LevelState, Stage, State, Status
from tests.builders import PAUSE, SLOWDOWN, agreement

TERMS = agreement()
INITIAL = fold.initial(TERMS)


def state(period: int, level: int = 0, since: int = 0) -> State:
    """After the closing of a period, with alpha bound by a level for good."""
    bound = LevelState(stage=Stage.IN_FORCE, episode=1, end=900, binds={"alpha": Binding(since=since)})
    levels = {**INITIAL.levels, **({level: bound} if level else {})}
    return replace(INITIAL, status=Status.IN_FORCE, since=2, period=period, closings=period + 1, levels=levels)


def test_a_confirmed_state_governs_from_two_periods_on() -> None:
    one = order(TERMS, "alpha", 12, [state(10, PAUSE, since=5)], state(11, PAUSE, since=5))

    assert (one.duty.level, one.mode, one.why) == (PAUSE, Mode.FINAL, "the state of P10 governs P12")


def test_a_stricter_state_is_obeyed_before_it_is_final() -> None:
    one = order(TERMS, "alpha", 12, [state(10)], state(11, PAUSE, since=13))

    assert (one.duty.level, one.duty.winding, one.mode) == (0, PAUSE, Mode.AHEAD)


def test_a_laxer_state_waits_until_its_digest_is_final() -> None:
    strict = state(10, PAUSE, since=5)

    assert order(TERMS, "alpha", 14, [strict], state(11)).duty.level == PAUSE
    assert order(TERMS, "alpha", 14, [strict, state(11)], state(12)).duty.level == 0


def test_a_confirmed_state_does_not_relax_the_periods_before_it_governs() -> None:
    strict = state(10, PAUSE, since=5)

    assert order(TERMS, "alpha", 12, [strict, state(11)], state(12)).duty.level == PAUSE
    assert order(TERMS, "alpha", 13, [strict, state(11)], state(12)).duty.level == 0


def test_a_record_that_differs_is_met_with_the_strictest_and_an_alarm() -> None:
    strict, lax = state(10, PAUSE, since=5), state(11, SLOWDOWN, since=5)

    for confirmed, newest in (([strict], lax), ([replace(lax, period=10)], replace(strict, period=11))):
        one = order(TERMS, "alpha", 14, confirmed, newest, differs=True)
        assert (one.duty.level, one.mode) == (PAUSE, Mode.DIFFERS)


def test_in_the_dark_what_was_kept_is_kept_up_to_its_calendar_end() -> None:
    strict = state(10, PAUSE, since=5)
    newest = replace(strict, period=11)

    assert order(TERMS, "alpha", 13, [strict], newest).mode is Mode.FINAL
    assert order(TERMS, "alpha", 14, [strict], newest).mode is Mode.DARK
    assert order(TERMS, "alpha", 800, [strict], newest).duty.level == PAUSE
    assert order(TERMS, "alpha", 1_000, [strict], newest).duty.level == 0


def test_before_the_first_closing_nothing_is_owed() -> None:
    one = order(TERMS, "alpha", 3, [], INITIAL)

    assert (one.duty.level, one.mode, one.why) == (0, Mode.FINAL, "no closing governs this period yet")


LEVELS = (0, SLOWDOWN, PAUSE)


@pytest.mark.parametrize(("older", "newer"), list(product(LEVELS, LEVELS)))
@pytest.mark.parametrize("differs", [False, True])
@pytest.mark.parametrize("period", [11, 12, 13, 14, 40])
def test_nothing_laxer_than_the_governing_confirmed_state_is_ever_ordered(
    older: int, newer: int, differs: bool, period: int
) -> None:
    before, newest = state(9, older, since=4), state(10, newer, since=4)

    one = order(TERMS, "alpha", period, [before], newest, differs=differs)

    assert strictness(one.duty) >= strictness(duty(TERMS, before, "alpha", period))
    assert strictness(one.duty) >= strictness(duty(TERMS, newest, "alpha", max(period, 12)))


def test_a_level_in_full_is_stricter_than_on_the_way_back_and_that_than_the_level_below() -> None:
    full, half, below = Duty(level=PAUSE), Duty(level=PAUSE, ramp_ppm=500_000), Duty(level=PAUSE - 1)
    assert strictness(full) > strictness(half) > strictness(Duty(level=PAUSE, ramp_ppm=500_001)) > strictness(below)
