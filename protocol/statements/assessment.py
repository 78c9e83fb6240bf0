"""Assessment: the details behind a verdict; the verdict itself stands in the header (annex 7, 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol.errors import Reason, require
from protocol.statements.quantities import require_quantity
from protocol.wire import require_digest
from standstill.v1 import assessment_pb2 as pb
from standstill.v1 import header_pb2
from standstill.v1 import quantity_pb2 as q

if TYPE_CHECKING:
    from protocol.agreement import Agreement

_VERDICTS: Final = frozenset(header_pb2.Verdict.values()) - {header_pb2.VERDICT_UNSPECIFIED}
_STATES: Final = frozenset(pb.EvidenceState.values()) - {pb.EVIDENCE_STATE_UNSPECIFIED}


def summary(header: header_pb2.Header, agreement: Agreement) -> None:
    """The part in the header that the fold counts: a lab, a verdict, a revision, sorted codes."""
    stated = header.assessment
    require(stated.lab in agreement.labs, Reason.NAME_UNKNOWN, "header.assessment.lab", repr(stated.lab))
    require(stated.verdict in _VERDICTS, Reason.VALUE_OUT_OF_RANGE, "header.assessment.verdict", str(stated.verdict))
    require(stated.revision >= 1, Reason.VALUE_OUT_OF_RANGE, "header.assessment.revision", "from 1")
    in_order = list(stated.codes) == sorted(set(stated.codes))
    require(in_order, Reason.ORDER_MISMATCH, "header.assessment.codes", "sorted, each once")


def assessment(body: pb.Assessment, header: header_pb2.Header, agreement: Agreement) -> None:
    """Findings agree with the summary; listed evidence has a state; the bound is there or its absence explained."""
    del agreement
    require_digest(body.state, "assessment.state")
    codes = sorted({finding.code for finding in body.findings})
    same = codes == list(header.assessment.codes)
    require(same, Reason.ORDER_MISMATCH, "assessment.findings", "codes differ from the header's")
    for finding in body.findings:
        known = finding.severity in _VERDICTS
        require(known, Reason.VALUE_OUT_OF_RANGE, "assessment.findings.severity", str(finding.severity))
        for ref in finding.statements:
            require_digest(ref.identity, "assessment.findings.statements.identity")
    for status in body.evidence:
        known = status.state in _STATES
        require(known, Reason.VALUE_OUT_OF_RANGE, "assessment.evidence.state", str(status.state))
    bound = body.assurance.HasField("hidden_compute")
    explained = bound != bool(body.assurance.bound_absent_because)
    require(explained, Reason.FIELD_ABSENT, "assessment.assurance", "a bound, or why there is none")
    if bound:
        _hidden_compute(body.assurance.hidden_compute, header)


def _hidden_compute(stated: pb.HiddenCompute, header: header_pb2.Header) -> None:
    """A window that ends with the period; a floor with its proof; a bound with its proof, or why there is none."""
    where = "assessment.assurance.hidden_compute"
    require(stated.first_period <= header.period, Reason.VALUE_OUT_OF_RANGE, f"{where}.first_period", "after its end")
    if stated.absent_because:
        number = stated.HasField("bound") or stated.HasField("floor")
        require(not number, Reason.FIELD_ABSENT, f"{where}.absent_because", "a number and a reason for none")
        return
    require_quantity(stated, "floor", q.UNIT_CHIP_SECOND, where)
    require_digest(stated.floor_proof, f"{where}.floor_proof")
    bound = stated.HasField("bound")
    require(bound != bool(stated.unbounded), Reason.FIELD_ABSENT, f"{where}.bound", "a bound, or what is unbounded")
    if bound:
        require_quantity(stated, "bound", q.UNIT_TERAFLOP, where)
        require_digest(stated.bound_proof, f"{where}.bound_proof")
