"""What the record says of events outside it (design section 5).

A control group counts once, by its newest report. What is said for a level is kept apart from what is said for another,
and counts only since the restriction of that level began: the review of an earlier pause lifts no later one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.readings import Evidence
from protocol.state import RESTRICTIVE, Stage, key
from protocol.truth import Ref, counted

if TYPE_CHECKING:
    from protocol.agreement import Agreement
    from protocol.state import State
    from protocol.state_entries import EventState


def reported(agreement: Agreement, state: State, name: str, level: int) -> Evidence[tuple[bool, int]]:
    """What enough control groups say of an event.

    Args:
        agreement: the terms in force.
        state: what is known.
        name: of the event.
        level: rank that it must be said for, since its restriction began; 0: said for none, whenever.

    Returns:
        For each control group whether it happened, and for how many closed periods it has said so.
    """
    terms = agreement.events[name]
    first = began(state, level)
    if first is None:
        return Evidence((), f"level {level} is {state.levels[level].stage}", missing=f"a restriction of level {level}")
    newest: dict[str, tuple[str, EventState]] = {}
    for reporter in terms.reported_by:
        report, owner = state.events.get(key(name, reporter, level)), agreement.owner(reporter)
        if report is None or report.closing < state.closings - terms.max_age_periods or report.period < first:
            continue
        if owner not in newest or report.closing > newest[owner][1].closing:
            newest[owner] = (reporter, report)
    refs = tuple(
        Ref(agreement.parties[reporter].origin, report.index, report.identity) for reporter, report in newest.values()
    )
    if len(newest) < terms.reports:
        missing = f"reports of {name}, none older than {counted(terms.max_age_periods, 'period')}"
        return Evidence((), f"{len(newest)} of {counted(terms.reports, 'report')}", refs, missing)
    text = ", ".join(
        f"{'happened' if report.happened else 'not happened'} ({reporter} log {report.index})"
        for reporter, report in newest.values()
    )
    said = tuple((report.happened, state.closings - report.since_closing) for _, report in newest.values())
    return Evidence(said, text, refs)


def began(state: State, level: int) -> int | None:
    """First period of which what is said for a level counts; None while it restricts nothing; 0 for level 0."""
    if not level:
        return 0
    found = state.levels[level]
    return found.start if found.stage in RESTRICTIVE or found.stage is Stage.SUSPENDED else None
