"""Shipments, MeterReading, IndicatorReport, EvaluationPlan, EventReport: what sources say (design section 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.errors import Reason, require
from protocol.source_rules import reporters
from protocol.statements.quantities import require_class, require_count, require_energy, require_span
from protocol.wire import MAX_UINT, require_digest
from standstill.v1 import agreement_pb2 as agreement_pb

if TYPE_CHECKING:
    from protocol.agreement import Agreement
    from standstill.v1 import evidence_pb2 as pb
    from standstill.v1.header_pb2 import Header


def shipment_report(body: pb.ShipmentReport, header: Header, agreement: Agreement) -> None:
    """Chips of a known class, to a lab that is not the supplier itself."""
    require(bool(body.id) and body.id.isprintable(), Reason.NAME_MALFORMED, "shipment_report.id", repr(body.id))
    to_lab = agreement.has_role(body.receiver, agreement_pb.ROLE_LAB) and body.receiver != header.author
    require(to_lab, Reason.NAME_UNKNOWN, "shipment_report.receiver", repr(body.receiver))
    require_class(body.chip_class, agreement, "shipment_report")
    shipped = require_count(body, "chips", "shipment_report")
    require(shipped > 0, Reason.QUANTITY_OUT_OF_RANGE, "shipment_report.chips", "at least one")


def shipments_complete(body: pb.ShipmentsComplete, header: Header, agreement: Agreement) -> None:
    """All of it stands in the header: who says it, and of which period."""
    del body, header, agreement


def meter_reading(body: pb.MeterReading, header: Header, agreement: Agreement) -> None:
    """One meter, one period, by the operator that the agreement names for the site."""
    require(
        bool(body.meter) and body.meter.isprintable(), Reason.NAME_MALFORMED, "meter_reading.meter", repr(body.meter)
    )
    _, site = agreement.sites[header.site]
    require(site.metered_by == header.author, Reason.NO_AUTHORITY, "header.author", f"metered by {site.metered_by!r}")
    require_span(body.start, body.end, header.period, agreement, "meter_reading")
    require_energy(body, "energy", "meter_reading")


def indicator_report(body: pb.IndicatorReport, header: Header, agreement: Agreement) -> None:
    """A known indicator of a lab, by somebody who may report it; a lab that may, reports on itself only."""
    known = body.indicator in agreement.indicators
    require(known, Reason.NAME_UNKNOWN, "indicator_report.indicator", repr(body.indicator))
    require(body.lab in agreement.labs, Reason.NAME_UNKNOWN, "indicator_report.lab", repr(body.lab))
    terms = agreement.indicators[body.indicator]
    allowed = header.author in reporters(terms, body.lab)
    require(allowed, Reason.NO_AUTHORITY, "header.author", f"{header.author} may not report {body.indicator}")
    own = header.author not in agreement.labs or header.author == body.lab
    require(own, Reason.NO_AUTHORITY, "indicator_report.lab", "a lab reports on itself only")
    require(body.HasField("value"), Reason.QUANTITY_ABSENT, "indicator_report.value", "state zero as 0")
    require(body.value <= MAX_UINT, Reason.QUANTITY_OUT_OF_RANGE, "indicator_report.value", str(body.value))
    if body.plan:
        require_digest(body.plan, "indicator_report.plan")
    _require_interval(body, terms)


def _require_interval(body: pb.IndicatorReport, terms: agreement_pb.Indicator) -> None:
    """The ends of an interval, as far as they are stated, enclose the reading; the one that counts is stated."""
    if terms.compare == agreement_pb.COMPARE_LOWER:
        require(body.HasField("low"), Reason.QUANTITY_ABSENT, "indicator_report.low", "the lower end is what counts")
    if terms.compare == agreement_pb.COMPARE_UPPER:
        require(body.HasField("high"), Reason.QUANTITY_ABSENT, "indicator_report.high", "the upper end is what counts")
    if body.HasField("low"):
        found = f"{body.low} above {body.value}"
        require(body.low <= body.value, Reason.VALUE_OUT_OF_RANGE, "indicator_report.low", found)
    if body.HasField("high"):
        found = f"{body.high} below {body.value}"
        require(body.value <= body.high, Reason.VALUE_OUT_OF_RANGE, "indicator_report.high", found)
        require(body.high <= MAX_UINT, Reason.QUANTITY_OUT_OF_RANGE, "indicator_report.high", str(body.high))


def evaluation_plan(body: pb.EvaluationPlan, header: Header, agreement: Agreement) -> None:
    """A plan to measure a known indicator, by somebody who may report it."""
    known = body.indicator in agreement.indicators
    require(known, Reason.NAME_UNKNOWN, "evaluation_plan.indicator", repr(body.indicator))
    # A plan names no lab: one that may report on itself plans for itself.
    own = header.author if header.author in agreement.labs else ""
    allowed = header.author in reporters(agreement.indicators[body.indicator], own)
    require(allowed, Reason.NO_AUTHORITY, "header.author", f"{header.author} may not report {body.indicator}")
    require_digest(body.plan, "evaluation_plan.plan")


def event_report(body: pb.EventReport, header: Header, agreement: Agreement) -> None:
    """A known event, by somebody who may report it, said for a known level or for none."""
    require(body.event in agreement.events, Reason.NAME_UNKNOWN, "event_report.event", repr(body.event))
    allowed = header.author in agreement.events[body.event].reported_by
    require(allowed, Reason.NO_AUTHORITY, "header.author", f"{header.author} may not report {body.event}")
    known = body.level == 0 or body.level in agreement.levels
    require(known, Reason.NAME_UNKNOWN, "event_report.level", str(body.level))
