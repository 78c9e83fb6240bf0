"""Deliveries that are settled: a case need not list them for as long as a lab has its chips (spec: checks, 4).

A delivery is what two parties say under one identifier of chips that went one way. While both say the same, and as
often, no check finds anything in it but the chips that it left with the lab, whatever else is said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from protocol.case import Cited, Settled, statements_about
from standstill.v1 import compute_pb2, evidence_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from protocol.agreement import Agreement
    from protocol.leaf import ReadLeaf


class Delivery(NamedTuple):
    """What makes statements speak of one delivery, seen from a lab.

    Attributes:
        sent: whether the lab sent the chips; else they were sent to it.
        other: name of the other party.
        id: that both give it.
    """

    sent: bool
    other: str
    id: str


def delivery(lab: str, statement: Cited[Any]) -> Delivery:
    """The delivery that a transfer with a lab, or a shipment to it, speaks of."""
    body, author = statement.body, statement.header.author
    if isinstance(body, evidence_pb2.ShipmentReport):
        return Delivery(sent=False, other=author, id=body.id)
    own = author == lab
    dispatch = body.direction == compute_pb2.DIRECTION_DISPATCH
    return Delivery(sent=dispatch is own, other=body.counterparty if own else author, id=body.id)


def settled(lab: str, said: Sequence[Cited[Any]]) -> Settled | None:
    """What a delivery left with a lab; None while a check may find something else in it.

    Args:
        lab: name of the lab.
        said: everything on the record of one delivery, in the order of each log.
    """
    own = [one for one in said if one.header.author == lab]
    reports = [one for one in said if isinstance(one.body, evidence_pb2.ShipmentReport)]
    # Of a supplier that says one delivery in both forms its reports count.
    others = reports or [one for one in said if one.header.author != lab]
    if not own or list(map(_chips, own)) != list(map(_chips, others)):
        return None
    chips: dict[str, int] = {}
    for one in own:
        sign = -1 if delivery(lab, one).sent else 1
        chips[one.body.chip_class] = chips.get(one.body.chip_class, 0) + sign * one.body.chips.value
    return Settled(chips, bool(reports))


def _chips(statement: Cited[Any]) -> tuple[str, int]:
    return statement.body.chip_class, statement.body.chips.value


def together(parts: Iterable[Settled]) -> Settled:
    """Several settled deliveries as one."""
    chips: dict[str, int] = {}
    reported = False
    for part in parts:
        reported = reported or part.reported
        for chip_class, count in part.chips.items():
            chips[chip_class] = chips.get(chip_class, 0) + count
    return Settled(chips, reported)


def counted(
    agreement: Agreement, lab: str, leaves: Iterable[ReadLeaf], recorded: Callable[[ReadLeaf], int]
) -> tuple[list[Cited[Any]], list[ReadLeaf]]:
    """Words on deliveries that concern a lab as they count, and those that were refused; both in the order of the logs.

    Args:
        agreement: the terms that govern the periods assessed.
        lab: name of the lab.
        leaves: statements, with the KeySets of their logs.
        recorded: period of the closing that first covers a leaf.
    """
    # Words on deliveries may be said of a period that has not ended: none is too early for any.
    about = statements_about(agreement, lab, 0, leaves, recorded)
    cited = [Cited(leaf.body, leaf, at) for leaf, at in about if leaf.body is not None]
    return cited, [leaf for leaf, _ in about if leaf.refusal is not None]
