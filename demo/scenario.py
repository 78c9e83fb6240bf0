"""What happens when, and under which agreement."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import condition_pb2, pledge_pb2
from standstill.v1 import quantity_pb2 as q

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TRACES: Final = Path(__file__).parent / "traces"
START: Final = 1_798_934_400
"""Start of period 0: 2027-01-03 00:00 UTC. Injected time, so any date serves."""
PERIOD: Final = 3_600
DAY: Final = 24
"""Periods in a day."""
LABS: Final = ("alpha", "beta", "gamma")
SUPPLIER: Final = "chipco"
METER: Final = "gridco"
VERIFIER: Final = "vera"
PARTIES: Final = (*LABS, SUPPLIER, METER, VERIFIER)
LEVEL: Final = 1
HORIZON: Final = "task_horizon"
CODE_SHARE: Final = "ai_code_share"
HORIZON_LIMIT: Final = 2_400
"""Minutes: tasks of 40 hours."""
CODE_LIMIT: Final = 950_000
"""Parts per million of merged code."""

STOPPED: Final = ("train", "post_train", "rollout", "unlabelled", "unaccounted")
"""Labels that the pause ends; what cannot be accounted for counts as training."""

_TRAIN_LIKE: Final = (q.LABEL_TRAIN, q.LABEL_POST_TRAIN)
_SERVE_LIKE: Final = (q.LABEL_ROLLOUT, q.LABEL_INFERENCE, q.LABEL_EVAL, q.LABEL_SAFETY)
_IDLE_LIKE: Final = (q.LABEL_MAINTENANCE, q.LABEL_IDLE)
_GROUPS: Final = {"train": _TRAIN_LIKE, "serve": _SERVE_LIKE, "idle": _IDLE_LIKE, "off": (q.LABEL_OFF,)}
_ANYTHING: Final = (q.LABEL_UNLABELLED, q.LABEL_UNACCOUNTED)
_ALLOWED: Final = (
    q.LABEL_INFERENCE,
    q.LABEL_EVAL,
    q.LABEL_SAFETY,
    q.LABEL_MAINTENANCE,
    q.LABEL_IDLE,
    q.LABEL_OFF,
)


@dataclass(frozen=True, slots=True)
class Timeline:
    """Periods at which things happen.

    Attributes:
        first: first period that is assessed.
        call: the indicator report and the ballots are recorded by the closing of this period.
        wind_down: periods of wind-down.
        in_force: periods watched with the pause in force before the first cheat.
        gap: honest periods between the two cheats.
    """

    first: int = 2
    call: int = 48
    wind_down: int = 24
    in_force: int = 48
    gap: int = 2

    @property
    def winding(self) -> int:
        """First period of the wind-down: the state of the call governs two periods later."""
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


def chip_classes() -> list[pb.ChipClass]:
    """The agreement's chip table, from the shipped tables of peaks and power."""
    found = []
    with (TRACES / "chips.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            peaks = [
                (q.NUMBER_FORMAT_BF16_DENSE, row["bf16_dense_tflops"]),
                (q.NUMBER_FORMAT_FP8_DENSE, row["fp8_dense_tflops"]),
            ]
            found.append(
                pb.ChipClass(
                    name=row["chip_class"],
                    peaks=[pb.PeakRate(format=f, gigaflop_per_second=int(rate) * 1_000) for f, rate in peaks if rate],
                    power=list(_power_bounds(row["chip_class"])),
                )
            )
    return found


def _power_bounds(chip_class: str) -> Iterable[pb.PowerBound]:
    table = power()[chip_class]
    for group, labels in _GROUPS.items():
        watts = table[group]
        yield pb.PowerBound(labels=labels, low_milliwatt=watts.low * 1_000, high_milliwatt=watts.high * 1_000)
    low, high = table["off"].low, table["train"].high
    yield pb.PowerBound(labels=_ANYTHING, low_milliwatt=low * 1_000, high_milliwatt=high * 1_000)


def draft(timeline: Timeline, most_eval: int = 0) -> pb.Agreement:
    """The agreement without its parties, which describe themselves. Fictitious; for discussion, not advice.

    Args:
        timeline: lengths of the phases.
        most_eval: chip-seconds that a lab uses in a day for measuring models, where that is more than usual.
    """
    return pb.Agreement(
        version=1,
        name="demo-pause",
        start=START,
        period_seconds=PERIOD,
        founding=list(PARTIES),
        forming_end_periods=DAY,
        lying_verifiers=0,
        chips=chip_classes(),
        indicators=[
            pb.Indicator(name=HORIZON, unit="min", reported_by=LABS, reports=1, max_age_periods=90 * DAY),
            pb.Indicator(name=CODE_SHARE, unit="ppm", reported_by=LABS, reports=1, max_age_periods=90 * DAY),
        ],
        rules=[
            pb.Rule(name="call_pause", yes=2, voters=LABS, ballot_life_periods=3 * DAY),
            pb.Rule(name="lift_pause", yes=3, voters=LABS, ballot_life_periods=10 * DAY),
        ],
        levels=[_pause(timeline, most_eval)],
        freshness=pb.Freshness(
            publish_within_seconds=900, late_periods=2, stale_periods=6, presumed_non_compliant_periods=DAY
        ),
        standing=pb.Standing(
            breached=2, of_last=3, release_notice_periods=2 * DAY, back_after_periods=DAY, settle_periods=4
        ),
        verification=_verification(),
        withdrawal_notice_periods=180 * DAY,
        pledge_notice_periods=2 * DAY,
    )


def _verification() -> pb.Verification:
    required = (
        pb.EVIDENCE_ATTESTATION,
        pb.EVIDENCE_ENERGY,
        pb.EVIDENCE_METER,
        pb.EVIDENCE_SHIPMENTS,
        pb.EVIDENCE_HALT,
    )
    return pb.Verification(
        significant_quantity_teraflop=10**10,
        window_periods=30 * DAY,
        false_alarm_ppm=100,
        required=required,
        transit_periods=DAY,
    )


def _pause(timeline: Timeline, most_eval: int) -> pb.Level:
    condition = condition_pb2.Condition
    usual = 2_416 * 86_400 // 10
    resume = condition.Several(
        of=[
            condition(honored=condition.Honored(level=LEVEL, periods=30 * DAY)),
            condition(elapsed=condition.Elapsed(level=LEVEL, periods=90 * DAY)),
        ]
    )
    return pb.Level(
        name="pause",
        rank=LEVEL,
        binds=pb.BINDS_BY_PLEDGE,
        trigger=condition(
            all=condition.Several(of=[_reading(HORIZON, HORIZON_LIMIT), _reading(CODE_SHARE, CODE_LIMIT)])
        ),
        resume=condition(all=resume),
        called_by="call_pause",
        lifted_by="lift_pause",
        entry=condition(keeps=condition.Keeps(level=LEVEL, k=2, of=LABS)),
        allowed=_ALLOWED,
        # A tenth of a fleet's day for measuring models: the exemption has its own ceiling.
        caps=[pb.Cap(name="eval", labels=[q.LABEL_EVAL], chip_seconds=max(usual, most_eval), window_periods=DAY)],
        wind_down_periods=timeline.wind_down,
        ramp_periods=21 * DAY,
        mandate_periods=360 * DAY,
        dormancy_periods=30 * DAY,
        steady_steps=DAY,
    )


def _reading(indicator: str, threshold: int) -> condition_pb2.Condition:
    test = condition_pb2.Condition.Reading(
        indicator=indicator, labs=1, comparison=condition_pb2.COMPARISON_AT_LEAST, threshold=threshold
    )
    return condition_pb2.Condition(reading=test)


def pledge(lab: str) -> pledge_pb2.Pledge:
    """A pledge to keep the pause while it is called, provided that at least one other lab keeps it."""
    condition = condition_pb2.Condition
    phases = (condition_pb2.PHASE_WINDING, condition_pb2.PHASE_IN_FORCE)
    called = [condition(level_phase=condition.LevelPhase(level=LEVEL, phase=phase)) for phase in phases]
    others = [other for other in LABS if other != lab]
    return pledge_pb2.Pledge(
        clauses=[
            pledge_pb2.PledgeClause(
                level=LEVEL,
                when=condition(any=condition.Several(of=called)),
                provided=condition(keeps=condition.Keeps(level=LEVEL, k=1, of=others)),
            )
        ]
    )
