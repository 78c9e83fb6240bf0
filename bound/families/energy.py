"""Energy: what the accelerators of a site drew is what each of them drew (annex: bound, 3).

E = energy of honest hours + sum over modes of power x (false hours + hours of undeclared accelerators)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bound.columns import Layout, WorkColumns
    from bound.evidence import Evidence, Integers
    from bound.program import Builder


def rows(evidence: Evidence, layout: Layout, builder: Builder) -> None:
    """One equality for each block of a metered site: arithmetic."""
    del evidence
    for site in layout.sites:
        if site.energy is None:
            continue
        terms: list[tuple[Integers, Integers | int]] = [(site.energy, -1)]
        for held in site.works:
            terms += _drawn(held)
        builder.balance("energy", *terms)


def _drawn(held: WorkColumns) -> list[tuple[Integers, Integers | int]]:
    power = np.array([mode.milliwatt for mode in held.table.modes], np.int64)
    assert held.honest is not None  # noqa: S101 - a metered site has these columns
    return [
        (held.honest, 1),
        (held.false, np.broadcast_to(power, held.false.shape)),
        (held.hidden, np.broadcast_to(power, held.hidden.shape)),
    ]
