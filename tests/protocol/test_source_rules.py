"""What terms must say of indicators and events."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from protocol import agreement_rules
from protocol.errors import Reason
from standstill.v1 import agreement_pb2 as pb
from tests.builders import LABS, terms

Edit = Callable[[pb.Agreement], object]


def made() -> pb.Agreement:
    """Terms with an indicator that is confirmed, and an event."""
    found = terms(events=[pb.Event(name="review", reported_by=["chipco", "gridco"], reports=2, max_age_periods=9)])
    indicator = found.indicators[0]
    indicator.reported_by[:] = ["chipco"]
    indicator.confirmed_by[:] = ["gridco", "vera"]
    indicator.by_subject, indicator.reports, indicator.confirmations = True, 3, 2
    return found


def _set(place: str, name: str, value: object) -> Edit:
    def edit(found: pb.Agreement) -> None:
        one = getattr(found, place)[0]
        if isinstance(value, list):
            getattr(one, name)[:] = value
        else:
            setattr(one, name, value)

    return edit


def _owned_by(name: str, owner: str) -> Edit:
    def edit(found: pb.Agreement) -> None:
        next(party for party in found.parties if party.name == name).owner = owner

    return edit


def _subject_alone(found: pb.Agreement) -> None:
    """Two labs are named, of which each may report on itself only; two reports are wanted."""
    indicator = found.indicators[0]
    del indicator.confirmed_by[:]
    indicator.reported_by[:] = LABS
    indicator.by_subject, indicator.reports, indicator.confirmations = False, 2, 0


RULES: list[tuple[str, Edit, Reason, str]] = [
    (
        "an unknown confirmer",
        _set("indicators", "confirmed_by", ["vera", "delta"]),
        Reason.NAME_UNKNOWN,
        "confirmed_by",
    ),
    ("an unknown reporter", _set("indicators", "reported_by", ["delta"]), Reason.NAME_UNKNOWN, "reported_by"),
    ("more reports than groups", _set("indicators", "reports", 5), Reason.QUORUM_CANNOT_BE_MET, "reports"),
    ("no report", _set("indicators", "reports", 0), Reason.QUORUM_CANNOT_BE_MET, "reports"),
    ("more confirmations than groups", _set("indicators", "confirmations", 3), Reason.QUORUM_CANNOT_BE_MET, "confirm"),
    ("confirmers of one group", _owned_by("vera", "gridco group"), Reason.QUORUM_CANNOT_BE_MET, "confirmations"),
    ("labs that cannot report on each other", _subject_alone, Reason.EVIDENCE_HAS_NO_SOURCE, "indicators.horizon"),
    ("an endless age", _set("indicators", "max_age_periods", 1_000_001), Reason.VALUE_OUT_OF_RANGE, "max_age"),
    ("an endless plan", _set("indicators", "plan_periods", 1_000_001), Reason.VALUE_OUT_OF_RANGE, "plan_periods"),
    ("an unknown end", _set("indicators", "compare", 3), Reason.VALUE_OUT_OF_RANGE, "compare"),
    (
        "an event reported by a stranger",
        _set("events", "reported_by", ["delta", "chipco"]),
        Reason.NAME_UNKNOWN,
        "review",
    ),
    ("an event of a strange name", _set("events", "name", "a|b"), Reason.NAME_MALFORMED, "events"),
    ("an event without a report", _set("events", "reports", 0), Reason.QUORUM_CANNOT_BE_MET, "events.review.reports"),
    ("an event of more reports", _set("events", "reports", 3), Reason.QUORUM_CANNOT_BE_MET, "events.review.reports"),
    ("an event at no age", _set("events", "max_age_periods", 0), Reason.VALUE_OUT_OF_RANGE, "max_age"),
]


@pytest.mark.parametrize(("name", "edit", "reason", "where"), RULES, ids=[rule[0] for rule in RULES])
def test_refuses(name: str, edit: Edit, reason: Reason, where: str) -> None:
    found = made()
    assert agreement_rules.problems(found) == []
    edit(found)
    (problem,) = agreement_rules.problems(found)
    assert problem.reason is reason
    assert where in problem.field


def test_refuses_two_events_of_one_name() -> None:
    found = made()
    found.events.append(found.events[0])
    assert {problem.reason for problem in agreement_rules.problems(found)} == {Reason.NAME_TWICE}


def test_admits_a_quorum_of_exactly_those_who_may_report() -> None:
    found = made()
    found.indicators[0].reports = 4
    assert agreement_rules.problems(found) == []
