"""Questions are answered in the agreement's time for it (annex 1.7, clocks, and 7.2; design section 6).

The clock runs in the state that governs the period, in closed periods. An answer that came after it, and before the
period was over, ends what is owed; one that comes later leaves the period as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol.checks.finding import DISCREPANT, INCONCLUSIVE, figure, finding
from standstill.v1 import agreement_pb2, assessment_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from protocol.case import Case
    from standstill.v1.assessment_pb2 import Finding

CODES: Final = {"answer-overdue": "The lab leaves a question unanswered for longer than the agreement allows."}


def check(case: Case) -> Iterator[Finding]:
    """What silence to a question means is agreed; it is never a breach, or one asker could release others."""
    terms = case.agreement.terms.verification
    agreed = terms.no_answer == agreement_pb2.NO_ANSWER_DISCREPANT
    answered = {reply.header.inquiry.question for reply in case.replies if reply.recorded <= case.period}
    for one in case.duty.overdue:
        if one.question in answered:
            continue
        text = f"{case.lab} owes {one.asker} an answer to a question on the record since period {one.period}."
        figures = [
            figure("waited", one.waited, "closings"),
            figure("allowed", terms.clarification_answer_periods, "closings"),
        ]
        origin = case.agreement.parties[one.asker].origin
        asked = assessment_pb2.StatementRef(origin=origin, index=one.leaf, identity=one.question)
        severity = DISCREPANT if agreed else INCONCLUSIVE
        yield finding("answer-overdue", severity, text, figures=figures, statements=[asked])
