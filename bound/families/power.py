"""Honest power: hours that are what they are declared to be draw what such work draws (annex: bound, 3).

least power x (declared - false)  <=  energy of honest hours  <=  greatest power x (declared - false)

The intervals are the agreement's and hard: what a lab can steer is not noise, so no risk is spent on them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bound.columns import Layout
    from bound.evidence import Evidence
    from bound.program import Builder


def rows(evidence: Evidence, layout: Layout, builder: Builder) -> None:
    """Two rows for each block, class and group of a metered site."""
    del evidence
    for site in layout.sites:
        for held in site.works:
            if held.honest is None:
                continue
            blocks, groups, modes = held.false.shape
            false = held.false.reshape(blocks * groups, modes)
            honest = held.honest.reshape(blocks * groups, 1)
            low = np.tile([group.low_milliwatt for group in held.table.groups], blocks)
            high = np.tile([group.high_milliwatt for group in held.table.groups], blocks)
            hours = held.hours.ravel()
            wide_low, wide_high = (np.repeat(value[:, None], modes, axis=1) for value in (low, high))
            name = site.site.name
            builder.add("honest power", (honest, -1), (false, -wide_low), to=-low * hours, what=name)
            builder.add("honest power", (honest, 1), (false, wide_high), to=high * hours, what=name)
