"""`standstill agreement try`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.agreement.history import read_history
from cli.main import run
from language.presets import PRESETS
from protocol.errors import Reason
from tests.cli.agreement_texts import SMALL, write_small
from tests.protocol.refusals import refuses

REPORT: dict[str, Any] = {
    "at": 3,
    "party": "beta",
    "kind": "IndicatorReport",
    "period": 2,
    "body": {"indicator": "horizon", "lab": "beta", "value": 2_520},
}
BALLOT: dict[str, Any] = {
    "kind": "Ballot",
    "body": {"motion": "MOTION_CALL", "level": 1, "episode": 1, "yes": True},
}
HISTORY = [REPORT, {"at": 4, "party": "alpha", **BALLOT}, {"at": 5, "party": "beta", **BALLOT}]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write_small(tmp_path)


def history(small: Path, lines: list[dict[str, Any]]) -> str:
    path = small.with_name("history.jsonl")
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return str(path)


def test_says_what_would_have_been_called_and_why(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["agreement", "try", str(small), "--on", history(small, HISTORY)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "small on 6 periods of 3,600 s"
    assert lines[1] == "P5      2027-01-03 06:00  pause: open -> winding"
    assert any("vote to call: 2 groups say yes, 2 needed" in line for line in lines)
    assert lines[-1] == "bound at the end: nobody"


def test_the_answer_is_for_scripts_too(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stranger = {"at": 2, "party": "zeta", **BALLOT}
    assert run(["agreement", "try", str(small), "--on", history(small, [*HISTORY, stranger]), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    (transition,) = data["transitions"]
    assert {key: transition[key] for key in ("level", "period", "from", "to")} == {
        "level": "pause",
        "period": 5,
        "from": "open",
        "to": "winding",
    }
    assert transition["why"]["value"] == "true"
    assert data["periods"] == 6
    assert data["skipped"] == [{"at": 2, "party": "zeta", "kind": "Ballot", "why": "zeta is no party"}]


def test_says_why_nothing_is_called(small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small.write_text(SMALL.replace(">= 40 h", ">= 60 h"))

    assert run(["agreement", "try", str(small), "--on", history(small, HISTORY)]) == 0
    out = capsys.readouterr().out
    assert "nothing is called\n  pause\n" in out
    assert "horizon of at least 1 lab >= 3600" in out


def test_refuses_terms_with_errors_and_files_that_are_not_there(
    small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = history(small, HISTORY)
    assert run(["agreement", "try", str(small), "--on", "nowhere.jsonl"]) == 2
    small.write_text(SMALL.replace("called_by = both", "called_by = nobody"))
    assert run(["agreement", "try", str(small), "--on", record]) == 1
    assert "unknown-name" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("nothing", "h:1"),
        ("[]", "h:1"),
        ('{"at": -1, "party": "a", "kind": "Ballot", "body": {}}', "h:1: at"),
        ('{"at": true, "party": "a", "kind": "Ballot", "body": {}}', "h:1: at"),
        ('{"at": 1, "party": 1, "kind": "Ballot", "body": {}}', "h:1: party"),
        ('{"at": 1, "party": "a", "kind": "Ballot", "body": {"motion": "MOTION_CALL", "moot": 2}}', "h:1: body.moot"),
        ('{"at": 1, "party": "a", "kind": "Assessment", "lab": "b", "verdict": "good", "period": 0}', "h:1: verdict"),
        ('{"at": 1, "party": "a", "kind": "Assessment", "lab": "b", "verdict": "honored"}', "h:1: period"),
        (
            '{"at": 1, "party": "a", "kind": "Assessment", "lab": "b", "verdict": "honored", "period": 0, "so": 1}',
            "h:1: so",
        ),
    ],
)
def test_refuses_a_line_that_is_no_statement(line: str, field: str) -> None:
    with refuses(Reason.DRAFT_MALFORMED, field):
        read_history(line, "h")


def test_reads_the_history_that_comes_along() -> None:
    import demo

    text = (Path(str(demo.__file__)).parent / "history.jsonl").read_text()
    found = read_history(text, "demo")
    assert len(found) == len(text.splitlines())
    assert {said.party for said in found} >= {"alpha", "beta", "gamma", "evalco", "board", "vera"}


def test_the_frontier_preset_slows_down_by_itself_and_pauses_by_vote(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.agreement"
    path.write_text(PRESETS["frontier-lab"].text)

    assert run(["agreement", "try", str(path), "--on", "demo", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert [(one["period"], one["level"], one["to"]) for one in data["transitions"]] == [
        (400, "slowdown", "winding"),
        (441, "pause", "winding"),
        (465, "pause", "in_force"),
    ]
    assert data["skipped"] == []
    assert set(data["bound"]) == {"alpha", "beta", "gamma"}
