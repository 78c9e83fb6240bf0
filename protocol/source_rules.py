"""What terms must say of indicators and events: who may report them, and that enough may (spec: agreement)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.agreement_limits import MAX_PERIODS, NAME, known, names, within
from protocol.condition_forms import labs_of
from protocol.errors import Reason, Refused
from standstill.v1 import agreement_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterator


def reporters_are_known(terms: pb.Agreement) -> Iterator[Refused]:
    """Whoever may report or confirm is a party; events have names."""
    parties = {party.name for party in terms.parties}
    for indicator in terms.indicators:
        where = f"indicators.{indicator.name}"
        yield from known(f"{where}.reported_by", indicator.reported_by, parties)
        yield from known(f"{where}.confirmed_by", indicator.confirmed_by, parties)
    yield from names("events", NAME, [event.name for event in terms.events])
    for event in terms.events:
        yield from known(f"events.{event.name}.reported_by", event.reported_by, parties)


def enough_may_report(terms: pb.Agreement) -> Iterator[Refused]:
    """Distinct control groups stand behind every count of reports and confirmations (design section 1)."""
    owners = {party.name: party.owner for party in terms.parties}
    for indicator in terms.indicators:
        where = f"indicators.{indicator.name}"
        confirming = {owners[name] for name in indicator.confirmed_by}
        groups = len({owners[name] for name in indicator.reported_by} | confirming) + indicator.by_subject
        broken = list(_met(f"{where}.reports", indicator.reports, 1, groups))
        confirmable = min(indicator.reports, len(confirming))
        broken = broken or list(_met(f"{where}.confirmations", indicator.confirmations, 0, confirmable))
        yield from broken
        if not broken and not any(_readable(terms, indicator, lab) for lab in labs_of(terms)):
            yield Refused(Reason.EVIDENCE_HAS_NO_SOURCE, where, "no lab has enough sources that are not its own")
        yield from within(f"{where}.max_age_periods", indicator.max_age_periods, 1, MAX_PERIODS)
        yield from within(f"{where}.plan_periods", indicator.plan_periods, 0, MAX_PERIODS)
        if indicator.compare not in pb.Compare.values():
            yield Refused(Reason.VALUE_OUT_OF_RANGE, f"{where}.compare", f"{indicator.compare}: point, lower or upper")
    for event in terms.events:
        groups = len({owners[name] for name in event.reported_by})
        yield from _met(f"events.{event.name}.reports", event.reports, 1, groups)
        yield from within(f"events.{event.name}.max_age_periods", event.max_age_periods, 1, MAX_PERIODS)


def _met(where: str, wanted: int, low: int, groups: int) -> Iterator[Refused]:
    if not low <= wanted <= groups:
        yield Refused(Reason.QUORUM_CANNOT_BE_MET, where, f"{wanted} of {groups}")


def _readable(terms: pb.Agreement, indicator: pb.Indicator, lab: str) -> bool:
    """Whether enough control groups may report on a lab: itself, and others that are no labs."""
    owners = {party.name: party.owner for party in terms.parties}
    labs = labs_of(terms)
    sources = {
        owners[name]
        for name in reporters(indicator, lab)
        if name == lab or (name not in labs and owners[name] != owners[lab])
    }
    confirming = {owners[name] for name in indicator.confirmed_by} - {owners[lab]}
    return len(sources) >= indicator.reports and len(confirming & sources) >= indicator.confirmations


def reporters(terms: pb.Indicator, lab: str) -> tuple[str, ...]:
    """Who may report an indicator of a lab, in the agreement's order."""
    named = (*terms.reported_by, *terms.confirmed_by, *((lab,) if terms.by_subject else ()))
    return tuple(dict.fromkeys(named))
