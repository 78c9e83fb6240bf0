"""What a measurement is, and the clocks and counters of this machine."""

from __future__ import annotations

import math
import os
import platform
import sqlite3
import statistics
import time
from dataclasses import dataclass, field
from enum import Enum
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

MICRO: Final = 1_000_000
LIBRARIES: Final = ("pynacl", "cryptography", "protobuf", "grpcio", "sqlalchemy")

_SCHEDULER_CLOCK: Final = 2


class Aim(Enum):
    """On which side of its target a figure should be."""

    AT_LEAST = "at least"
    AT_MOST = "at most"


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure should reach."""

    aim: Aim
    value: float

    def met_by(self, figure: float) -> bool:
        """Whether a figure is on the right side."""
        return figure >= self.value if self.aim is Aim.AT_LEAST else figure <= self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One line of the table.

    Attributes:
        name: of the benchmark, "B1"; a letter behind it marks a figure beside the one with the target.
        what: is measured, in a few words.
        numerator: value with unit, median of the rounds.
        denominator: value with unit, median of the rounds; empty where the figure is no ratio.
        rounds: the figure of every round, each from its own numerator and denominator.
        target: to reach; None for a figure that is only told.
        unit: of the figure; empty for a ratio.
        note: what the reader must know.
    """

    name: str
    what: str
    numerator: str
    denominator: str = ""
    rounds: Sequence[float]
    target: Target | None = None
    unit: str = ""
    note: str = ""

    @property
    def figure(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.rounds)

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None if there is none, or no figure."""
        return None if self.target is None or math.isnan(self.figure) else self.target.met_by(self.figure)


@dataclass(frozen=True, slots=True)
class Run:
    """How to measure.

    Attributes:
        home: directory for everything that is written; empty at the start.
        quick: small sizes: shows that everything works, and no figure means anything.
        rounds: how often each figure is taken, at least three.
        opened: what several benchmarks share, made by the first that needs it.
    """

    home: Path
    quick: bool = False
    rounds: int = 3
    opened: dict[str, object] = field(default_factory=dict)

    def size(self, full: int, quick: int) -> int:
        """The full size, or the quick one."""
        return quick if self.quick else full


def cpu_seconds(process: int) -> float:
    """CPU time that all threads of a process and of its children have used, seconds, to the nanosecond.

    As by clock_getcpuclockid(3); children that have ended do not count.
    """
    return sum(time.clock_gettime((~one << 3) | _SCHEDULER_CLOCK) for one in (process, *_children(process)))


def _children(process: int) -> list[int]:
    tasks = Path(f"/proc/{process}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def percentile(values: Sequence[float], hundredth: int) -> float:
    """The value below which so many hundredths of the values are; nearest rank."""
    ordered = sorted(values)
    rank = -(-len(ordered) * hundredth // 100)
    return ordered[max(rank, 1) - 1]


def per_second(count: int, seconds: float) -> str:
    """A rate for the table."""
    return f"{count / seconds:,.0f}/s"


def middle(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)


def machine() -> str:
    """CPU model, cores, kernel and versions: what another machine must be compared by. No names, no paths."""
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return (
        f"{_cpu()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {libraries}"
    )


def _cpu() -> str:
    """Model with family, because virtual machines often name a model that spans generations."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    said = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines) if value}
    model = said.get("model name", platform.machine())
    return f"{model} (family {said['cpu family']} model {said['model']})" if "cpu family" in said else model
