"""Problems of terms, gathered and printed alike by every command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from protocol.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from cli.agreement.files import Terms
    from language.problem import Problem
    from protocol.agreement import Agreement

OF_PARTIES: Final = "not checked: names, votes, conditions and sources of evidence; compiling adds the parties"
"""What is said of a draft in protobuf text: checking it against no parties would only list every name in it."""


def problems_of(read: Terms, *, citations: bool = False) -> tuple[Problem, ...]:
    """Everything about terms that were read: of a text that did not compile, why; else what `check` finds."""
    from language.check import check_terms
    from language.problem import in_order

    if read.broken:
        return read.problems
    found = check_terms(read.readable, read.places, citations=citations)
    return in_order((*read.problems, *found, *_pending(read)))


def errors(found: Sequence[Problem]) -> list[Problem]:
    """Those that forbid compiling."""
    return [problem for problem in found if problem.severity == "error"]


def unreadable(error: Exception) -> tuple[Problem, ...]:
    """What was wrong with a file that could not be read as terms."""
    from language.check import code_of
    from language.problem import Problem, Severity, Unreadable
    from language.spans import Span

    if isinstance(error, Unreadable):
        return error.problems
    if not isinstance(error, Refused):
        raise error
    _, *place = error.field.rsplit(":", 2)
    span = None
    if len(place) == 2 and all(part.isdecimal() for part in place):
        line, column = (int(part) for part in place)
        span = Span(line, column, line, column + 1)
    return (Problem(code_of(error.reason), Severity.ERROR, "", error.detail, span=span),)


def complain(file: str, source: str, found: Sequence[Problem], *, err: bool = True) -> None:
    """Print problems, each with its place."""
    for problem in found:
        click.echo(problem.line(file, source), err=err)


def tally(found: Sequence[Problem]) -> str:
    """`0 errors, 2 warnings, 1 note`."""
    counts = []
    for severity in ("error", "warning", "note"):
        count = sum(problem.severity == severity for problem in found)
        counts.append(f"{count} {severity}{'' if count == 1 else 's'}")
    return ", ".join(counts)


def as_data(file: str, problem: Problem) -> dict[str, Any]:
    """A problem for scripts."""
    span = problem.span
    return {
        "code": problem.code,
        "severity": problem.severity,
        "file": file,
        "line": span.line if span else None,
        "column": span.column if span else None,
        "end_line": span.end_line if span else None,
        "end_column": span.end_column if span else None,
        "clause": problem.clause or None,
        "text": problem.text,
        "remedy": problem.remedy or None,
    }


def reading(path: Path, read: Callable[[], Terms]) -> Terms:
    """Read terms for a command that needs them whole; what cannot be read ends the command with exit code 2."""
    from cli.output import Exit, end
    from language.problem import Unreadable

    try:
        return read()
    except (Refused, Unreadable) as error:
        file, source = (error.file, error.source) if isinstance(error, Unreadable) else (str(path), "")
        complain(file, source, unreadable(error))
        end(Exit.USAGE)


def agreement_of(read: Terms) -> Agreement:
    """The agreement that was read, of a draft one with keys that anybody can make; errors end the command with 1."""
    from cli.output import Exit, end
    from protocol.agreement import read_agreement
    from protocol.wire import encode

    found = problems_of(read)
    if errors(found):
        complain(read.file, read.source, found)
        end(Exit.NOT_CONFIRMED)
    return read_agreement(read.data if read.data is not None else encode(read.readable))


def _pending(read: Terms) -> tuple[Problem, ...]:
    from language.problem import Problem, Severity

    if not read.pending:
        return ()
    names = ", ".join(read.pending)
    text = f"keys are still to come of {names}"
    return (Problem("keys-pending", Severity.NOTE, "", text, "compile with --party FILE for each"),)
