"""Every finding: a record that yields it, and one that comes as near to it as honesty can and does not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from protocol.checks import CHECKS, run_all
from standstill.v1 import header_pb2 as h
from standstill.v1 import quantity_pb2 as q
from tests.builders import PERIOD
from tests.protocol.exempt import LIMIT, OTHER, exempted
from tests.protocol.limits import grew, measured, ran, returning, sealed
from tests.protocol.records import (
    CAP,
    SIGNIFICANT,
    Make,
    answered,
    attested,
    attested_again,
    declared,
    drew,
    halted,
    paused,
    read_twice,
    received,
    reckoned,
    resumed,
    sent,
    shipped,
    shipped_otherwise,
    signed_by_nobody,
    silent,
    slowed,
    trained,
    undeclared_energy,
    with_misbehavior,
)
from tests.protocol.window import slowdown
from tests.scenes import LAB, NOW, PAUSED, REPORTING, honest

INCONCLUSIVE, DISCREPANT, BREACHED = h.VERDICT_INCONCLUSIVE, h.VERDICT_DISCREPANT, h.VERDICT_BREACHED


YIELDS: dict[str, tuple[h.Verdict.ValueType, Make, Make]] = {
    "declared-falsely": (DISCREPANT, lambda: reckoned(floor=1), reckoned),
    "bound-too-large": (INCONCLUSIVE, lambda: reckoned(SIGNIFICANT), reckoned),
    "bound-open": (INCONCLUSIVE, lambda: reckoned(None), reckoned),
    "bound-not-appraised": (INCONCLUSIVE, lambda: reckoned(because="nobody attested"), reckoned),
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
    "exemption-unknown": (
        BREACHED,
        lambda: exempted(1, "trial", agreement=OTHER),
        lambda: exempted(0, "trial", agreement=OTHER),
    ),
    "exemption-not-granted": (BREACHED, lambda: exempted(1, "trial"), lambda: exempted(0, "trial")),
    "exemption-exceeded": (BREACHED, lambda: exempted(LIMIT + 1), lambda: exempted(LIMIT)),
    "exemption-ledger-incomplete": (INCONCLUSIVE, lambda: exempted(1, silent=[NOW - 1]), lambda: exempted(1)),
    "ramp-exceeded": (BREACHED, lambda: returning(PERIOD // 2 + 1), lambda: returning(PERIOD // 2)),
    "baseline-unknown": (INCONCLUSIVE, lambda: measured(PERIOD // 4, before=range(0)), lambda: measured(PERIOD // 4)),
    "run-too-large": (BREACHED, lambda: ran(("a", 2, 101)), lambda: ran(("a", 2, 100))),
    "cluster-too-large": (BREACHED, lambda: ran(("a", 3, 100)), lambda: ran(("a", 2, 100))),
    "inventory-grew": (BREACHED, lambda: grew(10, 12), lambda: grew(10, 11)),
    "earlier-inventory-unknown": (INCONCLUSIVE, lambda: grew(None, 10), lambda: grew(10, 10)),
    "seal-late": (DISCREPANT, lambda: sealed(NOW + 2), lambda: sealed(NOW + 1)),
    "halt-missing": (DISCREPANT, lambda: halted(2), lambda: halted(1)),
    "answer-overdue": (INCONCLUSIVE, lambda: answered(NOW + 1), lambda: answered(NOW)),
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


def test_readings_of_two_meters_of_a_site_are_added() -> None:
    scene = honest(without=["meter"])
    scene.read_meter(450)
    scene.read_meter(450, meter="meter-2")

    assert scene.codes() == []
    scene.read_meter(450, meter="meter-3")
    assert scene.codes() == ["meter-above-declared"]
