"""From a case to a verdict and what it is worth (design section 6). Pure: the same case gives the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from protocol import hidden_compute
from protocol.checks import halt, run_all, signatures
from protocol.conduct import Freshness, freshness
from protocol.statements.quantities import TRAINING
from standstill.v1 import agreement_pb2, header_pb2
from standstill.v1 import assessment_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from protocol.case import Case

MAX_FINDINGS_BYTES: Final = 48 << 10
"""Most bytes of findings in an assessment, which as a statement's body has 65,535 in all."""


class Appraisal(NamedTuple):
    """A verdict with its grounds.

    Attributes:
        verdict: of the lab in the period.
        assessment: the details, as they are signed.
        proofs: of its bound and floor, which it names by their SHA-256.
    """

    verdict: header_pb2.Verdict.ValueType
    assessment: pb.Assessment
    proofs: tuple[bytes, ...] = ()

    @property
    def codes(self) -> list[str]:
        """Codes of the findings, sorted, each once."""
        return sorted({finding.code for finding in self.assessment.findings})


def appraise(case: Case, state: bytes) -> Appraisal:
    """Run all checks and draw the verdict.

    The worst finding decides; without one the verdict is honored only if every required kind of evidence is present.
    What could not be appraised is inconclusive: never failed, never honored.

    Args:
        case: what is on the record.
        state: digest of the state that the duty was read from, 32 bytes.
    """
    findings = run_all(case)
    evidence = _evidence(case, findings)
    worst = max([finding.severity for finding in findings], default=header_pb2.VERDICT_HONORED)
    required = set(case.agreement.terms.verification.required)
    absent = any(s.evidence in required and s.state != pb.EVIDENCE_STATE_PRESENT for s in evidence)
    verdict = max(worst, header_pb2.VERDICT_INCONCLUSIVE) if absent else worst
    listed = shortened(findings)
    assessment = pb.Assessment(
        findings=listed,
        evidence=evidence,
        assurance=pb.Assurance(
            hidden_compute=case.hidden,
            bound_absent_because=_no_bound(case),
            false_alarm_ppm=case.agreement.terms.verification.false_alarm_ppm,
            blind_spots=[*_blind_spots(case), *_left_out(len(findings) - len(listed))],
        ),
        state=state,
        record_period=case.record_period,
        duty_level=case.duty.level,
    )
    return Appraisal(verdict, assessment)


def shortened(findings: Sequence[pb.Finding]) -> list[pb.Finding]:
    """As many findings as a statement holds, in their order: the worst of each code before others of it.

    The verdict is drawn from all of them; a lab that breaks rules by the thousand must not keep it from being said.
    """
    first: dict[str, int] = {}
    by_severity = sorted(range(len(findings)), key=lambda place: -findings[place].severity)
    for place in by_severity:
        first.setdefault(findings[place].code, place)
    kept, room = set[int](), MAX_FINDINGS_BYTES
    for place in dict.fromkeys([*first.values(), *by_severity]):
        size = findings[place].ByteSize()
        if size <= room:
            kept.add(place)
            room -= size
    return [findings[place] for place in sorted(kept)]


def _no_bound(case: Case) -> str:
    """Why an assessment carries no bound; empty where it does."""
    every = case.agreement.terms.verification.bound_every_periods
    if case.hidden is not None:
        return ""
    if not every:
        return "These terms ask for no hidden-compute bound; honored does not say how much could hide."
    if hidden_compute.due(case.agreement, case.period):
        return "A bound was due and was not computed."
    due = (case.period // every + 1) * every - 1
    return f"The next bound is due with period {due}; honored does not say how much could hide until then."


def _left_out(count: int) -> list[str]:
    return [f"{count} more findings are not listed: a statement holds no more."] if count else []


def _evidence(case: Case, findings: list[pb.Finding]) -> list[pb.EvidenceStatus]:
    """State of each kind of evidence that is due, in the order of the enumeration."""
    contradicted = {finding.code for finding in findings}
    statuses = []
    for kind, (state, contradicting) in _EVIDENCE.items():
        found = state(case)
        if found == pb.EVIDENCE_STATE_PRESENT and contradicted & contradicting:
            found = pb.EVIDENCE_STATE_CONTRADICTED
        if found is not None:
            statuses.append(pb.EvidenceStatus(evidence=kind, state=found))
    return statuses


def _present(complete: bool, case: Case, kind: header_pb2.Kind.ValueType) -> pb.EvidenceState.ValueType:
    """Present, or why not: refused for its form, silent for long, or just not in."""
    if complete:
        return pb.EVIDENCE_STATE_PRESENT
    if any(leaf.header is not None and leaf.header.kind == kind for leaf in case.refused):
        return pb.EVIDENCE_STATE_MISMATCHED
    stage = freshness(case.waited(case.record_period + 1), case.agreement.terms.freshness)
    stale = stage in {Freshness.STALE, Freshness.PRESUMED}
    return pb.EVIDENCE_STATE_STALE if stale else pb.EVIDENCE_STATE_MISSING


def _attestation(case: Case) -> pb.EvidenceState.ValueType | None:
    complete = all(site.handle in case.attestations for site in case.sites)
    return _present(complete, case, header_pb2.KIND_COMPUTE_ATTESTATION)


def _energy(case: Case) -> pb.EvidenceState.ValueType | None:
    stated = {site for site, attestation in case.attestations.items() if attestation.body.HasField("energy")}
    return _present(all(site.handle in stated for site in case.sites), case, header_pb2.KIND_COMPUTE_ATTESTATION)


def _meter(case: Case) -> pb.EvidenceState.ValueType | None:
    complete = all(site.handle in case.readings for site in case.sites)
    return _present(complete, case, header_pb2.KIND_METER_READING)


def _shipments(case: Case) -> pb.EvidenceState.ValueType | None:
    if case.all_reported:
        return pb.EVIDENCE_STATE_PRESENT
    return pb.EVIDENCE_STATE_STALE if case.shipments or case.settled.reported else pb.EVIDENCE_STATE_MISSING


def _halt(case: Case) -> pb.EvidenceState.ValueType | None:
    if case.level is None:
        return None
    return _present(halt.reported(case) is not None, case, header_pb2.KIND_HALT_REPORT)


_EVIDENCE: Final[
    Mapping[
        agreement_pb2.Evidence.ValueType,
        tuple[Callable[[Case], pb.EvidenceState.ValueType | None], frozenset[str]],
    ]
] = {
    agreement_pb2.EVIDENCE_ATTESTATION: (_attestation, frozenset({"attested-twice", "meter-above-use"})),
    agreement_pb2.EVIDENCE_ENERGY: (_energy, frozenset({"meter-above-declared", "meter-below-declared"})),
    agreement_pb2.EVIDENCE_METER: (_meter, frozenset({"meter-contradicts-itself"})),
    agreement_pb2.EVIDENCE_SHIPMENTS: (_shipments, frozenset({"transfer-mismatch"})),
    agreement_pb2.EVIDENCE_HALT: (_halt, frozenset({"use-after-halt"})),
}
"""For each kind of evidence: how its state is found, and the findings that contradict it."""


def _blind_spots(case: Case) -> Iterator[str]:
    """What this verdict cannot see, in words (bound annex, section 12)."""
    yield "Counts chips of the listed classes only; other accelerators are outside."
    yield "FLOP, not capability: better methods, small research and prepared data are invisible."
    suppliers = [p.name for p in case.agreement.terms.parties if agreement_pb2.ROLE_SUPPLIER in p.roles]
    named = ", ".join(suppliers) or "nobody"
    yield f"Undeclared chips are limited by the reports of {named} alone; meters at declared sites do not see them."
    meters = {site.metered_by for site in case.sites}
    seen_by = ", ".join(sorted(meters - {""})) or "nobody"
    yield f"Energy is seen by {seen_by}; a source that lies is not noticed by itself."
    if "" in meters:
        yield "A site has no independent meter: its energy is the lab's word."
    anew = sum(signatures.said_anew(case, leaf) for leaf in case.refused)
    if anew:
        yield f"{anew} statements on this period by revoked keys are not compared with what was said anew."
    caps = [*case.level.caps, *(one.cap for one in case.level.exemptions)] if case.level is not None else []
    if any(cap.HasField("teraflop") for cap in caps):
        yield "Operations are the lab's word: a cap on them counts what is stated, checked only against the peak."
    sizes = {agreement_pb2.CAP_SCOPE_RUN, agreement_pb2.CAP_SCOPE_CLUSTER}
    if case.level is not None and any(cap.scope in sizes for cap in case.level.caps):
        yield "Runs are the lab's word: a run that is left out, or cut in two, is not measured as one."
    if case.level is not None and not TRAINING & set(case.level.allowed):
        yield "Training inside allowed work that draws the same power is not seen: only energy and counts are compared."
    if case.hidden is not None:
        yield from _bound_assumes(case)
    for one in case.level.exemptions if case.level is not None else ():
        yield f"That work under {one.name} is what the exemption is for is the lab's word."
        if one.sampled_ppm:
            yield f"{one.sampled_ppm} ppm of {one.name} is to be looked at closely; no statement shows whether it was."


def _bound_assumes(case: Case) -> Iterator[str]:
    """What a bound takes for granted (bound annex, section 12)."""
    for channel in case.agreement.terms.verification.left_open:
        yield f"By agreement the bound leaves out {_LEFT_OPEN[channel]}."
    yield "The bound assumes that no accelerator is faster than its class's peak, or draws less than its work's power."
    yield "The bound takes the errors that meter operators state as stated, and new in every period."
    yield "What is declared as training is not covert in the bound: of its operations only the peak is known."


_LEFT_OPEN: Final[Mapping[agreement_pb2.Channel.ValueType, str]] = {
    agreement_pb2.CHANNEL_FALSE_HOURS: "declared accelerators that do something else than declared",
    agreement_pb2.CHANNEL_AWAY: "declared accelerators that are elsewhere",
    agreement_pb2.CHANNEL_UNDECLARED: "undeclared accelerators",
    agreement_pb2.CHANNEL_RENTED: "compute rented from others",
}
