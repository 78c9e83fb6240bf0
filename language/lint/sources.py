"""Who is believed: readings and events that nobody, one owner, or the lab that they restrain decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from language.lint.finding import Finding, error, note, warning
from language.lint.view import named, tests
from protocol.condition_analysis import undecidable_by_subject
from protocol.source_rules import reporters
from standstill.v1 import agreement_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from language.lint.view import View


def missing(view: View) -> Iterator[Finding]:
    """`missing-source`: an indicator or event that nobody can report. `quorum-cannot-be-met`: that too few can.

    An error where it is so of every lab: one that is meant for some labs is only told.
    """
    for indicator in view.terms.indicators:
        sources = {lab: _sources(view, indicator, lab) for lab in sorted(view.labs)}
        without = [lab for lab, groups in sources.items() if not groups]
        few = [lab for lab, groups in sources.items() if groups and len(groups) < indicator.reports]
        if without:
            make = error if len(without) == len(sources) else warning
            where = f"indicators.{indicator.name}.reported_by"
            yield make("missing-source", where, f"nobody may report {indicator.name} of {named(without)}")
        if few:
            make = error if len(few) + len(without) == len(sources) else warning
            text = f"{indicator.reports} independent reports are needed, {named(few)} can have {len(sources[few[0]])}"
            yield make("quorum-cannot-be-met", f"indicators.{indicator.name}.reports", text)
    for event in view.terms.events:
        yield from _missing_of_event(view, event)


def _missing_of_event(view: View, event: pb.Event) -> Iterator[Finding]:
    groups = view.groups(event.reported_by)
    if not groups:
        yield error("missing-source", f"events.{event.name}.reported_by", f"nobody may report {event.name}")
    elif len(groups) < event.reports:
        text = f"{event.reports} independent reports are needed, {len(groups)} owners may report"
        yield error("quorum-cannot-be-met", f"events.{event.name}.reports", text)


def _sources(view: View, indicator: pb.Indicator, lab: str) -> frozenset[str]:
    """Control groups that may report on a lab: itself, and others that are no labs. Its owner vouches for nothing."""
    return view.groups(
        name
        for name in reporters(indicator, lab)
        if name == lab or (name not in view.labs and view.owner.get(name) != view.owner[lab])
    )


def single(view: View) -> Iterator[Finding]:
    """`single-source`: one owner decides an indicator or an event."""
    for indicator in view.terms.indicators:
        where = f"indicators.{indicator.name}.reported_by"
        sources = [_sources(view, indicator, lab) for lab in sorted(view.labs)]
        if not sources or not all(sources):
            continue
        stated = [*dict.fromkeys((*indicator.reported_by, *indicator.confirmed_by))]
        groups = view.groups(stated)
        remedy = "add a second owner and write reports = 2"
        if indicator.by_subject and not groups:
            yield warning("single-source", where, "each lab alone decides this of itself", remedy)
        elif min(map(len, sources)) == 1:
            who = named(stated) if len(groups) == 1 else "one source"
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
        places: dict[str, str] = {}
        for path, part in tests(level.trigger, f"levels.{level.name}.trigger"):
            kind = part.WhichOneof("test")
            if kind in {"reading", "trend"}:
                places.setdefault(part.reading.indicator if kind == "reading" else part.trend.indicator, path)
        if not places.keys() <= view.indicators.keys():
            continue
        silent = undecidable_by_subject(view.terms, level)
        for name, path in places.items():
            labs = [lab for one, lab in silent if one == name and _reports(view, view.indicators[name], lab)]
            if labs:
                text = f"{named(labs)} can keep {name} unknown by silence"
                remedy = f"add a source, or {name} of any lab overdue for 120 d"
                yield warning("undecidable-by-subject", path, text, remedy)


def _reports(view: View, indicator: pb.Indicator, lab: str) -> bool:
    """Whether a lab has a say in what is read of it, and enough others beside it."""
    sources = _sources(view, indicator, lab)
    return view.owner[lab] in sources and len(sources) >= indicator.reports


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
