"""Who is bound: the greatest fixed point, against brute force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise, permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import pledges, wire
from protocol.facts import StateFacts
from protocol.pledges import Profile, certificate, greatest, least, named
from protocol.state import Conduct, PledgeState, Stage, Standing
from protocol.truth import Truth
from standstill.v1 import condition_pb2, pledge_pb2
from tests.builders import ALWAYS, LABS, NEVER, PAUSE, clause, keeps, phase, pledge
from tests.protocol import pledge_oracle as oracle
from tests.protocol.pledge_oracle import World
from tests.protocol.pledge_worlds import (
    TOP,
    UNKNOWN,
    all_of,
    any_of,
    at_least,
    plain,
    pledged,
    pledges_of,
    problem_of,
    state_of,
    weighs,
    worlds,
)


def _kept(world: World) -> Profile:
    return pledges.solve(*state_of(world)).kept


def _not_above(lower: Mapping[str, int], upper: Mapping[str, int]) -> bool:
    return all(lower[lab] <= upper[lab] for lab in lower)


@given(worlds())
def test_is_the_greatest_profile_that_supports_itself(world: World) -> None:
    found = pledges.solve(*state_of(world))
    assert found.kept == oracle.greatest(world)
    assert found.rounds <= len(LABS) * TOP + 1


@settings(max_examples=15)
@given(worlds(4))
def test_is_greatest_among_four_labs(world: World) -> None:
    assert _kept(world) == oracle.greatest(world)


@given(worlds())
def test_the_core_is_the_least_profile_that_supports_itself(world: World) -> None:
    problem = problem_of(world)
    core = named(problem, least(problem))
    assert {lab: core[lab] for lab in world.labs} == oracle.least(world)


SHAPES = (
    None,
    ALWAYS,
    NEVER,
    keeps(1, "alpha"),
    keeps(1, "beta"),
    keeps(2, "alpha"),
    keeps(2, "beta"),
    keeps(1, "alpha", "beta", k=1),
    keeps(2, "alpha", "beta"),
    weighs(1, 3, alpha=1, beta=2),
    any_of(keeps(2, "alpha"), keeps(1, "beta")),
    all_of(keeps(1, "alpha"), keeps(2, "beta")),
)


@pytest.mark.parametrize("owner", ["beta group", "alpha group"])
def test_every_pair_of_clause_shapes_between_two_labs(owner: str) -> None:
    shaped = [(lower, upper) for lower in SHAPES for upper in SHAPES[::6]]
    owners = {"alpha": "alpha group", "beta": owner}
    for one, other in product(shaped, shaped):
        stated = {
            lab: [pledged(clause(1, provided=lower), clause(2, provided=upper))]
            for lab, (lower, upper) in zip(owners, (one, other), strict=True)
        }
        world = World(owners, TOP, stated)
        problem = problem_of(world)
        assert named(problem, greatest(problem)[0]) == oracle.descend(world), (one, other)


@given(worlds())
def test_does_not_depend_on_the_order_of_labs(world: World) -> None:
    expected = _kept(world)
    for order in permutations(world.labs):
        turned = replace(world, owners={lab: world.owners[lab] for lab in order})
        assert _kept(turned) == expected


@given(worlds(), st.sampled_from(LABS), st.data())
def test_only_grows_with_a_pledge_added(world: World, lab: str, data: st.DataObject) -> None:
    one = replace(world, pledges=world.pledges | {lab: world.pledges[lab][:1]})
    added = data.draw(pledges_of(LABS))
    two = replace(world, pledges=world.pledges | {lab: [*one.pledges[lab], added]})
    assert _not_above(_kept(one), _kept(two))


@given(worlds(), st.sampled_from(LABS))
def test_only_grows_when_a_clause_asks_for_less(world: World, lab: str) -> None:
    weaker = pledge_pb2.Pledge()
    weaker.CopyFrom(world.pledges[lab][0])
    for one in weaker.clauses:
        one.ClearField("provided")
    relaxed = replace(world, pledges=world.pledges | {lab: [weaker, *world.pledges[lab][1:]]})
    assert _not_above(_kept(world), _kept(relaxed))


@given(worlds(), st.sampled_from(LABS))
def test_only_grows_when_a_lab_is_relied_on_again(world: World, lab: str) -> None:
    lost, returned = frozenset({lab}), frozenset[str]()
    assert _not_above(_kept(replace(world, unreliable=lost)), _kept(replace(world, unreliable=returned)))


@given(worlds())
def test_settles_in_one_step_with_frozen_inputs(world: World) -> None:
    once = _kept(world)
    assert _kept(replace(world, prev=once)) == once


@given(worlds())
def test_nobody_is_bound_by_a_clause_that_is_false_floors_apart(world: World) -> None:
    found = _kept(world)
    for lab in world.labs:
        if found[lab] > world.floor[lab]:
            held = [one for stated in world.pledges[lab] for one in stated.clauses if one.level == found[lab]]
            assert any(oracle.clause_value(one, world, found) != oracle.FALSE for one in held)


@settings(max_examples=30)
@given(worlds())
def test_no_profile_that_supports_itself_is_above(world: World) -> None:
    problem = problem_of(world)
    found, _ = greatest(problem)
    for profile in oracle.profiles(world):
        kept = [profile.get(lab, 0) for lab in problem.labs]
        supports = _not_above(profile, oracle.image(world, profile))
        assert certificate(problem, kept) is supports
        assert not supports or all(level <= most for level, most in zip(kept, found, strict=True))


def test_looks_again_only_where_something_changed() -> None:
    # A chain of a hundred: each waits for the next, the last promises nothing, so all are released one by one.
    count = 100
    owners = {f"lab{number:03}": f"group {number}" for number in range(count)}
    labs = list(owners)
    stated = {lab: [pledged(clause(1, provided=keeps(1, other)))] for lab, other in pairwise(labs)}
    problem = problem_of(World(owners, 1, stated))
    looked: list[int] = []

    class Counting(type(problem)):  # type: ignore[misc]
        def image(self, lab: int, *args: object, **kwargs: object) -> int:
            looked.append(lab)
            return super().image(lab, *args, **kwargs)  # type: ignore[no-any-return]

    found, rounds = greatest(Counting(**{name: getattr(problem, name) for name in problem.__dataclass_fields__}))
    assert found == [0] * count
    assert len(rounds) == count
    assert len(looked) <= 2 * count


def test_an_accused_lab_is_still_relied_on() -> None:
    world = plain(2, alpha=[clause(1, provided=keeps(1, "beta"))], beta=[clause(1)])
    terms, state = state_of(world)
    for standing, expected in ((Standing.ACCUSED, 1), (Standing.OUT, 0)):
        accused = replace(state, conduct={**state.conduct, "beta": Conduct(standing=standing)})
        assert pledges.solve(terms, accused).kept == {"alpha": expected, "beta": 1}


def test_solves_levels_together() -> None:
    # A pledges level 2 only, B level 1 if A keeps 1 (annex 4.2): one level at a time would find nobody.
    world = plain(3, alpha=[clause(2)], beta=[clause(1, provided=keeps(1, "alpha"))])
    assert _kept(world) == {"alpha": 2, "beta": 1, "gamma": 0}


def test_binds_labs_that_wait_for_each_other() -> None:
    circle = {lab: [clause(2, provided=keeps(2, LABS[(number + 1) % 3]))] for number, lab in enumerate(LABS)}
    assert _kept(plain(3, **circle)) == dict.fromkeys(LABS, 2)
    del circle["gamma"]
    assert _kept(plain(3, **circle)) == dict.fromkeys(LABS, 0)


def test_counts_nobody_who_takes_no_part() -> None:
    world = plain(3, **{lab: [clause(1, provided=keeps(1, *LABS, k=2))] for lab in LABS})
    assert _kept(world) == dict.fromkeys(LABS, 1)
    assert _kept(replace(world, outside=frozenset({"gamma"}))) == {"alpha": 1, "beta": 1, "gamma": 0}
    assert _kept(replace(world, outside=frozenset({"beta", "gamma"}))) == dict.fromkeys(LABS, 0)


def test_two_labs_of_one_group_are_one_of_two() -> None:
    world = plain(
        4,
        alpha=[clause(1)],
        beta=[clause(1)],
        gamma=[clause(1)],
        delta=[clause(1, provided=keeps(1, "alpha", "beta", "gamma", k=3))],
    )
    assert _kept(world)["delta"] == 1
    twins = world.owners | {"beta": "alpha group"}
    assert _kept(replace(world, owners=twins))["delta"] == 0


def test_a_group_keeps_the_least_of_what_its_labs_keep() -> None:
    world = plain(3, alpha=[clause(1)], beta=[], gamma=[clause(1, provided=keeps(1, "alpha"))])
    assert _kept(world)["gamma"] == 1
    twins = replace(world, owners=world.owners | {"beta": "alpha group"})
    assert _kept(twins)["gamma"] == 0
    # A sister that has left the agreement holds nobody back.
    assert _kept(replace(twins, outside=frozenset({"beta"})))["gamma"] == 1


def test_weights_sum_over_groups_that_keep_the_level() -> None:
    world = plain(3, alpha=[clause(1)], gamma=[clause(1, provided=weighs(1, 3, alpha=3, beta=2))])
    assert _kept(world)["gamma"] == 1
    heavier = plain(3, alpha=[clause(1)], gamma=[clause(1, provided=weighs(1, 4, alpha=3, beta=2))])
    assert _kept(heavier)["gamma"] == 0


def test_a_lab_that_is_no_party_keeps_nothing() -> None:
    asked = keeps(1, "alpha", "nobody", k=2)
    world = plain(2, alpha=[clause(1)], beta=[clause(1, provided=asked)])
    assert _kept(world) == {"alpha": 1, "beta": 0}
    either = plain(2, alpha=[clause(1)], beta=[clause(1, provided=keeps(1, "alpha", "nobody", k=1))])
    assert _kept(either) == {"alpha": 1, "beta": 1}


@pytest.mark.parametrize(("before", "after"), [(0, 0), (1, 1), (2, 1)])
def test_lets_an_unknown_neither_start_nor_end_a_duty(before: int, after: int) -> None:
    world = replace(plain(1, alpha=[clause(1, when=UNKNOWN)]), prev={"alpha": before})
    assert _kept(world)["alpha"] == after


def test_an_unknown_part_of_provided_counts_as_unknown() -> None:
    some = plain(1, alpha=[clause(1, when=at_least(1, NEVER, UNKNOWN))])
    assert _kept(some)["alpha"] == 0
    assert _kept(replace(some, prev={"alpha": 1}))["alpha"] == 1


def test_keeps_the_higher_of_two_pledges_that_run() -> None:
    world = World({"alpha": "alpha group"}, TOP, {"alpha": [pledged(clause(1)), pledged(clause(2))]})
    assert _kept(world)["alpha"] == 2


@pytest.mark.parametrize(("until", "kept"), [(6, 0), (7, 0), (8, 1)])
def test_a_clause_ends_with_its_period(until: int, kept: int) -> None:
    # The state closed P5 and governs P7 (annex 1.7): a clause until P7 does not hold in P7.
    ending = clause(1)
    ending.until_period = until
    assert _kept(replace(plain(1, alpha=[ending]), prev={"alpha": 1}))["alpha"] == kept
    terms, state = state_of(plain(1, alpha=[ending]))
    reason = pledges.solve(terms, state).reasons["alpha"]
    assert reason.value is (Truth.TRUE if kept else Truth.FALSE)
    assert reason.because[-1].text.startswith(f"until P{until}")


def test_reads_stages_that_are_assumed() -> None:
    world = plain(1, alpha=[clause(2, when=phase(PAUSE, condition_pb2.PHASE_WINDING))])
    assert pledges.solve(*state_of(world)).kept == {"alpha": 0}
    assert pledges.solve(*state_of(world), {PAUSE: Stage.WINDING}).kept == {"alpha": 2}


def test_keeps_what_a_replaced_pledge_alone_would_bind_to() -> None:
    def by_older(old: pledge_pb2.Pledge, *, kept: int, beta: int) -> int:
        terms, state = state_of(plain(2, beta=[clause(1)]))
        ran = PledgeState(current=wire.encode(pledge(clause(2))), older=wire.encode(old), kept=kept)
        others = replace(state.pledges["beta"], kept=beta)
        return pledges.kept_by_older(terms, replace(state, pledges={"alpha": ran, "beta": others}), "alpha")

    on_beta = pledge(clause(1, provided=keeps(1, "beta")))
    assert by_older(on_beta, kept=2, beta=1) == 1
    assert by_older(on_beta, kept=2, beta=0) == 0
    assert by_older(on_beta, kept=0, beta=1) == 0
    assert by_older(pledge(clause(2)), kept=1, beta=0) == 0
    assert by_older(pledge(clause(1, when=UNKNOWN)), kept=1, beta=0) == 1
    terms, state = state_of(plain(2, beta=[clause(1)]))
    assert pledges.kept_by_older(terms, state, "beta") == 0


def test_says_why() -> None:
    world = plain(3, alpha=[clause(1, provided=keeps(1, "beta"))], beta=[clause(1)])
    terms, state = state_of(world)
    state = replace(state, pledges={**state.pledges, "gamma": PledgeState()})
    reasons = pledges.solve(terms, state).reasons
    assert [line.strip() for line in reasons["alpha"].lines()] == [
        "true    pledge for level 1",
        "true    always",
        "true    at least 1 of beta keeps level 1",
        "true    beta at level 1",
    ]
    assert reasons["gamma"].text == "no pledge"
    assert reasons["gamma"].value is Truth.FALSE


@given(worlds())
def test_a_reason_has_the_value_that_the_solution_rests_on(world: World) -> None:
    terms, state = state_of(world)
    found = pledges.solve(terms, state)
    for lab, kept in found.kept.items():
        stated = [one.level for pledge in world.pledges[lab] for one in pledge.clauses]
        rank = kept or min(stated, default=1)
        clauses = [one for pledge in world.pledges[lab] for one in pledge.clauses if one.level == rank]
        values = [oracle.clause_value(one, world, found.kept) for one in clauses]
        assert found.reasons[lab].value == max(values, default=oracle.FALSE)


def test_facts_of_a_solution_are_those_of_its_profile() -> None:
    terms, state = state_of(plain(2, alpha=[clause(1)]))
    facts: StateFacts = pledges.solve(terms, state).facts
    assert facts.keeps("alpha", 1)
    assert not facts.keeps("beta", 1)
