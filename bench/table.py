"""How measurements are shown: a table for people, Markdown for the README, JSON for programs."""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING, Any, Final

from bench.measure import Measurement, machine

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMA: Final = "standstill/bench/1"
HEADINGS: Final = ("id", "what", "numerator", "denominator", "median", "min..max", "target", "met")

_DISTURBED: Final = 1.3


def cells(one: Measurement) -> tuple[str, ...]:
    """A measurement as the cells of a row."""
    if math.isnan(one.figure):
        return one.name, one.what, "", "", "", "", "", one.note
    target = "" if one.target is None else f"{one.target.aim.value} {_number(one.target.value)}{_unit(one)}"
    met = {True: "yes", False: "NO", None: ""}[one.met]
    spread = f"{_number(min(one.rounds))}..{_number(max(one.rounds))}"
    return one.name, one.what, one.numerator, one.denominator, f"{_number(one.figure)}{_unit(one)}", spread, target, met


def show(measured: Sequence[Measurement]) -> None:
    """Print the table: by rich on a terminal, else as plain lines; then what must be known, and the machine."""
    rows = [cells(one) for one in measured]
    if sys.stdout.isatty():
        _show_rich(rows)
    else:
        widths = [max(len(row[column]) for row in [HEADINGS, *rows]) for column in range(len(HEADINGS))]
        for row in [HEADINGS, *rows]:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print()
    for line in remarks(measured):
        print(line)


def remarks(measured: Sequence[Measurement]) -> list[str]:
    """Notes by measurement, which rounds look disturbed, and the machine."""
    lines = [f"{one.name}: {one.note}" for one in measured if one.note]
    shaky = [one.name for one in measured if min(one.rounds) > 0 and max(one.rounds) / min(one.rounds) > _DISTURBED]
    if shaky:
        lines.append(f"rounds differ by more than {_DISTURBED}x: {', '.join(shaky)}; measure again on a quiet machine")
    return [*lines, f"machine: {machine()}"]


def markdown(measured: Sequence[Measurement]) -> str:
    """The table for bench/README.md."""
    rows = [HEADINGS, tuple("---" for _ in HEADINGS), *(cells(one) for one in measured)]
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    return f"{table}\n\n" + "\n".join(f"- {line}" for line in remarks(measured)) + "\n"


def as_json(measured: Sequence[Measurement]) -> str:
    """Everything for programs."""
    return json.dumps({"schema": SCHEMA, "machine": machine(), "measured": [_data(one) for one in measured]}, indent=2)


def _data(one: Measurement) -> dict[str, Any]:
    known = not math.isnan(one.figure)
    return {
        "id": one.name,
        "what": one.what,
        "numerator": one.numerator,
        "denominator": one.denominator,
        "median": one.figure if known else None,
        "rounds": list(one.rounds) if known else [],
        "unit": one.unit or "ratio",
        "aim": None if one.target is None else one.target.aim.value,
        "target": None if one.target is None else one.target.value,
        "met": one.met,
        "note": one.note,
    }


def _show_rich(rows: Sequence[tuple[str, ...]]) -> None:
    from rich.console import Console  # noqa: PLC0415 - only terminals need it
    from rich.table import Table  # noqa: PLC0415

    table = Table(*HEADINGS)
    for row in rows:
        table.add_row(*row, style="red" if row[-1] == "NO" else None)
    Console().print(table)


def _number(value: float) -> str:
    """Three significant digits, or whole numbers above a hundred."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _unit(one: Measurement) -> str:
    return f" {one.unit}" if one.unit else "x"
