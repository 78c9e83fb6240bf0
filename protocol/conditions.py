"""Conditions: tests of the record with three values and their reasons (design section 5; annex 4 and 5).

A condition is a closed algebra kept as protobuf. :func:`evaluate` walks it once; what it may look at is :class:`Facts`,
a view of the state, so that a condition can never read a clock, a network or another party's word.

Tests of labs count control groups, not labs. Where a reading counts from a threshold on, a group passes if one of its
labs does; below a threshold, and for what labs do, only if all do. So no lab speaks for two, and none hides another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from protocol import truth
from protocol.progress import doubles_within, ratcheted
from protocol.truth import Explained, Truth, counted
from standstill.v1 import condition_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from protocol.progress import Growth
    from protocol.readings import Evidence
    from protocol.truth import Ref


class Facts(Protocol):
    """What conditions may read."""

    def labs(self) -> tuple[str, ...]:
        """Names of the labs."""

    def members(self) -> tuple[str, ...]:
        """Names of the labs that take part: in, or under notice of withdrawal."""

    def group(self, lab: str) -> str:
        """Control group of a lab; the name itself where it is nobody's."""

    def readings(self, indicator: str, lab: str) -> Evidence[int]:
        """Values of enough independent sources that are not too old."""

    def growth(self, indicator: str, lab: str, over: int) -> Evidence[Growth]:
        """Growth by enough independent sources over at least so many calendar periods."""

    def overdue(self, indicator: str, lab: str, periods: int) -> Explained:
        """Whether a lab that took part for so many closed periods lacks the reports of a reading in all of them."""

    def event(self, name: str, level: int) -> Evidence[tuple[bool, int]]:
        """Whether an event happened, and for how many closed periods each of enough sources has said so."""

    def carried(self, rule: str, level: int, asked: bytes) -> Explained:
        """Whether a rule carried a resolution in the level's present episode."""

    def status(self, lab: str, status: pb.PartyStatus.ValueType, level: int) -> Explained:
        """Whether a lab has a status."""

    def phase(self, level: int) -> pb.Phase.ValueType:
        """Phase of a level."""

    def keeps(self, lab: str, level: int) -> bool:
        """Whether a lab and every other of its control group keep a level and are relied on."""

    def pledged(self, labs: Iterable[str]) -> tuple[Ref, ...]:
        """The pledges of labs that stand: the statements behind what they keep."""

    def bound(self, level: int) -> tuple[str, ...]:
        """Labs that a level binds."""

    def honored_in_a_row(self, lab: str, level: int) -> int:
        """Newest settled periods in a row in which a lab was honored and the level restricted."""

    def honored_by(self, lab: str, periods: int) -> tuple[Ref, ...]:
        """Statements that a lab was honored in its newest settled periods, as far as the state still holds them."""

    def clock(self, level: int, since: pb.Since.ValueType) -> int:
        """Closed periods on one of the clocks of a level."""

    def periods_since_entry(self) -> int:
        """Calendar periods since the agreement entered into force."""


def evaluate(condition: pb.Condition, facts: Facts) -> Explained:
    """Value and reasons of a condition; total on every condition that the agreement's rules admit."""
    test = str(condition.WhichOneof("test"))
    return _TESTS[test](getattr(condition, test), facts)


def value(condition: pb.Condition, facts: Facts) -> Truth:
    """The value alone, which is that of :func:`evaluate`: parts that can no longer change it are not looked at."""
    test = str(condition.WhichOneof("test"))
    if test == "all":
        return _first(condition.all.of, facts, Truth.FALSE, truth.all_of)
    if test == "any":
        return _first(condition.any.of, facts, Truth.TRUE, truth.any_of)
    if test == "at_least":
        return truth.at_least(condition.at_least.k, [value(part, facts) for part in condition.at_least.of])
    if test == "negation":
        return truth.negate(value(condition.negation, facts))
    return evaluate(condition, facts).value


def _first(
    conditions: Iterable[pb.Condition], facts: Facts, decides: Truth, join: Callable[[Sequence[Truth]], Truth]
) -> Truth:
    """The joined value of conditions, or the one that decides as soon as a part has it."""
    values = []
    for condition in conditions:
        values.append(value(condition, facts))
        if values[-1] == decides:
            return decides
    return join(values)


def _parts(conditions: Iterable[pb.Condition], facts: Facts) -> tuple[Explained, ...]:
    return tuple(evaluate(condition, facts) for condition in conditions)


def _all(several: pb.Condition.Several, facts: Facts) -> Explained:
    parts = _parts(several.of, facts)
    return Explained(truth.all_of(_values(parts)), "all of", parts)


def _any(several: pb.Condition.Several, facts: Facts) -> Explained:
    parts = _parts(several.of, facts)
    return Explained(truth.any_of(_values(parts)), "any of", parts)


def _at_least(some: pb.Condition.AtLeast, facts: Facts) -> Explained:
    parts = _parts(some.of, facts)
    return Explained(truth.at_least(some.k, _values(parts)), f"at least {some.k} of", parts)


def _negation(condition: pb.Condition, facts: Facts) -> Explained:
    part = evaluate(condition, facts)
    return Explained(truth.negate(part.value), "not", (part,))


def _reading(test: pb.Condition.Reading, facts: Facts) -> Explained:
    at_least = test.comparison == pb.COMPARISON_AT_LEAST
    threshold, moved = test.threshold, ""
    if test.HasField("ratchet"):
        threshold = ratcheted(test.threshold, test.ratchet, facts.periods_since_entry())
        moved = f" ({test.threshold} at entry)"

    def of(lab: str) -> Explained:
        found = facts.readings(test.indicator, lab)
        passed = {(one >= threshold) is at_least for one in found.values}
        return _said(lab, passed, found, f"reports on one side of {threshold}")

    parts = _by_group(_over(test.of, facts, every=test.all), facts, of, greatest=at_least and not test.all)
    text = f"{test.indicator} of {_many(test)} {'>=' if at_least else '<'} {threshold}{moved}"
    return Explained(_count(0 if test.all else test.labs, parts), text, parts)


def _trend(test: pb.Condition.Trend, facts: Facts) -> Explained:
    fast = test.comparison == pb.COMPARISON_AT_LEAST

    def of(lab: str) -> Explained:
        found = facts.growth(test.indicator, lab, test.over_periods)
        passed = {doubles_within(one, test.doubling_periods) is fast for one in found.values}
        return _said(lab, passed, found, "reports that agree on how fast it grows")

    parts = _by_group(_over(test.of, facts, every=test.all), facts, of, greatest=fast and not test.all)
    how = "doubling within" if fast else "doubling more slowly than within"
    over = f"over at least {counted(test.over_periods, 'period')}"
    text = f"{test.indicator} of {_many(test)} {how} {counted(test.doubling_periods, 'period')}, {over}"
    return Explained(_count(0 if test.all else test.labs, parts), text, parts)


def _overdue(test: pb.Condition.Overdue, facts: Facts) -> Explained:
    def of(lab: str) -> Explained:
        return facts.overdue(test.indicator, lab, test.periods)

    parts = _by_group(_over(test.of, facts, every=test.all), facts, of, greatest=not test.all)
    text = f"{test.indicator} of {_many(test)} not reported for {counted(test.periods, 'period')}"
    # Nobody to be silent is no silence: this test alone is never unknown.
    found = _count(0 if test.all else test.labs, parts) if parts else Truth.FALSE
    return Explained(found, text, parts, assumed=found == Truth.TRUE)


def _event(test: pb.Condition.EventSeen, facts: Facts) -> Explained:
    found = facts.event(test.event, test.level)
    passed = {happened for happened, _ in found.values}
    known = truth.of(passed == {True}) if len(passed) == 1 else Truth.UNKNOWN
    if known == Truth.TRUE and min(standing for _, standing in found.values) < test.periods:
        known = Truth.FALSE
    missing = (found.missing or "reports that agree") if known == Truth.UNKNOWN else ""
    standing = f" for {counted(test.periods, 'period')}" if test.periods else ""
    since = f" since level {test.level} began" if test.level else ""
    return Explained(known, f"event {test.event}{since}{standing}: {found.found}", (), found.refs, missing)


def _carried(test: pb.Condition.Carried, facts: Facts) -> Explained:
    return facts.carried(test.rule, test.level, test.asked)


def _level_phase(test: pb.Condition.LevelPhase, facts: Facts) -> Explained:
    phase = facts.phase(test.level)
    text = f"level {test.level} is {pb.Phase.Name(test.phase)}, found {pb.Phase.Name(phase)}"
    return Explained(truth.of(phase == test.phase), text)


def _keeps(test: pb.Condition.Keeps, facts: Facts) -> Explained:
    parts = _keeping(test.of, test.level, facts)
    keep = "keeps" if test.k == 1 else "keep"
    text = f"at least {test.k} of {', '.join(test.of)} {keep} level {test.level}"
    return Explained(truth.at_least(test.k, _values(parts)), text, parts)


def _weighs(test: pb.Condition.Weighs, facts: Facts) -> Explained:
    weights: dict[str, int] = {}
    for one in test.of:
        weights[facts.group(one.lab)] = weights.get(facts.group(one.lab), 0) + one.weight
    parts = _keeping([one.lab for one in test.of], test.level, facts)
    # Groups stand in the order in which their first lab is listed, in both.
    weighed = [(part.value, weight) for part, weight in zip(parts, weights.values(), strict=True)]
    listed = ", ".join(f"{one.lab} ({one.weight})" for one in test.of)
    text = f"at least {test.at_least} by weight of {listed} keep level {test.level}"
    return Explained(truth.weigh(weighed, test.at_least), text, parts)


def _keeping(labs: Iterable[str], level: int, facts: Facts) -> tuple[Explained, ...]:
    """One part per control group: it keeps the least of what its labs keep, and counts once (annex 4.1, 3)."""
    parts = []
    for group in _groups(labs, facts):
        kept = truth.of(all(facts.keeps(lab, level) for lab in group))
        parts.append(Explained(kept, f"{' and '.join(group)} at level {level}", evidence=facts.pledged(group)))
    return tuple(parts)


def _honored(test: pb.Condition.Honored, facts: Facts) -> Explained:
    bound = facts.bound(test.level)

    def of(lab: str) -> Explained:
        if lab not in bound:
            return Explained(Truth.FALSE, f"{lab}: not bound")
        row = facts.honored_in_a_row(lab, test.level)
        refs = facts.honored_by(lab, min(row, test.periods))
        return Explained(truth.of(row >= test.periods), f"{lab}: honored {counted(row, 'period')} in a row", (), refs)

    parts = _by_group(test.of or bound, facts, of, greatest=False)
    who = ("all" if not test.k else f"at least {test.k}") + (f" of {', '.join(test.of)}" if test.of else "")
    text = f"{who} bound by level {test.level} honored for {counted(test.periods, 'period')}"
    return Explained(_count(test.k, parts), text, parts)


def _status(test: pb.Condition.IsStatus, facts: Facts) -> Explained:
    every = not test.k and test.status != pb.PARTY_STATUS_TAKES_PART

    def of(lab: str) -> Explained:
        return facts.status(lab, test.status, test.level)

    parts = _by_group(_over(test.of, facts, every=every), facts, of, greatest=False)
    who = ("all" if not test.k else f"at least {test.k}") + (f" of {', '.join(test.of)}" if test.of else " labs")
    name = pb.PartyStatus.Name(test.status).removeprefix("PARTY_STATUS_").lower().replace("_", " ")
    level = f" by level {test.level}" if test.level else ""
    return Explained(_count(test.k, parts), f"{who}: {name}{level}", parts)


def _elapsed(test: pb.Condition.Elapsed, facts: Facts) -> Explained:
    passed = facts.clock(test.level, test.since)
    text = f"{_CLOCKS[test.since].format(test.level)} for {counted(test.periods, 'period')}, so far {passed}"
    return Explained(truth.of(passed >= test.periods), text)


def _constant(test: pb.Condition.Constant, _facts: Facts) -> Explained:
    return Explained(truth.of(test.value), "always" if test.value else "never")


def _over(of: Sequence[str], facts: Facts, *, every: bool) -> Sequence[str]:
    """The labs that a test counts: those listed, or else all; for a test of every lab, all that take part."""
    return of or (facts.members() if every else facts.labs())


def _many(test: pb.Condition.Reading | pb.Condition.Trend | pb.Condition.Overdue) -> str:
    """How many labs a test wants, in words."""
    if test.all:
        return f"all of {', '.join(test.of)}" if test.of else "all labs"
    return f"at least {counted(test.labs, 'lab')}"


def _said(lab: str, passed: set[bool], found: Evidence[int] | Evidence[Growth], agreement: str) -> Explained:
    """A test of a lab's sources: no value, or sources on both sides of the threshold, and nobody knows."""
    known = truth.of(passed == {True}) if len(passed) == 1 else Truth.UNKNOWN
    missing = (found.missing or agreement) if known == Truth.UNKNOWN else ""
    return Explained(known, f"{lab}: {found.found}", (), found.refs, missing)


def _groups(labs: Iterable[str], facts: Facts) -> list[list[str]]:
    """Labs by control group, both in the order in which they are listed."""
    groups: dict[str, list[str]] = {}
    for lab in labs:
        groups.setdefault(facts.group(lab), []).append(lab)
    return list(groups.values())


def _by_group(
    labs: Iterable[str], facts: Facts, of: Callable[[str], Explained], *, greatest: bool
) -> tuple[Explained, ...]:
    """One part per control group: that of its lab, or the greatest or least of its labs."""
    parts = []
    for group in _groups(labs, facts):
        found = tuple(of(lab) for lab in group)
        join = truth.any_of if greatest else truth.all_of
        one = Explained(join(_values(found)), f"{' and '.join(group)}, one control group", found)
        parts.append(found[0] if len(found) == 1 else one)
    return tuple(parts)


def _values(parts: Iterable[Explained]) -> list[Truth]:
    return [part.value for part in parts]


def _count(k: int, parts: Sequence[Explained]) -> Truth:
    """At least k of these; all of them if k is 0."""
    return truth.at_least(k, _values(parts)) if k else truth.all_of(_values(parts))


_CLOCKS: Mapping[pb.Since.ValueType, str] = {
    pb.SINCE_UNSPECIFIED: "level {}",
    pb.SINCE_IN_FORCE: "level {} in force",
    pb.SINCE_OPENED: "level {} open",
    pb.SINCE_ENTRY: "the agreement in force",
}

_TESTS: Mapping[str, Callable[..., Explained]] = {
    "all": _all,
    "any": _any,
    "at_least": _at_least,
    "negation": _negation,
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
