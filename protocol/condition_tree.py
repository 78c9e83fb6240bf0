"""Walking a condition: its tests, where they stand, and whether they are negated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from standstill.v1 import agreement_pb2 as agreement_pb
    from standstill.v1 import condition_pb2 as pb

GROUPS: Final = ("all", "any", "at_least")
"""Tests that join conditions."""


def atoms(condition: pb.Condition) -> Iterator[pb.Condition]:
    """The tests of a condition that hold no further conditions, in order; negated ones without the negation."""
    for _, _, atom in atoms_at(condition, ""):
        yield atom


def atoms_at(condition: pb.Condition, where: str, *, negated: bool = False) -> Iterator[tuple[str, bool, pb.Condition]]:
    """The same with the dotted path of each, and whether it is negated."""
    test = condition.WhichOneof("test")
    if test in GROUPS:
        for number, part in enumerate(getattr(condition, test).of):
            yield from atoms_at(part, f"{where}.{test}[{number}]", negated=negated)
    elif test == "negation":
        yield from atoms_at(condition.negation, f"{where}.negation", negated=not negated)
    elif test is not None:
        yield f"{where}.{test}", negated, condition


def longest_trends(terms: agreement_pb.Agreement) -> dict[str, int]:
    """Longest distance that a trend in the levels of an agreement looks back, calendar periods, by indicator."""
    found: dict[str, int] = {}
    for level in terms.levels:
        for atom in (*atoms(level.trigger), *atoms(level.resume)):
            if atom.WhichOneof("test") == "trend":
                found[atom.trend.indicator] = max(found.get(atom.trend.indicator, 0), atom.trend.over_periods)
    return found
