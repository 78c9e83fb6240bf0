"""B10: who is bound and what it rests on, by number of labs, each pledging on terms of its own.

Four in five labs keep each of two levels provided that enough of 6 to 20 peers do, drawn with a fixed seed: most are
bound, many are pivotal, and tipping sets are looked for among the rest.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Final

from bench.measure import Aim, Measurement, Run, Target, middle
from protocol import fold, pledges
from protocol.agreement import Agreement
from protocol.pledge_analysis import core, pivotal, unmet_of_all
from protocol.pledge_problem import compile_problem
from protocol.state import Membership, PartyState, PledgeState
from protocol.tipping import Goal, tipping
from protocol.wire import encode
from standstill.v1 import agreement_pb2, condition_pb2, pledge_pb2

if TYPE_CHECKING:
    from collections.abc import Callable

    from protocol.pledge_problem import Problem
    from protocol.state import State

FEW: Final = 10
LABS: Final = (FEW, 30, 100)
MANY: Final = LABS[-1]
LEVELS: Final = (1, 2)

_SEED: Final = 2028
_PEERS: Final = (6, 20)
_REPEATS: Final = 5
_QUICK_REPEATS: Final = 1
_BUDGET: Final = 400
_QUICK_BUDGET: Final = 40
_WAITING: Final = 5
"""One lab in so many pledges nothing yet: whom tipping sets are looked for among."""


def solving(run: Run) -> list[Measurement]:
    """B10, and what is published beside it."""
    repeats, budget = run.size(_REPEATS, _QUICK_REPEATS), run.size(_BUDGET, _QUICK_BUDGET)
    worlds = {count: _world(count) for count in LABS}
    solve = _timed(run, repeats, {count: partial(pledges.solve, *at) for count, at in worlds.items()})
    reasons = _timed(run, repeats, {count: partial(_reasons, *at) for count, at in worlds.items()})
    problems = {count: compile_problem(*at) for count, at in worlds.items()}
    beside = _timed(run, repeats, {count: partial(_beside, at) for count, at in problems.items()})
    search = partial(tipping, goal=Goal(1), budget=budget)
    tips = _timed(run, 1, {count: partial(search, at) for count, at in problems.items()})
    return [
        Measurement(
            name="B10",
            what=f"who is bound, from the state: {MANY} labs against {FEW}, two levels",
            numerator=f"{middle(solve[MANY]):.2f} ms",
            denominator=f"{middle(solve[FEW]):.2f} ms",
            rounds=[many / few for many, few in zip(solve[MANY], solve[FEW], strict=True)],
            note=_by_count(solve),
        ),
        _line("B10a", "the same with everybody's reasons", reasons, None),
        _line("B10b", "core, pivotal labs, and what every other lab lacks", beside, Target(Aim.AT_MOST, 1_000)),
        _line("B10c", f"smallest tipping sets, solving at most {budget:,} times", tips, None),
    ]


def _reasons(agreement: Agreement, state: State) -> object:
    return pledges.solve(agreement, state).reasons


def _beside(problem: Problem) -> object:
    return core(problem), pivotal(problem), unmet_of_all(problem)


def _line(name: str, what: str, taken: dict[int, list[float]], target: Target | None) -> Measurement:
    return Measurement(
        name=name,
        what=f"{what}: {MANY} labs",
        numerator=f"{middle(taken[MANY]):.1f} ms",
        rounds=taken[MANY],
        target=target,
        unit="ms",
        note=_by_count(taken),
    )


def _by_count(taken: dict[int, list[float]]) -> str:
    return ", ".join(f"{count} labs {middle(times):.2f} ms" for count, times in taken.items())


def _timed(run: Run, repeats: int, works: dict[int, Callable[[], object]]) -> dict[int, list[float]]:
    """Milliseconds of each of these, in turns, as many times as the run has rounds; the least of a few repeats."""
    taken: dict[int, list[float]] = {count: [] for count in works}
    for _ in range(run.rounds):
        for count, work in works.items():
            taken[count].append(min(_milliseconds(work) for _ in range(repeats)))
    return taken


def _milliseconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


def _world(count: int) -> tuple[Agreement, State]:
    """Terms with so many labs, and a state in which they have pledged."""
    labs = [f"lab-{number:03}" for number in range(count)]
    terms = agreement_pb2.Agreement(
        parties=[agreement_pb2.Party(name=lab, owner=lab, roles=[agreement_pb2.ROLE_LAB]) for lab in labs],
        levels=[agreement_pb2.Level(name=f"level-{rank}", rank=rank) for rank in LEVELS],
    )
    agreement = Agreement(encode(terms), terms)
    random = Random(_SEED)  # noqa: S311 - the same pledges in every run
    stated = {lab: _pledge(random, lab, labs) for number, lab in enumerate(labs) if number % _WAITING}
    parties = dict.fromkeys(labs, PartyState(membership=Membership.IN))
    held = {lab: PledgeState(current=stated.get(lab, b"")) for lab in labs}
    return agreement, replace(fold.initial(agreement), period=0, closings=1, parties=parties, pledges=held)


def _pledge(random: Random, lab: str, labs: list[str]) -> bytes:
    """Provided that enough of some peers keep each level."""
    low, high = _PEERS
    others = [other for other in labs if other != lab]
    clauses = []
    for rank in LEVELS:
        peers = random.sample(others, min(random.randint(low, high), len(others)))
        keeps = condition_pb2.Condition.Keeps(level=rank, k=random.randint(1, len(peers) * 2 // 3), of=peers)
        clauses.append(pledge_pb2.PledgeClause(level=rank, provided=condition_pb2.Condition(keeps=keeps)))
    return encode(pledge_pb2.Pledge(clauses=clauses))
