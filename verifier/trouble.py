"""Trouble of this machine, which says nothing about any lab: what passes by itself, and what stops the verifier."""

from __future__ import annotations

from typing import Final

from protocol.errors import Reason

RETRY_SECONDS: Final = 1.0
"""Real time after which something is tried again that failed for a passing trouble."""

PASSING: Final = frozenset({Reason.STORE_UNAVAILABLE, Reason.CLOCK_UNREADABLE, Reason.CLOCK_WENT_BACK})
"""A disk is cleared, a database comes back, a clock is set right: waiting loses nothing, ending loses periods."""

OF_THIS_MACHINE: Final = PASSING | {Reason.STORE_DAMAGED, Reason.STORE_BEHIND, Reason.HEAD_CONFLICT}
"""Refusals that would meet every lab alike."""
