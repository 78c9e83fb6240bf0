"""`standstill agreement diff`: what differs, and whether it is stricter."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from cli.agreement.files import FILE, Terms, read_terms
from cli.agreement.findings import complain, errors, problems_of, reading
from cli.output import Exit, answer, end, json_option

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from language.difference import Change

_SHORT = 30


@click.command("diff")
@click.argument("old", type=FILE)
@click.argument("new", type=FILE)
@click.option("--exit-code", "as_code", is_flag=True, help="End with 1 if anything differs.")
@json_option
def command(*, old: Path, new: Path, as_code: bool, as_json: bool) -> None:
    """Compare two agreements clause by clause, in whatever form they are.

    Stricter: calls sooner, binds tighter, lifts later. What neither is, or cannot be compared, says so.

    Exit codes: 0 compared, 1 with --exit-code: they differ, or one of them has errors, 2 unreadable.
    """
    from language.difference import differences

    before, after = _read(old), _read(new)
    changes = differences(before.terms, after.terms)
    code = Exit.NOT_CONFIRMED if as_code and changes else Exit.DONE
    if as_json:
        rows = [
            {"clause": one.clause, "key": one.key, "old": one.old, "new": one.new, "direction": one.direction}
            for one in changes
        ]
        data = {"old_digest": _digest(before), "new_digest": _digest(after), "changes": rows}
        answer("standstill/agreement.diff/1", "not_confirmed" if code else "done", data, exit_code=code)
    else:
        for line in _lines(changes):
            click.echo(line)
    end(code)


def _read(path: Path) -> Terms:
    read = reading(path, lambda: read_terms(path))
    found = errors(problems_of(read))
    if found:
        complain(read.file, read.source, found)
        end(Exit.NOT_CONFIRMED)
    return read


def _digest(read: Terms) -> bytes | None:
    """The identity of the agreement; a draft has none."""
    from hashlib import sha256

    return sha256(read.data).digest() if read.data is not None else None


def _lines(changes: Sequence[Change]) -> Iterator[str]:
    """Grouped by block; long values one below the other."""
    clause = None
    for change in changes:
        if change.clause != clause:
            clause = change.clause
            yield clause or "agreement"
        old, new = change.old or "(nothing)", change.new or "(nothing)"
        key = change.key or "(the whole block)"
        if len(old) <= _SHORT and len(new) <= _SHORT and "\n" not in old + new:
            yield f"  {key:<24} {change.direction:<12} {old} -> {new}"
        else:
            yield f"  {key:<24} {change.direction}"
            yield from (f"    - {line}" for line in old.splitlines())
            yield from (f"    + {line}" for line in new.splitlines())
    counts = Counter(str(change.direction) for change in changes)
    said = ", ".join(f"{count} {direction}" for direction, count in counts.items())
    total = f"{len(changes)} change{'' if len(changes) == 1 else 's'}"
    yield f"{total}: {said}" if changes else "no difference"
