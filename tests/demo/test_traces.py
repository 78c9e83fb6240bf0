"""A user's own records as a lab of the demo: whatever they hold, the lab that plays them is honest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.figures import Lab, energy_range, lab_from_trace, lab_table, most_exempt, most_in, play
from demo.scenario import DAY, PERIOD, SLOWED, Timeline, exempt_chip_hours, power
from node.collect import LABELS, EnergyBasis, PeriodFigures, Trace, read_trace
from node.collect.figures import OverInventory
from protocol.errors import Reason, Refused
from tests.protocol.refusals import refuses

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
FIXTURES = Path(__file__).resolve().parents[1] / "node" / "fixtures"
TIMELINE = Timeline()
CLASSES = sorted(power())


def figures(hour: int, chips: dict[str, int], held: dict[tuple[str, str], int], **others: object) -> PeriodFigures:
    return PeriodFigures(
        site=str(others.pop("site", "main")),
        start=hour * PERIOD,
        seconds=PERIOD,
        chips=chips,
        chip_seconds=held,
        **others,  # type: ignore[arg-type]
    )


def trace_of(listed: Sequence[PeriodFigures], over: tuple[OverInventory, ...] = ()) -> Trace:
    classes = sorted({chip_class for item in listed for chip_class in item.chips})
    return Trace(
        source="own.csv",
        form="hourly",
        figures=tuple(listed),
        chip_classes=classes,
        kept=len(listed),
        over_inventory=over,
    )


def lab_of(*listed: PeriodFigures) -> Lab:
    return lab_from_trace("alpha", trace_of(listed), power())


def require_honest(lab: Lab) -> None:
    """Everything that the checks of the agreement will look at, over the whole play."""
    played = play(lab, TIMELINE, cheats=False)
    assert played.said == played.done
    for period, hour in enumerate(played.done):
        least, most = energy_range(hour.held, lab.power)
        assert hour.chips == lab.chips > 0
        assert sum(hour.held.values()) == lab.chips * PERIOD, period
        assert least <= hour.watt_hours <= most, period
        assert hour.watt_hours > 0 or most == 0
    for label, held in most_exempt([played]).items():
        assert most_in(played, label, DAY) == held <= exempt_chip_hours(held) * PERIOD
    before = range(TIMELINE.first, TIMELINE.slowing)
    trained = [sum(hour.held.get(label, 0) for label in SLOWED) for hour in played.done]
    half_an_hour = sum(trained[period] for period in before) // (2 * len(before))
    assert max(trained[TIMELINE.slowed :]) <= half_an_hour


H100, A100 = "H100-SXM", "A100-SXM-80"


def test_chips_that_are_missing_in_some_hours_are_switched_off() -> None:
    lab = lab_of(
        figures(0, {H100: 8}, {(H100, "train"): 8 * PERIOD}),
        figures(1, {H100: 5}, {(H100, "train"): 5 * PERIOD}),
    )

    assert lab.chips == 8
    assert lab.hours[1].held == {"train": 5 * PERIOD, "off": 3 * PERIOD}
    require_honest(lab)


def test_hours_that_the_records_leave_out_are_left_out() -> None:
    lab = lab_of(*(figures(hour, {H100: 1}, {(H100, "eval"): PERIOD}) for hour in (0, 1, 9, 700)))

    assert len(lab.hours) == 4
    require_honest(lab)


def test_the_largest_site_is_played() -> None:
    lab = lab_of(
        figures(0, {H100: 8}, {(H100, "train"): 8 * PERIOD}, site="north"),
        figures(0, {H100: 16}, {(H100, "safety"): 16 * PERIOD}, site="south"),
        figures(1, {H100: 8}, {(H100, "train"): 8 * PERIOD}, site="north"),
    )

    assert (lab.site, lab.chips, len(lab.hours)) == ("south", 16, 1)


def test_the_class_of_most_of_its_chips_is_played() -> None:
    held = {(H100, "train"): 2 * PERIOD, (A100, "inference"): 30 * PERIOD}

    lab = lab_of(figures(0, {H100: 2, A100: 30}, held, watt_hours=9_000, energy_basis=EnergyBasis.MEASURED))

    assert (lab.chip_class, lab.chips) == (A100, 30)
    assert lab.hours[0].held == {"inference": 30 * PERIOD}
    # 9 kWh are those of both classes together.
    assert lab.hours[0].watt_hours == 30 * power()[A100]["serve"].mean


def test_energy_of_another_class_is_not_taken_for_that_of_the_class_played() -> None:
    lab = lab_of(
        figures(0, {A100: 30}, {(A100, "inference"): 30 * PERIOD}),
        figures(1, {H100: 2}, {(H100, "train"): 2 * PERIOD}, watt_hours=1_700, energy_basis=EnergyBasis.MEASURED),
    )

    assert lab.hours[1].held == {"off": 30 * PERIOD}
    assert lab.hours[1].watt_hours == 30 * power()[A100]["off"].mean


def test_energy_that_was_measured_is_kept() -> None:
    held = {(H100, "train"): 8 * PERIOD}

    lab = lab_of(figures(0, {H100: 8}, held, watt_hours=6_900, energy_basis=EnergyBasis.MEASURED))

    assert lab.hours[0].watt_hours == 6_900
    assert lab.notes == []


@pytest.mark.parametrize("watt_hours", [1, 5_000, 10_000])
def test_energy_beyond_the_agreement_is_replaced_and_said_so(watt_hours: int) -> None:
    held = {(H100, "train"): 8 * PERIOD}

    lab = lab_of(figures(0, {H100: 8}, held, watt_hours=watt_hours, energy_basis=EnergyBasis.MEASURED))

    assert lab.hours[0].watt_hours == 8 * power()[H100]["train"].mean
    [note] = lab.notes
    assert note.startswith("1 of 1 hours have watt-hours that the agreement's power bounds do not allow")


def test_energy_that_was_not_measured_is_replaced_and_said_so() -> None:
    lab = lab_of(figures(0, {H100: 8}, {(H100, "train"): 8 * PERIOD}))

    assert lab.hours[0].watt_hours == 8 * power()[H100]["train"].mean
    assert lab.notes == ["1 of 1 hours have no watt-hours: the mean power of each label is taken"]


def test_refuses_records_that_hold_more_than_the_stated_chips_have() -> None:
    listed = [figures(0, {H100: 1}, {(H100, "train"): 2 * PERIOD})]
    over = OverInventory(start=0, chip_class=H100, held=2 * PERIOD, limit=PERIOD)

    with refuses(Reason.TRACE_OPTION, "chips"):
        lab_from_trace("alpha", trace_of(listed, (over,)), power())


def test_refuses_records_without_any_chips() -> None:
    with refuses(Reason.TRACE_OPTION, "chips"):
        lab_of(figures(0, {H100: 0}, {}))


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    """Records of up to three sites and all classes, with gaps and changing inventory."""
    listed = []
    for site in draw(st.lists(st.sampled_from(["a", "b c", 'd,"e"']), min_size=1, max_size=3, unique=True)):
        for hour in sorted(draw(st.sets(st.integers(0, 300), min_size=1, max_size=6))):
            chips = draw(st.dictionaries(st.sampled_from(CLASSES), st.integers(1, 5_000), min_size=1))
            held = {}
            for chip_class, count in chips.items():
                left = count * PERIOD
                for label in draw(st.lists(st.sampled_from(LABELS), unique=True, max_size=4)):
                    if seconds := draw(st.integers(0, left)):
                        held[chip_class, label] = seconds
                        left -= seconds
            watt_hours = draw(st.none() | st.integers(0, 5_000_000))
            basis = EnergyBasis.NONE if watt_hours is None else EnergyBasis.MEASURED
            listed.append(figures(hour, chips, held, site=site, watt_hours=watt_hours, energy_basis=basis))
    return trace_of(listed)


@given(traces())
def test_whatever_the_records_hold_the_lab_that_plays_them_is_honest(trace: Trace) -> None:
    require_honest(lab_from_trace("alpha", trace, power()))


@given(traces())
def test_its_table_reads_back_whatever_its_site_is_called(
    tmp_path_factory: pytest.TempPathFactory, trace: Trace
) -> None:
    played = play(lab_from_trace("alpha", trace, power()), TIMELINE, cheats=False)
    file = tmp_path_factory.mktemp("table") / "figures.csv"
    file.write_text(lab_table(played))

    again = read_trace(file)

    assert again.rejected == ()
    assert {item.site for item in again.figures} == {played.lab.site}
    assert len(again.figures) == TIMELINE.last + 1


@pytest.mark.parametrize("name", ["sacct.txt", "sacct_22_05.json", "sacct_24_05.json"])
@pytest.mark.parametrize("mapping", [None, FIXTURES / "mapping.toml"])
def test_exports_of_slurm_can_be_played(name: str, mapping: Path | None) -> None:
    trace = read_trace(FIXTURES / name, mapping=mapping, chip_class=H100, chip_classes=CLASSES)

    require_honest(lab_from_trace("alpha", trace, power()))


def tables() -> list[Path]:
    return sorted(path for path in DATA.glob("*/*") if path.name.endswith((".csv", ".csv.gz")))


@pytest.mark.skipif(not tables(), reason="the public data sets that the shipped tables were derived from are not here")
def test_every_public_table_that_can_be_read_can_be_played() -> None:
    read = []
    for path in tables():
        try:
            trace = read_trace(path, chip_class=A100, chip_classes=CLASSES)
        except Refused:
            continue
        require_honest(lab_from_trace("alpha", trace, power()))
        read.append(path.name)

    assert {"kalos_jobs.csv.gz", "helios_jobs_15000.csv.gz", "gpu_use_10min.csv.gz", "runs.csv.gz"} <= set(read)
