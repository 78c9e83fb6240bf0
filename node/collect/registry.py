"""The one table of collectors, and the choice among them by what the input looks like.

A new kind of record is a module with `claims` and `read`, and one line here. The first that claims an input reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from node.collect import hourly, jobs, sacct, sacct_json, use
from node.collect.figures import Tally
from node.collect.source import Options, Reading, Source
from protocol.errors import Reason, Refused


@dataclass(frozen=True, slots=True)
class Collector:
    """One kind of input.

    Attributes:
        name: short name, shown to people.
        wants: what it needs, for the message when nothing fits.
        claims: whether an input is of this kind, judged by its columns.
        read: the reader; puts bad rows on the tally, raises what concerns the whole input.
    """

    name: str
    wants: str
    claims: Callable[[Source], bool]
    read: Callable[[Source, Options, Tally], Reading]


COLLECTORS: Final = (
    Collector("hourly", ",".join(hourly.COLUMNS), hourly.claims, hourly.read),
    Collector("use", "time, total_gpu_num, running_gpu_num, idle_gpu_num per partition", use.claims, use.read),
    Collector("sacct", "sacct -P with JobIDRaw, Start, End or ElapsedRaw, AllocTRES", sacct.claims, sacct.read),
    Collector("sacct-json", "sacct --json", sacct_json.claims, sacct_json.read),
    Collector("jobs", "a job table with gpu_num, start_time, and end_time or duration", jobs.claims, jobs.read),
)


def collector_for(source: Source) -> Collector:
    """Return the collector that reads this input.

    Raises:
        Refused: TRACE_FORMAT_UNKNOWN, with the columns seen and the formats that exist.
    """
    for collector in COLLECTORS:
        if collector.claims(source):
            return collector
    seen = ", ".join(source.columns)[:300]
    known = "; ".join(f"{collector.name} ({collector.wants})" for collector in COLLECTORS)
    raise Refused(Reason.TRACE_FORMAT_UNKNOWN, source.name, f"columns {seen or 'none'} fit no known input: {known}")
