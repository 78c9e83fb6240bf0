"""Collectors: from a lab's own records to exact whole figures per site and period.

    file ─ table/JSON ─ one collector ─┬─ job records ─ mapping ─ aggregate ─┬─ Trace
                                       └─ figures per hour ──────────────────┘

One module per kind of record, one table of them (`registry.COLLECTORS`). Good rows are kept, bad rows are listed with
row, column and a named reason. Nothing is guessed, clipped or rounded in a lab's favour; every assumption is a note
in the trace. Reading files is the only I/O; there is no clock and no network.
"""

from node.collect.figures import (
    LABELS,
    EnergyBasis,
    JobRecord,
    NamedExemption,
    OverInventory,
    PeriodFigures,
    RejectedRow,
    Skip,
    Trace,
)
from node.collect.mapping import Mapping, read_mapping
from node.collect.rejected import write_rejected
from node.collect.trace import read_trace

__all__ = [
    "LABELS",
    "EnergyBasis",
    "JobRecord",
    "Mapping",
    "NamedExemption",
    "OverInventory",
    "PeriodFigures",
    "RejectedRow",
    "Skip",
    "Trace",
    "read_mapping",
    "read_trace",
    "write_rejected",
]
