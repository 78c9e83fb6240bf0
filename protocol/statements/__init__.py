"""What can be said: one table of kinds, one validator per kind (design section 2).

A new statement is one message in proto/, one validator in a module here, and one row in :data:`KINDS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from protocol.statements import assessment, compute, decision, evidence, inquiry, membership, pledge, record
from standstill.v1 import agreement_pb2 as agreement_pb
from standstill.v1 import (
    assessment_pb2,
    compute_pb2,
    decision_pb2,
    evidence_pb2,
    inquiry_pb2,
    membership_pb2,
    pledge_pb2,
    record_pb2,
)
from standstill.v1 import header_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from google.protobuf.message import Message

    from protocol.agreement import Agreement

    Validator = Callable[[Any, pb.Header, Agreement], None]


class KindRule(NamedTuple):
    """What holds for every statement of a kind.

    Attributes:
        body: message class of the body.
        validate: raises Refused at the first broken rule of the body; gets body, header, agreement.
        audience: who may see the body.
        roles: which roles may say it; empty: any party.
        by_root: signed by the root threshold instead of a statement key.
        period: whether the header names a period.
        site: whether the header names a site.
        in_record: whether it stands in a record log, and nowhere else.
    """

    body: type[Message]
    validate: Validator
    audience: pb.Audience.ValueType
    roles: frozenset[agreement_pb.Role.ValueType] = frozenset()
    by_root: bool = False
    period: bool = False
    site: bool = False
    in_record: bool = False


_LAB: Final = frozenset({agreement_pb.ROLE_LAB})
_SUPPLIER: Final = frozenset({agreement_pb.ROLE_SUPPLIER})
_METER: Final = frozenset({agreement_pb.ROLE_METER})
_VERIFIER: Final = frozenset({agreement_pb.ROLE_VERIFIER})
_PARTIES: Final = pb.AUDIENCE_PARTIES
_VERIFIERS: Final = pb.AUDIENCE_VERIFIERS

KINDS: Final[Mapping[int, KindRule]] = {
    pb.KIND_FOUNDING: KindRule(membership_pb2.Founding, membership.founding, _PARTIES, by_root=True),
    pb.KIND_KEY_SET: KindRule(membership_pb2.KeySet, membership.key_set, _PARTIES, by_root=True),
    pb.KIND_WITHDRAWAL: KindRule(membership_pb2.Withdrawal, membership.withdrawal, _PARTIES, by_root=True),
    pb.KIND_PLEDGE: KindRule(pledge_pb2.Pledge, pledge.pledge, _PARTIES, _LAB),
    pb.KIND_COMPUTE_ATTESTATION: KindRule(
        compute_pb2.ComputeAttestation, compute.attestation, _VERIFIERS, _LAB, period=True, site=True
    ),
    pb.KIND_HALT_REPORT: KindRule(compute_pb2.HaltReport, compute.halt_report, _VERIFIERS, _LAB, period=True),
    pb.KIND_TRANSFER: KindRule(compute_pb2.Transfer, compute.transfer, _VERIFIERS, period=True),
    pb.KIND_SHIPMENT_REPORT: KindRule(
        evidence_pb2.ShipmentReport, evidence.shipment_report, _VERIFIERS, _SUPPLIER, period=True
    ),
    pb.KIND_METER_READING: KindRule(
        evidence_pb2.MeterReading, evidence.meter_reading, _VERIFIERS, _METER, period=True, site=True
    ),
    pb.KIND_INDICATOR_REPORT: KindRule(evidence_pb2.IndicatorReport, evidence.indicator_report, _PARTIES, period=True),
    pb.KIND_BALLOT: KindRule(decision_pb2.Ballot, decision.ballot, _PARTIES),
    pb.KIND_CLOSING: KindRule(
        record_pb2.Closing, record.closing, pb.AUDIENCE_PUBLIC, _VERIFIER, period=True, in_record=True
    ),
    pb.KIND_ASSESSMENT: KindRule(assessment_pb2.Assessment, assessment.assessment, _VERIFIERS, _VERIFIER, period=True),
    pb.KIND_MISBEHAVIOR: KindRule(record_pb2.Misbehavior, record.misbehavior, _PARTIES, _VERIFIER),
    pb.KIND_BRAKE: KindRule(decision_pb2.Brake, decision.brake, _PARTIES),
    pb.KIND_ACCESSION: KindRule(membership_pb2.Accession, membership.accession, _PARTIES, by_root=True),
    pb.KIND_ADMISSION: KindRule(membership_pb2.Admission, membership.admission, _PARTIES),
    pb.KIND_AMENDMENT: KindRule(membership_pb2.Amendment, membership.amendment, _PARTIES),
    pb.KIND_EVALUATION_PLAN: KindRule(evidence_pb2.EvaluationPlan, evidence.evaluation_plan, _PARTIES),
    pb.KIND_EVENT_REPORT: KindRule(evidence_pb2.EventReport, evidence.event_report, _PARTIES),
    pb.KIND_EXEMPTION_REQUEST: KindRule(decision_pb2.ExemptionRequest, decision.exemption_request, _PARTIES, _LAB),
    pb.KIND_CLARIFICATION: KindRule(inquiry_pb2.Clarification, inquiry.clarification, _PARTIES),
    pb.KIND_REPLY: KindRule(inquiry_pb2.Reply, inquiry.reply, _PARTIES, _LAB),
    pb.KIND_SHIPMENTS_COMPLETE: KindRule(
        evidence_pb2.ShipmentsComplete, evidence.shipments_complete, _VERIFIERS, _SUPPLIER, period=True
    ),
}
"""Every kind of statement, in the order of the enumeration."""
