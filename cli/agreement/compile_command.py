"""`standstill agreement compile`: from text to the bytes that everybody signs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cli.agreement.files import FILE, party_option, read_terms
from cli.agreement.findings import complain, errors, problems_of, reading
from cli.output import Exit, answer, end, hint, json_option

if TYPE_CHECKING:
    from pathlib import Path


@click.command("compile")
@click.argument("file", type=FILE)
@party_option
@click.option("-o", "--output", type=FILE, required=True, help="File for the compiled terms: whole or not at all.")
@json_option
def command(file: Path, parties: tuple[Path, ...], output: Path, as_json: bool) -> None:
    """Compile the terms in FILE, with the descriptors of parties whose keys it does not have.

    The digest that is printed is the identity of the agreement: every party checks it before it signs. Errors and
    missing keys are refused, warnings are printed.

    Exit codes: 0 written, 2 refused; nothing was written.
    """
    from daemon.files import write_whole
    from protocol.agreement import read_agreement

    read = reading(file, lambda: read_terms(file, parties))
    found = problems_of(read)
    # Notes are for who reads with `check`; compiling tells what may be a mistake.
    complain(read.file, read.source, [one for one in found if one.severity != "note"])
    if errors(found) or read.data is None:
        if read.pending:
            hint(f"keys of {', '.join(read.pending)} are missing: --party FILE for each")
        hint(f"{output} was not written")
        end(Exit.USAGE)
    agreement = read_agreement(read.data)
    write_whole(output, agreement.data)
    if as_json:
        data = {"digest": agreement.digest, "bytes": len(agreement.data), "file": output}
        answer("standstill/agreement.compile/1", "done", data)
        return
    click.echo(agreement.digest.hex())
    hint(f"wrote {output}, {len(agreement.data):,} bytes. Tell the digest to every party by a way that it trusts.")
