"""Caps on single runs: their operations in total, and their accelerators (spec: checks, 9)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from protocol.checks.finding import BREACHED, figure, finding
from standstill.v1 import agreement_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from protocol.case import Case
    from standstill.v1.assessment_pb2 import Finding, StatementRef
    from standstill.v1.compute_pb2 import Run

CODES: Final = {
    "run-too-large": "A run did more operations in total than the level in force allows.",
    "cluster-too-large": "A run held more accelerators than the level in force allows.",
}


def check(case: Case) -> Iterator[Finding]:
    """Each run over all sites that name it: a run that is spread over sites is one."""
    level = case.level
    if level is None:
        return
    for cap in level.caps:
        for run, (teraflop, chips, refs) in sorted(_runs(case, cap).items()):
            if cap.scope == pb.CAP_SCOPE_RUN and teraflop > cap.teraflop:
                text = f"{case.lab} went on with {run}, which exceeds {cap.name} of {level.name}: {teraflop} teraFLOP."
                yield _finding("run-too-large", text, teraflop, cap.teraflop, "teraFLOP", refs)
            if cap.scope == pb.CAP_SCOPE_CLUSTER and chips > cap.chips:
                text = f"{case.lab} ran {run} on {chips} chips, which exceeds {cap.name} of {level.name}."
                yield _finding("cluster-too-large", text, chips, cap.chips, "chips", refs)
    if case.duty.beneath is not None:
        yield from check(replace(case, duty=case.duty.beneath))


def _runs(case: Case, cap: pb.Cap) -> dict[str, tuple[int, int, list[StatementRef]]]:
    """By name of a run that the cap counts: operations, accelerators, and the statements that name it."""
    said: dict[str, dict[bytes, list[Run]]] = {}
    refs: dict[str, list[StatementRef]] = {}
    for attestation in (*case.attestations.values(), *case.repeated):
        for run in attestation.body.runs:
            # A cap without labels counts every run.
            if run.label in cap.labels or not cap.labels:
                said.setdefault(run.run, {}).setdefault(attestation.header.site, []).append(run)
                refs.setdefault(run.run, []).append(attestation.ref)
    # Of several statements on one site the largest counts: saying it twice must not say less.
    return {
        name: (
            sum(max(run.operations.value for run in runs) for runs in sites.values()),
            sum(max(run.chips.value for run in runs) for runs in sites.values()),
            refs[name],
        )
        for name, sites in said.items()
    }


def _finding(code: str, text: str, observed: int, limit: int, unit: str, refs: list[StatementRef]) -> Finding:
    figures = [figure("observed", observed, unit), figure("expected", limit, unit), figure("tolerance", 0, unit)]
    return finding(code, BREACHED, text, figures=figures, statements=refs)
