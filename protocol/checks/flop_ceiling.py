"""No accelerator does more than its peak: FLOP against chip-seconds times rate (spec: checks, 6; research D1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol.checks.finding import DISCREPANT, figure, finding
from standstill.v1 import quantity_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from protocol.case import Case
    from standstill.v1.assessment_pb2 import Finding

CODES: Final = {"flop-above-peak": "More operations are declared than the chips can do in the time they were held."}


def check(case: Case) -> Iterator[Finding]:
    """Operations <= held x peak of the format named; the ceiling is the agreement's, so the tolerance is zero."""
    for site, attestation in case.attestations.items():
        for use in attestation.body.use:
            if not use.HasField("operations"):
                continue
            peaks = case.agreement.chips[use.chip_class].peaks
            peak = next(row.gigaflop_per_second for row in peaks if row.format == use.format)
            ceiling = use.held.value * peak // 1_000
            if use.operations.value > ceiling:
                label = quantity_pb2.Label.Name(use.label).removeprefix("LABEL_").lower()
                text = f"{case.lab} declares more operations for {label} on {use.chip_class} than its chips can do."
                figures = [
                    figure("observed", use.operations.value, "teraFLOP"),
                    figure("expected", ceiling, "teraFLOP at most"),
                    figure("tolerance", 0, "teraFLOP"),
                ]
                refs = [attestation.ref]
                yield finding("flop-above-peak", DISCREPANT, text, figures=figures, statements=refs, site=site)
