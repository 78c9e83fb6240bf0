"""Findings on terms that are valid and perhaps not what is meant: a linter for treaties.

One function a finding; `CHECKS` is the list of all. Each reads a `View` and yields `Finding`s, which name the field,
say why and what to write instead. `language.check` puts them beside the rules of the protocol and gives them places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from language.lint import caps, clocks, conditions, quorums, sources, wording
from language.lint.finding import Finding
from language.lint.pledges import lint_pledge, lint_pledges
from language.lint.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from standstill.v1 import agreement_pb2

    _Checks = tuple[Callable[[View], Iterator[Finding]], ...]

__all__ = ["CHECKS", "Finding", "View", "lint", "lint_pledge", "lint_pledges"]

CHECKS: Final[_Checks] = (
    conditions.contradictions,
    conditions.never_true,
    conditions.never_lifts,
    conditions.never_false,
    conditions.entries,
    conditions.dead_branches,
    conditions.trigger_and_resume,
    conditions.levels_inverted,
    quorums.met,
    quorums.split,
    quorums.absence,
    quorums.related,
    quorums.alone,
    quorums.minority,
    quorums.recusal,
    quorums.lift_easier,
    sources.missing,
    sources.single,
    sources.withholding,
    sources.resilience,
    sources.ages,
    caps.shares,
    caps.rising,
    caps.baselines,
    caps.capacity,
    caps.runs,
    caps.quantities,
    clocks.sunsets,
    clocks.brakes,
    clocks.ratchets,
    wording.idle,
    wording.alike,
    wording.unused,
    wording.gaps,
)


def lint(terms: agreement_pb2.Agreement, *, citations: bool = False) -> list[Finding]:
    """Everything that is doubtful about terms whose names resolve and whose conditions are well formed.

    Args:
        terms: the terms.
        citations: whether clauses without a source are told too.
    """
    view = View(terms)
    checks = (*CHECKS, wording.uncited) if citations else CHECKS
    return [finding for check in checks for finding in check(view)]
