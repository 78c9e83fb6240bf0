"""Places in a text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Characters of a text, as an editor counts them.

    Attributes:
        line: line of the first character, from 1.
        column: column of the first character, from 1.
        end_line: line of the last character.
        end_column: column behind the last character.
    """

    line: int
    column: int
    end_line: int
    end_column: int

    def through(self, other: Span) -> Span:
        """From the beginning of this to the end of another."""
        return Span(self.line, self.column, other.end_line, other.end_column)

    def __str__(self) -> str:
        return f"{self.line}:{self.column}"
