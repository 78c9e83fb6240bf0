"""Verdicts: the worst finding decides, and what could not be appraised is never honored."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.appraisal import appraise
from standstill.v1 import agreement_pb2, assessment_pb2
from standstill.v1 import header_pb2 as h
from tests import builders
from tests.bodies import shipments_complete
from tests.builders import H100
from tests.bundles import ALL_EVIDENCE, strict_agreement
from tests.protocol.window import slowdown
from tests.scenes import NOW, PAUSED, REPORTING, Scene, honest, worst
from tests.terms import terms

PRESENT = assessment_pb2.EVIDENCE_STATE_PRESENT
MISSING = assessment_pb2.EVIDENCE_STATE_MISSING
STALE = assessment_pb2.EVIDENCE_STATE_STALE
MISMATCHED = assessment_pb2.EVIDENCE_STATE_MISMATCHED
CONTRADICTED = assessment_pb2.EVIDENCE_STATE_CONTRADICTED

JUST_PAUSED = replace(PAUSED, since=NOW - 2)
"""The pause has been in force for less time than silence is tolerated."""

STEPS = ("deliveries", "supplier", "attestation", "meter", "halt")
REMOVED = {
    "attestation": {agreement_pb2.EVIDENCE_ATTESTATION, agreement_pb2.EVIDENCE_ENERGY},
    "meter": {agreement_pb2.EVIDENCE_METER},
    "supplier": {agreement_pb2.EVIDENCE_SHIPMENTS},
    "halt": {agreement_pb2.EVIDENCE_HALT},
}
"""Kinds of evidence that go with a step."""


def states(scene: Scene) -> dict[int, int]:
    return {status.evidence: status.state for status in scene.appraise().assessment.evidence}


def without_energy() -> Scene:
    scene = honest(without=["attestation"])
    scene.attest(watt_hours=None)
    return scene


@pytest.mark.parametrize("duty", [REPORTING, PAUSED], ids=["reports", "pause"])
def test_everything_in_and_consistent_is_honored(duty: object) -> None:
    scene = honest(duty)  # type: ignore[arg-type]

    assert worst(scene) == h.VERDICT_HONORED
    assert set(states(scene).values()) == {PRESENT}


@pytest.mark.parametrize("step", REMOVED)
def test_evidence_that_is_not_in_makes_a_period_inconclusive_never_honored_never_worse(step: str) -> None:
    scene = honest(JUST_PAUSED, without=[step])

    assert worst(scene) == h.VERDICT_INCONCLUSIVE
    assert {kind for kind, state in states(scene).items() if state != PRESENT} == REMOVED[step]


def test_so_does_an_energy_figure_that_is_not_stated() -> None:
    scene = without_energy()

    assert worst(scene) == h.VERDICT_INCONCLUSIVE
    assert {item for item, state in states(scene).items() if state != PRESENT} == {agreement_pb2.EVIDENCE_ENERGY}


STALE_AFTER = strict_agreement().terms.freshness.stale_periods


@pytest.mark.parametrize(
    ("said_of", "recorded", "state"),
    [
        (NOW, NOW + 1, PRESENT),
        (NOW - STALE_AFTER + 1, NOW + 1, PRESENT),
        (NOW - STALE_AFTER, NOW + 1, STALE),
        (NOW + 1, NOW + 2, STALE),
        # Before a period has ended nobody knows what will have been shipped in it.
        (NOW, NOW, STALE),
    ],
    ids=["now", "just fresh", "just stale", "of a later period", "before it ended"],
)
def test_a_supplier_that_falls_silent_makes_shipments_stale_never_honored(
    said_of: int, recorded: int, state: int
) -> None:
    scene = honest(without=["supplier"])
    scene.supplied(said_of, recorded)

    assert states(scene)[agreement_pb2.EVIDENCE_SHIPMENTS] == state
    assert worst(scene) == (h.VERDICT_HONORED if state == PRESENT else h.VERDICT_INCONCLUSIVE)


def test_every_supplier_speaks_for_its_own_shipments() -> None:
    other = builders.party("coreco", agreement_pb2.ROLE_SUPPLIER)
    parties = [*strict_agreement().terms.parties, other]
    scene = honest(agreement=builders.agreement(parties=parties, verification=strict_agreement().terms.verification))
    assert states(scene)[agreement_pb2.EVIDENCE_SHIPMENTS] == STALE

    scene.say("coreco", shipments_complete(), period=NOW)

    assert states(scene)[agreement_pb2.EVIDENCE_SHIPMENTS] == PRESENT


def test_shipments_of_nobody_are_missing() -> None:
    scene = honest(without=["deliveries", "supplier"])

    assert states(scene)[agreement_pb2.EVIDENCE_SHIPMENTS] == MISSING


@given(st.sets(st.sampled_from(STEPS)))
def test_whatever_is_taken_away_from_an_honest_record_it_is_honored_only_if_whole(removed: set[str]) -> None:
    # Chips that are declared while no delivery is on record are a contradiction, not an absence.
    contradiction = "deliveries" in removed and "attestation" not in removed
    expected = h.VERDICT_DISCREPANT if contradiction else h.VERDICT_INCONCLUSIVE if removed else h.VERDICT_HONORED

    assert worst(honest(JUST_PAUSED, without=removed)) == expected


def test_evidence_that_the_agreement_does_not_require_may_be_absent() -> None:
    some = builders.change(strict_agreement().terms.verification, required=[agreement_pb2.EVIDENCE_ATTESTATION])
    lenient = builders.agreement(verification=some)

    assert worst(honest(agreement=lenient, without=["meter"])) == h.VERDICT_HONORED
    assert worst(honest(agreement=lenient, without=["attestation"])) == h.VERDICT_INCONCLUSIVE
    assert worst(honest(without=["meter"])) == h.VERDICT_INCONCLUSIVE


def test_the_worst_finding_decides_also_when_evidence_is_missing() -> None:
    scene = honest(without=["attestation", "meter"])
    scene.attest(chips={H100: 1}, watt_hours=None)

    appraisal = scene.appraise()

    assert appraisal.verdict == h.VERDICT_BREACHED
    assert appraisal.codes == ["chip-seconds-above-inventory", "shipped-not-declared"]


@pytest.mark.parametrize(
    ("record_period", "state"), [(NOW + 1, MISSING), (NOW + 2, STALE), (NOW + 3, STALE), (NOW + 9, STALE)]
)
def test_missing_becomes_stale_by_the_agreements_clock(record_period: int, state: int) -> None:
    scene = honest(without=["meter"])
    scene.record_period = record_period

    assert states(scene)[agreement_pb2.EVIDENCE_METER] == state


def test_silence_beyond_the_last_clock_is_discrepant_never_honored() -> None:
    scene = honest(without=["attestation"])
    scene.record_period = NOW + 4

    assert worst(scene) == h.VERDICT_DISCREPANT


def test_silence_about_the_halt_for_as_long_is_discrepant_too() -> None:
    assert worst(honest(replace(PAUSED, since=NOW - 3), without=["halt"])) == h.VERDICT_DISCREPANT
    assert worst(honest(replace(PAUSED, since=NOW - 3))) == h.VERDICT_HONORED


def test_evidence_that_was_refused_is_mismatched_and_inconclusive() -> None:
    scene = honest(without=["meter"])
    scene.read_meter(meter="")

    assert states(scene)[agreement_pb2.EVIDENCE_METER] == MISMATCHED
    assert worst(scene) == h.VERDICT_INCONCLUSIVE


def test_evidence_that_another_source_contradicts_says_so() -> None:
    scene = honest(without=["meter"])
    scene.read_meter(2_000)

    assert states(scene)[agreement_pb2.EVIDENCE_ENERGY] == CONTRADICTED
    assert worst(scene) == h.VERDICT_DISCREPANT


def test_a_meter_that_contradicts_itself_makes_nothing_worse_than_inconclusive() -> None:
    scene = honest()
    scene.read_meter(901)

    assert states(scene)[agreement_pb2.EVIDENCE_METER] == CONTRADICTED
    assert worst(scene) == h.VERDICT_INCONCLUSIVE


def test_a_halt_report_is_due_only_under_a_level() -> None:
    assert agreement_pb2.EVIDENCE_HALT not in states(honest(REPORTING))
    assert states(honest(PAUSED, without=["halt"]))[agreement_pb2.EVIDENCE_HALT] == MISSING
    assert set(states(honest(PAUSED))) == set(ALL_EVIDENCE)


def test_an_assessment_says_what_it_is_worth() -> None:
    scene = honest(PAUSED)
    body = appraise(scene.case(), b"s" * 32).assessment

    assert body.state == b"s" * 32
    assert (body.record_period, body.duty_level) == (NOW + 1, PAUSED.level)
    assert not body.assurance.HasField("hidden_compute")
    assert "ask for no" in body.assurance.bound_absent_because
    assert body.assurance.false_alarm_ppm == 1_000
    assert any("chipco" in spot for spot in body.assurance.blind_spots)
    assert any("gridco" in spot for spot in body.assurance.blind_spots)
    assert len(body.assurance.blind_spots) == len(honest().appraise().assessment.assurance.blind_spots) + 1


def test_says_where_operations_are_only_the_labs_word() -> None:
    caps = [builders.change(terms().levels[0].caps[0], teraflop=None)]
    uncapped = builders.agreement(levels=[builders.change(terms().levels[0], caps=caps), terms().levels[1]])
    for scene, said in ((slowdown(), True), (slowdown(uncapped), False), (honest(), False)):
        spots = scene.appraise().assessment.assurance.blind_spots
        assert any(spot.startswith("Operations are the lab's word") for spot in spots) is said


def test_a_window_with_a_silent_period_is_inconclusive_never_honored() -> None:
    assert worst(slowdown()) == h.VERDICT_HONORED
    assert worst(slowdown(silent=[NOW - 2])) == h.VERDICT_INCONCLUSIVE


def test_the_same_record_gives_the_same_bytes() -> None:
    first, second = (honest(PAUSED).appraise().assessment.SerializeToString(deterministic=True) for _ in range(2))

    assert first == second
