"""Characters that show as something else than they are, or not at all: refused in texts, spelled out on pages.

A text is signed by people who read it, so it may hold nothing that a screen does not show: no control characters, no
marks that turn the direction of writing, no letters of zero width (Trojan Source, CVE-2021-42574).
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

from language.problem import Problem, error
from language.spans import Span

if TYPE_CHECKING:
    from collections.abc import Iterator

_SUSPECT: Final = re.compile(r"[^\t\n\x20-\x7e]")
_LOOK_LATIN: Final = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0455\u0456\u0458\u0501\u04bb\u04cf\u043a\u043c\u0442\u043d\u0432"
    "\u03b1\u03b2\u03b5\u03b6\u03b7\u03b9\u03ba\u03bc\u03bd\u03bf\u03c1\u03c4\u03c5\u03c7",
    "aeopcyxsijdhlkmthbabezhikmnoptyx",
)
"""Cyrillic and Greek letters that are drawn like a Latin one, in lower case (Unicode Technical Standard 39)."""


def hidden(text: str) -> Iterator[Problem]:
    """`hidden-character`: one that no reader sees, with its place; at most one a line."""
    told = 0
    for match in _SUSPECT.finditer(text):
        letter, at = match[0], match.start()
        if letter.isprintable() or (letter == "\r" and text[at + 1 : at + 2] == "\n"):
            continue
        line = text.count("\n", 0, at) + 1
        if line == told:
            continue
        told = line
        column = at - text.rfind("\n", 0, at)
        found = f"{called(letter)} does not show"
        yield error("hidden-character", "", found, Span(line, column, line, column + 1), _remedy(letter))


def called(letter: str) -> str:
    """A character by its code point and name: `U+202E (RIGHT-TO-LEFT OVERRIDE)`."""
    name = unicodedata.name(letter, "")
    return f"U+{ord(letter):04X}" + (f" ({name})" if name else "")


def visible(text: str) -> str:
    """Text of somebody else with what does not show, or could steer a terminal, spelled out."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def looks(text: str) -> str:
    """What a reader takes a name for: names that look alike have the same looks, though their bytes differ."""
    plain = unicodedata.normalize("NFKD", text).casefold().translate(_LOOK_LATIN)
    return "".join(one for one in plain if one.isalnum())


def _remedy(letter: str) -> str:
    if letter == "\r":
        return "end lines with a line feed"
    return "write a space" if unicodedata.category(letter) == "Zs" else "remove it"
