"""What the record says of an indicator: the reports of independent sources (design section 5).

A source is a control group: of its reports on a lab the newest counts. Ages count closed periods (annex 1.7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from protocol.progress import Growth, read_samples
from protocol.source_rules import reporters
from protocol.state import key
from protocol.truth import Explained, Ref, Truth, counted
from standstill.v1 import agreement_pb2

if TYPE_CHECKING:
    from collections.abc import Collection

    from protocol.agreement import Agreement
    from protocol.state import ReportState, State

T = TypeVar("T")


class Evidence(NamedTuple, Generic[T]):
    """What the record holds for a test of one lab or event.

    Attributes:
        values: what independent sources say; empty if there are too few.
        found: the same for people, or how many there are.
        refs: the statements, in the order of what was found.
        missing: what would have to be said; empty if there are enough.
    """

    values: tuple[T, ...]
    found: str
    refs: tuple[Ref, ...] = ()
    missing: str = ""


class Source(NamedTuple):
    """The newest report of a control group on a lab."""

    reporter: str
    report: ReportState
    ref: Ref


def sources(agreement: Agreement, state: State, indicator: str, lab: str, oldest: int) -> dict[str, Source]:
    """The newest report of every control group from closing number `oldest` on, by owner.

    What a lab's own group says of it counts only if the lab itself says it: a subsidiary confirms nothing of its owner.
    """
    found: dict[str, Source] = {}
    for reporter in reporters(agreement.indicators[indicator], lab):
        report, owner = state.reports.get(key(indicator, lab, reporter)), agreement.owner(reporter)
        if report is None or report.closing < oldest or (owner == agreement.owner(lab) and reporter != lab):
            continue
        if owner not in found or report.closing > found[owner].report.closing:
            ref = Ref(agreement.parties[reporter].origin, report.index, report.identity)
            found[owner] = Source(reporter, report, ref)
    return found


def shortfall(agreement: Agreement, indicator: str, lab: str, owners: Collection[str]) -> str:
    """What keeps the reports of these control groups from being a reading; empty if they are enough."""
    terms = agreement.indicators[indicator]
    if len(owners) < terms.reports:
        return f"{len(owners)} of {counted(terms.reports, 'report')}"
    confirming = {agreement.owner(name) for name in terms.confirmed_by} - {agreement.owner(lab)}
    confirmed = len(confirming & set(owners))
    if confirmed < terms.confirmations:
        return f"{confirmed} of {counted(terms.confirmations, 'confirmation')}"
    return ""


def readings(agreement: Agreement, state: State, indicator: str, lab: str) -> Evidence[int]:
    """The values that count: one per control group, none too old, if there are enough of them."""
    terms = agreement.indicators[indicator]
    found = sources(agreement, state, indicator, lab, state.closings - terms.max_age_periods)
    refs = tuple(source.ref for source in found.values())
    short = shortfall(agreement, indicator, lab, found)
    if short:
        missing = f"reports of {indicator} on {lab}, none older than {counted(terms.max_age_periods, 'period')}"
        return Evidence((), short, refs, missing)
    values = tuple(compared(terms, source.report) for source in found.values())
    said = zip(values, found.values(), strict=True)
    text = ", ".join(f"{value} ({source.reporter} log {source.report.index})" for value, source in said)
    return Evidence(values, text, refs)


def compared(terms: agreement_pb2.Indicator, report: ReportState) -> int:
    """The number of a report that conditions compare: the reading, or the end of its interval that was agreed."""
    if terms.compare == agreement_pb2.COMPARE_UNSPECIFIED:
        return report.value
    end = report.low if terms.compare == agreement_pb2.COMPARE_LOWER else report.high
    # Reports without the end that counts are refused before they are kept.
    return report.value if end is None else end


def overdue(agreement: Agreement, state: State, indicator: str, lab: str, periods: int, since: int) -> Explained:
    """Whether too few reported on a lab for so many closed periods. Never unknown: silence itself is what is seen.

    Args:
        agreement: the terms.
        state: what is known.
        indicator: name of the indicator.
        lab: name of the lab.
        periods: closed periods without the reports that a reading needs.
        since: number of the closing with which the lab began to take part.
    """
    found = sources(agreement, state, indicator, lab, state.closings - periods + 1)
    refs = tuple(source.ref for source in found.values())
    short = shortfall(agreement, indicator, lab, found)
    if not short:
        return Explained(Truth.FALSE, f"{lab}: reported", evidence=refs)
    if state.closings - since < periods:
        return Explained(Truth.FALSE, f"{lab}: takes part for {counted(state.closings - since, 'period')}")
    text = f"{lab}: {short} in {counted(periods, 'period')}, assumed"
    return Explained(Truth.TRUE, text, evidence=refs, assumed=True)


def growth(agreement: Agreement, state: State, indicator: str, lab: str, over: int) -> Evidence[Growth]:
    """How much the reading of each source grew over at least `over` calendar periods, if enough sources can tell."""
    terms = agreement.indicators[indicator]
    found = sources(agreement, state, indicator, lab, state.closings - terms.max_age_periods)
    grown = {owner: point for owner, source in found.items() if (point := _grown(terms, source.report, over))}
    refs = tuple(found[owner].ref for owner in grown)
    short = shortfall(agreement, indicator, lab, grown)
    if short:
        missing = f"reports of {indicator} on {lab}, {counted(over, 'period')} apart"
        return Evidence((), short, refs, missing)
    text = ", ".join(
        f"{point.old} to {point.new} in {counted(point.elapsed, 'period')}"
        f" ({found[owner].reporter} log {found[owner].report.index})"
        for owner, point in grown.items()
    )
    return Evidence(tuple(grown.values()), text, refs)


def _grown(terms: agreement_pb2.Indicator, report: ReportState, over: int) -> Growth | None:
    """The newest report of a source against its newest sample that is old enough; None if there is none."""
    old = [sample for sample in read_samples(report.samples) if sample[0] <= report.period - over]
    if not old:
        return None
    period, value = old[-1]
    return Growth(value, compared(terms, report), report.period - period)
