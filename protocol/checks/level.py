"""The level that binds the lab: allowed labels and caps (spec: checks, 9; evasions 1, 2 and 36)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol.checks.finding import BREACHED, INCONCLUSIVE, figure, finding
from protocol.exemptions import exemption_of
from standstill.v1 import quantity_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from protocol.case import Case
    from standstill.v1 import agreement_pb2
    from standstill.v1.assessment_pb2 import Finding
    from standstill.v1.compute_pb2 import Use

CODES: Final = {
    "label-not-allowed": "Work was done under a label that the level in force does not allow.",
    "cap-exceeded": "Work exceeded a cap of the level in force.",
    "cap-window-incomplete": "A cap counts over periods of which some are not attested.",
    "operations-not-stated": "A cap counts operations, and the lab does not state them.",
}


def check(case: Case) -> Iterator[Finding]:
    """Duties of the level in full force; while winding down the lower level still holds (annex 4.3)."""
    level = case.level
    if level is None:
        return
    for site, attestation in case.attestations.items():
        for use in attestation.body.use:
            if use.held.value and use.label not in level.allowed and not exemption_of(level, use):
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
    now = (*case.attestations.values(), *case.repeated)
    inside = [s for s in (*case.window, *now) if s.header.period >= first]
    refs = [statement.ref for statement in inside]
    said: dict[tuple[int, bytes], list[list[Use]]] = {}
    for statement in inside:
        uses = [use for use in statement.body.use if use.label in cap.labels and not exemption_of(level, use)]
        said.setdefault((statement.header.period, statement.header.site), []).append(uses)
    earlier = sum(period < case.period for period, _ in said)
    if earlier < (case.period - first) * len(case.sites):
        text = f"{case.lab} did not attest every site and period that {cap.name} of {level.name} counts."
        yield finding("cap-window-incomplete", INCONCLUSIVE, text, statements=refs)
    unstated = any(
        use.held.value and not use.HasField("operations") for uses in said.values() for u in uses for use in u
    )
    if cap.HasField("teraflop") and unstated:
        text = f"{case.lab} does not state operations that {cap.name} of {level.name} counts."
        yield finding("operations-not-stated", INCONCLUSIVE, text, statements=refs)
    # Of several statements on one site and period the largest counts: saying it twice must not say less.
    for unit, limited, limit, amount in (
        ("teraFLOP", cap.HasField("teraflop"), cap.teraflop, _operations),
        ("chip-seconds", cap.HasField("chip_seconds"), cap.chip_seconds, _held),
    ):
        total = sum(max(map(amount, uses)) for uses in said.values())
        if limited and total > limit:
            text = f"{case.lab} exceeded {cap.name} of {level.name}: {total} {unit} in {cap.window_periods} periods."
            figures = [figure("observed", total, unit), figure("expected", limit, unit), figure("tolerance", 0, unit)]
            yield finding("cap-exceeded", BREACHED, text, figures=figures, statements=refs)


def _operations(uses: Iterable[Use]) -> int:
    return sum(use.operations.value for use in uses)


def _held(uses: Iterable[Use]) -> int:
    return sum(use.held.value for use in uses)
