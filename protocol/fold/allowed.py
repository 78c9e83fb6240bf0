"""Statements that the terms must give room for: what an agreement does not provide for is refused, not ignored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from protocol.errors import Reason, Refused
from standstill.v1 import header_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from protocol.agreement import Agreement
    from protocol.leaf import ReadLeaf


def not_allowed(agreement: Agreement, leaf: ReadLeaf) -> Refused | None:
    """The refusal of a statement of a kind that the terms give no room for; None for every other one."""
    assert leaf.header is not None  # noqa: S101 - a leaf without a header carries its refusal
    rule = _ROOM.get(leaf.header.kind)
    return None if rule is None else rule(agreement, leaf.body)


def _accession(agreement: Agreement, body: Any) -> Refused | None:
    del agreement, body
    return Refused(Reason.NO_AUTHORITY, "header.author", "founders join by a Founding, others once they are admitted")


def _admission(agreement: Agreement, body: Any) -> Refused | None:
    del body
    return _by_rule(agreement.terms.admitted_by, "admits parties")


def _amendment(agreement: Agreement, body: Any) -> Refused | None:
    del body
    return _by_rule(agreement.terms.amended_by, "amends the agreement")


def _exemption(agreement: Agreement, body: Any) -> Refused | None:
    del body
    return _by_rule(agreement.terms.exempted_by, "grants exemptions")


def _by_rule(rule: str, what: str) -> Refused | None:
    return None if rule else Refused(Reason.NO_AUTHORITY, "header.kind", f"the agreement has no rule that {what}")


def _inquiry(agreement: Agreement, body: Any) -> Refused | None:
    del body
    if agreement.terms.verification.clarification_answer_periods:
        return None
    return Refused(Reason.NO_AUTHORITY, "header.kind", "the agreement asks nobody for answers")


_ROOM: Final[Mapping[int, Callable[[Agreement, Any], Refused | None]]] = {
    pb.KIND_ACCESSION: _accession,
    pb.KIND_ADMISSION: _admission,
    pb.KIND_AMENDMENT: _amendment,
    pb.KIND_EXEMPTION_REQUEST: _exemption,
    pb.KIND_CLARIFICATION: _inquiry,
    pb.KIND_REPLY: _inquiry,
}
