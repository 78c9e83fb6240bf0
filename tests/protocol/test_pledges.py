"""Who is bound: the greatest fixed point, against brute force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import fold, pledges, wire
from protocol.facts import StateFacts
from protocol.state import Conduct, Membership, PartyState, PledgeState, Standing, State
from protocol.truth import Truth
from standstill.v1 import condition_pb2, pledge_pb2
from tests.builders import LABS, NEVER, agreement, clause, keeps, pledge, reading

TERMS = agreement()
UNKNOWN = reading(1)
TOP = 2
Profile = dict[str, int]

conditions = st.recursive(
    st.builds(
        lambda level, labs, k: keeps(level, *labs, k=min(k, len(labs))),
        st.integers(1, TOP),
        st.lists(st.sampled_from(LABS), min_size=1, max_size=3, unique=True),
        st.integers(1, 3),
    ),
    lambda parts: st.one_of(
        st.lists(parts, min_size=1, max_size=2).map(
            lambda of: condition_pb2.Condition(all=condition_pb2.Condition.Several(of=of))
        ),
        st.lists(parts, min_size=1, max_size=2).map(
            lambda of: condition_pb2.Condition(any=condition_pb2.Condition.Several(of=of))
        ),
    ),
    max_leaves=3,
)
whens = st.sampled_from([None, NEVER, UNKNOWN])
clauses = st.lists(
    st.tuples(st.integers(1, TOP), whens, st.none() | conditions), max_size=TOP, unique_by=lambda one: one[0]
)
several = st.fixed_dictionaries(
    {
        lab: st.builds(
            lambda parts, kept, floor: PledgeState(current=_data(*parts), kept=kept, floor=floor),
            clauses,
            st.integers(0, TOP),
            st.sampled_from([0, 0, 0, 1, 2]),
        )
        for lab in LABS
    }
)
standings = st.fixed_dictionaries({lab: st.sampled_from(Standing) for lab in LABS})


def _data(*parts: tuple[int, condition_pb2.Condition | None, condition_pb2.Condition | None]) -> bytes:
    return wire.encode(pledge_pb2.Pledge(clauses=[clause(*part) for part in parts]))


def _state(standing: Mapping[str, Standing] | None = None) -> State:
    state = fold.initial(TERMS)
    parties = {name: PartyState(membership=Membership.IN) for name in TERMS.parties}
    conduct = {lab: Conduct(standing=(standing or {}).get(lab, Standing.RELIED)) for lab in LABS}
    return replace(state, period=5, closings=6, parties=parties, conduct=conduct)


def _solve(
    held: Mapping[str, PledgeState],
    standing: Mapping[str, Standing] | None = None,
    parties: frozenset[str] = frozenset(LABS),
) -> pledges.Solution:
    state = _state(standing)
    return pledges.solve(held, TOP, lambda profile: StateFacts(TERMS, state, profile), parties)


def _g(held: Mapping[str, PledgeState], standing: Mapping[str, Standing], profile: Profile) -> Profile:
    """The map of annex 4.1, 6, written from its text."""
    facts = StateFacts(TERMS, _state(standing), profile)
    image = {}
    for lab, one in held.items():
        kept = [0, one.floor]
        for rank in range(1, TOP + 1):
            value = pledges.clause(one, rank, facts).value
            if value is Truth.TRUE or (value is Truth.UNKNOWN and one.kept >= rank):
                kept.append(rank)
        image[lab] = max(kept)
    return image


@given(several, standings)
def test_is_the_greatest_profile_that_supports_itself(
    held: dict[str, PledgeState], standing: dict[str, Standing]
) -> None:
    fixed = [
        profile
        for levels in product(range(TOP + 1), repeat=3)
        for profile in [dict(zip(LABS, levels, strict=True))]
        if _g(held, standing, profile) == profile
    ]
    found = _solve(held, standing)
    assert found.kept in fixed
    assert all(other[lab] <= found.kept[lab] for other in fixed for lab in LABS)
    assert found.rounds <= len(LABS) * TOP + 1


@given(several, standings)
def test_does_not_depend_on_the_order_of_labs(held: dict[str, PledgeState], standing: dict[str, Standing]) -> None:
    expected = _solve(held, standing).kept
    for order in permutations(LABS):
        assert _solve({lab: held[lab] for lab in order}, standing).kept == expected


@given(several, standings, st.sampled_from(LABS), clauses)
def test_only_grows_with_a_pledge_added(
    held: dict[str, PledgeState], standing: dict[str, Standing], lab: str, added: list[tuple[int, None, None]]
) -> None:
    before = _solve(held, standing).kept
    after = _solve(held | {lab: replace(held[lab], older=_data(*added))}, standing).kept
    assert all(after[one] >= before[one] for one in LABS)


@given(several, standings, st.sampled_from(LABS))
def test_only_grows_when_a_lab_is_relied_on_again(
    held: dict[str, PledgeState], standing: dict[str, Standing], lab: str
) -> None:
    before = _solve(held, standing | {lab: Standing.OUT}).kept
    after = _solve(held, standing | {lab: Standing.RELIED}).kept
    assert all(after[one] >= before[one] for one in LABS)


@given(several, standings)
def test_settles_in_one_step_with_frozen_inputs(held: dict[str, PledgeState], standing: dict[str, Standing]) -> None:
    once = _solve(held, standing).kept
    again = _solve({lab: replace(held[lab], kept=once[lab]) for lab in LABS}, standing).kept
    assert again == once


@given(several, standings)
def test_binds_nobody_by_a_false_clause_floors_apart(
    held: dict[str, PledgeState], standing: dict[str, Standing]
) -> None:
    found = _solve(held, standing).kept
    facts = StateFacts(TERMS, _state(standing), found)
    for lab, one in held.items():
        if found[lab] > one.floor:
            assert pledges.clause(one, found[lab], facts).value is not Truth.FALSE


@given(several)
def test_relies_on_an_accused_lab_still(held: dict[str, PledgeState]) -> None:
    accused = _solve(held, dict.fromkeys(LABS, Standing.ACCUSED)).kept
    assert accused == _solve(held).kept


def _pledged(**stated: pledge_pb2.Pledge) -> dict[str, PledgeState]:
    return {lab: PledgeState(current=wire.encode(stated[lab]) if lab in stated else b"") for lab in LABS}


def test_solves_levels_together() -> None:
    # A pledges level 2 only, B level 1 if A keeps 1 (annex 4.2): one level at a time would find nobody.
    held = _pledged(alpha=pledge(clause(2)), beta=pledge(clause(1, provided=keeps(1, "alpha"))))
    assert _solve(held).kept == {"alpha": 2, "beta": 1, "gamma": 0}


def test_binds_labs_that_wait_for_each_other() -> None:
    circle = {lab: pledge(clause(2, provided=keeps(2, LABS[(number + 1) % 3]))) for number, lab in enumerate(LABS)}
    assert _solve(_pledged(**circle)).kept == dict.fromkeys(LABS, 2)
    del circle["gamma"]
    assert _solve(_pledged(**circle)).kept == dict.fromkeys(LABS, 0)


def test_counts_nobody_who_takes_no_part() -> None:
    held = _pledged(**{lab: pledge(clause(1, provided=keeps(1, *LABS, k=2))) for lab in LABS})
    assert _solve(held).kept == dict.fromkeys(LABS, 1)
    assert _solve(held, parties=frozenset({"alpha", "beta"})).kept == {"alpha": 1, "beta": 1, "gamma": 0}
    assert _solve(held, parties=frozenset({"alpha"})).kept == dict.fromkeys(LABS, 0)


@pytest.mark.parametrize(("before", "after"), [(0, 0), (1, 1), (2, 1)])
def test_lets_an_unknown_neither_start_nor_end_a_duty(before: int, after: int) -> None:
    held = _pledged(alpha=pledge(clause(1, when=UNKNOWN)))
    held["alpha"] = replace(held["alpha"], kept=before)
    assert _solve(held).kept["alpha"] == after


def test_keeps_the_higher_of_two_pledges_that_run() -> None:
    new, old = pledge(clause(1)), pledge(clause(2))
    one = PledgeState(current=wire.encode(new), older=wire.encode(old))
    assert _solve(_pledged() | {"alpha": one}).kept["alpha"] == 2


def test_says_why() -> None:
    held = _pledged(alpha=pledge(clause(1, provided=keeps(1, "beta"))), beta=pledge(clause(1)))
    reasons = _solve(held).reasons
    assert [line.strip() for line in reasons["alpha"].lines()] == [
        "true    pledge for level 1",
        "true    always",
        "true    at least 1 of beta keeps level 1",
        "true    beta at level 1",
    ]
    assert reasons["gamma"].text == "no pledge"
    assert reasons["gamma"].value is Truth.FALSE
