"""Earlier periods that a cap's window reaches, for scenes under a slowdown."""

from __future__ import annotations

from collections.abc import Collection

from protocol.agreement import Agreement
from tests.scenes import NOW, SLOWED, Scene, honest

WINDOW = range(NOW - 3, NOW)
"""Earlier periods that the cap of the usual terms counts: four periods, this one included."""


def slowdown(
    agreement: Agreement | None = None, *, without: Collection[str] = (), silent: Collection[int] = ()
) -> Scene:
    """Everything in under a slowdown, earlier periods included, save those that `silent` names."""
    scene = honest(SLOWED, agreement, without=without)
    for period in WINDOW:
        if period not in silent:
            scene.attest(period)
    return scene
