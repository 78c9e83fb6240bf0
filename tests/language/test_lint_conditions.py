"""Findings on conditions: each has a twin without it."""

from __future__ import annotations

import pytest

from language.problem import Severity
from standstill.v1 import condition_pb2 as pb
from tests.language.lint_terms import C, found, joined, negated, only, with_level
from tests.terms import ALWAYS, NEVER, PAUSE, SLOWDOWN, elapsed, keeps, phase, reading

IN_FORCE = C(elapsed=C.Elapsed(level=PAUSE, periods=5, since=pb.SINCE_IN_FORCE))


def test_parts_that_exclude_each_other_are_named() -> None:
    trigger = joined("all", reading(50), phase(1, pb.PHASE_OPEN), reading(40, labs=3, below=True))
    finding = only(with_level(PAUSE, trigger=trigger), "contradiction")
    assert finding.path == "levels.pause.trigger.all[2]"
    assert finding.also == ("levels.pause.trigger.all[0]",)
    assert finding.text == ("horizon of any lab >= 50 and horizon of at least 3 labs < 40 cannot hold together")
    assert finding.severity is Severity.ERROR


def test_parts_of_different_labs_do_not_exclude_each_other() -> None:
    trigger = joined("all", reading(50), reading(40, labs=2, below=True))
    assert not found(with_level(PAUSE, trigger=trigger), "contradiction")


def test_a_contradiction_inside_any_is_found_where_it_stands() -> None:
    clash = joined("all", elapsed(SLOWDOWN, 5), negated(elapsed(SLOWDOWN, 4)))
    finding = only(with_level(PAUSE, trigger=joined("any", reading(50), clash)), "contradiction")
    assert finding.path == "levels.pause.trigger.any[1].all[1]"
    assert not found(with_level(PAUSE, trigger=joined("any", reading(50), clash)), "never-true")


def test_a_single_test_that_cannot_hold_is_a_contradiction() -> None:
    below_zero = reading(0, below=True)
    finding = only(with_level(PAUSE, trigger=joined("any", reading(50), below_zero)), "contradiction")
    assert finding.text == "horizon of any lab < 0 cannot hold, whatever the record says"


def test_a_trigger_that_nothing_makes_true_is_an_error() -> None:
    trigger = joined("all", reading(50), reading(50, labs=3, below=True))
    finding = only(with_level(PAUSE, trigger=trigger), "never-true")
    assert (finding.severity, finding.path) == (Severity.ERROR, "levels.pause.trigger")


@pytest.mark.parametrize("trigger", [NEVER, reading(50)], ids=["never", "can hold"])
def test_a_trigger_that_says_never_or_can_hold_is_none(trigger: C) -> None:
    assert not found(with_level(PAUSE, trigger=trigger), "never-true")


def test_a_clock_after_the_sunset_never_lifts() -> None:
    late = C(elapsed=C.Elapsed(level=PAUSE, periods=48, since=pb.SINCE_IN_FORCE))
    resume = joined("all", elapsed(PAUSE, 2), late)
    finding = only(with_level(PAUSE, resume=resume, mandate_periods=24), "never-lifts")
    assert finding.path == "levels.pause.resume.all[1]"
    assert finding.text == "since in_force >= 48 h is after the 24 h sunset"
    assert finding.also == ("levels.pause.mandate_periods",)
    assert not found(
        with_level(PAUSE, resume=joined("all", elapsed(PAUSE, 2), late), mandate_periods=49), "never-lifts"
    )


def test_a_clock_after_the_sunset_beside_another_way_lifts() -> None:
    resume = joined("any", reading(50, below=True), elapsed(PAUSE, 48))
    assert not found(with_level(PAUSE, resume=resume, mandate_periods=24), "never-lifts")


def test_a_resume_that_wants_its_level_open_never_lifts() -> None:
    assert only(with_level(PAUSE, resume=phase(PAUSE, pb.PHASE_OPEN)), "never-lifts").path == "levels.pause.resume"
    assert not found(with_level(PAUSE, resume=phase(SLOWDOWN, pb.PHASE_OPEN)), "never-lifts")
    assert not found(with_level(PAUSE, resume=NEVER), "never-lifts")


def test_a_trigger_that_always_holds_is_told_unless_it_says_so() -> None:
    trigger = joined("any", reading(50), reading(60, labs=3, below=True))
    assert only(with_level(PAUSE, trigger=trigger), "never-false").severity is Severity.WARNING
    assert not found(
        with_level(PAUSE, trigger=joined("any", reading(50), reading(40, below=True, labs=3))), "never-false"
    )
    assert not found(with_level(PAUSE, trigger=ALWAYS), "never-false")


def test_a_resume_that_holds_whenever_it_is_asked_is_told() -> None:
    resume = phase(PAUSE, pb.PHASE_WINDING, pb.PHASE_IN_FORCE, pb.PHASE_SUSPENDED)
    assert only(with_level(PAUSE, resume=resume), "never-false").path == "levels.pause.resume"
    assert not found(with_level(PAUSE, resume=phase(PAUSE, pb.PHASE_IN_FORCE)), "never-false")


def test_a_part_of_any_that_another_covers_adds_nothing() -> None:
    finding = only(with_level(PAUSE, trigger=joined("any", reading(50), reading(60))), "dead-branch")
    assert finding.path == "levels.pause.trigger.any[1]"
    assert finding.text == ("adds nothing: horizon of any lab >= 50 holds whenever horizon of any lab >= 60 does")
    assert not found(
        with_level(PAUSE, trigger=joined("any", reading(50), reading(60, indicator="uplift"))), "dead-branch"
    )


def test_a_part_of_all_that_another_implies_adds_nothing() -> None:
    finding = only(with_level(PAUSE, resume=joined("all", elapsed(PAUSE, 2), IN_FORCE)), "dead-branch")
    assert finding.path == "levels.pause.resume.all[0]"
    assert not found(with_level(PAUSE, resume=joined("all", elapsed(PAUSE, 7), IN_FORCE)), "dead-branch")


def test_the_later_of_two_equal_parts_adds_nothing() -> None:
    assert only(with_level(PAUSE, trigger=joined("any", reading(50), reading(50))), "dead-branch").path.endswith(
        "any[1]"
    )


def test_evidence_that_counts_twice_is_told() -> None:
    trigger = joined("at_least", reading(50), reading(60), reading(9, indicator="uplift"), k=2)
    assert only(with_level(PAUSE, trigger=trigger), "counted-twice").path == "levels.pause.trigger.at_least[1]"
    apart = joined("at_least", reading(50), reading(9, indicator="uplift"), k=2)
    assert not found(with_level(PAUSE, trigger=apart), "counted-twice")


@pytest.mark.parametrize(
    ("resume", "called_by", "severity"),
    [
        (reading(3_000), "", Severity.ERROR),
        (reading(3_000), "council", Severity.WARNING),
        (elapsed(PAUSE, 2), "", Severity.WARNING),
        (elapsed(PAUSE, 2), "council", Severity.NOTE),
    ],
    ids=["always, by itself", "always, voted", "perhaps, by itself", "perhaps, voted"],
)
def test_what_lifts_and_calls_at_once_is_told(resume: C, called_by: str, severity: Severity) -> None:
    terms = with_level(PAUSE, resume=resume, called_by=called_by, trigger=reading(2_000))
    [finding] = [one for one in found(terms, "holds-together") if one.path.startswith("levels.pause")]
    assert finding.severity is severity


def test_a_resume_that_excludes_the_trigger_is_not_told() -> None:
    terms = with_level(PAUSE, resume=reading(1_000, labs=3, below=True), trigger=reading(2_000))
    assert not [one for one in found(terms, "holds-together") if one.path.startswith("levels.pause")]


@pytest.mark.parametrize(("called_by", "severity"), [("", Severity.WARNING), ("council", Severity.NOTE)])
def test_a_level_that_can_be_called_before_the_lower_one_is_told(called_by: str, severity: Severity) -> None:
    finding = only(with_level(PAUSE, trigger=reading(900), called_by=called_by), "levels-inverted")
    assert (finding.severity, finding.also) == (severity, ("levels.slowdown.trigger",))
    assert not found(with_level(PAUSE, trigger=reading(1_000), called_by=called_by), "levels-inverted")


def test_an_entry_that_no_pledges_meet_is_an_error() -> None:
    finding = only(with_level(PAUSE, entry=keeps(PAUSE, "alpha", "beta", k=3)), "entry-cannot-be-met")
    assert (finding.severity, finding.path) == (Severity.ERROR, "levels.pause.entry")
    assert not found(with_level(PAUSE, entry=keeps(PAUSE, "alpha", "beta", k=2)), "entry-cannot-be-met")
