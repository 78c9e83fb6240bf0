"""Statements that were needed and cannot be read: broken form, signature or key (spec: checks, 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol.case import place
from protocol.checks.finding import INCONCLUSIVE, finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from protocol.case import Case
    from standstill.v1.assessment_pb2 import Finding

CODES: Final = {
    "statement-refused": "A statement stands in the log and breaks a rule of form, signature or key: it does not count."
}


def check(case: Case) -> Iterator[Finding]:
    """One finding per refused statement. Could not be read is never failed: the severity is inconclusive."""
    for leaf in case.refused:
        text = f"Statement {leaf.index} of {leaf.origin} was refused: {leaf.refusal}."
        yield finding("statement-refused", INCONCLUSIVE, text, statements=[place(leaf)])
