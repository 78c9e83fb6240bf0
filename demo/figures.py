"""What each lab does and what it says, hour by hour: figures of real clusters, wound down, and the two lies."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Final

from demo.scenario import DAY, EXEMPT, PERIOD, SLOWED, START, STOPPED, Timeline, Watts, group_of, limits
from protocol.errors import Reason, Refused, require

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from node.collect import PeriodFigures, Trace

PACE_MILLI: Final = 450
"""Thousandths of their earlier training at which labs go on under the slowdown, which allows half."""
SECRET_CHIPS: Final = 192
"""Accelerators that gamma trains on in secret."""
ADMITTED_SHARE: Final = 250
"""Thousandths of the secret chip-seconds that gamma declares, as inference; the rest it calls idle."""
HIDDEN_CHIPS: Final = 64
"""Accelerators that gamma leaves out of its inventory."""

PUE_MILLI: Final = 1_100
PUE_LOW_MILLI: Final = 1_080
PUE_HIGH_MILLI: Final = 1_120
METER_NOISE: Final = 0.002
"""Relative standard deviation of a meter's random error: the accuracy class of a good revenue meter."""

WATT_SECONDS: Final = 3_600


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour of one lab.

    Attributes:
        chips: installed.
        held: chip-seconds by label.
        watt_hours: of the accelerators with their nodes.
    """

    chips: int
    held: Mapping[str, int]
    watt_hours: int


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab's source of figures.

    Attributes:
        name: of the lab.
        site: as its table names it.
        chip_class: of its accelerators.
        chips: installed.
        hours: as recorded, before any pause; played again from the start when they end.
        power: by group of labels.
        source: where the figures come from.
        notes: what had to be assumed of them.
    """

    name: str
    site: str
    chip_class: str
    chips: int
    hours: Sequence[Hour]
    power: Mapping[str, Watts]
    source: str
    notes: Sequence[str] = ()


def lab_from_trace(name: str, trace: Trace, power: Mapping[str, Mapping[str, Watts]]) -> Lab:
    """A lab that runs what a trace recorded: its largest site, and the class of most of its chips.

    The demo has one delivery of chips a lab. Where a trace has fewer chips in some hours, the missing ones are taken as
    switched off. Energy that the agreement's power bounds do not allow is replaced by what the class draws on average:
    the demo is not about the calibration of a user's meters.

    Raises:
        Refused: TRACE_OPTION where the records hold more chip-seconds than the stated chips have, or no chips at all.
    """
    for over in trace.over_inventory:
        detail = f"{over.held} chip-seconds of {over.chip_class} in an hour that has {over.limit}; state more chips"
        raise Refused(Reason.TRACE_OPTION, "chips", detail)
    largest = max(trace.figures, key=lambda item: sum(item.chips.values()))
    figures = [item for item in trace.figures if item.site == largest.site]
    require(any(largest.chips.values()), Reason.TRACE_OPTION, "chips", f"{trace.source} has no chips in any hour")
    chip_class = max(largest.chips, key=lambda kind: largest.chips[kind])
    table = power[chip_class]
    chips = max(item.chips.get(chip_class, 0) for item in figures)
    recorded = [_hour(item, chip_class, chips) for item in figures]
    hours = [_with_energy(hour, table) for hour in recorded]
    return Lab(name, largest.site, chip_class, chips, hours, table, trace.source, _notes(recorded, hours))


def _hour(figures: PeriodFigures, chip_class: str, chips: int) -> Hour:
    """An hour as recorded; no watt-hours where they were not measured of these chips alone."""
    held = {label: seconds for (kind, label), seconds in figures.chip_seconds.items() if kind == chip_class}
    missing = chips * PERIOD - sum(held.values())
    if missing:
        held["off"] = held.get("off", 0) + missing
    alone = figures.chips.keys() == {chip_class}
    return Hour(chips, held, (figures.watt_hours or 0) if alone else 0)


def _with_energy(hour: Hour, table: Mapping[str, Watts]) -> Hour:
    """The hour with its own energy, if the agreement's power bounds allow it; else with that of the model."""
    least, most = energy_range(hour.held, table)
    fits = hour.watt_hours > 0 and least <= hour.watt_hours <= most
    return hour if fits else replace(hour, watt_hours=min(max(model(hour.held, table), least), most))


def _notes(recorded: Sequence[Hour], hours: Sequence[Hour]) -> list[str]:
    """What was assumed of the energy, for people."""
    unknown = sum(not was.watt_hours for was in recorded)
    beyond = sum(was.watt_hours not in (0, now.watt_hours) for was, now in zip(recorded, hours, strict=True))
    causes = {"no watt-hours": unknown, "watt-hours that the agreement's power bounds do not allow": beyond}
    return [
        f"{count} of {len(hours)} hours have {what}: the mean power of each label is taken"
        for what, count in causes.items()
        if count
    ]


def model(held: Mapping[str, int], table: Mapping[str, Watts]) -> int:
    """Watt-hours at each label's mean power."""
    return sum(seconds * table[group_of(label)].mean for label, seconds in held.items()) // WATT_SECONDS


def energy_range(held: Mapping[str, int], table: Mapping[str, Watts]) -> tuple[int, int]:
    """Least and greatest watt-hours that the agreement's power bounds allow, rounded inwards."""
    least = sum(seconds * limits(label, table)[0] for label, seconds in held.items())
    most = sum(seconds * limits(label, table)[1] for label, seconds in held.items())
    return -(-least // WATT_SECONDS), most // WATT_SECONDS


def wound_down(hour: Hour, keep_milli: int, table: Mapping[str, Watts], labels: Collection[str] = STOPPED) -> Hour:
    """The hour with this share of the work of some labels left, in thousandths; the rest of its chips idle."""
    held = dict(hour.held)
    for label in labels:
        # Rounded up: never more than the share is left.
        stopped = -(held.get(label, 0) * (keep_milli - 1_000) // 1_000)
        if stopped:
            held[label] -= stopped
            held["idle"] = held.get("idle", 0) + stopped
    held = {label: seconds for label, seconds in held.items() if seconds}
    # The hour keeps its own deviation from mean power, within what its labels can draw.
    scaled = model(held, table) * hour.watt_hours // max(model(hour.held, table), 1)
    least, most = energy_range(held, table)
    return Hour(hour.chips, held, min(max(scaled, least), most))


def truth(lab: Lab, period: int, timeline: Timeline) -> Hour:
    """What an honest lab does in a period."""
    hour = _recorded(lab, period)
    if period >= timeline.slowed:
        trained = sum(hour.held.get(label, 0) for label in SLOWED)
        # At the same pace every hour, so that no day has more than the slowdown allows it.
        keep = min(_pace(lab, timeline) * 1_000 // max(trained, 1), 1_000)
        hour = wound_down(hour, keep, lab.power, SLOWED)
    if period >= timeline.winding:
        left = max(timeline.paused - 1 - period, 0)
        hour = wound_down(hour, left * 1_000 // timeline.wind_down, lab.power)
    return hour


def _recorded(lab: Lab, period: int) -> Hour:
    return lab.hours[period % len(lab.hours)]


def _pace(lab: Lab, timeline: Timeline) -> int:
    """Chip-seconds an hour that a lab trains under the slowdown: a share of its mean before."""
    before = range(timeline.first, timeline.slowing)
    trained = sum(_recorded(lab, period).held.get(label, 0) for period in before for label in SLOWED)
    return trained * PACE_MILLI // (1_000 * len(before))


def secretly_training(hour: Hour, lab: Lab) -> tuple[Hour, Hour]:
    """Cheat A. What gamma does: it trains on idle chips. What it says: a quarter of that, as inference."""
    chips = min(SECRET_CHIPS, hour.held.get("idle", 0) // PERIOD)
    seconds = chips * PERIOD
    admitted = seconds * ADMITTED_SHARE // 1_000
    idle = hour.held["idle"] - seconds
    done = {**hour.held, "idle": idle, "train": seconds}
    said = {**hour.held, "idle": idle + seconds - admitted, "inference": hour.held.get("inference", 0) + admitted}
    added = seconds * (lab.power["train"].mean - lab.power["idle"].mean) // WATT_SECONDS
    claimed = admitted * (lab.power["serve"].mean - lab.power["idle"].mean) // WATT_SECONDS
    return (
        Hour(hour.chips, done, hour.watt_hours + added),
        Hour(hour.chips, said, hour.watt_hours + claimed),
    )


def hiding_chips(hour: Hour, lab: Lab) -> Hour:
    """Cheat B. What gamma says: fewer chips than it received, and idle time and energy to match."""
    seconds = HIDDEN_CHIPS * PERIOD
    held = {**hour.held, "idle": hour.held["idle"] - seconds}
    energy = hour.watt_hours - seconds * lab.power["idle"].mean // WATT_SECONDS
    return replace(hour, chips=hour.chips - HIDDEN_CHIPS, held=held, watt_hours=energy)


@dataclass(frozen=True, slots=True)
class Played:
    """What a lab does and says over the whole demo, by period."""

    lab: Lab
    done: Sequence[Hour]
    said: Sequence[Hour]


def play(lab: Lab, timeline: Timeline, *, cheats: bool) -> Played:
    """A lab's hours; a cheating one lies in the two periods of the timeline."""
    done, said = [], []
    for period in range(timeline.last + 1):
        does = says = truth(lab, period, timeline)
        if cheats and period == timeline.cheat_a:
            does, says = secretly_training(does, lab)
        if cheats and period == timeline.cheat_b:
            # The hidden chips are elsewhere: the site's meter does not see them.
            does = says = hiding_chips(does, lab)
        done.append(does)
        said.append(says)
    return Played(lab, done, said)


def most_in(played: Played, label: str, periods: int) -> int:
    """Most chip-seconds of a label in as many periods in a row."""
    held = [hour.held.get(label, 0) for hour in played.done]
    return max(sum(held[max(end - periods, 0) : end]) for end in range(1, len(held) + 1))


def most_exempt(players: Iterable[Played]) -> dict[str, int]:
    """Most chip-seconds that any lab uses in a day of each kind of exempt work."""
    listed = list(players)
    return {label: max(most_in(played, label, DAY) for played in listed) for label in EXEMPT}


def lab_table(played: Played) -> str:
    """The hourly table that the lab's node collects from."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["hour", "site", "chip_class", "chips", "label", "chip_seconds", "watt_hours", "exemption"])
    lab = played.lab
    for period, hour in enumerate(played.said):
        labels = sorted(hour.held)
        # The table wants energy by row; only the sum is attested.
        for number, label in enumerate(labels):
            energy = hour.watt_hours if number == 0 else 0
            exemption = label if label in EXEMPT else ""
            row = (_time(period), lab.site, lab.chip_class, hour.chips, label, hour.held[label], energy, exemption)
            writer.writerow(row)
    return out.getvalue()


def meter_table(played: Played, seed: int) -> str:
    """What the site's meter shows: the period and the watt-hours delivered, with the meter's random error."""
    errors = Random(f"{seed} {played.lab.name}")  # noqa: S311 - a repeatable play, not a secret
    lines = ["period,watt_hours"]
    for period, hour in enumerate(played.done):
        error = min(max(errors.gauss(0, METER_NOISE), -3 * METER_NOISE), 3 * METER_NOISE)
        shown = round(hour.watt_hours * PUE_MILLI / 1_000 * (1 + error))
        # Of very few watt-hours, rounding alone could leave the interval.
        least, most = (hour.watt_hours * pue // 1_000 for pue in (PUE_LOW_MILLI, PUE_HIGH_MILLI))
        lines.append(f"{period},{min(max(shown, least), most)}")
    return "\n".join(lines) + "\n"


def _time(period: int) -> str:
    return datetime.fromtimestamp(START + period * PERIOD, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
