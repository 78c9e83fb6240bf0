"""What conditions can come to, whatever the record says."""

from __future__ import annotations

from functools import cache
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.condition_analysis import can_be, can_hold_together, never_false, undecidable_by_subject
from protocol.truth import Truth
from standstill.v1 import agreement_pb2
from standstill.v1 import condition_pb2 as pb
from tests.builders import ALWAYS, LABS, NEVER, PAUSE, change, elapsed, level, party, phase, reading, terms
from tests.protocol.fact_table import Table, evaluated

F, U, T = Truth.FALSE, Truth.UNKNOWN, Truth.TRUE
Condition = pb.Condition
TERMS = terms()


def every(*parts: Condition) -> Condition:
    return Condition(all=Condition.Several(of=parts))


def some(*parts: Condition) -> Condition:
    return Condition(any=Condition.Several(of=parts))


def at_least(k: int, *parts: Condition) -> Condition:
    return Condition(at_least=Condition.AtLeast(k=k, of=parts))


def read(threshold: int = 10, **changes: object) -> Condition:
    return Condition(reading=change(reading(threshold).reading, **changes))


def neither(condition: Condition) -> Condition:
    return Condition(negation=condition)


def in_phase(named: pb.Phase.ValueType) -> Condition:
    return Condition(level_phase=Condition.LevelPhase(level=PAUSE, phase=named))


IMPOSSIBLE = [
    NEVER,
    every(ALWAYS, NEVER),
    some(NEVER, NEVER),
    at_least(2, ALWAYS, NEVER),
    reading(0, below=True),
    reading(2**63),
    # All three labs cannot be on both sides of 10, and two of three on each side need a lab on both.
    every(reading(10, labs=3), reading(10, below=True)),
    every(reading(10, labs=2), reading(10, below=True, labs=2)),
    every(read(all=True, labs=0), reading(10, below=True)),
    every(reading(20), reading(15, below=True, labs=3)),
    every(reading(10), neither(reading(10))),
    every(elapsed(1, 5), neither(elapsed(1, 4))),
    every(in_phase(pb.PHASE_OPEN), in_phase(pb.PHASE_RAMPING)),
    every(reading(10, labs=3), at_least(2, reading(10, below=True), NEVER, reading(5, below=True))),
]
POSSIBLE = [
    ALWAYS,
    some(ALWAYS, NEVER),
    at_least(1, ALWAYS, NEVER),
    reading(1, below=True),
    reading(2**63 - 1),
    every(reading(10, labs=2), reading(10, below=True)),
    every(reading(10, labs=3), reading(11, below=True)),
    every(read(of=["alpha"]), reading(10, below=True)),
    every(reading(20), reading(15, below=True, labs=2)),
    every(reading(10), neither(reading(11))),
    every(elapsed(1, 4), neither(elapsed(1, 5))),
    every(elapsed(1, 5), neither(elapsed(2, 4))),
    every(in_phase(pb.PHASE_OPEN), neither(in_phase(pb.PHASE_RAMPING))),
    every(reading(10), neither(reading(10, indicator="uplift"))),
]


@pytest.mark.parametrize("condition", IMPOSSIBLE, ids=range(len(IMPOSSIBLE)))
def test_knows_conditions_that_no_record_can_make_true(condition: Condition) -> None:
    assert can_be(TERMS, condition, T) is False


@pytest.mark.parametrize("condition", POSSIBLE, ids=range(len(POSSIBLE)))
def test_knows_conditions_that_some_record_makes_true(condition: Condition) -> None:
    assert can_be(TERMS, condition, T) is True


def _atoms(groups: int) -> st.SearchStrategy[Condition]:
    signs = st.sampled_from([pb.COMPARISON_AT_LEAST, pb.COMPARISON_BELOW])
    counts = st.sampled_from([{"labs": 1}, {"labs": groups}, {"all": True}, {"labs": 1, "of": ["alpha"]}])
    readings = st.builds(
        lambda threshold, sign, count, name: Condition(
            reading=Condition.Reading(indicator=name, comparison=sign, threshold=threshold, **count)
        ),
        st.integers(0, 3),
        signs,
        counts,
        st.sampled_from(["horizon", "uplift"]),
    )
    clocks = st.builds(elapsed, st.just(1), st.integers(1, 3))
    return st.one_of(readings, readings, clocks, st.sampled_from([ALWAYS, NEVER]))


def _conditions(groups: int) -> st.SearchStrategy[Condition]:
    tests = st.one_of(_atoms(groups), _atoms(groups).map(neither))

    def joined(parts: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
        several = st.lists(parts, min_size=1, max_size=3)
        return st.one_of(
            several.map(lambda of: every(*of)),
            several.map(lambda of: some(*of)),
            several.flatmap(lambda of: st.integers(1, len(of)).map(lambda k: at_least(k, *of))),
        )

    return st.recursive(tests, joined, max_leaves=5)


VALUES: list[tuple[int, ...]] = [(), (0,), (1,), (2,), (3,), (1, 3)]
"""What two sources say of a lab: nothing, one number, or numbers that may straddle a threshold."""


TWO = LABS[:2]
APART = {lab: lab for lab in TWO}
TOGETHER = dict.fromkeys(TWO, "one")


GROUPS = {"two groups": APART, "one group": TOGETHER}


@cache
def worlds(name: str) -> tuple[agreement_pb2.Agreement, list[Table]]:
    """Two labs, two indicators, a clock: the terms, and everything that the record can say."""
    groups = GROUPS[name]
    parties = [change(one, owner=groups.get(one.name, one.owner)) for one in TERMS.parties if one.name != LABS[2]]
    places = [(indicator, lab) for indicator in ("horizon", "uplift") for lab in TWO]
    found = [
        Table(found=dict(zip(places, chosen, strict=True)), age=age, names=TWO, groups=groups)
        for chosen in product(VALUES, repeat=len(places))
        for age in range(4)
    ]
    return terms(parties=parties), found


@pytest.mark.parametrize("name", GROUPS)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_agrees_with_every_small_world(name: str, data: st.DataObject) -> None:
    made, tables = worlds(name)
    condition = data.draw(_conditions(len(set(GROUPS[name].values()))))
    seen = {evaluated(condition, table) for table in tables}
    assert {value: can_be(made, condition, value) for value in Truth} == {value: value in seen for value in Truth}


def test_counts_labs_of_one_group_as_one() -> None:
    both = every(reading(10), reading(10, below=True))
    grouped = terms(parties=[change(one, owner="one" if one.name in LABS else one.owner) for one in TERMS.parties])
    assert can_be(TERMS, both, T) is True
    assert can_be(grouped, both, T) is False
    # One lab of the group at the threshold, another below: the group passes, but not all of its labs.
    assert can_be(grouped, every(reading(10), neither(read(all=True, labs=0))), T) is True


def test_does_not_decide_what_has_too_many_worlds() -> None:
    labs = [party(f"lab-{number}", agreement_pb2.ROLE_LAB) for number in range(100)]
    many = terms(parties=[*labs, *TERMS.parties[3:]])
    assert can_be(many, every(reading(10, labs=60), reading(10, below=True, labs=60)), T) is False
    spread = every(*(reading(threshold, labs=50) for threshold in range(1, 9)))
    assert can_be(many, spread, T) is None


def test_knows_which_conditions_can_hold_together() -> None:
    assert can_hold_together(TERMS, reading(10), reading(11, below=True)) is True
    assert can_hold_together(TERMS, reading(10, labs=3), reading(10, below=True)) is False


def test_knows_conditions_that_are_never_false() -> None:
    assert never_false(TERMS, reading(0))
    assert never_false(TERMS, some(reading(10), neither(reading(10))))
    assert not never_false(TERMS, reading(1))
    assert not never_false(TERMS, phase(PAUSE, pb.PHASE_OPEN))


def test_finds_the_labs_whose_silence_keeps_a_trigger_unknown() -> None:
    # Of horizon each lab and a verifier may report, and one report is enough; of uplift two, from three parties.
    assert undecidable_by_subject(TERMS, level("pause", PAUSE)) == ()
    mine = change(TERMS.indicators[0], reported_by=LABS)
    alone = terms(indicators=[mine, TERMS.indicators[1]])
    found = tuple(("horizon", lab) for lab in LABS)
    assert undecidable_by_subject(alone, level("pause", PAUSE)) == found
    silence = Condition(overdue=Condition.Overdue(indicator="horizon", labs=1, periods=9))
    spoken = level("pause", PAUSE, trigger=some(reading(10), silence))
    assert undecidable_by_subject(alone, spoken) == ()
