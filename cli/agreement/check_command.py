"""`standstill agreement check`: a linter for treaties."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from cli.agreement.files import FILE, party_option, read_bytes, read_terms
from cli.agreement.findings import OF_PARTIES, as_data, complain, errors, problems_of, tally, unreadable
from cli.output import Exit, answer, end, json_option
from protocol.errors import Refused

if TYPE_CHECKING:
    from pathlib import Path

    from language.problem import Problem


@dataclass(slots=True)
class _Checked:
    """What was found in one file."""

    file: str
    code: Exit
    found: tuple[Problem, ...] = ()
    source: str = ""
    notes: list[str] = field(default_factory=list)


@click.command("check")
@click.argument("files", metavar="FILE...", type=FILE, nargs=-1, required=True)
@party_option
@click.option("--strict", is_flag=True, help="Warnings count like errors.")
@click.option("--citations", is_flag=True, help="Clauses without a source are named too.")
@json_option
def command(
    *, files: tuple[Path, ...], parties: tuple[Path, ...], strict: bool, citations: bool, as_json: bool
) -> None:
    """Say all that is wrong with each FILE, doubtful about it, or worth knowing before anybody signs.

    Exit codes: 0 nothing wrong, 1 an error (with --strict: or a warning), 2 unreadable, 3 nothing wrong so far, but a
    draft in protobuf text has no parties yet. Of several files, the gravest: 2, 1, 3.
    """
    checked = [_check(path, parties, strict=strict, citations=citations) for path in files]
    code = next(code for code in _GRAVE if any(one.code is code for one in checked))
    if as_json:
        said = {Exit.DONE: "confirmed", Exit.NOT_APPRAISED: "could_not_appraise"}.get(code, "not_confirmed")
        data = {"problems": [as_data(one.file, problem) for one in checked for problem in one.found]}
        notes = [note for one in checked for note in one.notes]
        answer("standstill/agreement.check/1", said, data, exit_code=code, notes=notes)
        end(code)
    for one in checked:
        complain(one.file, one.source, one.found, err=False)
        click.echo(f"{one.file}: {tally(one.found) if one.found else 'no problem found'}")
        for note in one.notes:
            click.echo(f"{one.file}: {note}")
    end(code)


_GRAVE = (Exit.USAGE, Exit.NOT_CONFIRMED, Exit.NOT_APPRAISED, Exit.DONE)


def _check(path: Path, parties: tuple[Path, ...], *, strict: bool, citations: bool) -> _Checked:
    from language.problem import Unreadable

    try:
        read = read_terms(path, parties)
    except (Refused, Unreadable) as error:
        source = read_bytes(path).decode("utf-8", "replace") if isinstance(error, Unreadable) else ""
        return _Checked(str(path), Exit.USAGE, unreadable(error), source)
    found = problems_of(read, citations=citations)
    wrong = errors(found) or (strict and any(one.severity == "warning" for one in found))
    draft = not read.terms.parties and not read.source
    code = Exit.NOT_CONFIRMED if wrong else Exit.NOT_APPRAISED if draft else Exit.DONE
    return _Checked(read.file, code, found, read.source, [OF_PARTIES] if draft else [])
