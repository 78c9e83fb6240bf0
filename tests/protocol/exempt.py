"""Terms and worlds with exemptions: one that needs no grant, and one that does."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from protocol import wire
from protocol.agreement import Agreement, read_agreement
from protocol.duty import Duty
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import compute_pb2
from standstill.v1 import quantity_pb2 as q
from tests import builders
from tests.builders import PAUSE, SLOWDOWN
from tests.bundles import strict_agreement
from tests.protocol.window import WINDOW
from tests.scenes import PAUSED, Scene, honest
from tests.terms import change

LIMIT = 3_000
"""Chip-seconds that each exemption lets through, in four periods."""


def exemption(name: str = "audit", **changes: Any) -> pb.Exemption:
    """Roll-outs, so much in four periods."""
    labels = [q.LABEL_ROLLOUT]
    cap = pb.Cap(name=name, labels=labels, chip_seconds=LIMIT, window_periods=4)
    return change(pb.Exemption(name=name, labels=labels, cap=cap), **changes)


def exempting(*exemptions: pb.Exemption, **changes: Any) -> pb.Agreement:
    """Terms of tests whose pause has these exemptions, and whose council grants them."""
    made = change(strict_agreement().terms, **({"exempted_by": "council"} | changes))
    made.levels[PAUSE - 1].exemptions.extend(exemptions)
    return made


def agreed(*exemptions: pb.Exemption, **changes: Any) -> Agreement:
    """The agreement of such terms."""
    return read_agreement(wire.encode(exempting(*exemptions, **changes)))


USUAL = agreed(exemption(), exemption("trial", on_request=True))
"""An exemption that needs no grant, and one that does."""


def _other() -> Agreement:
    made = exempting()
    made.levels[SLOWDOWN - 1].exemptions.append(exemption("trial"))
    return read_agreement(wire.encode(made))


OTHER = _other()
"""An exemption that the slowdown has, and the pause has not."""


def rows(held: int, name: str = "audit", label: q.Label.ValueType = q.LABEL_ROLLOUT) -> list[compute_pb2.Use]:
    """So much of one accelerator under an exemption, the rest serves users; the other is idle."""
    used = change(builders.used(label, held), exemption=name)
    return [used, builders.used(q.LABEL_INFERENCE, builders.PERIOD - held), builders.used(q.LABEL_IDLE)]


def exempted(
    held: int,
    name: str = "audit",
    duty: Duty = PAUSED,
    agreement: Agreement = USUAL,
    silent: Collection[int] = (),
) -> Scene:
    """A pause in which so much is done under an exemption, now; the periods before are quiet, attested or `silent`."""
    scene = honest(duty, agreement, without=["attestation"])
    for period in WINDOW:
        if period not in silent:
            scene.attest(period, use=rows(0))
    scene.attest(use=rows(held, name))
    return scene
