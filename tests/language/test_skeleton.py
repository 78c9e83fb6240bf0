"""An agreement to begin from: whoever takes part, it passes `check`."""

from __future__ import annotations

from typing import Final

import pytest

from language.check import check
from language.layout import fmt
from language.lower import Compiled
from language.skeleton import Newcomer, lacking, skeleton

START: Final = "2027-01-03T00:00Z"


def cast(*roles: str) -> list[Newcomer]:
    return [Newcomer(f"p{number}", role, f"Owner {number}") for number, role in enumerate(roles)]


@pytest.mark.parametrize(
    ("roles", "liars"),
    [
        (["lab", "verifier"], 0),
        (["lab", "lab", "verifier", "verifier"], 0),
        (["lab", "lab", "lab", "meter", "supplier", "evaluator", *["verifier"] * 4], 1),
        (["lab"] * 9 + ["meter", "council", "inspector"] + ["verifier"] * 7, 2),
    ],
)
def test_it_passes_check_whoever_takes_part(roles: list[str], liars: int) -> None:
    text = skeleton("ours", START, cast(*roles))

    report = check(text)
    assert report.errors == ()
    assert isinstance(report.compiled, Compiled)
    terms = report.compiled.terms
    assert terms.name == "ours"
    assert terms.lying_verifiers == liars
    assert [party.name for party in terms.parties] == [f"p{number}" for number in range(len(roles))]
    assert fmt(text) == text


def test_every_key_is_explained() -> None:
    lines = skeleton("ours", START, cast("lab", "verifier", "evaluator")).splitlines()
    keys = [line for line in lines if " = " in line and "{" not in line]
    assert keys
    assert all("  # " in line for line in keys)


def test_the_pause_rests_on_a_measure_only_if_somebody_measures() -> None:
    assert "trigger = task_horizon" in skeleton("ours", START, cast("lab", "verifier", "evaluator"))
    assert "trigger = always" in skeleton("ours", START, cast("lab", "verifier"))


@pytest.mark.parametrize(
    ("roles", "said"),
    [
        (["lab"], ["nobody is verifier"]),
        (["verifier"], ["nobody is lab"]),
        (["lab", "verifier", "king"], ["king is no role; known are lab, "]),
        (["lab", "verifier"], []),
    ],
)
def test_says_what_parties_lack(roles: list[str], said: list[str]) -> None:
    found = lacking(cast(*roles))
    assert len(found) == len(said)
    assert all(one.startswith(words) for one, words in zip(found, said, strict=True))
