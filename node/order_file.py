"""The file `order.json`: what a lab's own machinery, its scheduler above all, is told to keep."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from daemon.files import write_whole
from daemon.journal import journal
from standstill.v1 import quantity_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from protocol.agreement import Agreement
    from protocol.duty import Duty
    from protocol.obedience import Order
    from standstill.v1 import node_admin_service_pb2 as pb

    Exemptions = Callable[[Agreement, Duty], Sequence[pb.ExemptionStatus]]


class OrderFile:
    """Rewritten whole whenever the order changes; readers never see half of one."""

    def __init__(self, path: Path, exemptions: Exemptions) -> None:
        """Written to `path`; `exemptions` says which ones a duty leaves open, and what is left of them."""
        self._path, self._exemptions = path, exemptions
        self._written = ""

    def tell(self, order: Order, terms: Agreement) -> None:
        """Write an order under the terms in force, unless it stands there already.

        A full disk is noted and tried again with the next look: the daemon has more to do than this.
        """
        text = json.dumps(_table(order, terms, self._exemptions(terms, order.duty)), indent=1) + "\n"
        if text == self._written:
            return
        try:
            write_whole(self._path, text.encode())
        except OSError as error:
            journal().error("the order could not be written", file=str(self._path), why=error.strerror)
        else:
            self._written = text


def _table(order: Order, terms: Agreement, exemptions: Sequence[pb.ExemptionStatus]) -> dict[str, object]:
    duty = order.duty
    return {
        "schema": "standstill/node.order/1",
        "agreement": terms.digest.hex(),
        "level": duty.level,
        "name": level_name(terms, duty.level),
        "since_period": duty.since,
        "allowed": allowed(terms, duty.level),
        "exemptions": [_exemption(one) for one in exemptions],
        "open_again_ppm": duty.ramp_ppm,
        "winding_down_to": level_name(terms, duty.winding),
        "reports": duty.reports,
        "mode": order.mode.value,
        "why": order.why,
    }


def _exemption(one: pb.ExemptionStatus) -> dict[str, object]:
    """An exemption and its limits; null where there is no limit."""
    return {
        "name": one.name,
        "labels": list(one.labels),
        "applies": one.applies,
        "sampled_ppm": one.sampled_ppm,
        "limits": [
            {
                "by": limit.by,
                "first_period": limit.first,
                "periods": limit.periods,
                "chip_seconds": limit.chip_seconds if limit.HasField("chip_seconds") else None,
                "chip_seconds_left": limit.chip_seconds_left if limit.HasField("chip_seconds_left") else None,
                "teraflop": limit.teraflop if limit.HasField("teraflop") else None,
                "teraflop_left": limit.teraflop_left if limit.HasField("teraflop_left") else None,
                "unattested": limit.unattested,
            }
            for limit in one.limits
        ],
    }


def level_name(terms: Agreement, rank: int) -> str:
    """Name of a level; empty for rank 0, which is report only."""
    return terms.levels[rank].name if rank else ""


def allowed(terms: Agreement, rank: int) -> list[str] | None:
    """Labels that a level allows, in short; None for report only, which forbids none."""
    if not rank:
        return None
    return [quantity_pb2.Label.Name(label).removeprefix("LABEL_").lower() for label in terms.levels[rank].allowed]


def sentence(terms: Agreement, order: Order) -> str:
    """An order in one line for people."""
    duty = order.duty
    if duty.winding:
        return f"wind down to {level_name(terms, duty.winding)}"
    if duty.level and duty.ramp_ppm:
        share = f"{duty.ramp_ppm / 10_000:g} % of the baseline"
        return f"returning from {level_name(terms, duty.level)}: what it forbids goes on at {share}"
    if duty.level:
        return f"keep {level_name(terms, duty.level)}, in full since P{duty.since}"
    return "report only" if duty.reports else "nothing yet"
