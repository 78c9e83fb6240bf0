"""Verdicts counted, standing, freshness."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations_with_replacement

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.conduct import (
    BREACHED,
    DISCREPANT,
    HONORED,
    INCONCLUSIVE,
    VERDICTS,
    Freshness,
    Grounds,
    freshness,
    move,
    revise,
    settle,
)
from protocol.conduct import multilateral as together
from protocol.state import Conduct, Standing
from standstill.v1 import agreement_pb2 as pb
from tests.builders import change

TERMS = pb.Standing(breached=2, of_last=3, release_notice_periods=3, back_after_periods=2, settle_periods=2)
SIZES = [(1, 0), (4, 1), (5, 1), (6, 1), (7, 2)]


def _quorum(operators: int, liars: int) -> int:
    return (operators + liars) // 2 + 1


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([HONORED] * 3, HONORED),
        ([HONORED] * 2, INCONCLUSIVE),
        ([HONORED] * 3 + [BREACHED], HONORED),
        ([HONORED] * 2 + [DISCREPANT] * 2, DISCREPANT),
        ([HONORED] * 2 + [BREACHED] * 2, DISCREPANT),
        ([BREACHED] * 3, BREACHED),
        ([BREACHED] * 3 + [HONORED], BREACHED),
        ([BREACHED, DISCREPANT], DISCREPANT),
        ([BREACHED], INCONCLUSIVE),
        ([DISCREPANT, INCONCLUSIVE, INCONCLUSIVE, INCONCLUSIVE], INCONCLUSIVE),
        ([], INCONCLUSIVE),
    ],
    ids=range(11),
)
def test_counts_four_operators_of_whom_one_may_lie(verdicts: list[str], expected: str) -> None:
    assert together(verdicts, 3, 1) == expected


@pytest.mark.parametrize("verdict", VERDICTS)
def test_takes_one_verifier_at_its_word(verdict: str) -> None:
    assert together([verdict], 1, 0) == verdict
    assert together([], 1, 0) == INCONCLUSIVE


@pytest.mark.parametrize(("operators", "liars"), SIZES)
@pytest.mark.parametrize("truth", [HONORED, DISCREPANT, BREACHED])
def test_liars_change_nothing_when_all_honest_operators_agree(operators: int, liars: int, truth: str) -> None:
    honest = [truth] * (operators - liars)
    for lies in combinations_with_replacement([*VERDICTS, None], liars):
        said = honest + [lie for lie in lies if lie is not None]
        assert together(said, _quorum(operators, liars), liars) == truth


@pytest.mark.parametrize(("operators", "liars"), SIZES)
def test_liars_never_turn_honored_into_breached_or_back(operators: int, liars: int) -> None:
    quorum = _quorum(operators, liars)
    for honest in combinations_with_replacement([*VERDICTS, None], operators - liars):
        outcomes = {
            together([one for one in (*honest, *lies) if one is not None], quorum, liars)
            for lies in combinations_with_replacement([*VERDICTS, None], liars)
        }
        assert not {HONORED, BREACHED} <= outcomes


def test_remembers_as_many_settled_verdicts_as_standing_looks_at() -> None:
    conduct = Conduct()
    for verdict in (HONORED, HONORED, BREACHED, HONORED):
        conduct = settle(conduct, verdict, 3)
    assert conduct.settled == (HONORED, BREACHED, HONORED)
    assert conduct.honored == 1


@pytest.mark.parametrize("broken", [INCONCLUSIVE, DISCREPANT, BREACHED])
def test_breaks_a_row_of_honored_periods_by_anything_else(broken: str) -> None:
    conduct = settle(settle(Conduct(), HONORED, 3), HONORED, 3)
    assert conduct.honored == 2
    assert settle(conduct, broken, 3).honored == 0


def _run(conduct: Conduct, verdicts: list[str]) -> list[Conduct]:
    found = []
    for period, verdict in enumerate(verdicts):
        conduct = move(settle(conduct, verdict, TERMS.of_last), TERMS, Grounds(last=period, closing=period + 2))
        found.append(conduct)
    return found


@pytest.mark.parametrize(
    ("verdicts", "standing"),
    [
        ([BREACHED], Standing.RELIED),
        ([BREACHED, HONORED, HONORED, BREACHED], Standing.RELIED),
        ([BREACHED, HONORED, BREACHED], Standing.ACCUSED),
        ([BREACHED, BREACHED], Standing.ACCUSED),
        ([DISCREPANT] * 5, Standing.RELIED),
        ([INCONCLUSIVE] * 5, Standing.RELIED),
    ],
    ids=range(6),
)
def test_accuses_a_lab_of_enough_breaches_in_the_window(verdicts: list[str], standing: Standing) -> None:
    assert _run(Conduct(), verdicts)[-1].standing is standing


def test_puts_an_accused_lab_out_after_the_notice_and_not_before() -> None:
    found = _run(Conduct(), [BREACHED, BREACHED, HONORED, HONORED, HONORED])
    assert [one.standing for one in found] == [
        Standing.RELIED,
        Standing.ACCUSED,
        Standing.ACCUSED,
        Standing.ACCUSED,
        Standing.OUT,
    ]
    assert found[-1].losses == 1


def test_wins_standing_back_by_periods_honored_since_it_was_lost() -> None:
    # Honored all through the notice: that alone wins nothing back.
    found = _run(Conduct(), [BREACHED, BREACHED, HONORED, HONORED, HONORED, HONORED, HONORED])
    assert [one.standing for one in found[-3:]] == [Standing.OUT, Standing.OUT, Standing.RELIED]
    assert found[-1].settled == ()


def test_waits_for_honored_periods_in_a_row() -> None:
    out = Conduct(standing=Standing.OUT, losses=1)
    assert _run(out, [HONORED, INCONCLUSIVE, HONORED])[-1].standing is Standing.OUT
    assert _run(out, [INCONCLUSIVE, HONORED, HONORED])[-1].standing is Standing.RELIED


@given(st.integers(1, 6))
def test_doubles_the_way_back_with_every_loss(losses: int) -> None:
    out = Conduct(standing=Standing.OUT, losses=losses)
    needed = 2 * 2 ** (losses - 1)
    found = _run(out, [HONORED] * needed)
    assert [one.standing for one in found] == [Standing.OUT] * (needed - 1) + [Standing.RELIED]


ACCUSED = _run(Conduct(), [BREACHED, HONORED, BREACHED])[-1]
OUT = _run(Conduct(), [BREACHED, HONORED, BREACHED, BREACHED, HONORED, HONORED])[-1]


def test_remembers_which_breaches_accused_a_lab_and_how_often_it_was() -> None:
    assert (ACCUSED.standing, ACCUSED.cause, ACCUSED.accusations) == (Standing.ACCUSED, (0, 2), 1)
    assert (OUT.standing, OUT.cause, OUT.losses, OUT.out_since) == (Standing.OUT, (0, 2), 1, 7)


def _after(conduct: Conduct, terms_: pb.Standing = TERMS, **grounds: object) -> Conduct:
    given = {"last": 9, "closing": 11} | grounds
    return move(settle(conduct, INCONCLUSIVE, TERMS.of_last), terms_, Grounds(**given))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("vacated", "standing"),
    [((), Standing.ACCUSED), ((0,), Standing.RELIED), ((0, 2), Standing.RELIED), ((5,), Standing.ACCUSED)],
)
def test_clears_an_accused_lab_whose_findings_are_vacated(vacated: tuple[int, ...], standing: Standing) -> None:
    found = _after(ACCUSED, vacated=frozenset(vacated))
    assert found.standing is standing
    assert found.losses == 0


def test_clears_a_lab_only_when_too_few_of_its_breaches_are_left() -> None:
    three = _run(Conduct(settled=(BREACHED,)), [DISCREPANT, BREACHED])[-1]
    assert three.cause == (-1, 1)
    many = replace(three, cause=(0, 1, 2))
    one_less = _after(many, vacated=frozenset({1}))
    assert (one_less.standing, one_less.cause) == (Standing.ACCUSED, (0, 2))
    assert _after(one_less, vacated=frozenset({0})).standing is Standing.RELIED


def test_a_loss_by_findings_that_were_vacated_is_not_counted() -> None:
    found = _after(OUT, vacated=frozenset({2}))
    assert (found.standing, found.losses, found.out_since) == (Standing.RELIED, 0, None)
    assert _after(OUT, vacated=frozenset({4})).standing is Standing.OUT


def test_a_vote_holds_an_accused_lab_and_no_other() -> None:
    held = _after(ACCUSED, held=True)
    assert (held.standing, held.settled, held.losses) == (Standing.RELIED, (), 0)
    assert _after(OUT, held=True).standing is Standing.OUT


def test_what_a_hold_forgave_does_not_accuse_again_and_what_follows_does() -> None:
    held = _after(ACCUSED, held=True)
    found = _run(held, [BREACHED, BREACHED])
    assert [one.standing for one in found] == [Standing.RELIED, Standing.ACCUSED]
    assert found[-1].accusations == 2


@pytest.mark.parametrize(
    ("release", "released", "standing"),
    [
        (pb.RELEASE_UNSPECIFIED, False, Standing.OUT),
        (pb.RELEASE_ON_VOTE, False, Standing.ACCUSED),
        (pb.RELEASE_ON_VOTE, True, Standing.OUT),
    ],
)
def test_releases_by_default_or_by_vote_as_agreed(
    release: pb.Release.ValueType, released: bool, standing: Standing
) -> None:
    terms_ = change(TERMS, release=release)
    conduct = replace(ACCUSED, timer=2)
    assert _after(conduct, terms_, released=released).standing is standing
    assert _after(replace(ACCUSED, timer=1), terms_, released=released).standing is Standing.ACCUSED


SILENCE = change(TERMS, silence_out_periods=5)


@pytest.mark.parametrize(("silent", "standing"), [(4, Standing.RELIED), (5, Standing.ACCUSED)])
def test_accuses_of_silence(silent: int, standing: Standing) -> None:
    assert _after(Conduct(silent=silent), SILENCE).standing is standing
    assert _after(Conduct(silent=silent), TERMS).standing is Standing.RELIED


def test_clears_a_lab_that_is_heard_again() -> None:
    accused = _after(Conduct(silent=5), SILENCE)
    assert (accused.by_silence, accused.cause) == (True, ())
    assert _after(replace(accused, silent=6), SILENCE).standing is Standing.ACCUSED
    assert _after(replace(accused, silent=1), SILENCE).standing is Standing.RELIED


def test_hearing_a_lab_does_not_clear_it_of_its_breaches() -> None:
    both = _run(Conduct(silent=9), [BREACHED, BREACHED])[-1]
    accused = move(both, SILENCE, Grounds(last=1, closing=3))
    assert (accused.standing, accused.by_silence) == (Standing.ACCUSED, False)
    assert _after(replace(accused, silent=0), SILENCE).standing is Standing.ACCUSED


def test_a_hold_forgives_the_silence_until_then_and_no_longer() -> None:
    accused = _after(Conduct(silent=5), SILENCE)
    held = _after(replace(accused, silent=6), SILENCE, held=True)
    assert (held.standing, held.pardoned) == (Standing.RELIED, 6)
    assert _after(replace(held, silent=10), SILENCE).standing is Standing.RELIED
    assert _after(replace(held, silent=11), SILENCE).standing is Standing.ACCUSED
    # Heard in between, it has nothing left that was forgiven.
    heard = _after(replace(held, silent=0), SILENCE)
    assert _after(replace(heard, silent=5), SILENCE).standing is Standing.ACCUSED


@pytest.mark.parametrize(
    ("ago", "verdict", "settled", "honored"),
    [
        (0, BREACHED, (HONORED, HONORED, BREACHED), 0),
        (1, DISCREPANT, (HONORED, DISCREPANT, HONORED), 1),
        (2, INCONCLUSIVE, (INCONCLUSIVE, HONORED, HONORED), 2),
        (1, HONORED, (HONORED, HONORED, HONORED), 5),
        (3, BREACHED, (HONORED, HONORED, HONORED), 5),
    ],
)
def test_revises_a_settled_verdict_from_now_on(ago: int, verdict: str, settled: tuple[str, ...], honored: int) -> None:
    before = Conduct(settled=(HONORED,) * 3, honored=5, newest=HONORED)
    after = revise(before, ago, verdict)
    assert (after.settled, after.honored) == (settled, honored)
    assert after.newest == (verdict if ago == 0 else HONORED)


def test_a_period_found_honored_late_lengthens_no_row() -> None:
    before = Conduct(settled=(HONORED, BREACHED, HONORED), honored=1)
    assert revise(before, 1, HONORED).honored == 1


@given(st.lists(st.sampled_from([HONORED, BREACHED]), min_size=1, max_size=400))
def test_swings_at_most_as_often_as_the_doubling_allows(verdicts: list[str]) -> None:
    losses = _run(Conduct(), verdicts)[-1].losses
    # Before loss k+1 a lab was honored back_after * 2^(k-1) periods in a row.
    assert sum(TERMS.back_after_periods * 2 ** (loss - 1) for loss in range(1, losses)) <= len(verdicts)


def test_never_waits_longer_than_any_clock_of_an_agreement() -> None:
    lost = Conduct(standing=Standing.OUT, losses=10_000, honored=999_999, timer=10**6)
    assert _run(lost, [HONORED])[-1].standing is Standing.RELIED


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        (0, Freshness.FRESH),
        (1, Freshness.FRESH),
        (2, Freshness.LATE),
        (3, Freshness.LATE),
        (4, Freshness.STALE),
        (6, Freshness.STALE),
        (7, Freshness.PRESUMED),
        (99, Freshness.PRESUMED),
    ],
)
def test_grows_stale_by_the_agreements_clock(missing: int, expected: Freshness) -> None:
    clocks = pb.Freshness(late_periods=2, stale_periods=4, presumed_non_compliant_periods=7)
    assert freshness(missing, clocks) is expected
