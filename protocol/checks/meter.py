"""The independent meter against the lab's word: declared energy, and declared use (spec: checks, 8; research D2, D5).

energy x PUE low <= reading <= energy x PUE high                        against the declared energy
sum held x low x PUE low <= reading <= sum held x high x PUE high       against the declared use
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol.checks.finding import DISCREPANT, INCONCLUSIVE, figure, finding
from protocol.checks.power import declared_range, deviation
from protocol.statistics import MILLI, joint_sigma, sigma, tolerance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from protocol.case import Case, Cited
    from standstill.v1 import agreement_pb2, assessment_pb2
    from standstill.v1.compute_pb2 import ComputeAttestation
    from standstill.v1.evidence_pb2 import MeterReading

CODES: Final = {
    "meter-above-declared": "The site drew more than the declared energy and its losses explain.",
    "meter-below-declared": "The site drew less than the declared energy.",
    "meter-above-use": "The site drew more than the declared use and its losses can explain.",
    "meter-below-use": "The site drew less than the declared use must have drawn.",
    "meter-contradicts-itself": "Two readings of one meter for one period differ.",
}


def check(case: Case) -> Iterator[assessment_pb2.Finding]:
    """One reading per meter; readings of several meters of a site are added."""
    for site in case.sites:
        readings, attestation = case.readings.get(site.handle, ()), case.attestations.get(site.handle)
        by_meter: dict[str, Cited[MeterReading]] = {}
        for reading in readings:
            first = by_meter.setdefault(reading.body.meter, reading)
            if reading.body != first.body:
                text = f"{reading.header.author} reports two values of meter {reading.body.meter}."
                refs = [first.ref, reading.ref]
                # The contradiction is the meter operator's, not the lab's: nothing can be concluded from it.
                yield finding("meter-contradicts-itself", INCONCLUSIVE, text, statements=refs, site=site.handle)
        if attestation is not None and by_meter:
            yield from _compare(case, site, attestation, list(by_meter.values()))


def _compare(
    case: Case,
    site: agreement_pb2.Site,
    attestation: Cited[ComputeAttestation],
    readings: list[Cited[MeterReading]],
) -> Iterator[assessment_pb2.Finding]:
    seen = sum(reading.body.energy.value for reading in readings)
    spreads = [sigma(reading.body.energy) for reading in readings]
    refs = [attestation.ref, *(reading.ref for reading in readings)]
    share = case.agreement.terms.verification.false_alarm_ppm
    if attestation.body.HasField("energy"):
        energy = attestation.body.energy
        for code, pue, sign in (
            ("meter-above-declared", site.pue_high_milli, 1),
            ("meter-below-declared", site.pue_low_milli, -1),
        ):
            expected = energy.value * pue // MILLI
            joint = [*spreads, sigma(energy) * pue // MILLI]
            difference = sign * (seen - expected)
            if difference > (allowed := tolerance(joint, share)):
                text = f"The meter of {case.lab} shows {seen} Wh; the {energy.value} Wh declared allow {expected} Wh "
                text += f"at a site whose overhead factor (PUE) is {pue // MILLI}.{pue % MILLI:03d}."
                figures = _figures(seen, expected, allowed, deviation(difference, joint_sigma(joint)))
                yield finding(code, DISCREPANT, text, figures=figures, statements=refs, site=site.handle)
    # Against the declared use only the meter's own errors count: a lab can't widen the tolerance by what it states.
    low, high = declared_range(case.agreement, attestation.body)
    most, least = -(-high * site.pue_high_milli // MILLI), low * site.pue_low_milli // MILLI
    allowed = tolerance(spreads, share)
    for code, expected, difference, bound in (
        ("meter-above-use", most, seen - most, "most"),
        ("meter-below-use", least, least - seen, "least"),
    ):
        if difference > allowed:
            text = f"The meter of {case.lab} shows {seen} Wh; its declared use draws at {bound} {expected} Wh."
            figures = _figures(seen, expected, allowed, deviation(difference, joint_sigma(spreads)))
            yield finding(code, DISCREPANT, text, figures=figures, statements=refs, site=site.handle)


def _figures(seen: int, expected: int, allowed: int, tenths: int) -> list[assessment_pb2.Figure]:
    return [
        figure("observed", seen, "Wh"),
        figure("expected", expected, "Wh"),
        figure("tolerance", allowed, "Wh"),
        figure("deviation", tenths, "tenths of sigma"),
    ]
