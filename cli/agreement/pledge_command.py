"""`standstill agreement pledge`: from the text of a pledge to what a node publishes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

import click

from cli.agreement.files import FILE, decoded, party_option, read_bytes, read_terms
from cli.agreement.findings import agreement_of, as_data, complain, reading
from cli.output import Exit, answer, end, hint, json_option, plain

if TYPE_CHECKING:
    from pathlib import Path

    from language.check import Report
    from language.lower_pledge import CompiledPledge


@click.command("pledge")
@click.argument("file", type=FILE)
@click.option("--under", type=FILE, required=True, help="The agreement under which it is made.")
@party_option
@click.option("-o", "--output", type=FILE, help="File for the draft; else it is printed.")
@json_option
def command(*, file: Path, under: Path, parties: tuple[Path, ...], output: Path | None, as_json: bool) -> None:
    """Check the pledge in FILE and write the draft that `standstill node publish` signs.

    Exit codes: 0 written, 1 the pledge has errors, 2 a file is unreadable.
    """
    from daemon.files import write_whole
    from language.check import check_pledge
    from language.lower_pledge import CompiledPledge

    agreement = agreement_of(reading(under, lambda: read_terms(under, parties)))
    source = decoded(read_bytes(file), str(file))
    report = check_pledge(source, agreement)
    made = report.compiled
    if not isinstance(made, CompiledPledge) or not report.ok:
        _refuse(file, source, report, as_json=as_json)
    complain(str(file), source, report.problems)
    draft = _draft(made)
    text = json.dumps(plain(draft), indent=2) + "\n"
    if output is not None:
        write_whole(output, text.encode())
    if as_json:
        problems = [as_data(str(file), problem) for problem in report.problems]
        data = {"file": output, "by": made.by, "draft": draft, "problems": problems}
        answer("standstill/agreement.pledge/1", "done", data)
    elif output is None:
        click.echo(text, nl=False)
    hint(f"Publish it at {made.by}: standstill node publish {output or 'FILE'}")


def _draft(made: CompiledPledge) -> dict[str, Any]:
    from cli.publish_format import as_table

    return {"kind": "Pledge", "body": as_table(made.pledge)}


def _refuse(file: Path, source: str, report: Report, *, as_json: bool) -> NoReturn:
    """End with the problems: 2 where the text is no sentence of the language, else 1."""
    code = Exit.USAGE if report.compiled is None else Exit.NOT_CONFIRMED
    if as_json:
        data = {"problems": [as_data(str(file), problem) for problem in report.problems]}
        answer("standstill/agreement.pledge/1", "not_confirmed", data, exit_code=code)
    else:
        complain(str(file), source, report.problems)
    end(code)
