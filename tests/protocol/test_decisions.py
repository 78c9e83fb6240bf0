"""Ballots counted by control group."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import decisions, fold
from protocol.agreement import Agreement
from protocol.decisions import Asked, Tally
from protocol.errors import Reason
from protocol.keys import public_key
from protocol.needs import Electorate, can_split, leaves, met, need_of
from protocol.recusal import recused
from protocol.state import BallotState, LevelState, Membership, ReportState, Stage, Standing, State, key
from protocol.truth import Truth
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import decision_pb2
from tests.builders import LABS, PAUSE, agreement, level, party, seed, terms
from tests.builders import reading as reading_of
from tests.terms import brake_terms

CALL, LIFT, RENEW = decision_pb2.MOTION_CALL, decision_pb2.MOTION_LIFT, decision_pb2.MOTION_RENEW
HOLD, RATIFY, AMEND = decision_pb2.MOTION_HOLD, decision_pb2.MOTION_RATIFY, decision_pb2.MOTION_AMEND
TERMS = agreement()
SENATE = [
    pb.Seat(name="chair", owner="chair's office", public_key=public_key(seed("senate", "chair"))),
    pb.Seat(name="clerk", owner="clerk's office", public_key=public_key(seed("senate", "clerk"))),
    pb.Seat(name="alpha", owner="alpha group", held_by="alpha"),
]


def count(k: int, *voters: str) -> pb.Need:
    """At least k of these."""
    return pb.Need(count=pb.Need.Count(k=k, voters=voters))


def weighted(at_least: int, ceiling: int = 0, **weights: int) -> pb.Need:
    """Voters by weight."""
    of = [pb.VoterWeight(voter=voter, weight=weight) for voter, weight in weights.items()]
    return pb.Need(weighted=pb.Need.Weighted(of=of, at_least=at_least, ceiling=ceiling))


def both(*of: pb.Need) -> pb.Need:
    """All of these."""
    return pb.Need(all=pb.Need.Several(of=of))


def either(*of: pb.Need) -> pb.Need:
    """One of these."""
    return pb.Need(any=pb.Need.Several(of=of))


def _ballot(yes: bool = True, closing: int = 10, episode: int = 1, index: int = 2) -> BallotState:
    return BallotState(episode=episode, yes=yes, period=closing, closing=closing, index=index)


def _asked(motion: decision_pb2.Motion.ValueType = CALL, rank: int = PAUSE, episode: int = 1) -> Asked:
    return Asked(motion, rank, episode)


def _state(
    terms_: Agreement = TERMS,
    motion: decision_pb2.Motion.ValueType = CALL,
    closings: int = 10,
    **ballots: BallotState,
) -> State:
    """A state in which everybody takes part, with ballots on the pause."""
    begun = fold.initial(terms_)
    votes = {_asked(motion).place(voter.replace("_", "/")): ballot for voter, ballot in ballots.items()}
    parties = {name: replace(one, membership=Membership.IN) for name, one in begun.parties.items()}
    return replace(begun, period=99, closings=closings, ballots=votes, parties=parties)


def _yes(state: State, motion: decision_pb2.Motion.ValueType = CALL, episode: int = 1) -> tuple[str, ...]:
    return decisions.tally(TERMS, state, _asked(motion, episode=episode)).yes


def _with_rule(need: pb.Need | None = None, **changes: object) -> Agreement:
    """Terms whose levels are called by a rule of this need and lifted by everybody, with a senate of three seats."""
    rule = pb.Rule(name="council", ballot_life_periods=6, need=need or count(2, *LABS), **changes)  # type: ignore[arg-type]
    seats = pb.Need(count=pb.Need.Count(k=3, seats="senators"))
    everybody = pb.Rule(name="everybody", ballot_life_periods=6, need=both(count(3, *LABS), seats), **changes)  # type: ignore[arg-type]
    senate = party("senate", pb.ROLE_COUNCIL, seats=[pb.SeatClass(name="senators", seats=SENATE)])
    levels = [level("slowdown", 1, lifted_by="everybody"), level("pause", PAUSE, lifted_by="everybody")]
    return agreement(rules=[rule, everybody], levels=levels, parties=[*terms().parties, senate])


def _tally(made: Agreement, without: frozenset[str] = frozenset(), **ballots: BallotState) -> Tally:
    return decisions.tally(made, _state(made, CALL, 10, **ballots), _asked(), without)


def test_carries_with_enough_groups_and_shows_their_ballots() -> None:
    found = decisions.tally(TERMS, _state(alpha=_ballot(), beta=_ballot(index=7)), _asked())
    assert found.yes == ("alpha group", "beta group")
    assert found.carried
    assert [(voter, ref.origin, ref.index) for voter, ref in found.ballots] == [
        ("alpha", "alpha.example/standstill", 2),
        ("beta", "beta.example/standstill", 7),
    ]
    assert "vote to call: 2 groups say yes, 2 needed" in "\n".join(found.explained(_asked()).lines())


@pytest.mark.parametrize(
    "ballots",
    [{}, {"alpha": _ballot()}, {"alpha": _ballot(), "beta": _ballot(yes=False)}],
    ids=["nobody", "one", "one against"],
)
def test_is_not_carried_by_too_few(ballots: dict[str, BallotState]) -> None:
    assert not decisions.tally(TERMS, _state(TERMS, CALL, 10, **ballots), _asked()).carried


def test_counts_a_ballot_for_its_life_in_closings() -> None:
    assert terms().rules[0].ballot_life_periods == 6
    assert _yes(_state(alpha=_ballot(closing=5), closings=10)) == ("alpha group",)
    assert _yes(_state(alpha=_ballot(closing=4), closings=10)) == ()


def test_counts_no_ballot_of_another_episode_level_or_motion() -> None:
    state = _state(alpha=_ballot(episode=1))
    assert _yes(state) == ("alpha group",)
    assert _yes(state, episode=2) == ()
    assert _yes(state, LIFT) == ()
    assert decisions.tally(TERMS, state, _asked(rank=1)).yes == ()


def test_counts_no_ballot_of_who_has_left() -> None:
    state = _state(alpha=_ballot())
    for membership, yes in ((Membership.IN, True), (Membership.NOTICE, True), (Membership.OUT, False)):
        parties = dict(state.parties) | {"alpha": replace(state.parties["alpha"], membership=membership)}
        assert bool(_yes(replace(state, parties=parties))) is yes


@pytest.mark.parametrize(
    ("motion", "yes"), [(CALL, True), (RENEW, True), (RATIFY, True), (LIFT, False), (AMEND, False)]
)
def test_what_was_voted_before_a_notice_tightens_and_does_not_relax(
    motion: decision_pb2.Motion.ValueType, yes: bool
) -> None:
    made = agreement(amended_by="council", levels=[level("slowdown", 1), level("pause", PAUSE, brake=brake_terms())])
    state = _state(made, motion, alpha=_ballot())
    assert decisions.tally(made, state, _asked(motion)).yes == ("alpha group",)
    leaving = dict(state.parties) | {"alpha": replace(state.parties["alpha"], membership=Membership.NOTICE)}
    assert bool(decisions.tally(made, replace(state, parties=leaving), _asked(motion)).yes) is yes


def test_counts_no_ballot_of_who_was_proven_to_contradict_itself() -> None:
    state = _state(alpha=_ballot())
    for convicted in (False, True):
        parties = dict(state.parties) | {"alpha": replace(state.parties["alpha"], convicted=convicted)}
        assert bool(_yes(replace(state, parties=parties))) is not convicted


@pytest.mark.parametrize(("joined", "yes"), [(0, True), (8, True), (9, False), (10, False)])
def test_gives_a_party_that_joined_later_no_vote_for_a_time(joined: int, yes: bool) -> None:
    made = agreement(novice_periods=2)
    state = _state(made, alpha=_ballot())
    parties = dict(state.parties) | {"alpha": replace(state.parties["alpha"], joined=joined)}
    assert bool(decisions.tally(made, replace(state, parties=parties), _asked()).yes) is yes


def test_lets_a_group_vote_once_by_its_newest_ballot() -> None:
    made = terms()
    made.parties[1].owner = made.parties[0].owner
    one_group = agreement(parties=list(made.parties))
    assert not _tally(one_group, alpha=_ballot(), beta=_ballot()).carried
    for alpha, beta, yes in ((9, 10, False), (10, 9, True)):
        found = _tally(one_group, alpha=_ballot(closing=alpha), beta=_ballot(yes=False, closing=beta))
        assert bool(found.yes) is yes


@pytest.mark.parametrize("against", ["alpha", "beta"])
def test_a_group_that_says_both_in_one_record_does_not_say_yes_whoever_says_which(against: str) -> None:
    made = terms()
    made.parties[1].owner = made.parties[0].owner
    one_group = agreement(parties=list(made.parties))
    votes = {name: _ballot(yes=name != against, index=9 if name == "alpha" else 1) for name in LABS[:2]}
    assert _tally(one_group, frozenset(), **votes).yes == ()
    assert _tally(one_group, frozenset(), **dict.fromkeys(LABS[:2], _ballot())).yes == ("alpha group",)


def test_decides_each_motion_by_the_rule_that_the_terms_name() -> None:
    names = ("callers", "lifters", "renewers", "armers")
    rules = [pb.Rule(name=name, yes=2, voters=LABS, ballot_life_periods=6) for name in names]
    changes = {"called_by": "callers", "lifted_by": "lifters", "renewed_by": "renewers", "armed_by": "armers"}
    for renewed_by, renews in (("renewers", "renewers"), ("", "callers")):
        made = agreement(rules=rules, levels=[level("pause", 1, **(changes | {"renewed_by": renewed_by}))])
        motions = (CALL, LIFT, RENEW, decision_pb2.MOTION_ARM)
        found = [rule.name for motion in motions if (rule := decisions.rule_of(made, Asked(motion, 1)))]
        assert found == ["callers", "lifters", renews, "armers"]
    alone = agreement(rules=rules, levels=[level("pause", 1, called_by="", lifted_by="lifters")])
    renewing = decisions.rule_of(alone, Asked(RENEW, 1))
    assert renewing is not None
    assert renewing.name == "lifters"


def test_carries_nothing_where_the_trigger_decides_alone() -> None:
    made = agreement(levels=[level("pause", 1, called_by="")])
    assert decisions.rule_of(made, Asked(CALL, 1)) is None
    assert not decisions.tally(made, fold.initial(made), Asked(CALL, 1, 1)).carried


@pytest.mark.parametrize(
    ("votes", "carried"),
    [("alpha beta", True), ("beta gamma", False), ("alpha", False), ("alpha beta gamma", True)],
)
def test_a_veto_is_a_count_of_one_beside_the_others(votes: str, carried: bool) -> None:
    made = _with_rule(both(count(1, "alpha"), count(2, *LABS)))
    assert _tally(made, frozenset(), **dict.fromkeys(votes.split(), _ballot())).carried is carried


@pytest.mark.parametrize(
    ("votes", "carried"),
    [("alpha senate_chair senate_clerk", True), ("alpha beta gamma", False), ("senate_chair senate_clerk", False)],
)
def test_classes_must_each_have_their_quorum(votes: str, carried: bool) -> None:
    seats = pb.Need(count=pb.Need.Count(k=2, seats="senators"))
    labs = pb.Need(count=pb.Need.Count(k=1, role=pb.ROLE_LAB))
    made = _with_rule(both(seats, labs))
    found = _tally(made, frozenset(), **dict.fromkeys(votes.split(), _ballot()))
    assert found.carried is carried
    assert "of class senators" in "\n".join(found.explained(_asked()).lines())


def test_a_seat_held_by_a_party_is_its_vote_and_counts_with_its_group() -> None:
    made = _with_rule(pb.Need(count=pb.Need.Count(k=1, seats="senators")))
    assert _tally(made, alpha=_ballot()).yes == ("alpha group",)
    assert not _tally(made, beta=_ballot()).yes
    both_ways = _with_rule(both(count(1, "alpha"), pb.Need(count=pb.Need.Count(k=2, seats="senators"))))
    found = _tally(both_ways, alpha=_ballot(), senate_chair=_ballot())
    assert found.carried
    assert [voter for voter, _ in found.ballots] == ["alpha", "senate/chair"]


@pytest.mark.parametrize(("ceiling", "carried"), [(0, True), (6, True), (5, False)])
def test_a_ceiling_limits_what_a_group_weighs_however_many_vote_for_it(ceiling: int, carried: bool) -> None:
    made = terms()
    made.parties[1].owner = made.parties[0].owner
    rule = pb.Rule(name="council", ballot_life_periods=6, need=weighted(6, ceiling, alpha=4, beta=4, gamma=5))
    one_group = agreement(rules=[rule], parties=list(made.parties))
    assert _tally(one_group, alpha=_ballot(), beta=_ballot()).carried is carried


def test_recusal_takes_away_a_voter_and_never_lowers_the_bar() -> None:
    votes = {"alpha": _ballot(), "beta": _ballot()}
    assert _tally(TERMS, frozenset(), **votes).carried
    found = _tally(TERMS, frozenset({"alpha group"}), **votes)
    assert (found.yes, found.recused, found.carried) == (("beta group",), ("alpha group",), False)
    assert "alpha group has no vote in this" in "\n".join(found.explained(_asked()).lines())


@given(st.sets(st.sampled_from(LABS)), st.sets(st.sampled_from(LABS)))
def test_recusing_more_never_carries_more(some: set[str], more: set[str]) -> None:
    votes = dict.fromkeys(LABS, _ballot())
    fewer = frozenset(f"{lab} group" for lab in some)
    wider = fewer | {f"{lab} group" for lab in more}
    assert _tally(TERMS, frozenset(fewer), **votes).carried >= _tally(TERMS, frozenset(wider), **votes).carried


def test_nobody_votes_on_holding_its_own_lab() -> None:
    for lab in LABS:
        assert recused(TERMS, _state(), Asked(HOLD, episode=1, about=lab)) == {f"{lab} group"}


@pytest.mark.parametrize("flag", [False, True])
def test_whose_lab_is_accused_or_out_is_recused_where_the_rule_says_so(flag: bool) -> None:
    made = _with_rule(recuse_subject=flag)
    state = _state(made)
    conduct = dict(state.conduct)
    conduct["alpha"] = replace(conduct["alpha"], standing=Standing.ACCUSED)
    conduct["beta"] = replace(conduct["beta"], standing=Standing.OUT)
    found = recused(made, replace(state, conduct=conduct), _asked())
    assert found == ({"alpha group", "beta group"} if flag else set())
    assert recused(made, replace(state, conduct=conduct), Asked(decision_pb2.MOTION_ARM, PAUSE, 1)) == set()


@pytest.mark.parametrize("stays", [True, False])
def test_a_lab_that_has_left_recuses_nobody(stays: bool) -> None:
    made = _with_rule(recuse_subject=True)
    state = _state(made)
    conduct = dict(state.conduct) | {"alpha": replace(state.conduct["alpha"], standing=Standing.OUT)}
    membership = Membership.NOTICE if stays else Membership.OUT
    parties = dict(state.parties) | {"alpha": replace(state.parties["alpha"], membership=membership)}
    found = recused(made, replace(state, conduct=conduct, parties=parties), _asked())
    assert found == ({"alpha group"} if stays else set())


def test_whose_lab_meets_the_trigger_is_recused_where_the_rule_says_so() -> None:
    made = _with_rule(recuse_subject=True)
    assert made.levels[PAUSE].trigger == reading_of(2_000)
    reports = {
        key("horizon", lab, lab): ReportState(value=value, period=9, closing=10, index=1)
        for lab, value in (("alpha", 2_000), ("beta", 1_999))
    }
    state = replace(_state(made), reports=reports)
    for motion in (CALL, LIFT, RENEW):
        assert recused(made, state, _asked(motion)) == {"alpha group"}
    assert recused(made, state, Asked(AMEND)) == set()


@pytest.mark.parametrize(
    ("motion", "reason"),
    [
        *((motion, None) for motion in (CALL, RATIFY, decision_pb2.MOTION_ARM)),
        *((motion, Reason.NO_AUTHORITY) for motion in (LIFT, AMEND, decision_pb2.MOTION_ADMIT)),
        (decision_pb2.MOTION_RESOLVE, Reason.NO_AUTHORITY),
    ],
)
def test_refuses_to_let_a_party_that_leaves_relax(motion: decision_pb2.Motion.ValueType, reason: Reason | None) -> None:
    state, ballot = _state(), decision_pb2.Ballot(motion=motion, level=PAUSE)
    assert decisions.out_of_turn(state, ballot, "alpha") is None
    leaving = dict(state.parties) | {"alpha": replace(state.parties["alpha"], membership=Membership.NOTICE)}
    refusal = decisions.out_of_turn(replace(state, parties=leaving), ballot, "alpha")
    assert (refusal.reason if refusal else None) is reason


@pytest.mark.parametrize("stage", Stage)
def test_refuses_to_renew_what_does_not_restrict(stage: Stage) -> None:
    state = replace(_state(), levels={PAUSE: LevelState(stage=stage)})
    refusal = decisions.out_of_turn(state, decision_pb2.Ballot(motion=RENEW, level=PAUSE), "alpha")
    restricts = stage in {Stage.WINDING, Stage.IN_FORCE}
    assert (refusal.reason if refusal else None) is (None if restricts else Reason.PHASE_MISMATCH)


@pytest.mark.parametrize("motion", [HOLD, decision_pb2.MOTION_RELEASE])
@pytest.mark.parametrize("standing", Standing)
def test_refuses_to_hold_or_release_who_is_not_accused(
    motion: decision_pb2.Motion.ValueType, standing: Standing
) -> None:
    state = _state()
    conduct = dict(state.conduct) | {"beta": replace(state.conduct["beta"], standing=standing)}
    refusal = decisions.out_of_turn(
        replace(state, conduct=conduct), decision_pb2.Ballot(motion=motion, about="beta"), "alpha"
    )
    wanted = None if standing is Standing.ACCUSED else Reason.PHASE_MISMATCH
    assert (refusal.reason if refusal else None) is wanted


GROUPS = ("a", "b", "c", "d", "e")
ELECTORATE = Electorate.of([pb.Party(name=name, owner=f"{name} group") for name in GROUPS])
_COUNTS = st.builds(
    lambda k, voters: count(k, *voters), st.integers(1, 3), st.lists(st.sampled_from(GROUPS), min_size=1)
)
_WEIGHTS = st.builds(
    lambda at_least, ceiling, weights: weighted(at_least, ceiling, **weights),
    st.integers(1, 8),
    st.integers(0, 3),
    st.dictionaries(st.sampled_from(GROUPS), st.integers(1, 5), min_size=1),
)
NEEDS = st.recursive(
    _COUNTS | _WEIGHTS,
    lambda inner: st.builds(
        lambda joined, of: joined(*of), st.sampled_from([both, either]), st.lists(inner, min_size=1)
    ),
    max_leaves=5,
)


def _met(need: pb.Need, yes: set[str]) -> bool:
    return met(ELECTORATE, need, yes).value is Truth.TRUE


@given(NEEDS, st.sets(st.sampled_from(GROUPS)), st.sets(st.sampled_from(GROUPS)))
def test_one_more_yes_never_undoes_a_decision(need: pb.Need, some: set[str], more: set[str]) -> None:
    few = {f"{name} group" for name in some}
    assert _met(need, few) <= _met(need, few | {f"{name} group" for name in more})


@given(NEEDS, NEEDS)
def test_finds_two_coalitions_without_a_common_member_exactly_when_there_are(first: pb.Need, second: pb.Need) -> None:
    groups = [f"{name} group" for name in GROUPS]
    sides = [{group for place, group in enumerate(groups) if chosen >> place & 1} for chosen in range(32)]
    wanted = any(_met(first, side) and _met(second, set(groups) - side) for side in sides)
    assert can_split(ELECTORATE, first, second) is wanted


def test_still_finds_coalitions_among_many_groups_of_different_weight() -> None:
    many = [pb.Party(name=f"p{number}", owner=f"owner {number}") for number in range(30)]
    weights = {f"p{number}": 1_000 + number for number in range(30)}
    electorate, total = Electorate.of(many), sum(weights.values())
    assert can_split(electorate, weighted(total // 3, **weights), weighted(total // 3, **weights))
    assert not can_split(electorate, weighted(total // 2 + 1, **weights), weighted(total // 2 + 1, **weights))


def test_a_rule_without_a_tree_is_a_count() -> None:
    (leaf,) = leaves(need_of(pb.Rule(yes=2, voters=LABS)))
    assert leaf == pb.Need.Count(k=2, voters=LABS)
