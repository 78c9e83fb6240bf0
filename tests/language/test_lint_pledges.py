"""Findings on pledges: each has a twin without it."""

from __future__ import annotations

from language.lint import Finding, lint_pledge
from language.lint import lint_pledges as lint_all
from language.problem import Severity
from protocol import wire
from protocol.agreement import Agreement
from standstill.v1 import condition_pb2
from standstill.v1 import pledge_pb2 as pb
from standstill.v1.agreement_pb2 import ROLE_LAB
from standstill.v1.agreement_pb2 import Agreement as Terms
from tests.language.lint_terms import C, joined, negated
from tests.terms import ALWAYS, LABS, NEVER, PAUSE, SLOWDOWN, keeps, party, phase, reading, terms

TERMS = terms(4)


def pledge(provided: C | None = None, when: C | None = None, level: int = PAUSE) -> pb.Pledge:
    return pb.Pledge(clauses=[pb.PledgeClause(level=level, when=when, provided=provided)])


def lint_pledges(stated: Terms, pledges: dict[str, pb.Pledge]) -> list[Finding]:
    return lint_all(Agreement(wire.encode(stated), stated), pledges)


def findings(provided: C | None = None, when: C | None = None, by: str = "alpha") -> list[Finding]:
    return lint_pledge(TERMS, by, pledge(provided, when))


def codes(provided: C | None = None, when: C | None = None) -> list[str]:
    return [finding.code for finding in findings(provided, when)]


def test_an_unconditional_pledge_has_no_findings() -> None:
    assert codes() == []
    assert codes(ALWAYS) == []


def test_a_clause_that_wants_others_to_go_on_is_an_error() -> None:
    provided = joined("all", keeps(PAUSE, "beta"), negated(keeps(PAUSE, "gamma")))
    [finding] = findings(provided)
    assert (finding.code, finding.severity) == ("not-monotone", Severity.ERROR)
    assert finding.path == "clauses.pause.provided.all[1]"
    assert finding.text == '"not gamma keeps pause" wants another party to go on.'
    assert finding.remedy == 'Remove "not".'
    assert codes(joined("any", keeps(PAUSE, "beta"), keeps(PAUSE, "gamma"))) == []


def test_a_clause_on_outside_facts_belongs_in_when() -> None:
    assert codes(reading(9)) == ["not-monotone"]
    assert codes(when=reading(9)) == []


def test_reliance_may_stand_in_provided() -> None:
    relied = C(status=C.IsStatus(status=condition_pb2.PARTY_STATUS_RELIED, k=1, of=["beta"]))
    accused = C(status=C.IsStatus(status=condition_pb2.PARTY_STATUS_ACCUSED, k=1, of=["beta"]))
    assert codes(relied) == []
    assert codes(accused) == ["not-monotone"]


def test_a_lab_that_is_no_party_makes_a_clause_dormant() -> None:
    [finding] = findings(joined("any", keeps(PAUSE, "beta"), keeps(PAUSE, "delta")))
    assert (finding.code, finding.severity) == ("dormant-clause", Severity.NOTE)
    assert finding.path == "clauses.pause.provided.any[1]"
    assert finding.text == "delta is not a party; the clause counts as unmet until it accedes."


def test_more_labs_than_there_are_cannot_keep() -> None:
    assert codes(keeps(PAUSE, "beta", "gamma", k=3)) == ["cannot-be-met"]
    assert codes(keeps(PAUSE, "beta", "gamma", k=1)) == []


def test_a_clause_that_needs_everybody_is_hollow() -> None:
    [finding] = findings(keeps(PAUSE, "beta", "gamma", k=2))
    assert finding.code == "hollow"
    assert finding.text == "holds only if all 2 others do: one that does not pledge frees alpha"
    assert codes(joined("all", keeps(PAUSE, "beta"), keeps(SLOWDOWN, "gamma"))) == ["hollow"]
    assert codes(joined("any", keeps(PAUSE, "beta"), keeps(PAUSE, "gamma"))) == []


def test_a_clause_that_never_holds_is_hollow() -> None:
    [finding] = findings(NEVER)
    assert (finding.code, finding.text) == ("hollow", "never holds: the clause promises nothing")
    assert findings(ALWAYS) == []


def test_a_pledge_without_clauses_is_told() -> None:
    assert [one.code for one in lint_pledge(TERMS, "alpha", pb.Pledge())] == ["no-clause"]
    assert lint_pledge(TERMS, "alpha", pledge()) == []


def test_a_pledge_between_two_labs_is_not_hollow() -> None:
    two = terms(4, parties=[one for one in TERMS.parties if one.name != "gamma"])
    assert lint_pledge(two, "alpha", pledge(keeps(PAUSE, "beta"))) == []


def test_a_lab_that_counts_itself_is_told() -> None:
    assert codes(keeps(PAUSE, *LABS, k=2)) == ["of-itself"]
    assert codes(keeps(PAUSE, "beta", "gamma", k=1)) == []


def test_a_when_that_cannot_hold_never_binds() -> None:
    [finding] = findings(when=joined("all", reading(9), reading(9, labs=3, below=True)))
    assert (finding.code, finding.path) == ("never-true", "clauses.pause.when")
    assert "cannot hold together: the clause never binds" in finding.text
    assert codes(when=joined("any", reading(9), reading(9, labs=3, below=True))) == ["never-false"]


def test_a_when_that_ends_as_the_level_begins_is_noted() -> None:
    dormant = phase(PAUSE, condition_pb2.PHASE_CALLED).any.of[0]
    assert codes(when=dormant) == ["when-after-phase"]
    running = phase(PAUSE, condition_pb2.PHASE_CALLED, condition_pb2.PHASE_WINDING, condition_pb2.PHASE_IN_FORCE)
    assert codes(when=running) == []


def test_pledges_that_together_bind_nobody_are_told() -> None:
    waiting = {"alpha": pledge(keeps(PAUSE, "beta")), "beta": pledge(keeps(PAUSE, "gamma"))}
    [finding] = lint_pledges(TERMS, waiting)
    assert (finding.code, finding.path, finding.remedy) == ("unbacked", "clauses", "let one of them ask for less")
    assert finding.text == (
        "together these pledges bind nobody: alpha lacks beta keeps pause; beta lacks gamma keeps pause"
    )
    assert lint_pledges(TERMS, {**waiting, "gamma": pledge(keeps(PAUSE, "alpha"))}) == []
    assert lint_pledges(TERMS, {}) == []


def test_one_lab_bound_is_enough() -> None:
    assert lint_pledges(TERMS, {"alpha": pledge(keeps(PAUSE, "beta")), "beta": pledge(level=SLOWDOWN)}) == []


def test_a_group_keeps_only_with_all_its_labs() -> None:
    group = [party("beta", ROLE_LAB, owner="one"), party("gamma", ROLE_LAB, owner="one")]
    one = terms(4, parties=[*(p for p in TERMS.parties if p.name not in {"beta", "gamma"}), *group])
    together = {"alpha": pledge(keeps(PAUSE, "beta", "gamma")), "beta": pledge(keeps(PAUSE, "alpha"))}
    assert [finding.code for finding in lint_pledges(one, together)] == ["unbacked"]
    assert lint_pledges(one, {**together, "gamma": pledge()}) == []


def test_weights_count_groups() -> None:
    weights = [C.Weight(lab="beta", weight=2), C.Weight(lab="gamma", weight=1)]

    def heavy(least: int) -> dict[str, pb.Pledge]:
        provided = C(weighs=C.Weighs(level=PAUSE, of=weights, at_least=least))
        return {"alpha": pledge(provided), "beta": pledge(keeps(PAUSE, "alpha"))}

    assert lint_pledges(TERMS, heavy(2)) == []
    assert [finding.code for finding in lint_pledges(TERMS, heavy(3))] == ["unbacked"]
