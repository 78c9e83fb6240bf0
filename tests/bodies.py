"""One body of every kind of statement, with changes: `meter_reading(terms, 3, meter="another")`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from protocol.agreement import Agreement
from protocol.checkpoint import Checkpoint, sign_checkpoint
from protocol.keys import public_key
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import (
    assessment_pb2,
    compute_pb2,
    condition_pb2,
    decision_pb2,
    evidence_pb2,
    header_pb2,
    inquiry_pb2,
    membership_pb2,
    pledge_pb2,
    record_pb2,
)
from standstill.v1 import quantity_pb2 as q
from tests.terms import H100, PAUSE, PERIOD, SLOWDOWN, change, restrictive, seed


def quantity(value: int | None, unit: q.Unit.ValueType = q.UNIT_CHIP, **changes: Any) -> q.Quantity:
    """A measured quantity without uncertainty."""
    return change(q.Quantity(value=value, unit=unit, basis=q.BASIS_MEASURED), **changes)


def attestation(
    terms_: Agreement,
    period: int,
    *,
    chips: Mapping[str, int] | None = None,
    use: Sequence[compute_pb2.Use] | None = None,
    watt_hours: int | None = 700,
    **changes: Any,
) -> compute_pb2.ComputeAttestation:
    """One period of a site: two accelerators, one serving users and one idle."""
    made = compute_pb2.ComputeAttestation(
        start=terms_.start_of(period),
        end=terms_.end_of(period),
        inventory=[
            compute_pb2.Inventory(chip_class=name, chips=quantity(count))
            for name, count in (chips or {H100: 2}).items()
        ],
        use=use if use is not None else [used(q.LABEL_INFERENCE), used(q.LABEL_IDLE)],
        energy=None if watt_hours is None else quantity(watt_hours, q.UNIT_WATT_HOUR),
    )
    return change(made, **changes)


def used(
    label: q.Label.ValueType, chip_seconds: int = PERIOD, teraflop: int | None = None, chip: str = H100
) -> compute_pb2.Use:
    """One row of use; with `teraflop` in BF16 where it is said."""
    return compute_pb2.Use(
        chip_class=chip,
        label=label,
        held=quantity(chip_seconds, q.UNIT_CHIP_SECOND),
        operations=None if teraflop is None else quantity(teraflop, q.UNIT_TERAFLOP, basis=q.BASIS_CALCULATED),
        format=q.NUMBER_FORMAT_UNSPECIFIED if teraflop is None else q.NUMBER_FORMAT_BF16_DENSE,
    )


def halt_report(rank: int = PAUSE, episode: int = 1, **changes: Any) -> compute_pb2.HaltReport:
    """One run stopped for a level."""
    run = compute_pb2.HaltedRun(
        run="run-1",
        label=q.LABEL_TRAIN,
        chips=quantity(1),
        operations=quantity(10**6, q.UNIT_TERAFLOP),
        sealed_checkpoint=sha256(b"checkpoint").digest(),
    )
    return change(compute_pb2.HaltReport(level=rank, episode=episode, runs=[run]), **changes)


def transfer(**changes: Any) -> compute_pb2.Transfer:
    """Receipt of two accelerators from the supplier."""
    made = compute_pb2.Transfer(
        id="shipment-1", direction=compute_pb2.DIRECTION_RECEIPT, counterparty="chipco", chip_class=H100
    )
    return change(made, **({"chips": quantity(2)} | changes))


def shipment_report(**changes: Any) -> evidence_pb2.ShipmentReport:
    """Two accelerators shipped to alpha."""
    made = evidence_pb2.ShipmentReport(id="shipment-1", receiver="alpha", chip_class=H100, chips=quantity(2))
    return change(made, **changes)


def shipments_complete() -> evidence_pb2.ShipmentsComplete:
    """A supplier has reported everything."""
    return evidence_pb2.ShipmentsComplete()


def meter_reading(
    terms_: Agreement, period: int, watt_hours: int | None = 900, **changes: Any
) -> evidence_pb2.MeterReading:
    """Energy delivered to a site."""
    made = evidence_pb2.MeterReading(
        meter="meter-1",
        start=terms_.start_of(period),
        end=terms_.end_of(period),
        energy=None if watt_hours is None else quantity(watt_hours, q.UNIT_WATT_HOUR),
    )
    return change(made, **changes)


def indicator_report(lab: str = "alpha", value: int | None = 100, **changes: Any) -> evidence_pb2.IndicatorReport:
    """A reading of the time horizon of a lab's models, minutes."""
    return change(evidence_pb2.IndicatorReport(indicator="horizon", lab=lab, value=value), **changes)


def ballot(
    motion: decision_pb2.Motion.ValueType = decision_pb2.MOTION_CALL,
    rank: int = PAUSE,
    episode: int = 1,
    **changes: Any,
) -> decision_pb2.Ballot:
    """A vote, yes unless changed."""
    return change(decision_pb2.Ballot(motion=motion, level=rank, episode=episode, yes=True), **changes)


def clause(
    rank: int, when: condition_pb2.Condition | None = None, provided: condition_pb2.Condition | None = None
) -> pledge_pb2.PledgeClause:
    """One clause of a pledge."""
    return pledge_pb2.PledgeClause(level=rank, when=when, provided=provided)


def pledge(*clauses: pledge_pb2.PledgeClause) -> pledge_pb2.Pledge:
    """A pledge; without clauses: to keep each level while it restricts."""
    both = [clause(rank, when=restrictive(rank)) for rank in (SLOWDOWN, PAUSE)]
    return pledge_pb2.Pledge(clauses=clauses or both)


def founding(terms_: Agreement, **changes: Any) -> membership_pb2.Founding:
    """Acceptance of the agreement."""
    return change(membership_pb2.Founding(agreement=terms_.digest), **changes)


def key_set(name: str, version: int = 1, **changes: Any) -> membership_pb2.KeySet:
    """One key for statements and one for cosignatures, new with every version."""
    uses = (("statement", membership_pb2.KEY_USE_STATEMENT), ("cosignature", membership_pb2.KEY_USE_COSIGNATURE))
    keys = [
        membership_pb2.OperationalKey(public_key=public_key(seed(name, f"{text} {version}")), use=use)
        for text, use in uses
    ]
    return change(membership_pb2.KeySet(version=version, keys=keys), **changes)


def withdrawal(reason: str = "") -> membership_pb2.Withdrawal:
    """Notice of leaving."""
    return membership_pb2.Withdrawal(reason=reason)


def summary(
    lab: str = "alpha",
    verdict: header_pb2.Verdict.ValueType = header_pb2.VERDICT_HONORED,
    revision: int = 1,
    codes: Iterable[str] = (),
) -> header_pb2.AssessmentSummary:
    """The part of an assessment that stands in the header."""
    return header_pb2.AssessmentSummary(lab=lab, verdict=verdict, revision=revision, codes=codes)


def assessment(codes: Iterable[str] = (), **changes: Any) -> assessment_pb2.Assessment:
    """The details of an assessment with one finding per code."""
    made = assessment_pb2.Assessment(
        findings=[assessment_pb2.Finding(code=code, severity=header_pb2.VERDICT_DISCREPANT) for code in codes],
        evidence=[
            assessment_pb2.EvidenceStatus(evidence=pb.EVIDENCE_ATTESTATION, state=assessment_pb2.EVIDENCE_STATE_PRESENT)
        ],
        assurance=assessment_pb2.Assurance(bound_absent_because="not computed", false_alarm_ppm=1_000),
        state=sha256(b"state").digest(),
    )
    return change(made, **changes)


def misbehavior(terms_: Agreement, name: str = "alpha", **changes: Any) -> record_pb2.Misbehavior:
    """Proof that a party signed two heads of one size."""
    origin = terms_.parties[name].origin
    notes = [
        sign_checkpoint(Checkpoint(origin, 7, sha256(side).digest()), seed(name, "log")) for side in (b"one", b"two")
    ]
    split = record_pb2.Misbehavior.SplitView(first=notes[0], second=notes[1])
    return change(record_pb2.Misbehavior(party=name, split_view=split), **changes)


def brake(rank: int = PAUSE, **changes: Any) -> decision_pb2.Brake:
    """An emergency stop."""
    return change(decision_pb2.Brake(level=rank, reason="a jump in capability"), **changes)


def exemption_request(rank: int = PAUSE, **changes: Any) -> decision_pb2.ExemptionRequest:
    """A request for a day of an exemption."""
    made = decision_pb2.ExemptionRequest(level=rank, exemption="audit", chip_seconds=10, periods=24, purpose="an audit")
    return change(made, **changes)


def accession(terms_: Agreement, **changes: Any) -> membership_pb2.Accession:
    """A party that was admitted accepts the terms in force."""
    return change(membership_pb2.Accession(agreement=terms_.digest, terms=terms_.digest), **changes)


def admission(newcomer: pb.Party) -> membership_pb2.Admission:
    """A party is proposed."""
    return membership_pb2.Admission(party=newcomer.SerializeToString(deterministic=True))


def amendment(data: bytes = b"terms", **changes: Any) -> membership_pb2.Amendment:
    """A text of terms in one part."""
    return change(membership_pb2.Amendment(digest=sha256(data).digest(), parts=1, data=data), **changes)


def evaluation_plan(indicator: str = "horizon", **changes: Any) -> evidence_pb2.EvaluationPlan:
    """How an indicator will be measured."""
    return change(evidence_pb2.EvaluationPlan(indicator=indicator, plan=sha256(b"plan").digest()), **changes)


def event_report(event: str = "review", **changes: Any) -> evidence_pb2.EventReport:
    """An event has happened."""
    return change(evidence_pb2.EventReport(event=event, happened=True), **changes)


def clarification(**changes: Any) -> inquiry_pb2.Clarification:
    """A question."""
    return change(inquiry_pb2.Clarification(question="Why is the meter silent?", period=3), **changes)


def reply(**changes: Any) -> inquiry_pb2.Reply:
    """An answer."""
    return change(inquiry_pb2.Reply(text="It was replaced."), **changes)


def inquiry(lab: str = "alpha", question: bytes = b"") -> header_pb2.Inquiry:
    """The part of a question or answer that stands in the header."""
    return header_pb2.Inquiry(lab=lab, question=question)
