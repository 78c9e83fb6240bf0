"""The shipped tables: what they promise, that they follow from the data, and that real traces read as they are."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from node.collect import LABELS, Skip, read_trace
from protocol.errors import Reason, Refused

ROOT = Path(__file__).resolve().parents[2]
TRACES = ROOT / "demo" / "traces"
DATA = ROOT.parent / "shared" / "data"
LABS = {"kalos": ("A100-SXM-80", 2416), "earth": ("V100-SXM2-32", 480), "smc": ("H100-SXM", 512)}
GROUPS = {
    "train": "train",
    "post_train": "train",
    "inference": "serve",
    "eval": "serve",
    "safety": "serve",
    "idle": "idle",
}

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the public cluster data is not beside this repository")


def table(name: str) -> list[dict[str, str]]:
    with (TRACES / name).open(newline="") as file:
        return list(csv.DictReader(file))


def reason_of(path: Path) -> Reason | None:
    """Why the file is refused; None if it is read."""
    try:
        read_trace(path)
    except Refused as no:
        return no.reason
    return None


@pytest.mark.parametrize("lab", LABS)
def test_a_shipped_table_accounts_for_every_chip_second_of_168_hours(lab: str) -> None:
    trace = read_trace(TRACES / f"{lab}.csv")
    chip_class, chips = LABS[lab]

    assert (trace.form, trace.rejected, trace.over_inventory) == ("hourly", (), ())
    assert [figures.start for figures in trace.figures] == [1_799_020_800 + 3600 * hour for hour in range(168)]
    assert all(figures.chips == {chip_class: chips} for figures in trace.figures)
    assert all(sum(figures.chip_seconds.values()) == chips * 3600 for figures in trace.figures)
    assert not any(label in {"unaccounted", "unlabelled"} for f in trace.figures for _, label in f.chip_seconds)


@pytest.mark.parametrize("lab", LABS)
def test_the_energy_of_every_hour_lies_within_the_power_bounds(lab: str) -> None:
    chip_class, _ = LABS[lab]
    bounds = {row["label_group"]: row for row in table("power.csv") if row["chip_class"] == chip_class}
    energy = []
    for figures in read_trace(TRACES / f"{lab}.csv").figures:
        low = sum(held * int(bounds[GROUPS[label]]["watts_low"]) for (_, label), held in figures.chip_seconds.items())
        high = sum(held * int(bounds[GROUPS[label]]["watts_high"]) for (_, label), held in figures.chip_seconds.items())
        assert figures.watt_hours is not None
        energy.append(figures.watt_hours)

        assert low <= figures.watt_hours * 3600 <= high

    assert len(set(energy)) > 100  # it varies from hour to hour


def test_every_lab_trains_and_does_what_a_pause_allows() -> None:
    for lab in LABS:
        held: dict[str, int] = defaultdict(int)
        for row in table(f"{lab}.csv"):
            assert row["label"] in LABELS
            held[row["label"]] += int(row["chip_seconds"])

        assert held["train"] > held["inference"] > 0
        assert held["idle"] > 0
        assert held["eval"] + held["safety"] > 0


def test_power_intervals_are_ordered_and_chips_specified() -> None:
    for row in table("power.csv"):
        assert 0 <= int(row["watts_low"]) <= int(row["watts_mean"]) <= int(row["watts_high"])
        assert row["source"]
    assert {row["chip_class"] for row in table("chips.csv")} == {chip_class for chip_class, _ in LABS.values()}
    assert {row["chip_class"]: row["bf16_dense_tflops"] for row in table("chips.csv")}["H100-SXM"] == "989"


def test_the_tables_are_small() -> None:
    assert sum(path.stat().st_size for path in TRACES.iterdir()) < 200_000


@needs_data
def test_the_tables_follow_from_the_data() -> None:
    command = [sys.executable, "scripts/derive_traces.py", "--data", str(DATA), "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "same\n", "")


@needs_data
def test_a_changed_table_is_noticed(tmp_path: Path) -> None:
    for path in TRACES.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes().replace(b"idle,2250000", b"idle,2250001"))
    command = [sys.executable, "scripts/derive_traces.py", "--data", str(DATA), "--out", str(tmp_path), "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (1, "differ: kalos.csv\n")


# real traces, as a user would hand them in


@needs_data
def test_reads_the_kalos_job_table() -> None:
    trace = read_trace(DATA / "acme_kalos/kalos_jobs.csv.gz", chip_class="A100-SXM-80", chips=2416)
    held = sum(
        a for figures in trace.figures for (_, label), a in figures.chip_seconds.items() if label != "unaccounted"
    )

    assert (trace.form, trace.kept, trace.rejected, trace.over_inventory) == ("jobs", 319, (), ())
    assert round(held / 3600) == 456_843  # the figure in the data's own description


@needs_data
def test_reads_15000_helios_jobs() -> None:
    trace = read_trace(DATA / "helios_jobs/helios_jobs_15000.csv.gz")

    assert (trace.kept, trace.skipped, trace.rejected) == (10_796, {Skip.NO_CHIPS: 4_204}, ())
    assert trace.figures[0].chips == {"gpu": 958}


@needs_data
def test_reads_mlperf_runs_and_names_the_one_without_an_end() -> None:
    trace = read_trace(DATA / "mlperf_train_runs/runs_v40.csv.gz")

    assert (trace.kept, [bad.reason for bad in trace.rejected]) == (2_085, [Reason.TRACE_TIME_UNKNOWN])
    assert trace.rejected[0].column == "run_stop_ms"


@needs_data
def test_reads_smc_runs() -> None:
    trace = read_trace(DATA / "smc_power/runs.csv.gz")
    held = sum(
        a for figures in trace.figures for (_, label), a in figures.chip_seconds.items() if label != "unaccounted"
    )

    assert (trace.kept, trace.rejected) == (47, ())
    assert abs(held // 3600 - 673) <= 1  # GPU-hours in the data's own description


@needs_data
def test_reads_the_use_of_earth() -> None:
    trace = read_trace(DATA / "helios_earth_use/gpu_use_10min.csv.gz", mapping=TRACES / "earth.mapping.toml")

    assert (trace.form, trace.kept, trace.rejected) == ("use", 35_712, ())
    assert len(trace.figures) == 31 * 24
    assert all(figures.chips == {"V100-SXM2-32": 480} for figures in trace.figures)
    assert not any(label == "unaccounted" for figures in trace.figures for _, label in figures.chip_seconds)


@needs_data
def test_every_other_table_is_read_or_refused_by_name() -> None:
    reasons = {path.name: reason_of(path) for path in sorted(DATA.rglob("*.csv*"))}

    assert len(reasons) > 20
    assert set(reasons.values()) == {None, Reason.TRACE_FORMAT_UNKNOWN, Reason.TRACE_COLUMN_MISSING}
