"""`standstill audit why`: the trees behind a level, as a verifier tells them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cli.output import Exit
from standstill.v1 import audit_service_pb2, condition_pb2
from tests.cli.test_audit import answers, profile, said
from tests.cli.verifier_in_a_box import Answers, lab_status, state

__all__ = ["answers", "profile", "said"]

CALLED = "true    call\n  true    horizon of any lab >= 2400\n  true    vote to call"
LIFT = "false   lift, 0 of 3 steps\n  false   level 2 for 5 periods, so far 2"


@pytest.fixture(autouse=True)
def paused(answers: Answers) -> audit_service_pb2.LevelStatus:
    """A pause in force with both trees; no lift before P130."""
    answers.state = state(lab_status("alpha"))
    level = answers.state.levels[0]
    level.called, level.why, level.earliest_lift = CALLED, LIFT, 130
    return level


def test_says_why_a_level_was_called_and_what_would_lift_it(said: Any) -> None:
    code, out, _ = said("why", "pause")

    assert code == Exit.DONE
    called, lift = out.index("CALLED BECAUSE"), out.index("WHAT WOULD LIFT IT")
    assert called < out.index("true    horizon of any lab >= 2400") < lift < out.index("false   level 2 for 5 periods")
    assert "Not before the closing of P130" in out


def test_keeps_the_shape_of_the_tree(said: Any) -> None:
    out = said("why")[1]

    assert "    true    call\n      true    horizon" in out


def test_says_when_only_the_mandate_ends_it(paused: audit_service_pb2.LevelStatus, said: Any) -> None:
    paused.ClearField("earliest_lift")

    assert "it ends with its mandate" in said("why")[1]


def test_says_what_would_call_a_level_that_is_open(paused: audit_service_pb2.LevelStatus, said: Any) -> None:
    paused.phase, paused.called = condition_pb2.PHASE_OPEN, ""

    out = said("why", "pause")[1]

    assert "WHAT WOULD CALL IT" in out
    assert "LIFT" not in out


def test_the_same_in_json(said: Any) -> None:
    found = json.loads(said("why", "--json")[1])

    assert found["schema"] == "standstill/audit.why/1"
    (level,) = found["data"]["levels"]
    assert level["called_because"] == CALLED.splitlines()
    assert level["now"] == LIFT.splitlines()
    assert level["earliest_lift_period"] == 130


def test_refuses_a_level_that_the_agreement_lacks(said: Any) -> None:
    code, out, err = said("why", "standby")

    assert (code, out) == (Exit.USAGE, "")
    assert "No level standby; the agreement has pause." in err


def test_what_a_verifier_says_cannot_steer_the_terminal(paused: audit_service_pb2.LevelStatus, said: Any) -> None:
    paused.why = "true\x1b[2J"

    assert "\x1b" not in said("why")[1]
