"""The level that binds the lab: allowed labels and caps (spec: checks, 9; evasions 1, 2 and 36)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol.checks.finding import BREACHED, INCONCLUSIVE, figure, finding
from standstill.v1 import quantity_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from protocol.case import Case
    from standstill.v1 import agreement_pb2
    from standstill.v1.assessment_pb2 import Finding

CODES: Final = {
    "label-not-allowed": "Work was done under a label that the level in force does not allow.",
    "cap-exceeded": "Work exceeded a cap of the level in force.",
    "operations-not-stated": "A cap counts operations, and the lab does not state them.",
}


def check(case: Case) -> Iterator[Finding]:
    """Duties of the level in full force; while winding down the lower level still holds (annex 4.3)."""
    level = case.level
    if level is None:
        return
    for site, attestation in case.attestations.items():
        for use in attestation.body.use:
            if use.held.value and use.label not in level.allowed:
                label = quantity_pb2.Label.Name(use.label).removeprefix("LABEL_").lower()
                text = f"{case.lab} held chips for {label}, which {level.name} does not allow."
                figures = [
                    figure("observed", use.held.value, "chip-seconds"),
                    figure("expected", 0, "chip-seconds"),
                    figure("tolerance", 0, "chip-seconds"),
                ]
                refs = [attestation.ref]
                yield finding("label-not-allowed", BREACHED, text, figures=figures, statements=refs, site=site)
    for cap in level.caps:
        yield from _cap(case, level, cap)


def _cap(case: Case, level: agreement_pb2.Level, cap: agreement_pb2.Cap) -> Iterator[Finding]:
    """Sums over all sites of the lab and the window's periods since the level applies."""
    first = max(case.period - cap.window_periods + 1, case.duty.since)
    inside = [s for s in (*case.window, *case.attestations.values()) if s.header.period >= first]
    uses = [use for statement in inside for use in statement.body.use if use.label in cap.labels]
    refs = [statement.ref for statement in inside]
    if cap.HasField("teraflop") and any(use.held.value and not use.HasField("operations") for use in uses):
        text = f"{case.lab} does not state operations that {cap.name} of {level.name} counts."
        yield finding("operations-not-stated", INCONCLUSIVE, text, statements=refs)
    for unit, limited, limit, total in (
        ("teraFLOP", cap.HasField("teraflop"), cap.teraflop, sum(use.operations.value for use in uses)),
        ("chip-seconds", cap.HasField("chip_seconds"), cap.chip_seconds, sum(use.held.value for use in uses)),
    ):
        if limited and total > limit:
            text = f"{case.lab} exceeded {cap.name} of {level.name}: {total} {unit} in {cap.window_periods} periods."
            figures = [figure("observed", total, unit), figure("expected", limit, unit), figure("tolerance", 0, unit)]
            yield finding("cap-exceeded", BREACHED, text, figures=figures, statements=refs)
