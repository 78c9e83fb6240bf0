"""`python -m tests.model`: look at everything that can happen, and print what held.

Exit codes: 0 when every invariant holds and, with --mutants, every mutant is found; 1 when one does not, or when, with
--full, a lens was not followed to its end, or, with all lenses, a level did not pass through each phase of its machine
in two episodes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.model.broken import Mutant, broken
from tests.model.explore import Explored, explore, machine, passed_twice
from tests.model.lenses import LENSES
from tests.model.mutants import MUTANTS

CORES: Final = 2
ENDLESS: Final = {"standing": 60_000}
"""Lenses whose end is too far, and the closings tried through each: docs/proof.md says how far that leads."""
EVERY: Final = 25
"""States between two movements of the bar."""


@click.command()
@click.argument("lenses", nargs=-1, metavar="[LENS]...", type=click.Choice(list(LENSES)))
@click.option("--full", is_flag=True, help="Insist that lenses end, and every phase comes twice: takes minutes.")
@click.option("--wide", is_flag=True, help="More choices, which for some lenses do not end in a day.")
@click.option("--most", type=click.IntRange(min=1), help="Try so many closings through each lens, instead of all.")
@click.option("--deepest", type=click.IntRange(min=1), help="Follow each course of events for so many closings only.")
@click.option("--mutants", is_flag=True, help="Break the code on purpose and show which invariant finds it.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def main(
    lenses: tuple[str, ...],
    full: bool,
    wide: bool,
    most: int | None,
    deepest: int | None,
    mutants: bool,
    as_json: bool,
) -> None:
    """Explore the fold through LENSES, or through all of them."""
    names = lenses or tuple(LENSES)
    if mutants:
        rows = [_find(mutant, deepest) for mutant in MUTANTS if mutant.lens in names]
        _print(rows, as_json)
        sys.exit(any(row["found"] != row["by"] for row in rows))
    explored = _side_by_side if full else map
    found = list(explored(partial(_explored, wide=wide, most=most, deepest=deepest), names))
    _print([_row(one) for one in found], as_json)
    for one in found:
        if one.broken is not None:
            click.echo(f"\n{one.lens}: {one.broken.invariant} does not hold: {one.broken.found}", err=True)
            for number, words in enumerate(one.broken.trace):
                click.echo(f"  {number:2} {words}", err=True)
    missed = list(_missed(found, every=not lenses)) if full else []
    for words in missed:
        click.echo(words, err=True)
    sys.exit(bool(missed) or any(one.broken is not None for one in found))


def _missed(found: list[Explored], *, every: bool) -> Iterator[str]:
    """What --full insists on and did not find."""
    for one in found:
        if not one.complete and one.lens not in ENDLESS:
            yield f"not followed to its end: {one.lens}"
    if every and (once := _once(found)):
        yield f"not passed through in two episodes: {once}"


def _once(found: list[Explored]) -> str:
    """Phases of a level's machine, as any lens has it, through which no lens passed in two episodes."""
    wanted = set().union(*(machine(LENSES[one.lens](full=False).agreement) for one in found))
    return ", ".join(f"{stage} of level {rank}" for rank, stage in sorted(wanted - passed_twice(found)))


def _explored(name: str, *, wide: bool, most: int | None, deepest: int | None) -> Explored:
    with _watched(name) as watch:
        return explore(LENSES[name](full=wide), watch, deepest=deepest, most=most or ENDLESS.get(name))


def _side_by_side(one: Callable[[str], Explored], names: tuple[str, ...]) -> Iterator[Explored]:
    with ProcessPoolExecutor(CORES) as pool:
        for found in pool.map(one, names):
            click.echo(f"{found.lens}: {found.states:,} states, {found.transitions:,} transitions", err=True)
            yield found


def _find(mutant: Mutant, deepest: int | None) -> dict[str, Any]:
    with broken(mutant), _watched(mutant.name) as watch:
        found = explore(LENSES[mutant.lens](full=False), watch, deepest=deepest)
    by = found.broken.invariant if found.broken else "nothing"
    closings = len(found.broken.trace) - 1 if found.broken else 0
    return {
        "mutant": mutant.name,
        "lens": mutant.lens,
        "found": by,
        "by": mutant.invariant,
        "closings": closings,
        "transitions": found.transitions,
    }


@contextmanager
def _watched(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on a terminal: states done of those known so far."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), *Progress.get_default_columns()[1:3], TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what)

        def watch(done: int, known: int) -> None:
            if done % EVERY == 0:
                bar.update(task, completed=done, total=known)

        yield watch


def _row(found: Explored) -> dict[str, Any]:
    return {
        "lens": found.lens,
        "states": found.states,
        "transitions": found.transitions,
        "invariants held": len(found.judged) - (found.broken is not None),
        "judged": sum(found.judged.values()),
        "phases seen twice": len({(rank, stage) for rank, stage, episode in found.visited if episode > 1}),
        "complete": "yes" if found.complete and found.broken is None else "no",
        "closings": "all" if found.complete and found.broken is None else found.closings,
        "seconds": round(found.seconds, 1),
        "broken": found.broken.invariant if found.broken else "",
    }


def _print(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    table = Table(*(rows[0] if rows else ()))
    for row in rows:
        table.add_row(*(f"{value:,}" if isinstance(value, int | float) else str(value) for value in row.values()))
    Console(width=None if sys.stdout.isatty() else 160).print(table)


if __name__ == "__main__":
    main()
