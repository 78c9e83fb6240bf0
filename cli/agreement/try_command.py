"""`standstill agreement try`: what terms would have called on a record."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.agreement.files import FILE, Terms, decoded, party_option, read_bytes, read_terms
from cli.agreement.findings import complain, errors, problems_of, reading
from cli.output import Exit, answer, end, json_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from language.rehearse import Rehearsal
    from protocol.truth import Explained

DEMO: Final = "demo"
_DEPTH: Final = 3
"""Levels of an explanation that are printed; `--json` has them all."""


@click.command("try")
@click.argument("file", type=FILE)
@click.option(
    "--on",
    "record",
    required=True,
    help="A verifier's directory; a history, one statement a line; or `demo`, the one that comes along.",
)
@party_option
@json_option
def command(*, file: Path, record: str, parties: tuple[Path, ...], as_json: bool) -> None:
    """Say what the terms in FILE would have called on a record of other terms, and why.

    On what a verifier holds nothing is assumed. What a history does not tell is: all have founded, labs attest in time,
    verifiers find them honored.

    Exit codes: 0 tried, 1 the terms have errors, 2 a file is unreadable.
    """
    read = reading(file, lambda: read_terms(file, parties))
    found = errors(problems_of(read))
    if found:
        complain(read.file, read.source, found)
        end(Exit.NOT_CONFIRMED)
    rehearsed = _tried(read, _demo() if record == DEMO else Path(record))
    if as_json:
        answer("standstill/agreement.try/1", "done", _data(record, rehearsed))
        return
    for line in _lines(read, rehearsed):
        click.echo(line)


def _tried(read: Terms, record: Path) -> Rehearsal:
    """The terms on a verifier's record, or on a history."""
    if record.is_dir():
        from cli.agreement.recorded import recorded
        from language.replayed import replayed

        with recorded(record) as (agreement, records):
            return replayed(agreement, read.terms, records, read.pending)
    from cli.agreement.history import read_history
    from language.rehearse import rehearse
    from protocol.bundle import MEDIA_TYPE
    from protocol.errors import Reason, Refused

    data = read_bytes(record)
    if MEDIA_TYPE.encode() in data[: 2 * len(MEDIA_TYPE)]:
        what = "an evidence bundle holds what one verdict rests on, no votes: give a verifier's directory or a history"
        raise Refused(Reason.BUNDLE_INCOMPLETE, str(record), what)
    history = read_history(decoded(data, str(record)), str(record))
    return rehearse(read.terms, history, read.pending)


def _demo() -> Path:
    import demo

    return Path(str(demo.__file__)).parent / "history.jsonl"


def _lines(read: Terms, rehearsed: Rehearsal) -> Iterator[str]:
    from language.page_words import listed, moment

    terms = read.terms
    yield f"{terms.name or read.file} on {rehearsed.periods:,} periods of {terms.period_seconds:,} s"
    for one in rehearsed.changes:
        when = moment(terms.start + (one.period + 1) * terms.period_seconds)
        yield f"P{one.period:<7}{when}  {one.level}: {one.before} -> {one.after}"
        yield from (f"    {line}" for line in _why(one.why))
    if not rehearsed.changes:
        yield "nothing is called"
        for level, why in rehearsed.reasons.items():
            yield f"  {level}"
            yield from (f"    {line}" for line in _why(why))
    skipped = Counter(one.why for one in rehearsed.skipped)
    for reason, count in skipped.items():
        yield f"skipped {count}: {reason}"
    bound = [f"{lab} ({', '.join(levels)})" for lab, levels in rehearsed.bound.items()]
    yield f"bound at the end: {listed(bound)}"


def _why(why: Explained) -> list[str]:
    return [line for line in why.lines() if line.startswith("  " * _DEPTH) is False]


def _data(record: str, rehearsed: Rehearsal) -> dict[str, Any]:
    return {
        "record": record,
        "periods": rehearsed.periods,
        "transitions": [
            {"level": one.level, "period": one.period, "from": one.before, "to": one.after, "why": _tree(one.why)}
            for one in rehearsed.changes
        ],
        "reasons": {level: _tree(why) for level, why in rehearsed.reasons.items()},
        "bound": rehearsed.bound,
        "skipped": [
            {"at": one.at, "party": one.party, "kind": _kind(one.kind), "why": one.why} for one in rehearsed.skipped
        ],
    }


def _kind(kind: int) -> str:
    from protocol.statements import KINDS

    return KINDS[kind].body.DESCRIPTOR.name if kind in KINDS else ""


def _tree(why: Explained) -> dict[str, Any]:
    return {"value": why.value.name.lower(), "text": why.text, "because": [_tree(part) for part in why.because]}
