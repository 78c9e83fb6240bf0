"""What would move a level, read from a state alone: anyone who holds the state can say it (design section 5).

lifting        the tree of what is true and what is missing before a restriction ends
earliest_lift  the first period whose closing can end it, if everything that clocks do not forbid comes at once
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol import conditions, decisions
from protocol.decisions import Asked
from protocol.facts import StateFacts
from protocol.in_force import in_force
from protocol.levels import LIFTABLE
from protocol.recusal import recused
from protocol.state import Stage
from protocol.truth import Explained, Truth, all_of, counted
from protocol.truth import of as truth_of
from standstill.v1 import condition_pb2
from standstill.v1 import decision_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterable

    from protocol.agreement import Agreement
    from protocol.state import State

NEVER = None
"""No closing, however far away."""


def lifting(agreement: Agreement, state: State, rank: int) -> Explained:
    """What ends the restriction of a level: its resume condition, the vote, and both for long enough.

    Its value is what the next closing would find; UNKNOWN never lifts.
    """
    agreement = in_force(agreement, state)
    level, terms = state.levels[rank], agreement.levels[rank]
    resume = conditions.evaluate(terms.resume, StateFacts(agreement, state))
    asked = Asked(pb.MOTION_LIFT, rank, level.episode)
    vote = decisions.tally(agreement, state, asked, recused(agreement, state, asked)).explained(asked)
    long_enough = f"both hold for {counted(terms.steady_steps, 'closing')} in a row: {level.ready} so far"
    steady = Explained(truth_of(level.ready >= terms.steady_steps), long_enough)
    return Explained(all_of([resume.value, vote.value, steady.value]), "lift", (resume, vote, steady))


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
    if conditions.evaluate(condition, StateFacts(agreement, state)).value is Truth.TRUE:
        return 0
    if test == "elapsed":
        return max(condition.elapsed.periods - _run(state, condition.elapsed), 1)
    if test == "honored":
        # Periods honored before a restriction prove nothing about keeping it.
        return max(condition.honored.periods - state.levels[condition.honored.level].held, 1)
    return 1


def _run(state: State, elapsed: condition_pb2.Condition.Elapsed) -> int:
    """Closings that a clock has run for."""
    level = state.levels[elapsed.level]
    if elapsed.since == condition_pb2.SINCE_IN_FORCE:
        return level.age if level.stage is Stage.IN_FORCE else 0
    return level.held


def _nth(needed: int, parts: Iterable[int | None]) -> int | None:
    """The least number of closings after which so many parts can be true."""
    possible = sorted(part for part in parts if part is not NEVER)
    return possible[needed - 1] if 0 < needed <= len(possible) else NEVER
