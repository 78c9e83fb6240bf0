"""`standstill audit bundle`: fetch the evidence behind one verdict as a file, whole or not at all."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.progress import DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from cli.audit import words
from cli.audit.asking import Options, asking, asking_options
from cli.audit.verify import check_bound, exit_of
from cli.output import Exit, answer, end, hint
from cli.tables import Look, Page
from daemon.files import write_whole
from daemon.limits import MAX_DEADLINE_SECONDS
from protocol.bundle import MAX_BUNDLE_BYTES, Report, verify_bundle
from protocol.errors import Reason
from standstill.v1 import audit_service_pb2 as pb

SCHEMA: Final = "standstill/audit.bundle/1"
LONGEST: Final = 0.9 * MAX_DEADLINE_SECONDS
"""Seconds that a whole bundle may take; less than what a server accepts, because clocks differ."""


@click.command()
@click.argument("lab")
@click.argument("period", type=words.period, required=False)
@click.option("-o", "--output", metavar="FILE", help="Where to write it, - for standard output.  [LAB-P122.bundle]")
@asking_options
def command(options: Options, lab: str, period: int | None, output: str | None, as_json: bool, **look: Any) -> None:
    """Fetch the evidence behind the verdict on LAB in PERIOD (the newest if not given) into one file.

    The file is checked before it is kept. Exit codes: 0 done, 1 its bytes give another verdict than the verifier
    signed (kept, as proof), 3 or 5 it cannot be checked or trusted or is of something else (not kept), 4 not reached,
    6 refused.
    """
    with asking(options) as asked:
        request = pb.GetBundleRequest(lab=lab, period=period)
        data = _collect(chunk.chunk for chunk in asked.stub.GetBundle(request, timeout=LONGEST))
        report = verify_bundle(data, asked.state.agreement, check_bound)
        code = exit_of(report)
        if code not in {Exit.DONE, Exit.NOT_CONFIRMED}:
            failed = report.failed()
            hint(f"The bundle does not hold: {failed.name}: {words.safe(failed.detail)}" if failed else "Not checked.")
            hint("Nothing was written. Ask again; if it stays so, tell the verifier's operator.")
            end(code)
        _require_asked(report, lab, period)
        file = output or f"{words.safe(report.lab)}-P{report.period}.bundle"
        if file == "-":
            sys.stdout.buffer.write(data)
        else:
            write_whole(Path(file), data)
            _say(asked.as_of, file, data, report, code, as_json=as_json, look=Look(**look))
    end(code)


def _require_asked(report: Report, lab: str, period: int | None) -> None:
    """A sound bundle of something else is no answer, and must not be taken for one by its name."""
    if report.lab != lab or period not in {None, report.period}:
        asked = words.safe(lab) if period is None else f"{words.safe(lab)} P{period}"
        hint(f"Asked for {asked}, the verifier sent {words.safe(report.lab)} P{report.period}. Nothing was written.")
        end(Exit.NOT_TRUSTED)


def _collect(chunks: Iterable[bytes]) -> bytes:
    """All chunks, up to the size that a bundle may have."""
    data = bytearray()
    with _progress() as show:
        for chunk in chunks:
            data += chunk
            if len(data) > MAX_BUNDLE_BYTES:
                hint(f"{Reason.MESSAGE_TOO_LARGE} bundle: more than {MAX_BUNDLE_BYTES:,} bytes. Nothing was written.")
                end(Exit.NOT_TRUSTED)
            show(len(data))
    return bytes(data)


@contextmanager
def _progress() -> Iterator[Any]:
    """How much has come so far, on a terminal only; how much will come is not known."""
    console = Console(stderr=True)
    columns = (TextColumn("fetching"), DownloadColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("fetching", total=None)
        yield lambda size: progress.update(task, completed=size)


def _say(as_of: int | None, file: str, data: bytes, report: Report, code: Exit, *, as_json: bool, look: Look) -> None:
    """Where the bundle is, how large, and the one command that checks it without the verifier."""
    digest = sha256(data).hexdigest()
    word = words.mark(report.verdict or 0).word
    check = f"standstill audit verify {file} --trust FILE|HEX"
    if as_json:
        found = {"lab": report.lab, "period": report.period, "verdict": word, "path": file}
        found |= {"bytes": len(data), "sha256": digest, "check": check}
        answer(SCHEMA, "done" if code is Exit.DONE else words.ANSWERS[code], found, exit_code=code, as_of=as_of)
        return
    page = Page(look)
    page.line(f"{file}   {len(data):,} bytes, SHA-256 {digest[:16]}   {words.safe(report.lab)} P{report.period} {word}")
    if code is not Exit.DONE:
        page.line("Its bytes give another verdict than the verifier signed. It was kept: it proves that.")
    page.line(f"Check it offline: {check}")
