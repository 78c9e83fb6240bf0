"""Conditions in words: each test one clause of a sentence, groups numbered so that nothing depends on brackets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from language.page_words import counted, level_name, listed, number, share, span, threshold
from standstill.v1 import condition_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from standstill.v1 import agreement_pb2

    Words = Callable[[Any, agreement_pb2.Agreement], str]

_PHASES: Final = {
    pb.PHASE_OPEN: "is open",
    pb.PHASE_CALLED: "is called and waits to start",
    pb.PHASE_WINDING: "is winding down",
    pb.PHASE_IN_FORCE: "is in force",
    pb.PHASE_RAMPING: "is ramping up again",
    pb.PHASE_SUSPENDED: "is suspended",
}
_PHASE_SETS: Final = {
    frozenset({pb.PHASE_CALLED, pb.PHASE_WINDING, pb.PHASE_IN_FORCE, pb.PHASE_SUSPENDED}): "is called",
    frozenset({pb.PHASE_WINDING, pb.PHASE_IN_FORCE}): "is winding down or in force",
}
_CLOCKS: Final = {
    pb.SINCE_UNSPECIFIED: "since {level} began",
    pb.SINCE_IN_FORCE: "since {level} came into force",
    pb.SINCE_OPENED: "since {level} was opened again",
    pb.SINCE_ENTRY: "since the agreement entered into force",
}
_STATUS: Final = {
    pb.PARTY_STATUS_CONFIRMED: "found honored",
    pb.PARTY_STATUS_INCONCLUSIVE: "found inconclusive",
    pb.PARTY_STATUS_DISCREPANT: "found discrepant",
    pb.PARTY_STATUS_BREACHED: "found in breach",
    pb.PARTY_STATUS_STALE: "stale",
    pb.PARTY_STATUS_PRESUMED: "presumed not to comply",
    pb.PARTY_STATUS_RELIED: "relied on",
    pb.PARTY_STATUS_ACCUSED: "accused",
    pb.PARTY_STATUS_OUT: "out",
    pb.PARTY_STATUS_BOUND: "bound",
    pb.PARTY_STATUS_TAKES_PART: "taking part",
}


def condition_words(condition: pb.Condition, terms: agreement_pb2.Agreement) -> str:
    """A condition as a clause of a sentence. `terms` give the names of levels and the units of indicators."""
    test = condition.WhichOneof("test")
    return _WORDS[test](getattr(condition, test), terms) if test is not None else "nothing is said"


def _parts(parts: Sequence[pb.Condition], terms: agreement_pb2.Agreement) -> list[str]:
    return [condition_words(part, terms) for part in parts]


def _all(test: pb.Condition.Several, terms: agreement_pb2.Agreement) -> str:
    return _joined("and", "all of these hold", test.of, terms)


def _any(test: pb.Condition.Several, terms: agreement_pb2.Agreement) -> str:
    return _phases(test.of, terms) or _joined("or", "one of these holds", test.of, terms)


def _joined(word: str, numbered: str, parts: Sequence[pb.Condition], terms: agreement_pb2.Agreement) -> str:
    """Two simple parts are joined by a word; more, or parts of parts, are numbered."""
    said = _parts(parts, terms)
    if len(said) == 1:
        return said[0]
    if len(said) == 2 and not any(part.WhichOneof("test") in _GROUPS for part in parts):
        return f"{said[0]}, {word} {said[1]}"
    return f"{numbered}: {_numbered(said)}"


_GROUPS: Final = frozenset({"all", "any", "at_least"})


def _numbered(said: Sequence[str]) -> str:
    """`(1) ...; (2) ...`; what is numbered inside stands in brackets, so that its end shows."""
    return "; ".join(f"({place}) {f'[{part}]' if '(1)' in part else part}" for place, part in enumerate(said, 1))


def _at_least(test: pb.Condition.AtLeast, terms: agreement_pb2.Agreement) -> str:
    return f"at least {test.k} of these {len(test.of)} hold: {_numbered(_parts(test.of, terms))}"


def _negation(test: pb.Condition, terms: agreement_pb2.Agreement) -> str:
    return f"it is not so that {condition_words(test, terms)}"


def _whose(test: Any) -> str:
    """`any lab`, `all labs`, `at least 2 of alpha, beta and gamma`."""
    named = list(test.of)
    if test.all:
        return listed(named) if named else "all labs"
    if not named:
        return "any lab" if test.labs == 1 else f"at least {test.labs} labs"
    if test.labs == len(named):
        return listed(named)
    return listed(named, "or") if test.labs == 1 else f"at least {test.labs} of {listed(named)}"


def _reading(test: pb.Condition.Reading, terms: agreement_pb2.Agreement) -> str:
    at_least = test.comparison == pb.COMPARISON_AT_LEAST
    limit = threshold(terms, test.indicator, test.threshold)
    said = f"{test.indicator} of {_whose(test)} is {f'{limit} or more' if at_least else f'below {limit}'}"
    if not test.HasField("ratchet"):
        return said
    moves = test.ratchet
    stop = threshold(terms, test.indicator, moves.limit)
    return (
        f"{said} (a threshold that becomes {share(moves.factor_ppm)} of itself every "
        f"{span(terms, moves.every_periods)}, until it reaches {stop})"
    )


def _trend(test: pb.Condition.Trend, terms: agreement_pb2.Agreement) -> str:
    fast = test.comparison == pb.COMPARISON_AT_LEAST
    pace = "within" if fast else "more slowly than within"
    return (
        f"{test.indicator} of {_whose(test)} doubles {pace} {span(terms, test.doubling_periods)}, "
        f"judged by reports at least {span(terms, test.over_periods)} apart"
    )


def _overdue(test: pb.Condition.Overdue, terms: agreement_pb2.Agreement) -> str:
    return f"reports of {test.indicator} on {_whose(test)} have been missing for {span(terms, test.periods)} (assumed)"


def _phases(parts: Sequence[pb.Condition], terms: agreement_pb2.Agreement) -> str:
    """Phases of one level that people have one word for."""
    tests = [part.level_phase for part in parts if part.WhichOneof("test") == "level_phase"]
    ranks = {test.level for test in tests}
    words = _PHASE_SETS.get(frozenset(test.phase for test in tests))
    if words is None or len(tests) != len(parts) or len(ranks) != 1:
        return ""
    return f"{level_name(terms, ranks.pop())} {words}"


def _level_phase(test: pb.Condition.LevelPhase, terms: agreement_pb2.Agreement) -> str:
    return f"{level_name(terms, test.level)} {_PHASES.get(test.phase, 'is in no phase')}"


def _so_many(k: int, named: Sequence[str], of_all: str) -> tuple[str, bool]:
    """Who must, and whether it is one."""
    if not named:
        return (f"at least {counted(k, 'lab')}", k == 1) if k else (of_all, False)
    if k in {0, len(named)}:
        return listed(named), len(named) == 1
    return f"at least {k} of {listed(named)}", k == 1


def _keeps(test: pb.Condition.Keeps, terms: agreement_pb2.Agreement) -> str:
    who, one = _so_many(test.k, test.of, "all labs")
    return f"{who} {'keeps' if one else 'keep'} {level_name(terms, test.level)}"


def _weighs(test: pb.Condition.Weighs, terms: agreement_pb2.Agreement) -> str:
    weights = listed(f"{weight.lab} with {weight.weight}" for weight in test.of)
    return f"labs that weigh at least {number(test.at_least)} keep {level_name(terms, test.level)} ({weights})"


def _honored(test: pb.Condition.Honored, terms: agreement_pb2.Agreement) -> str:
    who, one = _so_many(test.k, test.of, "all labs that it binds")
    lasting = span(terms, test.periods)
    return f"{who} {'has' if one else 'have'} kept {level_name(terms, test.level)} for {lasting}, as verified"


def _elapsed(test: pb.Condition.Elapsed, terms: agreement_pb2.Agreement) -> str:
    clock = _CLOCKS.get(test.since, "").format(level=level_name(terms, test.level))
    return f"{span(terms, test.periods)} have passed {clock}"


def _event(test: pb.Condition.EventSeen, terms: agreement_pb2.Agreement) -> str:
    since = f" since {level_name(terms, test.level)} began" if test.level else ""
    lasting = f", and has stood for {span(terms, test.periods)}" if test.periods else ""
    return f"the event {test.event} is reported{since}{lasting}"


def _carried(test: pb.Condition.Carried, terms: agreement_pb2.Agreement) -> str:
    asked = f" on the question {test.asked.hex()}" if test.asked else ""
    return f"the vote {test.rule} has carried{asked} while {level_name(terms, test.level)} is called"


def _status(test: pb.Condition.IsStatus, terms: agreement_pb2.Agreement) -> str:
    who, one = _so_many(test.k, test.of, "all labs")
    by = f" by {level_name(terms, test.level)}" if test.level else ""
    return f"{who} {'is' if one else 'are'} {_STATUS.get(test.status, 'in no state')}{by}"


def _constant(test: pb.Condition.Constant, terms: agreement_pb2.Agreement) -> str:
    return "always" if test.value else "never"


_WORDS: Final[dict[str, Words]] = {
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
