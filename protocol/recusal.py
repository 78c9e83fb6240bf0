"""Who has no vote in a decision because it is about them (annex 4.4 and 5.3, 2; `Rule.recuse_subject`).

Recusal removes voters and never lowers the bar.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol import conditions
from protocol.decisions import rule_of
from protocol.facts import StateFacts
from protocol.lab_status import TAKING_PART
from protocol.state import Standing
from protocol.truth import Truth
from standstill.v1 import condition_pb2
from standstill.v1 import decision_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from protocol.agreement import Agreement
    from protocol.decisions import Asked
    from protocol.state import State

OF_LAB_READINGS: Final = ("reading", "trend", "overdue")
"""Tests that count labs, each by what is reported of it."""

_ABOUT_A_LEVEL: Final = frozenset({pb.MOTION_CALL, pb.MOTION_RATIFY, pb.MOTION_RENEW, pb.MOTION_LIFT})


def recused(agreement: Agreement, state: State, asked: Asked) -> frozenset[str]:
    """Control groups that have no vote in what is asked.

    A group never votes on holding or releasing its own lab. Where the rule says so, it votes neither on an exemption of
    its own, nor on calling, ratifying, renewing or lifting a level while one of its labs is accused or out, or meets a
    test of the level's trigger.
    """
    if asked.motion in {pb.MOTION_HOLD, pb.MOTION_RELEASE}:
        return frozenset({agreement.owner(asked.about)})
    rule = rule_of(agreement, asked)
    if rule is None or not rule.recuse_subject:
        return frozenset()
    if asked.motion == pb.MOTION_EXEMPT:
        return frozenset({agreement.owner(asked.about)})
    if asked.motion not in _ABOUT_A_LEVEL:
        return frozenset()
    labs = {lab for lab in agreement.labs if state.conduct[lab].standing is not Standing.RELIED}
    labs |= set(_triggering(agreement, state, agreement.levels[asked.level].trigger))
    # The silence of a lab that has left accuses nobody who stays.
    return frozenset(agreement.owner(lab) for lab in labs if state.parties[lab].membership in TAKING_PART)


def _triggering(agreement: Agreement, state: State, trigger: condition_pb2.Condition) -> Iterator[str]:
    """Labs that alone meet one of the trigger's tests of labs."""
    facts = StateFacts(agreement, state)
    for test in _tests(trigger):
        kind = str(test.WhichOneof("test"))
        for lab in getattr(test, kind).of or agreement.labs:
            alone = condition_pb2.Condition()
            alone.CopyFrom(test)
            of_lab = getattr(alone, kind)
            del of_lab.of[:]
            of_lab.of.append(lab)
            of_lab.labs, of_lab.all = 1, False
            if conditions.evaluate(alone, facts).value is Truth.TRUE:
                yield lab


def _tests(condition: condition_pb2.Condition) -> Iterator[condition_pb2.Condition]:
    """The tests of labs in a condition, wherever they stand."""
    kind = condition.WhichOneof("test")
    if kind in OF_LAB_READINGS:
        yield condition
    elif kind == "negation":
        yield from _tests(condition.negation)
    elif kind in {"all", "any", "at_least"}:
        for part in getattr(condition, str(kind)).of:
            yield from _tests(part)
