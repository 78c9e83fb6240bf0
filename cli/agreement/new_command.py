"""`standstill agreement new`: begin from a preset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cli.agreement.files import FILE
from cli.output import answer, hint, json_option

if TYPE_CHECKING:
    from pathlib import Path

    from language.presets import Preset


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from language.presets import PRESETS

    return [name for name in PRESETS if name.startswith(incomplete)]


@click.command("new")
@click.option(
    "--preset", metavar="NAME", shell_complete=_complete, help="Preset to begin from; frontier-lab if absent."
)
@click.option("--list", "listing", is_flag=True, help="Name the presets and end.")
@click.option("--about", is_flag=True, help="Print the preset's source and what it leaves out instead.")
@click.option("-o", "--output", type=FILE, help="File for the text, which must not be there yet; else it is printed.")
@json_option
def command(*, preset: str | None, listing: bool, about: bool, output: Path | None, as_json: bool) -> None:
    """Write an agreement to begin from: text that passes `check`, each clause with its source.

    Exit codes: 0 written, 2 there is no such preset, or the file is there already.
    """
    if listing:
        _list(as_json=as_json)
        return
    chosen = _preset(preset or "frontier-lab")
    text = chosen.about if about else chosen.text
    if output is not None:
        _write(output, text)
    if as_json:
        data = {"file": output, "preset": chosen.name, "text": text}
        answer("standstill/agreement.new/1", "done", data)
    elif output is None:
        click.echo(text, nl=False)
    hint(f"Change first: {chosen.change_first}. Then: standstill agreement check {output or 'FILE'}")


def _preset(name: str) -> Preset:
    from language.presets import PRESETS

    if name not in PRESETS:
        raise click.BadParameter(f"expected one of {', '.join(PRESETS)}, found {name}", param_hint="--preset")
    return PRESETS[name]


def _write(path: Path, text: str) -> None:
    """A text that somebody has worked on is never written over."""
    from daemon.files import write_whole

    if path.exists():
        raise click.ClickException(f"{path}: expected no file; move the old one away first")
    write_whole(path, text.encode())


def _list(*, as_json: bool) -> None:
    from language.presets import PRESETS

    rows: list[dict[str, Any]] = [{"preset": one.name, "title": one.title} for one in PRESETS.values()]
    if as_json:
        answer("standstill/agreement.new/1", "done", {"presets": rows})
        return
    for row in rows:
        click.echo(f"{row['preset']:<20}{row['title']}")
