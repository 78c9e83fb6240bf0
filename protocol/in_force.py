"""Which terms hold under a state (annex 3.5, 4): the one place that knows how terms change."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from protocol.agreement import Agreement
    from protocol.state import State


def in_force(agreement: Agreement, state: State) -> Agreement:
    """The terms that hold under a state.

    Args:
        agreement: the agreement that everybody founded, whose digest stays its identity.
        state: of that agreement.

    Returns:
        The agreement itself: no admitted terms can be amended yet.
    """
    del state
    return agreement
