"""What a condition must satisfy before anyone signs it (spec: conditions). Pure form and satisfiability; no facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol.errors import Reason, Refused
from protocol.wire import MAX_UINT
from standstill.v1 import agreement_pb2 as agreement_pb
from standstill.v1 import condition_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

MAX_DEPTH: Final = 16
"""Deepest nesting: the longest trigger of the presets needs five."""

_GROUPS: Final = ("all", "any", "at_least")
_OF_LEVELS: Final = ("level_phase", "honored", "elapsed")
_PLEDGEABLE: Final = frozenset({*_GROUPS, "keeps"})


def atoms(condition: pb.Condition) -> Iterator[pb.Condition]:
    """The tests of a condition that hold no further conditions, in order."""
    test = condition.WhichOneof("test")
    if test in _GROUPS:
        for part in getattr(condition, test).of:
            yield from atoms(part)
    elif test is not None:
        yield condition


def problems_of_level(terms: agreement_pb.Agreement, level: agreement_pb.Level) -> Iterator[Refused]:
    """Broken rules of a level's trigger, resume and entry conditions."""
    for name in ("trigger", "resume"):
        where = f"levels.{level.name}.{name}"
        if not level.HasField(name):
            yield Refused(Reason.FIELD_ABSENT, where, "write a constant condition if it is meant to be always or never")
            continue
        condition = getattr(level, name)
        yield from problems(terms, condition, where)
        if any(atom.WhichOneof("test") == "keeps" for atom in atoms(condition)):
            yield Refused(Reason.CONDITION_MALFORMED, where, "who keeps a level is read in pledges and entry rules")
    if level.HasField("entry"):
        yield from problems_of_provided(terms, level.entry, f"levels.{level.name}.entry")
    if level.HasField("trigger") and never_true(level.trigger, len(_labs(terms))):
        yield Refused(Reason.CONDITION_NEVER_TRUE, f"levels.{level.name}.trigger", "the level can never be called")
    for atom in atoms(level.resume):
        if atom.WhichOneof("test") == "elapsed" and atom.elapsed.periods >= level.mandate_periods:
            found = f"after {atom.elapsed.periods} periods, but the mandate ends after {level.mandate_periods}"
            yield Refused(Reason.CLOCKS_CONTRADICT, f"levels.{level.name}.resume", found)


def problems_of_provided(terms: agreement_pb.Agreement, condition: pb.Condition, where: str) -> Iterator[Refused]:
    """Broken rules of a clause on what others keep: monotone tests of Keeps only (annex 4.1, 4)."""
    yield from problems(terms, condition, where)
    for atom in atoms(condition):
        if atom.WhichOneof("test") not in _PLEDGEABLE:
            yield Refused(Reason.PLEDGE_NOT_MONOTONE, where, f"{atom.WhichOneof('test')}: only what others keep counts")


def problems(terms: agreement_pb.Agreement, condition: pb.Condition, where: str, depth: int = 0) -> Iterator[Refused]:
    """Broken rules of form: every name declared, every count within its group, nesting bounded."""
    test = condition.WhichOneof("test")
    if test is None or depth > MAX_DEPTH:
        found = "no test" if test is None else f"nested deeper than {MAX_DEPTH}"
        yield Refused(Reason.CONDITION_MALFORMED, where, found)
    elif test in _GROUPS:
        parts = getattr(condition, test).of
        if not parts or (test == "at_least" and not 1 <= condition.at_least.k <= len(parts)):
            yield Refused(Reason.CONDITION_MALFORMED, f"{where}.{test}", f"{len(parts)} parts")
        for number, part in enumerate(parts):
            yield from problems(terms, part, f"{where}.{test}[{number}]", depth + 1)
    elif test == "reading":
        yield from _problems_of_reading(terms, condition.reading, f"{where}.reading")
    elif test == "keeps":
        yield from _problems_of_keeps(terms, condition.keeps, f"{where}.keeps")
    elif test in _OF_LEVELS:
        yield from _problems_of_level_test(terms, condition, test, where)


def _problems_of_reading(terms: agreement_pb.Agreement, test: pb.Condition.Reading, where: str) -> Iterator[Refused]:
    labs = _labs(terms)
    if test.indicator not in {indicator.name for indicator in terms.indicators}:
        yield Refused(Reason.NAME_UNKNOWN, f"{where}.indicator", repr(test.indicator))
    if not set(test.of) <= labs:
        yield Refused(Reason.NAME_UNKNOWN, f"{where}.of", ", ".join(sorted(set(test.of) - labs)))
    if len(set(test.of)) != len(test.of):
        yield Refused(Reason.NAME_TWICE, f"{where}.of", "each lab once, or one lab would count as two")
    if not 1 <= test.labs <= len(test.of or labs):
        yield Refused(Reason.CONDITION_MALFORMED, f"{where}.labs", f"{test.labs} of {len(test.of or labs)}")
    if test.comparison == pb.COMPARISON_UNSPECIFIED:
        yield Refused(Reason.CONDITION_MALFORMED, f"{where}.comparison", "at least or below")


def _problems_of_keeps(terms: agreement_pb.Agreement, test: pb.Condition.Keeps, where: str) -> Iterator[Refused]:
    labs = _labs(terms)
    if not set(test.of) <= labs:
        yield Refused(Reason.NAME_UNKNOWN, f"{where}.of", ", ".join(sorted(set(test.of) - labs)))
    if len(set(test.of)) != len(test.of):
        yield Refused(Reason.NAME_TWICE, f"{where}.of", "each lab once, or one lab would count as two")
    groups = len({party.owner for party in terms.parties if party.name in test.of})
    if not 1 <= test.k <= groups:
        yield Refused(Reason.CONDITION_MALFORMED, f"{where}.k", f"{test.k} of {groups} control groups")
    yield from _problems_of_rank(terms, test.level, where)


def _problems_of_level_test(
    terms: agreement_pb.Agreement, condition: pb.Condition, test: str, where: str
) -> Iterator[Refused]:
    inner = getattr(condition, test)
    yield from _problems_of_rank(terms, inner.level, f"{where}.{test}")
    if test == "level_phase" and inner.phase == pb.PHASE_UNSPECIFIED:
        yield Refused(Reason.CONDITION_MALFORMED, f"{where}.{test}.phase", "names a phase")
    if test in {"honored", "elapsed"} and inner.periods < 1:
        yield Refused(Reason.CONDITION_MALFORMED, f"{where}.{test}.periods", "at least 1")


def _problems_of_rank(terms: agreement_pb.Agreement, rank: int, where: str) -> Iterator[Refused]:
    if rank not in {level.rank for level in terms.levels}:
        yield Refused(Reason.NAME_UNKNOWN, f"{where}.level", str(rank))


def never_true(condition: pb.Condition, labs: int) -> bool:
    """Whether no record can make the condition true: a constant, or readings that exclude each other.

    Exact for constants, for readings alone, and for readings of the same indicator and labs joined by `all`; other
    contradictions are not searched for here. `labs` is the number of labs of the agreement.
    """
    test = condition.WhichOneof("test")
    if test == "constant":
        return not condition.constant.value
    if test == "reading":
        # Readings are 0 to MAX_UINT.
        below = condition.reading.comparison == pb.COMPARISON_BELOW
        return condition.reading.threshold == 0 if below else condition.reading.threshold > MAX_UINT
    if test == "all":
        return any(never_true(part, labs) for part in condition.all.of) or _readings_exclude(condition.all.of, labs)
    if test == "any":
        return all(never_true(part, labs) for part in condition.any.of)
    if test == "at_least":
        possible = [part for part in condition.at_least.of if not never_true(part, labs)]
        return len(possible) < condition.at_least.k
    return False


def _readings_exclude(conditions: Collection[pb.Condition], labs: int) -> bool:
    """Whether two of these want the same reading both at or above and below the same number."""
    readings = [condition.reading for condition in conditions if condition.WhichOneof("test") == "reading"]
    for low in readings:
        for high in readings:
            same = (low.indicator, tuple(low.of)) == (high.indicator, tuple(high.of))
            opposed = (low.comparison, high.comparison) == (pb.COMPARISON_AT_LEAST, pb.COMPARISON_BELOW)
            # Two disjoint groups of labs can satisfy both; only groups that must share a lab contradict each other.
            overlap = low.labs + high.labs > (len(low.of) or labs)
            if same and opposed and overlap and low.threshold >= high.threshold:
                return True
    return False


def _labs(terms: agreement_pb.Agreement) -> set[str]:
    return {party.name for party in terms.parties if agreement_pb.ROLE_LAB in party.roles}
