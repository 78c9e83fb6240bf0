"""The fold: terms that are proposed, adopted and take over, without a gap."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from protocol import wire
from protocol.agreement import read_agreement
from protocol.amendments import MAX_OVERLAPS, problem
from protocol.closing import quorums_needed
from protocol.duty import duty
from protocol.errors import Reason
from protocol.in_force import current_terms, first_terms, in_force
from protocol.state import LevelState, Membership, Stage, State, read_state
from standstill.v1 import agreement_pb2, decision_pb2
from standstill.v1 import quantity_pb2 as q
from tests.bodies import amendment
from tests.builders import (
    LABS,
    NEVER,
    PAUSE,
    World,
    agreement,
    attestation,
    clause,
    handle,
    indicator_report,
    pledge,
    restrictive,
)
from tests.protocol.changing import (
    AMEND,
    amend,
    changeable,
    join,
    newcomer,
    now,
    offer,
    parts,
    propose,
    reasons,
    text,
    vote,
)
from tests.terms import change, level, terms

CALL, LIFT = decision_pb2.MOTION_CALL, decision_pb2.MOTION_LIFT
SOON = text(withdrawal_notice_periods=5)


def _membership(world: World, name: str = "delta") -> Membership:
    return world.state.parties[name].membership


def _digest(data: bytes) -> bytes:
    return sha256(data).digest()


def test_takes_over_the_step_after_it_passed() -> None:
    world = changeable()
    propose(world, SOON)
    vote(world, AMEND, _digest(SOON))
    assert reasons(world.close()) == []
    assert now(world).terms.withdrawal_notice_periods == 3
    assert world.state.terms == world.agreement.digest
    world.close()
    assert now(world).terms.withdrawal_notice_periods == 5
    assert world.state.terms == _digest(SOON)
    # The identity stays, and closings name the chain of terms.
    assert now(world).digest == world.agreement.digest
    assert world.record().closing.terms == _digest(SOON)
    assert (world.state.proposals, world.state.ballots) == ({}, {})


@pytest.mark.parametrize("voters", [LABS[:1], LABS[:2]], ids=["one", "enough"])
def test_needs_the_vote_that_was_agreed(voters: tuple[str, ...]) -> None:
    world = changeable()
    propose(world, SOON)
    vote(world, AMEND, _digest(SOON), voters)
    world.close()
    assert bool(world.state.amendment) is (len(voters) == 2)


def test_refuses_to_change_what_has_no_rule_to_change_it() -> None:
    world = World(agreement()).found()
    propose(world, SOON)
    assert reasons(world.close()) == [Reason.NO_AUTHORITY]
    vote(world, AMEND, _digest(SOON))
    assert reasons(world.close()) == [Reason.NO_AUTHORITY] * 2


def test_joins_a_text_of_many_parts_over_many_periods() -> None:
    world = changeable()
    pieces = parts(SOON, 500)
    assert len(pieces) > 2
    for piece in pieces:
        world["alpha"].say(piece)
        world.close()
    assert world.state.texts == {_digest(SOON).hex(): SOON}
    vote(world, AMEND, _digest(SOON))
    world.close_until((world.state.period or 0) + 2)
    assert world.state.terms == _digest(SOON)


@pytest.mark.parametrize("order", [[1], [0, 2], [0, 0, 2], [0, 1, 1]], ids=["first missing", "gap", "anew", "twice"])
def test_refuses_parts_out_of_order(order: list[int]) -> None:
    world = changeable()
    pieces = parts(SOON, 500)
    for number in order:
        world["alpha"].say(pieces[number])
    assert reasons(world.close()) == [Reason.AMENDMENT_PARTS]


def test_refuses_a_text_that_is_not_the_one_named() -> None:
    world = changeable()
    world["alpha"].say(change(amendment(SOON), data=SOON + b"\0"))
    assert reasons(world.close()) == [Reason.AMENDMENT_PARTS]
    assert (world.state.proposals, world.state.texts) == ({}, {})


def test_a_proposal_lapses_when_its_ballots_would() -> None:
    world = changeable()
    life = terms().rules[0].ballot_life_periods
    propose(world, SOON)
    world.close()
    for _ in range(life - 1):
        world.close()
        assert world.state.proposals
    vote(world, AMEND, _digest(SOON))
    world.close()
    assert (world.state.proposals, world.state.texts, world.state.amendment) == ({}, {}, "")


def test_a_party_has_one_open_proposal() -> None:
    world = changeable()
    propose(world, SOON)
    propose(world, text(pledge_notice_periods=9))
    propose(world, SOON, "beta")
    assert reasons(world.close()) == []
    assert len(world.state.proposals) == 2
    world.close()
    assert len(world.state.texts) == 2


def test_of_two_that_are_carried_at_once_the_smaller_digest_takes_over() -> None:
    other = text(pledge_notice_periods=9)
    for first, second in ((SOON, other), (other, SOON)):
        world = changeable()
        for name, data in zip(LABS, (first, second), strict=False):
            propose(world, data, name)
            vote(world, AMEND, _digest(data))
        world.close()
        assert world.state.amendment == min(_digest(SOON).hex(), _digest(other).hex())


def test_the_terms_in_force_amended_to_themselves_change_nothing() -> None:
    world = changeable()
    propose(world, world.agreement.data)
    vote(world, AMEND, world.agreement.digest)
    world.close()
    assert world.state.amendment == ""
    world.close()
    assert now(world) == world.agreement


def _party(number: int, **changes: Any) -> dict[str, Any]:
    parties = list(terms().parties)
    parties[number] = change(parties[number], **changes)
    return {"parties": parties}


REFUSED: list[tuple[str, dict[str, Any], Reason]] = [
    ("another start", {"start": terms().start + 1}, Reason.AMENDMENT_CHANGES_TIME),
    ("another period", {"period_seconds": 7_200}, Reason.AMENDMENT_CHANGES_TIME),
    ("another settling", {"standing": change(terms().standing, settle_periods=1)}, Reason.AMENDMENT_CHANGES_TIME),
    ("another log", _party(0, origin="alpha.example/other"), Reason.AMENDMENT_CHANGES_IDENTITY),
    ("another log key", _party(0, log_key=newcomer().log_key), Reason.AMENDMENT_CHANGES_IDENTITY),
    ("another root", _party(0, root_keys=list(newcomer().root_keys)), Reason.AMENDMENT_CHANGES_IDENTITY),
    ("another threshold", _party(0, root_threshold=1), Reason.AMENDMENT_CHANGES_IDENTITY),
    (
        "a site gone",
        _party(0, sites=[change(terms().parties[0].sites[0], handle=handle("x"))]),
        Reason.AMENDMENT_CHANGES_IDENTITY,
    ),
    ("a verifier of another group", _party(5, owner="vera incorporated"), Reason.VERIFIERS_CHANGE),
    ("levels renamed", {"levels": [level("slower", 1), level("pause", 2)]}, Reason.AMENDMENT_MOVES_LEVEL),
    ("a level gone", {"levels": list(terms().levels)[:1]}, Reason.AMENDMENT_MOVES_LEVEL),
    ("an indicator gone", {"indicators": list(terms().indicators)[:1]}, Reason.AMENDMENT_CHANGES_IDENTITY),
    ("a class gone", {"chips": list(terms().chips)[:1]}, Reason.AMENDMENT_CHANGES_IDENTITY),
    ("terms that make no sense", {"freshness": change(terms().freshness, stale_periods=1)}, Reason.CLOCKS_CONTRADICT),
    (
        "a newcomer with a log that is another's",
        {"parties": [*terms().parties, newcomer(origin="alpha.example/standstill")]},
        Reason.NAME_TWICE,
    ),
]


@pytest.mark.parametrize(("changes", "reason"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_refuses_terms_that_would_change_what_was_said(changes: dict[str, Any], reason: Reason) -> None:
    made = terms()
    if len(changes.get("parties", ())) > len(made.parties):
        changes = {**changes, "founding": [*made.founding, "delta"]}
    world = changeable()
    propose(world, text(**changes))
    assert reasons(world.close()) == [reason]
    assert (world.state.proposals, world.state.texts) == ({}, {})


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "another name"},
        _party(0, owner="another group"),
        _party(0, sites=[*terms().parties[0].sites, change(terms().parties[0].sites[0], handle=handle("x"))]),
        {"levels": [*terms().levels, level("halt", 3)]},
        {"standing": change(terms().standing, breached=1)},
    ],
    ids=["name", "control group", "site", "level", "standing"],
)
def test_admits_terms_that_change_other_things(changes: dict[str, Any]) -> None:
    world = changeable()
    assert reasons(amend(world, text(**changes))) == []
    assert current_terms(world.agreement, world.state) == read_agreement(text(**changes)).terms
    assert reasons(world.close()) == []


def test_refuses_other_verifiers() -> None:
    world = World(agreement(4, amended_by="council", lying_verifiers=1)).found()
    fewer = wire.encode(terms(1, amended_by="council"))
    propose(world, fewer)
    assert reasons(world.close()) == [Reason.VERIFIERS_CHANGE]


def test_computes_the_quorums_of_the_old_and_the_new_verifiers() -> None:
    one, four = terms(1), terms(4, lying_verifiers=1)
    assert [needed.needed for needed in quorums_needed(one, four)] == [1, 3]
    assert len(quorums_needed(four, four)) == 1
    old, new = quorums_needed(one, four)
    assert old.met(["vera group"])
    assert not new.met(["vera group", "vito group"])
    assert new.met(["vera group", "vito group", "viola group", "alpha group"])


def _stage(world: World, rank: int = PAUSE) -> Stage:
    return world.state.levels[rank].stage


def _called(**changes: Any) -> World:
    """The pause is in force for all labs."""
    world = changeable(**changes)
    for lab in LABS:
        world[lab].say(pledge(clause(PAUSE, restrictive(PAUSE))))
        world[lab].say(indicator_report(lab, 5_000))
    world.close()
    world.vote(CALL)
    world.close_until(4)
    assert world.state.levels[PAUSE].stage is Stage.IN_FORCE
    return world


def _loose() -> dict[str, Any]:
    """Terms under which a pause forbids next to nothing and ends at once."""
    labels = [label for label in q.Label.values() if label != q.LABEL_UNSPECIFIED]
    free = {"allowed": labels, "caps": None, "steady_steps": 1, "ramp_periods": 0}
    one = change(terms().rules[0], name="one", yes=1)
    rules = [terms().rules[0], one]
    made = [change(found, lifted_by="council", **free) for found in terms().levels]
    made[1] = change(made[1], resume=change(made[1].resume))
    return {"rules": rules, "levels": made}


def test_a_level_that_is_not_open_keeps_its_terms_beside_the_new_ones() -> None:
    world = _called()
    before = now(world).levels
    amend(world, text(**_loose()))
    state = world.state
    assert state.levels[PAUSE].terms == (world.agreement.digest.hex(),)
    assert state.levels[1].terms == ()
    after = now(world).levels
    assert set(after[PAUSE].allowed) == set(before[PAUSE].allowed)
    assert (after[PAUSE].steady_steps, after[PAUSE].ramp_periods) == (2, 2)
    # The level that was open has the new terms at once.
    assert set(after[1].allowed) > set(before[1].allowed)


def test_the_new_terms_hold_alone_once_the_level_is_open() -> None:
    world = _called()
    amend(world, text(**_loose()))
    kept = []
    while world.state.levels[PAUSE].stage is not Stage.OPEN:
        world.vote(LIFT)
        kept.append((world.state.levels[PAUSE].stage, set(now(world).levels[PAUSE].allowed)))
        world.close()
    # No period of the restriction or of the return without a limit of the old terms.
    assert {stage for stage, _ in kept} == {Stage.IN_FORCE, Stage.RAMPING}
    assert all(allowed == set(terms().levels[1].allowed) for _, allowed in kept)
    world.close()
    assert world.state.levels[PAUSE].terms == ()
    assert set(now(world).levels[PAUSE].allowed) > set(terms().levels[1].allowed)
    assert list(world.state.texts) == [world.state.terms.hex()]


def test_lifts_only_by_the_old_rule_too() -> None:
    rules = [terms().rules[0], change(terms().rules[0], name="all", yes=3)]
    strict = [terms().levels[0], change(terms().levels[1], lifted_by="all")]
    world = _called(rules=rules, levels=strict)
    amend(world, text(rules=rules))
    for voters, stage in ((LABS[:2], Stage.IN_FORCE), (LABS, Stage.RAMPING)):
        for _ in range(3):
            world.vote(LIFT, voters)
            world.close()
        assert world.state.levels[PAUSE].stage is stage


def test_a_level_that_was_amended_twice_keeps_both_older_terms() -> None:
    world = _called()
    amend(world, text(**_loose()))
    amend(world, text(**_loose(), withdrawal_notice_periods=9))
    kept = world.state.levels[PAUSE].terms
    assert kept == (world.agreement.digest.hex(), _digest(text(**_loose())).hex())
    assert set(now(world).levels[PAUSE].allowed) == set(terms().levels[1].allowed)
    # Back to terms that it keeps already: they are in force, not older.
    amend(world, text(**_loose()))
    assert world.state.levels[PAUSE].terms == (kept[0], _digest(text(**_loose(), withdrawal_notice_periods=9)).hex())


def test_a_level_keeps_only_so_many_older_terms() -> None:
    world = _called()
    for limit, reason in ((MAX_OVERLAPS, Reason.LIMIT_REACHED), (MAX_OVERLAPS - 1, None)):
        many = tuple(f"{number:064x}" for number in range(limit))
        levels = {**world.state.levels, PAUSE: _keeping(world, many)}
        found = problem(now(world), _with(world, levels), SOON)
        assert (found and found.reason) is reason


def _keeping(world: World, digests: tuple[str, ...]) -> LevelState:
    return replace(world.state.levels[PAUSE], terms=digests)


def _with(world: World, levels: dict[int, LevelState]) -> State:
    return replace(world.state, levels=levels)


def test_a_lab_stays_bound_while_the_terms_change() -> None:
    world = _called()
    bound = []
    propose(world, text(**_loose()))
    vote(world, AMEND, _digest(text(**_loose())))
    for _ in range(4):
        world.close()
        period = (world.state.period or 0) + 2
        bound.append([duty(world.agreement, world.state, lab, period).level for lab in LABS])
    assert bound == [[PAUSE] * 3] * 4


def test_a_party_that_the_new_terms_do_not_list_leaves_with_notice() -> None:
    extra = newcomer("delta", agreement_pb2.ROLE_SUPPLIER)
    world = changeable(parties=[*terms().parties, extra])
    amend(world, text())
    assert _membership(world) is Membership.NOTICE
    assert "delta" in now(world).parties
    while _membership(world) is Membership.NOTICE:
        world.close()
    assert _membership(world) is Membership.OUT
    # Its name and log are nobody else's.
    again = problem(now(world), world.state, text(parties=[*terms().parties, change(extra, log_key=b"")]))
    assert again is not None
    propose(
        world, text(parties=[*terms().parties, newcomer("epsilon", agreement_pb2.ROLE_SUPPLIER, origin=extra.origin)])
    )
    assert reasons(world.close()) == [Reason.ORIGIN_REUSED]


@pytest.mark.parametrize("listed", [True, False])
def test_refuses_the_accession_of_whom_new_terms_do_not_list(listed: bool) -> None:
    world = changeable()
    offer(world, newcomer())
    more = [*terms().parties, newcomer()]
    changes = {"parties": more, "founding": [*terms().founding, "delta"]} if listed else {"name": "amended"}
    amend(world, text(**changes))
    assert _membership(world) is (Membership.FORMING if listed else Membership.OUT)
    join(world)
    assert reasons(world.close()) == ([] if listed else [Reason.NO_AUTHORITY])
    assert _membership(world) is (Membership.IN if listed else Membership.OUT)
    assert world.state.parties["delta"].founded is listed


def test_a_party_that_the_new_terms_list_accedes() -> None:
    world = changeable()
    more = [*terms().parties, newcomer()]
    amend(world, text(parties=more, founding=[*terms().founding, "delta"]))
    assert _membership(world) is Membership.FORMING
    join(world)
    assert reasons(world.close()) == []
    assert _membership(world) is Membership.IN


def test_nothing_is_owed_for_a_new_site_before_it_was_agreed() -> None:
    world = changeable()
    world.close_until(9)
    for period in range(2, 9):
        world["alpha"].say(attestation(world.agreement, period))
    sites = [*terms().parties[0].sites, change(terms().parties[0].sites[0], handle=handle("x"))]
    amend(world, text(**_party(0, sites=sites)))
    conduct = world.state.conduct["alpha"]
    assert len(conduct.attested) == 2
    assert conduct.attested[handle("x").hex()] == (world.state.period or 0) + 1


def test_a_new_level_is_open_and_can_be_called() -> None:
    world = changeable()
    amend(world, text(levels=[*terms().levels, level("halt", 3)]))
    assert _stage(world, 3) is Stage.OPEN
    for lab in LABS:
        world[lab].say(pledge(clause(3, restrictive(3))))
        world[lab].say(indicator_report(lab, 9_000))
    world.close()
    world.vote(CALL, rank=3)
    world.close_until((world.state.period or 0) + 2)
    assert _stage(world, 3) is not Stage.OPEN
    assert {world.state.pledges[lab].kept for lab in LABS} == {3}


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_judges_a_statement_under_the_terms_of_the_closing_that_covers_it(late: bool) -> None:
    world = changeable()
    amended = text(indicators=[change(terms().indicators[0], reported_by=["alpha", "beta"]), terms().indicators[1]])
    if late:
        amend(world, amended)
    # Read by everybody under the first terms: what counts is when it is recorded.
    world["gamma"].say(indicator_report("gamma"))
    assert reasons(world.close()) == ([Reason.NO_AUTHORITY] if late else [])


def test_a_state_in_the_middle_of_a_change_is_the_same_after_its_text() -> None:
    world, other = _called(), _called()
    pieces = parts(text(**_loose()), 1_000)
    for piece in pieces:
        for one in (world, other):
            one["alpha"].say(piece)
            one.close()
        other.state = read_state(other.state.text())
    for one in (world, other):
        vote(one, AMEND, pieces[0].digest)
        one.close_until(20)
    assert world.state == other.state
    assert first_terms(now(world)) == world.agreement
    assert in_force(now(world), world.state) == now(world)


def test_an_amendment_that_could_never_hold_is_not_proposed() -> None:
    world = changeable()
    levels = [change(terms().levels[0], trigger=NEVER), terms().levels[1]]
    propose(world, text(levels=levels))
    assert reasons(world.close()) == [Reason.CONDITION_NEVER_TRUE]
