"""`standstill pledges`: what is computed from the state that a verifier hands out, and what is not believed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from google.protobuf.json_format import MessageToDict

from cli.main import run
from cli.output import Exit
from standstill.v1 import audit_service_pb2
from tests.builders import NEVER, clause, keeps, pledge
from tests.cli.verifier_in_a_box import Answers, serving
from tests.protocol.pledge_worlds import UNKNOWN, plain, state_of
from tests.terms import PERIOD, START

Said = tuple[int, str, str]


def handed_out() -> audit_service_pb2.GetStateResponse:
    """Gamma keeps the slowdown unconditionally, beta if gamma does, alpha if beta or gamma do; delta waits for all."""
    world = plain(
        4,
        alpha=[clause(1, provided=keeps(1, "beta", "gamma", k=1))],
        beta=[clause(1, provided=keeps(1, "gamma"))],
        gamma=[clause(1)],
        delta=[clause(2, when=UNKNOWN, provided=keeps(2, "alpha", "beta", "gamma"))],
    )
    agreement, state = state_of(world)
    return audit_service_pb2.GetStateResponse(
        agreement=agreement.digest,
        name=agreement.terms.name,
        verifier="vera",
        now=START + 7 * PERIOD,
        closed=state.period,
        state=state.digest(),
        status="in_force",
        period_seconds=PERIOD,
        start=START,
        state_text=state.text(),
        terms=agreement.data,
    )


@pytest.fixture
def answers() -> Answers:
    return Answers(handed_out())


@pytest.fixture
def said(
    answers: Answers, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Said]]:
    """Run `standstill pledges ...`; gives exit code, standard output and standard error."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    pinned = handed_out().agreement.hex()
    with serving(answers, tmp_path) as profile:

        def pledges(*arguments: str) -> Said:
            code = run(["pledges", *arguments, "--profile", str(profile), "--trust", pinned])
            return (code, *capsys.readouterr())

        yield pledges


def data(said: Said) -> Any:
    assert said[0] == Exit.DONE, said
    return json.loads(said[1])["data"]


def ranks(rows: list[dict[str, Any]]) -> dict[str, int]:
    """Level by lab."""
    return {row["lab"]: row["rank"] for row in rows}


def test_show_names_the_bound_the_core_the_pivotal_and_what_is_lacking(said: Any) -> None:
    found = data(said("show", "--json"))
    assert ranks(found["bound"]) == {"alpha": 1, "beta": 1, "gamma": 1, "delta": 0}
    assert ranks(found["core"]) == {"alpha": 1, "beta": 1, "gamma": 1, "delta": 0}
    assert found["pivotal"] == [{"lab": "gamma", "frees": ["alpha", "beta"]}]
    assert found["hollow"][0]["lab"] == "delta"
    assert [test["labs"] for test in found["unmet"]["delta"]["tests"]][1:] == [["alpha"], ["beta"], ["gamma"]]
    assert found["unmet"]["alpha"]["possible"] is False
    slowdown, pause = found["tipping"]
    assert (slowdown["sets"], slowdown["least"], slowdown["listed_all"]) == ([["delta"]], 1, True)
    assert pause["sets"] == [["alpha", "beta", "delta", "gamma"]]


def test_show_says_it_in_words(said: Any) -> None:
    code, out, _ = said("show")
    lines = out.splitlines()
    assert code == Exit.DONE
    assert "test agreement" in lines[0]
    assert [line.split()[:4] for line in lines[2:6]] == [
        ["alpha", "slowdown", "slowdown", "-"],
        ["beta", "slowdown", "slowdown", "-"],
        ["delta", "no", "level", "no"],
        ["gamma", "slowdown", "slowdown", "alpha,"],
    ]
    assert "delta's clause for pause is hollow: only if all 3 other control groups keep it." in lines
    assert "slowdown: every lab keeps it once it is called with 1 lab more: delta" in lines


def test_show_as_if_a_level_were_called(said: Any) -> None:
    assert "as if pause were called" in said("show", "--level", "pause")[1]
    code, _, err = said("show", "--level", "moratorium")
    assert code == Exit.USAGE
    assert "the agreement has slowdown, pause" in err


def test_explain_goes_down_to_each_test(said: Any) -> None:
    code, out, _ = said("explain", "beta")
    assert code == Exit.DONE
    assert "beta keeps slowdown by its pledge; in the core: slowdown" in out
    assert "true    gamma at level 1" in out
    assert "For pause it has no clause that could hold" in out
    gamma = data(said("explain", "gamma", "--json"))
    assert (gamma["rank"], gamma["frees"], gamma["why"]["value"]) == (1, ["alpha", "beta"], "true")
    delta = data(said("explain", "delta", "--json"))
    assert (delta["rank"], delta["unmet"]["rank"], delta["unmet"]["exact"]) == (0, 2, True)
    assert said("explain", "vera")[0] == Exit.USAGE


def test_explain_tells_what_holds_a_lab_that_lost_standing(said: Any, answers: Answers) -> None:
    _, state = state_of(plain(4, alpha=[clause(1, when=NEVER)]))
    held = replace(state, pledges={**state.pledges, "alpha": replace(state.pledges["alpha"], floor=1)})
    answers.state.state, answers.state.state_text = held.digest(), held.text()
    code, out, _ = said("explain", "alpha")
    assert code == Exit.DONE
    assert "It keeps slowdown whatever its clauses say" in out


def test_what_if_a_lab_leaves_shows_the_rounds(said: Any) -> None:
    code, out, _ = said("what-if", "gamma leaves")
    assert code == Exit.DONE
    assert "now: slowdown alpha, beta, gamma.   then: nobody." in out
    assert " round 1: gamma from slowdown (asked)" in out
    assert " round 2: beta from slowdown, lacks gamma keeps slowdown" in out
    assert " round 3: alpha from slowdown, lacks beta keeps slowdown" in out
    found = data(said("what-if", "gamma leaves", "--json"))
    assert [[one["lab"] for one in each] for each in found["rounds"]] == [["gamma"], ["beta"], ["alpha"]]
    assert set(ranks(found["bound"]).values()) == {0}
    assert found["change"] == {"lab": "gamma", "verb": "leaves"}


def test_what_if_a_lab_is_found_in_breach(said: Any) -> None:
    assert "then: slowdown gamma." in said("what-if", "gamma breaches")[1]


def test_what_if_a_lab_joins(said: Any) -> None:
    found = data(said("what-if", "epsilon joins", "--json"))
    assert ranks(found["bound"])["epsilon"] == 2
    assert said("what-if", "vera joins")[0] == Exit.USAGE
    assert said("what-if", "alpha joins")[0] == Exit.USAGE


@pytest.mark.parametrize("form", ["draft", "text"])
def test_what_if_a_lab_signs_a_file(said: Any, tmp_path: Path, form: str) -> None:
    signed = pledge(clause(2))
    file = tmp_path / "delta.pledge"
    body = {"kind": "Pledge", "body": MessageToDict(signed)}
    file.write_text(json.dumps(body) if form == "draft" else text_format.MessageToString(signed))
    for asked in (["--as", "delta"], ["delta signs"]):
        found = data(said("what-if", *asked, "--sign", str(file), "--json"))
        assert ranks(found["bound"])["delta"] == 2
        assert found["tipping"][0]["least"] == 0
    assert "runs on beside it for 2 periods" in said("what-if", "delta signs", "--sign", str(file))[1]


def written(folder: Path, text: str) -> str:
    file = folder / "mine.pledge"
    file.write_text(text, encoding="utf-8-sig")
    return str(file)


def test_what_if_a_lab_signs_the_text_of_a_pledge_which_names_the_lab(said: Any, tmp_path: Path) -> None:
    file = written(tmp_path, "# ours\npledge { by = delta   keep slowdown { provided = gamma keeps slowdown } }")

    for asked in ([], ["--as", "delta"], ["delta signs"]):
        found = data(said("what-if", *asked, "--sign", file, "--json"))
        assert found["change"] == {"lab": "delta", "verb": "signs"}
        assert ranks(found["bound"]) == {"alpha": 1, "beta": 1, "gamma": 1, "delta": 1}


def test_what_if_a_newcomer_joins_with_the_text_of_a_pledge(said: Any, tmp_path: Path) -> None:
    file = written(tmp_path, "pledge { by = omega   keep slowdown { } }")

    assert data(said("what-if", "omega joins", "--sign", file, "--json"))["change"]["lab"] == "omega"
    assert said("what-if", "delta signs", "--sign", file)[0] == Exit.USAGE


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("pledge { by = delta   keep slowdwon { } }", "mine.pledge:1:28: error unknown-name: slowdwon is no level."),
        ("pledge { by = delta   keep pause { provided = not beta keeps pause } }", "error not-monotone"),
        ("pledge { by = delta   keep pause {", "error unclosed"),
        ("pledge { keep pause { } }", "Say what changes"),
        ("pledge { by = gamma   keep pause { } }", "expected delta, found gamma"),
    ],
)
def test_what_if_tells_what_is_wrong_with_the_text_of_a_pledge(said: Any, tmp_path: Path, text: str, told: str) -> None:
    asked = ["delta signs"] if "gamma" in text else []
    code, out, err = said("what-if", *asked, "--sign", written(tmp_path, text))

    assert (code, out) == (Exit.USAGE, "")
    assert told in err


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("clauses { level: 1 provided { negation { keeps { level: 1 k: 1 of: 'beta' } } } }", "PLEDGE_NOT_MONOTONE"),
        ("clauses { level: 9 }", "NAME_UNKNOWN"),
        ("clauses { rank: 1 }", "DRAFT_MALFORMED"),
        ('{"kind": "Withdrawal", "body": {}}', "DRAFT_MALFORMED"),
    ],
    ids=["not monotone", "no such level", "no such field", "no pledge"],
)
def test_what_if_refuses_a_pledge_that_nobody_may_sign(said: Any, tmp_path: Path, written: str, why: str) -> None:
    file = tmp_path / "delta.pledge"
    file.write_text(written)
    code, out, err = said("what-if", "delta signs", "--sign", str(file))
    assert (code, out) == (Exit.USAGE, "")
    assert why in err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["gamma sleeps"],
        ["gamma"],
        ["delta signs"],
        ["nobody leaves"],
        ["gamma leaves", "--as", "beta"],
        ["gamma leaves", "--sign", "/dev/null"],
        ["--sign", "/dev/null"],
    ],
    ids=" ".join,
)
def test_what_if_says_what_it_wants_to_be_told(said: Any, arguments: list[str]) -> None:
    code, out, err = said("what-if", *arguments)
    assert (code, out) == (Exit.USAGE, "")
    assert err


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("state_text", b"agreement=00\n", "STATE_DIFFERS"),
        ("terms", b"other terms", "TRUST_ROOT_MISMATCH"),
        ("agreement", bytes(32), "TRUST_ROOT_MISMATCH"),
    ],
)
def test_shows_nothing_of_what_was_not_pinned(said: Any, answers: Answers, field: str, value: bytes, why: str) -> None:
    setattr(answers.state, field, value)
    code, out, err = said("show")
    assert (code, out) == (Exit.NOT_TRUSTED, "")
    assert why in err


def test_refuses_a_state_of_another_agreement_or_without_its_parties(said: Any, answers: Answers) -> None:
    _, state = state_of(plain(2))
    answers.state.state_text, answers.state.state = state.text(), state.digest()
    assert said("show")[0] == Exit.NOT_TRUSTED
    agreement, whole = state_of(plain(4))
    bare = replace(whole, agreement=agreement.digest, parties={})
    answers.state.MergeFrom(audit_service_pb2.GetStateResponse(state_text=bare.text(), state=bare.digest()))
    code, _, err = said("show")
    assert code == Exit.USAGE
    assert "STATE_MALFORMED" in err


def test_says_that_a_verifier_hands_no_state_out(said: Any, answers: Answers) -> None:
    answers.state.ClearField("terms")
    code, _, err = said("show")
    assert code == Exit.USAGE
    assert "does not hand out the state" in err
