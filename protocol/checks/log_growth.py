"""A log only grows, and has one history (spec: checks, 2; transparency (c) 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol.checks.finding import BREACHED, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from protocol.case import Case
    from standstill.v1.assessment_pb2 import Finding

CODES: Final = {"log-equivocation": "The lab's log key signed two different histories of the same length."}


def check(case: Case) -> Iterator[Finding]:
    """A proven split view breaches by itself: whoever shows two histories may have shown any."""
    for proof in case.misbehavior:
        text = f"{case.lab} signed two heads of its log that have the same size and different roots."
        yield finding("log-equivocation", BREACHED, text, statements=[proof.ref])
