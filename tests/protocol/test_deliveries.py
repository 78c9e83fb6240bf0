"""Settled deliveries: a case that does not list them finds what one finds that does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.appraisal import appraise
from protocol.case import Case, Cited, Settled
from protocol.checks import chip_items
from protocol.deliveries import Delivery, delivery, settled, together
from standstill.v1 import compute_pb2
from tests import builders
from tests.builders import A100, H100, quantity
from tests.scenes import LAB, NOW, Scene, honest

RECEIPT, DISPATCH = compute_pb2.DIRECTION_RECEIPT, compute_pb2.DIRECTION_DISPATCH


class Word(NamedTuple):
    """One word on a delivery: of `author`, to or from `other`, in one of the three forms."""

    author: str
    other: str
    direction: compute_pb2.Direction.ValueType | None
    id: str
    chips: int
    chip_class: str
    period: int


REPORTS = st.tuples(st.just("chipco"), st.just(LAB), st.none())
TRANSFERS = st.tuples(
    st.sampled_from([(LAB, "beta"), ("beta", LAB), (LAB, "chipco"), ("chipco", LAB)]),
    st.sampled_from([RECEIPT, DISPATCH]),
).map(lambda drawn: (*drawn[0], drawn[1]))
FIGURES = (st.sampled_from("ab"), st.integers(1, 2), st.sampled_from([H100, A100]), st.integers(0, NOW))
WORDS = st.tuples(REPORTS | TRANSFERS, *FIGURES).map(lambda drawn: Word._make((*drawn[0], *drawn[1:])))


def said(words: Sequence[Word]) -> Scene:
    """An otherwise honest record with these words on deliveries."""
    scene = honest()
    for word in words:
        figures: dict[str, Any] = {"id": word.id, "chips": quantity(word.chips), "chip_class": word.chip_class}
        if word.direction is None:
            body: Any = builders.shipment_report(receiver=word.other, **figures)
        else:
            body = builders.transfer(counterparty=word.other, direction=word.direction, **figures)
        scene.say(word.author, body, period=word.period)
    return scene


def words_of(case: Case) -> list[Cited[Any]]:
    """Everything that a case lists of deliveries."""
    return [*case.transfers, *case.shipments]


def groups(case: Case) -> dict[Delivery, list[Cited[Any]]]:
    """The words of a case by the delivery that they speak of."""
    found: dict[Delivery, list[Cited[Any]]] = {}
    for one in words_of(case):
        found.setdefault(delivery(LAB, one), []).append(one)
    return found


def without_settled(case: Case, before: int) -> Case:
    """The case with deliveries of periods before this one settled, as far as they can be."""
    parts, left_out = [], set[tuple[str, int]]()
    for words in groups(case).values():
        left = settled(LAB, words)
        if left is not None and all(one.header.period < before for one in words):
            parts.append(left)
            left_out |= {(one.leaf.origin, one.leaf.index) for one in words}
    return replace(
        case,
        transfers=tuple(one for one in case.transfers if (one.leaf.origin, one.leaf.index) not in left_out),
        shipments=tuple(one for one in case.shipments if (one.leaf.origin, one.leaf.index) not in left_out),
        settled=together(parts),
    )


@given(st.lists(WORDS, max_size=8), st.integers(0, NOW))
def test_a_case_without_settled_deliveries_finds_the_same(words: list[Word], before: int) -> None:
    full = said(words).case()
    short = without_settled(full, before)

    here, there = list(chip_items.check(full)), list(chip_items.check(short))
    assert [one.code for one in here] == [one.code for one in there]
    assert [one.figures for one in here] == [one.figures for one in there]
    others = [one for one in here if one.code not in chip_items.CITING_ALL]
    assert others == [one for one in there if one.code not in chip_items.CITING_ALL]
    assert appraise(full, bytes(32)).assessment.evidence == appraise(short, bytes(32)).assessment.evidence


A_RECEIPT = Word(LAB, "chipco", RECEIPT, "b", 2, H100, 1)
A_REPORT = Word("chipco", LAB, None, "b", 2, H100, 1)
A_DISPATCH = Word(LAB, "beta", DISPATCH, "b", 2, H100, 1)
ITS_RECEIPT = Word("beta", LAB, RECEIPT, "b", 2, H100, 1)


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ([A_RECEIPT, A_REPORT], Settled({H100: 2}, reported=True)),
        ([A_RECEIPT, A_REPORT._replace(direction=DISPATCH)], Settled({H100: 2})),
        ([A_RECEIPT, A_REPORT, A_REPORT._replace(direction=DISPATCH, chips=1)], Settled({H100: 2}, reported=True)),
        ([A_RECEIPT, A_RECEIPT, A_REPORT, A_REPORT], Settled({H100: 4}, reported=True)),
        ([A_DISPATCH, ITS_RECEIPT], Settled({H100: -2})),
        ([A_RECEIPT], None),
        ([A_REPORT], None),
        ([A_RECEIPT, A_REPORT._replace(chips=1)], None),
        ([A_RECEIPT, A_REPORT._replace(chip_class=A100)], None),
        ([A_RECEIPT, A_RECEIPT, A_REPORT], None),
        ([A_DISPATCH], None),
        ([ITS_RECEIPT], None),
    ],
)
def test_a_delivery_is_settled_when_both_sides_say_the_same_and_as_often(
    words: list[Word], left: Settled | None
) -> None:
    case = said(words).case()
    about = delivery(LAB, next(one for one in words_of(case) if one.body.id == "b"))

    assert settled(LAB, groups(case)[about]) == left


def test_settled_deliveries_add_up_by_class() -> None:
    parts = [Settled({H100: 2}, reported=True), Settled({H100: -3}), Settled({A100: 1})]

    assert together(parts) == Settled({H100: -1, A100: 1}, reported=True)
    assert together([]) == Settled()
