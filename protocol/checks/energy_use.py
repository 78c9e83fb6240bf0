"""Declared energy against declared use: each label draws power within its class's interval (spec: checks, 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol.checks.finding import DISCREPANT, figure, finding
from protocol.checks.power import declared_range, deviation
from protocol.statistics import sigma, tolerance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from protocol.case import Case
    from standstill.v1.assessment_pb2 import Finding

CODES: Final = {
    "energy-above-use": "The declared energy is more than the declared use can have drawn.",
    "energy-below-use": "The declared energy is less than the declared use must have drawn.",
}


def check(case: Case) -> Iterator[Finding]:
    """Sum held x low <= energy <= sum held x high, within the stated uncertainty of the energy."""
    for site, attestation in case.attestations.items():
        if not attestation.body.HasField("energy"):
            continue
        energy = attestation.body.energy
        low, high = declared_range(case.agreement, attestation.body)
        spread = sigma(energy)
        allowed = tolerance([spread], case.agreement.terms.verification.false_alarm_ppm)
        excess, lack = energy.value - high, low - energy.value
        if max(excess, lack) <= allowed:
            continue
        above = excess > lack
        expected = high if above else low
        text = (
            f"{case.lab} declares {energy.value} Wh; its declared use draws "
            f"{'at most' if above else 'at least'} {expected} Wh."
        )
        yield finding(
            "energy-above-use" if above else "energy-below-use",
            DISCREPANT,
            text,
            figures=[
                figure("observed", energy.value, "Wh"),
                figure("expected", expected, f"Wh at {'most' if above else 'least'}"),
                figure("tolerance", allowed, "Wh"),
                figure("deviation", deviation(max(excess, lack), spread), "tenths of sigma"),
            ],
            statements=[attestation.ref],
            site=site,
        )
