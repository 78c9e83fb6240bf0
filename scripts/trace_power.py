"""Power of one accelerator with its share of the node, by chip class and kind of work, from public measurements.

All in whole milliwatts and fractions, so that the derived tables are the same on every machine. How each figure comes
about is said in demo/traces/README.md; the `source` texts below are its short form.
"""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Final

H100: Final = "H100-SXM"
A100: Final = "A100-SXM-80"
V100: Final = "V100-SXM2-32"

GROUPS: Final[Mapping[str, str]] = {
    "train": "train",
    "post_train": "train",
    "rollout": "serve",
    "inference": "serve",
    "eval": "serve",
    "safety": "serve",
    "maintenance": "idle",
    "idle": "idle",
    "off": "off",
}
"""Label -> kind of work with the same power. Unlabelled and unaccounted chips may do anything: no group."""

_NODE_CHIPS: Final = 8
_SHORTEST_RUN_MS: Final = 180_000
_TDP: Final = {H100: 700, A100: 400, V100: 300}
_MIXED: Final = 8


@dataclass(frozen=True, slots=True)
class Power:
    """Power of one accelerator with its share of the node.

    Attributes:
        series: milliwatts; hour h of a table takes entry h modulo the length.
        source: where the figures come from.
        basis: measured, calculated or estimated.
        ends: least and greatest milliwatts where they are known to lie beyond those of the series.
    """

    series: Sequence[Fraction]
    source: str
    basis: str
    ends: tuple[Fraction, Fraction] | None = None

    def at(self, hour: int) -> Fraction:
        """Return the milliwatts of one hour."""
        return self.series[hour % len(self.series)]

    def watts(self) -> tuple[int, int, int]:
        """Return low, mean and high in whole watts; low and high are rounded outwards."""
        low, high = self.ends or (min(self.series), max(self.series))
        return int(low / 1000), int(mean(self.series) / 1000 + Fraction(1, 2)), int(-(-high // 1000))


def rows(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a CSV file, gzipped or not."""
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)
    else:
        with path.open(encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)


def power_table(data: Path) -> dict[tuple[str, str], Power]:
    """Return the power of each (chip class, group of labels)."""
    idle_h100 = _smc_idle(data)
    quantiles = _kalos_quantiles(data)
    share = idle_share(data)
    first_idle = quantiles[: int(share * len(quantiles))]
    host = mean(idle_h100) - mean(first_idle)
    off = Power(
        (Fraction(5000),), "assumed: standby of the node's controller", "estimated", (Fraction(0), Fraction(15000))
    )
    return {
        (H100, "train"): Power(_smc_runs(data), "smc_power: AC node power / 8, each run of 3 min or more", "measured"),
        (H100, "serve"): Power(
            _h200_runs(data), "mlperf_infer_power: H200 server at the wall / 8, each run", "calculated"
        ),
        (H100, "idle"): Power(idle_h100, "smc_power: AC node power / 8 before and after runs", "measured"),
        **_a100(quantiles, len(first_idle), host * _TDP[A100] / _TDP[H100], _repeats(data)),
        **_v100(data, host * _TDP[V100] / _TDP[H100]),
        **{(chip_class, "off"): off for chip_class in _TDP},
    }


def mean(values: Sequence[Fraction]) -> Fraction:
    """Return the mean, exactly."""
    return sum(values, Fraction(0)) / len(values)


def idle_share(data: Path) -> Fraction:
    """Return the share of Kalos' GPU samples whose utilisation is zero."""
    curve = [row for row in rows(data / "acme_kalos/kalos_quantiles.csv.gz") if row["metric"] == "gpu_util"]
    return Fraction(sum(1 for row in curve if Fraction(row["value"]) == 0), len(curve))


def _kalos_quantiles(data: Path) -> list[Fraction]:
    table = rows(data / "acme_kalos/kalos_quantiles.csv.gz")
    return [Fraction(row["value"]) * 1000 for row in table if row["metric"] == "gpu_power"]


def _smc(data: Path) -> list[tuple[int, dict[str, str], list[tuple[int, int]]]]:
    """Return (start, run, [(time, watts)]) of every SMC run, by start; times in Unix milliseconds."""
    samples: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for row in rows(data / "smc_power/node_power_ac.csv.gz"):
        samples[row["power_run_id"]].append((int(row["time_ms"]), int(row["power_w"])))
    runs = rows(data / "smc_power/runs.csv.gz")
    return sorted(
        ((int(run["run_start_ms"]), run, samples[run["power_run_id"]]) for run in runs), key=lambda run: run[0]
    )


def _per_chip(watts: Sequence[int]) -> Fraction:
    return Fraction(sum(watts) * 1000, len(watts) * _NODE_CHIPS)


def _smc_runs(data: Path) -> list[Fraction]:
    """Return mean power in the timed part of each run; runs below three minutes are mostly start-up and left out."""
    found = []
    for start, run, samples in _smc(data):
        stop = int(run["run_stop_ms"])
        if stop - start >= _SHORTEST_RUN_MS:
            found.append(_per_chip([watts for time, watts in samples if start <= time <= stop]))
    return found


def _smc_idle(data: Path) -> list[Fraction]:
    """Return mean power more than 20 s away from each run that has at least ten such samples."""
    found = []
    for _, run, samples in _smc(data):
        begin, stop = int(run["init_start_ms"]) - 2_000, int(run["run_stop_ms"]) + 20_000
        outside = [watts for time, watts in samples if not begin <= time <= stop]
        if len(outside) >= 10:
            found.append(_per_chip(outside))
    return found


def _h200_runs(data: Path) -> list[Fraction]:
    """Return mean wall power in the timed window of each measured pass of the H200 server."""
    windows: dict[str, dict[str, str]] = defaultdict(dict)
    for row in rows(data / "mlperf_infer_power/results.csv"):
        windows[row["run_id"]][row["key"]] = row["value"]
    inside: dict[str, list[Fraction]] = defaultdict(list)
    for row in rows(data / "mlperf_infer_power/power_1hz.csv.gz"):
        window = windows[row["run_id"]]
        timed = _clock(window["power_begin"]) <= _clock(row["analyzer_time"]) <= _clock(window["power_end"])
        watts = Fraction(row["power_w"])
        if row["run_id"].endswith("run_1") and timed and watts > 0:
            inside[row["run_id"]].append(watts)
    return [mean(watts) * 1000 / _NODE_CHIPS for _, watts in sorted(inside.items())]


def _clock(text: str) -> datetime:
    return datetime.strptime(text, "%m-%d-%Y %H:%M:%S.%f")  # noqa: DTZ007  (only differences count)


def _repeats(data: Path) -> list[Fraction]:
    """Return each SMC run's power over the mean of its set-up's runs: how much one workload varies when repeated."""
    groups: dict[tuple[str, str], list[Fraction]] = defaultdict(list)
    for start, run, samples in _smc(data):
        stop = int(run["run_stop_ms"])
        inside = [watts for time, watts in samples if start <= time <= stop]
        groups[run["nodes"], run["benchmark"]].append(_per_chip(inside))
    return [power / mean(group) for group in groups.values() if len(group) > 1 for power in group]


def _a100(
    quantiles: Sequence[Fraction], idle: int, host: Fraction, repeats: Sequence[Fraction]
) -> dict[tuple[str, str], Power]:
    """Cut Kalos' power curve into idle, light and heavy: at the share of zero utilisation, and at 150 W."""
    light = sum(1 for milliwatts in quantiles if milliwatts < 150_000)
    heavy = quantiles[light : len(quantiles) * 99 // 100]
    source = "acme_kalos: GPU power curve with a calculated host share"

    def cut(part: Sequence[Fraction], words: str, high: Fraction) -> Power:
        # The curve has no time axis: its mean, varied from hour to hour as SMC's repeated runs vary.
        series = [mean(part) * ratio + host for ratio in repeats]
        return Power(series, f"{source}; {words}", "calculated", (part[0] + host, high + host))

    serving_high = quantiles[len(quantiles) * 80 // 100]
    return {
        (A100, "train"): cut(heavy, "150 W to the 99th percentile", heavy[-1]),
        (A100, "serve"): cut(
            quantiles[idle:light], "in use, mean up to 150 W, high end the 80th percentile", serving_high
        ),
        (A100, "idle"): cut(quantiles[:idle], "utilisation 0", quantiles[idle]),
    }


def _v100(data: Path, host: Fraction) -> dict[tuple[str, str], Power]:
    """Mix eight of Zeus' training set-ups at the full power limit in each hour; serving takes the lighter half."""
    table = [row for row in rows(data / "zeus_power/power_v100.csv.gz") if row["power_limit"] == "250"]
    watts = [Fraction(row["average_power"]) for row in table]
    lighter = [power for power in watts if power <= sorted(watts)[(len(watts) - 1) // 2]]
    source = "zeus_power: V100 GPU power with a calculated host share"
    least = min(watts) * 1000 + host
    return {
        (V100, "train"): Power(_mixed(watts, host), f"{source}; eight set-ups at a time", "calculated"),
        (V100, "serve"): Power(_mixed(lighter, host), f"{source}; lighter half of the set-ups", "calculated"),
        (V100, "idle"): Power(
            (least,), f"{source}; least set-up, 20 % either way", "estimated", (least * 4 / 5, least * 6 / 5)
        ),
    }


def _mixed(watts: Sequence[Fraction], host: Fraction) -> list[Fraction]:
    """Return the means of eight set-ups, each block after the last, in the order of the file."""
    count = len(watts)
    blocks = ([watts[(_MIXED * block + item) % count] for item in range(_MIXED)] for block in range(count))
    return [mean(block) * 1000 + host for block in blocks]
