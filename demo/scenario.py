"""What happens when, and under which agreement: the preset `frontier-lab`, with a few clocks turned faster."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from language.context import Materials
from language.lower import compile_text
from language.parse import parse
from language.presets import PRESETS
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import condition_pb2, pledge_pb2
from standstill.v1 import quantity_pb2 as q

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

TRACES: Final = Path(__file__).parent / "traces"
PRESET: Final = PRESETS["frontier-lab"]
START: Final = 1_798_934_400
"""Start of period 0, as the preset has it: 2027-01-03 00:00 UTC. Injected time, so any date serves."""
PERIOD: Final = 3_600
DAY: Final = 24
"""Periods in a day."""
LABS: Final = ("alpha", "beta", "gamma")
SUPPLIER: Final = "chipco"
METER: Final = "gridco"
EVALUATOR: Final = "evalco"
COUNCIL: Final = "board"
VERIFIER: Final = "vera"
ROLES: Final[Mapping[str, pb.Role.ValueType]] = MappingProxyType(
    {
        **dict.fromkeys(LABS, pb.ROLE_LAB),
        SUPPLIER: pb.ROLE_SUPPLIER,
        METER: pb.ROLE_METER,
        EVALUATOR: pb.ROLE_EVALUATOR,
        COUNCIL: pb.ROLE_COUNCIL,
        VERIFIER: pb.ROLE_VERIFIER,
    }
)
PARTIES: Final = tuple(ROLES)
SEATS: Final[Mapping[str, Sequence[str]]] = MappingProxyType(
    {"public": ("public-1", "public-2", "public-3"), "science": ("science-1", "science-2")}
)
"""Seats of the council, by class."""
NOBODY: Final[Mapping[str, pb.Party]] = MappingProxyType({})
"""Descriptors where nobody has described themselves: nobody can sign such terms."""
HORIZON: Final = "task_horizon"
CODE_SHARE: Final = "ai_code_share"
SPEEDUP: Final = "training_speedup"
JUDGEMENT: Final = "judgement_win_rate"
PLANNED: Final = (HORIZON, SPEEDUP, JUDGEMENT)
"""Indicators that the evaluator may report only by a plan committed before."""
SLOWDOWN: Final = 1
PAUSE: Final = 2
"""Ranks of the two levels."""

STOPPED: Final = ("train", "post_train", "rollout", "unlabelled", "unaccounted")
"""Labels that the pause ends; what cannot be accounted for counts as training."""

_TRAIN_LIKE: Final = (q.LABEL_TRAIN, q.LABEL_POST_TRAIN)
_SERVE_LIKE: Final = (q.LABEL_ROLLOUT, q.LABEL_INFERENCE, q.LABEL_EVAL, q.LABEL_SAFETY)
_IDLE_LIKE: Final = (q.LABEL_MAINTENANCE, q.LABEL_IDLE)
_GROUPS: Final = {"train": _TRAIN_LIKE, "serve": _SERVE_LIKE, "idle": _IDLE_LIKE, "off": (q.LABEL_OFF,)}
_ANYTHING: Final = (q.LABEL_UNLABELLED, q.LABEL_UNACCOUNTED)
EXEMPT: Final = ("eval", "safety")
"""Labels that the pause lets through, each under the exemption of its name."""
SLOWED: Final = ("train", "unlabelled", "unaccounted")
"""Labels of which the slowdown allows half of what there was before: what may be training."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Periods at which things happen.

    Attributes:
        first: first period that is assessed.
        plans: periods by which the evaluator commits its plans before it reports.
        measured: the first reports are recorded by the closing of this period; they cross nothing.
        slow: reports that call the slowdown are recorded by the closing of this period.
        slow_down: periods of wind-down to the slowdown.
        call: the reports and ballots that call the pause are recorded by the closing of this period.
        wind_down: periods of wind-down to the pause.
        in_force: periods watched with the pause in force before the first cheat.
        gap: honest periods between the two cheats.
    """

    first: int = 2
    plans: int = 8
    measured: int = 12
    slow: int = 20
    slow_down: int = 6
    call: int = 48
    wind_down: int = 24
    in_force: int = 48
    gap: int = 2

    @property
    def slowing(self) -> int:
        """First period of the wind-down to the slowdown: the state of the call governs two periods later."""
        return self.slow + 2

    @property
    def slowed(self) -> int:
        """First period in which the slowdown's caps hold."""
        return self.slowing + self.slow_down

    @property
    def winding(self) -> int:
        """First period of the wind-down to the pause."""
        return self.call + 2

    @property
    def paused(self) -> int:
        """First period in which nothing that the pause ends may run."""
        return self.winding + self.wind_down

    @property
    def cheat_a(self) -> int:
        """Period of the secret training."""
        return self.paused + self.in_force

    @property
    def cheat_b(self) -> int:
        """Period in which chips are hidden."""
        return self.cheat_a + 1 + self.gap

    @property
    def bounded(self) -> int:
        """Last period before the cheats whose verdict says how much could be hidden: one a day does."""
        return self.cheat_a // DAY * DAY - 1

    @property
    def last(self) -> int:
        """Last period played."""
        return self.cheat_b


@dataclass(frozen=True, slots=True)
class Watts:
    """Power of one accelerator with its share of the node, watts."""

    low: int
    mean: int
    high: int


def power() -> dict[str, dict[str, Watts]]:
    """Shipped power table: by chip class and group of labels (`train`, `serve`, `idle`, `off`)."""
    found: dict[str, dict[str, Watts]] = {}
    with (TRACES / "power.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            watts = Watts(int(row["watts_low"]), int(row["watts_mean"]), int(row["watts_high"]))
            found.setdefault(row["chip_class"], {})[row["label_group"]] = watts
    return found


def group_of(label: str) -> str:
    """Group of the power table that a label draws like."""
    value = q.Label.Value(f"LABEL_{label.upper()}")
    return next((name for name, labels in _GROUPS.items() if value in labels), "train")


def limits(label: str, table: Mapping[str, Watts]) -> tuple[int, int]:
    """Least and greatest power that the agreement gives a label, watts of one accelerator."""
    watts = table[group_of(label)]
    anything = q.Label.Value(f"LABEL_{label.upper()}") in _ANYTHING
    return table["off"].low if anything else watts.low, watts.high


# -- the terms ------------------------------------------------------------------------------------------------------


def changes(timeline: Timeline, most: Mapping[str, int]) -> tuple[tuple[str, str], ...]:
    """What the demo changes of its preset: words as they stand there, and in their place. Nothing else differs.

    Args:
        timeline: lengths of the phases.
        most: chip-seconds that a lab uses in a day under an exemption, by name, where that is more than usual.
    """
    eval_cap, safety_cap = (exempt_chip_hours(most.get(name, 0)) for name in EXEMPT)
    return (
        # One verifier, so none may lie: with four there would be eleven processes.
        ("evalco, board, vera, otto, iris, cora", "evalco, board, vera"),
        ('  party otto { role = verifier   owner = "Agency B"   keys = pending   cite = "as vera" }\n', ""),
        ('  party iris { role = verifier   owner = "Foundation C"   keys = pending   cite = "as vera" }\n', ""),
        ('  party cora { role = verifier   owner = "Institute D"   keys = pending   cite = "as vera" }\n', ""),
        ("ours; four are the fewest that survive one liar", "ours; alone, so that a demo is small"),
        ("dishonest_verifiers = 1", "dishonest_verifiers = 0"),
        # Weeks become hours; the pause keeps its own 24 h.
        ("plan_committed = 14 d", f"plan_committed = {timeline.plans} h"),
        ("wind_down = 7 d", f"wind_down = {timeline.slow_down} h"),
        ("wind_down = 24 h", f"wind_down = {timeline.wind_down} h"),
        ("50 % of baseline per 30 d", "50 % of baseline per 24 h"),
        # The labs' records hold chip time of this work and no operations.
        ("cap = 2e23 FLOP per 30 d", f"cap = {eval_cap} chip_h per 24 h"),
        ("cap = 1e24 FLOP per 30 d", f"cap = {safety_cap} chip_h per 24 h"),
    )


def exempt_chip_hours(most: int) -> int:
    """Ceiling on exempt work of a day: a tenth of the largest shipped fleet, or what the busiest lab needs."""
    return max(2_416 * DAY // 10, -(-most // PERIOD))


def terms_text(timeline: Timeline, most: Mapping[str, int]) -> str:
    """The text of the terms, with keys that are still to come. Fictitious; for discussion, not advice.

    Args:
        timeline: as for :func:`changes`.
        most: as for :func:`changes`.

    Raises:
        LookupError: the preset does not say what is to be changed.
    """
    text = PRESET.text
    for old, new in changes(timeline, most):
        if old not in text:
            raise LookupError(f"the preset {PRESET.name} does not say: {old}")
        text = text.replace(old, new)
    return text


def terms_of(text: str, described: Mapping[str, pb.Party] = NOBODY) -> pb.Agreement:
    """The terms that a text says, with the keys, sites and seats of the parties that are described, by name."""
    return compile_text(parse(text), Materials(described)).terms


def draft(timeline: Timeline, described: Mapping[str, pb.Party] = NOBODY) -> pb.Agreement:
    """The terms for fleets of the usual size; `described` as for :func:`terms_of`."""
    return terms_of(terms_text(timeline, {}), described)


def seat_classes(public_key: Callable[[str], bytes]) -> list[pb.SeatClass]:
    """The council's seats for its descriptor, with the key of each, 32 bytes."""
    return [
        pb.SeatClass(name=name, seats=[pb.Seat(name=seat, public_key=public_key(seat)) for seat in seats])
        for name, seats in SEATS.items()
    ]


def pledge(lab: str) -> pledge_pb2.Pledge:
    """A pledge to keep both levels while they are called, provided that at least one other lab keeps them."""
    return pledge_pb2.Pledge(clauses=[_clause(lab, level) for level in (SLOWDOWN, PAUSE)])


def _clause(lab: str, level: int) -> pledge_pb2.PledgeClause:
    condition = condition_pb2.Condition
    phases = (
        condition_pb2.PHASE_CALLED,
        condition_pb2.PHASE_WINDING,
        condition_pb2.PHASE_IN_FORCE,
        condition_pb2.PHASE_SUSPENDED,
    )
    called = [condition(level_phase=condition.LevelPhase(level=level, phase=phase)) for phase in phases]
    others = [other for other in LABS if other != lab]
    return pledge_pb2.PledgeClause(
        level=level,
        when=condition(any=condition.Several(of=called)),
        provided=condition(keeps=condition.Keeps(level=level, k=1, of=others)),
    )
