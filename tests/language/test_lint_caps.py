"""Findings on caps, clocks and brakes: each has a twin without it."""

from __future__ import annotations

from typing import Any

import pytest

from language.problem import Severity
from protocol.agreement_limits import MAX_PERIODS
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import condition_pb2
from standstill.v1 import quantity_pb2 as q
from tests.language.lint_terms import found, only, with_level
from tests.terms import NEVER, PAUSE, SLOWDOWN, reading, terms

TRAINING = (q.LABEL_TRAIN, q.LABEL_POST_TRAIN, q.LABEL_ROLLOUT, q.LABEL_UNLABELLED)


def capped(capacity: int, **cap: Any) -> pb.Agreement:
    """The terms of tests with one cap on training at slowdown, in labs that say what they have."""
    cap = {"window_periods": 4, **cap}
    made = with_level(SLOWDOWN, caps=[pb.Cap(name="training", labels=TRAINING, **cap)])
    for party in made.parties:
        if pb.ROLE_LAB in party.roles:
            party.capacity_gigaflop_per_second = capacity
    return made


# 4 periods of an hour: 14,400 s at 1,000 GFLOP/s are 14,400 teraFLOP.
def test_a_cap_that_no_lab_reaches_is_told() -> None:
    finding = only(capped(1_000, teraflop=14_400), "cap-above-capacity")
    assert finding.path == "levels.slowdown.caps.training"
    assert finding.text == "never binds: no lab that states its capacity (alpha, beta and gamma) can do as much"
    assert not found(capped(1_000, teraflop=14_399), "cap-above-capacity")


def test_a_cap_that_one_lab_reaches_binds() -> None:
    agreement = capped(1_000, teraflop=14_400)
    agreement.parties[0].capacity_gigaflop_per_second = 2_000
    assert not found(agreement, "cap-above-capacity")


def test_a_cluster_that_no_lab_has_is_told() -> None:
    # The slowest accelerators of these terms do 312,000 GFLOP/s.
    cluster = {"scope": pb.CAP_SCOPE_CLUSTER, "window_periods": 1}
    assert found(capped(312_000 * 9, chips=9, **cluster), "cap-above-capacity")
    assert not found(capped(312_000 * 9, chips=8, **cluster), "cap-above-capacity")


def test_capacities_that_nobody_states_are_noted_once() -> None:
    assert only(terms(4), "capacity-unknown").severity is Severity.NOTE
    assert not found(capped(1_000, teraflop=1), "capacity-unknown")
    assert not found(with_level(SLOWDOWN, caps=[]), "capacity-unknown")


def test_a_run_that_may_exceed_all_runs_is_told() -> None:
    def runs(run: int) -> pb.Agreement:
        caps = [
            pb.Cap(name="total", labels=TRAINING, teraflop=100, window_periods=12),
            pb.Cap(name="run", labels=TRAINING[:1], teraflop=run, window_periods=1, scope=pb.CAP_SCOPE_RUN),
        ]
        return with_level(SLOWDOWN, caps=caps)

    assert only(runs(101), "cap-above-total").also == ("levels.slowdown.caps.total",)
    assert not found(runs(100), "cap-above-total")


def exempt(**changes: Any) -> pb.Agreement:
    return with_level(PAUSE, exemptions=[pb.Exemption(name="evals", labels=[q.LABEL_EVAL], **changes)])


# One significant quantity is 10^9 teraFLOP in 24 periods.
def test_an_exemption_worth_more_than_a_significant_quantity_is_noted() -> None:
    cap = pb.Cap(name="evals", labels=[q.LABEL_EVAL], teraflop=10**9, window_periods=8)
    finding = only(exempt(cap=cap), "cap-above-sq")
    assert finding.text == "evals may do more than 3 significant quantities in 24 h"
    cap.window_periods = 24
    assert not found(exempt(cap=cap), "cap-above-sq")


def test_an_exemption_without_a_ceiling_is_told() -> None:
    assert only(exempt(), "uncapped").path == "levels.pause.exemptions.evals"
    cap = pb.Cap(name="evals", labels=[q.LABEL_EVAL], chip_seconds=9, window_periods=8)
    assert not found(exempt(cap=cap), "uncapped")


def test_a_share_of_no_baseline_is_an_error() -> None:
    agreement = capped(1_000, baseline_ppm=500_000)
    assert only(agreement, "baseline-missing").path == "levels.slowdown.caps.training"
    agreement.baseline_periods = 9
    assert not found(agreement, "baseline-missing")


def test_steps_of_no_baseline_are_an_error() -> None:
    steps = [pb.RampStep(after_periods=0, share_ppm=500_000), pb.RampStep(after_periods=2, share_ppm=1_000_000)]
    agreement = with_level(PAUSE, ramp=steps)
    assert only(agreement, "baseline-missing").path == "levels.pause.ramp"
    agreement.baseline_periods = 9
    assert not found(agreement, "baseline-missing")


def higher(*caps: pb.Cap) -> pb.Agreement:
    """Training is capped by run at slowdown; the pause allows training too, under these caps."""
    lower = pb.Cap(name="run", labels=TRAINING, teraflop=9, window_periods=1, scope=pb.CAP_SCOPE_RUN)
    made = with_level(SLOWDOWN, caps=[lower])
    made.levels[1].allowed.append(q.LABEL_TRAIN)
    made.levels[1].caps.extend(caps)
    return made


@pytest.mark.parametrize(
    ("changes", "told"),
    {
        "as tight": ({}, False),
        "tighter": ({"teraflop": 8}, False),
        "looser": ({"teraflop": 10}, True),
        "of all runs together": ({"scope": pb.CAP_SCOPE_UNSPECIFIED}, True),
        "of other work": ({"labels": [q.LABEL_EVAL]}, True),
    }.values(),
    ids=str,
)
def test_a_higher_level_keeps_the_caps_of_the_lower(changes: dict[str, Any], told: bool) -> None:
    stated: dict[str, Any] = {"labels": [q.LABEL_TRAIN], "teraflop": 9, "scope": pb.CAP_SCOPE_RUN, **changes}
    agreement = higher(pb.Cap(name="run", window_periods=1, **stated))
    assert bool(found(agreement, "levels-do-not-rise")) is told


def test_a_higher_level_may_forbid_what_the_lower_caps() -> None:
    agreement = higher()
    assert only(agreement, "levels-do-not-rise").text == "run of slowdown is not capped as tightly"
    del agreement.levels[1].allowed[-1]
    assert not found(agreement, "levels-do-not-rise")


def test_a_higher_level_exempts_only_what_the_lower_lets_through() -> None:
    forbidding = with_level(SLOWDOWN, allowed=[q.LABEL_OFF], caps=[])
    forbidding.levels[1].allowed[:] = [q.LABEL_OFF]
    forbidding.levels[1].exemptions.add(name="evals", labels=[q.LABEL_EVAL])
    assert only(forbidding, "levels-do-not-rise").text == "lets through eval, which slowdown forbids"
    forbidding.levels[0].exemptions.add(name="evals", labels=[q.LABEL_EVAL])
    assert not found(forbidding, "levels-do-not-rise")


def test_a_level_without_an_end_is_told() -> None:
    endless = with_level(PAUSE, mandate_periods=MAX_PERIODS)
    assert only(endless, "no-sunset").text == "has no end but a vote"
    assert only(endless, "no-sunset").severity is Severity.WARNING
    endless.citations.add(clause="level pause", source="ours")
    assert only(endless, "no-sunset").severity is Severity.NOTE
    endless.levels[1].resume.CopyFrom(NEVER)
    assert only(endless, "no-sunset").text == "has no end at all"
    assert not found(terms(4), "no-sunset")


def test_terms_without_a_brake_are_noted() -> None:
    assert only(terms(4), "no-brake").severity is Severity.NOTE
    assert not found(with_level(PAUSE, brake=pb.BrakeTerms(roles=[pb.ROLE_LAB])), "no-brake")


MOVES = {"falls": (900_000, False, False), "rises": (1_100_000, False, True), "falls below": (900_000, True, True)}


@pytest.mark.parametrize(("factor", "below", "told"), MOVES.values(), ids=list(MOVES))
def test_a_threshold_that_moves_away_is_told(factor: int, below: bool, told: bool) -> None:
    trigger = reading(50, below=below)
    moves = condition_pb2.Condition.Ratchet(every_periods=9, factor_ppm=factor, limit=60 if factor > 10**6 else 40)
    trigger.reading.ratchet.CopyFrom(moves)
    assert bool(found(with_level(PAUSE, trigger=trigger), "ratchet-loosens")) is told


def test_a_threshold_above_the_whole_is_noted() -> None:
    def at(threshold: int, unit: str = "ppm") -> pb.Agreement:
        made = with_level(PAUSE, trigger=reading(threshold))
        made.indicators[0].unit = unit
        return made

    finding = only(at(1_900_000), "above-whole")
    assert (finding.path, finding.severity) == ("levels.pause.trigger", Severity.NOTE)
    assert finding.text == "190 % of horizon: a share is never as much"
    assert not found(at(1_000_000), "above-whole")
    assert not found(at(1_900_000, "x"), "above-whole")


def test_an_exemption_of_what_is_allowed_anyway_is_told() -> None:
    def exempt(*labels: q.Label.ValueType) -> pb.Agreement:
        cap = pb.Cap(name="little", labels=labels, window_periods=4, teraflop=1)
        return with_level(
            PAUSE, allowed=[q.LABEL_EVAL], exemptions=[pb.Exemption(name="evals", labels=labels, cap=cap)]
        )

    assert only(exempt(q.LABEL_EVAL), "exempt-anyway").path == "levels.pause.exemptions.evals"
    assert not found(exempt(q.LABEL_EVAL, q.LABEL_SAFETY), "exempt-anyway")


def test_honored_without_any_evidence_is_told() -> None:
    made = terms()
    assert not found(made, "nothing-required")
    made.verification.ClearField("required")
    assert only(made, "nothing-required").path == "verification.required"
