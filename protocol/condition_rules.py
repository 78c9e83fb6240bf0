"""What a condition must satisfy before anyone signs it (spec: conditions). Pure form and satisfiability; no facts.

:mod:`protocol.condition_forms` has the rules of each test; here is how tests are joined, and which may stand where.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol import condition_analysis
from protocol.condition_forms import problems_of_test
from protocol.condition_tree import GROUPS, atoms, atoms_at, longest_trends
from protocol.errors import Reason, Refused
from protocol.truth import Truth
from standstill.v1 import agreement_pb2 as agreement_pb
from standstill.v1 import condition_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "MAX_DEPTH",
    "NEGATED",
    "PLACES",
    "atoms",
    "problems",
    "problems_of_level",
    "problems_of_provided",
    "problems_of_when",
]

MAX_DEPTH: Final = 16
"""Deepest nesting: the longest trigger of the presets needs five."""

_OUTSIDE: Final = frozenset({"reading", "trend", "event", "level_phase", "elapsed", "constant"})
_OF_LEVELS: Final = _OUTSIDE | {"honored", "carried", "status"}
PLACES: Final[Mapping[str, frozenset[str]]] = {
    "trigger": _OF_LEVELS | {"overdue"},
    "resume": _OF_LEVELS,
    "when": _OUTSIDE | {"status"},
    "provided": frozenset({"keeps", "weighs", "status", "constant"}),
    "entry": frozenset({"keeps", "weighs", "status", "constant"}),
}
"""Tests that may stand in each place. Silence counts in triggers alone; what others keep, where sets are solved for."""

_NEGATED: Final = frozenset({"reading", "trend", "event", "level_phase", "elapsed"})
NEGATED: Final[Mapping[str, frozenset[str]]] = {
    "trigger": _NEGATED | {"carried"},
    "resume": _NEGATED,
    "when": _NEGATED,
    "provided": frozenset(),
    "entry": frozenset(),
}
"""Tests that may stand negated: outside facts, and a vote for relief without which a trigger calls."""

_OF_PEERS: Final = frozenset({pb.PARTY_STATUS_CONFIRMED, pb.PARTY_STATUS_RELIED})
"""What may be read of a peer where sets are solved for (annex 4.1, 4)."""

_OF_OTHERS: Final = frozenset(
    {
        *_OF_PEERS,
        pb.PARTY_STATUS_ACCUSED,
        pb.PARTY_STATUS_OUT,
        pb.PARTY_STATUS_STALE,
        pb.PARTY_STATUS_PRESUMED,
        pb.PARTY_STATUS_TAKES_PART,
    }
)
"""What may be read of others beside that: nothing of what they kept last, or two pledges could swap for ever."""


def problems_of_level(terms: agreement_pb.Agreement, level: agreement_pb.Level) -> Iterator[Refused]:
    """Broken rules of a level's trigger, resume and entry conditions."""
    for place in ("trigger", "resume"):
        where = f"levels.{level.name}.{place}"
        if not level.HasField(place):
            yield Refused(Reason.FIELD_ABSENT, where, "write a constant condition if it is meant to be always or never")
            continue
        condition = getattr(level, place)
        broken = [*problems(terms, condition, where), *_misplaced(condition, place, where)]
        yield from broken
        if not broken:
            yield from _problems_of_meaning(terms, level, place, where)
    if level.HasField("entry"):
        yield from problems_of_provided(terms, level.entry, f"levels.{level.name}.entry")


def _problems_of_meaning(
    terms: agreement_pb.Agreement, level: agreement_pb.Level, place: str, where: str
) -> Iterator[Refused]:
    """Conditions that no record can make true, or false; clocks that the mandate never lets run out."""
    condition = getattr(level, place)
    constant = condition.WhichOneof("test") == "constant"
    # A level that is never lifted may be agreed to in so many words, one that is never called may not.
    if condition_analysis.can_be(terms, condition, Truth.TRUE) is False and not (constant and place == "resume"):
        what = "called" if place == "trigger" else "lifted"
        yield Refused(Reason.CONDITION_NEVER_TRUE, where, f"the level can never be {what}")
    if place == "trigger" and not constant and condition_analysis.never_false(terms, condition):
        yield Refused(Reason.CONDITION_NEVER_FALSE, where, "write always if that is meant")
    if place == "resume":
        yield from _clocks_beyond_mandate(level, where)


def _clocks_beyond_mandate(level: agreement_pb.Level, where: str) -> Iterator[Refused]:
    for _, negated, atom in atoms_at(level.resume, where):
        test = atom.elapsed
        own = atom.WhichOneof("test") == "elapsed" and test.level == level.rank and not negated
        counts = test.since in {pb.SINCE_UNSPECIFIED, pb.SINCE_IN_FORCE}
        if own and counts and test.periods >= level.mandate_periods:
            found = f"after {test.periods} periods, but the mandate ends after {level.mandate_periods}"
            yield Refused(Reason.CLOCKS_CONTRADICT, where, found)


def problems_of_when(terms: agreement_pb.Agreement, condition: pb.Condition, where: str) -> Iterator[Refused]:
    """Broken rules of a clause on outside facts (annex 4.1, 4)."""
    yield from problems(terms, condition, where)
    yield from _misplaced(condition, "when", where)
    kept = longest_trends(terms)
    for path, _, atom in atoms_at(condition, where):
        test = str(atom.WhichOneof("test"))
        if test == "status" and atom.status.status not in _OF_OTHERS:
            found = "of others, only whether they are confirmed, heard and relied on"
            yield Refused(Reason.CONDITION_MALFORMED, f"{path}.status", found)
        # Earlier values are kept as far back as the agreement looks, and no further.
        if test == "trend" and atom.trend.over_periods > kept.get(atom.trend.indicator, 0):
            found = f"no level looks {atom.trend.over_periods} periods back for {atom.trend.indicator}"
            yield Refused(Reason.CONDITION_MALFORMED, f"{path}.over_periods", found)


def problems_of_provided(terms: agreement_pb.Agreement, condition: pb.Condition, where: str) -> Iterator[Refused]:
    """Broken rules of a clause on what others keep: monotone in it, and nothing else (annex 4.1, 4)."""
    yield from problems(terms, condition, where)
    for path, negated, atom in atoms_at(condition, where):
        test = str(atom.WhichOneof("test"))
        if negated or test not in PLACES["provided"]:
            found = f"{'not ' if negated else ''}{test}: only what others keep counts"
            yield Refused(Reason.PLEDGE_NOT_MONOTONE, path, found)
        elif test == "status" and atom.status.status not in _OF_PEERS:
            yield Refused(Reason.PLEDGE_NOT_MONOTONE, path, "of a peer, only whether it is confirmed or relied on")


def _misplaced(condition: pb.Condition, place: str, where: str) -> Iterator[Refused]:
    for path, negated, atom in atoms_at(condition, where):
        test = str(atom.WhichOneof("test"))
        if test not in (NEGATED if negated else PLACES)[place]:
            what = f"not {test}" if negated else test
            yield Refused(Reason.CONDITION_MALFORMED, path, f"{what}: has no place in {_CALLED[place]}")


_CALLED: Final = {"trigger": "a trigger", "resume": "a resume condition", "when": "a pledge's outside facts"}


def problems(terms: agreement_pb.Agreement, condition: pb.Condition, where: str, depth: int = 0) -> Iterator[Refused]:
    """Broken rules of form: every name declared, every count within its group, nesting bounded."""
    test = condition.WhichOneof("test")
    if test is None or depth > MAX_DEPTH:
        found = "no test" if test is None else f"nested deeper than {MAX_DEPTH}"
        yield Refused(Reason.CONDITION_MALFORMED, where, found)
    elif test in GROUPS:
        parts = getattr(condition, test).of
        if not parts or (test == "at_least" and not 1 <= condition.at_least.k <= len(parts)):
            yield Refused(Reason.CONDITION_MALFORMED, f"{where}.{test}", f"{len(parts)} parts")
        for number, part in enumerate(parts):
            yield from problems(terms, part, f"{where}.{test}[{number}]", depth + 1)
    elif test == "negation":
        if condition.negation.WhichOneof("test") in {*GROUPS, "negation"}:
            found = "stands before one test only"
            yield Refused(Reason.CONDITION_MALFORMED, f"{where}.negation", found)
        yield from problems(terms, condition.negation, f"{where}.negation", depth + 1)
    else:
        yield from problems_of_test(terms, test, getattr(condition, test), f"{where}.{test}")
