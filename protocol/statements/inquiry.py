"""Clarification, Reply: questions to a lab and its answers (annex 7.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol.errors import Reason, require
from protocol.wire import MAX_UINT, require_digest
from standstill.v1 import header_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable

    from protocol.agreement import Agreement
    from standstill.v1 import assessment_pb2
    from standstill.v1 import inquiry_pb2 as pb

ASKING: Final = frozenset({header_pb2.KIND_CLARIFICATION, header_pb2.KIND_REPLY})
"""Kinds whose header says who asks whom."""

MAX_TEXT: Final = 4_000
"""Longest question or answer, characters: it is for people."""

MAX_REFS: Final = 100
"""Most statements that a question or an answer points to."""


def summary(header: header_pb2.Header, agreement: Agreement) -> None:
    """The part in the header that the fold counts: the lab asked, and in an answer the question."""
    stated = header.inquiry
    require(stated.lab in agreement.labs, Reason.NAME_UNKNOWN, "header.inquiry.lab", repr(stated.lab))
    if header.kind == header_pb2.KIND_REPLY:
        require_digest(stated.question, "header.inquiry.question")
        own = stated.lab == header.author
        require(own, Reason.NO_AUTHORITY, "header.inquiry.lab", "a lab answers for itself only")
        return
    require(not stated.question, Reason.SUMMARY_UNEXPECTED, "header.inquiry.question", "must be absent in a question")
    other = agreement.owner(stated.lab) != agreement.owner(header.author)
    require(other, Reason.NO_AUTHORITY, "header.inquiry.lab", "a lab of the author's own control group")


def clarification(body: pb.Clarification, header: header_pb2.Header, agreement: Agreement) -> None:
    """A question for people, the statements and the period that it is about."""
    del header, agreement
    _require_text(body.question, "clarification.question")
    _require_refs(body.about, "clarification.about")
    require(body.period <= MAX_UINT, Reason.QUANTITY_OUT_OF_RANGE, "clarification.period", str(body.period))


def reply(body: pb.Reply, header: header_pb2.Header, agreement: Agreement) -> None:
    """An answer for people, and the statements that it points to."""
    del header, agreement
    _require_text(body.text, "reply.text")
    _require_refs(body.refs, "reply.refs")


def _require_text(text: str, where: str) -> None:
    require(bool(text), Reason.FIELD_ABSENT, where, "says nothing")
    require(len(text) <= MAX_TEXT, Reason.VALUE_OUT_OF_RANGE, where, f"{len(text)} characters")


def _require_refs(refs: Iterable[assessment_pb2.StatementRef], where: str) -> None:
    listed = list(refs)
    require(len(listed) <= MAX_REFS, Reason.VALUE_OUT_OF_RANGE, where, f"{len(listed)} statements")
    for ref in listed:
        require_digest(ref.identity, f"{where}.identity")
