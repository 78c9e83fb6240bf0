"""Where a difference begins to count: the last figure that errors explain, and the first that they do not."""

from __future__ import annotations

import pytest

from protocol.checks import run_all
from protocol.statistics import Z_MILLI, joint_sigma, sigma, tolerance
from standstill.v1 import quantity_pb2 as q
from tests import builders
from tests.builders import PERIOD, quantity
from tests.bundles import strict_agreement
from tests.protocol.window import slowdown
from tests.scenes import LAB, NOW, Scene, honest
from tests.terms import handle, terms

WH = q.UNIT_WATT_HOUR
LEAST, MOST = 225, 1_450
"""Watt-hours that one H100 in use and one idle can draw in an hour."""


def energy(watt_hours: int, ppm: int) -> q.Quantity:
    return quantity(watt_hours, WH, random_ppm=ppm)


def declares(watt_hours: int, ppm: int, share: int = 1_000) -> Scene:
    agreement = strict_agreement()
    if share != 1_000:
        verification = builders.change(agreement.terms.verification, false_alarm_ppm=share)
        agreement = builders.agreement(verification=verification)
    scene = honest(agreement=agreement, without=["attestation", "meter"])
    scene.attest(energy=energy(watt_hours, ppm))
    return scene


def reads(declared: q.Quantity | None, seen: q.Quantity) -> Scene:
    scene = honest(without=["attestation", "meter"])
    scene.attest(energy=declared)
    body = builders.meter_reading(scene.agreement, NOW, energy=seen)
    scene.say("gridco", body, period=NOW, site=handle(LAB))
    return scene


@pytest.mark.parametrize("share", Z_MILLI)
@pytest.mark.parametrize("ppm", [0, 1, 5_000, 50_000])
def test_declared_energy_may_exceed_the_use_by_the_agreed_multiple_of_its_error(share: int, ppm: int) -> None:
    last = max(x for x in range(MOST, 3 * MOST) if x - MOST <= tolerance([sigma(energy(x, ppm))], share))

    assert "energy-above-use" not in declares(last, ppm, share).codes()
    assert "energy-above-use" in declares(last + 1, ppm, share).codes()


@pytest.mark.parametrize("ppm", [0, 1, 5_000, 50_000])
def test_declared_energy_may_fall_short_of_the_use_by_the_agreed_multiple_of_its_error(ppm: int) -> None:
    last = min(x for x in range(1, LEAST + 1) if LEAST - x <= tolerance([sigma(energy(x, ppm))], 1_000))

    assert "energy-below-use" not in declares(last, ppm).codes()
    assert "energy-below-use" in declares(last - 1, ppm).codes()


@pytest.mark.parametrize("ppm", [0, 1, 5_000, 50_000])
def test_meter_and_declared_energy_may_differ_by_their_joint_error(ppm: int) -> None:
    declared = energy(700, ppm)

    def explained(seen: int) -> bool:
        above, below = sigma(declared) * 1_500 // 1_000, sigma(declared) * 1_100 // 1_000
        own = sigma(energy(seen, ppm))
        return seen - 1_050 <= tolerance([own, above], 1_000) and 770 - seen <= tolerance([own, below], 1_000)

    fine = [seen for seen in range(400, 2_000) if explained(seen)]
    assert fine == list(range(fine[0], fine[-1] + 1))
    assert reads(declared, energy(fine[-1], ppm)).codes() == []
    assert reads(declared, energy(fine[-1] + 1, ppm)).codes() == ["meter-above-declared"]
    assert reads(declared, energy(fine[0], ppm)).codes() == []
    assert reads(declared, energy(fine[0] - 1, ppm)).codes() == ["meter-below-declared"]


@pytest.mark.parametrize("ppm", [0, 1, 5_000, 50_000])
def test_the_meter_may_exceed_what_the_use_can_draw_by_its_own_error(ppm: int) -> None:
    most = MOST * 3 // 2
    last = max(x for x in range(most, 2 * most) if x - most <= tolerance([sigma(energy(x, ppm))], 1_000))

    assert reads(None, energy(last, ppm)).codes() == []
    assert reads(None, energy(last + 1, ppm)).codes() == ["meter-above-use"]


@pytest.mark.parametrize("ppm", [0, 1, 5_000, 50_000])
def test_the_meter_may_fall_short_of_what_the_use_must_draw_by_its_own_error(ppm: int) -> None:
    least = LEAST * 11 // 10
    last = min(x for x in range(1, least + 1) if least - x <= tolerance([sigma(energy(x, ppm))], 1_000))

    assert reads(None, energy(last, ppm)).codes() == []
    assert reads(None, energy(last - 1, ppm)).codes() == ["meter-below-use"]


def test_a_lab_cannot_excuse_a_meter_below_its_use_by_how_vaguely_it_states_its_own_energy() -> None:
    least = LEAST * 11 // 10
    for watt_hours, codes in ((least, []), (least - 1, ["meter-below-use"])):
        assert reads(energy(LEAST, 50_000), energy(watt_hours, 0)).codes() == codes


def test_random_and_systematic_errors_count_alike() -> None:
    for kind in ("random_ppm", "systematic_ppm"):
        seen = quantity(1_100, WH, **{kind: 30_000})

        assert reads(energy(700, 0), seen).codes() == []
        assert reads(energy(700, 0), energy(1_100, 0)).codes() == ["meter-above-declared"]


def test_the_deviation_is_stated_in_tenths_of_the_joint_sigma_rounded_down() -> None:
    declared, seen = energy(700, 5_000), energy(1_100, 2_000)
    spread = joint_sigma([sigma(seen), sigma(declared) * 1_500 // 1_000])

    (found,) = [item for item in run_all(reads(declared, seen).case()) if item.code == "meter-above-declared"]

    assert [figure.value for figure in found.figures] == [
        "1100",
        "1050",
        str(tolerance([sigma(seen), sigma(declared) * 1_500 // 1_000], 1_000)),
        str((1_100 - 1_050) * 10 // spread),
    ]


def test_power_bounds_that_are_no_whole_watt_hours_are_rounded_in_the_labs_favour() -> None:
    # One second of use and one of idle less than an hour: the bounds are fractions of a watt-hour.
    rows = [builders.used(q.LABEL_INFERENCE, PERIOD - 1), builders.used(q.LABEL_IDLE, PERIOD + 1)]
    # 3,599 s x 1,300 W + 3,601 s x 150 W = 1449.68 Wh; 3,599 s x 150 W + 3,601 s x 75 W = 224.98 Wh.
    for watt_hours, codes in ((1_450, []), (1_451, ["energy-above-use"]), (224, []), (223, ["energy-below-use"])):
        scene = honest(without=["attestation", "meter"])
        scene.attest(use=rows, watt_hours=watt_hours)

        assert scene.codes() == codes


@pytest.mark.parametrize(("window", "excess", "codes"), [(4, 0, []), (4, 1, ["cap-exceeded"]), (3, 1, [])])
def test_a_cap_holds_to_the_last_unit_over_exactly_its_window(window: int, excess: int, codes: list[str]) -> None:
    cap = builders.change(terms().levels[0].caps[0], window_periods=window)
    levels = [builders.change(terms().levels[0], caps=[cap]), terms().levels[1]]
    scene = slowdown(builders.agreement(levels=levels), without=["attestation"], silent=[NOW - 3, NOW - 1])
    parts = {NOW - 3: 400_000_000 + excess, NOW - 1: 300_000_000, NOW: 300_000_000}
    for period, teraflop in parts.items():
        rows = [builders.used(q.LABEL_ROLLOUT, PERIOD, teraflop), builders.used(q.LABEL_IDLE)]
        scene.attest(period, use=rows)

    assert [code for code in scene.codes() if code.startswith("cap-")] == codes


def test_a_cap_on_chip_seconds_is_a_cap_as_well() -> None:
    caps = [builders.change(terms().levels[0].caps[0], chip_seconds=PERIOD, teraflop=None)]
    levels = [builders.change(terms().levels[0], caps=caps), terms().levels[1]]
    for held, codes in ((PERIOD, []), (PERIOD + 1, ["cap-exceeded"])):
        scene = slowdown(builders.agreement(levels=levels), without=["attestation"])
        rows = [builders.used(q.LABEL_ROLLOUT, held), builders.used(q.LABEL_IDLE, 2 * PERIOD - held)]
        scene.attest(use=rows)

        assert scene.codes() == codes


@pytest.mark.parametrize(("waited", "codes"), [(0, []), (1, ["attestation-late"]), (9, ["attestation-late"])])
def test_lateness_begins_after_the_agreed_number_of_closings(waited: int, codes: list[str]) -> None:
    scene = honest(without=["attestation"])
    scene.attest(recorded=NOW + 1 + waited)

    assert scene.codes() == codes
