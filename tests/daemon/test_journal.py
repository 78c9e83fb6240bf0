"""The running log."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import structlog

from daemon.journal import journal, open_journal


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    yield
    structlog.reset_defaults()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_writes_one_json_object_per_line_with_the_time_in_utc() -> None:
    out = io.StringIO()
    open_journal("node", stream=out).info("published", index=7)

    (line,) = out.getvalue().splitlines()
    said = json.loads(line)
    moment = datetime.fromisoformat(said.pop("time"))
    assert line.count("Z") == 1
    assert moment.utcoffset() == datetime.now(UTC).utcoffset()
    assert said == {"event": "published", "index": 7, "level": "info", "program": "node"}


def test_names_the_program_in_lines_of_every_thread() -> None:
    out = io.StringIO()
    open_journal("verifier vera", stream=out)
    other = threading.Thread(target=lambda: journal().info("closed", period=3))
    other.start()
    other.join()

    assert json.loads(out.getvalue())["program"] == "verifier vera"


def test_writes_the_cause_of_an_error() -> None:
    out = io.StringIO()
    open_journal("node", stream=out)
    journal().error("call failed", exc_info=ValueError("the cause"))

    assert json.loads(out.getvalue())["exception"][0]["exc_value"] == "the cause"


def test_writes_readable_lines_on_a_terminal() -> None:
    out = Terminal()
    open_journal("node", stream=out).info("published", index=7)

    assert "published" in out.getvalue()
    assert not out.getvalue().startswith("{")


def test_writes_to_standard_error_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    open_journal("verifier").warning("late", party="alpha")

    printed = capsys.readouterr()
    assert not printed.out
    assert json.loads(printed.err)["party"] == "alpha"


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_writes_no_values_of_variables_beside_the_cause_of_an_error(stream: type[io.StringIO]) -> None:
    out = stream()
    seed = "5eed" * 16
    try:
        int(f"refused {len(seed)}")
    except ValueError as error:
        open_journal("node", stream=out).error("call failed", exc_info=error)

    assert "refused 64" in out.getvalue()
    assert seed not in out.getvalue()
