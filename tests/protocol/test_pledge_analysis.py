"""What is published beside who is bound, against the definitions by brute force."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.pledge_analysis import (
    Breaches,
    Joins,
    Leaves,
    Released,
    Round,
    Signs,
    cascade,
    core,
    hollow,
    pivotal,
    unmet_of_all,
    what_if,
)
from protocol.pledge_problem import Problem
from protocol.pledge_unmet import Unmet, unmet
from protocol.pledges import Profile, greatest, named
from protocol.truth import Truth
from standstill.v1 import condition_pb2, pledge_pb2
from tests.builders import ALWAYS, LABS, NEVER, clause, keeps
from tests.protocol import pledge_oracle as oracle
from tests.protocol.pledge_oracle import World
from tests.protocol.pledge_worlds import (
    TOP,
    UNKNOWN,
    all_of,
    any_of,
    plain,
    pledged,
    pledges_of,
    problem_of,
    weighs,
    worlds,
)


def bound(problem: Problem, world: World) -> Profile:
    """Who is bound, of the labs of a world."""
    kept = named(problem, greatest(problem)[0])
    return {lab: kept[lab] for lab in world.labs}


def gone(world: World, lab: str) -> World:
    """A world in which a lab keeps nothing and is not relied on (annex 4.5)."""
    return replace(
        world,
        pledges={**world.pledges, lab: []},
        floor={**world.floor, lab: 0},
        unreliable=world.unreliable | {lab},
    )


@given(worlds())
def test_the_core_is_bound(world: World) -> None:
    problem = problem_of(world)
    kept, sure = bound(problem, world), core(problem)
    assert all(sure[lab] <= kept[lab] for lab in world.labs)


@given(worlds())
def test_pivotal_is_whose_absence_lowers_somebody_else(world: World) -> None:
    problem = problem_of(world)
    now = bound(problem, world)
    expected = {}
    for lab in world.labs:
        then = oracle.greatest(gone(world, lab))
        lowered = frozenset(other for other in world.labs if other != lab and then[other] < now[other])
        if lowered and now[lab]:
            expected[lab] = lowered
    assert pivotal(problem) == expected


@given(worlds(), st.sampled_from(LABS))
def test_a_cascade_ends_where_the_leaver_leaves_off(world: World, lab: str) -> None:
    problem = problem_of(world)
    kept = bound(problem, world)
    for number, one in enumerate(cascade(problem, [lab]), start=1):
        assert one.number == number
        for released in one.released:
            assert kept[released.lab] == released.before > released.after
            kept[released.lab] = released.after
    assert kept == oracle.greatest(gone(world, lab))


def test_a_cascade_says_what_each_clause_lacks() -> None:
    world = plain(
        3,
        alpha=[clause(1, provided=keeps(1, "beta", "gamma", k=1))],
        beta=[clause(1, provided=keeps(1, "gamma"))],
        gamma=[clause(1)],
    )
    rounds = cascade(problem_of(world), ["gamma"])
    assert [[one.lab for one in each.released] for each in rounds] == [["gamma"], ["beta"], ["alpha"]]
    gamma, beta, alpha = (each.released[0].lacks for each in rounds)
    assert gamma is None
    assert beta is not None
    assert beta.text() == "gamma keeps level 1"
    assert alpha is not None
    assert [atom.labs for atom in alpha.atoms] == [("beta",)]
    assert cascade(problem_of(world), ["alpha"]) == (Round(1, (Released("alpha", 1, 0, None),)),)


@settings(max_examples=200)
@given(worlds(), st.sampled_from(LABS), st.integers(1, TOP))
def test_the_smallest_unmet_clause_is_the_fewest_tests(world: World, lab: str, level: int) -> None:
    if lab in world.outside:
        world = replace(world, outside=frozenset())
    problem = problem_of(world)
    kept, _ = greatest(problem)
    found = unmet(problem, lab, level, kept)
    raised = named(problem, kept)
    raised[lab] = max(raised[lab], level)
    clauses = [one for stated in world.pledges[lab] for one in stated.clauses if one.level >= level]
    costs = [cost for one in clauses for cost in [oracle.fewest_flips(one, world, raised)] if cost is not None]
    assert found.possible is bool(costs)
    if costs and found.exact:
        assert found.cost == min(costs)
    elif costs:
        assert found.cost >= min(costs)


@given(worlds())
def test_everyone_left_out_has_a_reason(world: World) -> None:
    problem = problem_of(world)
    kept = bound(problem, world)
    found = unmet_of_all(problem)
    assert set(found) == {lab for lab in world.labs if lab not in world.outside and kept[lab] < TOP}
    for lab, one in found.items():
        assert not one.possible or one.cost >= 1, (lab, one)


@pytest.mark.parametrize(
    ("provided", "cost", "text", "exact"),
    [
        (keeps(1, "beta"), 1, "beta keeps level 1", True),
        (keeps(1, "beta", "gamma", "delta", k=2), 2, "beta keeps level 1 and gamma keeps level 1", True),
        (keeps(1, "beta", "gamma", k=1), 1, "beta and gamma keep level 1", True),
        (any_of(keeps(1, "beta", "delta"), keeps(2, "gamma")), 1, "gamma keeps level 2", True),
        (all_of(keeps(1, "beta"), keeps(2, "beta")), 2, "beta keeps level 1 and beta keeps level 2", False),
        (weighs(1, 4, beta=1, gamma=1, delta=3), 2, "delta keeps level 1 and beta and gamma keep level 1", True),
        (keeps(1, "nobody"), 1, "nobody keeps level 1", True),
        (any_of(NEVER, all_of(NEVER, ALWAYS)), -1, "no clause that could hold at level 1", True),
    ],
    ids=["one", "k of three", "one group", "cheapest of two", "twice", "weights", "no party", "never"],
)
def test_unmet_clauses_by_hand(provided: condition_pb2.Condition, cost: int, text: str, exact: bool) -> None:
    world = plain(4, alpha=[clause(1, provided=provided)])
    if "beta and gamma" in text:
        world = replace(world, owners={**world.owners, "gamma": "beta group"})
    problem = problem_of(world)
    found = unmet(problem, "alpha", 1, greatest(problem)[0])
    assert (found.cost, found.text(), found.exact) == (cost, text, exact)


def test_an_unmet_clause_names_evidence_that_is_missing() -> None:
    problem = problem_of(plain(1, alpha=[clause(1, when=UNKNOWN)]))
    (atom,) = unmet(problem, "alpha", 1, greatest(problem)[0]).atoms
    assert (atom.labs, atom.value) == ((), Truth.UNKNOWN)
    assert "horizon" in atom.text


def test_nothing_makes_an_absent_or_past_clause_hold() -> None:
    past = clause(1)
    past.until_period = 7
    problem = problem_of(plain(2, alpha=[past]))
    for lab in ("alpha", "beta"):
        assert unmet(problem, lab, 1, greatest(problem)[0]) == Unmet(lab, 1, (), possible=False, exact=True)
    past.until_period = 8
    later = problem_of(plain(1, alpha=[past]))
    assert unmet(later, "alpha", 1, [0]).cost == 0


@given(worlds(), st.sampled_from(LABS))
def test_what_if_a_lab_leaves(world: World, lab: str) -> None:
    found = what_if(problem_of(world), Leaves(lab))
    left = replace(world, outside=world.outside | {lab}, floor={**world.floor, lab: 0})
    assert {one: found.before[one] for one in world.labs} == oracle.greatest(world)
    assert {one: found.after[one] for one in world.labs} == oracle.greatest(left)


@given(worlds(groups=False), st.sampled_from(LABS))
def test_rounds_lead_from_before_to_after(world: World, lab: str) -> None:
    found = what_if(problem_of(world), Leaves(lab))
    kept = dict(found.before)
    for one in found.rounds:
        for released in one.released:
            kept[released.lab] = released.after
    assert kept == found.after


@given(worlds(), st.sampled_from(LABS), pledges_of(LABS))
def test_what_if_a_lab_signs(world: World, lab: str, pledge: pledge_pb2.Pledge) -> None:
    found = what_if(problem_of(world), Signs(lab, pledge))
    signed = replace(world, pledges={**world.pledges, lab: [pledge]})
    assert {one: found.after[one] for one in world.labs} == oracle.greatest(signed)


@given(worlds(), st.sampled_from(LABS))
def test_what_if_a_lab_is_found_in_breach(world: World, lab: str) -> None:
    found = what_if(problem_of(world), Breaches(lab))
    floor = max(world.floor[lab], found.before[lab])
    lost = replace(world, unreliable=world.unreliable | {lab}, floor={**world.floor, lab: floor})
    assert {one: found.after[one] for one in world.labs} == oracle.greatest(lost)
    assert found.after[lab] >= found.before[lab]


@given(worlds(), pledges_of((*LABS, "nobody")), st.sampled_from(["", "alpha group", "twins"]))
def test_what_if_a_lab_joins(world: World, pledge: pledge_pb2.Pledge, owner: str) -> None:
    for newcomer in ("nobody", "somebody"):
        found = what_if(problem_of(world), Joins(newcomer, pledge, owner))
        grown = replace(
            world,
            owners={**world.owners, newcomer: owner or f"{newcomer} group"},
            pledges={**world.pledges, newcomer: [pledge]},
        )
        assert {one: found.after[one] for one in grown.labs} == oracle.descend(grown)


def test_a_newcomer_may_belong_to_a_group() -> None:
    world = plain(2, alpha=[clause(1)], beta=[clause(1, provided=keeps(1, "alpha", "gamma", k=2))])
    joins = pledged(clause(1))
    assert what_if(problem_of(world), Joins("gamma", joins)).after["beta"] == 1
    assert what_if(problem_of(world), Joins("gamma", joins, owner="alpha group")).after["beta"] == 0


def test_what_if_refuses_a_lab_that_is_nowhere() -> None:
    with pytest.raises(KeyError):
        what_if(problem_of(plain(1)), Leaves("nobody"))


def test_says_which_pledges_are_hollow() -> None:
    others = {lab: [clause(1)] for lab in ("beta", "gamma", "delta")}
    cases = {
        "only if all 3 other control groups keep it": clause(1, provided=keeps(1, "beta", "gamma", "delta")),
        "`when` can never be true": clause(1, when=all_of(UNKNOWN, NEVER)),
        "`provided` is not true even if all others keep the highest level": clause(1, provided=NEVER),
        "": clause(1, when=any_of(UNKNOWN, NEVER), provided=keeps(1, "beta", "gamma", "delta", k=2)),
    }
    for why, stated in cases.items():
        found = hollow(problem_of(plain(4, alpha=[stated], **others)))
        assert found == ((("alpha", 1, why),) if why else ())
    # One other lab is whom one makes a deal with.
    assert hollow(problem_of(plain(2, alpha=[clause(1, provided=keeps(1, "beta"))]))) == ()
    # A clause that waits for a lab that is no party yet is no empty promise.
    assert hollow(problem_of(plain(4, alpha=[clause(1, provided=keeps(1, "nobody"))]))) == ()
