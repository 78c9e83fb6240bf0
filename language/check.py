"""`check`: all that is wrong, doubtful or worth knowing about terms, each with its place, reason and remedy.

What nobody may sign is refused by :mod:`protocol.agreement_rules`, which readers of bytes apply too; here it becomes a
problem like any other. The findings of :mod:`language.lint` follow as soon as the terms are well formed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from language.context import NOTHING, Materials
from language.lint import lint, lint_pledge, lint_pledges
from language.lint.finding import clause_of, place_of, placed
from language.lint.pledges import level_name
from language.lint.view import named
from language.lower import Compiled, compile_text
from language.lower_pledge import CompiledPledge, compile_pledge
from language.parse import parse
from language.problem import Problem, Severity, Unreadable, in_order
from language.stand_in import with_stand_ins
from protocol.agreement_rules import problems, problems_of_draft
from protocol.errors import Reason, Refused
from protocol.statements.pledge import pledge as pledge_rules
from standstill.v1 import header_pb2, pledge_pb2

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from language.lint.finding import Finding
    from language.spans import Span
    from protocol.agreement import Agreement
    from standstill.v1 import agreement_pb2 as pb

NOWHERE: Final[Mapping[str, Span]] = MappingProxyType({})
"""The places of terms that no text says."""
NO_PLEDGES: Final[Mapping[str, pledge_pb2.Pledge]] = MappingProxyType({})
"""Nobody else pledges."""

_TOLD: Final[Mapping[Reason, frozenset[str]]] = {
    Reason.CLOCKS_CONTRADICT: frozenset({"never-lifts"}),
    Reason.CONDITION_NEVER_FALSE: frozenset({"never-false"}),
    Reason.CONDITION_NEVER_TRUE: frozenset({"never-true", "never-lifts"}),
    Reason.EVIDENCE_HAS_NO_SOURCE: frozenset({"missing-source", "quorum-cannot-be-met"}),
    Reason.LEVELS_DO_NOT_RISE: frozenset({"levels-do-not-rise"}),
    Reason.QUORUM_CANNOT_BE_MET: frozenset({"quorum-cannot-be-met", "split-quorum"}),
    Reason.RULES_CONTRADICT: frozenset(),
    Reason.SOURCE_NOT_INDEPENDENT: frozenset(),
}
"""Refusals of terms that are well formed and can be looked at further, with the findings that say the same in full."""
_LEAD: Final[Mapping[Reason, str]] = {
    Reason.FIELD_ABSENT: "not said: ",
    Reason.LABEL_MISSING: "not said: ",
    Reason.ROLE_MISSING: "not said: ",
}
"""What stands before the detail of a refusal that says only what is wanted."""
_REMEDIES: Final = tuple(
    (reason, re.compile(field), remedy)
    for reason, field, remedy in (
        (Reason.CLOCKS_CONTRADICT, r"^freshness$", "let late come before stale, and stale before presumed"),
        (Reason.CLOCKS_CONTRADICT, r"mandate_periods$", "let sunset come later"),
        (Reason.CLOCKS_CONTRADICT, r"release_notice_periods$", "let release_notice last as long as settle"),
        (Reason.CONDITION_NEVER_TRUE, r"trigger", "remove the level, or say what calls it"),
        (Reason.EVIDENCE_HAS_NO_SOURCE, r"required$", "take it out of required, or add who states it"),
        (Reason.SOURCE_NOT_INDEPENDENT, r"^parties\.", "name one of another owner"),
        (Reason.LEVELS_DO_NOT_RISE, r"^levels\.rank$", "rank levels 1, 2, 3 from the mildest on"),
        (Reason.LEVELS_DO_NOT_RISE, r"allowed$", "forbid at a higher level what a lower one forbids"),
        (Reason.NAME_UNKNOWN, r"^founding$", "add it to founding"),
        (Reason.QUORUM_CANNOT_BE_MET, r"^lying_verifiers$", "3 verifiers more survive one liar more"),
        (Reason.QUORUM_CANNOT_BE_MET, r"^rules\.", "ask for fewer: voters of one owner count once"),
        (Reason.RULES_CONTRADICT, r"lifted_by$", "ask for more than half to lift, or let one rule do both"),
        (Reason.RULES_CONTRADICT, r"rest_periods$", "let rest be longer, or fewer use the brake"),
        (Reason.VERSION_UNKNOWN, r"^version$", "write language = 1"),
    )
)
"""What to write instead, by refusal and field."""


@dataclass(frozen=True, slots=True)
class Report:
    """What `check` says about a text.

    Attributes:
        problems: as a reader of the text meets them.
        compiled: what the text becomes; None where it is no sentence of the language.
    """

    problems: tuple[Problem, ...]
    compiled: Compiled | CompiledPledge | None

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Problems for which nobody should sign."""
        return tuple(problem for problem in self.problems if problem.severity is Severity.ERROR)

    @property
    def ok(self) -> bool:
        """Whether the text can be compiled and signed."""
        return not self.errors


def check(text: str, materials: Materials = NOTHING, *, citations: bool = False) -> Report:
    """Problems of the text of an agreement.

    Args:
        text: the text.
        materials: descriptors of parties and tables of accelerators that it refers to.
        citations: whether clauses without a source are told too.
    """
    try:
        compiled = compile_text(parse(text), materials)
    except Unreadable as unreadable:
        return Report(unreadable.problems, None)
    if any(problem.severity is Severity.ERROR for problem in compiled.problems):
        return Report(compiled.problems, compiled)
    found = check_terms(compiled.terms, compiled.places, compiled.pending, citations=citations)
    return Report(in_order((*compiled.problems, *found)), compiled)


def check_pledge(
    text: str, agreement: Agreement, beside: Mapping[str, pledge_pb2.Pledge] = NO_PLEDGES, *, newcomer: str = ""
) -> Report:
    """Problems of the text of a pledge under an agreement.

    Args:
        text: the text.
        agreement: what it is made under.
        beside: as for :func:`pledge_problems`.
        newcomer: as for :func:`language.lower_pledge.compile_pledge`.
    """
    try:
        compiled = compile_pledge(parse(text), agreement, newcomer)
    except Unreadable as unreadable:
        return Report(unreadable.problems, None)
    if any(problem.severity is Severity.ERROR for problem in compiled.problems):
        return Report(compiled.problems, compiled)
    found = pledge_problems(agreement, compiled.by, compiled.pledge, compiled.places, beside)
    # A name that is no party's is told where it is read, too.
    told = {(problem.code, _begin(problem.span)) for problem in compiled.problems}
    more = [problem for problem in found if (problem.code, _begin(problem.span)) not in told]
    return Report(in_order((*compiled.problems, *more)), compiled)


def _begin(span: Span | None) -> tuple[int, int]:
    return (span.line, span.column) if span else (0, 0)


def pledge_problems(
    agreement: Agreement,
    by: str,
    pledge: pledge_pb2.Pledge,
    places: Mapping[str, Span] = NOWHERE,
    beside: Mapping[str, pledge_pb2.Pledge] = NO_PLEDGES,
) -> tuple[Problem, ...]:
    """Problems of a pledge, however it was written.

    Args:
        agreement: what it is made under.
        by: the lab that would make it.
        pledge: the pledge.
        places: where a text says each field.
        beside: pledges of others, by lab; with any, whether all together bind anybody is told.
    """
    terms = agreement.terms
    findings = lint_pledge(terms, by, pledge)
    if beside:
        findings += lint_pledges(agreement, {**beside, by: pledge})
    found = [placed(finding, places) for finding in findings]
    try:
        pledge_rules(pledge, header_pb2.Header(), agreement)
    except Refused as refused:
        # What a finding says in the words of the text is not said twice.
        if not any(problem.severity is Severity.ERROR or problem.code == "dormant-clause" for problem in found):
            found.append(_refusal(_by_level(refused, terms, pledge), places))
    return in_order(found)


def _by_level(refused: Refused, terms: pb.Agreement, pledge: pledge_pb2.Pledge) -> Refused:
    """A refusal with the path by which the text and the findings name a clause."""
    numbered = re.match(r"pledge\.clauses\[(\d+)\]", refused.field)
    if numbered is None:
        return refused
    level = level_name(terms, pledge.clauses[int(numbered[1])].level)
    return Refused(refused.reason, f"clauses.{level}{refused.field[numbered.end() :]}", refused.detail)


def check_terms(
    terms: pb.Agreement,
    places: Mapping[str, Span] = NOWHERE,
    pending: Collection[str] = (),
    *,
    citations: bool = False,
) -> tuple[Problem, ...]:
    """Problems of terms, however they were written.

    Args:
        terms: parsed terms; drafts may lack parties.
        places: where a text says each field, by dotted path; empty for terms that were not read from one.
        pending: parties whose keys are not known yet; their drafts are read with keys that stand in.
        citations: whether clauses without a source are told too.

    Returns:
        Problems as a reader of the text meets them.
    """
    if pending:
        terms = with_stand_ins(terms, pending)
    refusals = problems(terms) if terms.parties else problems_of_draft(terms)
    readable = bool(terms.parties) and all(refused.reason in _TOLD for refused in refusals)
    findings = lint(terms, citations=citations) if readable else []
    found = [placed(finding, places) for finding in _as_grave(findings, refusals)]
    found += [_refusal(refused, places) for refused in refusals if not _in_full(refused, findings)]
    if pending:
        where = f"parties.{next(iter(pending))}"
        text = f"the keys of {named(pending)} are not known: nobody can sign yet"
        found.append(Problem("keys-pending", Severity.NOTE, clause_of(where), text, span=place_of(where, places)))
    return in_order(found)


def code_of(reason: Reason) -> str:
    """Stable code of a refusal, of the form of all others: `LEVELS_DO_NOT_RISE` is `levels-do-not-rise`."""
    return reason.value.lower().replace("_", "-")


def _refusal(refused: Refused, places: Mapping[str, Span]) -> Problem:
    clause, span = clause_of(refused.field), place_of(refused.field, places)
    text = f"{_LEAD.get(refused.reason, '')}{refused.detail}"
    return Problem(code_of(refused.reason), Severity.ERROR, clause, text, _remedy(refused), span)


def _remedy(refused: Refused) -> str:
    found = (remedy for reason, field, remedy in _REMEDIES if reason is refused.reason and field.search(refused.field))
    return next(found, "")


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
