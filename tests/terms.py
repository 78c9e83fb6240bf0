"""The agreement that tests start from, with changes. Everything is derived from names: the same bytes every time."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final, TypeVar

from google.protobuf.message import Message

from protocol import wire
from protocol.agreement import Agreement, read_agreement
from protocol.keys import public_key
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import condition_pb2
from standstill.v1 import quantity_pb2 as q

START: Final = 1_767_225_600
"""2026-01-01 00:00 UTC."""
PERIOD: Final = 3_600
M = TypeVar("M", bound=Message)

LABS: Final = ("alpha", "beta", "gamma")
VERIFIERS: Final = ("vera", "vito", "viola", "victor", "verity", "vincent", "vada")
H100: Final = "H100-SXM"
A100: Final = "A100-SXM-80"
SLOWDOWN: Final = 1
PAUSE: Final = 2

ALWAYS: Final = condition_pb2.Condition(constant=condition_pb2.Condition.Constant(value=True))
NEVER: Final = condition_pb2.Condition(constant=condition_pb2.Condition.Constant(value=False))

_RUNNING: Final = (q.LABEL_TRAIN, q.LABEL_POST_TRAIN, q.LABEL_ROLLOUT, q.LABEL_UNLABELLED)
_QUIET: Final = (
    q.LABEL_INFERENCE,
    q.LABEL_EVAL,
    q.LABEL_SAFETY,
    q.LABEL_MAINTENANCE,
    q.LABEL_IDLE,
    q.LABEL_OFF,
)


def seed(name: str, use: str) -> bytes:
    """The Ed25519 seed (32 bytes) of a party for a use: `log`, `root 1`, `root 2`, `statement 1`, `cosignature 1`."""
    return sha256(f"test seed: {name}: {use}".encode()).digest()


def handle(lab: str, number: int = 1) -> bytes:
    """Handle (16 bytes) of a lab's site."""
    return sha256(f"site {number} of {lab}".encode()).digest()[:16]


def reading(
    threshold: int, *, below: bool = False, labs: int = 1, indicator: str = "horizon"
) -> condition_pb2.Condition:
    """A test of an indicator of all labs."""
    sign = condition_pb2.COMPARISON_BELOW if below else condition_pb2.COMPARISON_AT_LEAST
    test = condition_pb2.Condition.Reading(indicator=indicator, labs=labs, comparison=sign, threshold=threshold)
    return condition_pb2.Condition(reading=test)


def keeps(level: int, *labs: str, k: int | None = None) -> condition_pb2.Condition:
    """At least `k` of these labs (all, if not said) keep a level."""
    return condition_pb2.Condition(keeps=condition_pb2.Condition.Keeps(level=level, k=k or len(labs), of=labs))


def phase(level: int, *phases: condition_pb2.Phase.ValueType) -> condition_pb2.Condition:
    """A level is in one of these phases."""
    tests = [
        condition_pb2.Condition(level_phase=condition_pb2.Condition.LevelPhase(level=level, phase=one))
        for one in phases
    ]
    return condition_pb2.Condition(any=condition_pb2.Condition.Several(of=tests))


def restrictive(level: int) -> condition_pb2.Condition:
    """A level is winding or in force."""
    return phase(level, condition_pb2.PHASE_WINDING, condition_pb2.PHASE_IN_FORCE)


def elapsed(level: int, periods: int) -> condition_pb2.Condition:
    """A level's restriction is so many closed periods old."""
    return condition_pb2.Condition(elapsed=condition_pb2.Condition.Elapsed(level=level, periods=periods))


def party(name: str, *roles: pb.Role.ValueType, **changes: Any) -> pb.Party:
    """A party with a log key and a root of two keys that must both sign."""
    sites = [pb.Site(handle=handle(name), metered_by="gridco", pue_low_milli=1_100, pue_high_milli=1_500)]
    made = pb.Party(
        name=name,
        roles=roles,
        owner=f"{name} group",
        origin=f"{name}.example/standstill",
        log_key=public_key(seed(name, "log")),
        root_keys=[public_key(seed(name, f"root {number}")) for number in (1, 2)],
        root_threshold=2,
        sites=sites if pb.ROLE_LAB in roles else (),
        record_origin=f"{name}.example/record" if pb.ROLE_VERIFIER in roles else "",
    )
    return change(made, **changes)


def chip_class(name: str, bf16: int, fp8: int, low: int, high: int) -> pb.ChipClass:
    """A class by its dense peaks (GFLOP/s; 0: none) and the power of a busy accelerator (mW)."""
    formats = ((q.NUMBER_FORMAT_BF16_DENSE, bf16), (q.NUMBER_FORMAT_FP8_DENSE, fp8))
    busy = [label for label in q.Label.values() if label not in {q.LABEL_UNSPECIFIED, q.LABEL_IDLE, q.LABEL_OFF}]
    return pb.ChipClass(
        name=name,
        peaks=[pb.PeakRate(format=kind, gigaflop_per_second=rate) for kind, rate in formats if rate],
        power=[
            pb.PowerBound(labels=busy, low_milliwatt=low, high_milliwatt=high),
            pb.PowerBound(labels=[q.LABEL_IDLE], low_milliwatt=low // 2, high_milliwatt=low),
            pb.PowerBound(labels=[q.LABEL_OFF], low_milliwatt=0, high_milliwatt=low // 10),
        ],
    )


def level(name: str, rank: int, **changes: Any) -> pb.Level:
    """A level called and lifted by the council, with short clocks."""
    made = pb.Level(
        name=name,
        rank=rank,
        binds=pb.BINDS_BY_PLEDGE,
        trigger=reading(1_000 * rank),
        resume=elapsed(rank, 2),
        called_by="council",
        lifted_by="council",
        allowed=_QUIET,
        wind_down_periods=1,
        ramp_periods=2,
        mandate_periods=12,
        dormancy_periods=3,
        steady_steps=2,
    )
    return change(made, **changes)


def brake_terms(**changes: Any) -> pb.BrakeTerms:
    """Every lab may stop at once for three periods, and the council ratifies it."""
    made = pb.BrakeTerms(roles=[pb.ROLE_LAB], window_periods=3, cap_periods=6, rest_periods=10, ratified_by="council")
    return change(made, **changes)


def terms(verifiers: int = 1, **changes: Any) -> pb.Agreement:
    """The terms that tests start from; `changes` replace whole fields."""
    names = [*LABS, *VERIFIERS[:verifiers]]
    council = pb.Rule(name="council", yes=2, voters=LABS, ballot_life_periods=6)
    caps = [pb.Cap(name="training", labels=_RUNNING, teraflop=10**9, chip_seconds=10**9, window_periods=4)]
    made = pb.Agreement(
        version=1,
        name="test agreement",
        start=START,
        period_seconds=PERIOD,
        parties=[
            *(party(name, pb.ROLE_LAB) for name in LABS),
            party("chipco", pb.ROLE_SUPPLIER),
            party("gridco", pb.ROLE_METER),
            *(party(name, pb.ROLE_VERIFIER) for name in VERIFIERS[:verifiers]),
        ],
        founding=names,
        forming_end_periods=5,
        chips=[
            chip_class(H100, 989_000, 1_979_000, 150_000, 1_300_000),
            chip_class(A100, 312_000, 0, 100_000, 850_000),
        ],
        indicators=[
            pb.Indicator(
                name="horizon", unit="minutes", reported_by=[*LABS, VERIFIERS[0]], reports=1, max_age_periods=6
            ),
            pb.Indicator(
                name="uplift", unit="points", reported_by=["chipco", "gridco", "alpha"], reports=2, max_age_periods=6
            ),
        ],
        levels=[
            level("slowdown", SLOWDOWN, allowed=[*_QUIET, *_RUNNING], caps=caps),
            level("pause", PAUSE),
        ],
        rules=[council],
        freshness=pb.Freshness(
            publish_within_seconds=600, late_periods=1, stale_periods=2, presumed_non_compliant_periods=3
        ),
        standing=pb.Standing(breached=2, of_last=3, release_notice_periods=3, back_after_periods=2, settle_periods=2),
        verification=pb.Verification(
            significant_quantity_teraflop=10**9,
            window_periods=24,
            false_alarm_ppm=1_000,
            required=[pb.EVIDENCE_ATTESTATION],
            transit_periods=2,
        ),
        withdrawal_notice_periods=3,
        pledge_notice_periods=2,
    )
    return change(made, **changes)


def agreement(verifiers: int = 1, **changes: Any) -> Agreement:
    """The agreement of :func:`terms`, read and validated."""
    return read_agreement(wire.encode(terms(verifiers, **changes)))


def change(message: M, **changes: Any) -> M:
    """A copy with whole fields replaced; None clears a field."""
    copy = type(message)()
    copy.CopyFrom(message)
    for name, value in changes.items():
        copy.ClearField(name)
        if value is not None:
            copy.MergeFrom(type(message)(**{name: value}))
    return copy
