"""Stage 5: questions to labs and their answers, and what it costs to owe one (annex 7.2; design section 6)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from protocol.conduct import DISCREPANT, INCONCLUSIVE
from protocol.duty import overdue
from protocol.errors import Reason, Refused
from protocol.state import Membership
from protocol.state_entries import InquiryState
from standstill.v1 import agreement_pb2
from standstill.v1 import header_pb2 as pb

if TYPE_CHECKING:
    from protocol.agreement import Agreement
    from protocol.fold.work import Work
    from protocol.state import State

MAX_OPEN: Final = 4
"""Most questions of one asker that wait for one lab: nobody drowns a lab in questions, nor the state."""


def inquiries(work: Work) -> None:
    """5: questions begin to wait, answers end them.

    All questions first, whatever log they stand in: an answer recorded with its question answers it.
    """
    _ask(work)
    _answer(work)


def _ask(work: Work) -> None:
    waiting = {name: one for name, one in work.new.inquiries.items() if _still_owed(work, one)}
    count = Counter((one.asker, one.lab) for one in waiting.values())
    for leaf in work.of_kind(pb.KIND_CLARIFICATION):
        assert leaf.header is not None  # noqa: S101 - accepted leaves have headers
        asker, lab = leaf.header.author, leaf.header.inquiry.lab
        if count[asker, lab] >= MAX_OPEN:
            found = f"{MAX_OPEN} questions of {asker} to {lab} wait for an answer"
            work.refuse(leaf, Refused(Reason.INQUIRY_LIMIT, "header.inquiry.lab", found))
            continue
        count[asker, lab] += 1
        waiting[leaf.identity.hex()] = InquiryState(
            lab=lab, asker=asker, closing=work.new.closings, period=work.record.closing.period, index=leaf.index
        )
    work.new = replace(work.new, inquiries=waiting)


def _answer(work: Work) -> None:
    waiting = dict(work.new.inquiries)
    for leaf in work.of_kind(pb.KIND_REPLY):
        assert leaf.header is not None  # noqa: S101 - accepted leaves have headers
        question = leaf.header.inquiry.question.hex()
        if question not in waiting or waiting[question].lab != leaf.header.author:
            found = f"{leaf.header.author} owes no answer to {question}"
            work.refuse(leaf, Refused(Reason.INQUIRY_UNKNOWN, "header.inquiry.question", found))
            continue
        del waiting[question]
    work.new = replace(work.new, inquiries=waiting)


def _still_owed(work: Work, one: InquiryState) -> bool:
    """Whether anybody still asks and is still asked; who has left does neither."""
    asked = work.agreement.terms.verification.clarification_answer_periods > 0
    return asked and all(work.new.parties[name].membership is not Membership.OUT for name in (one.asker, one.lab))


def owes_an_answer(agreement: Agreement, state: State, lab: str) -> str | None:
    """What a lab's verdict is at best while it owes an answer for too long; None if it owes none.

    Never breached: one asker must not release others (annex 2, 3).
    """
    if not overdue(agreement, state, lab):
        return None
    agreed = agreement.terms.verification.no_answer
    return DISCREPANT if agreed == agreement_pb2.NO_ANSWER_DISCREPANT else INCONCLUSIVE
