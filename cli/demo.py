"""`standstill demo`: a pause on this machine, from founding to two cheats caught."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.output import Exit, answer, hint, json_option

if TYPE_CHECKING:
    from node.collect import Trace

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option(
    "--trace", "trace_file", type=_FILE, help="Your own cluster's records: sacct export or CSV (docs/traces.md)."
)
@click.option("--mapping", type=_FILE, help="Rules that map your work to labels (mapping.toml).")
@click.option(
    "--chip-class", help="Class of your chips where the records name none: A100-SXM-80, H100-SXM, V100-SXM2-32."
)
@click.option("--chips", type=click.IntRange(min=1), help="Installed chips; without it the peak of concurrent use.")
@click.option("--tz", default="UTC", show_default=True, help="Time zone of times in your records that state none.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the meters' random errors.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("demo-out"), show_default=True,
              help="Where bundles, trust file and journals go.")  # fmt: skip
@json_option
def command(*, trace_file: Path | None, seed: int, out: Path, as_json: bool, **records: Any) -> int:
    """Three labs found an agreement, attest, slow down, are paused, and one of them cheats twice.

    Real daemons on loopback with their own keys and stores, on figures of real clusters, in injected time. Exit 0 only
    if every claim held.
    """
    from demo.cluster import DemoFailed
    from demo.play import NotADemo, perform
    from demo.view import View

    _hear_signals()
    trace = None if trace_file is None else _read(trace_file, **records)
    try:
        # What the auditor is shown belongs to the answer, unless the answer is for a script.
        outcome = perform(View(), out, trace, seed, answers=sys.stderr if as_json else sys.stdout)
    except NotADemo as error:
        raise click.BadParameter(str(error), param_hint="--out") from None
    except DemoFailed as failed:
        hint(f"demo failed: {failed}. The journals of all parties are in {out}.")
        return Exit.FAULT
    held = sum(claim.held for claim in outcome.claims)
    code = Exit.DONE if held == len(outcome.claims) else Exit.NOT_CONFIRMED
    if as_json:
        data = {
            "claims": [{"text": claim.text, "held": claim.held} for claim in outcome.claims],
            "terms": [str(path) for path in outcome.terms],
            "bundles": [str(bundle) for bundle in outcome.bundles],
            "seconds": outcome.seconds,
        }
        answer("standstill/demo/1", "confirmed" if code is Exit.DONE else "not_confirmed", data, exit_code=code)
        return code
    click.echo(f"\n{held} of {len(outcome.claims)} claims held, {outcome.seconds} s.")
    click.echo(f"What was agreed: {_program()} agreement diff {' '.join(map(str, outcome.terms))}")
    click.echo(f"Check it offline: {_program()} audit verify {outcome.bundles[-1]}")
    return code


def _read(path: Path, *, mapping: Path | None, chip_class: str | None, chips: int | None, tz: str) -> Trace:
    """The user's own records, with what was assumed and what could not be used."""
    from demo.scenario import power
    from node.collect import Mapping, read_trace, write_rejected

    classes = sorted(power())
    kind, rules = chip_class or classes[0], mapping or Mapping(chips=_usual_names(classes))
    trace = read_trace(path, mapping=rules, chip_class=kind, chips=chips, tz=tz, chip_classes=classes)
    hint(f"{path.name}: read as {trace.form}, {trace.kept} rows used, {len(trace.figures)} hours")
    for note in trace.notes:
        hint(f"  {note}")
    if trace.rejected:
        listed = write_rejected(trace, Path.cwd())
        hint(
            f"  {len(trace.rejected)} rows rejected, listed in {listed}; the first: {trace.rejected[0].text(path.name)}"
        )
    return trace


def _usual_names(classes: list[str]) -> dict[str, str]:
    """How schedulers usually call the classes that the demo knows: h100 and gpu:h100 for H100-SXM."""
    short = {name.partition("-")[0].lower(): name for name in classes}
    return short | {f"gpu:{name}": kind for name, kind in short.items()}


def _hear_signals() -> None:
    """Whoever ends us ends the parties too: their processes and directories go on the way out."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    # A shell starts what runs in the background with SIGINT ignored, and Python then leaves it so.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number: int, frame: object) -> None:
    sys.exit(128 + number)


def _program() -> str:
    """How this program was called, so that the line printed can be pasted."""
    called = Path(sys.argv[0])
    inside = called.is_absolute() and called.is_relative_to(Path.cwd())
    return str(called.relative_to(Path.cwd())) if inside else str(called)
