"""Tables of accelerators: what each class can do at most, and what it draws (agreement 4)."""

from __future__ import annotations

import csv
from importlib import resources
from typing import TYPE_CHECKING, Final

from language.problem import Unreadable, error
from language.spans import Span
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import quantity_pb2 as q

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

COLUMNS: Final = (
    *("chip_class", "bf16_tflops", "fp8_tflops", "train_low", "train_high", "serve_low", "serve_high"),
    *("idle_low", "idle_high", "off_high", "source"),
)
"""Columns of a table: dense rates in TFLOP/s (empty: none), power in watts of one chip with its share of the node."""

_DRAWS_LIKE: Final[Mapping[str, tuple[q.Label.ValueType, ...]]] = {
    "train": (q.LABEL_TRAIN, q.LABEL_POST_TRAIN),
    "serve": (q.LABEL_ROLLOUT, q.LABEL_INFERENCE, q.LABEL_EVAL, q.LABEL_SAFETY),
    "idle": (q.LABEL_MAINTENANCE, q.LABEL_IDLE),
}


def read_chip_table(text: str) -> tuple[pb.ChipClass, ...]:
    """The classes of a table in CSV with the columns of :data:`COLUMNS`.

    Raises:
        Unreadable: `bad-table`, with the line.
    """
    rows = csv.DictReader(text.splitlines())
    if tuple(rows.fieldnames or ()) != COLUMNS:
        raise Unreadable([error("bad-table", "", f"columns are {','.join(COLUMNS)}", Span(1, 1, 1, 2))])
    found = []
    for row in rows:
        try:
            found.append(_chip_class(row))
        except (ValueError, TypeError, KeyError):
            line = rows.line_num
            problem = error("bad-table", "", "a rate or power is no whole number", Span(line, 1, line, 2))
            raise Unreadable([problem]) from None
    return tuple(found)


def _chip_class(row: Mapping[str, str]) -> pb.ChipClass:
    rates = ((q.NUMBER_FORMAT_BF16_DENSE, row["bf16_tflops"]), (q.NUMBER_FORMAT_FP8_DENSE, row["fp8_tflops"]))
    return pb.ChipClass(
        name=row["chip_class"],
        peaks=[pb.PeakRate(format=kind, gigaflop_per_second=int(rate) * 1_000) for kind, rate in rates if rate],
        power=list(_power(row)),
    )


def _power(row: Mapping[str, str]) -> Iterator[pb.PowerBound]:
    for group, labels in _DRAWS_LIKE.items():
        yield _bound(labels, int(row[f"{group}_low"]), int(row[f"{group}_high"]))
    yield _bound((q.LABEL_OFF,), 0, int(row["off_high"]))
    # What nobody accounts for may be anything between off and training.
    yield _bound((q.LABEL_UNLABELLED, q.LABEL_UNACCOUNTED), 0, int(row["train_high"]))


def _bound(labels: tuple[q.Label.ValueType, ...], low: int, high: int) -> pb.PowerBound:
    return pb.PowerBound(labels=labels, low_milliwatt=low * 1_000, high_milliwatt=high * 1_000)


PRESET_TABLE: Final = read_chip_table(resources.files("language").joinpath("chips.csv").read_text(encoding="utf-8"))
"""The shipped table, `chip_table = preset`."""
