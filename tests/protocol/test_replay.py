"""The record once more: as it was, and as it would have been under other terms."""

from __future__ import annotations

from hashlib import sha256

from protocol.closing import Record
from protocol.errors import Reason
from protocol.replay import replay
from protocol.state import Membership, Stage
from standstill.v1 import decision_pb2
from tests.bodies import admission
from tests.builders import LABS, PAUSE, World, ballot, clause, indicator_report, pledge, reading, restrictive
from tests.protocol.changing import ADMIT, changeable, join, newcomer, text
from tests.protocol.refusals import refuses
from tests.terms import change, terms

FORMING, IN = Membership.FORMING, Membership.IN


def _history() -> tuple[World, list[Record], list[Stage]]:
    """A pause that is called, with what happened."""
    world = changeable()
    made = World(world.agreement)
    records, stages = [], []
    for one in made.parties.values():
        one.found()
    for period in range(8):
        if period == 1:
            for lab in LABS:
                made[lab].say(pledge(clause(PAUSE, restrictive(PAUSE))))
                made[lab].say(indicator_report(lab, 5_000))
        if period == 2:
            made.vote(decision_pb2.MOTION_CALL)
        record = made.record()
        records.append(record)
        made.close()
        stages.append(made.state.levels[PAUSE].stage)
    return made, records, stages


def test_leads_where_it_led() -> None:
    world, records, stages = _history()
    outcomes = [found.outcome for found in replay(world.agreement, records)]
    assert [outcome.state.levels[PAUSE].stage for outcome in outcomes] == stages
    assert outcomes[-1].state == world.state
    assert Stage.IN_FORCE in stages


def test_the_same_text_leads_to_the_same() -> None:
    world, records, _ = _history()
    *_, last = replay(world.agreement, records, world.agreement.data)
    assert last.outcome.state == world.state


def test_other_terms_lead_elsewhere_by_the_same_words() -> None:
    world, records, _ = _history()
    levels = [terms().levels[0], change(terms().levels[1], trigger=reading(9_000))]
    outcomes = [found.outcome for found in replay(world.agreement, records, text(levels=levels))]
    assert {outcome.state.levels[PAUSE].stage for outcome in outcomes} == {Stage.OPEN}
    assert [outcome.refusals for outcome in outcomes] == [{}] * len(records)


def test_refuses_to_suppose_what_is_no_agreement() -> None:
    world, records, _ = _history()
    with refuses(Reason.MESSAGE_MALFORMED, "agreement"):
        next(replay(world.agreement, records, b"\xff"))


def test_what_stands_in_a_log_that_is_not_listed_yet_waits() -> None:
    world = changeable()
    made = World(world.agreement)
    records = []
    for one in made.parties.values():
        one.found()
    votes = {1: LABS[:2], 3: LABS[2:]}
    offered = admission(newcomer())
    for period in range(5):
        if period == 1:
            made["alpha"].say(offered)
        for lab in votes.get(period, ()):
            made[lab].say(ballot(ADMIT, 0, 0, asked=sha256(offered.party).digest()))
        if period == 2:
            join(made)
        records.append(made.record())
        made.close()
    rules = [*terms().rules, change(terms().rules[0], name="all", yes=3)]

    found = list(replay(world.agreement, records, text(rules=rules, admitted_by="all")))

    # Where all three must agree it is listed two periods later, and what it had said by then counts from then on.
    was = [outcome.state.parties.get("delta") for _, outcome in replay(world.agreement, records)]
    would_be = [outcome.state.parties.get("delta") for _, outcome in found]
    assert [one and one.membership for one in was] == [None, FORMING, IN, IN, IN]
    assert [one and one.membership for one in would_be] == [None, None, None, FORMING, IN]
    assert [len(record.leaves.get("delta.example/standstill", ())) for record, _ in found] == [0, 0, 0, 0, 2]  # type: ignore[arg-type]
