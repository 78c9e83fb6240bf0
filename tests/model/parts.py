"""What lenses are made of: short terms, pledges, and what can be asked of a level."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from protocol import wire
from protocol.agreement import Agreement, read_agreement
from protocol.state import RESTRICTIVE, Stage, State
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import condition_pb2, decision_pb2, pledge_pb2
from tests.model.world import Act, Said
from tests.terms import LABS, restrictive, terms

CALL, LIFT, RENEW = decision_pb2.MOTION_CALL, decision_pb2.MOTION_LIFT, decision_pb2.MOTION_RENEW
RATIFY = decision_pb2.MOTION_RATIFY
LOW, HIGH = 100, 5_000
FIRST, SECOND = 1, 2
ALPHA, BETA, GAMMA = LABS
SCOUT: Final = "gridco"
"""Who reports the indicator, and votes where one voter decides."""


def alpha_reads(threshold: int, *, below: bool = False) -> condition_pb2.Condition:
    """A test of the indicator of alpha."""
    sign = condition_pb2.COMPARISON_BELOW if below else condition_pb2.COMPARISON_AT_LEAST
    test = condition_pb2.Condition.Reading(
        indicator="horizon", labs=1, comparison=sign, threshold=threshold, of=[ALPHA]
    )
    return condition_pb2.Condition(reading=test)


def short_text(levels: Sequence[pb.Level], verifiers: int = 1, *, life: int = 1, age: int = 2, **changes: Any) -> bytes:
    """Terms of three labs with one indicator, one council of two labs of three, and a rule of one voter."""
    rules = [
        pb.Rule(name="council", yes=2, voters=LABS, ballot_life_periods=life),
        pb.Rule(name="one", yes=1, voters=[SCOUT], ballot_life_periods=life),
    ]
    made = terms(verifiers)
    indicator = pb.Indicator(name="horizon", unit="minutes", reported_by=[SCOUT], reports=1, max_age_periods=age)
    usual = {"levels": levels, "rules": rules, "indicators": [indicator, made.indicators[1]]}
    return wire.encode(terms(verifiers, **(usual | changes)))


def short_terms(levels: Sequence[pb.Level], verifiers: int = 1, **changes: Any) -> Agreement:
    """The agreement of :func:`short_text`."""
    return read_agreement(short_text(levels, verifiers, **changes))


def stays(*said: Said) -> Callable[[Act], str | None]:
    """Names the courses of events in which nobody says anything, or only what holds an input where it is."""

    def name(act: Act) -> str | None:
        if act.dark or any(one not in said for one in act.said) or len(act.said) > 1:
            return None
        return str(act.said[0]) if act.said else "nobody says anything"

    return name


def promised(*clauses: pledge_pb2.PledgeClause) -> bytes:
    """A pledge, as its bytes."""
    return pledge_pb2.Pledge(clauses=clauses).SerializeToString(deterministic=True)


def clause(
    rank: int, provided: condition_pb2.Condition | None = None, when: condition_pb2.Condition | None = None
) -> pledge_pb2.PledgeClause:
    """A clause: to keep a level while it restricts, unless said otherwise."""
    return pledge_pb2.PledgeClause(level=rank, when=restrictive(rank) if when is None else when, provided=provided)


def next_motion(state: State, rank: int) -> tuple[Any, int, int]:
    """What can be asked of a level: to call it, or to lift it."""
    found = state.levels[rank]
    restricts = found.stage in RESTRICTIVE
    return (LIFT, rank, found.episode) if restricts else (CALL, rank, found.episode + 1)


def reachable(*ranks: int) -> tuple[tuple[int, Stage], ...]:
    """Phases of these levels that must be within reach of every state."""
    return tuple((rank, stage) for rank in ranks for stage in (Stage.OPEN, Stage.IN_FORCE))
