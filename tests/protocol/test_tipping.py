"""Tipping sets: all of them against enumeration, and brackets that hold."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.pledge_problem import compile_problem
from protocol.state import Stage
from protocol.tipping import MAX_LISTED, Goal, goal_of, tipping
from standstill.v1 import agreement_pb2, condition_pb2
from tests.builders import ALWAYS, NEVER, PAUSE, clause, keeps, level, phase, terms
from tests.protocol import pledge_oracle as oracle
from tests.protocol.pledge_oracle import World
from tests.protocol.pledge_worlds import NAMES, TOP, at_least, plain, pledged, problem_of, state_of, worlds

FEW: Final = 5


def enumerated(world: World, rank: int, entry: condition_pb2.Condition | None) -> list[frozenset[str]]:
    """Every set of labs that works and needs each of its labs, by trying all."""
    now = oracle.descend(world)
    candidates = [lab for lab in world.labs if lab not in world.outside and now[lab] < rank]
    found: list[frozenset[str]] = []
    for size in range(len(candidates) + 1):
        for some in combinations(candidates, size):
            labs = frozenset(some)
            if not any(one <= labs for one in found) and _works(world, labs, rank, entry):
                found.append(labs)
    return found


def _works(world: World, labs: frozenset[str], rank: int, entry: condition_pb2.Condition | None) -> bool:
    floor = {lab: max(world.floor.get(lab, 0), rank if lab in labs else 0) for lab in world.labs}
    raised = replace(world, floor=floor)
    kept = oracle.descend(raised)
    if entry is not None:
        return oracle.truth(entry, raised, kept) == oracle.TRUE
    return all(kept[lab] >= rank for lab in world.labs if lab not in world.outside)


def goal(world: World, rank: int, entry: condition_pb2.Condition | None) -> Goal:
    """The goal on the masks of a world."""
    if entry is None:
        return Goal(rank)
    return Goal(rank, problem_of(world).compiled(pledged(clause(rank, provided=entry)))[0].provided)


entries = st.none() | st.builds(
    lambda k, rank: keeps(rank, *NAMES[:FEW], k=k), st.integers(1, FEW), st.integers(1, TOP)
)


@settings(max_examples=60)
@given(worlds(FEW), st.integers(1, TOP), entries)
def test_lists_every_set_that_works_and_needs_each_of_its_labs(
    world: World, rank: int, entry: condition_pb2.Condition | None
) -> None:
    expected = enumerated(world, rank, entry)
    found = tipping(problem_of(world), goal(world, rank, entry))
    assert set(found.sets) == set(expected)
    assert [len(one) for one in found.sets] == sorted(len(one) for one in expected)
    assert found.listed_all
    sizes = [len(one) for one in expected]
    assert (found.least, found.most) == ((min(sizes), min(sizes)) if sizes else (None, None))


@settings(max_examples=60)
@given(worlds(FEW), st.integers(1, TOP), entries, st.integers(0, 40))
def test_brackets_hold_whatever_the_budget(
    world: World, rank: int, entry: condition_pb2.Condition | None, budget: int
) -> None:
    expected = enumerated(world, rank, entry)
    for exact_to in (0, FEW):
        found = tipping(problem_of(world), goal(world, rank, entry), exact_to, budget)
        if not expected:
            assert (found.least, found.most, found.sets) == (None, None, ())
            continue
        least = min(len(one) for one in expected)
        assert found.least is not None
        assert found.most is not None
        assert found.least <= least <= found.most
        assert set(found.sets) <= set(expected)
        assert not found.listed_all or set(found.sets) == set(expected)


@settings(max_examples=15)
@given(st.data())
def test_brackets_hold_among_twelve_labs(data: st.DataObject) -> None:
    labs = NAMES[:12]
    peers = st.lists(st.sampled_from(labs), min_size=2, max_size=6, unique=True)
    stated = {}
    for lab in labs:
        of = data.draw(peers)
        asked = keeps(1, *of, k=data.draw(st.integers(1, len(of))))
        stated[lab] = [pledged(clause(1, provided=asked))] if data.draw(st.booleans()) else []
    world = World({lab: f"{lab} group" for lab in labs}, 1, stated)
    entry = keeps(1, *labs, k=data.draw(st.integers(6, 12)))
    found = tipping(problem_of(world), goal(world, 1, entry), exact_to=0)
    (one,) = found.sets
    assert found.least == found.most == len(one)
    assert _works(world, one, 1, entry)
    exact = tipping(problem_of(world), goal(world, 1, entry))
    assert min(map(len, exact.sets)) == found.least
    for some in combinations(sorted(exact.candidates), max(len(one) - 1, 0)):
        assert len(one) == 0 or not _works(world, frozenset(some), 1, entry)


def test_counts_prove_the_size_where_everybody_is_alike() -> None:
    # Thirty of a hundred: no search could try all sets; counting says that 29 can never be enough.
    labs = [f"lab{number:03}" for number in range(100)]
    world = World({lab: f"{lab} group" for lab in labs}, 1, {})
    found = tipping(problem_of(world), goal(world, 1, keeps(1, *labs, k=30)), budget=1_000)
    assert (found.least, found.most) == (30, 30)
    assert len(found.candidates) == 100
    assert [len(one) for one in found.sets] == [30]
    assert not found.listed_all


def test_lists_no_more_than_there_is_room_for() -> None:
    labs = [f"lab{number}" for number in range(12)]
    world = World({lab: f"{lab} group" for lab in labs}, 1, {})
    found = tipping(problem_of(world), goal(world, 1, keeps(1, *labs, k=5)))
    assert len(found.sets) == MAX_LISTED
    assert (found.least, found.most, found.listed_all) == (5, 5, False)


def test_a_goal_that_is_met_needs_nobody() -> None:
    world = plain(2, alpha=[clause(1)])
    found = tipping(problem_of(world), goal(world, 1, keeps(1, "alpha")))
    assert (found.sets, found.least, found.most) == ((frozenset(),), 0, 0)


def test_a_goal_that_nobody_can_meet_has_no_set() -> None:
    world = replace(plain(2), unreliable=frozenset({"alpha"}))
    found = tipping(problem_of(world), goal(world, 1, keeps(1, "alpha")))
    assert (found.sets, found.least, found.most, found.listed_all) == ((), None, None, True)


def test_one_lab_can_bring_others_along() -> None:
    world = plain(
        3,
        beta=[clause(1, provided=keeps(1, "alpha"))],
        gamma=[clause(1, provided=at_least(1, keeps(1, "alpha"), keeps(1, "beta")))],
    )
    found = tipping(problem_of(world), Goal(1))
    assert found.sets == (frozenset({"alpha"}),)
    assert found.candidates == ("alpha", "beta", "gamma") if not oracle.descend(world)["beta"] else ("alpha",)


@pytest.mark.parametrize(("entry", "least"), [(None, 2), (keeps(PAUSE, "alpha", "beta", k=1), 1), (ALWAYS, 0)])
def test_reads_the_goal_in_the_terms(entry: condition_pb2.Condition | None, least: int) -> None:
    world = plain(2, alpha=[clause(PAUSE, when=phase(PAUSE, condition_pb2.PHASE_WINDING), provided=NEVER)])
    found, state = state_of(world)
    levels = [terms().levels[0], level("pause", PAUSE, entry=entry)]
    made = agreement_pb2.Agreement()
    made.CopyFrom(found.terms)
    del made.levels[:]
    made.levels.extend(levels)
    changed = type(found)(found.data, made)
    problem = compile_problem(changed, state, {PAUSE: Stage.WINDING})
    assert tipping(problem, goal_of(problem, PAUSE)).least == least


def test_a_problem_on_masks_has_no_terms_to_read() -> None:
    problem = replace(problem_of(plain(1)), source=None)
    with pytest.raises(ValueError, match="masks"):
        goal_of(problem, 1)
