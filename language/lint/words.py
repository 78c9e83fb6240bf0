"""Conditions in the words of the text, for findings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from language.lint.view import span
from language.words import CLOCKS, PHASES, STATUS
from standstill.v1 import condition_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from standstill.v1 import agreement_pb2

_PHASE: Final = {value: word for word, value in PHASES.items()}
_STATUS: Final = {value: word for word, value in STATUS.items()}
_CLOCK: Final = {value: word for word, value in CLOCKS.items()}


def said(condition: pb.Condition, terms: agreement_pb2.Agreement) -> str:
    """A condition in one line."""
    kind = condition.WhichOneof("test")
    if kind in {"all", "any"}:
        return f"{kind} [{', '.join(said(part, terms) for part in getattr(condition, kind).of)}]"
    if kind == "at_least":
        within = ", ".join(said(part, terms) for part in condition.at_least.of)
        return f"at least {condition.at_least.k} of [{within}]"
    if kind == "negation":
        return f"not {said(condition.negation, terms)}"
    return _TESTS[kind](getattr(condition, kind), terms) if kind else "nothing"


def _group(test: Any, k: int) -> str:
    if len(test.of) == 1:
        return str(test.of[0])
    of = f"{{ {', '.join(test.of)} }}" if test.of else ""
    if k:
        return f"at least {k} of {of}" if of else ("any lab" if k == 1 else f"at least {k} labs")
    return f"all of {of}" if of else "all labs"


def _level(rank: int, terms: agreement_pb2.Agreement) -> str:
    return next((level.name for level in terms.levels if level.rank == rank), f"level {rank}")


def _reading(test: pb.Condition.Reading, terms: agreement_pb2.Agreement) -> str:
    unit = next((one.unit for one in terms.indicators if one.name == test.indicator), "")
    sign = "<" if test.comparison == pb.COMPARISON_BELOW else ">="
    return f"{test.indicator} of {_group(test, test.labs)} {sign} {test.threshold} {unit}".rstrip()


def _trend(test: pb.Condition.Trend, terms: agreement_pb2.Agreement) -> str:
    sign = ">" if test.comparison == pb.COMPARISON_BELOW else "<="
    over, limit = span(test.over_periods, terms), span(test.doubling_periods, terms)
    return f"doubling of {test.indicator} of {_group(test, test.labs)} over {over} {sign} {limit}"


def _overdue(test: pb.Condition.Overdue, terms: agreement_pb2.Agreement) -> str:
    return f"{test.indicator} of {_group(test, test.labs)} overdue for {span(test.periods, terms)}"


def _keeps(test: pb.Condition.Keeps, terms: agreement_pb2.Agreement) -> str:
    return f"{_group(test, test.k)} {'keeps' if len(test.of) == 1 else 'keep'} {_level(test.level, terms)}"


def _weighs(test: pb.Condition.Weighs, terms: agreement_pb2.Agreement) -> str:
    weights = ", ".join(f"{one.weight} of {one.lab}" for one in test.of)
    return f"at least {test.at_least} of {{ {weights} }} keep {_level(test.level, terms)}"


def _honored(test: pb.Condition.Honored, terms: agreement_pb2.Agreement) -> str:
    who = _group(test, test.k) if test.of or test.k else "all bound"
    return f"{who} keep {_level(test.level, terms)} for {span(test.periods, terms)}"


def _phase(test: pb.Condition.LevelPhase, terms: agreement_pb2.Agreement) -> str:
    return f"{_level(test.level, terms)} is {_PHASE.get(test.phase, 'nothing')}"


def _elapsed(test: pb.Condition.Elapsed, terms: agreement_pb2.Agreement) -> str:
    return f"since {_CLOCK.get(test.since, 'nothing')} >= {span(test.periods, terms)}"


def _event(test: pb.Condition.EventSeen, terms: agreement_pb2.Agreement) -> str:
    return f"event {test.event}" + (f" for {span(test.periods, terms)}" if test.periods else "")


def _carried(test: pb.Condition.Carried, terms: agreement_pb2.Agreement) -> str:
    return f"motion {test.rule} carried"


def _status(test: pb.Condition.IsStatus, terms: agreement_pb2.Agreement) -> str:
    return f"{_group(test, test.k)} is {_STATUS.get(test.status, 'nothing')}"


def _constant(test: pb.Condition.Constant, terms: agreement_pb2.Agreement) -> str:
    return "always" if test.value else "never"


_TESTS: Final[Mapping[str, Callable[[Any, agreement_pb2.Agreement], str]]] = {
    "reading": _reading,
    "trend": _trend,
    "overdue": _overdue,
    "keeps": _keeps,
    "weighs": _weighs,
    "honored": _honored,
    "level_phase": _phase,
    "elapsed": _elapsed,
    "event": _event,
    "carried": _carried,
    "status": _status,
    "constant": _constant,
}
