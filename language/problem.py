"""What is wrong, doubtful or worth knowing about a text: one form for syntax, kinds, rules and lint."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from language.spans import Span

_WIDEST: Final = 160
"""Most characters of a line that are shown with a problem."""
_AROUND: Final = 60
"""Of a longer line, those before the words that a problem is about."""


@unique
class Severity(StrEnum):
    """How much a problem matters."""

    ERROR = "error"
    """The text cannot become terms that anyone should sign."""
    WARNING = "warning"
    """Valid, and probably not what is meant."""
    NOTE = "note"
    """Worth knowing before signing."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding on a text.

    Attributes:
        code: stable name, lower-case words with hyphens, such as `unknown-unit`.
        severity: how much it matters.
        clause: block and key that it is about, such as `level pause.trigger`; empty for the whole.
        text: what is the case. Ends with a full stop where the remedy is a sentence of its own.
        remedy: what to write instead; empty where nothing is to be done.
        span: where it is; None for what the text does not say.
        also: other places that the text speaks of, printed in brackets.
    """

    code: str
    severity: Severity
    clause: str
    text: str
    remedy: str = ""
    span: Span | None = None
    also: tuple[Span, ...] = ()

    @property
    def sentence(self) -> str:
        """Text, other places and remedy in one line."""
        said = self.text + "".join(f" ({span})" for span in self.also)
        if not self.remedy:
            return said
        return f"{said} {self.remedy}" if said.endswith((".", "?")) else f"{said}; {self.remedy}"

    def line(self, file: str, source: str = "") -> str:
        """The problem as printed: `file:line:column: severity code: sentence`.

        Args:
            file: name of the text.
            source: the text. When given, the line and carets under the words follow.
        """
        place = f"{file}:{self.span}" if self.span else file
        said = f"{place}: {self.severity} {self.code}: {self.sentence}"
        return said if self.span is None or not source else f"{said}\n{_shown(self.span, source)}"


class Unreadable(Exception):
    """A text that is no sentence of the language.

    Attributes:
        problems: why, at least one.
        file: name of the text; empty until somebody who knows it says it.
        source: the text, likewise.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(problem.sentence for problem in problems))
        self.problems = tuple(problems)
        self.file = self.source = ""


class Unfit(Exception):
    """A value that does not fit where it stands.

    Attributes:
        problem: why; its clause is filled in by who knows it.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.sentence)
        self.problem = problem


def error(code: str, clause: str, text: str, span: Span | None, remedy: str = "") -> Problem:
    """A problem that forbids compiling."""
    return Problem(code, Severity.ERROR, clause, text, remedy, span)


def too_large(span: Span) -> Problem:
    """A number that its field cannot hold; protobuf says so with a ValueError."""
    return error("out-of-range", "", "a number is larger than any term holds", span)


def in_order(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """Problems as a reader meets them: by place, those without one last, each once."""
    placed = sorted(
        dict.fromkeys(problems),
        key=lambda one: (
            one.span is None,
            (one.span.line, one.span.column) if one.span else (0, 0),
            one.code,
            one.text,
        ),
    )
    return tuple(placed)


def _shown(span: Span, source: str) -> str:
    """The line with carets under the words; of a long line what stands around them."""
    lines = source.split("\n")
    text = lines[span.line - 1] if span.line <= len(lines) else ""
    end = span.end_column if span.end_line == span.line else len(text) + 1
    left = span.column - 1 - _AROUND if span.column > _WIDEST else 0
    text, column = text[left : left + _WIDEST], span.column - 1 - left
    carets = max(1, min(end - 1 - left, len(text)) - column)
    number = f"{span.line:5d}"
    # A tab stays a tab below its like, so that the carets stand under the words whatever its width.
    lead = "".join("\t" if letter == "\t" else " " for letter in text[:column])
    shown = "".join(letter if letter.isprintable() or letter == "\t" else "\ufffd" for letter in text.rstrip("\r"))
    return f"{number} | {shown}\n{' ' * len(number)} | {lead}{'^' * carets}"
