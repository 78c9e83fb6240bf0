"""What a level asks: caps over their windows, and the halt that begins it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.checks import run_all
from standstill.v1 import header_pb2 as h
from standstill.v1 import quantity_pb2 as q
from tests import builders
from tests.builders import H100, PAUSE
from tests.bundles import strict_agreement
from tests.protocol.records import CAP, halted, rolled_out
from tests.protocol.window import WINDOW, slowdown
from tests.scenes import LAB, NOW, PAUSED, SLOWED, honest
from tests.terms import handle

INCONCLUSIVE, DISCREPANT = h.VERDICT_INCONCLUSIVE, h.VERDICT_DISCREPANT


def test_caps_count_only_periods_since_the_level_applies() -> None:
    scene = honest(SLOWED, without=["attestation"])
    scene.duty = replace(SLOWED, since=NOW)
    scene.attest(NOW - 1, use=rolled_out(CAP))
    scene.attest(use=rolled_out(CAP))

    assert "cap-exceeded" not in scene.codes()
    scene.duty = SLOWED
    assert "cap-exceeded" in scene.codes()


@pytest.mark.parametrize("period", WINDOW)
def test_a_cap_could_not_be_appraised_while_any_period_that_it_counts_is_silent(period: int) -> None:
    scene = slowdown(silent=[period])
    assert scene.codes() == ["cap-window-incomplete"]

    scene.attest(period)
    assert scene.codes() == []


def test_periods_before_the_level_applies_need_no_word_for_its_caps() -> None:
    scene = slowdown(silent=[NOW - 3, NOW - 2])
    scene.duty = replace(SLOWED, since=NOW - 1)
    scene.say(LAB, builders.halt_report(SLOWED.level), period=NOW - 1)
    assert scene.codes() == []

    scene.duty = replace(SLOWED, since=NOW - 2)
    assert scene.codes() == ["cap-window-incomplete"]


def test_a_cap_is_complete_only_with_every_site() -> None:
    labs = list(strict_agreement().terms.parties)
    second = builders.change(labs[0].sites[0], handle=handle(LAB, 2))
    labs[0] = builders.change(labs[0], sites=[labs[0].sites[0], second])
    scene = slowdown(builders.agreement(parties=labs), without=["attestation", "meter"])
    one = builders.attestation(scene.agreement, NOW - 1, chips={H100: 1}, use=[builders.used(q.LABEL_IDLE)])
    for period in WINDOW[:-1]:
        body = builders.change(
            one, start=scene.agreement.start_of(period), end=scene.agreement.end_of(period), energy=None
        )
        scene.say(LAB, body, site=second.handle)
    assert "cap-window-incomplete" in scene.codes()

    scene.say(LAB, one, site=second.handle)
    assert "cap-window-incomplete" not in scene.codes()


@pytest.mark.parametrize("period", [NOW - 1, NOW])
@pytest.mark.parametrize("first", [0, 1], ids=["the smaller first", "the larger first"])
def test_of_several_words_on_one_period_a_cap_counts_the_largest_once(period: int, first: int) -> None:
    for most, exceeded in ((CAP, False), (CAP + 1, True)):
        scene = slowdown(without=["attestation"], silent=[period])
        if period != NOW:
            scene.attest()
        said = [CAP // 2, most]
        for teraflop in (said[first], said[1 - first], said[first]):
            scene.attest(period, use=rolled_out(teraflop))

        assert ("cap-exceeded" in scene.codes()) is exceeded


@pytest.mark.parametrize("recorded", [1, NOW - 1, NOW, NOW + 1])
def test_a_cap_counts_an_earlier_period_whenever_it_was_recorded(recorded: int) -> None:
    scene = slowdown(silent=[NOW - 1])
    scene.attest(NOW - 1, recorded=recorded, use=rolled_out(CAP + 1))

    assert scene.codes() == ["cap-exceeded"]


@pytest.mark.parametrize(("silent", "severity"), [(0, INCONCLUSIVE), (2, INCONCLUSIVE), (3, DISCREPANT)])
def test_silence_about_the_halt_is_judged_by_the_clock_of_silence(silent: int, severity: h.Verdict.ValueType) -> None:
    scene = honest(replace(PAUSED, since=NOW - silent), without=["halt"])
    assert scene.agreement.terms.freshness.presumed_non_compliant_periods == 3

    assert [(found.code, found.severity) for found in run_all(scene.case())] == [("halt-missing", severity)]


@pytest.mark.parametrize(
    ("period", "codes"),
    [(PAUSED.since - 2, ["halt-missing"]), (PAUSED.since - 1, []), (PAUSED.since, [])],
    ids=["before the wind-down", "as it begins", "as it ends"],
)
def test_a_halt_report_counts_from_the_period_in_which_the_wind_down_begins(period: int, codes: list[str]) -> None:
    scene = halted(1, period)
    assert scene.agreement.levels[PAUSE].wind_down_periods == 1

    assert scene.codes() == codes
    scene.say(LAB, builders.halt_report(PAUSE, 1), period=NOW)
    assert scene.codes() == []


@pytest.mark.parametrize(("episode", "codes"), [(1, []), (2, []), (3, ["halt-missing"])])
def test_what_was_halted_before_a_new_episode_took_over_stays_halted(episode: int, codes: list[str]) -> None:
    # As when a brake is ratified, or a level is called again on the ramp: the lab is bound since before.
    scene = honest(replace(PAUSED, episode=2), without=["halt"])
    scene.say(LAB, builders.halt_report(PAUSE, episode), period=PAUSED.since)
    assert scene.codes() == codes
