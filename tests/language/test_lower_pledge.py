from __future__ import annotations

from typing import Final

import pytest

from language.lower import compile_text
from language.lower_pledge import CompiledPledge, compile_pledge
from language.parse import parse
from protocol import wire
from protocol.agreement import Agreement
from standstill.v1 import condition_pb2 as pb
from tests.language.texts import FRONTIER, PLEDGE, changed

TERMS: Final = compile_text(parse(FRONTIER)).terms
AGREEMENT: Final = Agreement(wire.encode(TERMS), TERMS)


def compiled(text: str) -> CompiledPledge:
    return compile_pledge(parse(text), AGREEMENT)


def codes(text: str) -> list[str]:
    return [problem.code for problem in compiled(text).problems if problem.severity == "error"]


def test_a_clause_is_kept_by_level_with_its_outside_facts_and_what_others_keep() -> None:
    made = compiled(PLEDGE)

    slowdown, pause = made.pledge.clauses
    assert made.by == "beta"
    assert (slowdown.level, pause.level) == (1, 2)
    assert [part.WhichOneof("test") for part in slowdown.when.any.of] == ["reading", "any"]
    assert slowdown.provided.keeps == pb.Condition.Keeps(level=1, k=1, of=["alpha", "gamma"])
    assert list(pause.provided.all.of[1].keeps.of) == ["gamma", "delta"]


def test_an_end_of_the_pledge_is_that_of_every_clause_without_its_own() -> None:
    own = changed(PLEDGE, "keep pause    {", "keep pause    { until = 2027-01-04")

    assert [clause.until_period for clause in compiled(PLEDGE).pledge.clauses] == [453 * 24, 453 * 24]
    assert [clause.until_period for clause in compiled(own).pledge.clauses] == [453 * 24, 24]


def test_a_pledge_names_its_agreement_by_the_beginning_of_its_digest() -> None:
    digest = AGREEMENT.digest.hex()
    text = changed(PLEDGE, "by = beta", f'by = beta under = "sha256:{digest[:12]}"')
    other = changed(text, digest[:12], digest[:11] + ("0" if digest[11] != "0" else "1"))

    assert codes(text) == []
    assert compiled(text).under == f"sha256:{digest[:12]}"
    assert codes(other) == ["other-agreement"]
    assert codes(changed(text, digest[:12], digest[:7])) == ["other-agreement"]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("by = beta", "", "missing-key"),
        ("by = beta", "by = vera", "unknown-name"),
        ("keep pause ", "keep paus ", "unknown-name"),
        ("keep pause ", "keep slowdown ", "twice"),
        ("until = 2028-03-31", "until = 2026-03-31", "out-of-range"),
        ("by = beta", "by = beta sequence = 4", "retired"),
        ("pledge {", "agreement {", "missing-block"),
    ],
)
def test_a_pledge_that_cannot_be_one_is_told_off(old: str, new: str, code: str) -> None:
    assert codes(PLEDGE) == []
    assert codes(changed(PLEDGE, old, new)) == [code]


def test_all_that_is_wrong_above_the_clauses_is_told_at_once() -> None:
    text = changed(PLEDGE, "by = beta   until = 2028-03-31", 'by = bera   under = "sha256:00"   until = 2020-01-01')

    assert codes(text) == ["unknown-name", "other-agreement", "out-of-range"]
