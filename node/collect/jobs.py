"""Job tables: one row per job, under the column names of public cluster traces.

Known by their columns, whatever their case and punctuation: the Helios, PAI, Kalos and Seren (Acme) traces,
MLPerf run tables, and any table with accelerators and two of start, end and duration. Times are Unix seconds,
milliseconds or ISO 8601; a unit in the column's name (`_ms`, `_s`, `_min`, `_h`) is obeyed.

Where the start is missing it is, in this order: end minus duration, submission plus wait, submission. The last counts
waiting as use, which is an assumption, and is noted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from node.collect.figures import LABELS, MAX_QUANTITY, JobRecord, Skip, Tally
from node.collect.source import Options, Reading, Source, need
from node.collect.table import Table, plain
from node.collect.tres import gpus_of
from node.collect.values import duration, instant, is_blank, whole_number
from protocol.errors import Reason, Refused, require

# Role -> column names, in plain form (letters and digits), the most telling first.
_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "job": ("jobid", "jobidraw", "idjob", "jobidx", "uid", "runid", "powerrunid", "jobname", "id"),
    "label": ("label",),
    "class": ("chipclass", "gputype", "gpumodel", "acceleratormodel", "accelerator", "gpuspec", "devicetype"),
    "chips": (
        *("gpunum", "numgpus", "numgpu", "ngpus", "ngpu", "gpus", "gpucount", "gpunumber", "numofgpus", "allocgpus"),
        *("allocatedgpus", "gpusallocated", "numgpusalloc", "gpualloc", "reqgpus", "requestedgpus", "gpusrequested"),
        *("numgpusreq", "gpureq", "gpurequest", "gpusreq", "chips", "numchips", "accelerators", "numaccelerators"),
        *("acceleratorcount", "gpu"),
    ),
    "percent": ("plangpu",),
    "instances": ("instnum",),
    "thousandths": ("gpumilli",),
    "per node": ("acceleratorspernode", "gpuspernode", "gpupernode", "numgpuspernode"),
    "nodes": ("nodes", "nodenum", "numnodes", "numnode", "nnodes", "nodecount", "nodesalloc", "nodealloc"),
    "resources": ("tresalloc", "alloctres", "gresalloc", "allocgres", "gresused", "tresreq", "gresreq"),
}
_ATTRIBUTES: Final[Mapping[str, tuple[str, ...]]] = {
    "partition": ("partition", "vc", "virtualcluster", "cluster", "queuename", "pool"),
    "account": ("account", "project", "group"),
    "qos": ("qos",),
    "reservation": ("reservation",),
    "state": ("state", "newstatus", "status", "jobstatus", "podphase"),
    "name": ("name", "jobname", "taskname"),
    "comment": ("comment",),
    "wckey": ("wckey",),
    "type": ("type", "workloadclass", "workloadtype", "jobtype", "benchmark", "taskrole"),
}
_TIMES: Final[Mapping[str, tuple[str, ...]]] = {
    "start": ("starttime", "start", "started", "startedat", "startdate", "timestart", "runstart", "scheduledtime"),
    "end": (
        *("endtime", "end", "ended", "endedat", "enddate", "timeend", "runstop", "stop", "finishtime", "finished"),
        *("finishedat", "completiontime", "completedat", "deletiontime", "stoptime"),
    ),
    "submit": (
        *("submittime", "submittedtime", "submit", "submitted", "submittedat", "timesubmit", "submitoffset"),
        *("submissiontime", "creationtime", "createtime", "createdat", "arrivaltime"),
    ),
    "interval": ("interval", "submitinterval", "interarrival"),
    "duration": ("duration", "runtime", "elapsed", "elapsedtime", "jobduration", "executiontime", "walltimeused"),
    "wait": ("queue", "waittime", "wait", "queuetime", "queueingtime", "queuedelay", "waitingtime"),
}
_UNITS: Final[Mapping[str, Decimal | None]] = {
    "": None,
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds", "unix", "ts", "epoch"), Decimal(1)),
    **dict.fromkeys(("ms", "msec", "millis", "milliseconds"), Decimal("0.001")),
    **dict.fromkeys(("us", "usec", "microseconds"), Decimal("0.000001")),
    **dict.fromkeys(("min", "mins", "minutes"), Decimal(60)),
    **dict.fromkeys(("h", "hr", "hrs", "hours"), Decimal(3600)),
    **dict.fromkeys(("utc", "iso"), None),
}

_UNSPLIT: Final = (Reason.TRACE_FIELD_COUNT, Reason.TRACE_QUOTING, Reason.TRACE_NOT_UTF8, Reason.TRACE_NUL_BYTE)
_WHOLE_PERCENT: Final = 100
_SECOND: Final = Decimal(1)


class _Columns:
    """Where a table keeps each role."""

    def __init__(self, table: Table) -> None:
        self.roles = {role: table.find(*names) for role, names in _NAMES.items()}
        found = {name: table.find(*names) for name, names in _ATTRIBUTES.items()}
        self.attributes = {name: column for name, column in found.items() if column is not None}
        self.times = {role: _timed(table, names) for role, names in _TIMES.items()}

    def column(self, *roles: str) -> str:
        """Return the name of the first column that keeps one of the times; empty if none does."""
        return next((timed[0] for role in roles if (timed := self.times[role]) is not None), "")

    @property
    def has_chips(self) -> bool:
        """Whether some column or pair of columns gives accelerators."""
        alone = any(self.roles[role] for role in ("chips", "percent", "resources"))
        return alone or (self.roles["per node"] is not None and self.roles["nodes"] is not None)

    @property
    def has_span(self) -> bool:
        """Whether the columns determine from when until when a job ran."""
        begins = any(self.times[role] for role in ("start", "submit", "interval"))
        lasts = self.times["duration"] is not None
        return (begins and (lasts or self.times["end"] is not None)) or (lasts and self.times["end"] is not None)


def _timed(table: Table, names: tuple[str, ...]) -> tuple[str, Decimal | None] | None:
    """Return the first matching column with the unit that its name states."""
    by_name = {plain(column): column for column in table.columns}
    for name in names:
        for suffix, unit in _UNITS.items():
            if name + suffix in by_name:
                return by_name[name + suffix], unit
    return None


def claims(source: Source) -> bool:
    """Return whether the input is a table with accelerators and times."""
    if source.table is None:
        return False
    columns = _Columns(source.table)
    return columns.has_chips or columns.has_span


def read(source: Source, options: Options, tally: Tally) -> Reading:
    """Read every job that held accelerators.

    Raises:
        Refused: TRACE_COLUMN_MISSING.
    """
    if source.table is None:
        raise Refused(Reason.TRACE_FORMAT_UNKNOWN, source.name, "expected a table")
    columns = _Columns(source.table)
    chips = "" if columns.has_chips else None
    span = "" if columns.has_span else None
    need(source, {"accelerators (such as gpu_num)": chips, "time (start_time with end_time or duration)": span})
    _note_assumptions(columns, tally)
    return Reading(jobs=tuple(_records(source.table, columns, options, tally)))


def _note_assumptions(columns: _Columns, tally: Tally) -> None:
    exact = columns.times["start"] or (columns.times["end"] and columns.times["duration"])
    if not exact and not columns.times["wait"]:
        tally.note("no start times: jobs are taken to hold their chips from submission, waiting included")
    if columns.times["interval"] and not (columns.times["start"] or columns.times["submit"]):
        tally.note("submission times are sums of intervals: the trace begins at its own zero, 1970-01-01T00:00:00Z")


def _records(table: Table, columns: _Columns, options: Options, tally: Tally) -> Iterator[JobRecord]:
    clock = _SubmissionClock(columns)
    seen: set[tuple[str, ...]] = set()
    for row, cells in table.rows(tally):
        try:
            clock.advance(cells, row, tally)
            if columns.roles["job"]:
                key = tuple(cells.values())
                require(key not in seen, Reason.TRACE_DUPLICATE_ROW, "", "the same row stands in the file before")
                seen.add(key)
            job = _record(cells, columns, options, clock)
        except Refused as no:
            tally.reject(row, no, cells.get(no.field, ""))
            continue
        if isinstance(job, Skip):
            tally.skip(job)
            continue
        tally.kept += 1
        yield job


class _SubmissionClock:
    """The time of submission where a table states only the interval since the row before."""

    def __init__(self, columns: _Columns) -> None:
        timed = None if columns.times["submit"] or columns.times["start"] else columns.times["interval"]
        self.column = timed
        self.now = 0
        self.lost_at = 0

    def advance(self, cells: Mapping[str, str], row: int, tally: Tally) -> None:
        """Add this row's interval; after a row without a readable one no later submission time is known."""
        if self.column is None or self.lost_at:
            return
        self.lost_at = next((bad.row for bad in tally.rejected if bad.reason in _UNSPLIT), 0)
        if self.lost_at:
            return
        column, unit = self.column
        try:
            self.now += duration(cells[column], column, unit or _SECOND)
        except Refused:
            self.lost_at = row
            raise

    def read(self) -> int:
        """Return the submission time of the row, in seconds since the first row's zero."""
        column = self.column[0] if self.column else ""
        detail = f"row {self.lost_at} has no readable interval, so times after it are unknown"
        require(not self.lost_at, Reason.TRACE_TIME_UNKNOWN, column, detail)
        return self.now


def _record(cells: Mapping[str, str], columns: _Columns, options: Options, clock: _SubmissionClock) -> JobRecord | Skip:
    counted = _chips(cells, columns)
    if counted is None:
        return Skip.NO_CHIPS
    chips, kind, column = counted
    span = _span(cells, columns, options, clock)
    if span is None:
        return Skip.NEVER_STARTED
    start, end = span
    at_end = columns.column("end", "duration")
    require(end >= start, Reason.TRACE_ENDS_BEFORE_START, at_end, f"ends {start - end} s before its start")
    held = chips * (end - start) <= MAX_QUANTITY
    require(held, Reason.TRACE_OVERFLOW, column, f"{chips} chips for {end - start} s are more than 2^63-1 chip-seconds")
    class_column = columns.roles["class"]
    kind = kind or (cells[class_column].strip() if class_column and not is_blank(cells[class_column]) else "")
    job_column = columns.roles["job"]
    return JobRecord(
        job=cells[job_column] if job_column else "",
        start=start,
        end=end,
        chips=chips,
        chip_class=options.class_of(kind, class_column or column),
        attributes={name: cells[found] for name, found in columns.attributes.items()},
        label=_label(cells, columns.roles["label"]),
    )


def _label(cells: Mapping[str, str], column: str | None) -> str | None:
    if column is None or not cells[column]:
        return None
    label = cells[column]
    require(label in LABELS, Reason.TRACE_LABEL_UNKNOWN, column, f'"{label[:40]}" is none of {", ".join(LABELS)}')
    return label


def _chips(cells: Mapping[str, str], columns: _Columns) -> tuple[int, str, str] | None:
    """Return accelerators, their type if the same cell names one, and the column; None for a job without any."""
    roles = columns.roles
    if (column := roles["percent"]) is not None:
        return _by_share(cells, column, roles["instances"])
    if (column := roles["chips"]) is not None:
        chips = whole_number(cells[column], column)
        milli = roles["thousandths"]
        if milli is not None and chips and not is_blank(cells[milli]):
            chips = _whole_share(chips * whole_number(cells[milli], milli), 1000, milli)
        return (chips, "", column) if chips else None
    if (column := roles["resources"]) is not None:
        kinds = gpus_of(cells[column], column)
        one = len(kinds) <= 1
        require(one, Reason.TRACE_CHIPS_DISAGREE, column, "several types in one job: give one row per type")
        return next(((chips, kind, column) for kind, chips in kinds.items() if chips), None)
    per_node, nodes = roles["per node"] or "", roles["nodes"] or ""
    chips = whole_number(cells[per_node], per_node) * whole_number(cells[nodes], nodes)
    return (chips, "", per_node) if chips else None


def _by_share(cells: Mapping[str, str], column: str, instances: str | None) -> tuple[int, str, str] | None:
    """PAI: hundredths of an accelerator per instance; blank where there is none."""
    if is_blank(cells[column]):
        return None
    times = whole_number(cells[instances], instances) if instances and not is_blank(cells[instances]) else 1
    chips = _whole_share(whole_number(cells[column], column) * times, _WHOLE_PERCENT, column)
    return (chips, "", column) if chips else None


def _whole_share(parts: int, whole: int, column: str) -> int:
    detail = f"{parts}/{whole} of an accelerator is a fraction; whole accelerators are counted"
    require(parts % whole == 0, Reason.TRACE_FRACTION, column, detail)
    return parts // whole


def _span(
    cells: Mapping[str, str], columns: _Columns, options: Options, clock: _SubmissionClock
) -> tuple[int, int] | None:
    """Return start and end; None for a job that never started."""

    def at(role: str) -> int | None:
        timed = columns.times[role]
        return instant(cells[timed[0]], timed[0], options.zone, timed[1]) if timed and _said(cells, timed) else None

    def lasting(role: str) -> int | None:
        timed = columns.times[role]
        return duration(cells[timed[0]], timed[0], timed[1] or _SECOND) if timed and _said(cells, timed) else None

    start, end, lasted = at("start"), at("end"), lasting("duration")
    if start is None and columns.times["start"] and end is None and not lasted:
        return None
    if start is None and end is not None and lasted is not None:
        require(lasted <= end, Reason.TRACE_TIMES_DISAGREE, columns.column("duration"), "lasted since before 1970")
        start = end - lasted
    if start is None:
        submitted = clock.read() if clock.column else at("submit")
        start = None if submitted is None else submitted + (lasting("wait") or 0)
    if end is None and start is not None and lasted is not None:
        end = start + lasted
    if start is None or end is None:
        where = columns.column("end", "duration", "start")
        raise Refused(Reason.TRACE_TIME_UNKNOWN, where, "start or end is not known; is the job still running?")
    return start, end


def _said(cells: Mapping[str, str], timed: tuple[str, Decimal | None]) -> bool:
    return not is_blank(cells[timed[0]])
