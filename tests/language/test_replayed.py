"""Terms on a record as it was: by the words that were signed, and nothing beside them."""

from __future__ import annotations

from typing import Any

from language.rehearse import Rehearsal
from language.replayed import replayed
from protocol.closing import Record
from protocol.errors import Reason
from standstill.v1 import agreement_pb2, condition_pb2, decision_pb2, header_pb2
from tests.builders import LABS, PAUSE, World, clause, indicator_report, pledge, reading, restrictive
from tests.protocol.changing import newcomer
from tests.protocol.refusals import refuses
from tests.terms import agreement, change, party, terms

CALLED = 3
Condition = condition_pb2.Condition


def recorded(world: World, until: int = 8) -> list[Record]:
    """What a verifier holds after a pause was called by two votes in period 3."""
    records = []
    for period in range((world.state.period or 0) + 1, until):
        if period == CALLED - 1:
            for lab in LABS:
                world[lab].say(pledge(clause(PAUSE, restrictive(PAUSE))))
                world[lab].say(indicator_report(lab, 5_000))
        if period == CALLED:
            world.vote(decision_pb2.MOTION_CALL)
        records.append(world.record())
        world.close()
    return records


def history(**changes: Any) -> tuple[World, list[Record]]:
    world = World(agreement(**changes))
    for one in world.parties.values():
        one.found()
    first = world.record()
    world.close()
    return world, [first, *recorded(world)]


def stages(found: Rehearsal) -> list[tuple[int, str, str]]:
    return [(one.period, one.level, one.after) for one in found.changes]


def with_trigger(threshold: int) -> agreement_pb2.Agreement:
    return terms(levels=[terms().levels[0], change(terms().levels[1], trigger=reading(threshold))])


def test_the_same_terms_do_what_they_did() -> None:
    world, records = history()

    found = replayed(world.agreement, terms(), records)

    assert stages(found)[0] == (CALLED, "pause", "winding")
    assert found.periods == 8
    assert found.skipped == ()
    assert set(found.bound) == set(LABS)


def test_other_terms_do_otherwise_by_the_same_words() -> None:
    world, records = history()

    found = replayed(world.agreement, with_trigger(9_000), records)

    assert found.changes == ()
    assert found.bound == {}
    assert "horizon" in "\n".join(found.reasons["pause"].lines())


def test_nothing_is_assumed_beside_the_record() -> None:
    world, records = history()
    silence = Condition(status=Condition.IsStatus(status=condition_pb2.PARTY_STATUS_STALE, k=1, of=["gamma"]))
    pause = change(terms().levels[1], trigger=silence, called_by="", binds=agreement_pb2.BINDS_EVERYONE)

    found = replayed(world.agreement, terms(levels=[terms().levels[0], pause]), records)

    # Nobody has attested anything.
    assert [(level, after) for _, level, after in stages(found)][:1] == [("pause", "winding")]


def test_parties_have_the_keys_of_the_record() -> None:
    world, records = history()
    strangers = terms()
    for one in strangers.parties:
        other = party(f"other-{one.name}", *one.roles)
        one.origin, one.log_key = other.origin, other.log_key

    assert stages(replayed(world.agreement, strangers, records)) == stages(replayed(world.agreement, terms(), records))


def test_whom_the_terms_do_not_name_is_left_out_and_said() -> None:
    world, records = history()
    fewer = with_trigger(2_400)
    for number, one in enumerate(fewer.parties):
        if one.name == "gamma":
            del fewer.parties[number]
            break
    fewer.founding.remove("gamma")
    for rule in fewer.rules:
        if "gamma" in rule.voters:
            rule.voters.remove("gamma")
    for indicator in fewer.indicators:
        if "gamma" in indicator.reported_by:
            indicator.reported_by.remove("gamma")

    found = replayed(world.agreement, fewer, records)

    assert stages(found)[0] == (CALLED, "pause", "winding")
    assert {(one.party, one.why) for one in found.skipped} == {("gamma", "gamma is no party")}
    assert header_pb2.KIND_PLEDGE in {one.kind for one in found.skipped}
    assert set(found.bound) == {"alpha", "beta"}


def test_refuses_terms_of_other_periods_and_founders_that_the_record_does_not_know() -> None:
    world, records = history()

    with refuses(Reason.AMENDMENT_CHANGES_TIME, "period_seconds"):
        replayed(world.agreement, terms(period_seconds=7_200), records)
    extra: dict[str, Any] = {"parties": [*terms().parties, newcomer()], "founding": [*terms().founding, "delta"]}
    with refuses(Reason.NAME_UNKNOWN, "founding"):
        replayed(world.agreement, terms(**extra), records)
