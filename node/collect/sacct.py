"""Slurm accounting as text: `sacct -a -D -P -o JobIDRaw,Start,End,ElapsedRaw,Suspended,State,Partition,QOS,AllocTRES`.

Any subset of fields will do that has an id, a start, an end or an elapsed time, and GPUs in a TRES or GRES field.
Without `-D` Slurm keeps only the last record of a requeued job; with it every record counts. `Elapsed` excludes
suspended time, in which the chips stay allocated: what is held is the whole span from start to end (sacct(1),
"Elapsed", "Suspended").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from node.collect.figures import MAX_QUANTITY, JobRecord, Skip, Tally
from node.collect.source import Options, Reading, Source, need
from node.collect.table import Table
from node.collect.tres import gpus_of
from node.collect.values import duration, instant, is_blank, whole_number
from protocol.errors import Reason, Refused, require

_RESOURCES: Final = ("alloctres", "allocgres", "reqtres", "reqgres")
_ATTRIBUTES: Final = {
    "partition": "partition",
    "account": "account",
    "qos": "qos",
    "reservation": "reservation",
    "state": "state",
    "jobname": "name",
    "comment": "comment",
    "wckey": "wckey",
}
_CLOCK_SLACK: Final = 1
"""Seconds by which Slurm's whole-second start, end, elapsed and suspended may differ by rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounted:
    """One job as Slurm accounts it, in whole seconds; None is a field that was not exported or is not known."""

    job: str
    start: int | None
    end: int | None
    elapsed: int | None
    suspended: int | None
    gpus: Mapping[str, int]
    attributes: Mapping[str, str]


class _Columns:
    """Where an export keeps each field."""

    def __init__(self, table: Table) -> None:
        self.job = table.find("jobidraw", "jobid")
        self.step = table.find("jobid", "jobidraw")
        self.start = table.find("start")
        self.end = table.find("end")
        self.elapsed = table.find("elapsedraw", "elapsed")
        self.suspended = table.find("suspended")
        self.resources = table.find(*_RESOURCES)
        self.per_node = self.resources is not None and self.resources.lower() == "reqgres"
        self.nodes = table.find("allocnodes", "nnodes", "reqnodes")
        found = {name: table.find(field) for field, name in _ATTRIBUTES.items()}
        self.attributes = {name: column for name, column in found.items() if column is not None}


def claims(source: Source) -> bool:
    """Return whether the input is an export of sacct's fields."""
    table = source.table
    if table is None:
        return False
    has_job = table.find("jobidraw", "jobid") is not None
    return has_job and (table.find(*_RESOURCES) is not None or table.separator == "|")


def read(source: Source, options: Options, tally: Tally) -> Reading:
    """Read every job that held accelerators.

    Raises:
        Refused: TRACE_COLUMN_MISSING.
    """
    if source.table is None:
        raise Refused(Reason.TRACE_FORMAT_UNKNOWN, source.name, "expected a table")
    columns = _Columns(source.table)
    wanted = {
        "Start": columns.start,
        "End, ElapsedRaw or Elapsed": columns.end or columns.elapsed,
        "AllocTRES, AllocGRES, ReqTRES or ReqGRES": columns.resources,
    }
    need(source, wanted)
    return Reading(jobs=tuple(_records(source.table, columns, options, tally)))


def _records(table: Table, columns: _Columns, options: Options, tally: Tally) -> Iterator[JobRecord]:
    seen: set[tuple[str, ...]] = set()
    for row, cells in table.rows(tally):
        try:
            if "." in cells[columns.step or ""]:
                tally.skip(Skip.STEP)
                continue
            key = tuple(cells.values())
            require(key not in seen, Reason.TRACE_DUPLICATE_ROW, "", "the same record stands in the file before")
            jobs = job_records(_accounted(cells, columns, options), options, _Names(columns), tally)
        except Refused as no:
            tally.reject(row, no, cells.get(no.field, ""))
            continue
        seen.add(key)
        if isinstance(jobs, Skip):
            tally.skip(jobs)
            continue
        tally.kept += 1
        yield from jobs


class _Names:
    """What the fields are called in the file, for messages."""

    def __init__(self, columns: _Columns) -> None:
        self.start = columns.start or ""
        self.end = columns.end or columns.elapsed or ""
        self.elapsed = columns.elapsed or columns.end or ""
        self.gpus = columns.resources or ""


class JsonNames:
    """What the fields are called in `sacct --json`, for messages."""

    start = "time.start"
    end = "time.end"
    elapsed = "time.elapsed"
    gpus = "tres.allocated"


def _accounted(cells: Mapping[str, str], columns: _Columns, options: Options) -> Accounted:
    def at(column: str | None) -> int | None:
        return None if column is None or is_blank(cells[column]) else instant(cells[column], column, options.zone)

    def lasting(column: str | None) -> int | None:
        return None if column is None or is_blank(cells[column]) else duration(cells[column], column)

    resources = columns.resources or ""
    gpus = gpus_of(cells[resources], resources)
    if columns.per_node and gpus:
        detail = "a count per node needs AllocNodes or NNodes beside it"
        require(columns.nodes is not None, Reason.TRACE_CHIPS_DISAGREE, resources, detail)
        nodes = whole_number(cells[columns.nodes or ""], columns.nodes or "")
        gpus = {kind: count * nodes for kind, count in gpus.items()}
    return Accounted(
        job=cells[columns.job or ""],
        start=at(columns.start),
        end=at(columns.end),
        elapsed=lasting(columns.elapsed),
        suspended=lasting(columns.suspended),
        gpus=gpus,
        attributes={name: cells[column] for name, column in columns.attributes.items()},
    )


def job_records(
    accounted: Accounted, options: Options, names: _Names | JsonNames, tally: Tally
) -> tuple[JobRecord, ...] | Skip:
    """Turn one accounted job into records, one per GPU type; or say why it holds no chips.

    Raises:
        Refused: times are missing, reversed or contradict each other, a count overflows, or a class is unknown.
    """
    if accounted.start is None:
        never = not accounted.elapsed and (accounted.end is None or not accounted.gpus or accounted.elapsed == 0)
        require(never, Reason.TRACE_TIME_UNKNOWN, names.start, "the job ran, but its start is not known")
        return Skip.NEVER_STARTED
    if not any(accounted.gpus.values()):
        return Skip.NO_CHIPS
    start, end = accounted.start, _end(accounted, accounted.start, names, tally)
    require(end >= start, Reason.TRACE_ENDS_BEFORE_START, names.end, f"ends {start - end} s before its start")
    suspended = _suspended(accounted, end - start, names)
    return tuple(
        JobRecord(
            job=accounted.job,
            start=start,
            end=end,
            suspended=suspended,
            chips=_bounded(chips, end - start, names),
            chip_class=options.class_of(kind, names.gpus),
            attributes=accounted.attributes,
        )
        for kind, chips in accounted.gpus.items()
        if chips
    )


def _bounded(chips: int, seconds: int, names: _Names | JsonNames) -> int:
    detail = f"{chips} chips for {seconds} s are more than 2^63-1 chip-seconds"
    require(chips * seconds <= MAX_QUANTITY, Reason.TRACE_OVERFLOW, names.gpus, detail)
    return chips


def _end(accounted: Accounted, start: int, names: _Names | JsonNames, tally: Tally) -> int:
    """Return the end, or for a job still running the time of the export: start plus elapsed plus suspended."""
    if accounted.end is not None:
        return accounted.end
    if accounted.elapsed is None:
        detail = "the job is still running: export ElapsedRaw as well, or wait for its end"
        raise Refused(Reason.TRACE_TIME_UNKNOWN, names.end, detail)
    tally.note("jobs still running are counted up to the time of the export")
    return start + accounted.elapsed + (accounted.suspended or 0)


def _suspended(accounted: Accounted, span: int, names: _Names | JsonNames) -> int:
    """Return the suspended seconds; where only elapsed is exported they are what is left of the span."""
    if accounted.elapsed is None:
        stopped = accounted.suspended or 0
        fits = stopped <= span + _CLOCK_SLACK
        require(fits, Reason.TRACE_TIMES_DISAGREE, names.end, f"suspended {stopped} s of {span} s")
        return min(stopped, span)
    total = accounted.elapsed + (accounted.suspended or 0)
    fits = total <= span + _CLOCK_SLACK
    detail = f"elapsed and suspended are {total} s, start to end is {span} s"
    require(fits, Reason.TRACE_TIMES_DISAGREE, names.elapsed, detail)
    return max(0, span - accounted.elapsed)
