"""`standstill agreement`: from descriptors and a draft to the bytes that everybody signs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cli.output import Exit, answer, end, hint, json_option

if TYPE_CHECKING:
    from protocol.errors import Refused

FILE = click.Path(path_type=Path, dir_okay=False)


@click.group("agreement")
def command() -> None:
    """Compile, check and show the terms of an agreement."""


@command.command("compile")
@click.argument("draft", type=FILE)
@click.option("--party", "parties", type=FILE, multiple=True, help="Descriptor of a party; repeat.")
@click.option("-o", "--output", type=FILE, required=True, help="File for the compiled terms: whole or not at all.")
@json_option
def compile_terms(draft: Path, parties: tuple[Path, ...], output: Path, as_json: bool) -> None:
    """Join the descriptors of all parties to DRAFT (protobuf text of standstill.v1.Agreement) and write the terms.

    The digest that is printed is the identity of the agreement: every party checks it before it signs.
    """
    from cli.terms_text import read_party, read_terms
    from daemon.files import write_whole
    from protocol import agreement_rules
    from protocol.agreement import read_agreement
    from protocol.wire import encode

    terms = read_terms(draft)
    terms.parties.extend(read_party(path) for path in parties)
    found = agreement_rules.problems(terms)
    if found:
        _complain(draft, found)
        hint(f"{output} was not written")
        end(Exit.USAGE)
    agreement = read_agreement(encode(terms))
    write_whole(output, agreement.data)
    if as_json:
        data = {"digest": agreement.digest, "bytes": len(agreement.data), "file": output}
        answer("standstill/agreement.compile/1", "done", data)
        return
    click.echo(agreement.digest.hex())
    hint(f"wrote {output}, {len(agreement.data):,} bytes. Tell the digest to every party by a way that it trusts.")


@command.command()
@click.argument("file", type=FILE)
@json_option
def check(file: Path, as_json: bool) -> None:
    """Say all that is wrong with FILE, a draft or compiled terms.

    Exit codes: 0 it can be agreed to, 1 not, 2 unreadable, 3 nothing wrong so far, but the parties are still to come.
    """
    from cli.terms_text import read_terms
    from protocol import agreement_rules
    from protocol.errors import Refused

    draft = False
    try:
        terms = read_terms(file)
        draft = not terms.parties
        found = agreement_rules.problems_of_draft(terms) if draft else agreement_rules.problems(terms)
        code = Exit.NOT_CONFIRMED if found else Exit.NOT_APPRAISED if draft else Exit.DONE
    except Refused as refused:
        found, code = [refused], Exit.USAGE
    if as_json:
        data = {"problems": [_problem(file, one) for one in found]}
        said = {Exit.DONE: "confirmed", Exit.NOT_APPRAISED: "could_not_appraise"}.get(code, "not_confirmed")
        answer("standstill/agreement.check/1", said, data, exit_code=code, notes=[_OF_PARTIES] if draft else [])
        end(code)
    _complain(file, found, err=False)
    if not found:
        click.echo(f"{file}: no problem found")
    if draft:
        click.echo(f"{file}: {_OF_PARTIES}")
    end(code)


_OF_PARTIES: Final = "not checked: names, votes, conditions and sources of evidence; compiling adds the parties"
"""What is said of a draft: checking it against no parties would only list every name in it."""


@command.command()
@click.argument("file", type=FILE)
@json_option
def show(file: Path, as_json: bool) -> None:
    """Show the terms in FILE in words."""
    from cli.publish_format import as_table
    from cli.terms_page import page
    from cli.terms_text import terms_bytes
    from protocol.agreement import read_agreement

    agreement = read_agreement(terms_bytes(file))
    if as_json:
        data = {"digest": agreement.digest, "terms": as_table(agreement.terms)}
        answer("standstill/agreement.show/1", "done", data)
        return
    click.echo(page(agreement), nl=False)


def _complain(file: Path, found: list[Refused], *, err: bool = True) -> None:
    for one in found:
        # A syntax error names file, line and column itself.
        if one.field.startswith(str(file)):
            click.echo(f"{one.field}: {one.reason}: {one.detail}", err=err)
        else:
            click.echo(f"{file}: {one}", err=err)


def _problem(file: Path, refused: Refused) -> dict[str, object]:
    """A problem for scripts; line and column only where the text itself could not be read."""
    place = refused.field.removeprefix(f"{file}:").split(":")
    located = len(place) == 2 and all(part.isdecimal() for part in place)
    line, column = (int(part) for part in place) if located else (None, None)
    return {
        "code": refused.reason,
        "file": file,
        "line": line,
        "column": column,
        "clause": None if located else refused.field,
        "text": refused.detail,
    }
