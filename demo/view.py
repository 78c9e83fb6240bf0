"""What people see of the demo: progress while it plays, then what was claimed. Plain lines where nobody watches."""

from __future__ import annotations

import time
from itertools import groupby
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from standstill.v1.header_pb2 import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from demo.claim import Claim
    from standstill.v1.audit_service_pb2 import AssessedPeriod

_EXPLAIN: Final = {
    "found": "eight parties accept one agreement by its digest; chips are delivered, pledges published",
    "attest": "every hour labs attest, the meter operator reads the meters and the verifier compares",
    "slow down": "evalco reports 25 h tasks and a 110-fold speed-up of beta: the slowdown calls itself",
    "call": "evalco reports 42 h tasks of beta, both say 96 % of merged code; labs and seats vote",
    "wind down": "labs stop training and report what they halted",
    "in force": "no training; serving goes on, evaluation and safety work under their exemptions",
    "cheat A": "gamma trains on idle chips, calls a quarter of it inference and understates the energy",
    "cheat B": "gamma leaves chips out of its inventory that the supplier shipped",
}


_COLOURS: Final = {"honored": "blue", "inconclusive": "yellow", "discrepant": "dark_orange", "breached": "red"}


def _said(item: AssessedPeriod) -> tuple[Verdict.ValueType, tuple[str, ...]]:
    return item.verdict, tuple(sorted({finding.code for finding in item.details.findings}))


class View:
    """Shows the acts on standard error, so that standard output stays for the answer."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._began = time.monotonic()
        self._progress: Progress | None = None

    def terms(self, text: str) -> None:
        """Say which terms are played."""
        self.console.print(text, highlight=False, soft_wrap=not self.console.is_terminal)

    def act(self, number: int, name: str) -> None:
        """Announce an act."""
        if not self.console.is_terminal:
            self.console.print(f"{number} {name:10} {_EXPLAIN[name]}", highlight=False, soft_wrap=True)
            return
        line = Table.grid(padding=(0, 1, 0, 0))
        line.add_row(f"[bold]{number} {name:10}[/]", _EXPLAIN[name])
        self.console.print(line, highlight=False)

    def track(self, name: str, periods: Iterable[int]) -> Iterator[int]:
        """Go through periods with a bar on a terminal; off a terminal the act's line and its claims are enough."""
        listed: Sequence[int] = list(periods)
        if not self.console.is_terminal:
            yield from listed
            return
        columns = (TextColumn("  {task.description:10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self.console, transient=True) as progress:
            label = f"P{listed[0]}-P{listed[-1]}" if listed else name
            yield from progress.track(listed, description=label)

    def quote(self, text: str) -> None:
        """Show an explanation as the product gave it."""
        for line in text.splitlines():
            self.console.print(
                f"    {line}", style="dim", highlight=False, markup=False, soft_wrap=not self.console.is_terminal
            )

    def claims(self, claims: Sequence[Claim]) -> None:
        """Show what was claimed, as it comes in."""
        for claim in claims:
            mark = "[green]ok[/]  " if claim.held else "[bold red]FAIL[/]"
            self.console.print(f"  {mark} {claim.text}", highlight=False, soft_wrap=not self.console.is_terminal)

    def verdicts(self, found: Mapping[str, Mapping[int, AssessedPeriod]]) -> None:
        """Show the verdict per lab and period: runs of equal verdicts, first to last period."""
        table = Table("lab", "verdict", "periods", "findings", box=None, header_style="bold", padding=(0, 2, 0, 0))
        for lab, periods in found.items():
            ordered = [periods[period] for period in sorted(periods)]
            for (verdict, codes), run in groupby(ordered, key=_said):
                items = list(run)
                first, last = items[0].period, items[-1].period
                span = f"P{first}" if first == last else f"P{first} to P{last}"
                name = Verdict.Name(verdict).removeprefix("VERDICT_").lower()
                table.add_row(lab, f"[{_COLOURS[name]}]{name}[/]", span, ", ".join(codes))
        self.console.print()
        self.console.print(table)

    @property
    def seconds(self) -> int:
        """Seconds since the view opened."""
        return round(time.monotonic() - self._began)
