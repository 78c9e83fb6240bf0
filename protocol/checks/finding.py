"""Findings: what a check has to say, with figures and the statements behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from standstill.v1 import assessment_pb2 as pb
from standstill.v1 import header_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable

INCONCLUSIVE: Final = header_pb2.VERDICT_INCONCLUSIVE
DISCREPANT: Final = header_pb2.VERDICT_DISCREPANT
BREACHED: Final = header_pb2.VERDICT_BREACHED

MAX_TEXT: Final = 600
"""Most characters of a sentence; what a stranger wrote may be in it."""

MAX_STATEMENTS: Final = 32
"""Most statements that a finding names; of more, as many of the first and of the last."""


def figure(name: str, value: int, unit: str) -> pb.Figure:
    """A whole number with its unit."""
    return pb.Figure(name=name, value=str(value), unit=unit)


def finding(
    code: str,
    severity: header_pb2.Verdict.ValueType,
    text: str,
    *,
    figures: Iterable[pb.Figure] = (),
    statements: Iterable[pb.StatementRef] = (),
    site: bytes = b"",
) -> pb.Finding:
    """One finding.

    Args:
        code: stable, lower case with hyphens.
        severity: what it means for the verdict by itself.
        text: sentence for people, complete without the figures.
        figures: in the order shown: observed, expected, tolerance, then others.
        statements: that it rests on, or that contradict each other.
        site: handle of the site concerned; empty for the lab as a whole.
    """
    named = list(statements)
    if len(named) > MAX_STATEMENTS:
        named = [*named[: MAX_STATEMENTS // 2], *named[-MAX_STATEMENTS // 2 :]]
    return pb.Finding(
        code=code, severity=severity, site=site, figures=list(figures), statements=named, text=text[:MAX_TEXT]
    )
