"""What people see of the demo: progress while it plays, then what was claimed. Plain lines where nobody watches."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from demo.stage import Claim

_EXPLAIN: Final = {
    "found": "six parties on loopback accept one agreement by its digest; chips are delivered, pledges published",
    "attest": "every hour each lab attests its site; the meter operator reads the meters; the verifier compares",
    "call": "beta reports 42 h tasks and 96 % of merged code; alpha and beta vote to pause",
    "wind down": "labs stop training and report what they halted",
    "in force": "no training; serving, evaluation and safety work go on",
    "cheat A": "gamma trains on idle chips, calls a quarter of it inference and understates the energy",
    "cheat B": "gamma leaves chips out of its inventory that the supplier shipped",
}


class View:
    """Shows the acts on standard error, so that standard output stays for the answer."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._began = time.monotonic()
        self._progress: Progress | None = None

    def act(self, number: int, name: str) -> None:
        """Announce an act."""
        self.console.print(f"[bold]{number} {name:10}[/] {_EXPLAIN[name]}", highlight=False)

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
            self.console.print(f"    {line}", style="dim", highlight=False, markup=False)

    def claims(self, claims: Sequence[Claim]) -> None:
        """Show what was claimed, as it comes in."""
        for claim in claims:
            mark = "[green]ok[/]  " if claim.held else "[bold red]FAIL[/]"
            self.console.print(f"  {mark} {claim.text}", highlight=False)

    @property
    def seconds(self) -> int:
        """Seconds since the view opened."""
        return round(time.monotonic() - self._began)
