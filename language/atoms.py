"""What ties the tests of conditions to each other: facts that hold in every record.

A reading above a threshold is above every lower one; a level is in one phase at a time; a clock that shows 90 days has
shown 60. Tests of one kind are read as counts over the same values (`language.counting`), so their contradictions are
found exactly; between kinds only the ties named here are known, and a contradiction that rests on another is not found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from language.counting import Budget, Count, Undecided, possible
from protocol.wire import MAX_UINT
from standstill.v1 import agreement_pb2
from standstill.v1 import condition_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

_VERDICTS: Final = ("none", "confirmed", "inconclusive", "discrepant", "breached")
_SILENCES: Final = ("fresh", "stale", "presumed")
_STANDINGS: Final = ("apart", "relied", "accused", "out")
_ANSWERS: Final = ("no", "yes")
_STATUS: Final[Mapping[int, tuple[tuple[str, ...], frozenset[int]]]] = {
    pb.PARTY_STATUS_CONFIRMED: (_VERDICTS, frozenset({1})),
    pb.PARTY_STATUS_INCONCLUSIVE: (_VERDICTS, frozenset({2})),
    pb.PARTY_STATUS_DISCREPANT: (_VERDICTS, frozenset({3})),
    pb.PARTY_STATUS_BREACHED: (_VERDICTS, frozenset({4})),
    pb.PARTY_STATUS_STALE: (_SILENCES, frozenset({1, 2})),
    pb.PARTY_STATUS_PRESUMED: (_SILENCES, frozenset({2})),
    pb.PARTY_STATUS_RELIED: (_STANDINGS, frozenset({1, 2})),
    pb.PARTY_STATUS_ACCUSED: (_STANDINGS, frozenset({2})),
    pb.PARTY_STATUS_OUT: (_STANDINGS, frozenset({3})),
    pb.PARTY_STATUS_BOUND: (_ANSWERS, frozenset({1})),
    pb.PARTY_STATUS_TAKES_PART: (_ANSWERS, frozenset({1})),
}
"""Values that exclude each other, and which of them have a status. Groups of several labs may have none."""

RESTRICTIVE: Final = frozenset({pb.PHASE_WINDING, pb.PHASE_IN_FORCE, pb.PHASE_SUSPENDED})
"""Phases in which a level's resume condition is looked at (annex 5.2)."""
_PHASES: Final = tuple(phase for phase in pb.Phase.values() if phase != pb.PHASE_UNSPECIFIED)
_ENDLESS: Final = 1 << 64


@dataclass(frozen=True, slots=True)
class Above:
    """Values from a limit on (or, not `upward`, below it)."""

    limit: int
    upward: bool


Range: TypeAlias = Above | frozenset[int]


@dataclass(frozen=True, slots=True)
class Counted:
    """A test that counts groups.

    Attributes:
        about: what has a value; only tests about the same are tied.
        top: greatest value of it, or the number of its values less one where they are listed.
        within: values that count.
        weights: what each unit counts.
        low: least sum.
    """

    about: str
    top: int
    within: Range
    weights: Mapping[str, int]
    low: int


class Groups:
    """Labs of an agreement by control group."""

    def __init__(self, terms: agreement_pb2.Agreement) -> None:
        self.owner = {party.name: party.owner for party in terms.parties if agreement_pb2.ROLE_LAB in party.roles}

    def units(self, labs: Iterable[str]) -> list[str]:
        """Control groups of some labs; of all where none is named.

        Raises:
            Undecided: only some labs of a group are named, so that its value depends on who is asked.
        """
        named = set(labs) or set(self.owner)
        units = sorted({self.owner.get(lab, lab) for lab in named})
        if any(owner in units and lab not in named for lab, owner in self.owner.items()):
            raise Undecided
        return units


def counted(atom: pb.Condition, groups: Groups) -> Counted | None:
    """A test as a count; None for tests of another kind."""
    kind = atom.WhichOneof("test")
    read = _COUNTED.get(kind) if kind else None
    return read(getattr(atom, kind), groups) if kind and read else None


def _group(about: str, top: int, within: Range, groups: Groups, labs: Sequence[str], least: int) -> Counted:
    """Of all groups where `least` is 0."""
    units = groups.units(labs)
    return Counted(about, top, within, dict.fromkeys(units, 1), least or max(1, len(units)))


def _reading(test: pb.Condition.Reading, groups: Groups) -> Counted:
    # Thresholds that move alike keep their order; how differently moving ones lie to each other depends on the time.
    about = f"reading {test.indicator} {test.ratchet.SerializeToString(deterministic=True).hex()}"
    within = Above(test.threshold, upward=test.comparison != pb.COMPARISON_BELOW)
    return _group(about, MAX_UINT, within, groups, test.of, 0 if test.all else test.labs)


def _trend(test: pb.Condition.Trend, groups: Groups) -> Counted:
    # The value is the doubling time: within d is below d + 1.
    within = Above(test.doubling_periods + 1, upward=test.comparison == pb.COMPARISON_BELOW)
    about = f"trend {test.indicator} {test.over_periods}"
    return _group(about, _ENDLESS, within, groups, test.of, 0 if test.all else test.labs)


def _weighs(test: pb.Condition.Weighs, groups: Groups) -> Counted:
    weights: dict[str, int] = {}
    for weight in test.of:
        [unit] = groups.units([weight.lab])
        weights[unit] = weights.get(unit, 0) + weight.weight
    rank = Above(test.level, upward=True)
    return Counted("keeps", MAX_UINT, rank, weights, test.at_least)


def _honored(test: pb.Condition.Honored, groups: Groups) -> Counted:
    within = Above(test.periods, upward=True)
    if test.of:
        return _group(f"honored {test.level}", _ENDLESS, within, groups, test.of, test.k)
    # Whom the level binds is not known: only longer and shorter spans of the same count are tied.
    return Counted(f"honored {test.level} {test.k}", _ENDLESS, within, {"bound": 1}, 1)


def _status(test: pb.Condition.IsStatus, groups: Groups) -> Counted | None:
    if test.status not in _STATUS:
        return None
    values, within = _STATUS[test.status]
    about = f"status {values[-1]} {test.status if values is _ANSWERS else ''} {test.level}"
    return _group(about, len(values) - 1, within, groups, test.of, test.k)


def _overdue(test: pb.Condition.Overdue, groups: Groups) -> Counted:
    within = Above(test.periods, upward=True)
    return _group(f"overdue {test.indicator}", _ENDLESS, within, groups, test.of, 0 if test.all else test.labs)


def _keeps(test: pb.Condition.Keeps, groups: Groups) -> Counted:
    return _group("keeps", MAX_UINT, Above(test.level, upward=True), groups, test.of, test.k)


_COUNTED: Final[Mapping[str, Callable[[Any, Groups], Counted | None]]] = {
    "reading": _reading,
    "trend": _trend,
    "overdue": _overdue,
    "keeps": _keeps,
    "weighs": _weighs,
    "honored": _honored,
    "status": _status,
}


def counts_agree(tests: Sequence[tuple[Counted, bool]], budget: Budget) -> bool:
    """Whether tests about the same can have these values together.

    Raises:
        Undecided: the search would take too long.
    """
    top = tests[0][0].top
    cells = _cells([test.within for test, _ in tests], top)
    counts = [
        Count(
            test.weights,
            frozenset(number for number, least in enumerate(cells) if _counts(test.within, least)),
            test.low if value else 0,
            sum(test.weights.values()) if value else test.low - 1,
        )
        for test, value in tests
    ]
    units = sorted({unit for test, _ in tests for unit in test.weights})
    # Nobody to ask is unknown for ever.
    if any(value and not test.weights for test, value in tests):
        return False
    return possible(units, len(cells), counts, budget)


def _cells(ranges: Iterable[Range], top: int) -> list[int]:
    """The least value of every range between two limits."""
    listed = list(ranges)
    if any(isinstance(one, frozenset) for one in listed):
        return list(range(top + 1))
    limits = {one.limit for one in listed if isinstance(one, Above)}
    return sorted({0, *(limit for limit in limits if limit <= top)})


def _counts(within: Range, value: int) -> bool:
    if isinstance(within, frozenset):
        return value in within
    return (value >= within.limit) == within.upward


def levels_agree(tests: Sequence[tuple[pb.Condition, bool]], restricted: int, mandate: int) -> bool:
    """Whether phases, clocks and events of levels can be as these tests say.

    Args:
        tests: tests with `level_phase`, `elapsed` or `event`, and what they are.
        restricted: rank of a level that is restrictive; 0 for none.
        mandate: periods before which its restriction ends.
    """
    ranks = {getattr(test, test.WhichOneof("test") or "").level for test, _ in tests}
    # The agreement is at least as old as every clock of a level, and its own clock is one for all.
    entry = [(test.elapsed.periods, value) for test, value in tests if _clock(test) == pb.SINCE_ENTRY]
    oldest = min((periods - 1 for periods, value in entry if not value), default=_ENDLESS)
    if any(value and periods > oldest for periods, value in entry):
        return False
    return all(
        _level_agrees([one for one in tests if _rank(one[0]) == rank], oldest, mandate if rank == restricted else 0)
        for rank in ranks
        if rank
    ) and events_agree([(test, value) for test, value in tests if test.WhichOneof("test") == "event"])


def events_agree(tests: Sequence[tuple[pb.Condition, bool]]) -> bool:
    """An event that stands since the restriction stands at all; one that stands for long stood for less."""
    holding = [test.event for test, value in tests if value]
    failing = [test.event for test, value in tests if not value]
    return not any(
        yes.event == no.event and no.level in {0, yes.level} and no.periods <= yes.periods
        for yes in holding
        for no in failing
    )


def _level_agrees(tests: Sequence[tuple[pb.Condition, bool]], oldest: int, mandate: int) -> bool:
    phases = set(RESTRICTIVE if mandate else _PHASES)
    for test, value in tests:
        if test.WhichOneof("test") == "level_phase":
            phases &= {test.level_phase.phase} if value else set(_PHASES) - {test.level_phase.phase}
        elif test.WhichOneof("test") == "event" and value:
            phases &= RESTRICTIVE
    clocks = [(test.elapsed, value) for test, value in tests if test.WhichOneof("test") == "elapsed"]
    return any(_clocks_agree(phase, clocks, oldest, mandate or _ENDLESS) for phase in phases)


def _clocks_agree(phase: int, clocks: Sequence[tuple[pb.Condition.Elapsed, bool]], oldest: int, mandate: int) -> bool:
    """Whether a level in a phase can be so old: each clock as young as it may be, the others no younger."""

    def least(since: int) -> int:
        return max((test.periods for test, value in clocks if test.since == since and value), default=0)

    def most(since: int) -> int:
        return min((test.periods - 1 for test, value in clocks if test.since == since and not value), default=_ENDLESS)

    in_force, opened = least(pb.SINCE_IN_FORCE), least(pb.SINCE_OPENED)
    restricted = max(least(pb.SINCE_UNSPECIFIED), in_force)
    return (
        (not in_force or phase == pb.PHASE_IN_FORCE)
        and (not opened or phase == pb.PHASE_OPEN)
        and in_force <= most(pb.SINCE_IN_FORCE)
        and opened <= most(pb.SINCE_OPENED)
        and restricted <= min(most(pb.SINCE_UNSPECIFIED), mandate - 1)
        and max(restricted, opened) <= oldest
    )


def _clock(test: pb.Condition) -> int:
    return test.elapsed.since if test.WhichOneof("test") == "elapsed" else -1


def _rank(test: pb.Condition) -> int:
    if _clock(test) == pb.SINCE_ENTRY:
        return 0
    return int(getattr(test, test.WhichOneof("test") or "").level)
