"""What holds of findings and differences on any terms that can be written."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, given, settings

from language.difference import Change, differences
from language.direction import Direction
from language.lint import lint, lint_pledge
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import pledge_pb2
from tests.language.worlds import agreements, named, pledges
from tests.terms import terms as base

# Terms are large: making and shrinking them takes far longer than looking at them.
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
LAWS = settings(max_examples=25, deadline=None, suppress_health_check=SLOW, phases=[Phase.explicit, Phase.generate])


def key(change: Change) -> tuple[str, str]:
    return change.clause, change.key


@LAWS
@given(agreements())
def test_any_terms_are_told_and_the_way_back_goes_the_other_way(terms: pb.Agreement) -> None:
    for finding in lint(terms, citations=True):
        assert finding.text
        assert "\n" not in finding.text
    assert differences(terms, terms) == []
    there = {key(change): change for change in differences(base(), terms)}
    back = {key(change): change for change in differences(terms, base())}
    assert there.keys() == back.keys()
    for place, change in there.items():
        assert (change.old, change.new) == (back[place].new, back[place].old)
        if change.direction is not Direction.OTHER:
            assert change.direction is not back[place].direction


@settings(LAWS, max_examples=100)
@given(pledges())
def test_any_pledge_is_told(pledge: pledge_pb2.Pledge) -> None:
    for finding in lint_pledge(named(), "alpha", pledge):
        assert finding.text
        assert finding.path.startswith("clauses")
