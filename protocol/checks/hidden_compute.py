"""How much could be hidden: floor and bound of the window, as numbers that are proven (spec: checks; annex: bound, 1).

floor > 0                       contradicts the declarations
bound >= significant quantity   leaves too much room for a verdict of honored
no bound                        leaves any amount of room
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol.checks.finding import DISCREPANT, INCONCLUSIVE, figure, finding
from protocol.hidden_compute import due

if TYPE_CHECKING:
    from collections.abc import Iterator

    from protocol.case import Case
    from standstill.v1.assessment_pb2 import Finding

CODES: Final = {
    "declared-falsely": "In every history that fits the evidence, some of the declared use did not happen as declared.",
    "bound-too-large": "The evidence leaves room for a significant quantity of covert training.",
    "bound-open": "Nothing on record limits a way to train in secret.",
    "bound-not-appraised": "The record does not say enough for a bound.",
}

_SECONDS: Final = 3_600


def check(case: Case) -> Iterator[Finding]:
    """The floor accuses; the bound, or its absence, only withholds the verdict."""
    hidden = case.hidden
    if hidden is None:
        if due(case.agreement, case.period):
            yield finding("bound-not-appraised", INCONCLUSIVE, f"No bound was computed for {case.lab}.")
        return
    floor, significant = hidden.floor.value, case.agreement.terms.verification.significant_quantity_teraflop
    if hidden.absent_because:
        yield finding("bound-not-appraised", INCONCLUSIVE, f"No bound on {case.lab}: {hidden.absent_because}.")
        return
    window = f"periods {hidden.first_period} to {case.period}"
    if floor > 0:
        text = f"{case.lab} declared at least {floor // _SECONDS} chip-hours of {window} falsely, or not at all: "
        text += "no history fits the evidence otherwise."
        figures = [figure("observed", floor, "chip-seconds at least"), figure("expected", 0, "chip-seconds")]
        refs = [cited.ref for cited in case.attestations.values()]
        yield finding("declared-falsely", DISCREPANT, text, figures=figures, statements=refs)
    if hidden.unbounded:
        text = f"Any amount of training by {case.lab} fits the evidence of {window}: {'; '.join(hidden.unbounded)}."
        yield finding("bound-open", INCONCLUSIVE, text)
    elif hidden.bound.value >= significant:
        text = f"Up to {hidden.bound.value} TFLOP of covert training by {case.lab} fit the evidence of {window}; "
        text += f"{significant} matter."
        figures = [
            figure("observed", hidden.bound.value, "TFLOP at most"),
            figure("expected", significant, "TFLOP, less than"),
        ]
        yield finding("bound-too-large", INCONCLUSIVE, text, figures=figures)
