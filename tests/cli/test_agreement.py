"""`standstill agreement` on protobuf text and on compiled terms: compile, check, show."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
from google.protobuf import text_format

from cli.main import run
from standstill.v1 import agreement_pb2
from tests.terms import agreement, terms


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    """Terms without their parties, as text."""
    made = terms()
    del made.parties[:]
    path = tmp_path / "draft.txtpb"
    path.write_text(text_format.MessageToString(made))
    return path


@pytest.fixture
def descriptors(tmp_path: Path) -> list[str]:
    """Options that name one descriptor for each party."""
    options = []
    for party in terms().parties:
        path = tmp_path / f"{party.name}.txtpb"
        path.write_text(f"# {party.name}\n{text_format.MessageToString(party)}")
        options += ["--party", str(path)]
    return options


def test_compiles_what_everybody_will_sign(
    draft: Path, descriptors: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "frontier.agreement"

    assert run(["agreement", "compile", str(draft), *descriptors, "-o", str(out)]) == 0
    assert capsys.readouterr().out == f"{agreement().digest.hex()}\n"
    assert out.read_bytes() == agreement().data


def test_compiling_is_for_scripts_too(
    draft: Path, descriptors: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "frontier.agreement"

    assert run(["agreement", "compile", str(draft), *descriptors, "-o", str(out), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["data"] == {"digest": agreement().digest.hex(), "bytes": out.stat().st_size, "file": str(out)}


def test_the_same_terms_compile_to_the_same_bytes(draft: Path, descriptors: list[str], tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("one", "other")]
    for file in files:
        assert run(["agreement", "compile", str(draft), *descriptors, "-o", str(file)]) == 0

    assert files[0].read_bytes() == files[1].read_bytes()


def test_refuses_terms_that_break_rules_and_writes_nothing(
    draft: Path, descriptors: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "frontier.agreement"
    out.write_bytes(b"what was there")

    assert run(["agreement", "compile", str(draft), *descriptors[:-2], "-o", str(out)]) == 2
    said = capsys.readouterr().err
    assert f"{draft}: error name-unknown: 'vera'" in said
    assert "was not written" in said
    assert out.read_bytes() == b"what was there"


def test_refuses_a_party_given_twice(
    draft: Path, descriptors: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "frontier.agreement"

    assert run(["agreement", "compile", str(draft), *descriptors, *descriptors[:2], "-o", str(out)]) == 2
    assert "error name-twice: 'alpha'" in capsys.readouterr().err
    assert not out.exists()


def test_a_mistake_in_the_text_is_named_by_line_and_column(
    draft: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = draft.read_text().splitlines()
    lines[2] = "  perido_seconds: 3600"
    draft.write_text("\n".join(lines))

    assert run(["agreement", "check", str(draft)]) == 2
    said = capsys.readouterr().out
    assert said.startswith(f"{draft}:3:3: error message-malformed: ")
    assert "perido_seconds" in said
    assert run(["agreement", "check", str(draft), "--json"]) == 2
    (problem,) = json.loads(capsys.readouterr().out)["data"]["problems"]
    assert (problem["line"], problem["column"], problem["code"]) == (3, 3, "message-malformed")
    assert run(["agreement", "compile", str(draft), "-o", str(tmp_path / "out")]) == 2
    assert f"{draft}:3:3" in capsys.readouterr().err


def write(tmp_path: Path, made: agreement_pb2.Agreement, *, text: bool) -> Path:
    path = tmp_path / "terms"
    path.write_bytes(text_format.MessageToString(made).encode() if text else made.SerializeToString(deterministic=True))
    return path


@pytest.mark.parametrize("text", [True, False], ids=["text", "compiled"])
def test_check_says_all_that_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: bool) -> None:
    broken = terms(period_seconds=1, start=0)
    path = write(tmp_path, broken, text=text)

    assert run(["agreement", "check", str(path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert f"{path}: error value-out-of-range: 0, not 1 to {1 << 40}" in lines
    assert lines[-1].endswith(" errors, 0 warnings, 0 notes")
    assert run(["agreement", "check", str(path), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["answer"], said["exit"]) == ("not_confirmed", 1)
    assert {"start", "period_seconds"} <= {problem["clause"] for problem in said["data"]["problems"]}


@pytest.mark.parametrize("text", [True, False], ids=["text", "compiled"])
def test_check_says_when_nothing_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: bool) -> None:
    path = write(tmp_path, terms(), text=text)

    assert run(["agreement", "check", str(path)]) == 0
    assert f"{path}: 0 errors, " in capsys.readouterr().out
    assert run(["agreement", "check", str(path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["answer"] == "confirmed"
    assert "error" not in {problem["severity"] for problem in said["data"]["problems"]}
    assert run(["agreement", "check", str(path), "--strict"]) == 1


UNCHECKED = "not checked: names, votes, conditions and sources of evidence; compiling adds the parties"


def test_check_of_a_draft_says_what_waits_for_the_parties(draft: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["agreement", "check", str(draft)]) == 3
    assert capsys.readouterr().out == f"{draft}: no problem found\n{draft}: {UNCHECKED}\n"

    assert run(["agreement", "check", str(draft), "--json"]) == 3
    said = json.loads(capsys.readouterr().out)
    assert (said["answer"], said["exit"], said["notes"]) == ("could_not_appraise", 3, [UNCHECKED])
    assert said["data"] == {"problems": []}


@pytest.mark.parametrize("form", [True, False], ids=["of form", "of meaning"])
def test_check_of_a_draft_says_what_is_wrong_without_the_parties(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: bool
) -> None:
    broken = terms(period_seconds=1) if form else terms()
    del broken.parties[:]
    broken.levels[1].steady_steps = 10**6
    path = write(tmp_path, broken, text=True)

    assert run(["agreement", "check", str(path)]) == 1
    *found, _, last = capsys.readouterr().out.splitlines()
    assert {line.split()[2] for line in found} == {"value-out-of-range:" if form else "clocks-contradict:"}
    assert last == f"{path}: {UNCHECKED}"


@pytest.mark.parametrize("data", [b"\x08\xff", b"\xff\xfe", b"\x08\x01\x92\x3f\x00"])
def test_check_refuses_what_is_neither_text_nor_terms(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes
) -> None:
    path = tmp_path / "terms"
    path.write_bytes(data)

    assert run(["agreement", "check", str(path)]) == 2
    assert "error message-" in capsys.readouterr().out


def test_a_file_that_is_not_there_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["agreement", "check", str(tmp_path / "nothing")]) == 2
    assert "expected a readable file" in capsys.readouterr().err


@pytest.mark.parametrize("text", [True, False], ids=["text", "compiled"])
def test_show_says_every_term_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: bool) -> None:
    path = write(tmp_path, terms(), text=text)

    assert run(["agreement", "show", str(path)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for words in (
        f"TEST AGREEMENT compiled terms times UTC DIGEST {agreement().digest.hex()} WHO",
        "Labs: alpha (alpha group), 1 site metered by gridco whose energy is 1.1 to 1.5 times that of the chips, root",
        "1 of 1 verifiers must agree, counted by owner; 0 may lie or be broken.",
        "In force once alpha, beta, gamma and vera have signed; void if that takes longer than 5 h.",
        "1 h from 2026-01-01 00:00 on each lab states what each of its sites did within 10 min",
        "Late after 1 h, stale after 2 h, presumed not to comply after 3 h of silence.",
        "H100-SXM: at most 989 TFLOP/s bf16_dense, 1,979 TFLOP/s fp8_dense; draws 150 to 1300 W (train,",
        "horizon, in minutes; reported by alpha, beta, gamma and vera. A reading needs 1 independent report, none",
        "SLOWDOWN Level 1. Binds each lab on the terms of its own pledge.",
        "May be called when horizon of any lab is 1,000 minutes or more. It also takes votes: 2 of alpha, beta and",
        "At most 1e21 FLOP and 1,000,000,000 chip-seconds of train, post_train, rollout and unlabelled in any 4 h",
        "Allowed: inference, eval, safety, maintenance, idle and off. Any other work is outside the level.",
        "in 2 closed periods in a row, 2 h have passed since pause began, AND 2 of alpha, beta and gamma agree",
        "Else it stays, at most 12 h unless renewed by the vote council.",
        "council: 2 of alpha, beta and gamma. A ballot counts for 6 h.",
        "in 2 of the last 3 settled verdicts makes a lab accused.",
        "No verdict is honored without the lab's attestation of every site.",
    ):
        assert words in said


def test_show_is_for_scripts_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, terms(), text=True)

    assert run(["agreement", "show", str(path), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert data["digest"] == agreement().digest.hex()
    assert (data["draft"], data["signed"], data["missing"]) == (False, [], ["alpha", "beta", "gamma", "vera"])
    assert {"heading", "sentences"} == set(data["sections"][0])
    assert data["terms"]["parties"][0]["log_key"] == terms().parties[0].log_key.hex()
    assert data["terms"]["levels"][0]["caps"][0]["teraflop"] == 10**9


def test_show_refuses_terms_that_break_rules(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, terms(version=2), text=True)

    assert run(["agreement", "show", str(path)]) == 1
    assert "error version-unknown" in capsys.readouterr().err


def test_the_digest_shown_is_that_of_the_bytes_in_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = terms(name="another name").SerializeToString(deterministic=True)
    path = tmp_path / "terms"
    path.write_bytes(data)

    assert run(["agreement", "show", str(path)]) == 0
    assert sha256(data).hexdigest() in capsys.readouterr().out
