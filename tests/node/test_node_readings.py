"""A meter's table to readings."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.readings import Readings, meter_reading, read_readings
from protocol.agreement import Agreement
from protocol.errors import Reason
from protocol.statements import KINDS
from standstill.v1 import evidence_pb2, header_pb2
from standstill.v1 import quantity_pb2 as q
from tests.protocol.refusals import refuses
from tests.terms import PERIOD, START, agreement, handle

TERMS = agreement()
TWO_HOURS = agreement(period_seconds=2 * PERIOD)
HOURS = """\
hour,watt_hours
2026-01-01T00:00:00Z,100
2026-01-01T01:00:00Z,200
2026-01-01T02:00:00Z,300
"""


def read(tmp_path: Path, text: str, terms: Agreement = TERMS, *, from_start: bool = False) -> Readings:
    path = tmp_path / "meter.csv"
    path.write_text(text)
    return read_readings(path, terms, from_start=from_start)


def test_reads_periods_by_number(tmp_path: Path) -> None:
    found = read(tmp_path, "Period;Watt_Hours\n0;100\n7;0\n")

    assert found == Readings({0: 100, 7: 0})


def test_reads_hours_by_time(tmp_path: Path) -> None:
    assert read(tmp_path, HOURS).watt_hours == {0: 100, 1: 200, 2: 300}


def test_hours_add_up_to_the_periods_that_they_fill(tmp_path: Path) -> None:
    assert read(tmp_path, HOURS, TWO_HOURS).watt_hours == {0: 300}


def test_hours_before_the_agreement_are_left_out(tmp_path: Path) -> None:
    text = "hour,watt_hours\n2025-12-31T23:00:00Z,9\n2026-01-01T00:00:00Z,100\n"

    assert read(tmp_path, text).watt_hours == {0: 100}


def test_a_replay_begins_with_period_0(tmp_path: Path) -> None:
    text = "hour,watt_hours\n2020-05-18T01:00:00Z,200\n2020-05-18T00:00:00Z,100\n"

    assert read(tmp_path, text, from_start=True).watt_hours == {0: 100, 1: 200}
    assert read(tmp_path, text).watt_hours == {}


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        ("2026-01-01T01:30:00Z,1", "hour", Reason.TRACE_NOT_ALIGNED),
        ("2026-01-01T00:00:00Z,1", "hour", Reason.TRACE_DUPLICATE_ROW),
        ("yesterday,1", "hour", Reason.TRACE_TIME_MALFORMED),
        ("2026-01-01T05:00:00Z,-1", "watt_hours", Reason.TRACE_NEGATIVE),
        ("2026-01-01T05:00:00Z,", "watt_hours", Reason.TRACE_NOT_A_NUMBER),
        ("2026-01-01T05:00:00Z,0.5", "watt_hours", Reason.TRACE_FRACTION),
        ("2026-01-01T05:00:00Z,1,2", "", Reason.TRACE_FIELD_COUNT),
    ],
)
def test_a_bad_row_is_listed_and_the_good_ones_are_kept(tmp_path: Path, row: str, column: str, reason: Reason) -> None:
    found = read(tmp_path, f"{HOURS}{row}\n")

    assert [(bad.row, bad.column, bad.reason) for bad in found.rejected] == [(5, column, reason)]
    assert found.watt_hours == {0: 100, 1: 200, 2: 300}


@pytest.mark.parametrize("header", ["hour,energy", "time,watt_hours"])
def test_refuses_a_table_without_its_columns(tmp_path: Path, header: str) -> None:
    with refuses(Reason.TRACE_COLUMN_MISSING, "meter.csv"):
        read(tmp_path, f"{header}\n0,1\n")


def test_refuses_hours_that_fill_no_period(tmp_path: Path) -> None:
    half_past = agreement(start=START + 1_800)
    with refuses(Reason.TRACE_OPTION, "meter.csv"):
        read(tmp_path, HOURS, half_past)
    with refuses(Reason.TRACE_OPTION, "meter.csv"):
        read(tmp_path, HOURS, agreement(period_seconds=900))

    assert read(tmp_path, "period,watt_hours\n0,1\n", half_past).watt_hours == {0: 1}
    assert read(tmp_path, HOURS, half_past, from_start=True).watt_hours == {0: 100, 1: 200, 2: 300}


def test_refuses_sums_above_the_largest_quantity(tmp_path: Path) -> None:
    most = 2**63 - 1
    hours = f"hour,watt_hours\n2026-01-01T00:00:00Z,{most}\n2026-01-01T01:00:00Z,1\n"
    with refuses(Reason.TRACE_OVERFLOW, "meter.csv"):
        read(tmp_path, hours, TWO_HOURS)

    assert read(tmp_path, hours).watt_hours == {0: most, 1: 1}


def test_the_statement_is_one_that_every_reader_takes() -> None:
    site = handle("alpha")
    draft = meter_reading(TERMS, 3, site, "main", 900, (2_000, 5_000))

    body = evidence_pb2.MeterReading.FromString(draft.body)
    header = header_pb2.Header(author="gridco", kind=draft.kind, period=3, site=site)
    KINDS[draft.kind].validate(body, header, TERMS)
    assert (body.meter, body.energy.value, body.energy.basis) == ("main", 900, q.BASIS_MEASURED)
    assert (body.energy.random_ppm, body.energy.systematic_ppm) == (2_000, 5_000)
