"""`standstill agreement show`: the one page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cli.agreement.files import FILE, Terms, party_option, read_terms
from cli.agreement.findings import complain, errors, problems_of, reading
from cli.output import Exit, answer, end, json_option

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from language.page import PageView


@click.command("show")
@click.argument("file", type=FILE)
@party_option
@click.option("--clauses", is_flag=True, help="Name the place in the text behind each sentence.")
@click.option("--html", is_flag=True, help="A page for printing.")
@json_option
def command(*, file: Path, parties: tuple[Path, ...], clauses: bool, html: bool, as_json: bool) -> None:
    """Show the terms in FILE in words, on one page: the same for the text and for its bytes.

    Exit codes: 0 shown, 1 the terms have errors, 2 unreadable.
    """
    from language.page import page
    from language.page_html import html_page

    read = reading(file, lambda: read_terms(file, parties))
    view = view_of(read, clauses=clauses)
    if as_json:
        answer("standstill/agreement.show/1", "done", _data(read, view))
        return
    click.echo(html_page(view) if html else page(view), nl=False)


def view_of(read: Terms, *, clauses: bool = False) -> PageView:
    """What the page of these terms is made from; terms with errors end the command with exit code 1."""
    from hashlib import sha256

    from language.page import PageView
    from protocol.signing import progress

    found = problems_of(read)
    if errors(found):
        complain(read.file, read.source, found)
        end(Exit.NOT_CONFIRMED)
    signed: Mapping[str, bool] | None = None
    if read.signing is not None:
        signed = {name: one.complete for name, one in progress(read.signing).items()}
    digest = sha256(read.data).digest() if read.data is not None else None
    places = {path: f"{read.file}:{span.line}" for path, span in read.places.items()} if clauses else {}
    return PageView(terms=read.terms, digest=digest, signed=signed, problems=found, places=places)


def _data(read: Terms, view: PageView) -> dict[str, Any]:
    from cli.publish_format import as_table
    from language.page import place_of, sections

    founders = list(read.terms.founding)
    done = [name for name in founders if (view.signed or {}).get(name)]
    return {
        "digest": view.digest,
        "draft": view.digest is None,
        "signed": done,
        "missing": [name for name in founders if name not in done],
        "sections": [
            {
                "heading": section.heading,
                "sentences": [
                    {"clause": one.clause, "text": one.text, "line": _line(read, place_of(one.clause, read.places))}
                    for one in section.sentences
                ],
            }
            for section in sections(view)
        ],
        "terms": as_table(read.terms),
    }


def _line(read: Terms, place: str) -> int | None:
    return read.places[place].line if place else None
