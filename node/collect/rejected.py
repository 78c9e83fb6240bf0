"""The list of rows that could not be used, as a file beside the figures: written whole or not at all."""

from __future__ import annotations

import csv
import os
import tempfile
from pathlib import Path

from node.collect.figures import Trace


def rejected_name(source: str) -> str:
    """Return the name of the list for a source file: `jobs.csv.gz` gives `jobs.rejected.csv`."""
    stem = source.removesuffix(".gz")
    return f"{stem.rpartition('.')[0] or stem}.rejected.csv"


def write_rejected(trace: Trace, folder: Path) -> Path | None:
    """Write `<name>.rejected.csv` with row, column, value, reason and detail; None and no file if all rows were good.

    The file appears complete under its name or not at all: it is written beside it, made durable, and renamed.

    Raises:
        OSError: the folder cannot be written to; nothing is left behind.
    """
    if not trace.rejected:
        return None
    target = folder / rejected_name(trace.source)
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("row", "column", "value", "reason", "detail"))
            rows.writerows((bad.row, bad.column, bad.value, bad.reason, bad.detail) for bad in trace.rejected)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink()
        raise
    return target
