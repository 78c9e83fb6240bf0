"""Limits that are shares of a baseline, sizes of runs, growth, and the time to seal."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.case_needs import baselines, needs
from protocol.checks import run_all
from protocol.duty import Duty
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import header_pb2
from standstill.v1 import quantity_pb2 as q
from tests.builders import PAUSE, PERIOD
from tests.protocol.limits import BEFORE, STEPS, TRAINED, grew, measured, ran, returning, sealed, under
from tests.scenes import LAB, NOW, PAUSED, SLOWED, Scene


def _figures(scene: Scene, code: str) -> list[list[str]]:
    return [[one.value for one in found.figures] for found in run_all(scene.case()) if found.code == code]


@pytest.mark.parametrize(
    ("held", "teraflop", "figures"),
    [
        (PERIOD // 2, TRAINED // 2, []),
        (PERIOD // 2 + 1, TRAINED // 2, [[str(PERIOD // 2 + 1), str(PERIOD // 2), "0"]]),
        (PERIOD // 2, TRAINED // 2 + 1, [[str(TRAINED // 2 + 1), str(TRAINED // 2), "0"]]),
    ],
)
def test_a_returning_lab_does_what_the_level_forbids_up_to_its_share(
    held: int, teraflop: int, figures: list[list[str]]
) -> None:
    scene = returning(held, teraflop)
    assert _figures(scene, "ramp-exceeded") == figures
    assert not {"label-not-allowed", "use-after-halt"} & set(scene.codes())


def test_nothing_that_a_level_forbids_goes_on_before_the_first_step() -> None:
    scene = returning(PERIOD // 2)
    scene.duty = replace(scene.duty, ramp_ppm=0)
    assert {"label-not-allowed", "use-after-halt"} <= set(scene.codes())


def test_periods_of_the_baseline_without_a_word_count_as_nothing() -> None:
    assert "ramp-exceeded" not in returning(PERIOD // 4, TRAINED // 4, before=range(1)).codes()
    assert "ramp-exceeded" in returning(PERIOD // 4 + 1, TRAINED // 4, before=range(1)).codes()


def test_of_several_words_on_one_period_of_the_baseline_the_smallest_counts() -> None:
    scene = returning(PERIOD // 2, TRAINED // 2)
    assert "ramp-exceeded" not in scene.codes()
    scene.attest(0)
    assert "ramp-exceeded" in scene.codes()


def test_without_any_baseline_a_share_could_not_be_appraised() -> None:
    for scene in (returning(PERIOD // 2, before=range(0)), measured(PERIOD // 2, before=range(0))):
        found = [one for one in run_all(scene.case()) if one.code == "baseline-unknown"]
        assert [one.severity for one in found] == [header_pb2.VERDICT_INCONCLUSIVE]
    assert "baseline-unknown" not in returning(0, before=range(0)).codes()


def test_a_returning_lab_keeps_the_levels_beneath() -> None:
    held, done = PERIOD // 2, TRAINED // 2
    assert "label-not-allowed" not in returning(held, done, beneath=replace(SLOWED, since=NOW)).codes()
    assert "label-not-allowed" in returning(held, done, beneath=replace(PAUSED, since=NOW)).codes()


@pytest.mark.parametrize(
    ("held", "teraflop", "exceeded"),
    [
        (PERIOD // 4, TRAINED // 4, False),
        (PERIOD // 4 + 1, 0, True),
        (PERIOD // 4, TRAINED // 4 + 1, True),
    ],
)
def test_a_cap_may_be_a_share_of_the_baseline(held: int, teraflop: int, exceeded: bool) -> None:
    assert ("cap-exceeded" in measured(held, teraflop).codes()) is exceeded


def test_a_run_is_one_over_all_sites_and_each_is_measured_alone() -> None:
    assert ran(("a", 2, 100), ("b", 2, 100)).codes() == ran().codes()
    assert _figures(ran(("a", 2, 100), ("b", 2, 101)), "run-too-large") == [["101", "100", "0"]]
    assert _figures(ran(("a", 3, 100), ("b", 2, 100)), "cluster-too-large") == [["3", "2", "0"]]


def test_a_cap_on_clusters_counts_every_label_and_one_on_runs_its_own() -> None:
    codes = ran(("a", 3, 101), label=q.LABEL_INFERENCE).codes()
    assert ("cluster-too-large" in codes, "run-too-large" in codes) == (True, False)


@pytest.mark.parametrize(("new", "grown"), [(11, False), (12, True), (9, False)])
def test_an_inventory_grows_from_that_at_the_begin_of_the_window(new: int, grown: bool) -> None:
    assert ("inventory-grew" in grew(10, new).codes()) is grown


def test_growth_before_the_level_applied_is_not_counted() -> None:
    assert "inventory-grew" not in grew(10, 20, since=NOW).codes()
    # A longer window reaches back to the begin of the level and no further.
    assert "inventory-grew" in grew(10, 20, since=NOW - 3, window=9).codes()


def test_growth_from_an_inventory_that_nobody_attested_could_not_be_appraised() -> None:
    assert "earlier-inventory-unknown" in grew(None, 10).codes()
    assert "earlier-inventory-unknown" not in grew(10, 10).codes()


@pytest.mark.parametrize(("recorded", "late"), [(NOW + 1, False), (NOW + 2, True)])
def test_what_was_halted_is_sealed_in_time(recorded: int, late: bool) -> None:
    assert ("seal-late" in sealed(recorded).codes()) is late
    assert "seal-late" not in sealed(recorded, seal_periods=8).codes()
    assert "seal-late" not in sealed(recorded, seal_periods=0).codes()


def test_nobody_seals_late_while_nothing_could_be_recorded() -> None:
    case = sealed(NOW + 2).case()
    late = [one.code for one in run_all(replace(case, closed=frozenset({NOW + 1, NOW + 2})))]
    dark = [one.code for one in run_all(replace(case, closed=frozenset({NOW + 2})))]
    assert ("seal-late" in late, "seal-late" in dark) == (True, False)


def test_a_case_needs_its_baseline_once_and_only_where_a_share_is_of_it() -> None:
    terms = under(PAUSE, ramp=STEPS)
    duty = replace(PAUSED, baseline=BEFORE)
    kind = header_pb2.KIND_COMPUTE_ATTESTATION
    back = replace(duty, ramp_ppm=1, beneath=Duty())
    assert baselines(terms, duty) == []
    assert baselines(terms, back) == [BEFORE]
    spans = [(need.first, need.last) for need in needs(terms, back, LAB, NOW) if need.kind == kind]
    assert spans == [(NOW, NOW), (0, 1)]
    wide = under(PAUSE, pb.Cap(name="wide", window_periods=9), ramp=STEPS)
    spans = [(need.first, need.last) for need in needs(wide, back, LAB, NOW) if need.kind == kind]
    assert spans == [(PAUSED.since, NOW), (0, 1)]
    spans = [(one.first, one.last) for one in needs(wide, back, LAB, NOW, known=[BEFORE]) if one.kind == kind]
    assert spans == [(PAUSED.since, NOW)]
    at_once = replace(back, since=BEFORE.stop)
    spans = [(need.first, need.last) for need in needs(wide, at_once, LAB, NOW) if need.kind == kind]
    assert spans == [(0, NOW)]


def test_says_that_runs_are_the_word_of_the_lab_where_a_cap_is_on_runs() -> None:
    told = [
        any(line.startswith("Runs are") for line in one.appraise().assessment.assurance.blind_spots)
        for one in (ran(), measured(0))
    ]
    assert told == [True, False]
