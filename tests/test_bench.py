"""The benchmarks run and say what they must say; what the figures are is nobody's test."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from bench.measure import Aim, Measurement, Target, cpu_seconds, percentile
from bench.table import as_json, cells, markdown, remarks


def measurement(*rounds: float, target: Target | None = None, note: str = "") -> Measurement:
    return Measurement(
        name="B0", what="nothing", numerator="6/s", denominator="2/s", rounds=rounds, target=target, note=note
    )


def test_a_benchmark_prints_its_ratio_with_numerator_and_denominator(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "B5", "--quick", "--json"]

    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    (measured,) = json.loads(done.stdout)["measured"]
    assert (measured["id"], measured["unit"], measured["aim"], measured["target"]) == ("B5", "ratio", "at least", 0.4)
    assert len(measured["rounds"]) == 3
    assert all(ratio > 0 for ratio in measured["rounds"])
    assert measured["numerator"].endswith("/s")
    assert measured["denominator"].endswith("/s bare commits")
    assert list((tmp_path / "bench-out").iterdir()) == [tmp_path / "bench-out" / "journal.jsonl"]


def test_an_unknown_benchmark_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "B99"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert "B99" in done.stderr


@pytest.mark.parametrize(
    ("aim", "value", "met"),
    [(Aim.AT_LEAST, 2.9, "yes"), (Aim.AT_LEAST, 3.1, "NO"), (Aim.AT_MOST, 3.1, "yes"), (Aim.AT_MOST, 2.9, "NO")],
)
def test_the_median_of_the_rounds_meets_the_target_or_not(aim: Aim, value: float, met: str) -> None:
    row = cells(measurement(1.0, 3.0, 100.0, target=Target(aim, value)))

    assert row == ("B0", "nothing", "6/s", "2/s", "3x", "1..100", f"{aim.value} {value:.3g}x", met)


def test_what_has_no_target_is_neither_met_nor_missed() -> None:
    assert cells(measurement(3.0))[-2:] == ("", "")
    assert json.loads(as_json([measurement(3.0)]))["measured"][0]["met"] is None


def test_what_could_not_be_measured_has_no_figure() -> None:
    missing = measurement(math.nan, target=Target(Aim.AT_LEAST, 1), note="not installed")

    assert cells(missing) == ("B0", "nothing", "", "", "", "", "", "not installed")
    assert json.loads(as_json([missing]))["measured"][0]["median"] is None


def test_rounds_that_differ_much_are_pointed_out() -> None:
    steady, shaky = remarks([measurement(3.0, 3.1, 3.2)]), remarks([measurement(3.0, 3.1, 9.0)])

    assert not any("quiet machine" in line for line in steady)
    assert any("B0" in line and "quiet machine" in line for line in shaky)


def test_the_table_names_the_machine_and_no_host() -> None:
    page = markdown([measurement(3.0)])

    assert "| B0 | nothing | 6/s | 2/s | 3x | 3..3 |  |  |" in page
    assert "cores" in page
    assert "pynacl" in page
    assert str(Path.home()) not in page


def test_a_percentile_is_the_nearest_rank() -> None:
    values = [float(value) for value in range(200, 0, -1)]

    assert percentile(values, 99) == 198.0
    assert percentile(values, 50) == 100.0
    assert percentile([7.0], 99) == 7.0


def test_the_cpu_time_of_another_process_is_read() -> None:
    busy = "import time\nwhile time.process_time() < 0.2: pass\nprint(flush=True)\ninput()"
    with subprocess.Popen([sys.executable, "-c", busy], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()

        assert cpu_seconds(process.pid) >= 0.2
        process.communicate(b"\n")
