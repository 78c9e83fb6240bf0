"""The level that binds the lab: allowed labels, sums of work, the way back (spec: checks, 9; evasions 1, 2, 36)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from protocol.checks.finding import BREACHED, INCONCLUSIVE, figure, finding
from protocol.checks.sums import held, operations, total, trained
from protocol.exemptions import exemption_of
from standstill.v1 import agreement_pb2, quantity_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from protocol.case import Case, Cited
    from standstill.v1.assessment_pb2 import Figure, Finding, StatementRef
    from standstill.v1.compute_pb2 import ComputeAttestation, Use

CODES: Final = {
    "label-not-allowed": "Work was done under a label that the level in force does not allow.",
    "cap-exceeded": "Work exceeded a cap of the level in force.",
    "cap-window-incomplete": "A cap counts over periods of which some are not attested.",
    "operations-not-stated": "A cap counts operations, and the lab does not state them.",
    "ramp-exceeded": "On the way back from a level more was done than the share of the baseline that is open again.",
    "baseline-unknown": "A limit is a share of a baseline, and the lab attested nothing of it.",
}


def check(case: Case) -> Iterator[Finding]:
    """Duties of the level in full force; while winding down the lower level still holds (annex 4.3)."""
    level = case.level
    if level is None:
        return
    if case.duty.ramp_ppm:
        yield from _ramp(case, level)
    else:
        yield from _labels(case, level)
    for cap in level.caps:
        if cap.scope == agreement_pb2.CAP_SCOPE_UNSPECIFIED:
            yield from _cap(case, level, cap)
    # A level that lets through some of what it forbids no longer implies those below it.
    if case.duty.beneath is not None:
        yield from check(replace(case, duty=case.duty.beneath))


def _labels(case: Case, level: agreement_pb2.Level) -> Iterator[Finding]:
    for site, attestation in case.attestations.items():
        for use in attestation.body.use:
            if use.held.value and use.label not in level.allowed and not exemption_of(level, use):
                label = quantity_pb2.Label.Name(use.label).removeprefix("LABEL_").lower()
                text = f"{case.lab} held chips for {label}, which {level.name} does not allow."
                figures = _against(use.held.value, 0, "chip-seconds")
                refs = [attestation.ref]
                yield finding("label-not-allowed", BREACHED, text, figures=figures, statements=refs, site=site)


def _ramp(case: Case, level: agreement_pb2.Level) -> Iterator[Finding]:
    """What the level forbids goes on at a share of its baseline rate, period by period, over all sites of the lab."""
    now = [*case.attestations.values(), *case.repeated]
    forbidden = set(quantity_pb2.Label.values()) - set(level.allowed)
    if not total(now, forbidden, held, max, level):
        return
    before = case.baseline
    if before is None:
        yield _unknown(case, f"the return from {level.name}")
        return
    refs = [*(statement.ref for statement in now), *before.refs]
    for unit, done, base in (
        ("chip-seconds", total(now, forbidden, held, max, level), before.held(forbidden)),
        ("teraFLOP", total(now, forbidden, trained, max, level), before.trained(forbidden)),
    ):
        limit = before.share(base, 1, case.duty.ramp_ppm)
        if done > limit:
            text = f"{case.lab} returned from {level.name} faster than its ramp: {done} {unit} of what it forbids."
            yield finding("ramp-exceeded", BREACHED, text, figures=_against(done, limit, unit), statements=refs)


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
        ("teraFLOP", cap.HasField("teraflop"), cap.teraflop, operations),
        ("chip-seconds", cap.HasField("chip_seconds"), cap.chip_seconds, held),
    ):
        done = total(inside, cap.labels, amount, max, level)
        if limited and done > limit:
            yield _exceeded(case, level, cap, done, limit, unit, refs)
    if cap.baseline_ppm:
        yield from _share(case, level, cap, inside)


def _share(
    case: Case,
    level: agreement_pb2.Level,
    cap: agreement_pb2.Cap,
    inside: list[Cited[ComputeAttestation]],
) -> Iterator[Finding]:
    """A cap that is a share of the baseline rate: on chip time, which meters confirm, and on operations."""
    before = case.baseline
    if before is None:
        yield _unknown(case, f"{cap.name} of {level.name}")
        return
    refs = [*(statement.ref for statement in inside), *before.refs]
    for unit, done, base in (
        ("chip-seconds", total(inside, cap.labels, held, max, level), before.held(cap.labels)),
        ("teraFLOP", total(inside, cap.labels, trained, max, level), before.trained(cap.labels)),
    ):
        limit = before.share(base, cap.window_periods, cap.baseline_ppm)
        if done > limit:
            yield _exceeded(case, level, cap, done, limit, unit, refs)


def _exceeded(
    case: Case,
    level: agreement_pb2.Level,
    cap: agreement_pb2.Cap,
    done: int,
    limit: int,
    unit: str,
    refs: list[StatementRef],
) -> Finding:
    text = f"{case.lab} exceeded {cap.name} of {level.name}: {done} {unit} in {cap.window_periods} periods."
    return finding("cap-exceeded", BREACHED, text, figures=_against(done, limit, unit), statements=refs)


def _unknown(case: Case, what: str) -> Finding:
    text = f"{case.lab} attested nothing of the baseline that {what} is a share of."
    return finding("baseline-unknown", INCONCLUSIVE, text)


def _against(done: int, limit: int, unit: str) -> list[Figure]:
    return [figure("observed", done, unit), figure("expected", limit, unit), figure("tolerance", 0, unit)]
