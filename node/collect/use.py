"""Occupancy tables: accelerators in use out of how many, sampled at a fixed interval, per partition.

Each sample stands for the interval that follows it. A sample that is missing leaves its interval unaccounted: nobody
looked. Known by a time, a total and a running column, for example
`time,vc,total_gpu_num,running_gpu_num,idle_gpu_num` (Helios).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from node.collect.figures import MAX_QUANTITY, JobRecord, Tally
from node.collect.source import Options, Reading, Source, need, require_span
from node.collect.table import Table
from node.collect.values import instant, whole_number
from protocol.errors import Reason, Refused, require


@dataclass(frozen=True, slots=True)
class _Sample:
    partition: str
    time: int
    total: int
    running: int
    idle: int


class _Columns:
    """Where a table keeps each figure."""

    def __init__(self, table: Table) -> None:
        self.time = table.find("time", "timestamp", "datetime", "ts", "date")
        self.total = table.find("totalgpunum", "total", "totalgpus", "gputotal", "capacity", "totalchips")
        self.running = table.find("runninggpunum", "running", "used", "usedgpus", "gpuused", "busy", "allocated")
        self.idle = table.find("idlegpunum", "idle", "free", "idlegpus", "gpuidle")
        self.partition = table.find("vc", "partition", "virtualcluster", "cluster", "pool", "queue")


def claims(source: Source) -> bool:
    """Return whether the input is a table of totals and running accelerators."""
    if source.table is None:
        return False
    columns = _Columns(source.table)
    return columns.total is not None and columns.running is not None


def read(source: Source, options: Options, tally: Tally) -> Reading:
    """Read the samples as spans of use, and the totals as inventory.

    Raises:
        Refused: TRACE_COLUMN_MISSING, or TRACE_SPAN where all samples have one time.
    """
    if source.table is None:
        raise Refused(Reason.TRACE_FORMAT_UNKNOWN, source.name, "expected a table")
    columns = _Columns(source.table)
    need(source, {"time": columns.time, "total": columns.total, "running": columns.running})
    samples = tuple(_samples(source.table, columns, options, tally))
    if not samples:
        return Reading()
    chip_class = options.class_of("", "")
    interval = _interval(samples, source.name)
    times = [sample.time for sample in samples]
    require_span(min(times), max(times) + interval, options.period, source.name)
    tally.note(f"each sample stands for the {interval} s after it; running means allocated, not seen at work")
    jobs = tuple(job for sample in samples for job in _spans(sample, interval, chip_class))
    return Reading(jobs=jobs, inventory=_inventory(samples, interval, options.period, chip_class))


def _samples(table: Table, columns: _Columns, options: Options, tally: Tally) -> Iterator[_Sample]:
    seen: set[tuple[str, int]] = set()
    for row, cells in table.rows(tally):
        try:
            sample = _sample(cells, columns, options)
            key = (sample.partition, sample.time)
            detail = "the same partition and time stand in the file before"
            require(key not in seen, Reason.TRACE_DUPLICATE_ROW, columns.time or "", detail)
        except Refused as no:
            tally.reject(row, no, cells.get(no.field, ""))
            continue
        seen.add(key)
        tally.kept += 1
        yield sample


def _sample(cells: Mapping[str, str], columns: _Columns, options: Options) -> _Sample:
    def count(column: str | None) -> int:
        value = whole_number(cells[column], column) if column else 0
        # A day's chip-seconds of it must still be a signed quantity.
        most = MAX_QUANTITY // 10**6
        require(value <= most, Reason.TRACE_OVERFLOW, column or "", f"{value} accelerators are more than {most}")
        return value

    time_column, total_column, running_column = columns.time or "", columns.total or "", columns.running or ""
    total, running, idle = count(total_column), count(running_column), count(columns.idle)
    over = running + idle <= total
    detail = f"running {running} and idle {idle} are more than the total {total}"
    require(over, Reason.TRACE_CHIPS_DISAGREE, running_column, detail)
    partition = cells[columns.partition] if columns.partition else ""
    return _Sample(partition, instant(cells[time_column], time_column, options.zone), total, running, idle)


def _interval(samples: Sequence[_Sample], name: str) -> int:
    """Return the smallest distance between two times that occur, in seconds."""
    times = sorted({sample.time for sample in samples})
    require(len(times) > 1, Reason.TRACE_SPAN, name, "all samples have one time, so their interval is not known")
    return min(later - earlier for earlier, later in pairwise(times))


def _spans(sample: _Sample, interval: int, chip_class: str) -> Iterator[JobRecord]:
    for chips, label in ((sample.running, None), (sample.idle, "idle")):
        if chips:
            yield JobRecord(
                job="",
                start=sample.time,
                end=sample.time + interval,
                chips=chips,
                chip_class=chip_class,
                attributes={"partition": sample.partition},
                label=label,
            )


def _inventory(samples: Sequence[_Sample], interval: int, period: int, chip_class: str) -> dict[int, dict[str, int]]:
    """Return chips by period: over the partitions, the largest total in it, or the last one known before it."""
    totals: dict[str, dict[int, int]] = {}
    for sample in samples:
        by_period = totals.setdefault(sample.partition, {})
        for index in range(sample.time // period, (sample.time + interval - 1) // period + 1):
            by_period[index] = max(by_period.get(index, 0), sample.total)
    first = min(index for by_period in totals.values() for index in by_period)
    last = max(index for by_period in totals.values() for index in by_period)
    installed = dict.fromkeys(range(first, last + 1), 0)
    for by_period in totals.values():
        known = by_period[min(by_period)]
        for index in installed:
            known = by_period.get(index, known)
            installed[index] += known
    return {index * period: {chip_class: chips} for index, chips in installed.items()}
