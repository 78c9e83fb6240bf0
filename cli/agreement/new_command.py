"""`standstill agreement new`: begin from a preset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from cli.agreement.files import FILE
from cli.output import answer, hint, json_option

if TYPE_CHECKING:
    from pathlib import Path

    from language.presets import Preset


_BEGIN: Final = "2027-01-03T00:00Z"


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from language.presets import PRESETS

    return [name for name in PRESETS if name.startswith(incomplete)]


@click.command("new")
@click.option(
    "--preset", metavar="NAME", shell_complete=_complete, help="Preset to begin from; frontier-lab if absent."
)
@click.option(
    "--party", "parties", metavar="NAME:ROLE[:OWNER]", multiple=True,
    help="Begin with these parties instead, one pause, and every key explained; repeat.",
)  # fmt: skip
@click.option("--start", metavar="TIME", help="Start of period 0 with --party, such as 2027-01-03T00:00Z.")
@click.option("--list", "listing", is_flag=True, help="Name the presets and end.")
@click.option("--about", is_flag=True, help="Print the preset's source and what it leaves out instead.")
@click.option("-o", "--output", type=FILE, help="File for the text, which must not be there yet; else it is printed.")
@json_option
def command(
    *,
    preset: str | None,
    parties: tuple[str, ...],
    start: str | None,
    listing: bool,
    about: bool,
    output: Path | None,
    as_json: bool,
) -> None:
    """Write an agreement to begin from: text that passes `check`, each clause with its source.

    Exit codes: 0 written, 2 there is no such preset, or the file is there already.
    """
    if listing:
        _list(as_json=as_json)
        return
    if parties:
        if preset or about:
            raise click.UsageError("--party begins without a preset")
        name, text, first = None, _own(parties, start or _BEGIN), "what the pause is called by, and who votes"
    else:
        chosen = _preset(preset or "frontier-lab")
        name, text, first = chosen.name, chosen.about if about else chosen.text, chosen.change_first
    if output is not None:
        _write(output, text)
    if as_json:
        data = {"file": output, "preset": name, "text": text}
        answer("standstill/agreement.new/1", "done", data)
    elif output is None:
        click.echo(text, nl=False)
    hint(f"Change first: {first}. Then: standstill agreement check {output or 'FILE'}")


def _own(parties: tuple[str, ...], start: str) -> str:
    """A beginning for parties of one's own, which `check` passes."""
    from language.check import check
    from language.problem import Unreadable
    from language.skeleton import Newcomer, lacking, skeleton

    found = []
    for said in parties:
        name, role, owner = (*said.split(":", 2), "", "")[:3]
        found.append(Newcomer(name, role, owner or name))
    if wrong := lacking(found):
        raise click.BadParameter("; ".join(wrong), param_hint="--party")
    if len({one.name for one in found}) < len(found):
        raise click.BadParameter("each name once", param_hint="--party")
    try:
        text = skeleton("my-agreement", start, found)
    except Unreadable as unreadable:
        raise click.BadParameter(str(unreadable), param_hint="--party") from unreadable
    for problem in check(text).errors:
        raise click.BadParameter(problem.sentence, param_hint="--start" if "start" in problem.text else "--party")
    return text


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
