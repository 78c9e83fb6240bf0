"""What holds of findings and differences on any terms that can be written."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings

from language.compare import Direction
from language.difference import Change, differences
from language.lint import Finding, lint, lint_pledge
from language.lint.finding import clause_of, place_of
from language.lower import compile_text
from language.parse import parse
from language.write import write
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import pledge_pb2
from tests.language.worlds import agreements, named, pledges

LAWS = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def told(findings: list[Finding]) -> set[tuple[str, str]]:
    return {(finding.code, finding.path) for finding in findings}


@LAWS
@given(agreements())
def test_any_terms_are_told_with_a_clause_and_a_sentence(terms: pb.Agreement) -> None:
    for finding in lint(terms, citations=True):
        assert finding.code
        assert finding.text
        assert "\n" not in finding.text
        assert clause_of(finding.path) or finding.code == "uncited"


@LAWS
@given(agreements())
def test_findings_on_a_level_stand_in_its_block(terms: pb.Agreement) -> None:
    text = write(terms)
    places = compile_text(parse(text)).places
    lines = text.split("\n")
    for finding in lint(terms):
        if finding.path.startswith("levels."):
            span = place_of(finding.path, places)
            assert span is not None
            assert lines[span.line - 1][span.column - 1 :].strip()


@LAWS
@given(agreements())
def test_findings_do_not_depend_on_how_terms_are_carried(terms: pb.Agreement) -> None:
    again = pb.Agreement.FromString(terms.SerializeToString(deterministic=True))
    assert told(lint(again)) == told(lint(terms))


@LAWS
@given(pledges())
def test_any_pledge_is_told(pledge: pledge_pb2.Pledge) -> None:
    for finding in lint_pledge(named(), "alpha", pledge):
        assert finding.text
        assert finding.path.startswith("clauses.")


@LAWS
@given(agreements())
def test_terms_do_not_differ_from_themselves(terms: pb.Agreement) -> None:
    assert differences(terms, terms) == []


def key(change: Change) -> tuple[str, str]:
    return change.clause, change.key


@LAWS
@given(agreements(), agreements())
def test_the_way_back_goes_the_other_way(old: pb.Agreement, new: pb.Agreement) -> None:
    there = {key(change): change for change in differences(old, new)}
    back = {key(change): change for change in differences(new, old)}
    assert there.keys() == back.keys()
    for place, change in there.items():
        assert (change.old, change.new) == (back[place].new, back[place].old)
        if change.direction is not Direction.OTHER and back[place].direction is not Direction.OTHER:
            assert change.direction is not back[place].direction
