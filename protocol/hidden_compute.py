"""When a hidden-compute bound is due, and over which window (design section 6; annex: bound, 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from protocol.agreement import Agreement
    from protocol.case import Case


def due(agreement: Agreement, period: int) -> bool:
    """Whether the assessment of a period carries a bound: that of the last period of every span agreed."""
    every = agreement.terms.verification.bound_every_periods
    return every > 0 and (period + 1) % every == 0


def reach(agreement: Agreement, period: int) -> int:
    """Periods whose evidence an assessment's bound rests on, the one assessed included; 1 where none is due."""
    return agreement.terms.verification.window_periods if due(agreement, period) else 1


def window_of(case: Case) -> range:
    """Periods of the window that ends with the period of a case, from the first in which the lab had to attest."""
    first = case.period + 1 - case.agreement.terms.verification.window_periods
    return range(max(first, case.duty.owed_since), case.period + 1)
