"""`standstill agreement diff`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.main import run
from tests.cli.agreement_texts import SMALL, write_parties, write_small


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return write_small(tmp_path)


def changed(old: Path, before: str, after: str) -> Path:
    assert before in SMALL
    path = old.with_name("new.agreement")
    path.write_text(SMALL.replace(before, after))
    return path


@pytest.mark.parametrize(
    ("before", "after", "key", "direction"),
    [
        ("wind_down = 24 h", "wind_down = 12 h", "wind_down", "stricter"),
        ("wind_down = 24 h", "wind_down = 36 h", "wind_down", "looser"),
        (">= 40 h", ">= 20 h", "trigger", "stricter"),
        (">= 40 h", ">= 60 h", "trigger", "looser"),
        ("since winding >= 10 d", "since winding >= 20 d", "resume", "stricter"),
        ("allow = [inference, maintenance", "allow = [inference, eval, maintenance", "allow", "looser"),
    ],
)
def test_says_of_each_change_whether_it_is_stricter(
    old: Path, before: str, after: str, key: str, direction: str, capsys: pytest.CaptureFixture[str]
) -> None:
    new = changed(old, before, after)

    assert run(["agreement", "diff", str(old), str(new), "--json"]) == 0
    (change,) = json.loads(capsys.readouterr().out)["data"]["changes"]
    assert (change["clause"], change["key"], change["direction"]) == ("level pause", key, direction)
    assert run(["agreement", "diff", str(old), str(new)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "level pause"
    assert lines[1].split()[:2] == [key, direction]
    assert lines[-1] == f"1 change: 1 {direction}"


def test_the_exit_code_tells_a_difference_only_when_asked(
    old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = changed(old, "wind_down = 24 h", "wind_down = 12 h")
    assert run(["agreement", "diff", str(old), str(new), "--exit-code"]) == 1
    assert run(["agreement", "diff", str(old), str(old), "--exit-code"]) == 0
    assert capsys.readouterr().out.endswith("no difference\n")


def test_a_text_and_its_bytes_do_not_differ_but_in_keys(
    old: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compiled = tmp_path / "small"
    assert run(["agreement", "compile", str(old), *write_parties(tmp_path), "-o", str(compiled)]) == 0
    capsys.readouterr()

    assert run(["agreement", "diff", str(old), str(compiled), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert data["old_digest"] is None
    assert len(data["new_digest"]) == 64
    assert {change["clause"].split()[0] for change in data["changes"]} == {"party"}


def test_refuses_terms_with_errors(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = changed(old, "called_by = both", "called_by = nobody")
    assert run(["agreement", "diff", str(old), str(new)]) == 1
    assert "unknown-name" in capsys.readouterr().err
    new.write_text(SMALL[:-4])
    assert run(["agreement", "diff", str(old), str(new)]) == 2
