"""Terms for tests of findings: complete enough to have none beyond those asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from language.lint import lint
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import condition_pb2
from tests.terms import change, terms

if TYPE_CHECKING:
    from language.lint import Finding

C = condition_pb2.Condition


def joined(kind: str, *parts: C, k: int = 0) -> C:
    """Conditions joined by `all`, `any` or `at_least`."""
    if kind == "at_least":
        return C(at_least=C.AtLeast(k=k, of=parts))
    return C(all=C.Several(of=parts)) if kind == "all" else C(any=C.Several(of=parts))


def negated(part: C) -> C:
    return C(negation=part)


def overdue(indicator: str = "horizon", periods: int = 9) -> C:
    return C(overdue=C.Overdue(indicator=indicator, labs=1, periods=periods))


def with_level(rank: int, verifiers: int = 4, **changes: Any) -> pb.Agreement:
    """The terms of tests with a level changed."""
    made = terms(verifiers)
    made.levels[rank - 1].CopyFrom(change(made.levels[rank - 1], **changes))
    return made


def with_rule(rule: pb.Rule, *, lifting: bool = False, **changes: Any) -> pb.Agreement:
    """The terms of tests with a further rule, which calls (or lifts) the pause."""
    made = terms(4, **changes)
    made.rules.append(rule)
    setattr(made.levels[1], "lifted_by" if lifting else "called_by", rule.name)
    return made


def found(agreement: pb.Agreement, code: str, *, citations: bool = False) -> list[Finding]:
    """Findings of a code."""
    return [finding for finding in lint(agreement, citations=citations) if finding.code == code]


def only(agreement: pb.Agreement, code: str) -> Finding:
    """The one finding of a code."""
    [finding] = found(agreement, code)
    return finding
