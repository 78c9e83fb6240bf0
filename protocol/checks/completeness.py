"""Every site of a lab is attested for every period, once and in time (spec: checks, 3; evasions 4, 16 and 46)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol.checks.finding import DISCREPANT, INCONCLUSIVE, figure, finding
from protocol.conduct import Freshness, freshness

if TYPE_CHECKING:
    from collections.abc import Iterator

    from protocol.case import Case
    from standstill.v1.assessment_pb2 import Finding

CODES: Final = {
    "attestation-missing": "A site is not attested for the period.",
    "attestation-late": "A site was attested after the agreement's time for it.",
    "attested-twice": "A site was attested twice for the period, with different figures.",
    "presumed-non-compliant": "A site stays unattested for longer than the agreement tolerates.",
}


def check(case: Case) -> Iterator[Finding]:
    """Silence is judged by the agreement's clock, in closed periods; it is never honored."""
    for site in case.sites:
        attestation = case.attestations.get(site.handle)
        if attestation is None:
            yield _silent(case, site.handle)
        elif case.waited(attestation.recorded) >= case.agreement.terms.freshness.late_periods:
            after = figure("recorded after", case.waited(attestation.recorded) + 1, "closings")
            limit = figure("allowed", case.agreement.terms.freshness.late_periods, "closings")
            text = f"{case.lab} attested period {case.period} late."
            refs = [attestation.ref]
            yield finding(
                "attestation-late", INCONCLUSIVE, text, figures=[after, limit], statements=refs, site=site.handle
            )
    for again in case.repeated:
        first = case.attestations[again.header.site]
        if again.body != first.body:
            text = f"{case.lab} attested period {case.period} of a site twice, with different figures."
            refs = [first.ref, again.ref]
            yield finding("attested-twice", DISCREPANT, text, statements=refs, site=again.header.site)


def _silent(case: Case, site: bytes) -> Finding:
    silent_for = case.waited(case.record_period + 1)
    stage = freshness(silent_for, case.agreement.terms.freshness)
    presumed = stage is Freshness.PRESUMED
    code = "presumed-non-compliant" if presumed else "attestation-missing"
    said = "not yet late" if stage is Freshness.FRESH else stage
    text = f"No attestation of a site of {case.lab} for period {case.period}: {said}."
    waited = figure("missed", silent_for, "closings")
    return finding(code, DISCREPANT if presumed else INCONCLUSIVE, text, figures=[waited], site=site)
