"""Findings on who is believed: each has a twin without it."""

from __future__ import annotations

from typing import Any

from language.problem import Severity
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import quantity_pb2 as q
from tests.language.lint_terms import C, found, joined, only, overdue
from tests.terms import LABS, change, party, reading, terms


def indicator(*reported_by: str, reports: int = 1, **changes: Any) -> pb.Indicator:
    made = pb.Indicator(name="horizon", unit="min", reported_by=reported_by, reports=reports, max_age_periods=6)
    return change(made, **changes)


def reporting(*reported_by: str, trigger: C | None = None, reports: int = 1, **changes: Any) -> pb.Agreement:
    made = terms(4, indicators=[indicator(*reported_by, reports=reports, **changes)])
    for level in made.levels:
        level.trigger.CopyFrom(trigger or reading(1_000 * level.rank))
    return made


def test_an_indicator_without_a_source_is_an_error() -> None:
    finding = only(reporting(), "missing-source")
    assert (finding.severity, finding.path) == (Severity.ERROR, "indicators.horizon.reported_by")
    assert not found(reporting("vera"), "missing-source")
    assert not found(reporting(by_subject=True), "missing-source")


def test_an_indicator_that_only_the_owner_of_a_lab_reports_is_told() -> None:
    agreement = reporting("meg")
    agreement.parties.append(party("meg", pb.ROLE_EVALUATOR, owner="alpha group"))
    finding = only(agreement, "missing-source")
    assert (finding.severity, finding.text) == (Severity.WARNING, "nobody may report horizon of alpha")
    agreement.parties[-1].owner = "meg group"
    assert not found(agreement, "missing-source")


def test_a_lab_does_not_report_on_others() -> None:
    assert only(reporting("alpha"), "missing-source").text == "nobody may report horizon of beta and gamma"


def test_reports_that_too_few_can_make_are_an_error() -> None:
    finding = only(reporting("vera", reports=2), "quorum-cannot-be-met")
    assert (finding.severity, finding.path) == (Severity.ERROR, "indicators.horizon.reports")
    assert finding.text == "2 independent reports are needed, alpha, beta and gamma can have 1"
    assert not found(reporting("vera", "vito", reports=2), "quorum-cannot-be-met")
    assert not found(reporting("vera", reports=2, confirmed_by=["vito"]), "quorum-cannot-be-met")


def test_reports_that_some_labs_can_have_are_told() -> None:
    assert only(reporting("vera", "alpha", reports=2), "quorum-cannot-be-met").severity is Severity.WARNING


def test_an_owner_who_decides_alone_is_told() -> None:
    finding = only(reporting("vera"), "single-source")
    assert finding.text == "vera alone decides this"
    assert finding.severity is Severity.WARNING
    assert not found(reporting("vera", "vito", reports=2), "single-source")


def test_one_report_of_several_possible_is_noted() -> None:
    assert only(reporting("vera", "vito"), "single-source").severity is Severity.NOTE


def test_a_lab_that_alone_reports_itself_is_told() -> None:
    assert only(reporting(by_subject=True), "single-source").text == "each lab alone decides this of itself"


def test_events_have_sources_too() -> None:
    event = pb.Event(name="review", reported_by=["vera", "vito"], reports=2, max_age_periods=9)
    assert not [one for one in found(terms(4, events=[event]), "single-source") if one.path.startswith("events")]
    alone = change(event, reported_by=["vera"], reports=1)
    paths = [one.path for one in found(terms(4, events=[alone]), "single-source")]
    assert "events.review.reported_by" in paths
    assert only(terms(4, events=[change(event, reported_by=[])]), "missing-source").path == "events.review.reported_by"
    assert only(terms(4, events=[change(event, reports=3)]), "quorum-cannot-be-met").path == "events.review.reports"


def test_a_lab_that_keeps_a_trigger_unknown_by_silence_is_told() -> None:
    finding = found(reporting("vera", by_subject=True, reports=2), "undecidable-by-subject")[0]
    assert finding.path == "levels.slowdown.trigger"
    assert finding.text == "alpha, beta and gamma can keep horizon unknown by silence"
    assert not found(reporting("vera", "vito", by_subject=True, reports=2), "undecidable-by-subject")


def test_silence_that_counts_in_the_trigger_cannot_withhold() -> None:
    heeded = joined("any", reading(1_000), overdue())
    assert not found(reporting("vera", by_subject=True, reports=2, trigger=heeded), "undecidable-by-subject")


def test_as_many_liars_as_sources_are_told() -> None:
    def worth(*required: pb.Evidence.ValueType) -> pb.Agreement:
        made = terms(4)
        made.verification.dishonest_sources = 1
        made.verification.required[:] = [pb.EVIDENCE_ATTESTATION, *required]
        return made

    finding = only(worth(pb.EVIDENCE_METER), "source-count")
    assert finding.text == "1 source may lie, but only gridco group stands against the word of alpha"
    assert not found(worth(pb.EVIDENCE_METER, pb.EVIDENCE_SHIPMENTS), "source-count")
    assert not found(terms(4), "source-count")


def test_reports_that_age_before_a_plan_are_told() -> None:
    assert only(reporting("vera", plan_periods=6), "evidence-older-than-answer").also
    assert not found(reporting("vera", plan_periods=5), "evidence-older-than-answer")


def test_what_no_clause_names_is_unused() -> None:
    assert [one.path for one in found(terms(4), "unused")] == ["indicators.uplift"]
    spare = pb.Rule(name="spare", yes=2, voters=LABS, ballot_life_periods=6)
    agreement = reporting("vera")
    assert not found(agreement, "unused")
    agreement.rules.append(spare)
    assert only(agreement, "unused").path == "rules.spare"
    agreement.amended_by = "spare"
    assert not found(agreement, "unused")


def test_seats_that_no_rule_counts_are_unused() -> None:
    agreement = reporting("vera")
    council = party("board", pb.ROLE_COUNCIL)
    council.seats.append(pb.SeatClass(name="public", seats=[pb.Seat(name="one", owner="a")]))
    agreement.parties.append(council)
    assert only(agreement, "unused").path == "parties.board.seats.public"
    agreement.rules[0].need.count.CopyFrom(pb.Need.Count(k=1, seats="public"))
    assert not found(agreement, "unused")


def test_evidence_that_no_check_reads_is_noted() -> None:
    agreement = terms(4)
    agreement.verification.useful.append(pb.EVIDENCE_INSPECTION)
    assert only(agreement, "unsaid").text == "inspection: no check reads it"
    assert not found(terms(4), "unsaid")


def test_clauses_without_a_source_are_told_when_asked() -> None:
    agreement = terms(4, citations=[pb.Citation(clause="level pause", source="ours")])
    clauses = {one.path for one in found(agreement, "uncited", citations=True)}
    assert "levels.slowdown" in clauses
    assert "levels.pause" not in clauses
    assert not found(agreement, "uncited")


def test_labels_stay_what_they_are() -> None:
    # The findings print labels by the words of the language; every one has a word.
    from language.words import LABELS

    assert set(LABELS.values()) == {value for value in q.Label.values() if value != q.LABEL_UNSPECIFIED}
