"""Chips on their way: whose word moves them, and when they may be counted or not."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.checks import run_all
from standstill.v1 import compute_pb2
from standstill.v1 import header_pb2 as h
from standstill.v1 import quantity_pb2 as q
from tests import builders
from tests.builders import A100, H100, PERIOD, quantity
from tests.protocol.records import declared, dispatch, receipt, sent, shipped_otherwise
from tests.scenes import LAB, NOW, honest, use

INCONCLUSIVE, DISCREPANT = h.VERDICT_INCONCLUSIVE, h.VERDICT_DISCREPANT


def test_a_receipt_said_twice_does_not_hide_chips_of_another_source() -> None:
    scene = honest(without=["attestation", "meter"])
    scene.say(LAB, builders.transfer(), period=1)
    scene.attest(chips={H100: 4}, use=use((q.LABEL_INFERENCE, 4 * PERIOD)), watt_hours=None)

    assert "receipt-without-shipment" in scene.codes()


def test_deliveries_of_one_name_by_two_senders_are_two() -> None:
    scene = honest()
    scene.say("beta", dispatch(LAB, id="shipment-1"), period=NOW - 3)

    assert scene.codes() == ["shipment-not-received"]


@pytest.mark.parametrize(("sender", "severity"), [("beta", INCONCLUSIVE), ("chipco", DISCREPANT)])
def test_what_another_lab_alone_says_it_sent_accuses_nobody(sender: str, severity: h.Verdict.ValueType) -> None:
    scene = honest()
    scene.say(sender, dispatch(LAB), period=NOW - 3)

    assert [(found.code, found.severity) for found in run_all(scene.case())] == [("shipment-not-received", severity)]


def test_a_supplier_may_say_one_delivery_in_both_forms() -> None:
    scene = honest()
    both = builders.transfer(counterparty=LAB, direction=compute_pb2.DIRECTION_DISPATCH)
    scene.say("chipco", both, period=1)

    assert scene.codes() == []


def test_the_class_delivered_counts_as_well_as_the_number() -> None:
    assert shipped_otherwise(2, A100).codes() == ["transfer-mismatch"]


@pytest.mark.parametrize("acknowledged", [False, True])
def test_chips_that_leave_within_the_period_may_be_counted_or_not(acknowledged: bool) -> None:
    for chips in (1, 2):
        scene = sent(NOW, chips)
        if acknowledged:
            scene.say("beta", receipt(), period=NOW)

        assert scene.codes() == []


@pytest.mark.parametrize("period", [NOW - 2, NOW - 1])
def test_chips_on_their_way_may_be_counted_or_not(period: int) -> None:
    for chips, codes in ((0, ["shipped-not-declared"]), (1, []), (2, []), (3, ["declared-not-received"])):
        assert sent(period, chips).codes() == codes


def test_a_dispatch_that_nobody_acknowledges_hides_no_chips() -> None:
    assert sent(NOW - 3, 2).codes() == ["dispatch-not-acknowledged"]
    assert sent(NOW - 3, 1).codes() == ["dispatch-not-acknowledged", "shipped-not-declared"]


@pytest.mark.parametrize("other", ["beta", "chipco"])
@pytest.mark.parametrize("period", [NOW - 3, NOW - 1])
def test_chips_that_the_other_side_acknowledges_are_gone(other: str, period: int) -> None:
    for chips, codes in ((1, []), (2, ["declared-not-received"])):
        scene = declared(chips)
        scene.say(LAB, dispatch(other), period=period)
        scene.say(other, receipt(), period=period)

        assert scene.codes() == codes


@pytest.mark.parametrize(
    ("author", "changes"),
    [
        ("beta", {"id": "other"}),
        ("beta", {"chip_class": A100}),
        ("beta", {"chips": quantity(2)}),
        ("beta", {"counterparty": "gamma"}),
        ("beta", {"direction": compute_pb2.DIRECTION_DISPATCH}),
        ("gamma", {}),
    ],
    ids=["another id", "another class", "another count", "of another sender", "another direction", "another receiver"],
)
def test_only_a_receipt_alike_acknowledges_a_dispatch(author: str, changes: dict[str, Any]) -> None:
    scene = sent(NOW - 3, 1)
    scene.say(author, receipt(**changes), period=NOW - 3)
    assert {"dispatch-not-acknowledged", "shipped-not-declared"} <= set(scene.codes())

    scene.say("beta", receipt(), period=NOW)
    assert not {"dispatch-not-acknowledged", "shipped-not-declared"} & set(scene.codes())


def test_one_receipt_acknowledges_one_dispatch() -> None:
    scene = sent(NOW - 3, 0)
    scene.say(LAB, dispatch("beta"), period=NOW - 3)
    scene.say("beta", receipt(), period=NOW - 3)
    assert scene.codes() == ["dispatch-not-acknowledged", "shipped-not-declared"]

    scene.say("beta", receipt(), period=NOW - 3)
    assert scene.codes() == []


def test_chips_that_arrive_within_the_period_may_be_counted_or_not() -> None:
    for chips in (2, 3):
        scene = declared(chips)
        scene.deliver(1, period=NOW, name="in")

        assert scene.codes() == []


def test_a_lab_of_which_a_site_is_silent_is_not_accused_of_missing_chips() -> None:
    assert honest(without=["attestation"]).codes() == ["attestation-missing"]
