"""Statements that were needed and cannot be read: broken form, signature or key (spec: checks, 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol.case import place
from protocol.checks.finding import INCONCLUSIVE, finding
from protocol.errors import Reason
from standstill.v1 import header_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from protocol.case import Case
    from protocol.leaf import ReadLeaf
    from standstill.v1.assessment_pb2 import Finding

CODES: Final = {
    "statement-refused": "A statement stands in the log and breaks a rule of form, signature or key: it does not count."
}


def check(case: Case) -> Iterator[Finding]:
    """One finding per refused statement. Could not be read is never failed: the severity is inconclusive."""
    for leaf in case.refused:
        if not said_anew(case, leaf):
            text = f"Statement {leaf.index} of {leaf.origin} was refused: {leaf.refusal}."
            yield finding("statement-refused", INCONCLUSIVE, text, statements=[place(leaf)])


def said_anew(case: Case, leaf: ReadLeaf) -> bool:
    """Whether a statement by a stolen key was taken back before it was recorded, and its author has said it anew.

    Such a word is not the author's, and nothing is missing (annex 3.3); a theft must not cost a lab its verdict.
    """
    if leaf.header is None or leaf.refusal is None or leaf.refusal.reason is not Reason.KEY_REVOKED:
        return False
    instead = {
        header_pb2.KIND_COMPUTE_ATTESTATION: case.attestations.keys(),
        header_pb2.KIND_METER_READING: case.readings.keys(),
    }
    return leaf.header.site in instead.get(leaf.header.kind, ())
