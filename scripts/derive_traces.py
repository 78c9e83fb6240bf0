"""Derive the tables of demo/traces/ from the public cluster data that they rest on.

    derive_traces.py [--data DIR] [--out DIR] [--check]

Three labs over the same 168 hours, each from one real cluster, plus power and specification of their chips. What is
measured and what is composed is said in demo/traces/README.md, rule by rule. With --check nothing is written: the
exit status is 1 if a table differs from what the data give.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Final

from node.collect import LABELS, read_trace
from node.collect.aggregate import spread
from node.collect.hourly import COLUMNS
from scripts.trace_power import A100, GROUPS, H100, V100, Power, idle_share, power_table, rows

ROOT: Final = Path(__file__).resolve().parent.parent
HOURS: Final = 168
FIRST_HOUR: Final = datetime(2027, 1, 4, tzinfo=UTC)
"""The Monday to which all three windows are moved."""

_HOUR: Final = 3600
_KALOS_CHIPS: Final = 2_416
_KALOS_FIRST: Final = 1_464
_KALOS_SPLIT: Final = (("inference", 40), ("safety", 10), ("train", 50))
_EARTH_FIRST: Final = datetime(2020, 5, 18, tzinfo=UTC)
_SMC_CHIPS: Final = 512
_SMC_FIRST: Final = 200
_SHORT_JOB: Final = 900

Hours = Sequence[Mapping[str, int]]
"""Chip-seconds by label for each of the 168 hours."""


def kalos(data: Path) -> tuple[int, Hours]:
    """Kalos: the listed jobs as they are; the rest of the cluster by the rule in the README."""
    held: list[dict[str, int]] = [defaultdict(int) for _ in range(HOURS)]
    for job in rows(data / "acme_kalos/kalos_jobs.csv.gz"):
        start = int(job["submit_offset_s"])
        for index, label, amount in _window(job, start, int(job["duration_s"]), _KALOS_FIRST, _kalos_label(job)):
            held[index][label] += amount
    idle = int(_KALOS_CHIPS * idle_share(data))
    for hour in held:
        hour["idle"] = min(idle * _HOUR, _KALOS_CHIPS * _HOUR - sum(hour.values()))
        rest = _KALOS_CHIPS * _HOUR - sum(hour.values())
        for label, percent in _KALOS_SPLIT[:-1]:
            hour[label] += rest * percent // 100
        hour[_KALOS_SPLIT[-1][0]] += _KALOS_CHIPS * _HOUR - sum(hour.values())
    return _KALOS_CHIPS, held


def _kalos_label(job: Mapping[str, str]) -> str:
    if job["workload_class"] == "Pretrain":
        return "train"
    return "post_train" if int(job["gpu_num"]) >= 8 else "eval"


def earth(data: Path) -> tuple[int, Hours]:
    """Earth: read as a lab would read it, with earth.mapping.toml; running and idle as the table says."""
    mapping = ROOT / "demo/traces/earth.mapping.toml"
    trace = read_trace(data / "helios_earth_use/gpu_use_10min.csv.gz", mapping=mapping)
    first = int(_EARTH_FIRST.timestamp())
    window = [figures for figures in trace.figures if first <= figures.start < first + HOURS * _HOUR]
    (chips,) = {count for figures in window for count in figures.chips.values()}
    return chips, [{label: held for (_, label), held in figures.chip_seconds.items()} for figures in window]


def smc(data: Path) -> tuple[int, Hours]:
    """SMC: Helios' occupancy, scaled so that its peak fills 512 chips; the rest is idle."""
    held: list[dict[str, int]] = [defaultdict(int) for _ in range(HOURS)]
    jobs, peak = _helios(data)
    for start, job in jobs:
        for index, label, amount in _window(job, start, int(job["run_time"]), _SMC_FIRST, _helios_label(job)):
            held[index][label] += amount
    for hour in held:
        for label in hour:
            hour[label] = hour[label] * _SMC_CHIPS // peak
        hour["idle"] = _SMC_CHIPS * _HOUR - sum(hour.values())
    return _SMC_CHIPS, held


def _helios(data: Path) -> tuple[list[tuple[int, dict[str, str]]], int]:
    """Return the jobs with their submission time in seconds, and the most GPUs in use at once."""
    clock, jobs, changes = 0, [], []
    for job in rows(data / "helios_jobs/helios_jobs_15000.csv.gz"):
        clock += int(job["interval"])
        chips = int(job["gpu_num"])
        if chips:
            jobs.append((clock, job))
            changes += [(clock, chips), (clock + int(job["run_time"]), -chips)]
    now = peak = 0
    for _, change in sorted(changes):
        now += change
        peak = max(peak, now)
    return jobs, peak


def _helios_label(job: Mapping[str, str]) -> str:
    chips, short = int(job["gpu_num"]), int(job["run_time"]) < _SHORT_JOB
    if chips >= 16:
        return "train"
    if chips >= 8:
        return "post_train"
    if chips == 1:
        return "eval" if short else "safety"
    return "inference"


def _window(
    job: Mapping[str, str], start: int, seconds: int, first_hour: int, label: str
) -> Iterator[tuple[int, str, int]]:
    """Yield (hour of the window, label, chip-seconds) of one job."""
    for at, amount in spread(start, start + seconds, int(job["gpu_num"]), _HOUR):
        hour = at // _HOUR - first_hour
        if 0 <= hour < HOURS:
            yield hour, label, amount


def lab_table(site: str, chip_class: str, chips: int, hours: Hours, power: Mapping[tuple[str, str], Power]) -> str:
    """Return one lab's hourly table; labels that hold nothing in an hour have no row in it."""
    lines: list[tuple[object, ...]] = [COLUMNS]
    for number, hour in enumerate(hours):
        at = f"{FIRST_HOUR + timedelta(hours=number):%Y-%m-%dT%H:00:00Z}"
        for label in (label for label in LABELS if hour.get(label)):
            milliwatts = power[chip_class, GROUPS[label]].at(number)
            watt_hours = int(hour[label] * milliwatts / (_HOUR * 1000) + Fraction(1, 2))
            lines.append((at, site, chip_class, chips, label, hour[label], watt_hours))
    return _csv(lines)


def power_csv(power: Mapping[tuple[str, str], Power]) -> str:
    """Return the table of power per chip."""
    header = ("chip_class", "label_group", "watts_low", "watts_mean", "watts_high", "source", "basis")
    return _csv([header, *((*key, *value.watts(), value.source, value.basis) for key, value in sorted(power.items()))])


def chips_csv(data: Path) -> str:
    """Return peak rates, memory and thermal design power of the classes, dense, from the Epoch AI table."""
    names = {A100: "NVIDIA A100 SXM4 80 GB", H100: "NVIDIA H100 SXM5 80GB", V100: "NVIDIA Tesla V100 SXM2 32 GB"}
    table = {row["Hardware name"]: row for row in rows(data / "epoch_hardware/ml_hardware.csv.gz")}
    lines: list[tuple[object, ...]] = [
        ("chip_class", "bf16_dense_tflops", "fp8_dense_tflops", "memory_gb", "tdp_w", "source")
    ]
    for chip_class, name in sorted(names.items()):
        row = table[name]
        # The table has no FP8 entry for this chip; its data sheet gives FP8 the rate of INT8.
        fp8 = row["FP8 performance (FLOP/s)"] or (row["INT8 performance (OP/s)"] if chip_class == H100 else "")
        figures = (row["Tensor-FP16/BF16 performance (FLOP/s)"], fp8, row["Memory (bytes)"], row["TDP (W)"])
        units = (10**12, 10**12, 10**9, 1)
        cells = (int(Fraction(figure) / unit) if figure else "" for figure, unit in zip(figures, units, strict=True))
        note = "; FP8 from its INT8 entry" if fp8 else ""
        lines.append((chip_class, *cells, f"Epoch AI, Machine Learning Hardware: {name}{note}"))
    return _csv(lines)


def _csv(lines: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def derive(data: Path) -> dict[str, str]:
    """Return every table by file name."""
    power = power_table(data)
    return {
        "kalos.csv": lab_table("k1", A100, *kalos(data), power),
        "earth.csv": lab_table("e1", V100, *earth(data), power),
        "smc.csv": lab_table("s1", H100, *smc(data), power),
        "power.csv": power_csv(power),
        "chips.csv": chips_csv(data),
    }


def main() -> int:
    """Write the tables, or with --check compare them; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data", help="folder with the public data")
    parser.add_argument("--out", type=Path, default=ROOT / "demo/traces", help="folder of the tables")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    given = parser.parse_args()
    if not given.data.is_dir():
        parser.error(f"no data in {given.data}; name their folder with --data")
    different = []
    for name, text in derive(given.data).items():
        path: Path = given.out / name
        if given.check and not (path.is_file() and path.read_text(encoding="utf-8") == text):
            different.append(name)
        elif not given.check:
            path.write_text(text, encoding="utf-8", newline="\n")
    print(f"differ: {', '.join(different)}" if different else "same" if given.check else f"written to {given.out}")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
