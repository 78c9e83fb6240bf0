"""`standstill agreement check`: a linter for treaties."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from cli.agreement.files import FILE, STDIN, decoded, is_pledge, party_option, read_bytes, read_terms
from cli.agreement.findings import (
    OF_PARTIES,
    agreement_of,
    as_data,
    complain,
    errors,
    problems_of,
    reading,
    tally,
    unreadable,
)
from cli.output import Exit, answer, end, json_option
from protocol.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from language.problem import Problem
    from protocol.agreement import Agreement
    from standstill.v1.pledge_pb2 import Pledge


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
@click.option("--under", type=FILE, help="Agreement under which pledges among the files are made.")
@click.option(
    "--with", "beside", type=FILE, multiple=True, help="Pledge of another lab that would stand beside; repeat."
)
@json_option
def command(
    *,
    files: tuple[Path, ...],
    parties: tuple[Path, ...],
    strict: bool,
    citations: bool,
    under: Path | None,
    beside: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Say all that is wrong with each FILE, doubtful about it, or worth knowing before anybody signs.

    A FILE is an agreement in any form, or the text of a pledge.

    Exit codes: 0 nothing wrong, 1 an error (with --strict: or a warning), 2 unreadable, 3 nothing wrong so far, but a
    draft in protobuf text has no parties yet. Of several files, the gravest: 2, 1, 3.
    """
    checked = [
        _check_pledge(path, _under(path, under, parties), beside, strict=strict)
        if path != STDIN and is_pledge(read_bytes(path))
        else _check(path, parties, strict=strict, citations=citations)
        for path in files
    ]
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
        file, source = (error.file, error.source) if isinstance(error, Unreadable) else (str(path), "")
        return _Checked(file, Exit.USAGE, unreadable(error), source)
    found = problems_of(read, citations=citations)
    draft = not read.terms.parties and not read.source and not read.broken
    code = Exit.NOT_CONFIRMED if _wrong(found, strict=strict) else Exit.NOT_APPRAISED if draft else Exit.DONE
    return _Checked(read.file, code, found, read.source, [OF_PARTIES] if draft else [])


def _wrong(found: Sequence[Problem], *, strict: bool) -> bool:
    return bool(errors(found)) or (strict and any(one.severity == "warning" for one in found))


def _under(path: Path, under: Path | None, parties: tuple[Path, ...]) -> Agreement:
    if under is None:
        raise click.UsageError(f"{path} is a pledge: name its agreement with --under")
    return agreement_of(reading(under, lambda: read_terms(under, parties)))


def _check_pledge(path: Path, agreement: Agreement, beside: tuple[Path, ...], *, strict: bool) -> _Checked:
    from language.check import check_pledge

    text = decoded(read_bytes(path), str(path))
    report = check_pledge(text, agreement, dict(_pledge(other, agreement) for other in beside))
    wrong = _wrong(report.problems, strict=strict)
    code = Exit.USAGE if report.compiled is None else Exit.NOT_CONFIRMED if wrong else Exit.DONE
    return _Checked(str(path), code, report.problems, text)


def _pledge(path: Path, agreement: Agreement) -> tuple[str, Pledge]:
    """Another lab's pledge, with the lab; one with errors ends the command with exit code 2."""
    from language.check import check_pledge
    from language.lower_pledge import CompiledPledge

    text = decoded(read_bytes(path), str(path))
    report = check_pledge(text, agreement)
    if not isinstance(report.compiled, CompiledPledge) or not report.ok:
        complain(str(path), text, report.problems)
        end(Exit.USAGE)
    return report.compiled.by, report.compiled.pledge
