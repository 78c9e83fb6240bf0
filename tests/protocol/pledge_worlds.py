"""Worlds of the pledge oracle, drawn at random and as the states that the product reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from hypothesis import strategies as st

from protocol import fold, wire
from protocol.agreement import Agreement
from protocol.pledge_problem import Problem, compile_problem
from protocol.state import Conduct, Membership, PartyState, PledgeState, Standing, State
from standstill.v1 import agreement_pb2, condition_pb2, pledge_pb2
from tests.builders import ALWAYS, NEVER, agreement, clause, keeps, level, party, reading, terms
from tests.protocol.pledge_oracle import World

NAMES = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu")
UNKNOWN = reading(1)
"""Nobody has reported anything."""
TOP = 2
Condition = condition_pb2.Condition


def weighs(rank: int, at_least: int, **weights: int) -> Condition:
    """Labs that keep a level weigh at least so much."""
    of = [Condition.Weight(lab=lab, weight=weight) for lab, weight in weights.items()]
    return Condition(weighs=Condition.Weighs(level=rank, of=of, at_least=at_least))


def all_of(*parts: Condition) -> Condition:
    """All of these."""
    return Condition(all=Condition.Several(of=parts))


def any_of(*parts: Condition) -> Condition:
    """Any of these."""
    return Condition(any=Condition.Several(of=parts))


def at_least(k: int, *parts: Condition) -> Condition:
    """At least k of these."""
    return Condition(at_least=Condition.AtLeast(k=k, of=parts))


def pledged(*clauses: pledge_pb2.PledgeClause) -> pledge_pb2.Pledge:
    """A pledge, which may be empty."""
    return pledge_pb2.Pledge(clauses=clauses)


@cache
def terms_of(owners: tuple[tuple[str, str], ...], top: int = TOP) -> Agreement:
    """Terms with these labs and control groups."""
    others = [one for one in terms().parties if agreement_pb2.ROLE_LAB not in one.roles]
    labs = [party(lab, agreement_pb2.ROLE_LAB, owner=owner) for lab, owner in owners]
    names = [lab for lab, _ in owners]
    levels = list(terms().levels) if top == TOP else [level("slowdown", 1)]
    majority = len({owner for _, owner in owners}) // 2 + 1
    council = agreement_pb2.Rule(name="council", yes=majority, voters=names, ballot_life_periods=6)
    reporters = [names[0], "vera"]
    indicators = [
        agreement_pb2.Indicator(name="horizon", unit="min", reported_by=reporters, reports=1, max_age_periods=6)
    ]
    founding = [*names, "vera"]
    return agreement(parties=[*labs, *others], rules=[council], indicators=indicators, founding=founding, levels=levels)


def state_of(world: World) -> tuple[Agreement, State]:
    """A state in which the world's labs are as it says, at P5."""
    found = terms_of(tuple(world.owners.items()), world.top)
    state = fold.initial(found)
    outside = dict.fromkeys(world.outside, PartyState(membership=Membership.OUT))
    inside = {name: PartyState(membership=Membership.IN) for name in found.parties}
    standing = {lab: Standing.OUT if lab in world.unreliable else Standing.RELIED for lab in world.labs}
    return found, replace(
        state,
        period=5,
        closings=6,
        parties=inside | outside,
        conduct={lab: Conduct(standing=standing[lab]) for lab in world.labs},
        pledges={lab: _pledge_state(world, lab) for lab in world.labs},
    )


def _pledge_state(world: World, lab: str) -> PledgeState:
    both = [wire.encode(pledge) for pledge in world.pledges.get(lab, [])] + [b"", b""]
    return PledgeState(current=both[0], older=both[1], kept=world.prev.get(lab, 0), floor=world.floor.get(lab, 0))


def problem_of(world: World) -> Problem:
    """The world as a problem."""
    return compile_problem(*state_of(world))


def plain(count: int, /, **stated: Sequence[pledge_pb2.PledgeClause]) -> World:
    """Labs that each own themselves, with these clauses."""
    owners = {lab: f"{lab} group" for lab in NAMES[:count]}
    return World(owners, TOP, {lab: [pledged(*clauses)] for lab, clauses in stated.items()})


def provisos(labs: Sequence[str], top: int = TOP, *, unknowns: bool = True) -> st.SearchStrategy[Condition]:
    """Conditions on what labs keep; one of the names is of no party."""
    names = st.lists(st.sampled_from([*labs, "nobody"]), min_size=1, max_size=len(labs), unique=True)
    several = st.builds(
        lambda rank, of, k: keeps(rank, *of, k=min(k, len(of))), st.integers(1, top), names, st.integers(1, 4)
    )
    weighed = st.builds(
        lambda rank, of, need: weighs(rank, min(need, sum(of.values())), **of),
        st.integers(1, top),
        st.dictionaries(st.sampled_from(labs), st.integers(1, 3), min_size=1),
        st.integers(1, 6),
    )
    fixed = [ALWAYS, NEVER] if unknowns else []
    leaves = st.one_of(several, weighed, *(st.just(one) for one in fixed))
    return st.recursive(leaves, _joined, max_leaves=4)


def _joined(parts: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    some = st.lists(parts, min_size=1, max_size=3)
    return st.one_of(
        some.map(lambda of: all_of(*of)),
        some.map(lambda of: any_of(*of)),
        st.builds(lambda of, k: at_least(min(k, len(of)), *of), some, st.integers(1, 3)),
    )


def pledges_of(labs: Sequence[str], top: int = TOP, *, unknowns: bool = True) -> st.SearchStrategy[pledge_pb2.Pledge]:
    """Pledges of at most one clause per level."""
    whens = st.sampled_from([None, None, NEVER, UNKNOWN] if unknowns else [None])
    parts = st.tuples(st.integers(1, top), whens, st.none() | provisos(labs, top, unknowns=unknowns))
    several = st.lists(parts, max_size=top, unique_by=lambda one: one[0])
    return several.map(lambda found: pledged(*(clause(*one) for one in found)))


@st.composite
def worlds(draw: st.DrawFn, count: int = 3, top: int = TOP, *, groups: bool = True, unknowns: bool = True) -> World:
    """Worlds of a few labs: some share an owner, some take no part, some lost standing."""
    labs = NAMES[:count]
    owners = {lab: draw(st.sampled_from([f"{lab} group", "twins"])) if groups else f"{lab} group" for lab in labs}
    some = st.frozensets(st.sampled_from(labs), max_size=1)
    both = st.lists(pledges_of(labs, top, unknowns=unknowns), min_size=1, max_size=2 if unknowns else 1)
    levels = st.integers(0, top)
    return World(
        owners=owners,
        top=top,
        pledges={lab: draw(both) for lab in labs},
        outside=draw(some),
        unreliable=draw(some),
        prev={lab: draw(levels) for lab in labs} if unknowns else {},
        floor={lab: draw(st.sampled_from([0, 0, 0, *range(1, top + 1)])) for lab in labs} if unknowns else {},
    )
