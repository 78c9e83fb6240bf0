"""Records on one lab and one period, honest and not: what the tests of the checks begin with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from protocol.duty import Overdue
from standstill.v1 import assessment_pb2, compute_pb2
from standstill.v1 import quantity_pb2 as q
from tests import builders
from tests.bodies import inquiry, reply
from tests.builders import H100, PAUSE, PERIOD, quantity
from tests.bundles import strict_agreement
from tests.protocol.window import slowdown
from tests.scenes import LAB, NOW, PAUSED, REPORTING, Scene, honest, use

CAP = 10**9
"""Of the slowdown, in teraFLOP and in chip-seconds."""

SIGNIFICANT = strict_agreement().terms.verification.significant_quantity_teraflop

Make = Callable[[], Scene]


def signed_by_nobody() -> Scene:
    scene = honest(without=["attestation"])
    alpha = scene.party(LAB)
    draft = alpha.draft(builders.attestation(scene.agreement, NOW))
    read = alpha.append(alpha.write(draft, [bytes(32)]))
    scene._recorded[read.origin, read.index] = NOW + 1
    return scene


def with_misbehavior(name: str) -> Scene:
    scene = honest()
    scene.say("vera", builders.misbehavior(scene.agreement, name))
    return scene


def silent(record_period: int) -> Scene:
    scene = honest(without=["attestation"])
    scene.record_period = record_period
    return scene


def attested(recorded: int) -> Scene:
    scene = honest(without=["attestation"])
    scene.attest(recorded=recorded)
    return scene


def attested_again(watt_hours: int) -> Scene:
    scene = honest()
    scene.attest(watt_hours=watt_hours)
    return scene


def declared(chips: int, held: int | None = None) -> Scene:
    """So many chips declared, all of them serving users, where two were delivered."""
    scene = honest(without=["attestation", "meter"])
    rows = use((q.LABEL_INFERENCE, chips * PERIOD if held is None else held))
    scene.attest(chips={H100: chips}, use=rows, watt_hours=None)
    return scene


def shipped(period: int) -> Scene:
    scene = honest()
    scene.say("chipco", builders.shipment_report(id="late"), period=period)
    return scene


def received(period: int) -> Scene:
    """A third accelerator, of which no sender speaks."""
    scene = declared(3)
    scene.say(LAB, builders.transfer(id="gift", chips=quantity(1)), period=period)
    return scene


def sent(period: int, chips: int) -> Scene:
    """One of two accelerators was sent to beta, which does not acknowledge it; so many are declared."""
    scene = declared(chips)
    scene.say(LAB, dispatch("beta"), period=period)
    return scene


def dispatch(to: str, **changes: Any) -> compute_pb2.Transfer:
    """One accelerator sent away."""
    out = {"id": "out", "chips": quantity(1), "direction": compute_pb2.DIRECTION_DISPATCH, "counterparty": to}
    return builders.transfer(**(out | changes))


def receipt(of: str = LAB, **changes: Any) -> compute_pb2.Transfer:
    """The other side of it."""
    return builders.transfer(**({"id": "out", "chips": quantity(1), "counterparty": of} | changes))


def shipped_otherwise(chips: int, chip_class: str = H100) -> Scene:
    """The lab acknowledges two H100, declares what it acknowledged, and the supplier says something else."""
    scene = honest(without=["deliveries"])
    scene.say("chipco", builders.shipment_report(chips=quantity(chips), chip_class=chip_class), period=1)
    scene.say(LAB, builders.transfer(), period=1)
    return scene


def trained(teraflop: int) -> Scene:
    """An hour of one H100 in BF16, whose peak is 989 teraFLOP a second."""
    scene = honest(without=["attestation"])
    rows = [builders.used(q.LABEL_TRAIN, PERIOD, teraflop), builders.used(q.LABEL_IDLE)]
    scene.attest(use=rows)
    return scene


def drew(watt_hours: int, meter: int | None = None) -> Scene:
    """One H100 in use (150 to 1,300 Wh) and one idle (75 to 150 Wh): 225 to 1,450 Wh."""
    scene = honest(without=["attestation", "meter"])
    scene.attest(watt_hours=watt_hours)
    if meter is not None:
        scene.read_meter(meter)
    return scene


def undeclared_energy(meter: int) -> Scene:
    scene = honest(without=["attestation", "meter"])
    scene.attest(watt_hours=None)
    scene.read_meter(meter)
    return scene


def read_twice(watt_hours: int) -> Scene:
    scene = honest()
    scene.read_meter(watt_hours)
    return scene


def paused(label: q.Label.ValueType, held: int = PERIOD) -> Scene:
    scene = honest(PAUSED, without=["attestation"])
    scene.attest(use=use((label, held), (q.LABEL_IDLE, 2 * PERIOD - held)))
    return scene


def reckoned(bound: int | None = SIGNIFICANT - 1, *, floor: int = 0, because: str = "") -> Scene:
    """A period with which a bound falls due, and what was reckoned of it."""
    worth = builders.change(strict_agreement().terms.verification, bound_every_periods=NOW + 1, bound_risk_ppm=50_000)
    scene = honest(agreement=builders.agreement(verification=worth))
    scene.hidden = assessment_pb2.HiddenCompute(absent_because=because)
    if not because:
        scene.hidden.floor.CopyFrom(quantity(floor, q.UNIT_CHIP_SECOND))
        scene.hidden.unbounded.extend(["rented H100-SXM"] if bound is None else [])
        if bound is not None:
            scene.hidden.bound.CopyFrom(quantity(bound, q.UNIT_TERAFLOP))
    return scene


def slowed(teraflop: int | None, earlier: int = 0) -> Scene:
    """Roll-outs under a slowdown, now and in the period before; the cap counts four periods."""
    scene = slowdown(without=["attestation"], silent=[NOW - 1] if earlier else [])
    if earlier:
        scene.attest(NOW - 1, use=rolled_out(earlier))
    scene.attest(use=rolled_out(teraflop))
    return scene


def rolled_out(teraflop: int | None) -> list[compute_pb2.Use]:
    """Roll-outs on one of two accelerators; the other is idle."""
    return [builders.used(q.LABEL_ROLLOUT, PERIOD, teraflop), builders.used(q.LABEL_IDLE)]


def halted(episode: int, period: int = PAUSED.since) -> Scene:
    scene = honest(PAUSED, without=["halt"])
    scene.say(LAB, builders.halt_report(PAUSE, episode), period=period)
    return scene


def resumed(held: int) -> Scene:
    return paused(q.LABEL_TRAIN, held)


def answered(recorded: int) -> Scene:
    """A question that waits for too long, and an answer recorded by the closing of a period."""
    question = Overdue(question=bytes(range(32)), asker="beta", leaf=7, period=2, waited=5)
    scene = honest(replace(REPORTING, overdue=(question,)))
    scene.say(LAB, reply(), inquiry=inquiry(LAB, question.question), recorded=recorded)
    return scene
