"""The presets: they compile, say the same as text and as bytes, cite each clause, and are doubtful as expected."""

from __future__ import annotations

import re
from typing import Final

import pytest

from language.check import check_terms
from language.layout import fmt
from language.lint import lint
from language.lower import Compiled, compile_text
from language.page import PageView, page
from language.parse import parse
from language.presets import PRESETS
from language.stand_in import with_stand_ins
from language.write import write
from standstill.v1 import agreement_pb2 as pb

# What the linter finds, and why it stays: each is a choice of the text that a preset follows, or of this reader.
EXPECTED: Final = {
    "frontier-lab": {
        # One evaluator, as the indicators have today; the page says so.
        "single-source",
        "undecidable-by-subject",
        # Slowdown begins by itself, and ends by a vote while its trigger may still hold.
        "holds-together",
        "levels-inverted",
        "absence-quorum",
        # Who is over the threshold, or accused, does not lift the pause; with two such labs nobody does before its end.
        "recusal-lock",
        "capacity-unknown",
        "unsaid",
    },
    "miri-2025": {
        "split-quorum",
        "absence-quorum",
        "capacity-unknown",
        "no-sunset",
        "no-brake",
        "unsaid",
    },
    "eu-us-threshold": {"absence-quorum", "single-source", "no-sunset", "no-brake"},
    "two-lab-bilateral": {"absence-quorum", "capacity-unknown"},
}


def compiled(name: str) -> Compiled:
    return compile_text(parse(PRESETS[name].text))


def readable(name: str) -> pb.Agreement:
    made = compiled(name)
    return with_stand_ins(made.terms, made.pending)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_compiles_without_a_problem(name: str) -> None:
    made = compiled(name)
    assert made.problems == ()
    assert set(made.pending) == {party.name for party in made.terms.parties}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_breaks_no_rule(name: str) -> None:
    made = compiled(name)
    found = check_terms(made.terms, made.places, made.pending)
    assert [one for one in found if one.severity == "error"] == []


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_doubtful_only_as_expected(name: str) -> None:
    assert {finding.code for finding in lint(readable(name))} == EXPECTED[name]


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_cites_every_clause(name: str) -> None:
    assert [finding for finding in lint(readable(name), citations=True) if finding.code == "uncited"] == []


@pytest.mark.parametrize("name", PRESETS)
def test_a_source_is_one_that_a_reader_can_find(name: str) -> None:
    """An article, section or date of a text, a clause of this agreement, or said to be ours."""
    terms = readable(name)
    clauses = {citation.clause.partition(" ")[2] for citation in terms.citations}
    for source in (citation.source for citation in terms.citations):
        first, _, other = source.partition(" ")
        placed = re.search(r"\bArt\. ([IVX]+|\d+)|\b\d{5}\.\d|\b20\d\d\b|\bH100 SXM\b", source)
        assert source.startswith("ours") or placed or (first == "as" and other in clauses), source


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_written_from_its_terms_says_the_same(name: str) -> None:
    terms = readable(name)
    again = compile_text(parse(write(terms)))
    assert again.problems == ()
    assert again.terms == terms


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_has_the_one_layout(name: str) -> None:
    assert fmt(PRESETS[name].text) == PRESETS[name].text


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_has_a_page_that_names_its_sources_and_what_it_leaves_out(name: str) -> None:
    terms = readable(name)
    said = " ".join(page(PageView(terms=terms)).split())
    for citation in terms.citations:
        assert citation.source in said
    for left_out in terms.not_encoded:
        assert left_out in said
    assert PRESETS[name].about.startswith(f"# Preset `{name}`\n")


def test_thresholds_of_the_frontier_preset_lie_above_what_is_reported() -> None:
    """As the report gives them: tasks of 12 h, 80 % of merged code, 52-fold speed-up, 64 % of judgements."""
    reported = {"task_horizon": 720, "ai_code_share": 800_000, "training_speedup": 52, "judgement_win_rate": 640_000}
    terms = compiled("frontier-lab").terms
    tests = [reading for level in terms.levels for reading in _readings(level.trigger)]

    assert {indicator for indicator, _ in tests} == set(reported)
    assert all(threshold > reported[indicator] for indicator, threshold in tests)


def _readings(condition: object) -> list[tuple[str, int]]:
    from standstill.v1 import condition_pb2

    assert isinstance(condition, condition_pb2.Condition)
    test = condition.WhichOneof("test")
    if test == "reading":
        return [(condition.reading.indicator, condition.reading.threshold)]
    parts = getattr(condition, str(test)).of if test in {"all", "any", "at_least"} else []
    return [found for part in parts for found in _readings(part)]
