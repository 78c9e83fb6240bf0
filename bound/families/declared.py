"""Declared hours: what is false of them is at most all of them (annex: bound, 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bound.columns import Layout
    from bound.evidence import Evidence
    from bound.program import Builder


def rows(evidence: Evidence, layout: Layout, builder: Builder) -> None:
    """Sum over modes of false hours <= declared hours. The lab's own word, kept always."""
    del evidence
    for site in layout.sites:
        for held in site.works:
            columns = held.false.reshape(-1, len(held.table.modes))
            builder.add("declared hours", (columns, 1), to=held.hours.ravel(), what=site.site.name)
