"""The page for printing: one file of HTML without scripts, links or fonts of others."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from language.characters import visible
from language.page import heading_lines, sections

if TYPE_CHECKING:
    from collections.abc import Iterator

    from language.page import PageView, Section

_STYLE: Final = """\
body { font: 11pt/1.45 Georgia, serif; max-width: 44em; margin: 2em auto; padding: 0 1em; color: #111 }
h1 { font-size: 1.5em; margin: 0 } p.digest { font: 9pt monospace; overflow-wrap: anywhere }
dt { font-weight: bold; margin-top: 1em } dd { margin: 0.2em 0 0 0 }
@media print { body { margin: 0; font-size: 10pt } dt { break-after: avoid } }
"""


def html_page(view: PageView) -> str:
    """The page of :func:`language.page.page` as HTML."""
    return "\n".join(_lines(view)) + "\n"


def _lines(view: PageView) -> Iterator[str]:
    title, *rest = heading_lines(view)
    yield "<!doctype html>"
    yield f'<html lang="en"><head><meta charset="utf-8"><title>{escape(visible(view.terms.name))}</title>'
    yield f"<style>\n{_STYLE}</style></head><body>"
    yield f"<h1>{escape(visible(view.terms.name))}</h1>"
    yield f"<p>{escape(title)}</p>"
    yield from (f'<p class="digest">{escape(line)}</p>' for line in rest)
    yield "<dl>"
    for section in sections(view):
        yield from _section(section)
    yield "</dl></body></html>"


def _section(section: Section) -> Iterator[str]:
    yield f"<dt>{escape(section.heading)}</dt><dd>"
    for sentence in section.sentences:
        yield f'<span title="{escape(sentence.clause, quote=True)}">{escape(sentence.text)}</span>'
    yield "</dd>"
