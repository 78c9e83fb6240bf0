"""The demo as somebody runs it: a process that plays eight others, and leaves nothing but what it says."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bound.reckoning import check
from demo.scenario import PARTIES, PRESET, Timeline, terms_of, terms_text
from language.difference import differences
from protocol.agreement import read_agreement
from protocol.bundle import BEYOND, Result, verify_bundle

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "node" / "fixtures"
SECONDS = 540
"""After which a demo that hangs is ended."""


@contextlib.contextmanager
def somewhere() -> Iterator[Path]:
    """A working directory and a directory for temporary files, with short names for the sake of Unix sockets."""
    with tempfile.TemporaryDirectory(prefix="demo-") as name:
        (Path(name) / "tmp").mkdir()
        yield Path(name)


@pytest.fixture
def place() -> Iterator[Path]:
    """A place for one demo."""
    with somewhere() as found:
        yield found


def command(place: Path, *arguments: str | Path) -> dict[str, Any]:
    """How to start the demo in a directory of its own."""
    surroundings = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "proto")])}
    return {
        "args": [sys.executable, "-m", "cli.main", "demo", "--out", "out", *map(str, arguments)],
        "cwd": place,
        "env": surroundings | {"TMPDIR": str(place / "tmp")},
        "stdin": subprocess.DEVNULL,
        "text": True,
    }


def demo(place: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(**command(place, *arguments), capture_output=True, check=False, timeout=SECONDS)


def processes_in(place: Path) -> list[int]:
    """Processes that were started with a path below a directory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if os.fsencode(place) in entry.read_bytes():
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found


def require_success(place: Path, done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What a demo that went well has said and left."""
    assert done.returncode == 0, done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    assert (answer["schema"], answer["answer"], answer["exit"]) == ("standstill/demo/1", "confirmed", 0)
    assert answer["data"]["claims"]
    assert all(claim["held"] for claim in answer["data"]["claims"])
    assert list((place / "tmp").iterdir()) == []
    assert processes_in(place) == []
    return answer


@dataclass(frozen=True)
class Done:
    """A demo that went well: where, what it answered, and what it showed meanwhile."""

    place: Path
    answer: dict[str, Any]
    shown: str


@pytest.fixture(scope="module")
def done() -> Iterator[Done]:
    """The demo as it comes, played once."""
    with somewhere() as place:
        ended = demo(place, "--json")
        yield Done(place, require_success(place, ended), ended.stderr)


def test_every_claim_holds_and_every_bundle_verifies(done: Done) -> None:
    line, place, answer = Timeline(), done.place, done.answer

    pinned = bytes.fromhex((place / "out" / "trust").read_text())
    reports = [verify_bundle((place / bundle).read_bytes(), pinned, check) for bundle in answer["data"]["bundles"]]
    assert [(report.lab, report.period) for report in reports] == [
        ("alpha", line.bounded),
        ("gamma", line.cheat_a),
        ("gamma", line.cheat_b),
    ]
    assert all(report.failed() is None for report in reports)
    for report in reports:
        assert {step.name for step in report.steps if step.result is Result.NOT_CHECKED} == BEYOND
        assert {step.result for step in report.steps if step.name not in BEYOND} == {Result.PASSED}
    spoiled = (place / "out" / f"gamma-P{line.cheat_b}.spoiled").read_bytes()
    assert verify_bundle(spoiled, pinned).failed() is not None
    assert {path.stem for path in (place / "out").glob("*.jsonl")} == set(PARTIES)


def test_leaves_its_terms_beside_their_preset(done: Done) -> None:
    preset, text = ((done.place / name).read_text() for name in done.answer["data"]["terms"])
    agreed = read_agreement((done.place / "out" / "agreement").read_bytes()).terms
    assert preset == PRESET.text
    assert text == terms_text(Timeline(), {})
    assert terms_of(text, {party.name: party for party in agreed.parties}) == agreed
    changed = len(differences(terms_of(preset), terms_of(text)))
    assert f"out/demo.agreement: the preset frontier-lab with {changed} changes (" in done.shown


def test_an_auditor_is_told_why_the_pause_was_called_and_what_would_lift_it(done: Done) -> None:
    why = done.shown.partition("$ standstill audit why pause\n")[2].partition("  ok ")[0]
    called, _, lift = why.partition("  WHAT WOULD LIFT IT\n")
    assert re.search(r"true +beta: 2520 \(evalco log \d+\)$", called, re.MULTILINE)
    assert len(re.findall(r"true +board/[a-z]+-\d log \d+$", called, re.MULTILINE)) == 3
    assert "event control_review since level 2 began" in lift
    assert re.search(r"Not before the closing of P\d+ \(", lift)


def test_an_export_of_slurm_plays_a_lab(place: Path) -> None:
    # Without a mapping all work is unlabelled: the pause ends all of it, and there is no run to report as halted.
    done = demo(place, "--json", "--trace", FIXTURES / "sacct.txt", "--chip-class", "H100-SXM")

    require_success(place, done)
    assert "sacct.txt: read as sacct, 7 rows used, 4 hours\n" in done.stderr
    assert "alpha: 4 of 4 hours have no watt-hours" in done.stderr
    assert sorted(path.name for path in place.iterdir()) == ["out", "tmp"]


HOURLY = """\
hour,site,chip_class,chips,label,chip_seconds,watt_hours
2027-02-01T00:00:00Z,north,H100-SXM,64,train,172800,41040
2027-02-01T00:00:00Z,north,H100-SXM,64,eval,57600,11056
2027-02-01T00:00:00Z,"south, by the river",A100-SXM-80,8,train,28800,3840
2027-02-01T01:00:00Z,north,H100-SXM,60,train,172800,1
2027-02-01T01:00:00Z,north,H100-SXM,60,eval,-5,0
2027-02-01T02:00:00Z,north,H100-SXM,64,dreaming,3600,700
2027-02-01T07:00:00Z,north,H100-SXM,64,inference,230400,44000
"""


def test_a_table_with_bad_rows_plays_a_lab_with_the_good_ones(place: Path) -> None:
    (place / "own.csv").write_text(HOURLY)
    (place / "out").mkdir()

    done = demo(place, "--json", "--trace", "own.csv")

    require_success(place, done)
    assert "own.csv: read as hourly, 5 rows used" in done.stderr
    assert "2 rows rejected, listed in " in done.stderr
    assert "own.csv:6, column chip_seconds: " in done.stderr
    with (place / "own.rejected.csv").open(newline="") as file:
        rejected = list(csv.DictReader(file))
    assert [(row["row"], row["column"], row["reason"]) for row in rejected] == [
        ("6", "chip_seconds", "TRACE_NEGATIVE"),
        ("7", "label", "TRACE_LABEL_UNKNOWN"),
    ]


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="counting processes needs /proc")
@pytest.mark.parametrize(
    ("number", "background"), [(signal.SIGINT, False), (signal.SIGINT, True), (signal.SIGTERM, False)]
)
def test_a_demo_that_is_ended_ends_its_parties_and_takes_their_keys_along(
    place: Path, number: signal.Signals, background: bool
) -> None:
    started = command(place)
    if background:
        # As a shell without job control does for a command followed by &.
        started["args"] = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh", *started["args"]]
    with subprocess.Popen(**started, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        # The first claim says that all parties are up.
        told = [process.stderr.readline()]
        while "ok" not in told[-1]:
            assert told[-1], "the demo ended by itself: " + "".join(told)
            told.append(process.stderr.readline())
        before = processes_in(place)
        process.send_signal(number)
        said = process.stderr.read()
        code = process.wait(SECONDS)

    assert len(before) == len(PARTIES)
    assert code == 128 + number
    assert "Traceback" not in said
    assert processes_in(place) == []
    assert list((place / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        ("garbage\n", (), "TRACE_FORMAT_UNKNOWN own.csv"),
        ("", (), "TRACE_EMPTY own.csv"),
        (HOURLY, ("--tz", "Mars/Base"), "TRACE_OPTION tz"),
        (HOURLY.replace(",64,", ",0,").replace(",60,", ",0,").replace(",8,", ",0,"), (), "TRACE_OPTION chips"),
        (HOURLY, ("--mapping", "own.csv"), "MAPPING_"),
    ],
)
def test_refuses_records_that_cannot_be_played_and_leaves_nothing(
    place: Path, content: str, options: tuple[str, ...], said: str
) -> None:
    (place / "own.csv").write_text(content)

    done = demo(place, "--trace", "own.csv", *options)

    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (place / "out").exists()


@pytest.mark.parametrize(
    "left", [("tls.key", "trust"), ("trust", "beta-P6.bundle"), ("notes.jsonl", "letter.txt"), ("x",)]
)
def test_a_directory_that_is_not_a_demos_is_left_alone(place: Path, left: tuple[str, ...]) -> None:
    (place / "out").mkdir()
    for name in left:
        (place / "out" / name).write_text("precious")

    done = demo(place)

    assert done.returncode == 2
    assert "out is not empty and not from an earlier demo" in done.stderr
    assert {path.name for path in (place / "out").iterdir()} == set(left)


def test_a_place_that_cannot_be_written_is_named(place: Path) -> None:
    (place / "file").write_text("")

    done = demo(place, "--out", "file/out")

    assert done.returncode == 7
    assert done.stderr.startswith("file/out: ")
