"""The form of each test of a condition: names declared, counts within groups, spans in range (spec: conditions)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from protocol.agreement_limits import MAX_PERIODS, known
from protocol.errors import Reason, Refused
from protocol.progress import PPM
from protocol.wire import DIGEST_LENGTH, MAX_UINT
from standstill.v1 import agreement_pb2 as agreement_pb
from standstill.v1 import condition_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

MAX_SPAN: Final = 20_000
"""Longest span of a trend, calendar periods: over two years of hours. Keeps its powers small."""


def problems_of_test(terms: agreement_pb.Agreement, test: str, body: Any, where: str) -> Iterator[Refused]:
    """Broken rules of form of one test.

    Args:
        terms: in which names are declared.
        test: name of the test's field.
        body: its message.
        where: dotted path of the test.
    """
    yield from _FORMS[test](terms, body, where)


def labs_of(terms: agreement_pb.Agreement) -> set[str]:
    """Names of the labs."""
    return {party.name for party in terms.parties if agreement_pb.ROLE_LAB in party.roles}


def groups_of(terms: agreement_pb.Agreement, names: Iterable[str]) -> int:
    """Number of the control groups of some parties."""
    listed = set(names)
    return len({party.owner for party in terms.parties if party.name in listed})


def _reading(terms: agreement_pb.Agreement, test: pb.Condition.Reading, where: str) -> Iterator[Refused]:
    yield from _indicator(terms, test.indicator, where)
    yield from _over_labs(terms, test, where)
    yield from _comparison(test.comparison, where)
    if test.HasField("ratchet"):
        yield from _ratchet(test.ratchet, test.threshold, f"{where}.ratchet")


def _ratchet(ratchet: pb.Condition.Ratchet, threshold: int, where: str) -> Iterator[Refused]:
    yield from _span(ratchet.every_periods, f"{where}.every_periods", MAX_PERIODS)
    if not 1 <= ratchet.factor_ppm <= 2 * PPM or ratchet.factor_ppm == PPM:
        found = f"{ratchet.factor_ppm}, not 1 to {2 * PPM} other than {PPM}"
        yield Refused(Reason.CONDITION_MALFORMED, f"{where}.factor_ppm", found)
    low, high = (0, threshold) if ratchet.factor_ppm < PPM else (threshold, MAX_UINT)
    if not low <= ratchet.limit <= high:
        yield Refused(Reason.CONDITION_MALFORMED, f"{where}.limit", f"{ratchet.limit}, not {low} to {high}")


def _trend(terms: agreement_pb.Agreement, test: pb.Condition.Trend, where: str) -> Iterator[Refused]:
    yield from _indicator(terms, test.indicator, where)
    yield from _over_labs(terms, test, where)
    yield from _comparison(test.comparison, where)
    yield from _span(test.over_periods, f"{where}.over_periods", MAX_SPAN)
    yield from _span(test.doubling_periods, f"{where}.doubling_periods", MAX_SPAN)


def _overdue(terms: agreement_pb.Agreement, test: pb.Condition.Overdue, where: str) -> Iterator[Refused]:
    yield from _indicator(terms, test.indicator, where)
    yield from _over_labs(terms, test, where)
    yield from _span(test.periods, f"{where}.periods", MAX_PERIODS)


def _event(terms: agreement_pb.Agreement, test: pb.Condition.EventSeen, where: str) -> Iterator[Refused]:
    yield from known(f"{where}.event", [test.event], {event.name for event in terms.events})
    if test.level:
        yield from _rank(terms, test.level, where)
    if test.periods > MAX_PERIODS:
        yield Refused(Reason.CONDITION_MALFORMED, f"{where}.periods", f"{test.periods}, at most {MAX_PERIODS}")


def _carried(terms: agreement_pb.Agreement, test: pb.Condition.Carried, where: str) -> Iterator[Refused]:
    yield from known(f"{where}.rule", [test.rule], {rule.name for rule in terms.rules})
    yield from _rank(terms, test.level, where)
    if len(test.asked) != DIGEST_LENGTH:
        yield Refused(Reason.DIGEST_LENGTH, f"{where}.asked", f"{len(test.asked)} bytes, not {DIGEST_LENGTH}")


def _level_phase(terms: agreement_pb.Agreement, test: pb.Condition.LevelPhase, where: str) -> Iterator[Refused]:
    yield from _rank(terms, test.level, where)
    if test.phase not in pb.Phase.values() or test.phase == pb.PHASE_UNSPECIFIED:
        yield Refused(Reason.CONDITION_MALFORMED, f"{where}.phase", "names a phase")


def _keeps(terms: agreement_pb.Agreement, test: pb.Condition.Keeps, where: str) -> Iterator[Refused]:
    yield from _each_once(terms, test.of, where)
    yield from _k(test.k, 1, groups_of(terms, test.of), f"{where}.k")
    yield from _rank(terms, test.level, where)


def _weighs(terms: agreement_pb.Agreement, test: pb.Condition.Weighs, where: str) -> Iterator[Refused]:
    yield from _each_once(terms, [one.lab for one in test.of], where)
    if any(one.weight < 1 for one in test.of):
        yield Refused(Reason.CONDITION_MALFORMED, f"{where}.of", "a weight is at least 1")
    total = sum(one.weight for one in test.of)
    if not 1 <= test.at_least <= total:
        yield Refused(Reason.CONDITION_MALFORMED, f"{where}.at_least", f"{test.at_least} of {total} together")
    yield from _rank(terms, test.level, where)


def _honored(terms: agreement_pb.Agreement, test: pb.Condition.Honored, where: str) -> Iterator[Refused]:
    yield from _each_once(terms, test.of, where)
    yield from _k(test.k, 0, groups_of(terms, test.of or labs_of(terms)), f"{where}.k")
    yield from _rank(terms, test.level, where)
    yield from _span(test.periods, f"{where}.periods", MAX_UINT)


def _status(terms: agreement_pb.Agreement, test: pb.Condition.IsStatus, where: str) -> Iterator[Refused]:
    if test.status not in pb.PartyStatus.values() or test.status == pb.PARTY_STATUS_UNSPECIFIED:
        yield Refused(Reason.CONDITION_MALFORMED, f"{where}.status", "names a status")
    elif test.status == pb.PARTY_STATUS_BOUND:
        yield from _rank(terms, test.level, where)
    elif test.level:
        yield Refused(Reason.CONDITION_MALFORMED, f"{where}.level", "only of those whom a level binds")
    yield from _each_once(terms, test.of, where)
    yield from _k(test.k, 0, groups_of(terms, test.of or labs_of(terms)), f"{where}.k")


def _elapsed(terms: agreement_pb.Agreement, test: pb.Condition.Elapsed, where: str) -> Iterator[Refused]:
    if test.since not in pb.Since.values():
        yield Refused(Reason.CONDITION_MALFORMED, f"{where}.since", "names a clock")
    # The clock of the agreement is that of no level.
    if test.since != pb.SINCE_ENTRY or test.level:
        yield from _rank(terms, test.level, where)
    yield from _span(test.periods, f"{where}.periods", MAX_UINT)


def _constant(_terms: agreement_pb.Agreement, _test: pb.Condition.Constant, _where: str) -> Iterator[Refused]:
    yield from ()


def _indicator(terms: agreement_pb.Agreement, name: str, where: str) -> Iterator[Refused]:
    yield from known(f"{where}.indicator", [name], {indicator.name for indicator in terms.indicators})


def _over_labs(
    terms: agreement_pb.Agreement, test: pb.Condition.Reading | pb.Condition.Trend | pb.Condition.Overdue, where: str
) -> Iterator[Refused]:
    """So many of some labs, or all of them."""
    broken = list(_each_once(terms, test.of, where))
    yield from broken
    if not test.all and not broken:
        yield from _k(test.labs, 1, groups_of(terms, test.of or labs_of(terms)), f"{where}.labs")
    elif test.all and test.labs:
        yield Refused(Reason.CONDITION_MALFORMED, f"{where}.labs", f"{test.labs}, and all at once")


def _each_once(terms: agreement_pb.Agreement, names: Sequence[str], where: str) -> Iterator[Refused]:
    unknown = sorted(set(names) - labs_of(terms))
    if unknown:
        yield Refused(Reason.NAME_UNKNOWN, f"{where}.of", ", ".join(unknown))
    if len(set(names)) != len(names):
        yield Refused(Reason.NAME_TWICE, f"{where}.of", "each lab once, or one lab would count as two")


def _k(k: int, low: int, groups: int, where: str) -> Iterator[Refused]:
    """A count of control groups: a group counts once, however many of its labs are there."""
    if not low <= k <= groups:
        yield Refused(Reason.CONDITION_MALFORMED, where, f"{k} of {groups} control groups")


def _comparison(comparison: pb.Comparison.ValueType, where: str) -> Iterator[Refused]:
    if comparison not in {pb.COMPARISON_AT_LEAST, pb.COMPARISON_BELOW}:
        yield Refused(Reason.CONDITION_MALFORMED, f"{where}.comparison", "at least or below")


def _span(periods: int, where: str, longest: int) -> Iterator[Refused]:
    if not 1 <= periods <= longest:
        yield Refused(Reason.CONDITION_MALFORMED, where, f"{periods} periods, not 1 to {longest}")


def _rank(terms: agreement_pb.Agreement, rank: int, where: str) -> Iterator[Refused]:
    if rank not in {level.rank for level in terms.levels}:
        yield Refused(Reason.NAME_UNKNOWN, f"{where}.level", str(rank))


_FORMS: Final[Mapping[str, Callable[..., Iterator[Refused]]]] = {
    "reading": _reading,
    "trend": _trend,
    "overdue": _overdue,
    "event": _event,
    "carried": _carried,
    "level_phase": _level_phase,
    "keeps": _keeps,
    "weighs": _weighs,
    "honored": _honored,
    "status": _status,
    "elapsed": _elapsed,
    "constant": _constant,
}
