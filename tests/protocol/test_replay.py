"""The record once more: as it was, and as it would have been under other terms."""

from __future__ import annotations

from protocol.closing import Record
from protocol.errors import Reason
from protocol.replay import replay
from protocol.state import Stage
from standstill.v1 import decision_pb2
from tests.builders import LABS, PAUSE, World, clause, indicator_report, pledge, reading, restrictive
from tests.protocol.changing import changeable, text
from tests.protocol.refusals import refuses
from tests.terms import change, terms


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
    outcomes = list(replay(world.agreement, records))
    assert [outcome.state.levels[PAUSE].stage for outcome in outcomes] == stages
    assert outcomes[-1].state == world.state
    assert Stage.IN_FORCE in stages


def test_the_same_text_leads_to_the_same() -> None:
    world, records, _ = _history()
    *_, last = replay(world.agreement, records, world.agreement.data)
    assert last.state == world.state


def test_other_terms_lead_elsewhere_by_the_same_words() -> None:
    world, records, _ = _history()
    levels = [terms().levels[0], change(terms().levels[1], trigger=reading(9_000))]
    outcomes = list(replay(world.agreement, records, text(levels=levels)))
    assert {outcome.state.levels[PAUSE].stage for outcome in outcomes} == {Stage.OPEN}
    assert [outcome.refusals for outcome in outcomes] == [{}] * len(records)


def test_refuses_to_suppose_what_is_no_agreement() -> None:
    world, records, _ = _history()
    with refuses(Reason.MESSAGE_MALFORMED, "agreement"):
        next(replay(world.agreement, records, b"\xff"))
