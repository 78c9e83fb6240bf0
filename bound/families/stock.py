"""Stock and tenancy: undeclared accelerators came from somewhere (annex: bound, 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bound.columns import Layout
    from bound.evidence import Evidence, Integers
    from bound.program import Builder


def rows(evidence: Evidence, layout: Layout, builder: Builder) -> None:
    """Undeclared hours here and elsewhere <= hours of the stock; undeclared rent <= what operators leave open."""
    for stock in evidence.stock:
        hours = evidence.window.summed(stock.chips * evidence.window.seconds)
        terms: list[tuple[Integers, Integers | int]] = [(layout.elsewhere[stock.chip_class], 1)]
        terms += [
            (held.hidden, 1) for site in layout.sites for held in site.works if held.table.name == stock.chip_class
        ]
        builder.add("stock", *terms, to=hours, owners=stock.owners, what=stock.chip_class)
    for one in evidence.rented:
        limit = np.array([one.chip_seconds], np.int64)
        columns = layout.rented[one.chip_class]
        builder.add("tenancy", (columns, 1), to=limit, owners=one.owners, what=one.chip_class)
