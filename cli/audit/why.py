"""`standstill audit why`: why a level is where it is, down to the statements, and what would lift it."""

from __future__ import annotations

from typing import Any, Final

import click

from cli.audit import words
from cli.audit.asking import PHASES, Asked, Options, asking, asking_options, level_words
from cli.output import Exit, answer, end, hint
from cli.tables import Look, Page
from standstill.v1 import audit_service_pb2 as pb
from standstill.v1 import condition_pb2

SCHEMA: Final = "standstill/audit.why/1"
_CALLABLE: Final = frozenset({condition_pb2.PHASE_OPEN, condition_pb2.PHASE_CALLED})


@click.command()
@click.argument("level", required=False)
@asking_options
def command(options: Options, level: str | None, as_json: bool, color: str, only_ascii: bool) -> None:
    """Show why LEVEL is where it is; every level if none is named.

    A verifier says so; whoever follows the record computes the same (`standstill node status`).

    Exit codes: 0 answered, 2 the agreement has no such level, 4 verifier not reached, 5 it answers for another
    agreement.
    """
    with asking(options) as asked:
        levels = sorted(asked.state.levels, key=lambda one: -one.rank)
        found = [one for one in levels if level in {None, one.name}]
        if not found:
            known = ", ".join(words.safe(one.name) for one in levels)
            hint(f"No level {words.safe(level or '')}; the agreement has {known or 'none'}.")
            end(Exit.USAGE)
        if as_json:
            data = asked.basis() | {"levels": [_data(one) for one in found]}
            answer(SCHEMA, "done", data, as_of=asked.as_of)
        else:
            _show(asked, Page(Look(color, only_ascii)), found)


def _show(asked: Asked, page: Page, levels: list[pb.LevelStatus]) -> None:
    page.line(asked.heading())
    for one in levels:
        page.line(level_words(one))
        if one.phase in _CALLABLE:
            _tree(page, "WHAT WOULD CALL IT", one.why)
        else:
            _tree(page, "CALLED BECAUSE", one.called)
            _tree(page, "WHAT WOULD LIFT IT", one.why)
            page.line(f"  {_earliest(asked, one)}")


def _tree(page: Page, head: str, text: str) -> None:
    page.line(f"  {head}")
    for line in text.splitlines() or ["nothing was said yet"]:
        page.line(f"    {words.safe(line)}")


def _earliest(asked: Asked, level: pb.LevelStatus) -> str:
    if not level.HasField("earliest_lift"):
        return "It cannot be lifted by vote and condition; it ends with its mandate."
    moment = words.moment(asked.end_of(level.earliest_lift))
    return f"Not before the closing of P{level.earliest_lift} ({moment}), by its clocks alone."


def _data(level: pb.LevelStatus) -> dict[str, Any]:
    return {
        "name": level.name,
        "rank": level.rank,
        "phase": PHASES.get(level.phase, "unknown").replace(" ", "_"),
        "episode": level.episode,
        "called_because": level.called.splitlines(),
        "now": level.why.splitlines(),
        "earliest_lift_period": level.earliest_lift if level.HasField("earliest_lift") else None,
    }
