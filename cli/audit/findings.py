"""`standstill audit findings`: what was found, with figures and the statements behind it."""

from __future__ import annotations

from typing import Any, Final

import click

from cli.audit import words
from cli.audit.asking import Options, asking, asking_options
from cli.audit.evidence import finding_data, show_finding
from cli.output import Exit, answer, end
from cli.tables import Look, Page
from standstill.v1 import audit_service_pb2 as pb

SCHEMA: Final = "standstill/audit.findings/1"
_SEVERITY: Final = click.Choice(list(words.SEVERITIES))


@click.command()
@click.argument("lab", required=False, default="")
@click.option("--since", type=words.period, default="0", help="First period.  [default: the first]")
@click.option("--severity", type=_SEVERITY, default="inconclusive", show_default=True, help="Least severity shown.")
@click.option("--fail-on", type=_SEVERITY, help="Exit with 1 if a finding shown is at least this severe.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=100, show_default=True, help="Most findings asked for.")
@asking_options
def command(
    options: Options, lab: str, since: int, severity: str, fail_on: str | None, limit: int, as_json: bool, **look: Any
) -> None:
    """Show findings on LAB (all labs if not given), newest period first.

    Exit codes: 0 once obtained, 1 with --fail-on, 4 verifier not reached, 5 it answers for another agreement.
    """
    with asking(options) as asked:
        request = pb.ListFindingsRequest(lab=lab, from_period=since, limit=limit)
        everything = asked.stub.ListFindings(request).findings
        found = [item for item in everything if item.finding.severity >= words.SEVERITIES[severity]]
        code = _exit(found, fail_on)
        notes = [f"Only the newest {limit:,} were asked for: --limit"] if len(everything) >= limit else []
        if as_json:
            data = asked.basis() | {"findings": [_data(item) for item in found]}
            said = "done" if code is Exit.DONE else words.ANSWERS[code]
            answer(SCHEMA, said, data, exit_code=code, as_of=asked.as_of, notes=notes)
        else:
            page = Page(Look(**look))
            page.line(asked.heading())
            _show(page, found, notes)
    end(code)


def _exit(found: list[pb.PlacedFinding], fail_on: str | None) -> Exit:
    if fail_on is None:
        return Exit.DONE
    failing = any(item.finding.severity >= words.SEVERITIES[fail_on] for item in found)
    return Exit.NOT_CONFIRMED if failing else Exit.DONE


def _show(page: Page, found: list[pb.PlacedFinding], notes: list[str]) -> None:
    for item in found:
        show_finding(page, item.lab, item.period, item.finding)
    if not found:
        page.line("No findings. That is no proof of anything by itself: standstill audit status")
    for note in notes:
        page.line(note)


def _data(item: pb.PlacedFinding) -> dict[str, Any]:
    return {"lab": item.lab, "period": item.period} | finding_data(item.finding)
