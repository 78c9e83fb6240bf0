"""The small scope: every course of a few closings, of the code as it is and of the code broken on purpose."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from protocol import state as state_module
from protocol import state_entries
from protocol.state import Stage
from tests.model import normal
from tests.model.broken import Mutant, broken
from tests.model.explore import Explored, explore, machine, passed_twice
from tests.model.invariants import EVERYWHERE
from tests.model.lenses import LENSES
from tests.model.mutants import MUTANTS
from tests.model.normal import Normal, frozen
from tests.model.twins import TWINS
from tests.model.world import Act, World

CLOSINGS: Final = 250
"""Closings tried in each lens: as many as one run of the tests has time for. `python -m tests.model` tries all."""
ENDS: Final = ("renewals", "exempting", "admitting", "rounds")
"""Lenses small enough to be followed to their end in every run of the tests."""
MOST: Final = 9_000
"""Closings tried before broken code counts as not found."""


@cache
def _explored(name: str) -> Explored:
    return explore(LENSES[name](full=False), most=None if name in ENDS else CLOSINGS)


@pytest.mark.parametrize("name", LENSES)
def test_every_invariant_holds_in_the_small_scope(name: str) -> None:
    found = _explored(name)

    assert found.broken is None, "\n".join((found.broken.invariant, found.broken.found, *found.broken.trace))
    assert set(found.judged) >= {one.__name__ for one in EVERYWHERE}
    assert found.states > 20


@pytest.mark.parametrize("name", ENDS)
def test_every_course_of_events_is_followed_to_its_end(name: str) -> None:
    found = _explored(name)

    assert found.complete
    assert "constant_inputs_constant_phase" in found.judged


def test_a_search_that_stops_before_the_end_says_so() -> None:
    found = explore(LENSES["renewals"](full=False), most=CLOSINGS)

    assert not found.complete
    assert found.closings > 0


def test_every_level_passes_through_every_phase_of_its_machine_in_two_episodes() -> None:
    lens = LENSES["rounds"](full=False)

    assert machine(lens.agreement) == {(rank, stage) for rank in (1, 2) for stage in Stage}
    assert passed_twice([_explored("rounds")]) == machine(lens.agreement)


def test_one_episode_is_not_passing_through_twice() -> None:
    lens = LENSES["rounds"](full=False)

    assert passed_twice([explore(lens, deepest=1)]) < machine(lens.agreement)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_finds_the_rule_that_was_broken(mutant: Mutant) -> None:
    with broken(mutant):
        found = explore(LENSES[mutant.lens](full=False), most=MOST)

    assert found.broken is not None
    assert found.broken.invariant == mutant.invariant
    assert len(found.broken.trace) > 1


def test_a_mutant_leaves_the_code_as_it_was() -> None:
    lens = LENSES["ballots"](full=False)
    before = explore(lens, most=CLOSINGS)
    with broken(next(mutant for mutant in MUTANTS if mutant.lens == "ballots")):
        pass
    after = explore(lens, most=CLOSINGS)

    assert (before.states, before.transitions, after.broken) == (after.states, after.transitions, None)


def test_a_mutant_whose_text_is_gone_is_pointed_out() -> None:
    gone = Mutant("gone", "protocol.levels", "no such text", "", "votes", "nobody_skips_the_ramp")
    with pytest.raises(LookupError, match="gone"), broken(gone):
        pass


def test_every_lens_finds_some_mutant_but_those_for_phases() -> None:
    assert {mutant.lens for mutant in MUTANTS} == set(LENSES) - {"rounds", "whole"}


def test_every_invariant_has_a_sentence() -> None:
    for one in (*EVERYWHERE, *TWINS):
        assert (one.__doc__ or "").strip().endswith("."), one.__name__


def _numbers(kind: type) -> set[str]:
    return {item.name for item in fields(kind) if item.type in {"int", "int | None"}}


BOUNDED: Final[dict[str, set[str]]] = {
    # Small by the terms, or named with what they are about.
    "PartyState": {"notice_left", "keys_version"},
    "PledgeState": {"older_left", "kept", "floor"},
    "LevelState": {"episode", "brake_left"},
    "BallotState": {"episode", "serial"},
    "VerdictState": {"revision"},
    "ReportState": {"value", "low", "high"},
    "EventState": {"level"},
    "GrantState": {"teraflop", "chip_seconds"},
    "ProposalState": {"parts", "seen"},
}


KINDS: Final = sorted(
    {one for module in (state_module, state_entries) for one in vars(module).values() if is_dataclass(one)},
    key=str,
)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_normal_form_knows_every_number_in_the_state(kind: Any) -> None:
    name = kind.__name__
    known = set(normal.AT_PERIOD.get(name, ())) | set(normal.AT_CLOSING.get(name, ()))
    known |= set(normal.GONE.get(name, ())) | set(normal.COUNTERS.get(name, ())) | BOUNDED.get(name, set())

    assert _numbers(kind) <= known


def test_states_that_differ_only_in_when_have_one_normal_form() -> None:
    lens = LENSES["votes"](full=False)
    world, form = World(lens.agreement), Normal(lens.agreement, lens.limits)
    states = [world.step(world.founded(), Act(dark=20)).state]
    for _ in range(30):
        states.append(world.step(states[-1], Act(dark=2)).state)
    early, late = states[15], states[-1]

    assert early != late
    assert frozen(form(early)) == frozen(form(late))
    assert frozen(form(form(late))) == frozen(form(late))


def test_the_command_prints_what_was_visited_and_fails_on_what_is_broken(root: Path) -> None:
    command = [sys.executable, "-m", "tests.model", "ballots", "--deepest", "2", "--json"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert row["lens"] == "ballots"
    assert row["states"] > 10
    assert row["transitions"] > row["states"]
    assert row["invariants held"] >= len(EVERYWHERE)
    assert row["closings"] == 2
