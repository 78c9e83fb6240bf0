"""`standstill agreement fmt`: one layout for texts, and text for terms that have none."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import click

from cli.agreement.files import FILE, STDIN, decoded, is_protobuf_text, read_bytes, read_terms
from cli.agreement.findings import complain, errors, problems_of, unreadable
from cli.output import Exit, answer, end, json_option

if TYPE_CHECKING:
    from pathlib import Path


@click.command("fmt")
@click.argument("file", type=FILE)
@click.option("--check", "checking", is_flag=True, help="Change nothing; print what would change.")
@click.option("--write", "writing", is_flag=True, help="Write the layout into FILE.")
@json_option
def command(*, file: Path, checking: bool, writing: bool, as_json: bool) -> None:
    """Print the text in FILE in its one layout; comments and meaning stay.

    Of compiled terms, or of protobuf text, the text that compiles to the very same bytes.

    Exit codes: 0 done, 1 with --check: the layout differs, 2 unreadable.
    """
    if writing and (checking or file == STDIN):
        raise click.UsageError("--write needs a file, and no --check")
    before, after = _laid_out(file)
    if writing:
        _write(file, before, after)
    changed = before != after
    code = Exit.NOT_CONFIRMED if checking and changed else Exit.DONE
    if as_json:
        said = "not_confirmed" if code else "done"
        answer("standstill/agreement.fmt/1", said, {"changed": changed, "text": after}, exit_code=code)
    elif checking:
        lines = difflib.unified_diff(before.splitlines(True), after.splitlines(True), str(file), f"{file}, laid out")
        click.echo("".join(lines), nl=False)
    elif not writing:
        click.echo(after, nl=False)
    end(code)


def _laid_out(file: Path) -> tuple[str, str]:
    """The text in a file, empty where it is none, and how it should look."""
    from language.layout import fmt
    from language.problem import Unreadable
    from protocol.errors import Refused

    data, text = read_bytes(file), ""
    try:
        if _is_text(data):
            text = decoded(data, str(file))
            return text, fmt(text)
        return "", _written(file)
    except (Refused, Unreadable) as error:
        complain(str(file), text, unreadable(error))
        end(Exit.USAGE)


def _is_text(data: bytes) -> bool:
    """Whether a file holds text of the language: no control byte begins one, and no field of protobuf text."""
    begins_like_bytes = data[:1] < b"\t" and data[:1] != b""
    holds_bytes = b"\0" in data[:4_096]
    return not begins_like_bytes and not holds_bytes and not is_protobuf_text(data)


def _written(file: Path) -> str:
    from language.write import write

    read = read_terms(file)
    found = problems_of(read)
    if errors(found):
        complain(read.file, read.source, found)
        end(Exit.USAGE)
    return write(read.terms)


def _write(file: Path, before: str, after: str) -> None:
    from daemon.files import write_whole

    if not before:
        raise click.UsageError("--write is for texts; print the text of terms into another file")
    if before != after:
        write_whole(file, after.encode())
