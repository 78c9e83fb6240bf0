"""What the labs of the demo do and say: figures that an honest lab can have, and two lies that it cannot."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from demo.figures import (
    ADMITTED_SHARE,
    HIDDEN_CHIPS,
    METER_NOISE,
    PUE_HIGH_MILLI,
    PUE_LOW_MILLI,
    PUE_MILLI,
    SECRET_CHIPS,
    Hour,
    Played,
    lab_table,
    meter_table,
    model,
    most_in,
    play,
    truth,
    wound_down,
)
from demo.play import labs
from demo.scenario import DAY, EXEMPT, LABS, PERIOD, SLOWED, START, STOPPED, Timeline, draft, power
from demo.stage import CHEAT, HONEST
from node.collect import read_trace
from standstill.v1 import quantity_pb2 as q

TIMELINE = Timeline()
PLAYED = {name: play(lab, TIMELINE, cheats=name == CHEAT) for name, lab in labs(None).items()}
PERIODS = range(TIMELINE.last + 1)


def hours() -> Iterator[tuple[str, int, Hour]]:
    """Everything that anybody does or says, by lab and period."""
    for name, played in PLAYED.items():
        for period in PERIODS:
            yield name, period, played.done[period]
            yield name, period, played.said[period]


def allowed_watt_hours(chip_class: str, held: Mapping[str, int]) -> tuple[float, float]:
    """Least and greatest energy by the agreement's chip table, worked out from the message itself."""
    table = next(chip for chip in draft(TIMELINE).chips if chip.name == chip_class)
    bounds = {label: bound for bound in table.power for label in bound.labels}
    rows = [(seconds, bounds[q.Label.Value(f"LABEL_{label.upper()}")]) for label, seconds in held.items()]
    low, high = (
        sum(seconds * milliwatt for seconds, milliwatt in side) / 3_600_000
        for side in (
            [(seconds, bound.low_milliwatt) for seconds, bound in rows],
            [(seconds, bound.high_milliwatt) for seconds, bound in rows],
        )
    )
    return low, high


def test_chip_seconds_fill_the_inventory_in_every_hour() -> None:
    wrong = [(name, period) for name, period, hour in hours() if sum(hour.held.values()) != hour.chips * PERIOD]

    assert wrong == []


def test_no_hour_holds_less_than_nothing() -> None:
    assert all(seconds >= 0 for _, _, hour in hours() for seconds in hour.held.values())


def test_the_energy_that_is_said_fits_the_use_that_is_said() -> None:
    wrong = []
    for name, played in PLAYED.items():
        for period, hour in enumerate(played.said):
            low, high = allowed_watt_hours(played.lab.chip_class, hour.held)
            if not low <= hour.watt_hours <= high:
                wrong.append((name, period))

    assert wrong == []


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_lab_says_what_it_does(name: str) -> None:
    assert PLAYED[name].said == PLAYED[name].done


def test_the_cheat_is_honest_in_all_other_hours() -> None:
    honest = play(PLAYED[CHEAT].lab, TIMELINE, cheats=False)
    lies = [period for period in PERIODS if PLAYED[CHEAT].said[period] != PLAYED[CHEAT].done[period]]
    differs = [period for period in PERIODS if PLAYED[CHEAT].done[period] != honest.done[period]]

    assert lies == [TIMELINE.cheat_a]
    assert differs == [TIMELINE.cheat_a, TIMELINE.cheat_b]


def test_the_first_cheat_trains_on_idle_chips_and_calls_a_quarter_of_it_inference() -> None:
    honest = play(PLAYED[CHEAT].lab, TIMELINE, cheats=False).done[TIMELINE.cheat_a]
    done, said = PLAYED[CHEAT].done[TIMELINE.cheat_a], PLAYED[CHEAT].said[TIMELINE.cheat_a]
    secret = SECRET_CHIPS * PERIOD
    admitted = secret * ADMITTED_SHARE // 1_000

    assert done.held["train"] == secret
    assert done.held["idle"] == honest.held["idle"] - secret
    assert "train" not in said.held
    assert said.held["inference"] == honest.held.get("inference", 0) + admitted
    assert said.held["idle"] == honest.held["idle"] - admitted


def test_the_first_cheat_draws_more_than_its_words_and_the_losses_of_the_site_explain() -> None:
    done, said = PLAYED[CHEAT].done[TIMELINE.cheat_a], PLAYED[CHEAT].said[TIMELINE.cheat_a]
    least_metered = done.watt_hours * PUE_MILLI / 1_000 * (1 - 3 * METER_NOISE)

    assert least_metered > said.watt_hours * PUE_HIGH_MILLI / 1_000 * 1.05


def test_the_second_cheat_leaves_chips_out_with_their_time_and_energy() -> None:
    lab = PLAYED[CHEAT].lab
    honest = play(lab, TIMELINE, cheats=False).done[TIMELINE.cheat_b]
    done, said = PLAYED[CHEAT].done[TIMELINE.cheat_b], PLAYED[CHEAT].said[TIMELINE.cheat_b]

    assert said == done
    assert said.chips == honest.chips - HIDDEN_CHIPS == lab.chips - HIDDEN_CHIPS
    assert honest.held["idle"] - said.held["idle"] == HIDDEN_CHIPS * PERIOD
    assert honest.watt_hours - said.watt_hours == HIDDEN_CHIPS * lab.power["idle"].mean


@pytest.mark.parametrize("name", LABS)
def test_before_the_slowdown_a_lab_plays_its_records(name: str) -> None:
    lab = PLAYED[name].lab

    assert list(PLAYED[name].done[: TIMELINE.slowed]) == list(lab.hours[: TIMELINE.slowed])


def trained(hours: Sequence[Hour]) -> int:
    return sum(hour.held.get(label, 0) for hour in hours for label in SLOWED)


@pytest.mark.parametrize("name", LABS)
def test_under_the_slowdown_a_lab_trains_less_than_half_as_much_in_every_day(name: str) -> None:
    lab, done = PLAYED[name].lab, PLAYED[name].done
    before = range(TIMELINE.first, TIMELINE.slowing)
    half_a_day = trained([lab.hours[period] for period in before]) * DAY // (2 * len(before))
    days = [range(start, start + DAY) for start in range(TIMELINE.slowed, TIMELINE.paused - DAY + 1)]

    assert all(trained([done[period] for period in day]) <= half_a_day for day in days)
    assert any(trained([lab.hours[period] for period in day]) > half_a_day for day in days)


@pytest.mark.parametrize("name", LABS)
def test_what_the_slowdown_does_not_cap_goes_on(name: str) -> None:
    lab = PLAYED[name].lab
    for period in range(TIMELINE.slowed, TIMELINE.winding):
        was, done = lab.hours[period].held, PLAYED[name].done[period].held
        assert {label: held for label, held in done.items() if label not in {*SLOWED, "idle"}} == {
            label: held for label, held in was.items() if label not in {*SLOWED, "idle"}
        }


@pytest.mark.parametrize("name", LABS)
def test_records_are_played_again_from_the_start_when_they_end(name: str) -> None:
    lab = PLAYED[name].lab
    longer = Timeline(slow=len(lab.hours) + 10, call=len(lab.hours) + 50)

    assert truth(lab, len(lab.hours) + 3, longer) == lab.hours[3]


@pytest.mark.parametrize("name", LABS)
def test_once_the_pause_is_in_force_nothing_runs_that_it_ends(name: str) -> None:
    honest = play(PLAYED[name].lab, TIMELINE, cheats=False)
    running = [hour.held.get(label, 0) for hour in honest.done[TIMELINE.paused :] for label in STOPPED]
    before = [hour.held.get(label, 0) for hour in honest.done[: TIMELINE.winding] for label in STOPPED]

    assert set(running) == {0}
    assert any(before)


def test_winding_down_leaves_a_share_of_stopped_work_and_idles_the_rest() -> None:
    table = power()["H100-SXM"]
    hour = Hour(10, {"train": 7 * PERIOD, "inference": 3 * PERIOD}, 8_000)

    half, none = wound_down(hour, 500, table), wound_down(hour, 0, table)

    assert half.held == {"train": 12_600, "idle": 12_600, "inference": 10_800}
    assert none.held == {"idle": 25_200, "inference": 10_800}
    assert hour.watt_hours > half.watt_hours > none.watt_hours
    assert wound_down(hour, 1_000, table) == hour


def test_an_hour_keeps_its_own_deviation_from_mean_power() -> None:
    table = power()["H100-SXM"]
    held = {"train": 5 * PERIOD, "idle": 5 * PERIOD}
    above = Hour(10, held, model(held, table) * 102 // 100)

    after = wound_down(above, 0, table)

    assert after.watt_hours == pytest.approx(1.02 * model(after.held, table), rel=0.001)


@pytest.mark.parametrize("name", LABS)
def test_the_table_of_a_lab_reads_back_as_what_it_says(name: str, tmp_path: Path) -> None:
    file = tmp_path / "figures.csv"
    file.write_text(lab_table(PLAYED[name]))

    trace = read_trace(file)

    lab = PLAYED[name].lab
    assert trace.rejected == ()
    assert [figures.start for figures in trace.figures] == [START + period * PERIOD for period in PERIODS]
    for figures, hour in zip(trace.figures, PLAYED[name].said, strict=True):
        assert figures.chips == {lab.chip_class: hour.chips}
        assert figures.chip_seconds == {(lab.chip_class, label): held for label, held in hour.held.items() if held}
        assert figures.watt_hours == hour.watt_hours
        exempt = {(lab.chip_class, label, label): hour.held[label] for label in EXEMPT if hour.held.get(label)}
        assert figures.exempt == exempt


def readings(played: Played, seed: int) -> list[tuple[int, int]]:
    rows = csv.DictReader(io.StringIO(meter_table(played, seed)))
    return [(int(row["period"]), int(row["watt_hours"])) for row in rows]


@pytest.mark.parametrize("name", LABS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_meter_shows_what_was_drawn_within_the_losses_of_the_site(name: str, seed: int) -> None:
    shown = readings(PLAYED[name], seed)

    assert [period for period, _ in shown] == list(PERIODS)
    for (_, watt_hours), hour in zip(shown, PLAYED[name].done, strict=True):
        assert hour.watt_hours * PUE_LOW_MILLI // 1_000 <= watt_hours <= hour.watt_hours * PUE_HIGH_MILLI // 1_000


@pytest.mark.parametrize("watt_hours", range(30))
def test_a_meter_of_a_tiny_site_is_not_pushed_out_of_them_by_rounding(watt_hours: int) -> None:
    lab = PLAYED["alpha"].lab
    hour = Hour(1, {"off": PERIOD}, watt_hours)
    played = Played(lab, [hour], [hour])

    for seed in range(20):
        [(_, shown)] = readings(played, seed)

        assert watt_hours * PUE_LOW_MILLI // 1_000 <= shown <= watt_hours * PUE_HIGH_MILLI // 1_000


def test_a_seed_repeats_the_errors_of_the_meters_and_another_does_not() -> None:
    assert meter_table(PLAYED["beta"], 1) == meter_table(PLAYED["beta"], 1)
    assert meter_table(PLAYED["beta"], 1) != meter_table(PLAYED["beta"], 2)


def test_the_most_in_a_row_is_that_of_the_fullest_window() -> None:
    played = [Hour(1, {"eval": held}, 1) for held in (1, 5, 2, 0, 4)]

    assert most_in(Played(PLAYED["beta"].lab, played, played), "eval", 1) == 5
    assert most_in(Played(PLAYED["beta"].lab, played, played), "eval", 2) == 7
    assert most_in(Played(PLAYED["beta"].lab, played, played), "eval", 9) == 12
    assert most_in(Played(PLAYED["beta"].lab, played, played), "safety", 2) == 0
