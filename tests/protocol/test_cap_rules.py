"""What caps, steps of a return and seals must say: each rule at its boundary, and the twin that holds."""

from __future__ import annotations

from typing import Any

import pytest

from protocol import agreement_rules, cap_rules
from protocol.errors import Reason
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import quantity_pb2 as q
from tests.builders import PAUSE, SLOWDOWN, change, terms

RUN, CLUSTER, GROWTH = pb.CAP_SCOPE_RUN, pb.CAP_SCOPE_CLUSTER, pb.CAP_SCOPE_INVENTORY_GROWTH
LAST = 1_000_000
"""The longest duration, periods, and also the whole in parts per million."""


def _problems(rank: int, baseline: int = 2, caps: tuple[pb.Cap, ...] = (), **changes: Any) -> list[tuple[Reason, str]]:
    made = terms(baseline_periods=baseline)
    level = made.levels[rank - 1]
    level.CopyFrom(change(level, **changes))
    level.caps.extend(caps)
    return [(found.reason, found.field) for found in agreement_rules.problems(made)]


def _steps(*steps: tuple[int, int]) -> list[pb.RampStep]:
    return [pb.RampStep(after_periods=after, share_ppm=share) for after, share in steps]


def _cap(**changes: Any) -> pb.Cap:
    stated: dict[str, Any] = {"name": "limit", "window_periods": 4, **changes}
    return pb.Cap(**stated)


@pytest.mark.parametrize(
    "cap",
    [
        _cap(labels=[q.LABEL_SAFETY], baseline_ppm=500_000),
        _cap(labels=[q.LABEL_SAFETY], scope=RUN, teraflop=0),
        _cap(scope=CLUSTER, chips=1),
        _cap(scope=GROWTH, growth_ppm=1),
        _cap(scope=GROWTH, growth_ppm=10**9),
    ],
    ids=str,
)
def test_accepts_a_cap_with_the_limit_of_its_scope(cap: pb.Cap) -> None:
    assert _problems(PAUSE, caps=(cap,)) == []


@pytest.mark.parametrize(
    ("cap", "reason", "field"),
    [
        (_cap(scope=9), Reason.VALUE_OUT_OF_RANGE, "scope"),
        (_cap(scope=RUN), Reason.FIELD_ABSENT, "teraflop"),
        (_cap(scope=CLUSTER), Reason.FIELD_ABSENT, "chips"),
        (_cap(scope=GROWTH), Reason.FIELD_ABSENT, "growth_ppm"),
        (_cap(scope=GROWTH, growth_ppm=10**9 + 1), Reason.VALUE_OUT_OF_RANGE, "growth_ppm"),
        (_cap(baseline_ppm=10**9 + 1), Reason.VALUE_OUT_OF_RANGE, "baseline_ppm"),
        (_cap(chips=1), Reason.RULES_CONTRADICT, "chips"),
        (_cap(growth_ppm=1), Reason.RULES_CONTRADICT, "growth_ppm"),
        (_cap(scope=RUN, teraflop=1, chip_seconds=1), Reason.RULES_CONTRADICT, "chip_seconds"),
        (_cap(scope=CLUSTER, chips=1, teraflop=1), Reason.RULES_CONTRADICT, "teraflop"),
        (_cap(scope=GROWTH, growth_ppm=1, labels=[q.LABEL_SAFETY]), Reason.RULES_CONTRADICT, "labels"),
    ],
    ids=str,
)
def test_refuses_a_cap_that_does_not_limit_what_it_sums(cap: pb.Cap, reason: Reason, field: str) -> None:
    assert _problems(PAUSE, caps=(cap,)) == [(reason, f"levels.pause.caps.limit.{field}")]


def test_refuses_a_share_of_no_baseline() -> None:
    cap = _cap(labels=[q.LABEL_SAFETY], baseline_ppm=1)
    steps = _steps((0, 1), (2, LAST))
    assert _problems(PAUSE, 0, caps=(cap,)) == [(Reason.FIELD_ABSENT, "baseline_periods")]
    assert _problems(PAUSE, 0, ramp=steps) == [(Reason.FIELD_ABSENT, "baseline_periods")]
    assert _problems(PAUSE, 1, caps=(cap,), ramp=steps) == []
    # The whole is no share.
    assert _problems(PAUSE, 0, ramp=_steps((2, LAST))) == []


@pytest.mark.parametrize(("periods", "refused"), [(LAST, False), (LAST + 1, True)])
def test_refuses_durations_that_are_too_long_to_add_up(periods: int, refused: bool) -> None:
    found = [(Reason.VALUE_OUT_OF_RANGE, "baseline_periods")] if refused else []
    assert _problems(PAUSE, periods) == found
    found = [(Reason.VALUE_OUT_OF_RANGE, "levels.pause.seal_periods")] if refused else []
    assert _problems(PAUSE, seal_periods=periods) == found


@pytest.mark.parametrize(
    ("steps", "problems"),
    [
        ([(0, 250_000), (1, 500_000), (2, LAST)], []),
        ([(0, 1), (1, LAST)], []),
        ([(0, 0), (2, LAST)], [(Reason.VALUE_OUT_OF_RANGE, "share_ppm")]),
        ([(0, LAST + 1)], [(Reason.VALUE_OUT_OF_RANGE, "share_ppm"), (Reason.CLOCKS_CONTRADICT, "")]),
        ([(0, 1), (3, LAST)], [(Reason.VALUE_OUT_OF_RANGE, "after_periods")]),
        ([(1, 1), (1, LAST)], [(Reason.CLOCKS_CONTRADICT, "")]),
        ([(0, 500_000), (1, 500_000), (2, LAST)], [(Reason.CLOCKS_CONTRADICT, "")]),
        ([(0, 1), (2, LAST - 1)], [(Reason.CLOCKS_CONTRADICT, "")]),
    ],
)
def test_steps_rise_to_the_whole_within_the_ramp(
    steps: list[tuple[int, int]], problems: list[tuple[Reason, str]]
) -> None:
    expected = [(reason, f"levels.pause.ramp.{field}".rstrip(".")) for reason, field in problems]
    assert _problems(PAUSE, ramp_periods=2, ramp=_steps(*steps)) == expected


def _rises(low: pb.Cap, *high: pb.Cap) -> bool:
    made = terms(baseline_periods=2)
    made.levels[SLOWDOWN - 1].caps.append(low)
    made.levels[PAUSE - 1].caps.extend(high)
    problems = agreement_rules.problems(made)
    assert {found.reason for found in problems} <= {Reason.LEVELS_DO_NOT_RISE}
    return not problems


SHARE = {"labels": [q.LABEL_SAFETY], "baseline_ppm": 400}
GROWS = {"scope": GROWTH, "growth_ppm": 10}


@pytest.mark.parametrize(
    ("low", "high", "rises"),
    [
        (SHARE, SHARE, True),
        (SHARE, SHARE | {"baseline_ppm": 401}, False),
        (SHARE, SHARE | {"window_periods": 8}, False),
        (SHARE, SHARE | {"window_periods": 8, "baseline_ppm": 200}, True),
        (SHARE, SHARE | {"window_periods": 2, "baseline_ppm": 200}, False),
        (GROWS, GROWS, True),
        (GROWS, GROWS | {"growth_ppm": 11}, False),
        (GROWS, GROWS | {"window_periods": 5}, False),
        ({"scope": CLUSTER, "chips": 3}, {"scope": CLUSTER, "chips": 3}, True),
        ({"scope": CLUSTER, "chips": 3}, {"scope": CLUSTER, "chips": 4}, False),
        ({"scope": CLUSTER, "chips": 3}, {"scope": CLUSTER, "chips": 3, "labels": [q.LABEL_SAFETY]}, False),
        ({"scope": RUN, "teraflop": 3, "labels": [q.LABEL_SAFETY]}, {"scope": RUN, "teraflop": 3}, True),
        (
            {"scope": RUN, "teraflop": 3, "labels": [q.LABEL_SAFETY]},
            {"teraflop": 3, "labels": [q.LABEL_SAFETY]},
            False,
        ),
    ],
    ids=str,
)
def test_a_higher_level_limits_no_less(low: dict[str, Any], high: dict[str, Any], rises: bool) -> None:
    assert _rises(_cap(**low), _cap(**high)) is rises


def test_a_higher_level_need_not_cap_what_it_forbids() -> None:
    assert _rises(_cap(scope=RUN, teraflop=3, labels=[q.LABEL_TRAIN]))
    assert not _rises(_cap(scope=RUN, teraflop=3, labels=[q.LABEL_SAFETY]))


def test_limits_of_zero_operations_are_limits() -> None:
    assert cap_rules.limits_of(pb.Cap(teraflop=0)) == {"teraflop": 0}
    assert cap_rules.limits_of(pb.Cap()) == {}
