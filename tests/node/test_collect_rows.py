"""Reading traces: bad rows are listed with row, column and a named reason; the good ones beside them are kept."""

from __future__ import annotations

import zoneinfo
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.collect import read_trace
from node.collect.figures import MAX_QUANTITY
from node.collect.tres import gpus_of
from node.collect.values import duration, instant, time_zone, whole_number
from protocol.errors import Reason, Refused

JOBS = "gpus,start,end"
SACCT = "JobID|Start|End|ElapsedRaw|Suspended|AllocTRES"
HOURLY = "hour,site,chip_class,chips,label,chip_seconds,watt_hours,energy_basis"
USE = "time,vc,total,running,idle"

# Header, a good row, a bad row, the column and the reason.
BAD_ROWS = [
    (JOBS, "8,0,60", "8x,0,60", "gpus", Reason.TRACE_NOT_A_NUMBER),
    (JOBS, "8,0,60", ",0,60", "gpus", Reason.TRACE_NOT_A_NUMBER),
    (JOBS, "8,0,60", "NaN,0,60", "gpus", Reason.TRACE_NOT_A_NUMBER),
    (JOBS, "8,0,60", "inf,0,60", "gpus", Reason.TRACE_NOT_A_NUMBER),
    (JOBS, "8,0,60", "٨,0,60", "gpus", Reason.TRACE_NOT_A_NUMBER),
    (JOBS, "8,0,60", "1_000,0,60", "gpus", Reason.TRACE_NOT_A_NUMBER),
    (JOBS, "8,0,60", "-8,0,60", "gpus", Reason.TRACE_NEGATIVE),
    (JOBS, "8.0,0,60", "0.5,0,60", "gpus", Reason.TRACE_FRACTION),
    (JOBS, "8,0,60", "9223372036854775808,0,60", "gpus", Reason.TRACE_OVERFLOW),
    (JOBS, "8,0,60", "1e999,0,60", "gpus", Reason.TRACE_OVERFLOW),
    (JOBS, "8,0,60", "9223372036854775807,0,60", "gpus", Reason.TRACE_OVERFLOW),
    (JOBS, "8,0,60", "8,60,0", "end", Reason.TRACE_ENDS_BEFORE_START),
    (JOBS, "8,0,60", "8,0,", "end", Reason.TRACE_TIME_UNKNOWN),
    (JOBS, "8,0,60", "8,0,Unknown", "end", Reason.TRACE_TIME_UNKNOWN),
    (JOBS, "8,0,60", "8,0,1/2/2027 10:00", "end", Reason.TRACE_TIME_MALFORMED),
    (JOBS, "8,0,60", "8,0,9999999999999999", "end", Reason.TRACE_TIME_MALFORMED),
    (JOBS, "8,0,60", "8,-1,60", "start", Reason.TRACE_NEGATIVE),
    (JOBS, "8,0,60", "8,0", "", Reason.TRACE_FIELD_COUNT),
    (JOBS, "8,0,60", "8,0,60,4", "", Reason.TRACE_FIELD_COUNT),
    (JOBS, '"8",0,60', '"8,0,60', "", Reason.TRACE_QUOTING),
    (JOBS, "8,0,60", "8,0,6\0", "", Reason.TRACE_NUL_BYTE),
    (JOBS, "8,0,60", "8,0,6\udce4", "", Reason.TRACE_NOT_UTF8),
    (f"id,{JOBS}", "a,8,0,60\nb,8,0,60", "a,8,0,60", "", Reason.TRACE_DUPLICATE_ROW),
    (f"{JOBS},label", "8,0,60,train", "8,0,60,training", "label", Reason.TRACE_LABEL_UNKNOWN),
    (f"{JOBS},gpu_type", "8,0,60,V100", f"8,0,60,{'V' * 65}", "gpu_type", Reason.TRACE_CHIP_CLASS_UNKNOWN),
    ("plan_gpu,start,end", "100,0,60", "25,0,60", "plan_gpu", Reason.TRACE_FRACTION),
    ("num_gpu,gpu_milli,start,end", "2,500,0,60", "1,500,0,60", "gpu_milli", Reason.TRACE_FRACTION),
    ("gpus,end,duration", "8,100,60", "8,50,60", "duration", Reason.TRACE_TIMES_DISAGREE),
    ("gres_alloc,start,end", "gpu:a:8,0,60", "gpu:a:4,gpu:b:4", "", Reason.TRACE_FIELD_COUNT),
    ("gpus,start,duration", "8,0,01:00", "8,0,1:xx", "duration", Reason.TRACE_TIME_MALFORMED),
    (SACCT, "1|0|60|60|0|gres/gpu=8", "2|0|60|70|0|gres/gpu=8", "ElapsedRaw", Reason.TRACE_TIMES_DISAGREE),
    (SACCT, "1|0|60|60|0|gres/gpu=8", "2|0|60||70|gres/gpu=8", "End", Reason.TRACE_TIMES_DISAGREE),
    (SACCT, "1|0|60|60|0|gres/gpu=8", "2|60|0|60|0|gres/gpu=8", "End", Reason.TRACE_ENDS_BEFORE_START),
    (SACCT, "1|0|60|60|0|gres/gpu=8", "2|0|Unknown||0|gres/gpu=8", "End", Reason.TRACE_TIME_UNKNOWN),
    (SACCT, "1|0|60|60|0|gres/gpu=8", "2|Unknown|60|60|0|gres/gpu=8", "Start", Reason.TRACE_TIME_UNKNOWN),
    (SACCT, "1|0|60|60|0|gres/gpu=8", "2|0|60|60|0|gres/gpu=x", "AllocTRES", Reason.TRACE_NOT_A_NUMBER),
    (SACCT, "1|0|60|60|0|gres/gpu=8", "2|0|60|60|0|gres/gpu=-8", "AllocTRES", Reason.TRACE_NEGATIVE),
    (SACCT, "1|0|60|60|0|gres/gpu=8", "2|0|60|60|0|gres/gpu:a=9,gres/gpu=8", "AllocTRES", Reason.TRACE_CHIPS_DISAGREE),
    (SACCT, "1|0|60|60|0|gres/gpu=8", "2|0|60|60|0|gres/gpu=9223372036854775807", "AllocTRES", Reason.TRACE_OVERFLOW),
    (SACCT, "1|0|60|60|0|gres/gpu=8", "1|0|60|60|0|gres/gpu=8", "", Reason.TRACE_DUPLICATE_ROW),
    (SACCT, "1|0|60|60|0|gres/gpu=8", "2|0|60|60|0|gres/gpu=8|x", "", Reason.TRACE_FIELD_COUNT),
    (HOURLY, "0,a,H,1,train,3600,5,", "0,a,H,1,train,3600,5,", "label", Reason.TRACE_DUPLICATE_ROW),
    (HOURLY, "0,a,H,1,train,3600,5,", "0,a,H,2,idle,3600,5,", "chips", Reason.TRACE_CHIPS_DISAGREE),
    (HOURLY, "0,a,H,1,train,3600,5,", "0,a,H,1,Idle,3600,5,", "label", Reason.TRACE_LABEL_UNKNOWN),
    (HOURLY, "0,a,H,1,train,3600,5,", "0,a,,1,idle,3600,5,", "chip_class", Reason.TRACE_CHIP_CLASS_UNKNOWN),
    (HOURLY, "0,a,H,1,train,3600,5,", "60,a,H,1,idle,3600,5,", "hour", Reason.TRACE_NOT_ALIGNED),
    (HOURLY, "0,a,H,1,train,3600,5,", "0,a,H,1,idle,-1,5,", "chip_seconds", Reason.TRACE_NEGATIVE),
    (HOURLY, "0,a,H,1,train,3600,5,", "0,a,H,1,idle,0,1.5,", "watt_hours", Reason.TRACE_FRACTION),
    (HOURLY, "0,a,H,1,train,3600,5,measured", "0,a,H,1,idle,0,5,seen", "energy_basis", Reason.TRACE_BASIS_UNKNOWN),
    (HOURLY, "0,a,H,1,train,3600,5,", "0,a,G,9223372036854775807,idle,1,5,", "chips", Reason.TRACE_OVERFLOW),
    (USE, "0,a,4,3,1\n60,a,4,3,1", "120,a,4,3,2", "running", Reason.TRACE_CHIPS_DISAGREE),
    (USE, "0,a,4,3,1\n60,a,4,3,1", "60,a,4,3,1", "time", Reason.TRACE_DUPLICATE_ROW),
    (USE, "0,a,4,3,1\n60,a,4,3,1", "120,a,9223372036854775807,0,0", "total", Reason.TRACE_OVERFLOW),
    (USE, "0,a,4,3,1\n60,a,4,3,1", "noon,a,4,3,1", "time", Reason.TRACE_TIME_MALFORMED),
]  # fmt: skip


@pytest.mark.parametrize(
    ("header", "good", "bad", "column", "reason"),
    BAD_ROWS,
    ids=[f"{number}-{row[4]}" for number, row in enumerate(BAD_ROWS)],
)
def test_lists_a_bad_row_and_keeps_the_good_ones(
    tmp_path: Path, header: str, good: str, bad: str, column: str, reason: Reason
) -> None:
    path = tmp_path / "jobs.csv"
    path.write_text(f"{header}\n{good}\n")
    alone = read_trace(path)
    count = len(good.splitlines())
    path.write_bytes(f"{header}\n{good}\n{bad}\n".encode("utf-8", "surrogateescape"))
    trace = read_trace(path)
    (rejected,) = trace.rejected

    assert alone.rejected == ()
    assert trace.kept == alone.kept == count
    assert (rejected.row, rejected.column, rejected.reason) == (count + 2, column, reason)
    assert rejected.text("jobs.csv").startswith(f"jobs.csv:{count + 2}")


def test_a_count_per_node_needs_the_number_of_nodes(tmp_path: Path) -> None:
    path = tmp_path / "jobs.txt"
    path.write_text("JobID|Start|End|ReqGRES|AllocNodes\n1|0|60|gpu:8|2\n")
    known = read_trace(path)
    path.write_text("JobID|Start|End|ReqGRES\n1|0|60|gpu:8\n")
    with pytest.raises(Refused, match="needs AllocNodes") as no:
        read_trace(path)

    assert known.figures[0].chips == {"gpu": 16}
    assert no.value.reason is Reason.TRACE_NO_USABLE_ROWS


def test_a_type_missing_from_the_chips_table_is_rejected(tmp_path: Path) -> None:
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('version = 1\nchips = { "gpu:h100" = "H100-SXM" }\n')
    path = tmp_path / "jobs.txt"
    path.write_text("JobID|Start|End|AllocTRES\n1|0|60|gres/gpu:h100=8\n2|0|60|gres/gpu:b200=8\n")
    trace = read_trace(path, mapping=mapping)

    assert trace.chip_classes == ("H100-SXM",)
    assert (trace.rejected[0].row, trace.rejected[0].reason) == (3, Reason.TRACE_CHIP_CLASS_UNKNOWN)


def test_a_class_outside_the_agreement_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "jobs.csv"
    path.write_text("gpus,start,end,gpu_type\n8,0,60,V100\n8,0,60,T4\n")
    trace = read_trace(path, chip_classes={"V100"})

    assert trace.kept == 1
    assert [(bad.row, bad.reason) for bad in trace.rejected] == [(3, Reason.TRACE_CHIP_CLASS_UNKNOWN)]


# cells


@given(st.integers(0, MAX_QUANTITY))
def test_every_signed_quantity_reads_as_itself(value: int) -> None:
    assert whole_number(str(value), "gpus") == value
    assert whole_number(f"{value}.0", "gpus") == value


@given(st.text(max_size=30))
def test_any_cell_is_a_quantity_or_refused_by_name(text: str) -> None:
    value: int | None = None
    field = "gpus"
    try:
        value = whole_number(text, field)
    except Refused as no:
        field = no.field

    assert field == "gpus"
    assert value is None or (0 <= value <= MAX_QUANTITY and Decimal(text.strip()) == value)


@given(st.integers(0, 10**6), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_slurm_time_spans_are_days_hours_minutes_seconds(days: int, hours: int, minutes: int, seconds: int) -> None:
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds

    assert duration(f"{days}-{hours:02}:{minutes:02}:{seconds:02}", "Elapsed") == total
    assert duration(f"{minutes:02}:{seconds:02}.250", "Elapsed") == minutes * 60 + seconds
    assert duration(str(total), "ElapsedRaw") == total


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2027-01-04T00:00:00", 1799020800),
        ("2027-01-04 00:00:00+00:00", 1799020800),
        ("2027-01-04T00:00:00.999Z", 1799020800),
        ("2027-01-04T01:00:00+01:00", 1799020800),
        ("1799020800", 1799020800),
        ("1799020800999", 1799020800),
        ("1.7990208e9", 1799020800),
    ],
)
def test_times_in_every_notation_are_rounded_down_to_the_second(text: str, seconds: int) -> None:
    assert instant(text, "start", time_zone("UTC")) == seconds


def test_refuses_the_hours_that_daylight_saving_repeats_and_leaves_out() -> None:
    if "Europe/Berlin" not in zoneinfo.available_timezones():
        pytest.skip("this machine has no time zone database")
    berlin = time_zone("Europe/Berlin")
    with pytest.raises(Refused) as twice:
        instant("2026-10-25T02:30:00", "Start", berlin)
    with pytest.raises(Refused) as never:
        instant("2026-03-29T02:30:00", "Start", berlin)

    assert twice.value.reason is Reason.TRACE_TIME_AMBIGUOUS
    assert never.value.reason is Reason.TRACE_TIME_NONEXISTENT
    assert instant("2026-10-25T02:30:00+01:00", "Start", berlin) == 1792891800
    assert instant("2026-10-25T03:30:00", "Start", berlin) == 1792895400
    assert instant("2026-03-29T03:30:00", "Start", berlin) == 1774747800


@pytest.mark.parametrize(
    ("text", "gpus"),
    [
        ("billing=4,cpu=4,gres/gpu:h100=8,gres/gpu=8,mem=1G,node=1", {"h100": 8}),
        ("gres/gpu=8", {"": 8}),
        ("gres/gpu:a=2,gres/gpu=8", {"a": 2, "": 6}),
        ("gres/gpu:a=2,gres/gpu:b=6,gres/gpu=8", {"a": 2, "b": 6}),
        ("gres/gpumem=80G,gres/gpuutil=50,cpu=1", {}),
        ("gpu:h100:8", {"h100": 8}),
        ("gpu:8", {"": 8}),
        ("gpu", {"": 1}),
        ("gpu:h100:4(S:0-1),gpu:h100:4", {"h100": 8}),
        ("nic:2,gpu:2", {"": 2}),
        ("", {}),
    ],
)
def test_slurm_resources_give_gpus_by_type(text: str, gpus: dict[str, int]) -> None:
    assert gpus_of(text, "AllocTRES") == gpus
