"""From a case to a bound: read off the record, found by a solver, checked without one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

import pytest

from bound.reading import Gap, evidence_of
from bound.reckoning import check, reckon
from protocol.agreement import Agreement
from protocol.appraisal import appraise
from protocol.case import Case
from protocol.checks import run_all
from protocol.errors import Reason
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import assessment_pb2, compute_pb2, header_pb2
from tests import builders
from tests.builders import H100, PERIOD, agreement, change, quantity
from tests.bundles import strict_agreement
from tests.protocol.refusals import refuses
from tests.scenes import LAB, NOW, PAUSED, Scene, honest

WINDOW = 5
"""Periods 5 to 9: a bound falls due with the last of them."""
SENT = compute_pb2.DIRECTION_DISPATCH
OPEN = (pb.CHANNEL_AWAY, pb.CHANNEL_RENTED)


def _terms(*left_open: pb.Channel.ValueType, legacy_ppm: int | None = 10_000) -> Agreement:
    verification = change(
        strict_agreement().terms.verification,
        bound_every_periods=WINDOW,
        window_periods=WINDOW,
        bound_risk_ppm=50_000,
        left_open=left_open,
    )
    if legacy_ppm is not None:
        verification.legacy_ppm = legacy_ppm
    return agreement(verification=verification)


def _case(
    terms: Agreement | None = None, *, tell: Callable[[Scene, int], None] | None = None, without: int = -1
) -> Case:
    """Everything in for all periods of the window, as far as a test does not change it."""
    scene = honest(PAUSED, terms or _terms(*OPEN))
    for period in range(NOW + 1 - WINDOW, NOW):
        if period == without:
            continue
        if tell is None:
            scene.attest(period)
            scene.read_meter(period=period)
        else:
            tell(scene, period)
    return scene.case()


def _kept(proofs: list[bytes]) -> dict[bytes, bytes]:
    return {sha256(proof).digest(): proof for proof in proofs}


def test_a_bound_is_found_and_checked_without_a_solver() -> None:
    case = _case()
    stated, proofs = reckon(case)

    assert stated.first_period == NOW + 1 - WINDOW
    assert stated.bound.value > 0
    assert stated.floor.value == 0
    assert "proven without a solver" in check(case, stated, _kept(proofs))
    assert "declared-falsely" not in {finding.code for finding in run_all(replace(case, hidden=stated))}


def test_no_more_than_all_chips_can_do_is_ever_bounded() -> None:
    case = _case()
    stated, _ = reckon(case)
    peak = case.agreement.chips[H100].peaks[0].gigaflop_per_second
    chips = sum(row.chips.value for cited in case.attestations.values() for row in cited.body.inventory)
    legacy = 1
    # The proof's few bits cost less than a part in a million.
    assert stated.bound.value <= (chips + legacy) * peak * PERIOD * WINDOW / 1_000 * 1.000_001 + 1


def test_what_is_left_open_is_named_and_what_is_not_is_unbounded() -> None:
    closed, _ = reckon(_case(_terms(pb.CHANNEL_AWAY)))
    assert not closed.HasField("bound")
    assert list(closed.unbounded) == [f"rented {H100}"]

    case = _case()
    stated, _ = reckon(case)
    spots = appraise(replace(case, hidden=stated), bytes(32)).assessment.assurance.blind_spots
    assert [spot for spot in spots if spot.startswith("By agreement the bound leaves out")] == [
        "By agreement the bound leaves out declared accelerators that are elsewhere.",
        "By agreement the bound leaves out compute rented from others.",
    ]


def test_nobody_knows_what_is_older_than_the_reports_unless_the_terms_say_it() -> None:
    stated, _ = reckon(_case(_terms(*OPEN, legacy_ppm=None)))
    assert any(way.startswith(f"undeclared {H100}") for way in stated.unbounded)


def test_a_gap_in_the_attestations_leaves_no_bound() -> None:
    case = _case(without=6)
    with pytest.raises(Gap, match="period 6"):
        evidence_of(case)
    stated, proofs = reckon(case)
    assert "period 6" in stated.absent_because
    assert proofs == []
    assert "no bound" in check(case, stated, {})
    codes = {finding.code for finding in run_all(replace(case, hidden=stated))}
    assert "bound-not-appraised" in codes


def test_a_gap_in_the_readings_is_a_site_without_a_meter() -> None:
    def unread(scene: Scene, period: int) -> None:
        scene.attest(period)
        if period != 6:
            scene.read_meter(period=period)

    assert evidence_of(_case(tell=unread)).sites[0].meter is None
    assert evidence_of(_case()).sites[0].meter is not None


def test_a_meter_that_was_not_read_once_leaves_the_site_without_a_meter() -> None:
    def one_of_two(scene: Scene, period: int) -> None:
        scene.attest(period)
        scene.read_meter(period=period)
        if period != 6:
            scene.read_meter(period=period, watt_hours=10, meter="second")

    assert evidence_of(_case(tell=one_of_two)).sites[0].meter is None


def test_without_a_supplier_s_word_that_all_is_reported_undeclared_chips_are_unbounded() -> None:
    scene = honest(PAUSED, _terms(*OPEN), without=["supplier"])
    for period in range(NOW + 1 - WINDOW, NOW):
        scene.attest(period)
        scene.read_meter(period=period)
    stated, _ = reckon(scene.case())
    assert any(way.startswith(f"undeclared {H100}") for way in stated.unbounded)


def test_a_delivery_that_the_lab_does_not_acknowledge_is_chips_that_it_may_have() -> None:
    scene = honest(PAUSED, _terms(*OPEN))
    for period in range(NOW + 1 - WINDOW, NOW):
        scene.attest(period)
        scene.read_meter(period=period)
    before = evidence_of(scene.case()).stock[0].chips.max()
    scene.say("chipco", builders.shipment_report(id="shipment-2", chips=quantity(5), chip_class=H100), period=2)
    assert evidence_of(scene.case()).stock[0].chips.max() == before + 5
    scene.say("beta", builders.transfer(id="t", chips=quantity(3), counterparty=LAB, direction=SENT), period=2)
    assert evidence_of(scene.case()).stock[0].chips.max() == before + 8


def test_absurd_figures_leave_no_bound_and_crash_nobody() -> None:
    def absurd(scene: Scene, period: int) -> None:
        scene.attest(period)
        scene.read_meter(period=period, watt_hours=2**62)

    stated, proofs = reckon(_case(tell=absurd))
    assert "too large" in stated.absent_because
    assert proofs == []


def test_energy_that_no_declared_work_draws_is_a_floor_above_nothing() -> None:
    def hungry(scene: Scene, period: int) -> None:
        scene.attest(period)
        scene.read_meter(period=period, watt_hours=3_000)

    case = _case(tell=hungry)
    stated, proofs = reckon(case)
    assert stated.floor.value > 0
    check(case, stated, _kept(proofs))
    (found,) = [one for one in run_all(replace(case, hidden=stated)) if one.code == "declared-falsely"]
    assert found.severity == header_pb2.VERDICT_DISCREPANT


def test_sources_that_contradict_each_other_accuse_nobody() -> None:
    def impossible(scene: Scene, period: int) -> None:
        scene.attest(period)
        scene.read_meter(period=period, watt_hours=90_000)

    case = _case(tell=impossible)
    stated, _ = reckon(case)
    assert stated.absent_because
    assert not stated.HasField("floor")
    (found,) = [one for one in run_all(replace(case, hidden=stated)) if one.code == "bound-not-appraised"]
    assert found.severity == header_pb2.VERDICT_INCONCLUSIVE


def test_a_bound_that_was_due_and_is_not_there_is_never_honored() -> None:
    found = appraise(_case(), bytes(32))
    assert "bound-not-appraised" in found.codes
    assert found.verdict != header_pb2.VERDICT_HONORED
    assert found.assessment.assurance.bound_absent_because


def _larger(stated: assessment_pb2.HiddenCompute) -> None:
    stated.bound.value += 1


def _smaller(stated: assessment_pb2.HiddenCompute) -> None:
    stated.bound.value -= 1


def _falser(stated: assessment_pb2.HiddenCompute) -> None:
    stated.floor.value += 1


def _shorter(stated: assessment_pb2.HiddenCompute) -> None:
    stated.first_period += 1


def _silent(stated: assessment_pb2.HiddenCompute) -> None:
    stated.ClearField("bound")


@pytest.mark.parametrize(
    ("lie", "field"),
    [
        (_larger, "hidden_compute.bound"),
        (_smaller, "hidden_compute.bound"),
        (_falser, "hidden_compute.floor"),
        (_shorter, "hidden_compute.first_period"),
        (_silent, "hidden_compute.bound"),
    ],
)
def test_refuses_a_number_that_the_proof_does_not_prove(
    lie: Callable[[assessment_pb2.HiddenCompute], None], field: str
) -> None:
    case = _case()
    stated, proofs = reckon(case)
    lie(stated)
    with refuses(Reason.BOUND_DIFFERS, field):
        check(case, stated, _kept(proofs))


def test_refuses_a_bound_whose_proof_is_not_there() -> None:
    case = _case()
    stated, proofs = reckon(case)
    with refuses(Reason.BUNDLE_INCOMPLETE, "hidden_compute.bound_proof"):
        check(case, stated, _kept(proofs[:1]))


def test_refuses_a_proof_of_something_else() -> None:
    case = _case()
    stated, proofs = reckon(case)
    with refuses(Reason.CERTIFICATE_MALFORMED, "proof"):
        check(case, stated, dict.fromkeys(_kept(proofs), b"no proof"))


def test_quantities_of_a_bound_name_their_units() -> None:
    stated, _ = reckon(_case())
    assert stated.bound.unit != quantity(0).unit
    assert all(part.operations.unit == stated.bound.unit for part in stated.story)
