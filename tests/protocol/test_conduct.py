"""Verdicts counted, standing, freshness."""

from __future__ import annotations

from itertools import combinations_with_replacement

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.conduct import BREACHED, DISCREPANT, HONORED, INCONCLUSIVE, VERDICTS, Freshness, freshness, move, settle
from protocol.conduct import multilateral as together
from protocol.state import Conduct, Standing
from standstill.v1 import agreement_pb2 as pb

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
    for verdict in verdicts:
        conduct = move(settle(conduct, verdict, TERMS.of_last), TERMS)
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
