"""One lab and one period as the checks see them, built from statements that were signed, logged and read back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from google.protobuf.message import Message

from protocol.agreement import Agreement
from protocol.appraisal import Appraisal, appraise
from protocol.case import Case, build_case
from protocol.case_needs import needs
from protocol.checks import run_all
from protocol.duty import Duty
from protocol.leaf import ReadLeaf
from standstill.v1 import assessment_pb2, compute_pb2, header_pb2
from standstill.v1 import quantity_pb2 as q
from tests import builders
from tests.bodies import shipments_complete
from tests.builders import H100, PAUSE, PERIOD, SLOWDOWN, Party
from tests.bundles import strict_agreement
from tests.terms import handle

LAB = "alpha"
NOW = 9
"""The period assessed."""

REPORTING = Duty(reports=True)
PAUSED = Duty(level=PAUSE, episode=1, since=3, reports=True)
SLOWED = Duty(level=SLOWDOWN, episode=1, since=3, reports=True)


@dataclass
class Scene:
    """What is on the record about alpha in period 9.

    Attributes:
        duty: of the lab.
        agreement: the terms.
        record_period: period of the closing up to which the record is read.
        hidden: what was reckoned of hidden compute, if a test says so.
    """

    duty: Duty = REPORTING
    agreement: Agreement = field(default_factory=strict_agreement)
    record_period: int = NOW + 1
    hidden: assessment_pb2.HiddenCompute | None = None

    def __post_init__(self) -> None:
        self._parties: dict[str, Party] = {}
        self._recorded: dict[tuple[str, int], int] = {}

    def party(self, name: str) -> Party:
        """A party that has founded."""
        if name not in self._parties:
            self._parties[name] = Party(self.agreement, name)
            self._parties[name].found()
        return self._parties[name]

    def say(
        self,
        name: str,
        body: Message,
        *,
        period: int | None = None,
        site: bytes | None = None,
        inquiry: header_pb2.Inquiry | None = None,
        recorded: int | None = None,
    ) -> ReadLeaf:
        """A statement of a party; `recorded` by the closing of that period, or as early as can be."""
        read = self.party(name).say(body, period=period, site=site, inquiry=inquiry)
        spoken = read.header.period if read.header is not None else 0
        self._recorded[read.origin, read.index] = spoken + 1 if recorded is None else recorded
        return read

    def attest(self, period: int = NOW, recorded: int | None = None, **changes: Any) -> ReadLeaf:
        """Alpha's attestation of a period."""
        return self.say(LAB, builders.attestation(self.agreement, period, **changes), recorded=recorded)

    def read_meter(self, watt_hours: int = 900, period: int = NOW, **changes: Any) -> ReadLeaf:
        """Gridco's reading at alpha's site."""
        body = builders.meter_reading(self.agreement, period, watt_hours, **changes)
        return self.say("gridco", body, period=period, site=handle(LAB))

    def deliver(self, chips: int = 2, *, period: int = 1, name: str = "shipment-1", chip_class: str = H100) -> None:
        """Chips from chipco to alpha, said by both sides."""
        figures = {"id": name, "chips": builders.quantity(chips), "chip_class": chip_class}
        self.say("chipco", builders.shipment_report(**figures), period=period)
        self.say(LAB, builders.transfer(**figures), period=period)

    def supplied(self, period: int = NOW, recorded: int | None = None) -> ReadLeaf:
        """Chipco's word that it has reported everything."""
        return self.say("chipco", shipments_complete(), period=period, recorded=recorded)

    def case(self) -> Case:
        """What the checks read."""
        wanted = needs(self.agreement, self.duty, LAB, NOW)
        leaves = [leaf for one in self._parties.values() for leaf in one.read]
        needed = [leaf for leaf in leaves if any(need.covers(leaf) for need in wanted)]
        found = build_case(
            self.agreement,
            self.duty,
            LAB,
            NOW,
            self.record_period,
            needed,
            lambda leaf: self._recorded.get((leaf.origin, leaf.index), 0),
        )
        return replace(found, hidden=self.hidden)

    def codes(self) -> list[str]:
        """Codes of all findings, sorted."""
        return sorted(finding.code for finding in run_all(self.case()))

    def appraise(self) -> Appraisal:
        """The verdict and its grounds."""
        return appraise(self.case(), bytes(32))


def honest(duty: Duty = REPORTING, agreement: Agreement | None = None, *, without: Iterable[str] = ()) -> Scene:
    """Everything in, in time, and consistent; `without` leaves some of it out."""
    scene = Scene(duty, agreement or strict_agreement())
    steps: Mapping[str, Callable[[], object]] = {
        "deliveries": scene.deliver,
        "supplier": scene.supplied,
        "attestation": scene.attest,
        "meter": scene.read_meter,
        "halt": lambda: scene.say(LAB, builders.halt_report(duty.level), period=duty.since),
    }
    for name, step in steps.items():
        if name not in set(without) and (name != "halt" or duty.level):
            step()
    return scene


def use(*rows: tuple[q.Label.ValueType, int]) -> Sequence[compute_pb2.Use]:
    """Use of H100s by label, in chip-seconds; labels that train state one teraFLOP."""
    trains = {q.LABEL_TRAIN, q.LABEL_POST_TRAIN}
    return [builders.used(label, held, 1 if label in trains else None) for label, held in rows]


def worst(scene: Scene) -> header_pb2.Verdict.ValueType:
    """The verdict of a scene."""
    return scene.appraise().verdict


HELD = PERIOD
"""Chip-seconds of one accelerator in a period."""
