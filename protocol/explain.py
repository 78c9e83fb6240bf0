"""Before when a level cannot be lifted, read from a state alone: anyone who holds the state can say it (annex 5.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol import conditions
from protocol.facts import StateFacts
from protocol.in_force import in_force
from protocol.levels import LIFTABLE
from protocol.truth import Truth

if TYPE_CHECKING:
    from collections.abc import Iterable

    from protocol.agreement import Agreement
    from protocol.state import State
    from standstill.v1 import condition_pb2

NEVER: Final = None
"""No closing, however far away."""


def earliest_lift(agreement: Agreement, state: State, rank: int) -> int | None:
    """The first period whose closing can lift a level, if every period is closed from now on.

    A lower bound by the clocks alone: reports, verdicts and votes may come with the next closing. None where the level
    is not restricted, or where it can never be lifted by vote and condition.
    """
    agreement = in_force(agreement, state)
    level, terms = state.levels[rank], agreement.levels[rank]
    if level.stage not in LIFTABLE or state.period is None:
        return NEVER
    missing = _closings_until(agreement, state, terms.resume)
    if missing is NEVER:
        return NEVER
    # Its first true step is the next closing at the soonest; steps that held already count on if it holds on.
    first = max(missing, 1)
    steps = terms.steady_steps - (level.ready if missing == 0 else 0)
    return state.period + first - 1 + max(steps, 1)


def _closings_until(agreement: Agreement, state: State, condition: condition_pb2.Condition) -> int | None:
    """Least number of further closings before a condition can be true; None if it never can."""
    test = str(condition.WhichOneof("test"))
    if test == "constant":
        return 0 if condition.constant.value else NEVER
    if test in {"all", "any", "at_least"}:
        several = getattr(condition, test)
        parts = [_closings_until(agreement, state, part) for part in several.of]
        needed = {"all": len(parts), "any": 1}.get(test) or several.k
        return _nth(needed, parts)
    facts = StateFacts(agreement, state)
    if conditions.value(condition, facts) is Truth.TRUE:
        return 0
    if test == "elapsed":
        return max(condition.elapsed.periods - facts.clock(condition.elapsed.level, condition.elapsed.since), 1)
    if test == "honored":
        return _until_settled(agreement, state, condition.honored)
    return 1


def _until_settled(agreement: Agreement, state: State, honored: condition_pb2.Condition.Honored) -> int:
    """Closings before so many periods of a restriction are settled: those before it prove nothing about keeping it."""
    start = state.levels[honored.level].start
    if start is None or state.period is None:
        return 1
    last = start + honored.periods - 1
    return max(last + agreement.terms.standing.settle_periods - state.period, 1)


def _nth(needed: int, parts: Iterable[int | None]) -> int | None:
    """The least number of closings after which so many parts can be true."""
    possible = sorted(part for part in parts if part is not NEVER)
    return possible[needed - 1] if 0 < needed <= len(possible) else NEVER
