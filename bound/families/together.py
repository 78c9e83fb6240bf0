"""Errors together: meters of different owners are not all off the same way (annex: bound, 3 and 4).

| sum of weight x (kappa - 1) |  <=  z sqrt(sum of weight^2 x sigma^2)

Weights are what the agreement knew before any reading: the energy that a site's declared accelerators draw at most.
The tighter row on the sum of the readings is false: a lab that knows its meters' errors trains where they read low.
"""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING

import numpy as np

from bound.budget import METERS, PPM
from protocol.statistics import MILLI, quantile_milli

if TYPE_CHECKING:
    from bound.columns import Layout, SiteColumns
    from bound.evidence import Evidence
    from bound.program import Builder

_WEIGHT: int = 1_000
"""Weights are rounded to this many parts of the greatest."""


def rows(evidence: Evidence, layout: Layout, builder: Builder) -> None:
    """Two rows on all meters. Without one of their owners they are other rows, so each of them stands behind these."""
    metered = [site for site in layout.sites if site.kappa is not None and site.site.meter is not None]
    owners = frozenset(site.site.meter.owner for site in metered if site.site.meter is not None)
    if len(owners) == 1 or not owners:
        return
    weights = _weights(metered)
    # Half of the family's risk, two sides.
    risk = evidence.risk_ppb * METERS // PPM // 4
    spread = _spread(metered, weights)
    off = -(-quantile_milli(risk) * spread // MILLI) + sum(
        -(-2 * weight * site.site.meter.systematic_ppm**2 // PPM)
        for site, weight in zip(metered, weights, strict=True)
        if site.site.meter is not None
    )
    kappas = np.concatenate([site.kappa for site in metered if site.kappa is not None])[None, :]
    signed = np.array(weights, np.int64)[None, :]
    total = sum(weights) * PPM
    builder.add("errors together", (kappas, signed), to=total + off, owners=owners, what="all meters")
    builder.add("errors together", (kappas, -signed), to=off - total, owners=owners, what="all meters")


def _weights(sites: list[SiteColumns]) -> list[int]:
    most = [sum(int(held.hours.sum()) * max(m.milliwatt for m in held.table.modes) for held in s.works) for s in sites]
    greatest = max(1, *most)
    return [max(1, weight * _WEIGHT // greatest) for weight in most]


def _spread(sites: list[SiteColumns], weights: list[int]) -> int:
    """One standard deviation of the weighted sum, parts per million x weight: what shares an owner counts as one."""
    by_owner: dict[str, int] = {}
    for site, weight in zip(sites, weights, strict=True):
        if site.site.meter is not None:
            owner = site.site.meter.owner
            by_owner[owner] = by_owner.get(owner, 0) + weight * site.site.meter.systematic_ppm
    return isqrt(sum(value * value for value in by_owner.values())) + 1
