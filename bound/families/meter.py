"""Meter: the accelerators drew what the meter read, within its errors and the site's overhead (annex: bound, 3).

kappa x reading / (greatest overhead x (1 + noise))  <=  E  <=  kappa x reading / (least overhead x (1 - noise))

for every block and for the whole window; kappa is one number for all of them. The overhead factor is hard at both
ends: within them a lab can steer it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bound.budget import METERS, PPM, of_instrument
from bound.errors_of_meters import PPB, kappa_interval, noise_ppb
from protocol.statistics import MILLI

if TYPE_CHECKING:
    from bound.columns import Layout, SiteColumns
    from bound.evidence import Evidence, Integers, Meter
    from bound.program import Builder


def rows(evidence: Evidence, layout: Layout, builder: Builder) -> None:
    """Two rows for each block, two for the window, one for the gain; owned by whoever reads the meter."""
    for site in layout.sites:
        meter = site.site.meter
        if meter is None or site.kappa is None or site.energy is None:
            continue
        name = site.site.name
        least, _ = kappa_interval(evidence, meter)
        builder.add("meter", (site.kappa, -1), to=-least, owners=frozenset({meter.owner}), what=name)
        # A quarter of the instrument's risk is the window's, a quarter the blocks'; each has two sides.
        risk = of_instrument(evidence.risk_ppb, METERS, meter.number) // 16
        stops = [*evidence.window.starts[1:], len(evidence.window.seconds)]
        blocks = [(int(first), int(stop)) for first, stop in zip(evidence.window.starts, stops, strict=True)]
        _add(builder, site, meter, site.energy[:, None], blocks, risk // len(blocks))
        if len(blocks) > 1:
            _add(builder, site, meter, site.energy[None, :], [(0, blocks[-1][1])], risk)


def _add(
    builder: Builder,
    site: SiteColumns,
    meter: Meter,
    energy: Integers,
    spans: list[tuple[int, int]],
    risk_ppb: int,
) -> None:
    """Both sides, for sums of blocks: one row for each span."""
    assert site.kappa is not None  # noqa: S101 - a metered site has it
    most, least = [], []
    for first, stop in spans:
        read = int(meter.energy[first:stop].sum())
        off = noise_ppb(meter, first, stop, risk_ppb)
        # Joules to a part per million of kappa: coefficients are millijoules divided by a million.
        most.append(-(-read * MILLI * PPB // (site.site.pue_low_milli * (PPB - off) * PPM)))
        least.append(read * MILLI * PPB // (site.site.pue_high_milli * (PPB + off) * PPM))
    kappa = np.broadcast_to(site.kappa, (len(spans), 1))
    name, owners = site.site.name, frozenset({meter.owner})
    builder.add("meter", (energy, 1), (kappa, -np.array(most)[:, None]), to=0, owners=owners, what=name)
    builder.add("meter", (energy, -1), (kappa, np.array(least)[:, None]), to=0, owners=owners, what=name)
