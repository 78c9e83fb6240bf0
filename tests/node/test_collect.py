"""Reading traces: every kind of input, what it yields, and what is refused about a file as a whole."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.collect import LABELS, EnergyBasis, Skip, Trace, read_trace, write_rejected
from node.collect.rejected import rejected_name
from protocol.errors import Reason, Refused
from standstill.v1 import quantity_pb2

FIXTURES = Path(__file__).parent / "fixtures"
MAPPING = FIXTURES / "mapping.toml"
MIDNIGHT = 1_799_020_800  # 2027-01-04T00:00:00Z
HOURLY = "hour,site,chip_class,chips,label,chip_seconds,watt_hours\n"


def held(trace: Trace) -> dict[str, int]:
    """Chip-seconds by label over the whole trace, without what is unaccounted."""
    total: dict[str, int] = {}
    for figures in trace.figures:
        for (_, label), amount in figures.chip_seconds.items():
            total[label] = total.get(label, 0) + amount
    total.pop("unaccounted", None)
    return total


def write(folder: Path, text: str | bytes, name: str = "jobs.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_labels_are_those_of_the_wire() -> None:
    names = {name.removeprefix("LABEL_").lower() for name in quantity_pb2.Label.keys()}  # noqa: SIM118 (an enum wrapper)

    assert set(LABELS) == names - {"unspecified"}


# sacct


def test_sacct_counts_every_record_and_suspended_time_and_no_steps() -> None:
    trace = read_trace(FIXTURES / "sacct.txt", mapping=MAPPING, chips=64, site="g1")

    assert trace.form == "sacct"
    assert held(trace) == {
        "train": 32 * (7200 + 1800 + 3600),  # both records of the requeued job
        "post_train": 8 * 1800,  # 1500 s elapsed, 300 s suspended
        "inference": 4 * 14400,  # still running, up to the export
        "safety": 1200,
        "maintenance": 8 * 600,
    }
    assert (trace.kept, trace.rejected) == (7, ())
    assert trace.skipped == {Skip.STEP: 3, Skip.NEVER_STARTED: 2, Skip.NO_CHIPS: 1}
    assert any("still running" in note for note in trace.notes)
    assert any("dev[01-04]" in note for note in trace.notes)


def test_sacct_spreads_a_job_over_its_hours_exactly() -> None:
    trace = read_trace(FIXTURES / "sacct.txt", mapping=MAPPING, chips=64)
    train = [figures.chip_seconds.get(("H100-SXM", "train"), 0) for figures in trace.figures]

    assert [figures.start for figures in trace.figures] == [MIDNIGHT + 3600 * hour for hour in range(4)]
    assert train == [32 * 3000, 32 * 3600, 32 * (600 + 1800), 32 * 3600]
    assert all(sum(figures.chip_seconds.values()) == 64 * 3600 for figures in trace.figures)


def test_suspended_time_is_left_out_only_if_the_mapping_says_so(tmp_path: Path) -> None:
    text = MAPPING.read_text().replace("elapsed + suspended", "elapsed")
    trace = read_trace(FIXTURES / "sacct.txt", mapping=write(tmp_path, text, "mapping.toml"), chips=64)

    assert held(trace)["post_train"] == 8 * 1500


def test_sacct_without_a_mapping_leaves_all_work_unlabelled() -> None:
    trace = read_trace(FIXTURES / "sacct.txt", chip_class="H100-SXM")

    assert set(held(trace)) == {"unlabelled"}
    assert trace.chip_classes == ("H100-SXM",)
    assert 'chips that the records name "h100" are taken as H100-SXM' in trace.notes


def test_one_class_cannot_stand_for_two_types_outside_the_agreement(tmp_path: Path) -> None:
    path = write(tmp_path, "gpus,start,end,gpu_type\n8,0,60,h100\n8,0,60,a100\n")
    with pytest.raises(Refused) as no:
        read_trace(path, chip_class="H100-SXM", chip_classes={"H100-SXM"})

    assert (no.value.reason, no.value.field) == (Reason.TRACE_OPTION, "chip_class")
    assert read_trace(path, chip_class="H100-SXM").chip_classes == ("a100", "h100")


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("JobID|Start|End|AllocTRES|", "1|2027-01-04T00:00:00|2027-01-04T01:00:00|gres/gpu=8|"),  # sacct -p
        ("JobID,Start,End,AllocGRES", "1,2027-01-04T00:00:00,2027-01-04T01:00:00,gpu:8"),
        ("JobIDRaw|Start|Elapsed|AllocGRES", "1|2027-01-04T00:00:00|01:00:00|gpu:h100:8(IDX:0-7)"),
        ("JobIDRaw|Start|Elapsed|ReqTRES", "1|2027-01-04T00:00:00|0-01:00:00|cpu=4,gres/gpu=8"),
        ("JobIDRaw|Start|ElapsedRaw|ReqGRES|AllocNodes", f"1|{MIDNIGHT}|3600|gpu:4|2"),
        ("jobid|start|end|alloctres", "1|2027-01-04T01:00:00+01:00|2027-01-04T01:00:00Z|gres/gpu:h100=8"),
    ],
)
def test_sacct_reads_any_sufficient_subset_of_fields(tmp_path: Path, header: str, row: str) -> None:
    trace = read_trace(write(tmp_path, f"{header}\n{row}\n"))

    assert trace.form == "sacct"
    assert (trace.figures[0].start, held(trace)) == (MIDNIGHT, {"unlabelled": 8 * 3600})


def test_sacct_splits_a_job_on_two_chip_types(tmp_path: Path) -> None:
    row = "1|2027-01-04T00:00:00|2027-01-04T01:00:00|gres/gpu:a100=2,gres/gpu:h100=4,gres/gpu=6"
    trace = read_trace(write(tmp_path, f"JobID|Start|End|AllocTRES\n{row}\n"))

    assert trace.figures[0].chips == {"a100": 2, "h100": 4}


@pytest.mark.parametrize("version", ["22_05", "24_05"])
def test_sacct_json_of_every_shape_gives_the_same_job(version: str) -> None:
    trace = read_trace(FIXTURES / f"sacct_{version}.json", mapping=MAPPING)
    requeued, served = ({"train": 80}, {}) if version == "22_05" else ({}, {"inference": 400})

    assert trace.form == "sacct-json"
    assert held(trace) == {"train": 8 * 30 + requeued.get("train", 0), **served}
    assert trace.skipped[Skip.NEVER_STARTED] == 1
    assert trace.rejected == ()


def test_sacct_json_names_record_and_field_of_a_bad_number(tmp_path: Path) -> None:
    document = json.loads((FIXTURES / "sacct_22_05.json").read_text())
    document["jobs"][0]["time"]["end"] = -1
    document["jobs"][1]["time"]["start"] = {"set": True, "infinite": True, "number": 0}
    trace = read_trace(write(tmp_path, json.dumps(document), "a.json"))
    first, second = trace.rejected

    assert (first.row, first.column, first.value, first.reason) == (1, "time.end", "-1", Reason.TRACE_NEGATIVE)
    assert (second.row, second.column, second.reason) == (2, "time.start", Reason.TRACE_NOT_A_NUMBER)
    assert trace.kept == 1


# job tables


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("job_id,gpu_num,submit_time,start_time,end_time,duration,queue,type",  # Kalos and Seren
         "a,8,2027-01-03 23:00:00+00:00,2027-01-04 00:00:00+00:00,2027-01-04 01:00:00+00:00,3600,3600,Pretrain"),
        ("job_id,gpu_num,submit_time,duration,queue,state",  # Helios
         "a,8,2027-01-03 23:00:00,3600,3600,COMPLETED"),
        ("jobid,num_gpus,start_time,end_time", f"a,8,{MIDNIGHT}.25,{MIDNIGHT + 3600}.5"),  # Philly, flattened
        ("job_name,inst_num,status,start_time,end_time,plan_gpu", f"a,16,Ended,{MIDNIGHT}.0,{MIDNIGHT + 3600}.0,50.0"),
        ("run_id,nodes,accelerators_per_node,run_start_ms,run_stop_ms", f"a,1,8,{MIDNIGHT}999,{MIDNIGHT + 3600}000"),
        ("id,gpus,start,finish_time", f"a,8.0,{MIDNIGHT}000,{MIDNIGHT + 3600}000"),
        ("id;Num GPUs;Start Time;Runtime (h)", f"a;8;{MIDNIGHT};1"),
        ("id\tgpus\tend_time\tduration_min", f"a\t8\t{MIDNIGHT + 3600}\t60"),
        ("id_job,time_start,time_end,gres_alloc", f"a,{MIDNIGHT},{MIDNIGHT + 3600},gpu:volta:8"),
        ("name,num_gpu,gpu_milli,scheduled_time,deletion_time", f"a,8,1000,{MIDNIGHT},{MIDNIGHT + 3600}"),
        ('"id","gpus","start","end"', f'"a, ""quoted""","8","{MIDNIGHT}","{MIDNIGHT + 3600}"'),
    ],
)  # fmt: skip
def test_job_tables_of_public_traces_give_the_same_job(tmp_path: Path, header: str, row: str) -> None:
    trace = read_trace(write(tmp_path, f"{header}\n{row}\n"))

    assert trace.form == "jobs"
    assert trace.rejected == ()
    assert (trace.figures[0].start, held(trace)) == (MIDNIGHT, {"unlabelled": 8 * 3600})


def test_intervals_add_up_to_submission_times(tmp_path: Path) -> None:
    trace = read_trace(write(tmp_path, "u_id,gpu_num,interval,run_time\n0,1,0,10\n1,0,3600,5\n2,2,3600,7\n"))

    assert [
        sum(held(Trace(source="", form="", figures=[f], chip_classes=[], kept=0)).values()) for f in trace.figures
    ] == [10, 0, 14]
    assert trace.skipped == {Skip.NO_CHIPS: 1}


def test_after_a_row_without_interval_no_submission_time_is_believed(tmp_path: Path) -> None:
    trace = read_trace(write(tmp_path, "u_id,gpu_num,interval,run_time\n0,1,0,10\n1,1,x,5\n2,2,60,7\n"))

    assert [(bad.row, bad.reason) for bad in trace.rejected] == [
        (3, Reason.TRACE_NOT_A_NUMBER),
        (4, Reason.TRACE_TIME_UNKNOWN),
    ]
    assert trace.kept == 1


def test_a_stated_label_column_is_obeyed(tmp_path: Path) -> None:
    trace = read_trace(write(tmp_path, f"gpus,start,end,label\n8,{MIDNIGHT},{MIDNIGHT + 60},safety\n"), mapping=MAPPING)

    assert held(trace) == {"safety": 480}


# occupancy tables


def test_use_tables_state_idle_and_leave_a_missing_sample_unaccounted(tmp_path: Path) -> None:
    rows = [f"2027-01-04 00:{minute:02}:00,p,10,6,4" for minute in (0, 10, 20, 40, 50)]
    trace = read_trace(write(tmp_path, "\n".join(["time,vc,total_gpu_num,running_gpu_num,idle_gpu_num", *rows])))
    (figures,) = trace.figures

    assert trace.form == "use"
    assert figures.chips == {"gpu": 10}
    assert figures.chip_seconds == {
        ("gpu", "unlabelled"): 5 * 600 * 6,
        ("gpu", "idle"): 5 * 600 * 4,
        ("gpu", "unaccounted"): 600 * 10,
    }


def test_use_tables_are_labelled_by_partition(tmp_path: Path) -> None:
    rows = "time,vc,total,running,idle\n0,serve,4,3,1\n0,other,2,2,0\n3600,serve,4,4,0\n3600,other,2,0,2\n"
    trace = read_trace(write(tmp_path, rows), mapping=MAPPING)

    assert held(trace) == {"inference": 7 * 3600, "unlabelled": 2 * 3600, "idle": 3 * 3600}
    assert [figures.chips for figures in trace.figures] == [{"H100-SXM": 6}] * 2


# hourly tables


def test_hourly_tables_pass_through_exactly(tmp_path: Path) -> None:
    text = (
        HOURLY
        + "2027-01-04T00:00:00Z,g1,H100-SXM,10,train,30000,9000\n2027-01-04T00:00:00Z,g1,H100-SXM,10,idle,5000,\n"
    )
    (figures,) = read_trace(write(tmp_path, text)).figures

    assert figures.site == "g1"
    assert figures.chip_seconds == {
        ("H100-SXM", "train"): 30000,
        ("H100-SXM", "idle"): 5000,
        ("H100-SXM", "unaccounted"): 1000,
    }
    assert (figures.watt_hours, figures.energy_basis) == (9000, EnergyBasis.CALCULATED)


def test_hourly_energy_is_measured_only_where_the_table_says_so(tmp_path: Path) -> None:
    rows = f"{MIDNIGHT},g1,H,1,train,3600,5,measured\n{MIDNIGHT},g1,H,1,idle,0,5,estimated\n"
    text = f"{HOURLY.strip()},energy_basis\n{rows}"
    both = read_trace(write(tmp_path, text)).figures[0]
    one = read_trace(write(tmp_path, text.rsplit("\n", 2)[0])).figures[0]
    none = read_trace(write(tmp_path, HOURLY + f"{MIDNIGHT},g1,H,1,train,3600,\n")).figures[0]

    assert both.energy_basis is EnergyBasis.ESTIMATED  # the weakest
    assert one.energy_basis is EnergyBasis.MEASURED
    assert (none.watt_hours, none.energy_basis) == (None, EnergyBasis.NONE)


def test_an_hour_that_lost_a_row_has_no_energy(tmp_path: Path) -> None:
    rows = [
        f"{MIDNIGHT},g1,H,2,train,3600,50",
        f"{MIDNIGHT},g1,H,2,idle,3600,x",
        f"{MIDNIGHT + 3600},g1,H,2,idle,7200,10",
    ]
    trace = read_trace(write(tmp_path, HOURLY + "\n".join(rows)))
    torn = read_trace(write(tmp_path, HOURLY + "\n".join([rows[0], rows[2], "2027-01"])))

    assert [figures.watt_hours for figures in trace.figures] == [None, 10]
    assert [figures.watt_hours for figures in torn.figures] == [None, 10]  # its hour is unknown: any that is not full
    assert torn.rejected[0].reason is Reason.TRACE_FIELD_COUNT


def test_hourly_tables_add_up_to_longer_periods_only(tmp_path: Path) -> None:
    path = write(tmp_path, HOURLY + f"{MIDNIGHT},g1,H,2,train,7200,5\n{MIDNIGHT + 3600},g1,H,2,train,3600,6\n")
    (figures,) = read_trace(path, period=7200).figures
    with pytest.raises(Refused) as no:
        read_trace(path, period=1800)

    assert figures.chip_seconds == {("H", "train"): 10800, ("H", "unaccounted"): 3600}
    assert figures.watt_hours == 11
    assert (no.value.reason, no.value.field) == (Reason.TRACE_OPTION, "period")


# encodings and containers


DRESSES: dict[str, Callable[[bytes], bytes]] = {
    "byte order mark": lambda text: b"\xef\xbb\xbf" + text,
    "crlf": lambda text: text.replace(b"\n", b"\r\n"),
    "gzip": lambda data: gzip.compress(data, mtime=0),
}


@pytest.mark.parametrize("dress", DRESSES)
def test_byte_order_mark_crlf_and_gzip_change_nothing(tmp_path: Path, dress: str) -> None:
    text = f"gpus,start,end\n8,{MIDNIGHT},{MIDNIGHT + 60}\n\n".encode()
    trace = read_trace(write(tmp_path, DRESSES[dress](text)))

    assert trace.rejected == ()
    assert held(trace) == {"unlabelled": 480}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", Reason.TRACE_EMPTY),
        (b" \r\n\n", Reason.TRACE_EMPTY),
        (b"\xef\xbb\xbf", Reason.TRACE_EMPTY),
        ("gpus,start,end\n1,2,3\n".encode("utf-16"), Reason.TRACE_NOT_UTF8),
        (b"gpus,sta\xe4rt,end\n1,2,3\n", Reason.TRACE_NOT_UTF8),
        (b"gpus,st\0art,end\n1,2,3\n", Reason.TRACE_NUL_BYTE),
        (b'gpus,"start,end\n1,2,3\n', Reason.TRACE_QUOTING),
        (gzip.compress(b"gpus,start,end\n1,2,3\n", mtime=0)[:-9], Reason.TRACE_GZIP_DAMAGED),
        (b"\x1f\x8b\x00\x00", Reason.TRACE_GZIP_DAMAGED),
        (b"a,b,c\n1,2,3\n", Reason.TRACE_FORMAT_UNKNOWN),
        (b'{"runs": []}', Reason.TRACE_FORMAT_UNKNOWN),
        (b'{"jobs": [', Reason.TRACE_JSON_MALFORMED),
        (b'{"jobs": [NaN]}', Reason.TRACE_JSON_MALFORMED),
        (b"[" * 100_000, Reason.TRACE_JSON_MALFORMED),
        (b"gpus,start,end,start\n1,2,3,4\n", Reason.TRACE_COLUMN_DUPLICATE),
        (b"gpus,start_time,end,Start Time\n1,2,3,4\n", Reason.TRACE_COLUMN_DUPLICATE),
        (b"gpus,submit_time\n1,2\n", Reason.TRACE_COLUMN_MISSING),
        (b"JobID|Start|End\n1|2|3\n", Reason.TRACE_COLUMN_MISSING),
        (b"total,running\n1,2\n", Reason.TRACE_COLUMN_MISSING),
        (HOURLY.replace("label,", "").encode(), Reason.TRACE_COLUMN_MISSING),
        (HOURLY.replace("watt_hours", "watthour").encode(), Reason.TRACE_COLUMN_UNKNOWN),
        (b"gpus,start,end\n", Reason.TRACE_NO_USABLE_ROWS),
        (b"gpus,start,end\nx,2,3\n", Reason.TRACE_NO_USABLE_ROWS),
        (b"gpus,start,end\n1,0,1\n1,1800000000,1800000001\n", Reason.TRACE_SPAN),
        (b"time,total,running\n0,1,1\n", Reason.TRACE_SPAN),
    ],
)  # fmt: skip
def test_refuses_a_file_that_cannot_be_used(tmp_path: Path, data: bytes, reason: Reason) -> None:
    with pytest.raises(Refused) as no:
        read_trace(write(tmp_path, data))

    assert no.value.reason is reason
    assert no.value.field.startswith("jobs.csv")
    assert list(tmp_path.iterdir()) == [tmp_path / "jobs.csv"]


def test_refuses_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Refused) as no:
        read_trace(tmp_path / "jobs.csv")

    assert no.value.reason is Reason.TRACE_UNREADABLE


def test_refuses_a_compression_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.collect.table.MAX_BYTES", 1000)
    small = read_trace(write(tmp_path, gzip.compress(b"gpus,start,end\n8,0,60\n")))
    with pytest.raises(Refused) as no:
        read_trace(write(tmp_path, gzip.compress(b"gpus,start,end\n" + b"8,0,60\n" * 1000)))

    assert small.kept == 1
    assert no.value.reason is Reason.TRACE_TOO_LARGE


def test_says_what_was_seen_and_what_would_fit(tmp_path: Path) -> None:
    with pytest.raises(Refused) as no:
        read_trace(write(tmp_path, "when,what\n1,2\n"))

    for words in ("when, what", "hourly", "sacct", "sacct-json", "jobs", "use"):
        assert words in no.value.detail


# options


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"period": 0}, "period"),
        ({"tz": "Mars/Base"}, "tz"),
        ({"tz": "../etc"}, "tz"),
        ({"chips": 0}, "chips"),
        ({"chips": -1}, "chips"),
    ],
)
def test_refuses_options_that_mean_nothing(tmp_path: Path, options: dict[str, object], field: str) -> None:
    path = write(tmp_path, "gpus,start,end\n8,0,60\n")
    with pytest.raises(Refused) as no:
        read_trace(path, **options)  # type: ignore[arg-type]  # wrong on purpose

    assert (no.value.reason, no.value.field) == (Reason.TRACE_OPTION, field)
    assert read_trace(path, period=60, tz="UTC", chips=8).kept == 1


def test_one_number_of_chips_cannot_stand_for_two_classes(tmp_path: Path) -> None:
    path = write(tmp_path, "gpus,start,end,gpu_type\n8,0,60,V100\n8,0,60,T4\n")
    with pytest.raises(Refused) as no:
        read_trace(path, chips=16)
    with pytest.raises(Refused) as incomplete:
        read_trace(path, chips={"V100": 8})

    assert no.value.reason is Reason.TRACE_OPTION
    assert incomplete.value.reason is Reason.TRACE_OPTION
    assert read_trace(path, chips={"V100": 8, "T4": 8}).over_inventory == ()


def test_figures_can_be_moved_in_time(tmp_path: Path) -> None:
    trace = read_trace(write(tmp_path, "gpus,start,end\n8,0,7200\n"), chips=4)
    moved = trace.starting_at(MIDNIGHT)

    assert [figures.start for figures in moved.figures] == [MIDNIGHT, MIDNIGHT + 3600]
    assert [finding.start for finding in moved.over_inventory] == [MIDNIGHT, MIDNIGHT + 3600]
    assert held(moved) == held(trace)


# rejected rows as a file


def test_rejected_rows_are_written_beside_whole(tmp_path: Path) -> None:
    trace = read_trace(write(tmp_path, "gpus,start,end\n8x,0,60\n8,0,60\n\n=1,0,6\n"))
    path = write_rejected(trace, tmp_path)
    assert path is not None
    with path.open(newline="") as file:
        rows = list(csv.reader(file))

    assert path.name == "jobs.rejected.csv"
    assert rows[1] == ["2", "gpus", "8x", "TRACE_NOT_A_NUMBER", '"8x" is no whole number']
    assert [row[0] for row in rows] == ["row", "2", "5"]
    assert trace.rejected[0].text(trace.source) == 'jobs.csv:2, column gpus: "8x" is no whole number'


def test_no_rejected_rows_make_no_file(tmp_path: Path) -> None:
    trace = read_trace(write(tmp_path, "gpus,start,end\n8,0,60\n"))

    assert write_rejected(trace, tmp_path) is None
    assert len(list(tmp_path.iterdir())) == 1


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = read_trace(write(tmp_path, "gpus,start,end\n8x,0,60\n8,0,60\n"))

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("node.collect.rejected.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_rejected(trace, tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["jobs.csv"]


@pytest.mark.parametrize(
    ("source", "name"), [("a.csv", "a.rejected.csv"), ("a.csv.gz", "a.rejected.csv"), ("a", "a.rejected.csv")]
)
def test_the_list_is_named_after_its_source(source: str, name: str) -> None:
    assert rejected_name(source) == name


@given(data=st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_by_name(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = write(
        tmp_path_factory.getbasetemp(), b"JobID|Start|Elapsed|AllocTRES\n1|0|60|gres/gpu=8\n" + data, "any.txt"
    )
    kept, reason = 1, None
    try:
        kept = read_trace(path).kept
    except Refused as no:
        reason = no.reason

    assert kept >= 1
    assert reason in {None, Reason.TRACE_SPAN}  # the only thing that rows can do to a file
