"""A finding on terms: what is wrong or doubtful, at which field, and what to write instead."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from language.characters import visible
from language.problem import Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from language.spans import Span

_BLOCKS: Final = {
    "parties": "party",
    "chips": "chip",
    "indicators": "indicator",
    "events": "event",
    "levels": "level",
    "rules": "rule",
    "clauses": "keep",
}
_SAID_AS: Final = {"lying_verifiers": "verification.lying_verifiers"}
"""Fields that the text says in another block."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding.

    Attributes:
        code: stable name, lower-case words with hyphens.
        severity: how much it matters.
        path: dotted path of the field, as in refusals: `levels.pause.trigger.all[0].reading`.
        text: what is the case.
        remedy: what to write instead; empty where nothing is to be done.
        also: paths of other fields that the text speaks of.
    """

    code: str
    severity: Severity
    path: str
    text: str
    remedy: str = ""
    also: tuple[str, ...] = ()


def error(code: str, path: str, text: str, remedy: str = "", also: tuple[str, ...] = ()) -> Finding:
    """A finding that nobody should sign."""
    return Finding(code, Severity.ERROR, path, visible(text), remedy, also)


def warning(code: str, path: str, text: str, remedy: str = "", also: tuple[str, ...] = ()) -> Finding:
    """A finding that is probably not what is meant."""
    return Finding(code, Severity.WARNING, path, visible(text), remedy, also)


def note(code: str, path: str, text: str, remedy: str = "", also: tuple[str, ...] = ()) -> Finding:
    """A finding that is worth knowing before signing."""
    return Finding(code, Severity.NOTE, path, visible(text), remedy, also)


def clause_of(path: str) -> str:
    """Block and key of a path, as in the text: `levels.pause.trigger.all[0].reading` is `level pause.trigger`."""
    head, _, rest = path.partition(".")
    if head not in _BLOCKS:
        return ".".join(path.split(".")[:2])
    name, _, rest = rest.partition(".")
    key = rest.partition(".")[0].partition("[")[0]
    return f"{_BLOCKS[head]} {name}.{key}" if key else f"{_BLOCKS[head]} {name}".rstrip()


def placed(finding: Finding, places: Mapping[str, Span]) -> Problem:
    """A finding with the places of the text that its fields were read from."""
    also = tuple(span for path in finding.also if (span := place_of(path, places)) is not None)
    return Problem(
        finding.code,
        finding.severity,
        clause_of(finding.path),
        finding.text,
        finding.remedy,
        place_of(finding.path, places),
        also,
    )


def place_of(path: str, places: Mapping[str, Span]) -> Span | None:
    """Place of a field, or of the innermost part around it that the text says."""
    path = _SAID_AS.get(path, path)
    if path.startswith("rules."):
        # `yes = 2 of [...]` says `yes` and `voters` in the short form of the wire, else `need`.
        path = re.sub(r"\.(yes|voters)$", ".need", path)
    whole = path
    while path:
        if path in places:
            return places[path]
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return _within(whole, places)


def _within(path: str, places: Mapping[str, Span]) -> Span | None:
    """The first of several that a path speaks of together: `levels.rank` of all ranks, `freshness` of its clocks."""
    head, _, field = path.rpartition(".")
    each = re.compile(rf"{re.escape(head)}\.[^.]+\.{re.escape(field)}" if head else rf"{re.escape(field)}\..+")
    found = [span for said, span in places.items() if each.fullmatch(said)]
    return min(found, default=None)
