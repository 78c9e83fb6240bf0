"""Every finding: a record that yields it, and one that comes as near to it as honesty can and does not."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from protocol.checks import CHECKS, run_all
from standstill.v1 import compute_pb2
from standstill.v1 import header_pb2 as h
from standstill.v1 import quantity_pb2 as q
from tests import builders
from tests.builders import A100, H100, PAUSE, PERIOD, quantity
from tests.bundles import strict_agreement
from tests.protocol.window import WINDOW, slowdown
from tests.scenes import LAB, NOW, PAUSED, REPORTING, SLOWED, Scene, honest, use
from tests.terms import handle

INCONCLUSIVE, DISCREPANT, BREACHED = h.VERDICT_INCONCLUSIVE, h.VERDICT_DISCREPANT, h.VERDICT_BREACHED
CAP = 10**9
"""Of the slowdown, in teraFLOP and in chip-seconds."""

Make = Callable[[], Scene]


def signed_by_nobody() -> Scene:
    scene = honest(without=["attestation"])
    alpha = scene.party(LAB)
    draft = alpha.draft(builders.attestation(scene.agreement, NOW))
    read = alpha.append(alpha.write(draft, [bytes(32)]))
    scene._recorded[read.origin, read.index] = NOW + 1
    return scene


def with_misbehavior(name: str) -> Scene:
    scene = honest()
    scene.say("vera", builders.misbehavior(scene.agreement, name))
    return scene


def silent(record_period: int) -> Scene:
    scene = honest(without=["attestation"])
    scene.record_period = record_period
    return scene


def attested(recorded: int) -> Scene:
    scene = honest(without=["attestation"])
    scene.attest(recorded=recorded)
    return scene


def attested_again(watt_hours: int) -> Scene:
    scene = honest()
    scene.attest(watt_hours=watt_hours)
    return scene


def declared(chips: int, held: int | None = None) -> Scene:
    """So many chips declared, all of them serving users, where two were delivered."""
    scene = honest(without=["attestation", "meter"])
    rows = use((q.LABEL_INFERENCE, chips * PERIOD if held is None else held))
    scene.attest(chips={H100: chips}, use=rows, watt_hours=None)
    return scene


def shipped(period: int) -> Scene:
    scene = honest()
    scene.say("chipco", builders.shipment_report(id="late"), period=period)
    return scene


def received(period: int) -> Scene:
    """A third accelerator, of which no sender speaks."""
    scene = declared(3)
    scene.say(LAB, builders.transfer(id="gift", chips=quantity(1)), period=period)
    return scene


def sent(period: int, chips: int) -> Scene:
    """One of two accelerators was sent to beta, which does not acknowledge it; so many are declared."""
    scene = declared(chips)
    scene.say(LAB, dispatch("beta"), period=period)
    return scene


def dispatch(to: str, **changes: Any) -> compute_pb2.Transfer:
    """One accelerator sent away."""
    out = {"id": "out", "chips": quantity(1), "direction": compute_pb2.DIRECTION_DISPATCH, "counterparty": to}
    return builders.transfer(**(out | changes))


def receipt(of: str = LAB, **changes: Any) -> compute_pb2.Transfer:
    """The other side of it."""
    return builders.transfer(**({"id": "out", "chips": quantity(1), "counterparty": of} | changes))


def shipped_otherwise(chips: int, chip_class: str = H100) -> Scene:
    """The lab acknowledges two H100, declares what it acknowledged, and the supplier says something else."""
    scene = honest(without=["deliveries"])
    scene.say("chipco", builders.shipment_report(chips=quantity(chips), chip_class=chip_class), period=1)
    scene.say(LAB, builders.transfer(), period=1)
    return scene


def trained(teraflop: int) -> Scene:
    """An hour of one H100 in BF16, whose peak is 989 teraFLOP a second."""
    scene = honest(without=["attestation"])
    rows = [builders.used(q.LABEL_TRAIN, PERIOD, teraflop), builders.used(q.LABEL_IDLE)]
    scene.attest(use=rows)
    return scene


def drew(watt_hours: int, meter: int | None = None) -> Scene:
    """One H100 in use (150 to 1,300 Wh) and one idle (75 to 150 Wh): 225 to 1,450 Wh."""
    scene = honest(without=["attestation", "meter"])
    scene.attest(watt_hours=watt_hours)
    if meter is not None:
        scene.read_meter(meter)
    return scene


def undeclared_energy(meter: int) -> Scene:
    scene = honest(without=["attestation", "meter"])
    scene.attest(watt_hours=None)
    scene.read_meter(meter)
    return scene


def read_twice(watt_hours: int) -> Scene:
    scene = honest()
    scene.read_meter(watt_hours)
    return scene


def paused(label: q.Label.ValueType, held: int = PERIOD) -> Scene:
    scene = honest(PAUSED, without=["attestation"])
    scene.attest(use=use((label, held), (q.LABEL_IDLE, 2 * PERIOD - held)))
    return scene


def slowed(teraflop: int | None, earlier: int = 0) -> Scene:
    """Roll-outs under a slowdown, now and in the period before; the cap counts four periods."""
    scene = slowdown(without=["attestation"], silent=[NOW - 1] if earlier else [])
    if earlier:
        scene.attest(NOW - 1, use=rolled_out(earlier))
    scene.attest(use=rolled_out(teraflop))
    return scene


def rolled_out(teraflop: int | None) -> list[compute_pb2.Use]:
    """Roll-outs on one of two accelerators; the other is idle."""
    return [builders.used(q.LABEL_ROLLOUT, PERIOD, teraflop), builders.used(q.LABEL_IDLE)]


def halted(episode: int, period: int = PAUSED.since) -> Scene:
    scene = honest(PAUSED, without=["halt"])
    scene.say(LAB, builders.halt_report(PAUSE, episode), period=period)
    return scene


def resumed(held: int) -> Scene:
    return paused(q.LABEL_TRAIN, held)


YIELDS: dict[str, tuple[h.Verdict.ValueType, Make, Make]] = {
    "statement-refused": (INCONCLUSIVE, signed_by_nobody, honest),
    "log-equivocation": (BREACHED, lambda: with_misbehavior(LAB), lambda: with_misbehavior("beta")),
    "attestation-missing": (INCONCLUSIVE, lambda: silent(NOW + 1), honest),
    "presumed-non-compliant": (DISCREPANT, lambda: silent(NOW + 3), lambda: silent(NOW + 2)),
    "attestation-late": (INCONCLUSIVE, lambda: attested(NOW + 2), lambda: attested(NOW + 1)),
    "attested-twice": (DISCREPANT, lambda: attested_again(701), lambda: attested_again(700)),
    "shipped-not-declared": (BREACHED, lambda: declared(1), lambda: declared(2)),
    "declared-not-received": (DISCREPANT, lambda: declared(3), lambda: declared(2)),
    "shipment-not-received": (
        DISCREPANT,
        lambda: shipped(NOW - 3),
        lambda: shipped(NOW - 2),
    ),
    "dispatch-not-acknowledged": (DISCREPANT, lambda: sent(NOW - 3, 2), lambda: sent(NOW - 2, 2)),
    "receipt-without-shipment": (
        DISCREPANT,
        lambda: received(NOW - 3),
        lambda: received(NOW - 2),
    ),
    "transfer-mismatch": (DISCREPANT, lambda: shipped_otherwise(3), lambda: shipped_otherwise(2)),
    "chip-seconds-above-inventory": (DISCREPANT, lambda: declared(2, 2 * PERIOD + 1), lambda: declared(2, 2 * PERIOD)),
    "chip-seconds-below-inventory": (DISCREPANT, lambda: declared(2, 2 * PERIOD - 1), lambda: declared(2, 2 * PERIOD)),
    "flop-above-peak": (DISCREPANT, lambda: trained(989 * PERIOD + 1), lambda: trained(989 * PERIOD)),
    "energy-above-use": (DISCREPANT, lambda: drew(1_451), lambda: drew(1_450)),
    "energy-below-use": (DISCREPANT, lambda: drew(224), lambda: drew(225)),
    "meter-above-declared": (DISCREPANT, lambda: drew(700, 1_051), lambda: drew(700, 1_050)),
    "meter-below-declared": (DISCREPANT, lambda: drew(700, 769), lambda: drew(700, 770)),
    "meter-above-use": (DISCREPANT, lambda: undeclared_energy(2_176), lambda: undeclared_energy(2_175)),
    "meter-below-use": (DISCREPANT, lambda: undeclared_energy(246), lambda: undeclared_energy(247)),
    "meter-contradicts-itself": (INCONCLUSIVE, lambda: read_twice(901), lambda: read_twice(900)),
    "label-not-allowed": (BREACHED, lambda: paused(q.LABEL_ROLLOUT, 1), lambda: paused(q.LABEL_ROLLOUT, 0)),
    "cap-exceeded": (BREACHED, lambda: slowed(1_000, CAP), lambda: slowed(0, CAP)),
    "cap-window-incomplete": (INCONCLUSIVE, lambda: slowdown(silent=[NOW - 1]), slowdown),
    "operations-not-stated": (INCONCLUSIVE, lambda: slowed(None), lambda: slowed(0)),
    "halt-missing": (DISCREPANT, lambda: halted(2), lambda: halted(1)),
    "use-after-halt": (BREACHED, lambda: resumed(1), lambda: resumed(0)),
}
"""By code: its severity, a record that yields it, and its twin."""


def test_every_code_of_every_check_is_tested_here() -> None:
    assert set(YIELDS) == {code for check in CHECKS for code in check.codes}


def test_every_code_is_explained_in_the_guide() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "verdicts.md").read_text()
    rows = [line.split("|")[1] for line in guide.partition("## Findings")[2].splitlines() if line.startswith("| `")]

    assert sorted(code for row in rows for code in re.findall("`([a-z-]+)`", row)) == sorted(YIELDS)


def test_no_code_belongs_to_two_checks() -> None:
    codes = [code for check in CHECKS for code in check.codes]

    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("code", YIELDS)
def test_is_found_where_it_is_so(code: str) -> None:
    severity, dishonest, _ = YIELDS[code]

    found = [finding for finding in run_all(dishonest().case()) if finding.code == code]

    assert found
    assert {finding.severity for finding in found} == {severity}
    assert all(finding.text.endswith(".") for finding in found)


@pytest.mark.parametrize("code", YIELDS)
def test_is_not_found_in_the_twin(code: str) -> None:
    assert code not in YIELDS[code][2]().codes()


@pytest.mark.parametrize(
    "scene",
    [lambda: honest(REPORTING), slowdown, lambda: honest(PAUSED)],
    ids=["reports", "slowdown", "pause"],
)
def test_honest_records_have_no_findings(scene: Make) -> None:
    assert scene().codes() == []


@pytest.mark.parametrize(
    ("scene", "expected"),
    [
        (
            lambda: drew(700, 1_051),
            ["observed 1051 Wh", "expected 1050 Wh", "tolerance 0 Wh", "deviation 0 tenths of sigma"],
        ),
        (lambda: declared(1), ["observed 1 chips", "expected 2 chips", "tolerance 0 chips"]),
    ],
    ids=["meter", "chips"],
)
def test_findings_carry_their_figures(scene: Make, expected: list[str]) -> None:
    first = run_all(scene().case())[0]

    assert [f"{figure.name} {figure.value} {figure.unit}" for figure in first.figures] == expected


def test_contradicting_statements_are_named_by_log_and_leaf() -> None:
    scene = declared(1)

    (found,) = [finding for finding in run_all(scene.case()) if finding.code == "shipped-not-declared"]

    assert [(ref.origin, ref.index) for ref in found.statements] == [
        ("alpha.example/standstill", 2),
        ("chipco.example/standstill", 2),
        ("alpha.example/standstill", 3),
    ]
    read = scene.party(LAB).read
    assert [found.statements[0].identity, found.statements[2].identity] == [read[2].identity, read[3].identity]


def test_a_receipt_said_twice_does_not_hide_chips_of_another_source() -> None:
    scene = honest(without=["attestation", "meter"])
    scene.say(LAB, builders.transfer(), period=1)
    scene.attest(chips={H100: 4}, use=use((q.LABEL_INFERENCE, 4 * PERIOD)), watt_hours=None)

    assert "receipt-without-shipment" in scene.codes()


def test_deliveries_of_one_name_by_two_senders_are_two() -> None:
    scene = honest()
    scene.say("beta", dispatch(LAB, id="shipment-1"), period=NOW - 3)

    assert scene.codes() == ["shipment-not-received"]


@pytest.mark.parametrize(("sender", "severity"), [("beta", INCONCLUSIVE), ("chipco", DISCREPANT)])
def test_what_another_lab_alone_says_it_sent_accuses_nobody(sender: str, severity: h.Verdict.ValueType) -> None:
    scene = honest()
    scene.say(sender, dispatch(LAB), period=NOW - 3)

    assert [(found.code, found.severity) for found in run_all(scene.case())] == [("shipment-not-received", severity)]


def test_a_supplier_may_say_one_delivery_in_both_forms() -> None:
    scene = honest()
    both = builders.transfer(counterparty=LAB, direction=compute_pb2.DIRECTION_DISPATCH)
    scene.say("chipco", both, period=1)

    assert scene.codes() == []


def test_the_class_delivered_counts_as_well_as_the_number() -> None:
    assert shipped_otherwise(2, A100).codes() == ["transfer-mismatch"]


@pytest.mark.parametrize("acknowledged", [False, True])
def test_chips_that_leave_within_the_period_may_be_counted_or_not(acknowledged: bool) -> None:
    for chips in (1, 2):
        scene = sent(NOW, chips)
        if acknowledged:
            scene.say("beta", receipt(), period=NOW)

        assert scene.codes() == []


@pytest.mark.parametrize("period", [NOW - 2, NOW - 1])
def test_chips_on_their_way_may_be_counted_or_not(period: int) -> None:
    for chips, codes in ((0, ["shipped-not-declared"]), (1, []), (2, []), (3, ["declared-not-received"])):
        assert sent(period, chips).codes() == codes


def test_a_dispatch_that_nobody_acknowledges_hides_no_chips() -> None:
    assert sent(NOW - 3, 2).codes() == ["dispatch-not-acknowledged"]
    assert sent(NOW - 3, 1).codes() == ["dispatch-not-acknowledged", "shipped-not-declared"]


@pytest.mark.parametrize("other", ["beta", "chipco"])
@pytest.mark.parametrize("period", [NOW - 3, NOW - 1])
def test_chips_that_the_other_side_acknowledges_are_gone(other: str, period: int) -> None:
    for chips, codes in ((1, []), (2, ["declared-not-received"])):
        scene = declared(chips)
        scene.say(LAB, dispatch(other), period=period)
        scene.say(other, receipt(), period=period)

        assert scene.codes() == codes


@pytest.mark.parametrize(
    ("author", "changes"),
    [
        ("beta", {"id": "other"}),
        ("beta", {"chip_class": A100}),
        ("beta", {"chips": quantity(2)}),
        ("beta", {"counterparty": "gamma"}),
        ("beta", {"direction": compute_pb2.DIRECTION_DISPATCH}),
        ("gamma", {}),
    ],
    ids=["another id", "another class", "another count", "of another sender", "another direction", "another receiver"],
)
def test_only_a_receipt_alike_acknowledges_a_dispatch(author: str, changes: dict[str, Any]) -> None:
    scene = sent(NOW - 3, 1)
    scene.say(author, receipt(**changes), period=NOW - 3)
    assert {"dispatch-not-acknowledged", "shipped-not-declared"} <= set(scene.codes())

    scene.say("beta", receipt(), period=NOW)
    assert not {"dispatch-not-acknowledged", "shipped-not-declared"} & set(scene.codes())


def test_one_receipt_acknowledges_one_dispatch() -> None:
    scene = sent(NOW - 3, 0)
    scene.say(LAB, dispatch("beta"), period=NOW - 3)
    scene.say("beta", receipt(), period=NOW - 3)
    assert scene.codes() == ["dispatch-not-acknowledged", "shipped-not-declared"]

    scene.say("beta", receipt(), period=NOW - 3)
    assert scene.codes() == []


def test_chips_that_arrive_within_the_period_may_be_counted_or_not() -> None:
    for chips in (2, 3):
        scene = declared(chips)
        scene.deliver(1, period=NOW, name="in")

        assert scene.codes() == []


def test_a_lab_of_which_a_site_is_silent_is_not_accused_of_missing_chips() -> None:
    assert honest(without=["attestation"]).codes() == ["attestation-missing"]


def test_readings_of_two_meters_of_a_site_are_added() -> None:
    scene = honest(without=["meter"])
    scene.read_meter(450)
    scene.read_meter(450, meter="meter-2")

    assert scene.codes() == []
    scene.read_meter(450, meter="meter-3")
    assert scene.codes() == ["meter-above-declared"]


def test_caps_count_only_periods_since_the_level_applies() -> None:
    scene = honest(SLOWED, without=["attestation"])
    scene.duty = replace(SLOWED, since=NOW)
    scene.attest(NOW - 1, use=rolled_out(CAP))
    scene.attest(use=rolled_out(CAP))

    assert "cap-exceeded" not in scene.codes()
    scene.duty = SLOWED
    assert "cap-exceeded" in scene.codes()


@pytest.mark.parametrize("period", WINDOW)
def test_a_cap_could_not_be_appraised_while_any_period_that_it_counts_is_silent(period: int) -> None:
    scene = slowdown(silent=[period])
    assert scene.codes() == ["cap-window-incomplete"]

    scene.attest(period)
    assert scene.codes() == []


def test_periods_before_the_level_applies_need_no_word_for_its_caps() -> None:
    scene = slowdown(silent=[NOW - 3, NOW - 2])
    scene.duty = replace(SLOWED, since=NOW - 1)
    scene.say(LAB, builders.halt_report(SLOWED.level), period=NOW - 1)
    assert scene.codes() == []

    scene.duty = replace(SLOWED, since=NOW - 2)
    assert scene.codes() == ["cap-window-incomplete"]


def test_a_cap_is_complete_only_with_every_site() -> None:
    labs = list(strict_agreement().terms.parties)
    second = builders.change(labs[0].sites[0], handle=handle(LAB, 2))
    labs[0] = builders.change(labs[0], sites=[labs[0].sites[0], second])
    scene = slowdown(builders.agreement(parties=labs), without=["attestation", "meter"])
    one = builders.attestation(scene.agreement, NOW - 1, chips={H100: 1}, use=[builders.used(q.LABEL_IDLE)])
    for period in WINDOW[:-1]:
        body = builders.change(
            one, start=scene.agreement.start_of(period), end=scene.agreement.end_of(period), energy=None
        )
        scene.say(LAB, body, site=second.handle)
    assert "cap-window-incomplete" in scene.codes()

    scene.say(LAB, one, site=second.handle)
    assert "cap-window-incomplete" not in scene.codes()


@pytest.mark.parametrize("period", [NOW - 1, NOW])
@pytest.mark.parametrize("first", [0, 1], ids=["the smaller first", "the larger first"])
def test_of_several_words_on_one_period_a_cap_counts_the_largest_once(period: int, first: int) -> None:
    for most, exceeded in ((CAP, False), (CAP + 1, True)):
        scene = slowdown(without=["attestation"], silent=[period])
        if period != NOW:
            scene.attest()
        said = [CAP // 2, most]
        for teraflop in (said[first], said[1 - first], said[first]):
            scene.attest(period, use=rolled_out(teraflop))

        assert ("cap-exceeded" in scene.codes()) is exceeded


@pytest.mark.parametrize("recorded", [1, NOW - 1, NOW, NOW + 1])
def test_a_cap_counts_an_earlier_period_whenever_it_was_recorded(recorded: int) -> None:
    scene = slowdown(silent=[NOW - 1])
    scene.attest(NOW - 1, recorded=recorded, use=rolled_out(CAP + 1))

    assert scene.codes() == ["cap-exceeded"]


@pytest.mark.parametrize(("silent", "severity"), [(0, INCONCLUSIVE), (2, INCONCLUSIVE), (3, DISCREPANT)])
def test_silence_about_the_halt_is_judged_by_the_clock_of_silence(silent: int, severity: h.Verdict.ValueType) -> None:
    scene = honest(replace(PAUSED, since=NOW - silent), without=["halt"])
    assert scene.agreement.terms.freshness.presumed_non_compliant_periods == 3

    assert [(found.code, found.severity) for found in run_all(scene.case())] == [("halt-missing", severity)]


@pytest.mark.parametrize(
    ("period", "codes"),
    [(PAUSED.since - 2, ["halt-missing"]), (PAUSED.since - 1, []), (PAUSED.since, [])],
    ids=["before the wind-down", "as it begins", "as it ends"],
)
def test_a_halt_report_counts_from_the_period_in_which_the_wind_down_begins(period: int, codes: list[str]) -> None:
    scene = halted(1, period)
    assert scene.agreement.levels[PAUSE].wind_down_periods == 1

    assert scene.codes() == codes
    scene.say(LAB, builders.halt_report(PAUSE, 1), period=NOW)
    assert scene.codes() == []
