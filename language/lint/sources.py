"""Who is believed: readings and events that nobody, one owner, or the lab that they restrain decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from language.lint.finding import Finding, error, note, warning
from language.lint.view import named, tests
from standstill.v1 import agreement_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from language.lint.view import View

_OF_INDICATORS: Final = frozenset({"reading", "trend"})


def missing(view: View) -> Iterator[Finding]:
    """`missing-source`: an indicator or event that nobody can report. `quorum-cannot-be-met`: that too few can."""
    for indicator in view.terms.indicators:
        where = f"indicators.{indicator.name}.reported_by"
        sources = {lab: _sources(view, indicator, lab) for lab in sorted(view.labs)}
        without = [lab for lab, groups in sources.items() if not groups]
        few = [lab for lab, groups in sources.items() if groups and len(groups) < indicator.reports]
        if not indicator.reported_by and not indicator.by_subject:
            yield error("missing-source", where, f"nobody reports {indicator.name}", "name who does in reported_by")
        elif without:
            yield error("missing-source", where, f"nobody may report {indicator.name} of {named(without)}")
        if few and not without:
            text = f"{indicator.reports} independent reports are needed, {named(few)} can have {len(sources[few[0]])}"
            yield error("quorum-cannot-be-met", f"indicators.{indicator.name}.reports", text)
    for event in view.terms.events:
        groups = view.groups(event.reported_by)
        if not groups:
            yield error("missing-source", f"events.{event.name}.reported_by", f"nobody may report {event.name}")
        elif len(groups) < event.reports:
            text = f"{event.reports} independent reports are needed, {len(groups)} owners may report"
            yield error("quorum-cannot-be-met", f"events.{event.name}.reports", text)


def _sources(view: View, indicator: pb.Indicator, lab: str) -> frozenset[str]:
    """Control groups that may report on a lab: nobody vouches for a lab of its own group but the lab itself."""
    own = view.owner[lab]
    others = view.groups(name for name in indicator.reported_by if view.owner.get(name) != own)
    itself = indicator.by_subject or lab in indicator.reported_by
    return others | {own} if itself else others


def single(view: View) -> Iterator[Finding]:
    """`single-source`: one owner decides an indicator or an event."""
    for indicator in view.terms.indicators:
        where = f"indicators.{indicator.name}.reported_by"
        sources = [_sources(view, indicator, lab) for lab in sorted(view.labs)]
        if not sources or not all(sources):
            continue
        reporters = view.groups(indicator.reported_by)
        remedy = "add a second owner and write reports = 2"
        if indicator.by_subject and not reporters:
            yield warning("single-source", where, "each lab alone decides this of itself", remedy)
        elif min(map(len, sources)) == 1:
            who = named(indicator.reported_by) if len(reporters) == 1 else "one source"
            yield warning("single-source", where, f"{who} alone decides this", remedy)
        elif indicator.reports == 1:
            found = f"any one of {max(map(len, sources))} sources decides this while the others are silent"
            yield note("single-source", where, found, "write reports = 2")
    for event in view.terms.events:
        if len(view.groups(event.reported_by)) == 1 or event.reports == 1:
            who = named(event.reported_by) if len(event.reported_by) == 1 else f"any of {named(event.reported_by)}"
            yield warning("single-source", f"events.{event.name}.reported_by", f"{who} alone decides this")


def withholding(view: View) -> Iterator[Finding]:
    """`undecidable-by-subject`: a trigger that a lab it restrains keeps unknown by silence (annex 5.3, 4)."""
    for level in view.terms.levels:
        found = list(tests(level.trigger, f"levels.{level.name}.trigger"))
        heeded = {part.overdue.indicator for _, part in found if part.WhichOneof("test") == "overdue"}
        told: set[str] = set()
        for path, part in found:
            kind = part.WhichOneof("test")
            if kind not in _OF_INDICATORS:
                continue
            test = part.reading if kind == "reading" else part.trend
            indicator = view.indicators.get(test.indicator)
            if indicator is None or indicator.name in heeded | told:
                continue
            silent = [lab for lab in sorted(test.of or view.labs) if _needed(view, indicator, lab)]
            if silent:
                told.add(indicator.name)
                text = f"{named(silent)} can keep {indicator.name} unknown by silence"
                remedy = f"add a source, or {indicator.name} of any lab overdue for 120 d"
                yield warning("undecidable-by-subject", path, text, remedy)


def _needed(view: View, indicator: pb.Indicator, lab: str) -> bool:
    """Whether a reading of the lab takes the lab's own report."""
    sources = _sources(view, indicator, lab)
    return len(sources) >= indicator.reports > len(sources - {view.owner[lab]})


def resilience(view: View) -> Iterator[Finding]:
    """`source-count`: as many sources may lie as stand against a lab's word."""
    worth = view.terms.verification
    if not worth.dishonest_sources:
        return
    suppliers = (
        view.groups(view.with_role(pb.ROLE_SUPPLIER)) if pb.EVIDENCE_SHIPMENTS in worth.required else frozenset()
    )
    for party in view.terms.parties:
        metered = {site.metered_by for site in party.sites if site.metered_by}
        meters = view.groups(metered) if pb.EVIDENCE_METER in worth.required else frozenset()
        against = suppliers | meters
        if pb.ROLE_LAB in party.roles and len(against) <= worth.dishonest_sources:
            who = named(against) or "nobody"
            verb = "stands" if len(against) <= 1 else "stand"
            lying = "1 source" if worth.dishonest_sources == 1 else f"{worth.dishonest_sources} sources"
            text = f"{lying} may lie, but only {who} {verb} against the word of {party.name}"
            yield warning("source-count", "verification.dishonest_sources", text, "require further evidence")
            return


def ages(view: View) -> Iterator[Finding]:
    """`evidence-older-than-answer`: reports grow too old before the next one may come."""
    for indicator in view.terms.indicators:
        if 0 < indicator.max_age_periods <= indicator.plan_periods:
            text = "a report is too old before a plan that follows it is old enough: the reading goes unknown between"
            path = f"indicators.{indicator.name}.max_age_periods"
            yield warning("evidence-older-than-answer", path, text, also=(f"indicators.{indicator.name}.plan_periods",))
