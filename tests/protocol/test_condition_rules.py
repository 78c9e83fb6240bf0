"""What a condition must satisfy before anyone signs it."""

from __future__ import annotations

import pytest

from protocol import condition_rules
from protocol.errors import Reason, Refused
from standstill.v1 import agreement_pb2
from standstill.v1 import condition_pb2 as pb
from tests.builders import ALWAYS, NEVER, PAUSE, change, elapsed, keeps, level, party, phase, reading, terms

Condition = pb.Condition
TERMS = terms(events=[agreement_pb2.Event(name="review", reported_by=["chipco"], reports=1, max_age_periods=9)])


def every(*parts: Condition) -> Condition:
    return Condition(all=Condition.Several(of=parts))


def some(*parts: Condition) -> Condition:
    return Condition(any=Condition.Several(of=parts))


def at_least(k: int, *parts: Condition) -> Condition:
    return Condition(at_least=Condition.AtLeast(k=k, of=parts))


def honored(rank: int, periods: int) -> Condition:
    return Condition(honored=Condition.Honored(level=rank, periods=periods))


def honored_by(k: int, *of: str) -> Condition:
    return Condition(honored=Condition.Honored(level=1, periods=2, k=k, of=of))


def read(**changes: object) -> Condition:
    return Condition(reading=change(reading(10).reading, **changes))


def nested(depth: int) -> Condition:
    return ALWAYS if depth == 0 else every(nested(depth - 1))


Ratchet = Condition.Ratchet
HORIZON = "horizon"


def trend(**changes: object) -> Condition:
    body = Condition.Trend(indicator=HORIZON, labs=1, over_periods=9, doubling_periods=5)
    body.comparison = pb.COMPARISON_AT_LEAST
    return Condition(trend=change(body, **changes))


def overdue(**changes: object) -> Condition:
    return Condition(overdue=change(Condition.Overdue(indicator=HORIZON, labs=1, periods=5), **changes))


def event(**changes: object) -> Condition:
    return Condition(event=change(Condition.EventSeen(event="review", level=PAUSE, periods=3), **changes))


def carried(**changes: object) -> Condition:
    return Condition(carried=change(Condition.Carried(rule="council", level=PAUSE, asked=bytes(32)), **changes))


def status(**changes: object) -> Condition:
    return Condition(status=change(Condition.IsStatus(status=pb.PARTY_STATUS_CONFIRMED), **changes))


def weighs(at_least_: int = 5, level: int = 1, **weights: int) -> Condition:
    of = [Condition.Weight(lab=lab, weight=weight) for lab, weight in (weights or {"alpha": 2, "beta": 3}).items()]
    return Condition(weighs=Condition.Weighs(level=level, of=of, at_least=at_least_))


def neither(condition: Condition) -> Condition:
    return Condition(negation=condition)


def since(clock: int, rank: int = 1, periods: int = 1) -> Condition:
    return Condition(elapsed=Condition.Elapsed(level=rank, periods=periods, since=clock))  # type: ignore[arg-type]


def moving(**changes: object) -> Condition:
    rule = Ratchet(every_periods=10, factor_ppm=900_000, limit=5)
    return read(ratchet=change(rule, **changes))


GOOD = {
    "a constant": ALWAYS,
    "a reading of all labs": reading(10, labs=3),
    "a reading of one lab": read(of=["beta"]),
    "a phase": phase(PAUSE, pb.PHASE_OPEN),
    "labs that keep a level": keeps(1, "alpha", "beta", k=1),
    "honored": honored(1, 1),
    "elapsed": elapsed(2, 1),
    "two of three": at_least(2, ALWAYS, NEVER, ALWAYS),
    "a reading of all": read(all=True, labs=0),
    "a threshold that falls to itself": moving(limit=10),
    "a threshold that falls to 0": moving(limit=0),
    "a threshold that rises": moving(factor_ppm=2_000_000, limit=2**63 - 1),
    "a trend of the greatest spans": trend(over_periods=20_000, doubling_periods=20_000),
    "a trend of all": trend(all=True, labs=0),
    "silence of all": overdue(all=True, labs=0, periods=1_000_000),
    "an event": event(),
    "an event whenever it was said": event(level=0, periods=0),
    "a vote": carried(),
    "a status of all": status(),
    "a status of as many as there are": status(k=3),
    "bound by a level": status(status=pb.PARTY_STATUS_BOUND, level=PAUSE),
    "all the weight": weighs(5),
    "two honored": honored_by(2, "alpha", "beta"),
    "a clock of each kind": every(*(since(clock) for clock in pb.Since.values())),
    "the clock of the agreement": since(pb.SINCE_ENTRY, 0),
    "a negation": neither(reading(10)),
    "nesting of the greatest depth": nested(condition_rules.MAX_DEPTH),
}
BROKEN = {
    "no test": (Condition(), Reason.CONDITION_MALFORMED),
    "no test within": (every(ALWAYS, Condition()), Reason.CONDITION_MALFORMED),
    "all of nothing": (every(), Reason.CONDITION_MALFORMED),
    "any of nothing": (some(), Reason.CONDITION_MALFORMED),
    "none of some": (at_least(0, ALWAYS), Reason.CONDITION_MALFORMED),
    "three of two": (at_least(3, ALWAYS, ALWAYS), Reason.CONDITION_MALFORMED),
    "nesting too deep": (nested(condition_rules.MAX_DEPTH + 1), Reason.CONDITION_MALFORMED),
    "an unknown indicator": (read(indicator="height"), Reason.NAME_UNKNOWN),
    "a reading of somebody else": (read(of=["chipco"]), Reason.NAME_UNKNOWN),
    "a reading of a lab twice": (read(of=["alpha", "alpha"], labs=2), Reason.NAME_TWICE),
    "a reading of no lab": (read(labs=0), Reason.CONDITION_MALFORMED),
    "a reading of more labs than there are": (read(labs=4), Reason.CONDITION_MALFORMED),
    "a reading of more labs than listed": (read(of=["beta"], labs=2), Reason.CONDITION_MALFORMED),
    "a comparison left out": (read(comparison=0), Reason.CONDITION_MALFORMED),
    "a level that is none": (phase(3, pb.PHASE_OPEN), Reason.NAME_UNKNOWN),
    "a phase left out": (phase(1, pb.PHASE_UNSPECIFIED), Reason.CONDITION_MALFORMED),
    "keeping by somebody else": (keeps(1, "chipco"), Reason.NAME_UNKNOWN),
    "keeping by a lab twice": (keeps(1, "alpha", "alpha", k=1), Reason.NAME_TWICE),
    "keeping by nobody": (keeps(1), Reason.CONDITION_MALFORMED),
    "keeping by more than listed": (keeps(1, "alpha", k=2), Reason.CONDITION_MALFORMED),
    "keeping level 0": (keeps(0, "alpha"), Reason.NAME_UNKNOWN),
    "honored for no time": (honored(1, 0), Reason.CONDITION_MALFORMED),
    "elapsed for no time": (elapsed(1, 0), Reason.CONDITION_MALFORMED),
    "a comparison of an unknown kind": (read(comparison=3), Reason.CONDITION_MALFORMED),
    "a reading of one lab and of all": (read(all=True, labs=1), Reason.CONDITION_MALFORMED),
    "a threshold that never moves": (moving(every_periods=0), Reason.CONDITION_MALFORMED),
    "a threshold that moves too rarely": (moving(every_periods=1_000_001), Reason.CONDITION_MALFORMED),
    "a threshold times 1": (moving(factor_ppm=1_000_000, limit=10), Reason.CONDITION_MALFORMED),
    "a threshold times 0": (moving(factor_ppm=0), Reason.CONDITION_MALFORMED),
    "a threshold times over 2": (moving(factor_ppm=2_000_001, limit=10), Reason.CONDITION_MALFORMED),
    "a falling threshold with a limit above it": (moving(limit=11), Reason.CONDITION_MALFORMED),
    "a rising threshold with a limit below it": (moving(factor_ppm=1_000_001, limit=9), Reason.CONDITION_MALFORMED),
    "a rising threshold without end": (moving(factor_ppm=1_000_001, limit=2**63), Reason.CONDITION_MALFORMED),
    "a trend of an unknown indicator": (trend(indicator="height"), Reason.NAME_UNKNOWN),
    "a trend of no lab": (trend(labs=0), Reason.CONDITION_MALFORMED),
    "a trend over nothing": (trend(over_periods=0), Reason.CONDITION_MALFORMED),
    "a trend over too long": (trend(over_periods=20_001), Reason.CONDITION_MALFORMED),
    "doubling at once": (trend(doubling_periods=0), Reason.CONDITION_MALFORMED),
    "doubling in ages": (trend(doubling_periods=20_001), Reason.CONDITION_MALFORMED),
    "a trend not compared": (trend(comparison=0), Reason.CONDITION_MALFORMED),
    "silence on an unknown indicator": (overdue(indicator="height"), Reason.NAME_UNKNOWN),
    "silence of no lab": (overdue(labs=0), Reason.CONDITION_MALFORMED),
    "silence for no time": (overdue(periods=0), Reason.CONDITION_MALFORMED),
    "silence for ever": (overdue(periods=1_000_001), Reason.CONDITION_MALFORMED),
    "an unknown event": (event(event="flood"), Reason.NAME_UNKNOWN),
    "an event of an unknown level": (event(level=3), Reason.NAME_UNKNOWN),
    "an event for ever": (event(periods=1_000_001), Reason.CONDITION_MALFORMED),
    "a vote under an unknown rule": (carried(rule="senate"), Reason.NAME_UNKNOWN),
    "a vote on an unknown level": (carried(level=0), Reason.NAME_UNKNOWN),
    "a vote on nothing": (carried(asked=b""), Reason.DIGEST_LENGTH),
    "no status": (status(status=0), Reason.CONDITION_MALFORMED),
    "an unknown status": (status(status=12), Reason.CONDITION_MALFORMED),
    "bound by no level": (status(status=pb.PARTY_STATUS_BOUND), Reason.NAME_UNKNOWN),
    "confirmed by a level": (status(level=1), Reason.CONDITION_MALFORMED),
    "a status of more than there are": (status(k=4), Reason.CONDITION_MALFORMED),
    "a status of somebody else": (status(of=["chipco"]), Reason.NAME_UNKNOWN),
    "more weight than there is": (weighs(6), Reason.CONDITION_MALFORMED),
    "no weight": (weighs(0), Reason.CONDITION_MALFORMED),
    "a lab without weight": (weighs(2, alpha=2, beta=0), Reason.CONDITION_MALFORMED),
    "the weight of somebody else": (weighs(2, chipco=2), Reason.NAME_UNKNOWN),
    "weight at an unknown level": (weighs(level=3), Reason.NAME_UNKNOWN),
    "more honored than listed": (honored_by(2, "alpha"), Reason.CONDITION_MALFORMED),
    "an unknown clock": (since(4), Reason.CONDITION_MALFORMED),
    "a clock of no level": (since(pb.SINCE_OPENED, 0), Reason.NAME_UNKNOWN),
    "a negated group": (neither(every(ALWAYS)), Reason.CONDITION_MALFORMED),
    "a negation of a negation": (neither(neither(ALWAYS)), Reason.CONDITION_MALFORMED),
    "an unknown phase": (phase(1, 7).any.of[0], Reason.CONDITION_MALFORMED),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", GOOD)
def test_admits(name: str) -> None:
    assert list(condition_rules.problems(TERMS, GOOD[name], "trigger")) == []


@pytest.mark.parametrize("name", BROKEN)
def test_refuses(name: str) -> None:
    condition, reason = BROKEN[name]
    found = [problem.reason for problem in condition_rules.problems(TERMS, condition, "trigger")]
    assert found == [reason]


@pytest.mark.parametrize("name", BROKEN)
def test_finds_a_mistake_in_any_depth_and_says_where(name: str) -> None:
    condition, reason = BROKEN[name]
    if reason is Reason.CONDITION_MALFORMED and "deep" in name:
        return
    wrapped = every(ALWAYS, some(condition))
    (problem,) = condition_rules.problems(TERMS, wrapped, "trigger")
    assert problem.reason is reason
    assert problem.field.startswith("trigger.all[1].any[0]")


def test_counts_labs_of_one_group_once_in_what_others_keep() -> None:
    made = terms()
    condition = keeps(1, "alpha", "beta")
    assert list(condition_rules.problems(made, condition, "entry")) == []
    made.parties[1].owner = made.parties[0].owner
    assert [found.reason for found in condition_rules.problems(made, condition, "entry")] == [
        Reason.CONDITION_MALFORMED
    ]


OF_LEVELS = {
    "a trigger on who keeps a level": ({"trigger": keeps(1, "alpha")}, Reason.CONDITION_MALFORMED),
    "a resume condition on who keeps a level": ({"resume": every(keeps(1, "alpha"))}, Reason.CONDITION_MALFORMED),
    "an entry rule on readings": ({"entry": every(reading(1))}, Reason.PLEDGE_NOT_MONOTONE),
    "a trigger that is never true": ({"trigger": NEVER}, Reason.CONDITION_NEVER_TRUE),
    "a trigger that contradicts itself": (
        {"trigger": every(reading(10), neither(reading(9)))},
        Reason.CONDITION_NEVER_TRUE,
    ),
    "a trigger that is never false": ({"trigger": reading(0)}, Reason.CONDITION_NEVER_FALSE),
    "a resume condition that contradicts itself": (
        {"resume": every(reading(10), neither(reading(9)))},
        Reason.CONDITION_NEVER_TRUE,
    ),
    "no trigger": ({"trigger": None}, Reason.FIELD_ABSENT),
    "no resume condition": ({"resume": None}, Reason.FIELD_ABSENT),
    "a resume condition after the mandate": ({"resume": some(elapsed(2, 12))}, Reason.CLOCKS_CONTRADICT),
    "a resume condition in force for longer": ({"resume": some(since(1, 2, 12))}, Reason.CLOCKS_CONTRADICT),
}


@pytest.mark.parametrize("name", OF_LEVELS)
def test_refuses_a_level_with(name: str) -> None:
    changes, reason = OF_LEVELS[name]
    good = level("pause", 2, entry=keeps(2, "alpha", "beta"), resume=some(elapsed(2, 11)))
    assert list(condition_rules.problems_of_level(TERMS, good)) == []
    bad = change(good, **changes)  # type: ignore[arg-type]
    assert [problem.reason for problem in condition_rules.problems_of_level(TERMS, bad)] == [reason]


def test_walks_the_tests_in_order() -> None:
    condition = every(ALWAYS, some(reading(1), at_least(1, elapsed(1, 1), NEVER)), keeps(1, "alpha"))
    found = [atom.WhichOneof("test") for atom in condition_rules.atoms(condition)]
    assert found == ["constant", "reading", "elapsed", "constant", "keeps"]


def test_names_a_lab_only_if_it_is_one() -> None:
    made = terms(parties=[party("alpha", agreement_pb2.ROLE_LAB), *TERMS.parties[3:]])
    assert [found.reason for found in condition_rules.problems(made, keeps(1, "alpha", "beta", k=1), "entry")] == [
        Reason.NAME_UNKNOWN
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"trigger": ALWAYS},
        {"resume": NEVER},
        # The clock of another level, of the agreement, and one that must not have run.
        {"resume": elapsed(1, 12)},
        {"resume": since(pb.SINCE_ENTRY, 2, 12)},
        {"resume": neither(elapsed(2, 12))},
    ],
    ids=["always called", "never lifted", "another level", "since entry", "not yet so long"],
)
def test_admits_a_level(changes: dict[str, Condition]) -> None:
    assert list(condition_rules.problems_of_level(TERMS, level("pause", 2, **changes))) == []


TESTS: dict[str, Condition] = {
    "reading": reading(10),
    "trend": trend(),
    "overdue": overdue(),
    "event": event(),
    "carried": carried(),
    "level_phase": Condition(level_phase=Condition.LevelPhase(level=1, phase=pb.PHASE_OPEN)),
    "keeps": keeps(1, "alpha"),
    "weighs": weighs(),
    "honored": honored(1, 1),
    "status": status(),
    "elapsed": elapsed(1, 1),
    "constant": NEVER,
}
OUTSIDE = {"reading", "trend", "event", "level_phase", "elapsed"}
ALLOWED = {
    "trigger": OUTSIDE | {"overdue", "carried", "honored", "status", "constant"},
    "resume": OUTSIDE | {"carried", "honored", "status", "constant"},
    "when": OUTSIDE | {"status", "constant"},
    "provided": {"keeps", "weighs", "status", "constant"},
    "entry": {"keeps", "weighs", "status", "constant"},
}
ALLOWED_NEGATED = {"trigger": OUTSIDE | {"carried"}, "resume": OUTSIDE, "when": OUTSIDE}
LOOKS_BACK = terms(
    events=TERMS.events, levels=[level("slowdown", 1, trigger=some(reading(1), trend(over_periods=9))), TERMS.levels[1]]
)


def _problems(place: str, condition: Condition) -> list[Refused]:
    # Beside a test that may stand there, so that the whole can be true and false.
    beside = keeps(1, "beta") if place in {"provided", "entry"} else reading(77)
    wrapped = some(condition, beside)
    if place == "when":
        return list(condition_rules.problems_of_when(LOOKS_BACK, wrapped, "when"))
    if place == "provided":
        return list(condition_rules.problems_of_provided(TERMS, wrapped, "provided"))
    good = level("pause", 2, entry=keeps(2, "alpha", "beta"))
    return list(condition_rules.problems_of_level(TERMS, change(good, **{place: wrapped})))


@pytest.mark.parametrize("negated", [False, True], ids=["", "not"])
@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize("place", ALLOWED)
def test_a_test_stands_where_it_may_and_nowhere_else(place: str, test: str, negated: bool) -> None:
    condition = neither(TESTS[test]) if negated else TESTS[test]
    allowed = test in (ALLOWED_NEGATED.get(place, set()) if negated else ALLOWED[place])
    found = _problems(place, condition)
    malformed = Reason.PLEDGE_NOT_MONOTONE if place in {"provided", "entry"} else Reason.CONDITION_MALFORMED
    assert [problem.reason for problem in found] == ([] if allowed else [malformed])
    where = "any[0].negation" if negated else "any[0]"
    assert all(problem.field.endswith(f"{place}.{where}.{test}") for problem in found)


@pytest.mark.parametrize("kind", [value for value in pb.PartyStatus.values() if value])
def test_of_a_peer_only_standing_and_confirmation_are_read(kind: pb.PartyStatus.ValueType) -> None:
    rank = PAUSE if kind == pb.PARTY_STATUS_BOUND else 0
    condition = status(status=kind, level=rank, of=["beta"])
    found = [problem.reason for problem in condition_rules.problems_of_provided(TERMS, condition, "provided")]
    allowed = kind in {pb.PARTY_STATUS_CONFIRMED, pb.PARTY_STATUS_RELIED}
    assert found == ([] if allowed else [Reason.PLEDGE_NOT_MONOTONE])


@pytest.mark.parametrize("kind", [value for value in pb.PartyStatus.values() if value])
def test_a_pledge_reads_nothing_of_what_others_kept_last(kind: pb.PartyStatus.ValueType) -> None:
    kept = {
        pb.PARTY_STATUS_INCONCLUSIVE,
        pb.PARTY_STATUS_DISCREPANT,
        pb.PARTY_STATUS_BREACHED,
        pb.PARTY_STATUS_BOUND,
    }
    condition = status(status=kind, level=PAUSE if kind == pb.PARTY_STATUS_BOUND else 0, of=["beta"])
    found = [problem.reason for problem in condition_rules.problems_of_when(TERMS, condition, "when")]
    assert found == ([Reason.CONDITION_MALFORMED] if kind in kept else [])


def test_a_pledge_looks_back_no_further_than_a_level_does() -> None:
    def found(terms_: agreement_pb2.Agreement, over: int) -> list[Reason]:
        condition = trend(over_periods=over)
        return [problem.reason for problem in condition_rules.problems_of_when(terms_, condition, "when")]

    assert found(LOOKS_BACK, 9) == []
    assert found(LOOKS_BACK, 10) == [Reason.CONDITION_MALFORMED]
    assert found(TERMS, 1) == [Reason.CONDITION_MALFORMED]


def test_counts_control_groups_in_every_test_of_labs() -> None:
    grouped = terms()
    grouped.parties[1].owner = grouped.parties[0].owner
    for condition in (reading(10, labs=3), trend(labs=3), overdue(labs=3), status(k=3), honored_by(3)):
        assert list(condition_rules.problems(TERMS, condition, "trigger")) == []
        found = [problem.reason for problem in condition_rules.problems(grouped, condition, "trigger")]
        assert found == [Reason.CONDITION_MALFORMED]
