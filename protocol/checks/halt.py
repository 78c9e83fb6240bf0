"""What a lab reported as halted stays halted (spec: checks, 10; design section 2)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from protocol.case_needs import halt_begins
from protocol.checks.finding import BREACHED, DISCREPANT, INCONCLUSIVE, figure, finding
from protocol.exemptions import exemption_of
from standstill.v1 import quantity_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from protocol.case import Case, Cited
    from standstill.v1 import agreement_pb2
    from standstill.v1.assessment_pb2 import Finding
    from standstill.v1.compute_pb2 import HaltReport

CODES: Final = {
    "halt-missing": "The level is in force and the lab has not reported what it halted.",
    "use-after-halt": "Work that the lab reported as halted went on.",
    "seal-late": "What was halted was not sealed within the time that the level gives.",
}


def reported(case: Case) -> Cited[HaltReport] | None:
    """The first halt report for the level since it binds the lab without a break."""
    level, duty = case.level, case.duty
    if level is None:
        return None
    # One of an earlier episode is where a brake or a ramp went over into this one: what was halted then stays so.
    begun = halt_begins(level, duty)
    about = [halt for halt in case.halts if halt.body.level == duty.level and halt.body.episode <= duty.episode]
    return next((halt for halt in about if halt.header.period >= begun), None)


def check(case: Case) -> Iterator[Finding]:
    """A report is due when the wind-down ends; from its period on no halted label runs."""
    level = case.level
    if level is None:
        return
    halt = reported(case)
    yield from _seal(case, level, halt)
    if halt is None:
        text = f"{case.lab} has not reported what it halted for {level.name}."
        # Silence about the halt is judged by the clock of silence, like every other.
        silent = case.period - case.duty.since >= case.agreement.terms.freshness.presumed_non_compliant_periods
        yield finding("halt-missing", DISCREPANT if silent else INCONCLUSIVE, text)
        return
    if case.duty.ramp_ppm:
        # On the way back it may go on, at the pace of the ramp.
        if case.duty.beneath is not None and case.duty.beneath.level:
            yield from check(replace(case, duty=case.duty.beneath))
        return
    halted = {run.label for run in halt.body.runs}
    for site, attestation in case.attestations.items():
        for use in attestation.body.use:
            outside = use.label not in level.allowed and not exemption_of(level, use)
            if use.label in halted and outside and use.held.value:
                label = quantity_pb2.Label.Name(use.label).removeprefix("LABEL_").lower()
                text = f"{case.lab} reported that {label} was halted, and held chips for it afterwards."
                figures = [figure("observed", use.held.value, "chip-seconds"), figure("expected", 0, "chip-seconds")]
                refs = [halt.ref, attestation.ref]
                yield finding("use-after-halt", BREACHED, text, figures=figures, statements=refs, site=site)


def _seal(case: Case, level: agreement_pb2.Level, halt: Cited[HaltReport] | None) -> Iterator[Finding]:
    """A halt report carries the seals: it is due in the record within the time for them after the wind-down."""
    gone = case.period + 1 - case.duty.since
    if not level.seal_periods or gone < level.seal_periods:
        return
    # A closing after this period could have recorded it, and did not.
    missed = case.waited(case.record_period + 1 if halt is None else halt.recorded)
    if missed > 0:
        text = f"{case.lab} had not sealed what it halted for {level.name} within {level.seal_periods} periods."
        figures = [figure("observed", gone + missed, "periods"), figure("expected", level.seal_periods, "periods")]
        yield finding("seal-late", DISCREPANT, text, figures=figures, statements=[] if halt is None else [halt.ref])
