"""Facts written down, for tests of conditions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from protocol import conditions
from protocol.progress import Growth
from protocol.readings import Evidence
from protocol.truth import Explained, Ref, Truth
from standstill.v1 import condition_pb2 as pb
from tests.builders import LABS

F, U, T = Truth.FALSE, Truth.UNKNOWN, Truth.TRUE


@dataclass
class Table:
    """Facts written down."""

    names: tuple[str, ...] = LABS
    values: dict[str, tuple[int, ...]] = field(default_factory=dict)
    found: dict[tuple[str, str], tuple[int, ...]] = field(default_factory=dict)
    stage: pb.Phase.ValueType = pb.PHASE_OPEN
    kept: dict[str, int] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    binds: tuple[str, ...] = ()
    rows: dict[str, int] = field(default_factory=dict)
    age: int = 0
    clocks: dict[int, int] = field(default_factory=dict)
    grown: dict[str, tuple[Growth, ...]] = field(default_factory=dict)
    silent: tuple[str, ...] = ()
    said: tuple[tuple[bool, int], ...] = ()
    statuses: dict[str, Truth] = field(default_factory=dict)
    resolved: bool = False
    gone: tuple[str, ...] = ()
    entered: int = 0

    def labs(self) -> tuple[str, ...]:
        return self.names

    def members(self) -> tuple[str, ...]:
        return tuple(lab for lab in self.names if lab not in self.gone)

    def readings(self, indicator: str, lab: str) -> Evidence[int]:
        return _evidence(self.found.get((indicator, lab), self.values.get(lab, ())), f"{indicator} of {lab}")

    def growth(self, indicator: str, lab: str, over: int) -> Evidence[Growth]:
        return _evidence(self.grown.get(lab, ()), f"{indicator} of {lab} over {over}")

    def overdue(self, indicator: str, lab: str, periods: int) -> Explained:
        return Explained(T if lab in self.silent else F, lab, assumed=lab in self.silent)

    def event(self, name: str, level: int) -> Evidence[tuple[bool, int]]:
        return _evidence(self.said, name)

    def carried(self, rule: str, level: int, asked: bytes) -> Explained:
        return Explained(T if self.resolved else F, rule)

    def status(self, lab: str, status: pb.PartyStatus.ValueType, level: int) -> Explained:
        return Explained(self.statuses.get(lab, U), lab)

    def phase(self, level: int) -> pb.Phase.ValueType:
        return self.stage

    def keeps(self, lab: str, level: int) -> bool:
        return self.kept.get(lab, 0) >= level

    def pledged(self, labs: Iterable[str]) -> tuple[Ref, ...]:
        return tuple(Ref(lab, 0, bytes(32)) for lab in labs)

    def group(self, lab: str) -> str:
        return self.groups.get(lab, lab)

    def bound(self, level: int) -> tuple[str, ...]:
        return self.binds

    def honored_in_a_row(self, lab: str, level: int) -> int:
        return self.rows.get(lab, 0)

    def honored_by(self, lab: str, periods: int) -> tuple[Ref, ...]:
        return tuple(Ref(lab, number, bytes(32)) for number in range(periods))

    def clock(self, level: int, since: pb.Since.ValueType) -> int:
        return self.clocks.get(since, self.age)

    def periods_since_entry(self) -> int:
        return self.entered


V = TypeVar("V")


def _evidence(values: tuple[V, ...], found: str) -> Evidence[V]:
    refs = tuple(Ref("log", number, bytes(32)) for number in range(len(values)))
    return Evidence(values, found, refs, "" if values else "reports")


def evaluated(condition: pb.Condition, facts: Table) -> Truth:
    """The value of a condition."""
    return conditions.value(condition, facts)
