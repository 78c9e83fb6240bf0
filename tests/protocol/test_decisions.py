"""Ballots counted by control group."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol import decisions, fold
from protocol.agreement import Agreement
from protocol.state import BallotState, Membership, State, key
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import decision_pb2
from tests.builders import LABS, PAUSE, agreement, level, terms

CALL, LIFT, RENEW = decision_pb2.MOTION_CALL, decision_pb2.MOTION_LIFT, decision_pb2.MOTION_RENEW
TERMS = agreement()


def _ballot(yes: bool = True, closing: int = 10, episode: int = 1, index: int = 2) -> BallotState:
    return BallotState(episode=episode, yes=yes, period=closing, closing=closing, index=index)


def _state(terms_: Agreement = TERMS, motion: int = CALL, closings: int = 10, **ballots: BallotState) -> State:
    votes = {key(voter, motion, PAUSE): ballot for voter, ballot in ballots.items()}
    return replace(fold.initial(terms_), period=99, closings=closings, ballots=votes)


def _yes(state: State, motion: decision_pb2.Motion.ValueType = CALL, episode: int = 1) -> tuple[str, ...]:
    return decisions.tally(TERMS, state, PAUSE, motion, episode).yes


def test_carries_with_enough_groups_and_shows_their_ballots() -> None:
    found = decisions.tally(TERMS, _state(alpha=_ballot(), beta=_ballot(index=7)), PAUSE, CALL, 1)
    assert found.yes == ("alpha group", "beta group")
    assert (found.needed, found.carried) == (2, True)
    assert found.ballots == (("alpha", 2), ("beta", 7))


@pytest.mark.parametrize(
    "ballots",
    [{}, {"alpha": _ballot()}, {"alpha": _ballot(), "beta": _ballot(yes=False)}],
    ids=["nobody", "one", "one against"],
)
def test_is_not_carried_by_too_few(ballots: dict[str, BallotState]) -> None:
    assert not decisions.tally(TERMS, _state(TERMS, CALL, 10, **ballots), PAUSE, CALL, 1).carried


def test_counts_a_ballot_for_its_life_in_closings() -> None:
    assert terms().rules[0].ballot_life_periods == 6
    assert _yes(_state(alpha=_ballot(closing=5), closings=10)) == ("alpha group",)
    assert _yes(_state(alpha=_ballot(closing=4), closings=10)) == ()


def test_counts_no_ballot_of_another_episode_level_or_motion() -> None:
    state = _state(alpha=_ballot(episode=1))
    assert _yes(state) == ("alpha group",)
    assert _yes(state, episode=2) == ()
    assert _yes(state, LIFT) == ()
    assert decisions.tally(TERMS, state, 1, CALL, 1).yes == ()


def test_counts_no_ballot_of_who_has_left() -> None:
    state = _state(alpha=_ballot())
    for membership, yes in ((Membership.IN, True), (Membership.NOTICE, True), (Membership.OUT, False)):
        parties = dict(state.parties) | {"alpha": replace(state.parties["alpha"], membership=membership)}
        assert bool(_yes(replace(state, parties=parties))) is yes


def test_lets_a_group_vote_once_by_its_newest_ballot() -> None:
    made = terms()
    made.parties[1].owner = made.parties[0].owner
    one_group = agreement(parties=list(made.parties))
    both = _state(one_group, alpha=_ballot(), beta=_ballot())
    assert not decisions.tally(one_group, both, PAUSE, CALL, 1).carried
    for alpha, beta, yes in ((9, 10, False), (10, 9, True)):
        state = _state(one_group, alpha=_ballot(closing=alpha), beta=_ballot(yes=False, closing=beta))
        assert bool(decisions.tally(one_group, state, PAUSE, CALL, 1).yes) is yes


def test_decides_calls_and_renewals_by_one_rule_and_lifts_by_the_other() -> None:
    rules = [pb.Rule(name=name, yes=2, voters=LABS, ballot_life_periods=6) for name in ("callers", "lifters")]
    made = agreement(rules=rules, levels=[level("pause", 1, called_by="callers", lifted_by="lifters")])
    names = [rule.name for rule in (decisions.rule_for(made, 1, motion) for motion in (CALL, LIFT, RENEW)) if rule]
    assert names == ["callers", "lifters", "callers"]


def test_carries_nothing_where_the_trigger_decides_alone() -> None:
    made = agreement(levels=[level("pause", 1, called_by="")])
    assert decisions.rule_for(made, 1, CALL) is None
    assert not decisions.tally(made, fold.initial(made), 1, CALL, 1).carried
