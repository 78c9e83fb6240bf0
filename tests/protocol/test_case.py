"""What a case takes from the record, and what it leaves out."""

from __future__ import annotations

import pytest

from protocol.case import concerns
from protocol.case_needs import Need, needs
from protocol.errors import Reason
from standstill.v1 import header_pb2 as h
from tests import builders
from tests.builders import H100
from tests.scenes import LAB, NOW, PAUSED, REPORTING, SLOWED, Scene, honest
from tests.terms import handle


def test_needs_reach_as_far_back_as_the_widest_cap() -> None:
    scene = Scene()

    def attestations(duty: object) -> Need:
        found = needs(scene.agreement, duty, LAB, NOW)  # type: ignore[arg-type]
        return next(need for need in found if need.kind == h.KIND_COMPUTE_ATTESTATION)

    assert attestations(REPORTING)[2:4] == (NOW, NOW)
    assert attestations(SLOWED)[2:4] == (NOW - 3, NOW)
    assert attestations(PAUSED)[2:4] == (NOW, NOW)


def test_needs_name_only_the_meters_of_the_labs_own_sites() -> None:
    found = needs(Scene().agreement, REPORTING, LAB, NOW)

    assert {need.origin for need in found if need.kind == h.KIND_METER_READING} == {"gridco.example/standstill"}
    assert {need.sites for need in found if need.kind == h.KIND_METER_READING} == {frozenset([handle(LAB)])}
    assert {need.origin for need in found if need.kind == h.KIND_COMPUTE_ATTESTATION} == {"alpha.example/standstill"}


@pytest.mark.parametrize(("lab", "covered"), [(LAB, True), ("beta", False)])
def test_a_need_covers_only_readings_at_its_sites(lab: str, covered: bool) -> None:
    scene = Scene()
    read = scene.say("gridco", builders.meter_reading(scene.agreement, NOW), period=NOW, site=handle(lab))
    (need,) = [one for one in needs(scene.agreement, REPORTING, LAB, NOW) if one.kind == h.KIND_METER_READING]

    assert need.covers(read) is covered


@pytest.mark.parametrize(
    ("need", "covered"),
    [
        (Need("alpha.example/standstill", h.KIND_COMPUTE_ATTESTATION, NOW, NOW), True),
        (Need("alpha.example/standstill", h.KIND_COMPUTE_ATTESTATION, None, None), True),
        (Need("alpha.example/standstill", h.KIND_COMPUTE_ATTESTATION, NOW + 1, NOW + 2), False),
        (Need("alpha.example/standstill", h.KIND_COMPUTE_ATTESTATION, NOW - 2, NOW - 1), False),
        (Need("alpha.example/standstill", h.KIND_HALT_REPORT, NOW, NOW), False),
        (Need("beta.example/standstill", h.KIND_COMPUTE_ATTESTATION, NOW, NOW), False),
    ],
)
def test_a_need_covers_a_kind_in_a_log_and_its_periods(need: Need, covered: bool) -> None:
    assert need.covers(Scene().attest()) is covered


def test_what_others_did_is_left_out() -> None:
    scene = honest()
    scene.say("beta", builders.attestation(scene.agreement, NOW))
    beta = builders.meter_reading(scene.agreement, NOW)
    scene.say("gridco", beta, period=NOW, site=handle("beta"))
    scene.say("chipco", builders.shipment_report(id="other", receiver="beta"), period=1)
    scene.say("beta", builders.transfer(id="other"), period=1)
    scene.say("vera", builders.misbehavior(scene.agreement, "beta"))

    case = scene.case()

    assert set(case.attestations) == set(case.readings) == {handle(LAB)}
    assert [report.body.id for report in case.shipments] == ["shipment-1"]
    assert [move.header.author for move in case.transfers] == [LAB]
    assert not case.misbehavior
    assert not case.refused


def test_transfers_with_the_lab_concern_it_on_either_side() -> None:
    scene = Scene()
    other = scene.say("beta", builders.transfer(counterparty=LAB), period=1)

    assert concerns(scene.agreement, LAB, other)
    assert not concerns(scene.agreement, "gamma", other)


def test_the_first_word_on_a_site_counts_and_later_ones_are_kept_as_repeated() -> None:
    scene = honest(without=["attestation"])
    scene.attest(watt_hours=700)
    scene.attest(watt_hours=701)
    scene.attest(watt_hours=702)

    case = scene.case()

    assert case.attestations[handle(LAB)].body.energy.value == 700
    assert [again.body.energy.value for again in case.repeated] == [701, 702]


def test_the_window_holds_every_word_on_earlier_periods() -> None:
    scene = honest(SLOWED)
    for watt_hours in (700, 701, 702):
        scene.attest(NOW - 1, watt_hours=watt_hours)

    case = scene.case()

    assert [said.body.energy.value for said in case.window] == [700, 701, 702]
    assert len(case.attestations) == 1
    assert not case.repeated


@pytest.mark.parametrize("recorded", [0, NOW - 2, NOW - 1, NOW, NOW + 1])
def test_the_window_does_not_ask_when_a_word_on_an_earlier_period_was_recorded(recorded: int) -> None:
    scene = honest(SLOWED)
    scene.attest(NOW - 1, recorded=recorded)

    case = scene.case()

    assert [(said.header.period, said.recorded) for said in case.window] == [(NOW - 1, recorded)]
    assert not case.refused


@pytest.mark.parametrize("period", [NOW - 1, NOW])
def test_only_what_was_refused_of_this_period_is_part_of_the_case(period: int) -> None:
    scene = honest(SLOWED)
    attestation = scene.attest(period, mapping=bytes(31))
    transfer = scene.say(LAB, builders.transfer(id=""), period=period)
    assert attestation.refusal is not None
    assert transfer.refusal is not None
    assert (attestation.refusal.reason, transfer.refusal.reason) == (Reason.DIGEST_LENGTH, Reason.NAME_MALFORMED)

    found = [leaf.index for leaf in scene.case().refused]

    assert found == ([attestation.index, transfer.index] if period == NOW else [])
    assert scene.codes().count("statement-refused") == len(found)


@pytest.mark.parametrize(("recorded", "counts"), [(NOW - 1, False), (NOW, False), (NOW + 1, True)])
def test_what_was_recorded_before_the_period_ended_counts_for_nothing(recorded: int, counts: bool) -> None:
    scene = honest(without=["attestation"])
    scene.attest(recorded=recorded)

    case = scene.case()

    assert bool(case.attestations) is counts
    assert [leaf.refusal.reason for leaf in case.refused if leaf.refusal] == (
        [] if counts else [Reason.PERIOD_MISMATCH]
    )


def test_a_refused_reading_concerns_the_lab_whose_site_it_names() -> None:
    scene = honest(without=["meter"])
    refused = scene.read_meter(meter="")

    assert refused.refusal is not None
    assert refused.refusal.reason is Reason.NAME_MALFORMED
    assert [leaf.index for leaf in scene.case().refused] == [refused.index]
    assert not concerns(scene.agreement, "beta", refused)


def test_cited_statements_name_their_place_as_findings_do() -> None:
    scene = honest()
    (cited,) = scene.case().attestations.values()

    assert (cited.ref.origin, cited.ref.index, cited.ref.identity) == (
        cited.leaf.origin,
        cited.leaf.index,
        cited.leaf.identity,
    )
    assert cited.header.author == LAB


def test_the_level_is_none_for_a_lab_that_only_reports() -> None:
    assert honest().case().level is None
    level = honest(PAUSED).case().level
    assert level is not None
    assert level.name == "pause"


def test_the_order_in_which_leaves_are_handed_over_does_not_matter() -> None:
    scene = honest(SLOWED)
    scene.deliver(0, name="second", chip_class=H100)
    before = scene.appraise()
    scene._parties = dict(reversed(scene._parties.items()))

    assert scene.appraise() == before
