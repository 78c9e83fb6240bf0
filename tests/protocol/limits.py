"""Records under limits that are shares, sizes and clocks: what the tests of these checks begin with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from protocol.agreement import Agreement
from protocol.duty import Duty
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import compute_pb2
from standstill.v1 import quantity_pb2 as q
from tests import builders
from tests.builders import H100, PAUSE, PERIOD, SLOWDOWN, quantity
from tests.bundles import strict_agreement
from tests.protocol.records import rolled_out
from tests.scenes import LAB, NOW, PAUSED, SLOWED, Scene, honest

STEPS = (pb.RampStep(after_periods=0, share_ppm=500_000), pb.RampStep(after_periods=2, share_ppm=1_000_000))
BEFORE = range(2)
"""Periods of the baseline: those before the wind-down."""
TRAINED = 1_000
"""TeraFLOP in each period of the baseline."""


def under(rank: int, *caps: pb.Cap, **changes: Any) -> Agreement:
    """The usual terms with a baseline of two periods and one level changed."""
    made = builders.change(strict_agreement().terms, baseline_periods=2)
    level = builders.change(made.levels[rank - 1], **changes)
    if caps:
        del level.caps[:]
        level.caps.extend(caps)
    made.levels[rank - 1].CopyFrom(level)
    # Who keeps the pause keeps the slowdown, so what counts all work holds there too.
    if rank == SLOWDOWN:
        made.levels[PAUSE - 1].caps.extend(cap for cap in caps if not cap.labels)
    return builders.agreement(**{field.name: value for field, value in made.ListFields()})


def trains(scene: Scene, period: int, held: int, teraflop: int) -> None:
    """Training on part of two accelerators; the rest is idle."""
    rows = [builders.used(q.LABEL_IDLE, 2 * PERIOD - held)]
    scene.attest(period, use=[*rows, *([builders.used(q.LABEL_TRAIN, held, teraflop)] if held else [])])


def returning(
    held: int, teraflop: int = 0, *, beneath: Duty | None = None, before: range = BEFORE, rollouts: bool = False
) -> Scene:
    """A lab on the way back from the pause, at half of a baseline of one accelerator that trains."""
    duty = replace(PAUSED, ramp_ppm=500_000, beneath=beneath or Duty(reports=True), baseline=BEFORE)
    scene = honest(duty, under(PAUSE, ramp=STEPS), without=["attestation"])
    for period in before:
        trains(scene, period, PERIOD, TRAINED)
    if rollouts:
        scene.attest(use=rolled_out(None))
    else:
        trains(scene, NOW, held, teraflop)
    return scene


def measured(held: int, teraflop: int = 0, before: range = BEFORE) -> Scene:
    """A slowdown to 25 % of the baseline over one period."""
    cap = pb.Cap(name="total", labels=[q.LABEL_TRAIN], window_periods=1, baseline_ppm=250_000)
    scene = honest(replace(SLOWED, baseline=BEFORE), under(SLOWDOWN, cap), without=["attestation"])
    for period in before:
        trains(scene, period, PERIOD, TRAINED)
    trains(scene, NOW, held, teraflop)
    return scene


def ran(*runs: tuple[str, int, int], label: q.Label.ValueType = q.LABEL_TRAIN) -> Scene:
    """Runs by name, accelerators and operations under a slowdown: at most 100 teraFLOP and two accelerators each."""
    caps = (
        pb.Cap(name="run", labels=[q.LABEL_TRAIN], window_periods=1, scope=pb.CAP_SCOPE_RUN, teraflop=100),
        pb.Cap(name="cluster", window_periods=1, scope=pb.CAP_SCOPE_CLUSTER, chips=2),
    )
    scene = honest(SLOWED, under(SLOWDOWN, *caps), without=["attestation"])
    said = [
        compute_pb2.Run(run=name, label=label, chips=quantity(chips), operations=quantity(done, q.UNIT_TERAFLOP))
        for name, chips, done in runs
    ]
    scene.attest(runs=said)
    return scene


def grew(old: int | None, new: int, since: int = SLOWED.since, window: int = 3) -> Scene:
    """Accelerators three periods ago and now; the cap lets them grow by 10 %."""
    cap = pb.Cap(name="growth", window_periods=window, scope=pb.CAP_SCOPE_INVENTORY_GROWTH, growth_ppm=100_000)
    scene = honest(replace(SLOWED, since=since), under(SLOWDOWN, cap), without=["attestation", "deliveries", "meter"])
    scene.deliver(new)
    for period, chips in ((NOW - 3, old), (NOW, new)):
        if chips is not None:
            rows = [builders.used(q.LABEL_INFERENCE, chips * PERIOD)]
            scene.attest(period, chips={H100: chips}, use=rows, watt_hours=None)
    return scene


def sealed(recorded: int, seal_periods: int = 7) -> Scene:
    """A halt report recorded at a closing; seven periods after the wind-down is period 10."""
    duty = PAUSED
    scene = honest(duty, under(PAUSE, seal_periods=seal_periods), without=["halt"])
    scene.record_period = NOW + 3
    scene.say(LAB, builders.halt_report(PAUSE), period=duty.since, recorded=recorded)
    return scene
