"""`standstill audit bundle`: the file is there whole and checked, or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from cli.audit import bundle
from cli.main import run
from cli.output import Exit
from protocol.errors import Reason, Refused
from standstill.v1 import audit_service_pb2, bundle_pb2
from tests.bundles import bytes_of
from tests.cli.verifier_in_a_box import Answers, serving, state


@pytest.fixture
def answers() -> Answers:
    data, digest = bytes_of("breached")
    found = Answers(state(), bundle=data)
    found.state.agreement = digest
    return found


@pytest.fixture
def profile(answers: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A profile for a verifier that runs; the current directory is empty."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    with serving(answers, tmp_path) as made:
        (made / "trust").write_text(answers.state.agreement.hex())
        yield made


@pytest.fixture
def said(profile: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run `standstill audit bundle ...`; gives exit code, standard output and standard error."""

    def fetch(*arguments: str) -> tuple[int, str, str]:
        code = run(["audit", "bundle", *arguments, "--profile", str(profile)])
        return (code, *capsys.readouterr())

    return fetch


def test_keeps_the_bytes_as_they_came_and_says_how_to_check_them(answers: Answers, said: Any) -> None:
    code, out, _ = said("gamma", "P5")

    assert code == Exit.DONE
    assert Path("gamma-P5.bundle").read_bytes() == answers.bundle
    assert "gamma P5 breached" in out
    assert "standstill audit verify gamma-P5.bundle --trust" in out
    assert answers.asked == [audit_service_pb2.GetBundleRequest(lab="gamma", period=5)]


def test_asks_for_the_newest_period_if_none_is_named(answers: Answers, said: Any) -> None:
    said("gamma", "-o", "newest.bundle")

    assert answers.asked == [audit_service_pb2.GetBundleRequest(lab="gamma")]
    assert Path("newest.bundle").read_bytes() == answers.bundle


def test_says_the_same_in_json(answers: Answers, said: Any) -> None:
    found = json.loads(said("gamma", "--json")[1])

    assert found["schema"] == "standstill/audit.bundle/1"
    assert found["answer"] == "done"
    assert found["data"]["path"] == "gamma-P5.bundle"
    assert found["data"]["bytes"] == len(answers.bundle)
    assert found["data"]["sha256"] == sha256(answers.bundle).hexdigest()


def test_a_dash_writes_the_bundle_and_nothing_else(
    answers: Answers, profile: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    code = run(["audit", "bundle", "gamma", "-o", "-", "--profile", str(profile)])

    assert code == Exit.DONE
    assert capsysbinary.readouterr().out == answers.bundle
    assert not list(Path().iterdir())


def test_a_bundle_that_breaks_off_leaves_no_file_and_the_old_one_alone(answers: Answers, said: Any) -> None:
    Path("gamma-P5.bundle").write_bytes(b"older")
    answers.refusal = Refused(Reason.STORE_UNAVAILABLE, "store", "the disk is full")

    code, out, err = said("gamma", "-o", "gamma-P5.bundle")

    assert code == Exit.FAULT
    assert not out
    assert "the disk is full" in err
    assert [path.read_bytes() for path in Path().iterdir()] == [b"older"]


def test_a_bundle_whose_proofs_fail_is_not_kept(answers: Answers, said: Any) -> None:
    broken = bundle_pb2.Bundle.FromString(answers.bundle)
    broken.logs[0].leaves[0].proof[0] = bytes(32)
    answers.bundle = broken.SerializeToString()

    code, out, err = said("gamma")

    assert code == Exit.NOT_TRUSTED
    assert not out
    assert str(Reason.ROOT_MISMATCH) in err
    assert "Nothing was written" in err
    assert not list(Path().iterdir())


@pytest.mark.parametrize("asked", [["alpha"], ["alpha", "P5"], ["gamma", "P4"], ["gamma", "P4", "-o", "-"]])
def test_a_sound_bundle_of_something_else_is_not_kept(said: Any, asked: list[str]) -> None:
    code, out, err = said(*asked)

    assert code == Exit.NOT_TRUSTED
    assert not out
    assert f"Asked for {' '.join(asked[:2])}, the verifier sent gamma P5. Nothing was written." in err
    assert not list(Path().iterdir())
    assert said("gamma", "P5")[0] == Exit.DONE


def test_a_bundle_under_another_agreement_is_not_kept(answers: Answers, said: Any, profile: Path) -> None:
    answers.state.agreement = bytes(32)
    (profile / "trust").write_text(bytes(32).hex())

    code, out, err = said("gamma", "P5")

    assert code == Exit.NOT_TRUSTED
    assert not out
    assert str(Reason.TRUST_ROOT_MISMATCH) in err
    assert not list(Path().iterdir())


def test_a_bundle_that_gives_another_verdict_is_kept_as_proof(answers: Answers, said: Any) -> None:
    other = bundle_pb2.Bundle.FromString(answers.bundle)
    log = next(log for log in other.logs if log.origin.startswith("gridco"))
    del log.leaves[1:]
    answers.bundle = other.SerializeToString()

    code, out, _ = said("gamma")

    assert code == Exit.NOT_CONFIRMED
    assert "It was kept: it proves that." in out
    assert Path("gamma-P5.bundle").read_bytes() == answers.bundle


def test_stops_at_the_size_that_a_bundle_may_have(answers: Answers, said: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "MAX_BUNDLE_BYTES", len(answers.bundle) - 1)

    code, _, err = said("gamma")

    assert code == Exit.NOT_TRUSTED
    assert str(Reason.MESSAGE_TOO_LARGE) in err
    assert not list(Path().iterdir())
    monkeypatch.setattr(bundle, "MAX_BUNDLE_BYTES", len(answers.bundle))
    assert said("gamma")[0] == Exit.DONE


def test_a_file_that_cannot_be_written_is_a_fault_of_this_machine(said: Any) -> None:
    code, out, err = said("gamma", "-o", "no-such-directory/gamma.bundle")

    assert code == Exit.FAULT
    assert not out
    assert "no-such-directory" in err


def test_a_full_disk_leaves_the_older_file_and_nothing_else(said: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("gamma-P5.bundle").write_bytes(b"older")

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    code, out, err = said("gamma")

    assert code == Exit.FAULT
    assert not out
    assert "No space left on device" in err
    assert [path.read_bytes() for path in Path().iterdir()] == [b"older"]
