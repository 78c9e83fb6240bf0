"""Tables and words on a terminal; plain lines anywhere else.

On a terminal a table fits 80 columns where its contents do and is folded where they do not. Elsewhere every row is one
line, for programs and screen readers. Words carry the meaning, colour only repeats it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import IO, Any, Final, NamedTuple

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

UNFOLDED: Final = 10_000
"""Columns where nothing is to be folded."""


class Look(NamedTuple):
    """How an answer is to look.

    Attributes:
        color: `auto`, `always` or `never`; `auto` heeds NO_COLOR and is never off a terminal.
        only_ascii: whether anything beyond ASCII is spelled out.
    """

    color: str = "auto"
    only_ascii: bool = False


def look_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the flags `--color` and `--ascii`, as arguments `color` and `only_ascii`."""
    choice = click.Choice(["auto", "always", "never"])
    color = click.option("--color", type=choice, default="auto", show_default=True, help="When to use colour.")
    ascii_flag = click.option("--ascii", "only_ascii", is_flag=True, help="Write ASCII only.")
    return color(ascii_flag(command))


class Page:
    """Where an answer for people is written."""

    def __init__(self, look: Look, file: IO[str] | None = None) -> None:
        """Write to `file`, or to standard output."""
        self._ascii = look.only_ascii
        stream = sys.stdout if file is None else file
        always, never = look.color == "always", look.color == "never"
        self._folds = stream.isatty()
        self._console = Console(
            file=stream,
            force_terminal=True if always else None,
            color_system=None if never else ("truecolor" if always else "auto"),
            no_color=False if always else None,
            width=None if self._folds else UNFOLDED,
            markup=False,
            emoji=False,
            highlight=False,
        )

    def line(self, *parts: str | Text) -> None:
        """One line of text; parts may be coloured. On a terminal it is folded between words, with an indent."""
        text = self._text(Text().join(_as_text(part) for part in parts))
        if not self._folds:
            self._console.print(text, soft_wrap=True)
            return
        indent = len(text.plain) - len(text.plain.lstrip()) + 2
        for number, line in enumerate(text.wrap(self._console, max(self._console.width - indent, indent))):
            line.rstrip()
            self._console.print(Text(" " * indent) + line if number else line, soft_wrap=True)

    def table(self, heads: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
        """Rows under heads, two blanks apart."""
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for head in heads:
            table.add_column(head, overflow="fold", no_wrap=False)
        for row in rows:
            table.add_row(*(self._text(_as_text(cell)) for cell in row))
        with self._console.capture() as captured:
            self._console.print(table)
        # Cells are padded to the column's width; the last column need not be.
        for line in captured.get().splitlines():
            self._console.file.write(line.rstrip() + "\n")

    def _text(self, text: Text) -> Text:
        if not self._ascii or text.plain.isascii():
            return text
        plain = text.plain.encode("ascii", "backslashreplace").decode()
        return Text(plain, style=text.style)


def colored(text: str, color: str) -> Text:
    """Text in a colour such as `#D55E00`; plain where it is empty."""
    return Text(text, style=f"bold {color}" if color else "")


def _as_text(part: str | Text) -> Text:
    return part if isinstance(part, Text) else Text(part)
