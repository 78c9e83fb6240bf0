"""`check`: all that is wrong, doubtful or worth knowing about terms, each with its place, reason and remedy.

What nobody may sign is refused by :mod:`protocol.agreement_rules`, which readers of bytes apply too; here it becomes a
problem like any other. The findings of :mod:`language.lint` follow as soon as the terms are well formed.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from language.lint import lint
from language.lint.finding import clause_of, place_of, placed
from language.problem import Problem, Severity, in_order
from protocol.agreement_rules import problems, problems_of_draft
from protocol.errors import Reason, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from language.lint.finding import Finding
    from language.spans import Span
    from standstill.v1 import agreement_pb2 as pb

NOWHERE: Final[Mapping[str, Span]] = MappingProxyType({})
"""The places of terms that no text says."""

_TOLD: Final[Mapping[Reason, frozenset[str]]] = {
    Reason.CLOCKS_CONTRADICT: frozenset({"never-lifts"}),
    Reason.CONDITION_NEVER_FALSE: frozenset({"never-false"}),
    Reason.CONDITION_NEVER_TRUE: frozenset({"never-true", "never-lifts"}),
    Reason.EVIDENCE_HAS_NO_SOURCE: frozenset({"missing-source"}),
    Reason.LEVELS_DO_NOT_RISE: frozenset({"levels-do-not-rise"}),
    Reason.QUORUM_CANNOT_BE_MET: frozenset({"quorum-cannot-be-met", "split-quorum"}),
    Reason.RULES_CONTRADICT: frozenset(),
    Reason.SOURCE_NOT_INDEPENDENT: frozenset(),
}
"""Refusals of terms that are well formed and can be looked at further, with the findings that say the same in full."""


def check_terms(
    terms: pb.Agreement,
    places: Mapping[str, Span] = NOWHERE,
    *,
    citations: bool = False,
) -> tuple[Problem, ...]:
    """Problems of terms, however they were written.

    Args:
        terms: parsed terms; drafts may lack parties.
        places: where a text says each field, by dotted path; empty for terms that were not read from one.
        citations: whether clauses without a source are told too.

    Returns:
        Problems as a reader of the text meets them.
    """
    refusals = problems(terms) if terms.parties else problems_of_draft(terms)
    readable = bool(terms.parties) and all(refused.reason in _TOLD for refused in refusals)
    findings = lint(terms, citations=citations) if readable else []
    found = [placed(finding, places) for finding in _as_grave(findings, refusals)]
    found += [_refusal(refused, places) for refused in refusals if not _in_full(refused, findings)]
    return in_order(found)


def code_of(reason: Reason) -> str:
    """Stable code of a refusal, of the form of all others: `LEVELS_DO_NOT_RISE` is `levels-do-not-rise`."""
    return reason.value.lower().replace("_", "-")


def _refusal(refused: Refused, places: Mapping[str, Span]) -> Problem:
    clause, span = clause_of(refused.field), place_of(refused.field, places)
    return Problem(code_of(refused.reason), Severity.ERROR, clause, refused.detail, span=span)


def _in_full(refused: Refused, findings: Sequence[Finding]) -> bool:
    return any(_same(refused, finding) for finding in findings)


def _as_grave(findings: Sequence[Finding], refusals: Sequence[Refused]) -> list[Finding]:
    """Findings, those that the protocol refuses as errors."""
    return [
        replace(finding, severity=Severity.ERROR) if any(_same(refused, finding) for refused in refusals) else finding
        for finding in findings
    ]


def _same(refused: Refused, finding: Finding) -> bool:
    """Whether a finding says what a refusal says, of the same block."""
    told = _TOLD.get(refused.reason, frozenset())
    return finding.code in told and finding.path.split(".")[:2] == refused.field.split(".")[:2]
