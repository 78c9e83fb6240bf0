"""Rehearsal: terms on a history, by the fold itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import pytest
from google.protobuf.message import Message

from language.rehearse import Rehearsal, Said, rehearse
from protocol.authoring import Draft
from protocol.errors import Reason
from protocol.wire import encode
from standstill.v1 import decision_pb2, evidence_pb2, header_pb2
from tests.builders import KIND_OF, World, agreement, attestation, ballot, clause, pledge, restrictive, terms
from tests.protocol.refusals import refuses
from tests.terms import LABS, PAUSE, SLOWDOWN, keeps

CALL: Final = decision_pb2.MOTION_CALL


def said(at: int, party: str, body: Message, **more: Any) -> Said:
    return Said(at, party, Draft(kind=KIND_OF[type(body)], body=encode(body), **more))


def report(at: int, lab: str, value: int, indicator: str = "horizon") -> Said:
    body = evidence_pb2.IndicatorReport(indicator=indicator, lab=lab, value=value)
    return said(at, lab, body, period=at - 1)


def verdict(at: int, lab: str, period: int, found: header_pb2.Verdict.ValueType) -> Said:
    summary = header_pb2.AssessmentSummary(lab=lab, verdict=found, revision=1)
    return Said(at, "vera", Draft(kind=header_pb2.KIND_ASSESSMENT, body=b"", period=period, summary=summary))


def called(at: int = 6) -> list[Said]:
    """A history in which beta crosses and two labs vote."""
    return [report(at - 1, "beta", 2_500), *(said(at, lab, ballot(CALL, PAUSE, 1)) for lab in LABS[:2])]


def stages(found: Rehearsal) -> list[tuple[int, str, str, str]]:
    return [(one.period, one.level, one.before, one.after) for one in found.changes]


def test_says_what_terms_would_have_called_and_why() -> None:
    found = rehearse(terms(), called())

    assert stages(found) == [(6, "pause", "open", "winding")]
    why = "\n".join(found.changes[0].why.lines())
    assert "vote to call: 2 groups say yes, 2 needed" in why
    assert "beta: 2500" in why
    assert found.periods == 7
    assert found.skipped == ()


def test_higher_thresholds_call_nothing_and_say_why_not() -> None:
    higher = terms()
    higher.levels[1].trigger.reading.threshold = 3_000

    found = rehearse(higher, called())
    assert found.changes == ()
    assert "beta: 2500" in "\n".join(found.reasons["pause"].lines())


def test_nothing_is_called_on_an_empty_history() -> None:
    found = rehearse(terms(), [])
    assert (found.periods, found.changes, found.bound) == (1, (), {})


def test_the_order_of_the_history_between_parties_changes_nothing() -> None:
    assert stages(rehearse(terms(), called())) == stages(rehearse(terms(), list(reversed(called()))))


def pledged(others: int = 1) -> Iterable[Said]:
    for lab in LABS:
        rest = [other for other in LABS if other != lab]
        body = pledge(clause(PAUSE, when=restrictive(PAUSE), provided=keeps(PAUSE, *rest, k=others)))
        yield said(1, lab, body)


def test_names_who_is_bound_at_the_end() -> None:
    assert rehearse(terms(), [*pledged(), *called()]).bound == dict.fromkeys(LABS, ("pause",))
    assert rehearse(terms(), called()).bound == {}


def test_a_breach_in_the_history_takes_the_place_of_what_is_assumed() -> None:
    breached = [verdict(period + 1, "gamma", period, header_pb2.VERDICT_BREACHED) for period in (7, 8, 9)]
    history = [*pledged(others=2), *called(), report(14, "alpha", 1)]

    assert rehearse(terms(), history).bound == dict.fromkeys(LABS, ("pause",))
    # The others are released; gamma, which broke it, is not.
    assert rehearse(terms(), [*history, *breached]).bound == {"gamma": ("pause",)}


@pytest.mark.parametrize(
    ("stranger", "why"),
    [
        (said(3, "zeta", ballot(CALL, PAUSE, 1)), "zeta is no party"),
        (report(3, "alpha", 9, "uplifting"), "NAME_UNKNOWN"),
        (said(3, "chipco", ballot(CALL, 7, 1)), "NAME_UNKNOWN"),
    ],
)
def test_skips_what_the_terms_do_not_take_and_says_why(stranger: Said, why: str) -> None:
    found = rehearse(terms(), [*called(), stranger])
    (skipped,) = found.skipped
    assert (skipped.at, skipped.party, skipped.kind) == (stranger.at, stranger.party, stranger.draft.kind)
    assert skipped.why.startswith(why)
    assert stages(found) == stages(rehearse(terms(), called()))


def test_refuses_terms_that_break_rules() -> None:
    with refuses(Reason.VERSION_UNKNOWN):
        rehearse(terms(version=2), [])


def test_does_what_the_fold_does_with_signed_statements() -> None:
    history = [*pledged(), *called()]
    world = World(agreement()).found()
    found: list[tuple[int, str, str, str]] = []
    for period in range(1, 20):
        for lab in LABS:
            world[lab].say(attestation(world.agreement, period - 1), period=period - 1)
            world.assess(lab, period - 1, header_pb2.VERDICT_HONORED)
        for one in history:
            if one.at == period:
                made = world[one.party].write(one.draft)
                assert world[one.party].append(made).refusal is None
        levels = world.agreement.levels
        found += [(period, levels[one.level].name, one.before, one.after) for one in world.close().transitions]

    rehearsed = rehearse(terms(), [*history, report(19, "alpha", 1)])
    assert stages(rehearsed) == found
    assert len(found) > 1


def test_slowdown_is_its_level_below_pause() -> None:
    found = rehearse(
        terms(), [report(4, "alpha", 1_500), *(said(5, lab, ballot(CALL, SLOWDOWN, 1)) for lab in LABS[1:])]
    )
    assert stages(found) == [(5, "slowdown", "open", "winding")]
