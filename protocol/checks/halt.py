"""What a lab reported as halted stays halted (spec: checks, 10; design section 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol.checks.finding import BREACHED, DISCREPANT, INCONCLUSIVE, figure, finding
from standstill.v1 import quantity_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from protocol.case import Case, Cited
    from standstill.v1.assessment_pb2 import Finding
    from standstill.v1.compute_pb2 import HaltReport

CODES: Final = {
    "halt-missing": "The level is in force and the lab has not reported what it halted.",
    "use-after-halt": "Work that the lab reported as halted went on.",
}


def reported(case: Case) -> Cited[HaltReport] | None:
    """The first halt report for the level and episode that bind the lab."""
    level = case.level
    if level is None:
        return None
    wanted = (case.duty.level, case.duty.episode)
    # A report of a time before the wind-down began can't be about this episode.
    begun = case.duty.since - level.wind_down_periods
    return next((h for h in case.halts if (h.body.level, h.body.episode) == wanted and h.header.period >= begun), None)


def check(case: Case) -> Iterator[Finding]:
    """A report is due when the wind-down ends; from its period on no halted label runs."""
    level = case.level
    if level is None:
        return
    halt = reported(case)
    if halt is None:
        text = f"{case.lab} has not reported what it halted for {level.name}."
        # Silence about the halt is judged by the clock of silence, like every other.
        silent = case.period - case.duty.since >= case.agreement.terms.freshness.presumed_non_compliant_periods
        yield finding("halt-missing", DISCREPANT if silent else INCONCLUSIVE, text)
        return
    halted = {run.label for run in halt.body.runs}
    for site, attestation in case.attestations.items():
        for use in attestation.body.use:
            if use.label in halted and use.label not in level.allowed and use.held.value:
                label = quantity_pb2.Label.Name(use.label).removeprefix("LABEL_").lower()
                text = f"{case.lab} reported that {label} was halted, and held chips for it afterwards."
                figures = [figure("observed", use.held.value, "chip-seconds"), figure("expected", 0, "chip-seconds")]
                refs = [halt.ref, attestation.ref]
                yield finding("use-after-halt", BREACHED, text, figures=figures, statements=refs, site=site)
