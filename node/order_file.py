"""The file `order.json`: what a lab's own machinery, its scheduler above all, is told to keep."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from daemon.files import write_whole
from standstill.v1 import quantity_pb2

if TYPE_CHECKING:
    from pathlib import Path

    from protocol.agreement import Agreement
    from protocol.obedience import Order


class OrderFile:
    """Rewritten whole whenever the order changes; readers never see half of one."""

    def __init__(self, agreement: Agreement, path: Path) -> None:
        """Written to `path`."""
        self._agreement, self._path = agreement, path
        self._written = ""

    def tell(self, order: Order) -> None:
        """Write an order, unless it stands there already."""
        text = json.dumps(self._table(order), indent=1) + "\n"
        if text != self._written:
            write_whole(self._path, text.encode())
            self._written = text

    def _table(self, order: Order) -> dict[str, object]:
        duty = order.duty
        return {
            "schema": "standstill/node.order/1",
            "agreement": self._agreement.digest.hex(),
            "level": duty.level,
            "name": level_name(self._agreement, duty.level),
            "since_period": duty.since,
            "allowed": allowed(self._agreement, duty.level),
            "winding_down_to": level_name(self._agreement, duty.winding),
            "reports": duty.reports,
            "mode": order.mode.value,
            "why": order.why,
        }


def level_name(agreement: Agreement, rank: int) -> str:
    """Name of a level; empty for rank 0, which is report only."""
    return agreement.levels[rank].name if rank else ""


def allowed(agreement: Agreement, rank: int) -> list[str] | None:
    """Labels that a level allows, in short; None where it allows all."""
    if not rank or not agreement.levels[rank].allowed:
        return None
    return [quantity_pb2.Label.Name(label).removeprefix("LABEL_").lower() for label in agreement.levels[rank].allowed]


def sentence(agreement: Agreement, order: Order) -> str:
    """An order in one line for people."""
    duty = order.duty
    if duty.winding:
        return f"wind down to {level_name(agreement, duty.winding)}"
    if duty.level:
        return f"keep {level_name(agreement, duty.level)}, in full since P{duty.since}"
    return "report only" if duty.reports else "nothing yet"
