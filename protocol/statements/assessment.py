"""Assessment: the details behind a verdict; the verdict itself stands in the header (annex 7, 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol.errors import Reason, require
from protocol.wire import require_digest
from standstill.v1 import assessment_pb2 as pb
from standstill.v1 import header_pb2

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
    bound = body.assurance.HasField("hidden_compute_bound")
    explained = bound != bool(body.assurance.bound_absent_because)
    require(explained, Reason.FIELD_ABSENT, "assessment.assurance", "a bound, or why there is none")
