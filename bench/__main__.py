"""`python -m bench [NAME ...]`: measure, and print ratios with numerator and denominator from the same run."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from pathlib import Path
from string import ascii_lowercase
from typing import TYPE_CHECKING, Final

import click

from bench import table
from bench.b1_ingest import mirrored_ingest, signed_ingest
from bench.b4_wire import wire
from bench.b5_publish import publish
from bench.b6_proofs import proofs
from bench.b7_answers import answers
from bench.b8_offline import offline
from bench.b9_fold import growing
from bench.b10_pledges import solving
from bench.measure import Measurement, Run
from daemon.journal import open_journal

if TYPE_CHECKING:
    from collections.abc import Callable

OUT: Final = Path("bench-out")

BENCHMARKS: Final[tuple[tuple[tuple[str, ...], Callable[[Run], list[Measurement]]], ...]] = (
    (("B1", "B2"), signed_ingest),
    (("B3",), mirrored_ingest),
    (("B4",), wire),
    (("B5",), publish),
    (("B6",), proofs),
    (("B7",), answers),
    (("B8",), offline),
    (("B9",), growing),
    (("B10",), solving),
)
"""Names, and what measures them; some measure two things in the same runs."""

NAMES: Final = tuple(name for names, _ in BENCHMARKS for name in names)


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...", type=click.Choice(NAMES, case_sensitive=False))
@click.option("--quick", is_flag=True, help="Small sizes: shows that everything works; the figures mean nothing.")
@click.option("--rounds", type=click.IntRange(min=3), default=3, show_default=True, help="How often to measure.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Write the table of bench/README.md.")
def main(names: tuple[str, ...], quick: bool, rounds: int, as_json: bool, as_markdown: bool) -> None:
    """Measure all, or those named, on real daemons over mutual TLS, fully durable, with no check off.

    Exit codes: 0 whatever the figures are; 1 if something could not be measured.
    """
    OUT.mkdir(exist_ok=True)
    with (
        (OUT / "journal.jsonl").open("w") as journal,
        # On the disk that the project lies on: a temporary file system in memory would make every commit free.
        tempfile.TemporaryDirectory(dir=OUT.resolve(), prefix="run-") as home,
        contextlib.redirect_stdout(sys.stderr),
    ):
        open_journal("bench", stream=journal)
        measured = _measure(Run(Path(home), quick=quick, rounds=rounds), set(names or NAMES))
    if as_json:
        print(table.as_json(measured))
    elif as_markdown:
        print(table.markdown(measured), end="")
    else:
        table.show(measured)


def _measure(run: Run, names: set[str]) -> list[Measurement]:
    measured: list[Measurement] = []
    for group, measure in BENCHMARKS:
        if names.isdisjoint(group):
            continue
        start = time.monotonic()
        print(f"{' and '.join(group)} ...", end=" ", flush=True)
        measured += [one for one in measure(run) if one.name.rstrip(ascii_lowercase) in names]
        print(f"{time.monotonic() - start:.0f} s", flush=True)
    return measured


if __name__ == "__main__":
    main()
