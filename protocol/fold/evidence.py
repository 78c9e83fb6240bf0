"""Reports of indicators and events, and the plans behind them: what they need, and what they leave in the state.

Part of stages 3 and 5 (annex 3.2). Everything here is kept by author or reporter, so the order between logs is nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from protocol.condition_tree import longest_trends
from protocol.errors import Reason, Refused
from protocol.events import began
from protocol.progress import sample
from protocol.readings import compared
from protocol.state import ReportState, key
from protocol.state_entries import EventState
from protocol.truth import counted
from standstill.v1 import header_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from protocol.fold.work import Work
    from protocol.leaf import ReadLeaf

MAX_PLANS: Final = 32
"""Most open plans of one party: whoever commits many picks the one that suits afterwards."""


def out_of_turn(work: Work, leaf: ReadLeaf) -> Refused | None:
    """The first rule that a report or plan breaks by being said now; None for other kinds."""
    assert leaf.header is not None  # noqa: S101 - a leaf without a header carries its refusal
    if leaf.header.kind == pb.KIND_INDICATOR_REPORT:
        return _unplanned(work, leaf.header.author, leaf.body)
    if leaf.header.kind == pb.KIND_EVALUATION_PLAN:
        return _beyond_limit(work, leaf, leaf.header.author)
    return None


def _unplanned(work: Work, author: str, body: Any) -> Refused | None:
    """A report whose plan its control group did not commit long enough before (design section 2)."""
    terms = work.agreement.indicators[body.indicator]
    if not terms.plan_periods:
        return None
    owner, field = work.agreement.owner(author), "indicator_report.plan"
    group = [name for name in work.agreement.parties if work.agreement.owner(name) == owner]
    committed = [work.old.plans.get(key(name, body.indicator, body.plan.hex())) for name in group]
    first = min((closing for closing in committed if closing is not None), default=None)
    if first is None:
        return Refused(Reason.PLAN_NOT_COMMITTED, field, f"no open plan {body.plan.hex() or 'named'}")
    age = work.new.closings - first
    if age < terms.plan_periods:
        found = f"committed {counted(age, 'period')} before, not {terms.plan_periods}"
        return Refused(Reason.PLAN_NOT_COMMITTED, field, found)
    return None


def _beyond_limit(work: Work, leaf: ReadLeaf, author: str) -> Refused | None:
    """A plan of a party that has as many open plans as it may have."""
    said = [other for other in work.accepted if other.origin == leaf.origin]
    fresh = {_place(author, other.body) for other in said if _is(other, pb.KIND_EVALUATION_PLAN)}
    held = {place for place in _open(work) if place.split("|", maxsplit=1)[0] == author} | fresh
    if _place(author, leaf.body) in held or len(held) < MAX_PLANS:
        return None
    return Refused(Reason.LIMIT_REACHED, "header.kind", f"{author} has {len(held)} open plans")


def evidence(work: Work) -> None:
    """Enter the reports, plans and events of this record; drop plans that can serve no report any more."""
    reports, events, plans = dict(work.new.reports), dict(work.new.events), _open(work)
    said = work.of_kind(pb.KIND_INDICATOR_REPORT)
    trends = longest_trends(work.agreement.terms) if said else {}
    for leaf in said:
        _report(work, leaf, reports, trends)
    for leaf in work.of_kind(pb.KIND_EVENT_REPORT):
        _event(work, leaf, events)
    for leaf in work.of_kind(pb.KIND_EVALUATION_PLAN):
        body: Any = leaf.body
        if work.agreement.indicators[body.indicator].plan_periods:
            # Who commits a plan again gains no time and loses none.
            plans.setdefault(_place(work.agreement.logs[leaf.origin], body), work.new.closings)
    work.new = replace(work.new, reports=reports, events=events, plans=plans)


def _report(work: Work, leaf: ReadLeaf, reports: dict[str, ReportState], trends: Mapping[str, int]) -> None:
    body: Any = leaf.body
    place = key(body.indicator, body.lab, work.agreement.logs[leaf.origin])
    period = work.record.closing.period
    report = ReportState(
        value=body.value,
        period=period,
        closing=work.new.closings,
        index=leaf.index,
        low=body.low if body.HasField("low") else None,
        high=body.high if body.HasField("high") else None,
        identity=leaf.identity,
    )
    value = compared(work.agreement.indicators[body.indicator], report)
    before = reports[place].samples if place in reports else ""
    reports[place] = replace(report, samples=sample(before, period, value, trends.get(body.indicator, 0)))


def _event(work: Work, leaf: ReadLeaf, events: dict[str, EventState]) -> None:
    body: Any = leaf.body
    place = key(body.event, work.agreement.logs[leaf.origin], body.level)
    before, since = events.get(place), work.new.closings
    if before is not None and before.happened == body.happened and _lasts(work, body, before):
        since = before.since_closing
    events[place] = EventState(
        happened=body.happened,
        period=work.record.closing.period,
        closing=work.new.closings,
        since_closing=since,
        index=leaf.index,
        identity=leaf.identity,
    )


def _lasts(work: Work, body: Any, before: EventState) -> bool:
    """Whether what was said before still counts, so that the same said again stands without a break."""
    first = began(work.old, body.level)
    oldest = work.new.closings - work.agreement.events[body.event].max_age_periods
    return first is not None and before.period >= first and before.closing >= oldest


def _open(work: Work) -> dict[str, int]:
    """Plans that a report could still name: reports count for `max_age_periods` after the plan has served its time."""
    kept = {}
    for place, closing in work.new.plans.items():
        terms = work.agreement.indicators.get(place.split("|")[1])
        if terms is not None and work.new.closings - closing <= terms.plan_periods + terms.max_age_periods:
            kept[place] = closing
    return kept


def _place(author: str, body: Any) -> str:
    return key(author, body.indicator, body.plan.hex())


def _is(leaf: ReadLeaf, kind: pb.Kind.ValueType) -> bool:
    return leaf.header is not None and leaf.header.kind == kind
