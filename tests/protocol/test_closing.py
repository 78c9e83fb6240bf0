"""Closings: what follows a state, and what does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from protocol import fold, wire
from protocol.closing import Record, next_closing, require_next
from protocol.errors import Reason
from standstill.v1 import record_pb2
from tests.builders import World, agreement, ballot, change
from tests.protocol.refusals import refuses

Edit = Callable[[Any], object]

WORLD = World(agreement()).found()
WORLD["alpha"].say(ballot())
WORLD["gamma"].say(ballot())
STATE = WORLD.state
SIZES = {party.origin: STATE.parties[party.name].size for party in WORLD.agreement.terms.parties}
CLOSING = WORLD.record().closing


def _set(name: str, value: object) -> Edit:
    return lambda body: setattr(body, name, value)


BROKEN: list[tuple[str, Edit, Reason, str]] = [
    ("of another agreement", _set("agreement", bytes(32)), Reason.WRONG_AGREEMENT, "closing.agreement"),
    ("of the same period", _set("period", 0), Reason.CLOSING_NOT_NEXT, "closing.period"),
    ("after another closing", _set("previous", bytes(32)), Reason.CLOSING_NOT_NEXT, "closing.previous"),
    ("of other terms", _set("terms", bytes(32)), Reason.CLOSING_NOT_NEXT, "closing.terms"),
    ("after another state", _set("state", bytes(32)), Reason.STATE_DIFFERS, "closing.state"),
    (
        "of a log that does not grow",
        lambda body: _set("size", 2)(body.heads[0]),
        Reason.CLOSING_NOT_NEXT,
        "closing.heads.alpha.example/standstill",
    ),
    (
        "of a log that shrinks",
        lambda body: _set("size", 1)(body.heads[1]),
        Reason.CLOSING_NOT_NEXT,
        "closing.heads.gamma.example/standstill",
    ),
    (
        "of a log of nobody",
        lambda body: _set("origin", "delta.example")(body.heads[0]),
        Reason.UNKNOWN_ORIGIN,
        "closing.heads.origin",
    ),
]


def test_names_what_it_follows() -> None:
    assert (CLOSING.period, CLOSING.previous, CLOSING.state) == (1, STATE.closing, STATE.digest())
    assert [(head.origin, head.size) for head in CLOSING.heads] == [
        ("alpha.example/standstill", 3),
        ("gamma.example/standstill", 3),
    ]
    require_next(STATE, CLOSING, SIZES)


@pytest.mark.parametrize(("name", "edit", "reason", "field"), BROKEN, ids=[one[0] for one in BROKEN])
def test_refuses_a_closing(name: str, edit: Edit, reason: Reason, field: str) -> None:
    broken = change(CLOSING)
    edit(broken)
    require_next(STATE, CLOSING, SIZES)
    with refuses(reason, field):
        require_next(STATE, broken, SIZES)


def test_may_leave_periods_dark_but_never_goes_back() -> None:
    require_next(STATE, change(CLOSING, period=9), SIZES)
    later = replace(STATE, period=9)
    with refuses(Reason.CLOSING_NOT_NEXT, "closing.period"):
        require_next(later, change(CLOSING, period=9, state=later.digest()), SIZES)


def test_begins_with_the_agreement_itself() -> None:
    first = fold.initial(WORLD.agreement)
    closing = next_closing(first, 0, [])
    assert closing.previous == closing.agreement == closing.terms == WORLD.agreement.digest
    require_next(first, closing, SIZES)


def test_sorts_heads_by_origin() -> None:
    heads = [WORLD["gamma"].checkpoint(), WORLD["alpha"].checkpoint()]
    assert next_closing(STATE, 1, heads) == CLOSING


def test_is_named_by_the_digest_of_its_bytes() -> None:
    data = wire.encode(CLOSING)
    assert Record(data, CLOSING, {}).digest == sha256(data).digest()
    assert record_pb2.Closing.FromString(data) == CLOSING
