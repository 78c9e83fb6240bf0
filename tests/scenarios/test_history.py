"""Scenes from the history of agreements, played with statements alone: what was agreed to then, as terms of today.

Each says in its first lines what happened or what the text provides, and shows that the fold does that, and why it
says so: every explanation of a change ends in statements that somebody signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

import pytest

from protocol.agreement import Agreement
from protocol.conduct import DISCREPANT, HONORED
from protocol.duty import GOVERNS_AFTER, duty
from protocol.fold.work import Outcome, Transition
from protocol.state import Membership, Stage, Standing
from protocol.truth import Explained
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import condition_pb2, decision_pb2, header_pb2
from tests.bodies import clarification, event_report, inquiry, reply
from tests.builders import (
    ALWAYS,
    LABS,
    NEVER,
    PAUSE,
    World,
    agreement,
    attestation,
    ballot,
    change,
    clause,
    keeps,
    level,
    party,
    pledge,
    terms,
    withdrawal,
)
from tests.bundles import conclude, deliveries
from tests.explanations import refs

CALL, LIFT, HOLD = decision_pb2.MOTION_CALL, decision_pb2.MOTION_LIFT, decision_pb2.MOTION_HOLD
RESOLVE = decision_pb2.MOTION_RESOLVE
YES, BROKEN = header_pb2.VERDICT_HONORED, header_pb2.VERDICT_BREACHED
Condition = condition_pb2.Condition


def _signed_behind(world: World, explained: Explained) -> set[str]:
    """The authors of the statements that an explanation rests on; that these stand there, every closing checks."""
    return {world.agreement.logs[ref.origin] for ref in refs(explained)}


def _live(world: World, verdicts: Mapping[str, header_pb2.Verdict.ValueType] | None = None) -> Outcome:
    """One period: all labs attest the last one, the verifier assesses it, and it is closed."""
    period = world.state.period or 0
    for lab in world.agreement.labs:
        world[lab].say(attestation(world.agreement, period))
        if period > 1:
            world.assess(lab, period - 1, (verdicts or {}).get(lab, YES))
    return world.close()


def _kept(world: World) -> dict[str, int]:
    return {lab: found.kept for lab, found in world.state.pledges.items()}


# The National Popular Vote compact: states pledge their electors once states with 270 of 538 have pledged.

ELECTORS: Final = {"california": 54, "texas": 40, "florida": 30, "newyork": 28, "illinois": 19, "others": 99}
MAJORITY: Final = 270


def _compact() -> Agreement:
    """A level that calls itself, lies dormant, and is kept by pledge by whoever has joined."""
    enough = Condition(
        weighs=Condition.Weighs(
            level=1,
            at_least=MAJORITY,
            of=[Condition.Weight(lab=state, weight=weight) for state, weight in ELECTORS.items()],
        )
    )
    compact = level("compact", 1, trigger=ALWAYS, resume=NEVER, entry=enough, dormancy_periods=1_000)
    compact = change(compact, called_by="", mandate_periods=1_000, wind_down_periods=0)
    made = terms()
    others = [one for one in made.parties if pb.ROLE_LAB not in one.roles]
    return agreement(
        parties=[*(party(state, pb.ROLE_LAB) for state in ELECTORS), *others],
        founding=[*ELECTORS, "vera"],
        levels=[compact],
        rules=[pb.Rule(name="council", yes=4, voters=list(ELECTORS), ballot_life_periods=6)],
        indicators=[pb.Indicator(name="votes", reported_by=["gridco"], reports=1, max_age_periods=6)],
    )


def test_national_popular_vote_binds_nobody_until_states_with_270_electors_have_joined() -> None:
    world = World(_compact()).found()
    enough = world.agreement.levels[1].entry
    joined: list[str] = []
    weights, moved = [0], list[Transition]()
    for state, weight in ELECTORS.items():
        world[state].say(pledge(clause(1, provided=enough)))
        world.close()
        moved = world.close().transitions
        joined.append(state)
        weights.append(weights[-1] + weight)
        tipped = weights[-1] >= MAJORITY
        assert world.state.levels[1].stage in ({Stage.WINDING, Stage.IN_FORCE} if tipped else {Stage.CALLED})
        assert {one for one, kept in _kept(world).items() if kept} == (set(joined) if tipped else set())
    # The last one tipped it, and all who had joined before are bound with it.
    assert weights[-2:] == [171, 270]
    assert [(one.before, one.after) for one in moved] == [(Stage.CALLED, Stage.WINDING)]
    assert _signed_behind(world, moved[0].why) == set(joined)


def _in_force() -> World:
    world = World(_compact()).found()
    for state in ELECTORS:
        world[state].say(pledge(clause(1, provided=world.agreement.levels[1].entry)))
    for _ in range(3):
        _live(world)
    assert set(_kept(world).values()) == {1}
    return world


def test_national_popular_vote_is_left_by_nobody_while_it_binds() -> None:
    # The compact's own article III: who repeals late takes part in this election all the same.
    world = _in_force()
    world["illinois"].say(pledge(clause(1, NEVER)))
    assert world.close().refusals == {}
    for _ in range(world.agreement.terms.pledge_notice_periods + 4):
        world.close()
        assert set(_kept(world).values()) == {1}


def test_national_popular_vote_falls_for_all_when_one_defection_takes_it_below_270() -> None:
    world = _in_force()
    while world.state.conduct["illinois"].standing is not Standing.OUT:
        assert set(_kept(world).values()) == {1}
        _live(world, {"illinois": BROKEN})
    # One after the other could keep it only with the next: all are released together, but not who defected.
    assert {state for state, kept in _kept(world).items() if kept} == {"illinois"}


# Article X of the treaty on non-proliferation: three months' notice; duties go on until it has run out.


def _bound_by_all(**changes: Any) -> World:
    """A pause in force that binds everybody."""
    wanted = {"binds": pb.BINDS_EVERYONE, "trigger": ALWAYS, "resume": ALWAYS, "wind_down_periods": 0}
    made = agreement(levels=[level("slowdown", 1), level("pause", PAUSE, **wanted, **changes)])
    world = World(made).found()
    world.vote(CALL)
    world.close()
    world.close()
    assert world.state.levels[PAUSE].stage is Stage.IN_FORCE
    return world


def test_withdrawal_from_a_treaty_frees_nobody_while_what_it_restricts_is_restricted() -> None:
    world = _bound_by_all()
    world["gamma"].say(withdrawal())
    notice = world.agreement.terms.withdrawal_notice_periods
    for _ in range(notice + 4):
        world.close()
        period = (world.state.period or 0) + 2
        assert world.state.parties["gamma"].membership is Membership.NOTICE
        assert duty(world.agreement, world.state, "gamma", period).level == PAUSE
    # Only when the others have lifted the pause, and its ramp is over, does it leave.
    world.vote(LIFT)
    stages = []
    while world.state.parties["gamma"].membership is Membership.NOTICE:
        stages.append(world.state.levels[PAUSE].stage)
        world.close()
    assert stages[-1] is Stage.OPEN
    assert Stage.RAMPING in stages


def test_withdrawal_from_a_treaty_takes_effect_after_its_notice_where_nothing_is_restricted() -> None:
    world = World().found()
    world["gamma"].say(withdrawal())
    world.close()
    notice = world.agreement.terms.withdrawal_notice_periods
    seen = []
    for _ in range(notice):
        seen.append(world.state.parties["gamma"].membership)
        world.close()
    assert seen == [Membership.NOTICE] * notice
    assert world.state.parties["gamma"].membership is Membership.OUT


# Article IX of the chemical weapons convention: a question must be answered in its time, and silence is a finding.


def _asked() -> World:
    answered = change(terms().verification, clarification_answer_periods=5, no_answer=pb.NO_ANSWER_DISCREPANT)
    world = World(agreement(verification=answered)).found()
    _live(world)
    deliveries(world)
    _live(world)
    _live(world)
    return world


def test_a_question_that_nobody_answers_is_a_finding_when_its_time_is_over() -> None:
    world = _asked()
    question = world["beta"].say(clarification(), inquiry=inquiry("alpha"))
    found = []
    for _ in range(7):
        _live(world)
        found.append(world.state.conduct["alpha"].newest)
    assert found == [HONORED] * 5 + [DISCREPANT] * 2
    assert world.state.conduct["gamma"].newest == HONORED
    # A verifier finds the same by itself, from when the state governs that says so, and names the question.
    (waiting,) = world.state.inquiries.values()
    late = waiting.period + 5 + GOVERNS_AFTER
    for period in range(late - 2, late + 2):
        said = conclude(world, "alpha", period)
        assert said.codes == (["answer-overdue"] if period >= late else [])
        assert said.verdict == (header_pb2.VERDICT_DISCREPANT if period >= late else header_pb2.VERDICT_HONORED)
        assert conclude(world, "gamma", period).codes == []
        _live(world)
    (finding,) = conclude(world, "alpha", late).assessment.findings
    assert finding.statements[0].identity == question.identity
    # What was late stays late; from the answer on nothing is owed.
    world["alpha"].say(reply(), inquiry=inquiry("alpha", question.identity))
    _live(world)
    _live(world)
    assert [conclude(world, "alpha", period).codes for period in (late + 3, late + 4)] == [["answer-overdue"], []]


def test_a_question_that_is_answered_in_time_leaves_nothing_behind() -> None:
    world = _asked()
    question = world["beta"].say(clarification(), inquiry=inquiry("alpha"))
    for _ in range(4):
        _live(world)
    world["alpha"].say(reply(), inquiry=inquiry("alpha", question.identity))
    for _ in range(4):
        _live(world)
        assert world.state.conduct["alpha"].newest == HONORED
    assert not world.state.inquiries


# Snap-back of sanctions (Security Council resolution 2231, 11 to 13): after a notice of significant non-performance
# they return, unless a vote to continue their relief is carried; so a veto can only bring them back.

RELIEF: Final = sha256(b"continue the relief").digest()
POWERS: Final = LABS


def _snap_back() -> World:
    seen = Condition(event=Condition.EventSeen(event="non-performance", periods=3))
    relief = Condition(carried=Condition.Carried(rule="unanimity", level=PAUSE, asked=RELIEF))
    returns = Condition(all=Condition.Several(of=[seen, Condition(negation=relief)]))
    wanted = {"binds": pb.BINDS_EVERYONE, "trigger": returns, "resume": NEVER, "called_by": "", "wind_down_periods": 0}
    council = terms().rules[0]
    world = World(
        agreement(
            levels=[level("slowdown", 1), level("sanctions", PAUSE, **wanted)],
            rules=[council, pb.Rule(name="unanimity", yes=3, voters=POWERS, ballot_life_periods=9)],
            events=[pb.Event(name="non-performance", reported_by=["chipco", "gridco"], reports=1, max_age_periods=9)],
        )
    ).found()
    world.close()
    return world


def _vote_relief(world: World, voters: tuple[str, ...]) -> None:
    for voter in voters:
        world[voter].say(ballot(RESOLVE, PAUSE, 0, asked=RELIEF, rule="unanimity"))


def test_sanctions_return_after_their_notice_when_no_vote_keeps_the_relief() -> None:
    world = _snap_back()
    world["chipco"].say(event_report("non-performance"))
    # One power votes to go on with the relief in vain: another withholds its vote, which is all that a veto can do.
    _vote_relief(world, POWERS[:2])
    stages, last = [], None
    while world.state.levels[PAUSE].stage is Stage.OPEN:
        last = world.close()
        stages.append(world.state.levels[PAUSE].stage)
        assert len(stages) < 9
    assert len(stages) > 3
    assert last is not None
    (snapped,) = last.transitions
    assert "chipco" in _signed_behind(world, snapped.why)
    assert duty(world.agreement, world.state, "gamma", (world.state.period or 0) + 3).level == PAUSE


def test_sanctions_do_not_return_when_all_vote_to_keep_the_relief() -> None:
    world = _snap_back()
    world["chipco"].say(event_report("non-performance"))
    _vote_relief(world, POWERS)
    for _ in range(7):
        world.close()
        assert world.state.levels[PAUSE].stage is Stage.OPEN


# A pause of laboratories: alpha trains on in secret; beta paused only because alpha would, gamma pauses anyway.


def _paused(hold_rule: str = "", **changes: Any) -> World:
    wanted = {"trigger": ALWAYS, "resume": NEVER, "mandate_periods": 200, "wind_down_periods": 0} | changes
    clocks = {"breached": 1, "release_notice_periods": 3, "back_after_periods": 2}
    settings = change(terms().standing, **clocks, hold_rule=hold_rule)
    world = World(agreement(levels=[level("slowdown", 1), level("pause", PAUSE, **wanted)], standing=settings)).found()
    world["alpha"].say(pledge(clause(PAUSE)))
    world["beta"].say(pledge(clause(PAUSE, provided=keeps(PAUSE, "alpha"))))
    world["gamma"].say(pledge(clause(PAUSE)))
    for _ in range(4):
        _live(world)
    world.vote(CALL)
    outcome = _live(world)
    assert _signed_behind(world, outcome.transitions[0].why) >= {"alpha", "beta"}
    assert _kept(world) == dict.fromkeys(LABS, PAUSE)
    return world


def _until(world: World, standing: Standing, verdicts: Mapping[str, Any] | None = None) -> int:
    closings = 0
    while world.state.conduct["alpha"].standing is not standing:
        _live(world, verdicts)
        closings += 1
        assert closings < 30
    return closings


def test_who_relied_on_a_lab_that_defects_is_released_after_its_notice_and_the_defector_is_not() -> None:
    world = _paused()
    _until(world, Standing.ACCUSED, {"alpha": BROKEN})
    assert _kept(world) == dict.fromkeys(LABS, PAUSE)
    _until(world, Standing.OUT, {"alpha": BROKEN})
    assert _kept(world) == {"alpha": PAUSE, "beta": 0, "gamma": PAUSE}
    # It is released onto the ramp, not at once.
    until = world.state.levels[PAUSE].binds["beta"].until
    assert until is not None
    assert until - (world.state.period or 0) - 2 == world.agreement.levels[PAUSE].ramp_periods
    # When alpha has honored its duty for long enough, beta is bound again.
    _until(world, Standing.RELIED)
    assert _kept(world) == dict.fromkeys(LABS, PAUSE)


def test_a_pause_that_a_defection_suspends_names_the_breaches_and_what_brought_it_back() -> None:
    world = _paused(binds=pb.BINDS_EVERYONE, snap_back=True)
    for after, verdicts in ((Stage.SUSPENDED, {"alpha": BROKEN}), (Stage.WINDING, None)):
        moved: list[Transition] = []
        while not [one for one in moved if one.after is after]:
            moved = _live(world, verdicts).transitions
        assert _signed_behind(world, moved[0].why) == {"vera"}


@pytest.mark.parametrize("held", [True, False], ids=["held", "not held"])
def test_a_vote_to_hold_within_the_notice_releases_nobody(held: bool) -> None:
    world = _paused(hold_rule="council")
    _until(world, Standing.ACCUSED, {"alpha": BROKEN})
    # The accused has no voice in it.
    voters = ("beta", "gamma") if held else ("alpha", "beta")
    episode = world.state.conduct["alpha"].accusations
    for voter in voters:
        world[voter].say(ballot(HOLD, 0, episode, about="alpha"))
    _live(world)
    for _ in range(3):
        _live(world)
    assert world.state.conduct["alpha"].standing is (Standing.RELIED if held else Standing.OUT)
    assert _kept(world)["beta"] == (PAUSE if held else 0)
