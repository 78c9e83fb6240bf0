"""When a hidden-compute bound is due, and over which window (design section 6; annex: bound, 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from protocol.agreement import Agreement
    from protocol.duty import Duty


def due(agreement: Agreement, period: int) -> bool:
    """Whether the assessment of a period carries a bound: that of the last period of every span agreed."""
    every = agreement.terms.verification.bound_every_periods
    return every > 0 and (period + 1) % every == 0


def window(agreement: Agreement, duty: Duty, period: int) -> range:
    """Periods of the window that ends with a period, from the first for which the lab had to attest."""
    first = period + 1 - agreement.terms.verification.window_periods
    return range(min(max(first, duty.owed_since), period), period + 1)
