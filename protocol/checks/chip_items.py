"""Chips are items: what was delivered is declared, to the last one (spec: checks, 4; research T4, D3, D12).

    expected = receipts - dispatches that the other side acknowledges, per class, over all sites of the lab

Receipts of the period itself may have arrived after its start and dispatches before its end, so the count may be
anywhere between the two; beyond that the tolerance is zero. Each receipt must match a supplier's or sender's word.
"""

from __future__ import annotations

from collections import Counter
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

from protocol.checks.finding import BREACHED, DISCREPANT, INCONCLUSIVE, figure, finding
from standstill.v1 import agreement_pb2, compute_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from protocol.case import Case, Cited
    from standstill.v1.assessment_pb2 import Finding

CODES: Final = {
    "shipped-not-declared": "Chips that the lab received are missing from its inventory.",
    "declared-not-received": "The lab declares chips of which no delivery is on record.",
    "shipment-not-received": "Chips were shipped and not acknowledged within the agreed transit time.",
    "dispatch-not-acknowledged": "The lab says that it sent chips away, and nobody says to have received them.",
    "receipt-without-shipment": "The lab acknowledges chips that nobody reports to have sent.",
    "transfer-mismatch": "Sender and receiver state different chips for one delivery.",
}


CITING_ALL: Final = frozenset({"shipped-not-declared", "declared-not-received"})
"""Findings that cite every delivery of a class: a case that leaves settled ones out must not report them."""


def check(case: Case) -> Iterator[Finding]:
    """Inventory against deliveries, then each delivery against its other side."""
    if len(case.attestations) == len(case.sites):
        for chip_class in case.agreement.chips:
            yield from _inventory(case, chip_class)
    yield from _deliveries(case)
    yield from _dispatches(case)


def _inventory(case: Case, chip_class: str) -> Iterator[Finding]:
    declared, inventories = 0, []
    for attestation in case.attestations.values():
        for row in attestation.body.inventory:
            if row.chip_class == chip_class:
                declared += row.chips.value
                inventories.append(attestation.ref)
    moves = [move for move in case.transfers if move.header.author == case.lab and move.body.chip_class == chip_class]
    least, most = _expected(case, chip_class, moves)
    refs = [move.ref for move in moves] + [s.ref for s in case.shipments if s.body.chip_class == chip_class]
    figures = [figure("observed", declared, "chips"), figure("tolerance", 0, "chips")]
    if declared < least:
        text = f"{case.lab} received {least} {chip_class} and declares {declared}: {least - declared} are missing."
        figures = [figures[0], figure("expected", least, "chips"), *figures[1:]]
        yield finding("shipped-not-declared", BREACHED, text, figures=figures, statements=[*refs, *inventories])
    if declared > most:
        text = f"{case.lab} declares {declared} {chip_class}, of which {most} are on record as delivered."
        figures = [figures[0], figure("expected", most, "chips"), *figures[1:]]
        yield finding("declared-not-received", DISCREPANT, text, figures=figures, statements=[*refs, *inventories])


def _expected(case: Case, chip_class: str, moves: list[Cited[compute_pb2.Transfer]]) -> tuple[int, int]:
    """Least and most chips that the lab's deliveries leave it with."""
    received = [move for move in moves if move.body.direction == compute_pb2.DIRECTION_RECEIPT]
    sent = [move for move in moves if move.body.direction == compute_pb2.DIRECTION_DISPATCH]
    # Only what both sides say leaves the inventory; what is still on its way may be counted or not.
    acknowledged, oldest = _acknowledged(case), _oldest_in_transit(case)
    gone = [move for move in sent if move.leaf.index in acknowledged]
    moving = [move for move in sent if move.leaf.index not in acknowledged and move.header.period >= oldest]
    settled = case.settled.chips.get(chip_class, 0)
    least = _chips(received, before=case.period) - _chips([*gone, *moving], before=case.period + 1)
    most = _chips(received, before=case.period + 1) - _chips(gone, before=case.period)
    return settled + least, settled + most


def _chips(moves: Iterable[Cited[compute_pb2.Transfer]], before: int) -> int:
    """Chips moved in periods before this one."""
    return sum(move.body.chips.value for move in moves if move.header.period < before)


def _oldest_in_transit(case: Case) -> int:
    """First period whose dispatches may still be on their way."""
    return case.period - case.agreement.terms.verification.transit_periods


def _acknowledged(case: Case) -> set[int]:
    """Leaf indices of the lab's dispatches that the other side says it received, alike, and as often."""
    receipts = Counter(
        (move.header.author, move.body.id, *_said(move))
        for move in case.transfers
        if (move.body.direction, move.body.counterparty) == (compute_pb2.DIRECTION_RECEIPT, case.lab)
    )
    found = set()
    for move in case.transfers:
        if move.header.author == case.lab and move.body.direction == compute_pb2.DIRECTION_DISPATCH:
            said = (move.body.counterparty, move.body.id, *_said(move))
            # A receipt is the word on one delivery: saying the dispatch twice must not take more away.
            if receipts[said]:
                receipts[said] -= 1
                found.add(move.leaf.index)
    return found


def _dispatches(case: Case) -> Iterator[Finding]:
    """What the lab says it sent and nobody says to have received is still the lab's."""
    acknowledged = _acknowledged(case)
    for move in case.transfers:
        own = move.header.author == case.lab and move.body.direction == compute_pb2.DIRECTION_DISPATCH
        if own and move.header.period < _oldest_in_transit(case) and move.leaf.index not in acknowledged:
            text = f"{case.lab} says that it sent {move.body.chips.value} {move.body.chip_class} to "
            text += f"{move.body.counterparty}, which does not say that it received them."
            yield finding("dispatch-not-acknowledged", DISCREPANT, text, statements=[move.ref])


def _deliveries(case: Case) -> Iterator[Finding]:
    """Each delivery to the lab is said by both sides, alike, and as often by one as by the other."""
    received: dict[tuple[str, str], list[Cited[Any]]] = {}
    dispatched: dict[tuple[str, str], list[Cited[Any]]] = {}
    reported: dict[tuple[str, str], list[Cited[Any]]] = {}
    for move in case.transfers:
        if move.header.author == case.lab and move.body.direction == compute_pb2.DIRECTION_RECEIPT:
            received.setdefault((move.body.counterparty, move.body.id), []).append(move)
        elif move.body.counterparty == case.lab and move.body.direction == compute_pb2.DIRECTION_DISPATCH:
            dispatched.setdefault((move.header.author, move.body.id), []).append(move)
    for report in case.shipments:
        reported.setdefault((report.header.author, report.body.id), []).append(report)
    # A supplier may say one delivery in both forms; its report is the one that counts.
    sent = dispatched | reported
    oldest = _oldest_in_transit(case)
    for delivery in sorted(sent.keys() | received.keys()):
        for shipment, receipt in zip_longest(sent.get(delivery, ()), received.get(delivery, ())):
            yield from _sides(case, shipment, receipt, oldest)


def _sides(case: Case, shipment: Cited[Any] | None, receipt: Cited[Any] | None, oldest: int) -> Iterator[Finding]:
    """Both sides of one delivery; one side alone is in transit until it is older than `oldest`."""
    if receipt is None and shipment is not None and shipment.header.period < oldest:
        count = shipment.body.chips.value
        text = f"{count} {shipment.body.chip_class} were sent to {case.lab} and are not acknowledged."
        figures = [figure("observed", 0, "chips"), figure("expected", count, "chips")]
        # Another lab's word alone accuses nobody; it stays unresolved on both sides.
        supplied = case.agreement.has_role(shipment.header.author, agreement_pb2.ROLE_SUPPLIER)
        severity = DISCREPANT if supplied else INCONCLUSIVE
        yield finding("shipment-not-received", severity, text, figures=figures, statements=[shipment.ref])
    if shipment is None and receipt is not None and receipt.header.period < oldest:
        text = f"{case.lab} acknowledges delivery {receipt.body.id}, which {receipt.body.counterparty} does not report."
        yield finding("receipt-without-shipment", DISCREPANT, text, statements=[receipt.ref])
    if shipment is not None and receipt is not None and _said(receipt) != _said(shipment):
        text = f"{case.lab} and {shipment.header.author} state different chips for delivery {shipment.body.id}."
        seen, expected = receipt.body.chips.value, shipment.body.chips.value
        figures = [figure("observed", seen, "chips"), figure("expected", expected, "chips")]
        refs = [receipt.ref, shipment.ref]
        yield finding("transfer-mismatch", DISCREPANT, text, figures=figures, statements=refs)


def _said(statement: Cited[Any]) -> tuple[str, int]:
    return statement.body.chip_class, statement.body.chips.value
