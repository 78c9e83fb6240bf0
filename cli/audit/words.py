"""Words for people, shared by all audit commands. Imports next to nothing: `verify` must start fast."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, NamedTuple

import click

from cli.output import Exit
from standstill.v1 import header_pb2


class Mark(NamedTuple):
    """How a verdict is shown: the word carries the meaning, letter and colour repeat it.

    Attributes:
        letter: in brackets before the word.
        word: the verdict.
        color: Okabe-Ito colour, which people of every colour vision tell apart.
    """

    letter: str
    word: str
    color: str

    @property
    def text(self) -> str:
        """Letter and word."""
        return f"[{self.letter}] {self.word}"


NOT_ASSESSED: Final = Mark("-", "not assessed", "")
MARKS: Final = {
    header_pb2.VERDICT_UNSPECIFIED: NOT_ASSESSED,
    header_pb2.VERDICT_HONORED: Mark("H", "honored", "#0072B2"),
    header_pb2.VERDICT_INCONCLUSIVE: Mark("I", "inconclusive", "#F0E442"),
    header_pb2.VERDICT_DISCREPANT: Mark("D", "discrepant", "#E69F00"),
    header_pb2.VERDICT_BREACHED: Mark("B", "breached", "#D55E00"),
}
"""By value of `Verdict`, from best to worst."""

SEVERITIES: Final = {mark.word: value for value, mark in MARKS.items() if value > header_pb2.VERDICT_HONORED}
"""Words for the severity of a finding, from least to worst."""

EXITS: Final = {
    header_pb2.VERDICT_UNSPECIFIED: Exit.NOT_APPRAISED,
    header_pb2.VERDICT_HONORED: Exit.DONE,
    header_pb2.VERDICT_INCONCLUSIVE: Exit.NOT_APPRAISED,
    header_pb2.VERDICT_DISCREPANT: Exit.NOT_CONFIRMED,
    header_pb2.VERDICT_BREACHED: Exit.NOT_CONFIRMED,
}
"""What a verdict makes of the exit code."""

ANSWERS: Final = {
    Exit.DONE: "confirmed",
    Exit.NOT_CONFIRMED: "not_confirmed",
    Exit.NOT_APPRAISED: "could_not_appraise",
    Exit.NOT_TRUSTED: "not_confirmed",
}
"""The word in JSON for an exit code."""

_PRECEDENCE: Final = (Exit.NOT_TRUSTED, Exit.NOT_CONFIRMED, Exit.NOT_APPRAISED, Exit.NOT_REACHED, Exit.DONE)


def joined(exits: list[Exit]) -> Exit:
    """One exit code for several outcomes: 5, 1, 3, 4 in that order, else 0."""
    return min(exits, key=_PRECEDENCE.index, default=Exit.DONE)


def mark(verdict: int) -> Mark:
    """How a verdict is shown; one that this program does not know is none."""
    return MARKS.get(verdict, NOT_ASSESSED)  # type: ignore[call-overload, no-any-return]


def safe(text: str) -> str:
    """Text of another program, with what could steer a terminal spelled out."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def as_ascii(text: str) -> str:
    """The same with anything beyond ASCII spelled out."""
    return text.encode("ascii", "backslashreplace").decode()


def moment(seconds: int) -> str:
    """A time in UTC, to the minute; a time that no calendar has, in seconds."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%MZ")
    except (ValueError, OverflowError, OSError):
        return f"second {seconds}"


def span(seconds: int) -> str:
    """A length of time in its two largest units: `4 d 20 h`."""
    found = []
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, length)
        if count:
            found.append(f"{count} {unit}")
    return " ".join(found[:2]) or "0 s"


def number(text: str) -> str:
    """A decimal integer with separators of thousands; anything else as it is."""
    try:
        return f"{int(text):,}"
    except ValueError:
        return safe(text)


def period(text: str) -> int:
    """A period as it is typed: `122` or `P122`.

    Raises:
        click.BadParameter: if it is none.
    """
    digits = text.removeprefix("P").removeprefix("p")
    if not (digits.isascii() and digits.isdigit() and int(digits) < 2**63):
        raise click.BadParameter(f"{text!r} is no period; write 122 or P122")
    return int(digits)
