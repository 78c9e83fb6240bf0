"""The command line as a whole: exit codes, one clear line for every failure, fast start, JSON envelope."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from enum import Enum
from pathlib import Path
from typing import Any

import click
import grpc
import pytest

from cli import main
from cli.calls import explain_failure
from cli.main import run
from cli.output import EXACT_JSON_INTEGER, Exit, answer, exit_of, plain
from daemon.config import ConfigError
from protocol.errors import Reason, Refused

HEAVY = {"grpc", "sqlalchemy", "pydantic", "rich", "cryptography", "structlog", "google", "nacl", "asyncio"}


def raising(error: BaseException) -> click.Command:
    """A command that fails in this way."""

    @click.command()
    def command() -> None:
        raise error

    return command


def run_raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> int:
    monkeypatch.setattr(main.standstill, "get_command", lambda *_: raising(error))
    return run(["node"])


@pytest.mark.parametrize("name", main.GROUPS)
def test_every_group_has_its_module_and_its_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    assert "Usage: standstill" in capsys.readouterr().out


def test_the_list_of_groups_loads_none_of_them() -> None:
    program = "import sys; from cli.main import run; run(['--help']); print(*sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    loaded = {name.partition(".")[0] for name in done.stderr.split()}
    assert not loaded & HEAVY
    assert not {name for name in done.stderr.split() if name in {f"cli.{group}" for group in main.GROUPS}}
    assert all(name in done.stdout for name in main.GROUPS)


@pytest.mark.parametrize(
    "arguments",
    [["no-such-group"], ["node", "no-such-command"], ["node", "init"], ["node", "status", "--no-such-flag"]],
)
def test_wrong_usage_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == Exit.USAGE
    assert "Error" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (
            Refused(Reason.NAME_UNKNOWN, "party", "expected one of a, b"),
            2,
            "NAME_UNKNOWN party: expected one of a, b\n",
        ),
        (Refused(Reason.STORE_UNAVAILABLE, "store", "disk full"), 7, "STORE_UNAVAILABLE store: disk full\n"),
        (Refused(Reason.TRUST_ROOT_MISMATCH, "agreement", "pinned"), 5, "TRUST_ROOT_MISMATCH agreement: pinned\n"),
        (ConfigError(["node.toml:1: one", "node.toml:2: two"]), 2, "node.toml:1: one\nnode.toml:2: two\n"),
        (FileNotFoundError(2, "No such file", "terms"), 7, "terms: No such file\n"),
        (click.ClickException("no such thing"), 2, "Error: no such thing\n"),
        (click.Abort(), 130, "interrupted\n"),
        (KeyboardInterrupt(), 130, "\ninterrupted\n"),
    ],
    ids=["usage", "fault", "trust", "config", "file", "click", "abort", "interrupt"],
)
def test_a_failure_is_one_clear_line_and_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int, said: str
) -> None:
    assert run_raising(monkeypatch, error) == code
    assert capsys.readouterr() == ("", said)


def test_a_mistake_of_ours_is_a_fault_and_never_the_answer_no(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_raising(monkeypatch, ZeroDivisionError("unforeseen")) == Exit.FAULT
    assert "ZeroDivisionError: unforeseen" in capsys.readouterr().err


def test_a_command_ends_with_the_code_that_it_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    @click.pass_context
    def command(ctx: click.Context) -> None:
        ctx.exit(Exit.NOT_APPRAISED)

    monkeypatch.setattr(main.standstill, "get_command", lambda *_: command)
    assert run(["audit"]) == Exit.NOT_APPRAISED


def test_the_process_ends_with_the_exit_code() -> None:
    with pytest.raises(SystemExit) as ended:
        main.main(["no-such-group"])

    assert ended.value.code == Exit.USAGE


class Failed(grpc.RpcError):
    """A call that failed."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        self._code, self._details = code, details

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        (grpc.StatusCode.UNAVAILABLE, Exit.NOT_REACHED),
        (grpc.StatusCode.DEADLINE_EXCEEDED, Exit.NOT_REACHED),
        (grpc.StatusCode.INTERNAL, Exit.FAULT),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Exit.REFUSED),
    ],
)
def test_a_failed_call_says_whose_failure_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: grpc.StatusCode, exit_code: Exit
) -> None:
    error = Failed(code, "in\nseveral lines")
    said, _ = explain_failure(error)

    assert run_raising(monkeypatch, error) == exit_code
    assert capsys.readouterr().err == f"{said}\n"
    assert "\n" not in said


@pytest.mark.parametrize(
    "error",
    [
        Refused(Reason.NAME_UNKNOWN, "party", "found \x1b[2Jgone\x07"),
        Failed(grpc.StatusCode.INTERNAL, "found \x1b[2Jgone\x07"),
    ],
    ids=["refusal", "call"],
)
def test_a_failure_cannot_steer_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    run_raising(monkeypatch, error)

    assert capsys.readouterr().err.endswith("found \\x1b[2Jgone\\x07\n")


def test_what_another_process_refuses_is_6_but_for_faults_of_this_machine() -> None:
    assert exit_of(Reason.PERIOD_OVERLAP, remote=True) == Exit.REFUSED
    assert exit_of(Reason.SIGNATURE_INVALID, remote=True) == Exit.REFUSED
    assert exit_of(Reason.CLOCK_WENT_BACK, remote=True) == Exit.FAULT
    assert exit_of(Reason.SIGNATURE_INVALID) == Exit.NOT_TRUSTED
    assert exit_of(Reason.CLOCK_WENT_BACK) == Exit.FAULT
    assert exit_of(Reason.NAME_MALFORMED) == Exit.USAGE


def test_the_envelope_is_the_same_for_every_answer(capsys: pytest.CaptureFixture[str]) -> None:
    data = {"bound_tflop": 2**53 + 1, "size": 2**53, "root": b"\x01\xff"}
    answer("standstill/x.y/1", "not_confirmed", data, exit_code=Exit.NOT_CONFIRMED, as_of=1804314060, notes=["one"])

    assert json.loads(capsys.readouterr().out) == {
        "schema": "standstill/x.y/1",
        "answer": "not_confirmed",
        "exit": 1,
        "as_of": 1804314060,
        "data": {"bound_tflop": "9007199254740993", "size": 9007199254740992, "root": "01ff"},
        "notes": ["one"],
    }


class Word(Enum):
    YES = "yes"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (EXACT_JSON_INTEGER, EXACT_JSON_INTEGER),
        (EXACT_JSON_INTEGER + 1, str(EXACT_JSON_INTEGER + 1)),
        (-EXACT_JSON_INTEGER - 1, str(-EXACT_JSON_INTEGER - 1)),
        (True, True),
        (None, None),
        (0.5, 0.5),
        (Path("a/b"), "a/b"),
        (Word.YES, "yes"),
        (Reason.KEY_TWICE, "KEY_TWICE"),
        (((1, b"\0"), {"a": {2**60}}), [[1, "00"], {"a": [str(2**60)]}]),
    ],
)
def test_values_are_written_without_loss(value: Any, written: Any) -> None:
    assert plain(value) == written
    assert type(plain(value)) is type(written)


def test_output_that_nobody_reads_is_no_failure() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    program = "from cli.main import main; main(['--help'])"
    done = subprocess.run([sys.executable, "-c", program], stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)

    assert b"Traceback" not in done.stderr
