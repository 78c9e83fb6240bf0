"""`standstill audit verify`: offline, with little in memory, and never more said than was checked."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.audit.verify import exit_of
from cli.main import run
from cli.output import Exit
from protocol.bundle import BEYOND, MAX_BUNDLE_BYTES, STEPS, Report, Result, Step
from protocol.errors import Reason
from protocol.wire import encode
from standstill.v1 import bundle_pb2
from tests.bundles import assess, bundle, bytes_of, cheat, chronicle

HEAVY = {"rich", "grpc", "sqlalchemy", "cryptography", "pydantic", "structlog", "asyncio", "ssl", "daemon"}
PROGRAM = """
import atexit, json, sys
from cli.main import main
atexit.register(lambda: sys.stderr.write(json.dumps(sorted({name.partition(".")[0] for name in sys.modules}))))
main(sys.argv[1:])
"""


@pytest.fixture
def said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Write a bundle and verify it; gives exit code and standard output."""

    def verify(data: bytes, *arguments: str) -> tuple[int, str]:
        file = tmp_path / "gamma-P5.bundle"
        file.write_bytes(data)
        code = run(["audit", "verify", str(file), *arguments])
        return code, capsys.readouterr().out

    return verify


@pytest.mark.parametrize("verdict", ["honored", "inconclusive", "breached"])
def test_confirms_what_follows_from_the_bytes(said: Any, verdict: str) -> None:
    data, digest = bytes_of(verdict)

    code, out = said(data, "--trust", digest.hex())

    assert code == Exit.DONE
    assert out.splitlines()[-1] == (
        f'Confirmed offline: "gamma P5 {verdict}" follows from these bytes (not: the lab is honest)'
    )
    assert out.splitlines()[-2] == "Revision 1, assessed on the record to P7"
    shown = {name: line for (name, _), line in zip(STEPS, out.splitlines(), strict=False) if f" {name} " in line}
    assert list(shown) == [name for name, _ in STEPS]
    # The steps that no bundle can pass are shown, and change nothing.
    assert {name for name, line in shown.items() if "NOT CHECKED" in line} == BEYOND


def test_without_a_pin_nothing_is_confirmed(said: Any) -> None:
    data, digest = bytes_of("honored")

    code, out = said(data)

    assert code == Exit.NOT_APPRAISED
    assert re.search(f" trust root +NOT CHECKED  nothing pinned; the bundle says {digest.hex()}", out)
    assert "Confirmed offline" not in out


def test_a_pin_beside_the_bundle_is_used_and_said(said: Any, tmp_path: Path) -> None:
    data, digest = bytes_of("honored")
    (tmp_path / "trust").write_text(digest.hex())

    code, out = said(data)

    assert code == Exit.DONE
    assert f"Trust root from {tmp_path / 'trust'}, beside the bundle; a digest that you got another way" in out


def test_a_pin_given_comes_before_the_one_beside(said: Any, tmp_path: Path) -> None:
    data, digest = bytes_of("honored")
    (tmp_path / "trust").write_text(digest.hex())
    other = tmp_path / "frontier.trust"
    other.write_text(bytes(32).hex())

    code, out = said(data, "--trust", str(other))

    assert code == Exit.NOT_TRUSTED
    assert str(Reason.TRUST_ROOT_MISMATCH) in out
    assert "Not trusted: do not use this bundle" in out


def test_a_pin_beside_that_is_none_is_refused(said: Any, tmp_path: Path) -> None:
    (tmp_path / "trust").write_text("")

    assert said(bytes_of("honored")[0])[0] == Exit.USAGE


def test_a_flipped_signature_is_not_trusted(said: Any) -> None:
    data, digest = bytes_of("honored")
    broken = bundle_pb2.Bundle.FromString(data)
    broken.logs[0].checkpoint = broken.logs[0].checkpoint.replace(b"\n\n", b"\n\n\n", 1)

    code, out = said(broken.SerializeToString(), "--trust", digest.hex())

    assert code == Exit.NOT_TRUSTED
    assert re.search(" heads +FAILED ", out)
    assert re.search(" record +NOT CHECKED  an earlier step failed", out)


def test_another_verdict_is_not_confirmed(said: Any) -> None:
    data, digest = bytes_of("honored")
    less = bundle_pb2.Bundle.FromString(data)
    del next(log for log in less.logs if log.origin.startswith("gridco")).leaves[1:]

    code, out = said(less.SerializeToString(), "--trust", digest.hex())

    assert code == Exit.NOT_CONFIRMED
    assert re.search(" assessment +FAILED +ASSESSMENT_DIFFERS", out)
    assert 'Not confirmed: "gamma P5 honored" is signed, and does not follow' in out


def test_a_bundle_that_lacks_its_record_could_not_be_checked(said: Any) -> None:
    data, digest = bytes_of("honored")
    less = bundle_pb2.Bundle.FromString(data)
    for log in list(less.logs):
        if "/record/" in log.origin:
            less.logs.remove(log)

    code, out = said(less.SerializeToString(), "--trust", digest.hex())

    assert code == Exit.NOT_APPRAISED
    assert str(Reason.BUNDLE_INCOMPLETE) in out


@pytest.mark.parametrize("unchecked", ["", *(name for name, _ in STEPS)])
def test_only_what_no_bundle_can_show_may_be_left_unchecked(unchecked: str) -> None:
    passed = Report(tuple(Step(name, Result.PASSED, "") for name, _ in STEPS if name not in {*BEYOND, unchecked}))
    left = tuple(Step(name, Result.NOT_CHECKED, "") for name in sorted({*BEYOND, unchecked} - {""}))

    confirmed = unchecked in {"", *BEYOND}
    assert exit_of(Report(passed.steps + left)) == (Exit.DONE if confirmed else Exit.NOT_APPRAISED)


@pytest.mark.parametrize("data", [b"", b"\xff", b"no bundle at all"], ids=["empty", "one byte", "text"])
def test_what_is_no_bundle_is_not_trusted(said: Any, data: bytes) -> None:
    code, out = said(data, "--trust", bytes(32).hex())

    assert code == Exit.NOT_TRUSTED
    assert re.search(" format +FAILED ", out)


def test_reads_no_more_than_a_bundle_may_have(said: Any) -> None:
    code, out = said(bytes(MAX_BUNDLE_BYTES + 2), "--trust", bytes(32).hex())

    assert code == Exit.NOT_TRUSTED
    assert str(Reason.MESSAGE_TOO_LARGE) in out


def test_a_file_that_is_not_there_is_a_wrong_usage(tmp_path: Path) -> None:
    assert run(["audit", "verify", str(tmp_path / "none.bundle")]) == Exit.USAGE


def test_json_lists_every_check_with_its_result(said: Any) -> None:
    data, digest = bytes_of("breached")

    code, out = said(data, "--trust", digest.hex(), "--json")
    found = json.loads(out)

    assert (found["schema"], found["answer"], found["exit"]) == ("standstill/audit.verify/1", "confirmed", code)
    assert found["data"]["verdict"] == "breached"
    assert found["data"]["findings"] == ["shipped-not-declared"]
    assert (found["data"]["revision"], found["data"]["record_period"]) == (1, 7)
    assert {check["name"]: check["result"] == "passed" for check in found["data"]["checks"]} == {
        name: name not in BEYOND for name, _ in STEPS
    }


def test_the_revision_that_was_verified_is_said(said: Any) -> None:
    made = chronicle(6, cheat)
    made.close(7)
    assess(made, "gamma", 5)
    assess(made, "gamma", 5, revision=2)
    data = encode(bundle(made, "gamma", 5))

    assert "\nRevision 2, assessed on the record to P7\n" in said(data, "--trust", made.agreement.digest.hex())[1]
    found = json.loads(said(data, "--trust", made.agreement.digest.hex(), "--json")[1])
    assert found["data"]["revision"] == 2


def test_json_says_which_rule_failed(said: Any) -> None:
    found = json.loads(said(bytes_of("breached")[0], "--trust", bytes(32).hex(), "--json")[1])

    assert found["exit"] == Exit.NOT_TRUSTED
    assert (found["data"]["verdict"], found["data"]["revision"]) == (None, None)
    assert found["data"]["checks"][1]["reason"] == str(Reason.TRUST_ROOT_MISMATCH)


def test_text_of_a_bundle_cannot_steer_the_terminal(said: Any) -> None:
    data, digest = bytes_of("honored")
    hostile = bundle_pb2.Bundle.FromString(data)
    hostile.lab = "gamma\x1b[2J"

    code, out = said(hostile.SerializeToString(), "--trust", digest.hex(), "--ascii")

    assert code == Exit.NOT_TRUSTED
    assert "\x1b" not in out
    assert out.isascii()


def test_a_process_of_its_own_reads_standard_input_and_loads_nothing_heavy(tmp_path: Path) -> None:
    data, digest = bytes_of("honored")
    command = [sys.executable, "-c", PROGRAM, "audit", "verify", "-", "--trust", digest.hex()]

    done = subprocess.run(command, input=data, capture_output=True, check=False, cwd=tmp_path)

    assert done.returncode == Exit.DONE, done.stderr
    assert b"Confirmed offline" in done.stdout
    loaded = set(json.loads(done.stderr))
    assert {"click", "nacl", "google", "protocol"} <= loaded
    assert not loaded & HEAVY
