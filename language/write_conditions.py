"""Conditions as text: the inverse of `lower_conditions`, test by test."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from language.lower_conditions import MILLION, Use, indicator_dimension
from language.units import Dimension, show_flop, show_number, show_seconds, show_share
from language.words import CLOCKS, PHASE_SETS, PHASES, RESERVED, STATUS, word_of
from standstill.v1 import agreement_pb2
from standstill.v1 import condition_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_NAME: Final = re.compile(r"[A-Za-z][\w.-]*", re.ASCII)
_SHORT: Final = 80
"""Longest condition joined by words; a longer one stands in brackets, which can be broken into lines."""
_GROUPS: Final = frozenset({"all", "any", "at_least"})


def quoted(text: str) -> str:
    """A text in quotation marks, with what does not show spelled out."""
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in json.dumps(text, ensure_ascii=False))


def name_text(name: str) -> str:
    """A name, in quotation marks where it would read as something else."""
    return name if _NAME.fullmatch(name) and name not in RESERVED else quoted(name)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a condition's text must know of the terms around it.

    Attributes:
        terms: the terms.
        own_level: rank of the level that the condition stands in; 0 outside levels.
        use: what it is for.
    """

    terms: agreement_pb2.Agreement
    own_level: int = 0
    use: Use = Use.TRIGGER

    def span(self, periods: int) -> str:
        """A number of periods as a time."""
        return show_seconds(periods * self.terms.period_seconds)

    def level_name(self, rank: int) -> str:
        """Name of a level; of none, one that no text declares."""
        return next((level.name for level in self.terms.levels if level.rank == rank), f"level_{rank}")

    def level(self, rank: int) -> str:
        """Name of a level as it is written."""
        return name_text(self.level_name(rank))

    def of_level(self, rank: int, word: str) -> str:
        """`of pause`, or nothing for the level around."""
        return "" if rank == self.own_level else f" {word} {self.level(rank)}"

    def threshold(self, indicator: str, value: int) -> str:
        """A reading in the unit of its indicator."""
        unit = next((one.unit for one in self.terms.indicators if one.name == indicator), "")
        dimension, base = indicator_dimension(unit)
        if dimension is Dimension.TIME:
            return show_seconds(value * base)
        if dimension is Dimension.SHARE:
            return show_share(value)
        if dimension is Dimension.COMPUTE:
            return show_flop(value)
        return f"{show_number(value)} x" if dimension is Dimension.FACTOR else show_number(value)


def condition_text(
    condition: pb.Condition, terms: agreement_pb2.Agreement, level: int = 0, use: Use = Use.TRIGGER
) -> str:
    """A condition as it is written in an agreement or pledge.

    Args:
        condition: a test of the record.
        terms: the terms that name its indicators and levels.
        level: rank of the level that it stands in; 0 outside.
        use: what it is for.
    """
    around = Terms(terms, level, use)
    test = condition.WhichOneof("test")
    if test in {"all", "any"}:
        parts = getattr(condition, test).of
        if len(parts) > 1 and _phases(parts) is None and all(_atomic(part) for part in parts):
            said = (" and " if test == "all" else " or ").join(_text(part, around) for part in parts)
            return said if len(said) <= _SHORT else _text(condition, around)
    return _text(condition, around)


def _atomic(condition: pb.Condition) -> bool:
    test = condition.WhichOneof("test")
    return test not in _GROUPS and (test != "negation" or _atomic(condition.negation))


def _text(condition: pb.Condition, around: Terms) -> str:
    test = condition.WhichOneof("test")
    return _WRITERS[test](getattr(condition, test), around) if test else "never"


def _list(parts: Sequence[pb.Condition], around: Terms) -> str:
    return f"[{', '.join(_text(part, around) for part in parts)}]"


def _all(test: pb.Condition.Several, around: Terms) -> str:
    return f"all {_list(test.of, around)}"


def _any(test: pb.Condition.Several, around: Terms) -> str:
    if (found := _phases(test.of)) is not None:
        level, word = found
        return _phase(level, word, around)
    return f"any {_list(test.of, around)}"


def _phases(parts: Sequence[pb.Condition]) -> tuple[int, str] | None:
    """Level and word of a set of phases that has one."""
    if any(part.WhichOneof("test") != "level_phase" for part in parts):
        return None
    levels = {part.level_phase.level for part in parts}
    phases = tuple(part.level_phase.phase for part in parts)
    word = next((word for word, known in PHASE_SETS.items() if known == phases), None)
    return (levels.pop(), word) if word and len(levels) == 1 else None


def _at_least(test: pb.Condition.AtLeast, around: Terms) -> str:
    return f"at least {show_number(test.k)} of {_list(test.of, around)}"


def _negation(test: pb.Condition, around: Terms) -> str:
    if test.WhichOneof("test") == "any":
        return f"not any {_list(test.any.of, around)}"
    if test.WhichOneof("test") == "negation":
        return f"not ({_text(test, around)})"
    return f"not {_text(test, around)}"


def _names(names: Sequence[str]) -> str:
    return f"{{ {', '.join(map(name_text, names))} }}"


def _counted(k: int, of: Sequence[str], role: str, *, single: int) -> str:
    """A group; a name by itself stands for `k` being `single`."""
    if len(of) == 1 and k == single:
        return name_text(of[0])
    if of:
        return f"at least {show_number(k)} of {_names(of)}" if k else f"all of {_names(of)}"
    if k == 0:
        return f"all {role}s" if role == "lab" else f"all {role}"
    if k == 1:
        return f"any {role}"
    return f"at least {show_number(k)} {role}s" if role == "lab" else f"at least {show_number(k)} {role}"


def _reading(test: pb.Condition.Reading, around: Terms) -> str:
    sign = ">=" if test.comparison == pb.COMPARISON_AT_LEAST else "<"
    group = _counted(test.labs, test.of, "lab", single=1)
    threshold = around.threshold(test.indicator, test.threshold)
    said = f"{name_text(test.indicator)} of {group} {sign} {threshold}"
    if not test.HasField("ratchet"):
        return said
    falls = test.ratchet.factor_ppm < MILLION
    share = show_share(abs(MILLION - test.ratchet.factor_ppm))
    every, limit = around.span(test.ratchet.every_periods), around.threshold(test.indicator, test.ratchet.limit)
    return f"{said} {'falling' if falls else 'rising'} {share} per {every} to {limit}"


def _trend(test: pb.Condition.Trend, around: Terms) -> str:
    sign = "<=" if test.comparison == pb.COMPARISON_AT_LEAST else ">"
    group = _counted(test.labs, test.of, "lab", single=1)
    over, limit = around.span(test.over_periods), around.span(test.doubling_periods)
    return f"doubling of {name_text(test.indicator)} of {group} over {over} {sign} {limit}"


def _overdue(test: pb.Condition.Overdue, around: Terms) -> str:
    group = _counted(test.labs, test.of, "lab", single=1)
    return f"{name_text(test.indicator)} of {group} overdue for {around.span(test.periods)}"


def _phase(level: int, word: str, around: Terms) -> str:
    name = around.level_name(level)
    # A name that a party has as well is the level's in quotation marks.
    shared = any(party.name == name for party in around.terms.parties)
    return f"{quoted(name) if shared else name_text(name)} is {word}"


def _level_phase(test: pb.Condition.LevelPhase, around: Terms) -> str:
    return _phase(test.level, word_of(PHASES, test.phase), around)


def _keeps(test: pb.Condition.Keeps, around: Terms) -> str:
    verb = "keeps" if len(test.of) == 1 else "keep"
    return f"{_counted(test.k, test.of, '', single=1)} {verb} {around.level(test.level)}"


def _honored(test: pb.Condition.Honored, around: Terms) -> str:
    verb = "keeps" if len(test.of) == 1 and test.k == 0 else "keep"
    group = _counted(test.k, test.of, "bound", single=0)
    return f"{group} {verb} {around.level(test.level)} for {around.span(test.periods)}"


def _weighs(test: pb.Condition.Weighs, around: Terms) -> str:
    weights = ", ".join(f"{show_number(one.weight)} of {name_text(one.lab)}" for one in test.of)
    return f"at least {show_number(test.at_least)} of {{ {weights} }} keep {around.level(test.level)}"


def _status(test: pb.Condition.IsStatus, around: Terms) -> str:
    levels = {level.name for level in around.terms.levels}
    single = -1 if test.of and test.of[0] in levels else 0
    group = _counted(test.k, test.of, "lab", single=single)
    verb = "is" if test.k == 1 or len(test.of) == 1 else "are"
    by = around.of_level(test.level, "by") if test.status == pb.PARTY_STATUS_BOUND else ""
    return f"{group} {verb} {word_of(STATUS, test.status)}{by}"


def _elapsed(test: pb.Condition.Elapsed, around: Terms) -> str:
    implied = 0 if test.since == pb.SINCE_ENTRY else around.own_level
    of = "" if test.level == implied else f" of {around.level(test.level)}"
    return f"since {word_of(CLOCKS, test.since)}{of} >= {around.span(test.periods)}"


def _carried(test: pb.Condition.Carried, around: Terms) -> str:
    asked = f" on {quoted('sha256:' + test.asked.hex())}" if test.asked else ""
    return f"motion {name_text(test.rule)}{around.of_level(test.level, 'of')}{asked} carried"


def _event(test: pb.Condition.EventSeen, around: Terms) -> str:
    implied = around.own_level if around.use is Use.RESUME else 0
    when = "" if test.level == implied else f" of {around.level(test.level)}" if test.level else " whenever"
    lasting = f" for {around.span(test.periods)}" if test.periods else ""
    return f"event {name_text(test.event)}{when}{lasting}"


def _constant(test: pb.Condition.Constant, around: Terms) -> str:
    return "always" if test.value else "never"


_WRITERS: Final[Mapping[str, Callable[..., str]]] = {
    "all": _all,
    "any": _any,
    "at_least": _at_least,
    "reading": _reading,
    "level_phase": _level_phase,
    "keeps": _keeps,
    "honored": _honored,
    "elapsed": _elapsed,
    "constant": _constant,
    "negation": _negation,
    "trend": _trend,
    "overdue": _overdue,
    "event": _event,
    "carried": _carried,
    "status": _status,
    "weighs": _weighs,
}
