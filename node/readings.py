"""A meter's readings: a table of periods or hours to the statement that a meter operator signs.

    period,watt_hours          or          hour,watt_hours
    0,219400                               2027-03-01T00:00:00Z,219400
    1,221870                               2027-03-01T01:00:00Z,221870

Hours are added up to periods; a period of which an hour is missing has no reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Final

from node.collect.figures import MAX_QUANTITY, RejectedRow, Tally
from node.collect.table import Table, parse_table, read_text
from node.collect.values import instant, whole_number
from protocol.agreement import Agreement
from protocol.authoring import Draft
from protocol.errors import Reason, Refused, require
from protocol.wire import encode
from standstill.v1 import evidence_pb2, header_pb2
from standstill.v1 import quantity_pb2 as q

_HOUR: Final = 3_600


@dataclass(frozen=True, slots=True)
class Readings:
    """What a table of readings says.

    Attributes:
        watt_hours: by number of the period.
        rejected: rows that could not be used, in the order of the file.
    """

    watt_hours: Mapping[int, int]
    rejected: tuple[RejectedRow, ...] = ()


def read_readings(path: Path, agreement: Agreement, *, from_start: bool = False) -> Readings:
    """Read a meter's table.

    Args:
        path: CSV, plain or gzipped, with the columns `period` or `hour`, and `watt_hours`.
        agreement: the terms, for the periods.
        from_start: move hours so that the first is the start of period 0.

    Raises:
        Refused: the table as a whole cannot be used (TRACE_*). Bad rows are listed instead.
    """
    table, tally = parse_table(path.name, read_text(path)), Tally()
    when, energy = table.find("period", "hour"), table.find("watthours")
    if when is None or energy is None:
        found = ", ".join(table.columns)
        raise Refused(Reason.TRACE_COLUMN_MISSING, path.name, f"expected period or hour, and watt_hours; found {found}")
    by_hour = table.find("period") is None
    rows = _rows(table, tally, when, energy, by_hour=by_hour)
    readings = _by_period(rows, agreement, path.name, from_start=from_start) if by_hour else rows
    return Readings(readings, tuple(tally.rejected))


def meter_reading(
    agreement: Agreement, period: int, site: bytes, meter: str, watt_hours: int, uncertainty_ppm: tuple[int, int]
) -> Draft:
    """The statement of one meter and period.

    Args:
        agreement: the terms.
        period: number of the period.
        site: handle, 16 bytes.
        meter: name of the meter.
        watt_hours: delivered to the whole site.
        uncertainty_ppm: random and systematic, ppm.
    """
    random, systematic = uncertainty_ppm
    energy = q.Quantity(
        value=watt_hours,
        unit=q.UNIT_WATT_HOUR,
        basis=q.BASIS_MEASURED,
        random_ppm=random,
        systematic_ppm=systematic,
    )
    start, end = agreement.start_of(period), agreement.end_of(period)
    body = evidence_pb2.MeterReading(meter=meter, start=start, end=end, energy=energy)
    return Draft(kind=header_pb2.KIND_METER_READING, body=encode(body), period=period, site=site)


def _rows(table: Table, tally: Tally, when: str, energy: str, *, by_hour: bool) -> dict[int, int]:
    """Watt-hours by hour (Unix seconds) or by number of the period."""
    found: dict[int, int] = {}
    for number, cells in table.rows(tally):
        try:
            at = instant(cells[when], when, UTC) if by_hour else whole_number(cells[when], when)
            aligned = not by_hour or at % _HOUR == 0
            require(aligned, Reason.TRACE_NOT_ALIGNED, when, f'"{cells[when][:40]}" is not on the hour')
            require(at not in found, Reason.TRACE_DUPLICATE_ROW, when, "stands in the file before")
            found[at] = whole_number(cells[energy], energy)
        except Refused as no:
            tally.reject(number, no, cells.get(no.field, ""))
    return found


def _by_period(hours: Mapping[int, int], agreement: Agreement, name: str, *, from_start: bool) -> dict[int, int]:
    """Hours added up to the periods that they fill."""
    seconds, start = agreement.terms.period_seconds, agreement.terms.start
    shift = start - min(hours) if from_start and hours else 0
    whole = seconds % _HOUR == 0 and (start - shift) % _HOUR == 0
    require(whole, Reason.TRACE_OPTION, name, "hours do not fill the agreement's periods; give period,watt_hours")
    counts: dict[int, int] = {}
    sums: dict[int, int] = {}
    for hour, watt_hours in hours.items():
        period = (hour + shift - start) // seconds
        counts[period] = counts.get(period, 0) + 1
        sums[period] = sums.get(period, 0) + watt_hours
    full = {period: total for period, total in sums.items() if counts[period] * _HOUR == seconds and period >= 0}
    fits = max(full.values(), default=0) <= MAX_QUANTITY
    require(fits, Reason.TRACE_OVERFLOW, name, "a period's watt-hours exceed 2^63-1")
    return full
