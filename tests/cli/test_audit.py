"""The auditor's questions: what is shown, and what the exit code says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.audit import words
from cli.main import run
from cli.output import Exit
from protocol.errors import Reason, Refused
from standstill.v1 import audit_service_pb2, condition_pb2
from standstill.v1 import header_pb2 as h
from tests.cli.verifier_in_a_box import (
    PINNED,
    Answers,
    assessed,
    finding,
    lab_status,
    pause,
    serving,
    state,
)

VERDICTS = {
    h.VERDICT_HONORED: Exit.DONE,
    h.VERDICT_INCONCLUSIVE: Exit.NOT_APPRAISED,
    h.VERDICT_DISCREPANT: Exit.NOT_CONFIRMED,
    h.VERDICT_BREACHED: Exit.NOT_CONFIRMED,
}


@pytest.fixture
def answers() -> Answers:
    return Answers(state())


@pytest.fixture
def profile(answers: Answers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A profile for a verifier that runs, named by the environment."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    with serving(answers, tmp_path) as made:
        monkeypatch.setenv("STANDSTILL_PROFILE", str(made))
        yield made


@pytest.fixture
def said(profile: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run `standstill audit ...`; gives exit code, standard output and standard error."""

    def audit(*arguments: str) -> tuple[int, str, str]:
        code = run(["audit", *arguments])
        return (code, *capsys.readouterr())

    return audit


@pytest.mark.parametrize(("verdict", "code"), VERDICTS.items())
def test_status_ends_with_the_code_of_the_worst_verdict(
    answers: Answers, said: Any, verdict: h.Verdict.ValueType, code: Exit
) -> None:
    answers.state = state(lab_status("alpha"), lab_status("gamma", verdict))

    found, out, _ = said("status")

    assert found == code
    assert words.MARKS[verdict].text in out


def test_status_says_agreement_level_and_moment_first(said: Any) -> None:
    _, out, _ = said("status")

    assert out.splitlines()[0] == (
        "frontier-pause 7f3c91ab   PAUSE in force   assessed to 2026-01-06 03:00Z (P122, 1 h 21 min ago)   "
        "verifier vera"
    )


def test_status_says_what_is_wrong_and_what_to_do_next(answers: Answers, said: Any) -> None:
    answers.state = state(lab_status("alpha", h.VERDICT_INCONCLUSIVE), lab_status("gamma", h.VERDICT_BREACHED))
    answers.state.logs[0].state = "not reached"

    code, out, _ = said("status")

    assert code == Exit.NOT_CONFIRMED
    assert "gamma is not confirmed. Why: standstill audit findings gamma. " in out
    assert "standstill audit bundle gamma P122" in out
    assert "alpha P122 could not be appraised: meter missing" in out
    assert "Log of gamma: not reached" in out


def test_status_of_honored_labs_has_nothing_to_add(said: Any) -> None:
    code, out, _ = said("status")

    assert code == Exit.DONE
    assert out.splitlines()[-1].startswith("gamma")
    assert "1,117 H" in out


@pytest.mark.parametrize(
    "lab",
    [
        lab_status("gamma", freshness="late"),
        lab_status("gamma", freshness="stale"),
        lab_status("gamma", h.VERDICT_UNSPECIFIED),
    ],
    ids=["late", "stale", "never assessed"],
)
def test_silence_is_never_confirmed(answers: Answers, said: Any, lab: audit_service_pb2.LabStatus) -> None:
    answers.state = state(lab_status("alpha"), lab)

    code, _, _ = said("status")

    assert code == Exit.NOT_APPRAISED


def test_a_lab_assessed_less_far_than_others_is_not_confirmed(answers: Answers, said: Any) -> None:
    behind = lab_status("gamma")
    behind.newest.period = 121
    answers.state = state(lab_status("alpha"), behind)

    code, out, _ = said("status")

    assert code == Exit.NOT_APPRAISED
    assert "gamma is assessed to P121 only, others to P122." in out


def test_an_agreement_that_is_not_in_force_confirms_nothing(answers: Answers, said: Any) -> None:
    answers.state = state(lab_status("alpha", h.VERDICT_UNSPECIFIED))
    answers.state.status = "forming"

    code, out, _ = said("status")

    assert code == Exit.NOT_APPRAISED
    assert "agreement forming   nothing assessed yet" in out


@pytest.mark.parametrize(
    "command", [["status"], ["lab", "gamma"], ["why"], ["findings"], ["bundle", "gamma"], ["watch"]]
)
def test_shows_nothing_under_another_agreement_than_the_pinned(answers: Answers, said: Any, command: list[str]) -> None:
    answers.state.agreement = bytes(32)

    code, out, err = said(*command)

    assert code == Exit.NOT_TRUSTED
    assert not out
    assert str(Reason.TRUST_ROOT_MISMATCH) in err
    assert not answers.asked


def test_a_pin_on_the_command_line_comes_before_the_profile(answers: Answers, said: Any, tmp_path: Path) -> None:
    other = tmp_path / "frontier.trust"
    other.write_text(f"sha256:{bytes(32).hex()} frontier\n")
    answers.state.agreement = bytes(32)

    assert said("status", "--trust", str(other))[0] == Exit.DONE
    assert said("status", "--trust", PINNED.hex())[0] == Exit.NOT_TRUSTED


def test_a_verifier_that_does_not_run_is_not_reached(said: Any) -> None:
    code, out, err = said("status", "--verifier", "127.0.0.1:1", "--timeout", "2")

    assert code == Exit.NOT_REACHED
    assert not out
    assert err


def test_another_verifier_than_the_one_in_the_profile_is_not_believed(
    answers: Answers, said: Any, profile: Path
) -> None:
    (profile / "verifier.crt").write_bytes((profile / "tls.crt").read_bytes())

    code, out, _ = said("status", "--timeout", "2")

    assert code == Exit.NOT_REACHED
    assert not out


def test_a_refusal_of_the_verifier_is_said_with_its_reason(answers: Answers, said: Any) -> None:
    answers.refusal = Refused(Reason.NAME_UNKNOWN, "lab", "'delta'; the labs are alpha, gamma")

    code, _, err = said("lab", "delta")

    assert code == Exit.REFUSED
    assert "NAME_UNKNOWN lab: 'delta'; the labs are alpha, gamma" in err


def test_a_profile_that_lacks_files_says_all_that_is_missing(said: Any, profile: Path) -> None:
    for name in ("trust", "verifier.crt"):
        (profile / name).unlink()

    code, _, err = said("status")

    assert code == Exit.USAGE
    assert [line.partition(": missing")[0] for line in err.splitlines()] == [
        str(profile / "verifier.crt"),
        str(profile / "trust"),
    ]


@pytest.mark.parametrize("text", ["abc", "0" * 63, "g" * 64])
def test_refuses_a_pin_that_is_no_digest(said: Any, profile: Path, text: str) -> None:
    (profile / "trust").write_text(text)

    code, _, err = said("status")

    assert code == Exit.USAGE
    assert "64 hexadecimal digits" in err


def test_status_in_json_has_the_envelope_and_plain_figures(answers: Answers, said: Any) -> None:
    answers.state = state(lab_status("alpha"), lab_status("gamma", h.VERDICT_BREACHED))

    code, out, _ = said("status", "--json")
    found = json.loads(out)

    assert (found["schema"], found["answer"], found["exit"]) == ("standstill/audit.status/1", "not_confirmed", code)
    assert found["as_of"] == 1_767_668_400
    assert found["data"]["agreement"] == PINNED.hex()
    assert found["data"]["labs"][1]["verdict"] == "breached"
    assert found["data"]["labs"][1]["periods_by_verdict"] == {
        "honored": 1_117,
        "inconclusive": 0,
        "discrepant": 0,
        "breached": 5,
    }
    assert found["data"]["levels"][0]["phase"] == "in_force"
    assert found["notes"]


def test_the_status_table_fits_eighty_columns(said: Any) -> None:
    _, out, _ = said("status")

    table = out[out.index("LAB") :]
    assert max(map(len, table.splitlines())) <= 80


def test_colour_only_where_it_is_asked_for_or_a_terminal_reads(said: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[" not in said("status")[1]
    assert "\x1b[" not in said("status", "--color", "never")[1]
    assert "38;2;0;114;178m[H] honored" in said("status", "--color", "always")[1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in said("status")[1]


def test_ascii_spells_out_what_a_terminal_may_not_show(answers: Answers, said: Any) -> None:
    answers.state.name = "frontière"

    assert "frontière" in said("status")[1]
    out = said("status", "--ascii")[1]
    assert out.isascii()
    assert "fronti\\xe8re" in out


def test_text_of_others_cannot_steer_the_terminal(answers: Answers, said: Any) -> None:
    hostile = finding()
    hostile.text = "harmless\x1b[2J\x1b]0;owned\x07\nsecond line"
    answers.findings = [audit_service_pb2.PlacedFinding(lab="gamma\r", period=122, finding=hostile)]

    _, out, _ = said("findings")

    assert "\x1b" not in out
    assert "\x07" not in out
    assert "harmless\\x1b[2J" in out
    assert "\\nsecond line" in out


def test_a_refusal_of_others_cannot_steer_the_terminal(answers: Answers, said: Any) -> None:
    answers.refusal = Refused(Reason.NAME_UNKNOWN, "lab", "harmless\x1b[2J\u202e\nsecond line")

    code, _, err = said("lab", "delta")

    assert code == Exit.REFUSED
    assert err == "refused: NAME_UNKNOWN lab: harmless\\x1b[2J\\u202e\\nsecond line\n"


@pytest.mark.parametrize(("verdict", "code"), VERDICTS.items())
def test_lab_ends_with_the_code_of_its_verdict(
    answers: Answers, said: Any, verdict: h.Verdict.ValueType, code: Exit
) -> None:
    answers.assessments = [assessed("gamma", verdict, 122), assessed("gamma", h.VERDICT_HONORED, 121)]

    found, out, _ = said("lab", "gamma")

    assert found == code
    assert f"gamma P122   {words.MARKS[verdict].text}" in out
    assert f"P121 to P122, oldest first: H{words.MARKS[verdict].letter}" in out


def test_lab_shows_what_a_verdict_is_worth(answers: Answers, said: Any) -> None:
    answers.assessments = [assessed("gamma")]

    _, out, _ = said("lab", "gamma")

    for expected in (
        "statement    vera.example/log[9]",
        "duty         pause",
        "record       read to the closing of P123",
        "evidence     5 of 5: attestation present",
        "hidden       not computed by this version",
        "false alarms agreed: 1,000 ppm a test",
        "not seen     Other chips.",
    ):
        assert expected in out


def test_lab_of_a_period_asks_for_that_period(answers: Answers, said: Any) -> None:
    answers.assessments = [assessed("gamma", h.VERDICT_HONORED, 122), assessed("gamma", h.VERDICT_BREACHED, 120)]

    code, out, _ = said("lab", "gamma", "--period", "P120")

    assert code == Exit.NOT_CONFIRMED
    assert "gamma P120   [B] breached" in out
    # P121 was never assessed; the period before it is no answer to what was asked.
    assert said("lab", "gamma", "--period", "121")[0] == Exit.NOT_APPRAISED


@pytest.mark.parametrize("flags", [[], ["--json"], ["--period", "P122"]])
def test_verdicts_on_another_lab_are_no_answer(answers: Answers, said: Any, flags: list[str]) -> None:
    answers.assessments = [assessed("alpha")]
    assert said("lab", "alpha", *flags)[0] == Exit.DONE
    answers.confused = True

    code, out, err = said("lab", "gamma", *flags)

    assert code == Exit.NOT_TRUSTED
    assert not out
    assert "Asked for gamma, the verifier answered for alpha" in err


def test_lab_without_details_says_why(answers: Answers, said: Any) -> None:
    summary = assessed("gamma", h.VERDICT_BREACHED)
    summary.ClearField("details")
    answers.assessments = [summary]

    code, out, _ = said("lab", "gamma")

    assert code == Exit.NOT_CONFIRMED
    assert "not shown to this certificate" in out
    assert json.loads(said("lab", "gamma", "--json")[1])["data"]["assessment"]["details"] is None


def test_findings_show_figures_and_statements(answers: Answers, said: Any) -> None:
    answers.findings = [audit_service_pb2.PlacedFinding(lab="gamma", period=122, finding=finding())]

    code, out, _ = said("findings", "gamma", "--since", "P100")

    assert code == Exit.DONE
    assert "gamma P122   [B] breached   shipped-not-declared   site 00010203" in out
    assert "observed 1,448 chips   expected 1,512 chips   deviation 5.8 sigma" in out
    assert "see side by side: chipco.example/log[17], gamma.example/log[122]" in out
    assert answers.asked[-1] == audit_service_pb2.ListFindingsRequest(lab="gamma", from_period=100, limit=100)


def test_findings_in_json_keep_figures_as_they_were_signed(answers: Answers, said: Any) -> None:
    answers.findings = [audit_service_pb2.PlacedFinding(lab="gamma", period=122, finding=finding())]

    found = json.loads(said("findings", "--json")[1])

    assert found["schema"] == "standstill/audit.findings/1"
    assert found["answer"] == "done"
    assert found["data"]["findings"][0]["figures"][0] == {"name": "observed", "value": "1448", "unit": "chips"}
    assert found["data"]["findings"][0]["statements"][0]["index"] == 17


@pytest.mark.parametrize(
    ("severity", "fail_on", "shown", "code"),
    [
        ("inconclusive", None, 2, Exit.DONE),
        ("discrepant", None, 2, Exit.DONE),
        ("breached", None, 1, Exit.DONE),
        ("inconclusive", "breached", 2, Exit.NOT_CONFIRMED),
        ("inconclusive", "inconclusive", 2, Exit.NOT_CONFIRMED),
    ],
)
def test_findings_by_severity(
    answers: Answers, said: Any, severity: str, fail_on: str | None, shown: int, code: Exit
) -> None:
    answers.findings = [
        audit_service_pb2.PlacedFinding(lab="gamma", period=122, finding=finding(severity=level))
        for level in (h.VERDICT_BREACHED, h.VERDICT_DISCREPANT)
    ]
    flags = [] if fail_on is None else ["--fail-on", fail_on]

    found, out, _ = said("findings", "--severity", severity, "--json", *flags)

    assert found == code
    assert len(json.loads(out)["data"]["findings"]) == shown


def test_findings_that_are_milder_than_the_limit_do_not_fail(answers: Answers, said: Any) -> None:
    mild = finding(severity=h.VERDICT_DISCREPANT)
    answers.findings = [audit_service_pb2.PlacedFinding(lab="gamma", period=122, finding=mild)]

    assert said("findings", "--fail-on", "breached")[0] == Exit.DONE
    assert said("findings", "--fail-on", "discrepant")[0] == Exit.NOT_CONFIRMED


def test_findings_say_when_there_may_be_more(answers: Answers, said: Any) -> None:
    placed = audit_service_pb2.PlacedFinding(lab="gamma", period=122, finding=finding())
    answers.findings = [placed, placed, placed]

    assert "Only the newest 2 were asked for" in said("findings", "--limit", "2")[1]
    assert "Only the newest" not in said("findings", "--limit", "4")[1]


@pytest.mark.parametrize("text", ["x", "-1", "P", "9223372036854775808", "١"])
def test_refuses_what_is_no_period(said: Any, text: str) -> None:
    assert said("findings", "--since", text)[0] == Exit.USAGE


def changes() -> list[audit_service_pb2.WatchResponse]:
    closed = audit_service_pb2.PeriodClosed(period=124, state=bytes(32))
    return [
        audit_service_pb2.WatchResponse(time=1_767_668_400, closed=closed),
        audit_service_pb2.WatchResponse(time=1_767_668_401, assessed=assessed("gamma", h.VERDICT_BREACHED, 123)),
        audit_service_pb2.WatchResponse(time=1_767_668_402, level=pause(condition_pb2.PHASE_RAMPING)),
    ]


def test_watch_prints_one_line_per_change(answers: Answers, said: Any) -> None:
    answers.changes = changes()

    code, out, err = said("watch")

    assert code == Exit.NOT_REACHED
    assert out.splitlines()[1:] == [
        "2026-01-06 03:00Z   P124 closed, state 0000000000000000",
        "2026-01-06 03:00Z   gamma P123 [B] breached   shipped-not-declared",
        "2026-01-06 03:00Z   PAUSE ramping up, begun P73, to P8833 unless renewed; binds alpha, gamma",
    ]
    assert "ended the stream" in err


def test_watch_in_json_lines_names_the_agreement_in_each(answers: Answers, said: Any) -> None:
    answers.changes = changes()

    lines = [json.loads(line) for line in said("watch", "--jsonl")[1].splitlines()]

    assert [line["change"] for line in lines] == ["closed", "assessed", "level"]
    assert {line["agreement"] for line in lines} == {PINNED.hex()}
    assert lines[1]["codes"] == ["shipped-not-declared"]


@pytest.mark.parametrize(
    ("word", "lines"), [("closed", 1), ("breached", 2), ("ramping_up", 3), ("honored", 0), ("in_force", 0)]
)
def test_watch_ends_once_what_it_waits_for_is_so(answers: Answers, said: Any, word: str, lines: int) -> None:
    answers.changes = changes()

    code, out, _ = said("watch", "--jsonl", "--until", word)

    shown = [line for line in out.splitlines() if "change" in json.loads(line)]
    assert code == Exit.DONE
    assert len(shown) == lines


def test_watch_until_appraised_waits_for_the_lab_that_was_not(answers: Answers, said: Any) -> None:
    answers.state = state(lab_status("alpha"), lab_status("gamma", h.VERDICT_INCONCLUSIVE))
    another = audit_service_pb2.WatchResponse(assessed=assessed("alpha", h.VERDICT_HONORED, 123))
    older = audit_service_pb2.WatchResponse(assessed=assessed("gamma", h.VERDICT_HONORED, 121))
    awaited = audit_service_pb2.WatchResponse(assessed=assessed("gamma", h.VERDICT_HONORED, 122))
    answers.changes = [another, older, awaited, another]

    code, out, _ = said("watch", "--jsonl", "--until", "appraised")

    assert code == Exit.DONE
    assert len(out.splitlines()) == 3


def test_init_makes_a_profile_and_says_what_to_exchange(
    tmp_path: Path, profile: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "new"
    flags = ["--dir", str(home), "--name", "ngo", "--verifier", "127.0.0.1:7444", "--trust", PINNED.hex()]

    code = run(["audit", "init", *flags, "--certificate", str(profile / "verifier.crt")])
    out = capsys.readouterr().out

    assert code == Exit.DONE
    assert sorted(path.name for path in home.iterdir()) == [
        "tls.crt",
        "tls.key",
        "trust",
        "verifier.crt",
        "verifier.toml",
    ]
    assert (home / "tls.key").stat().st_mode & 0o777 == 0o600
    assert '[auditor.ngo]\n  certificate = "ngo.crt"' in out
    assert "Still to put there" not in out


def test_init_says_what_is_still_missing_and_overwrites_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "new"

    assert run(["audit", "init", "--dir", str(home)]) == Exit.DONE
    assert capsys.readouterr().out.count("Still to put there") == 3
    key = (home / "tls.key").read_bytes()
    assert run(["audit", "init", "--dir", str(home)]) == Exit.USAGE
    assert str(Reason.SECRET_EXISTS) in capsys.readouterr().err
    assert (home / "tls.key").read_bytes() == key
