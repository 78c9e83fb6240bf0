"""`standstill audit watch`: changes as they happen, one line each."""

from __future__ import annotations

import json
from typing import Any, Final

import click

from cli.audit import words
from cli.audit.asking import PHASES, Asked, Options, asking, asking_options, level_words
from cli.output import Exit, answer, end, hint, plain
from cli.tables import Look, Page, colored
from standstill.v1 import audit_service_pb2 as pb
from standstill.v1 import header_pb2

SCHEMA: Final = "standstill/audit.watch/1"
_PHASES: Final = {word.replace(" ", "_"): phase for phase, word in PHASES.items() if phase}
_WORDS: Final = ("closed", "appraised", *(mark.word for verdict, mark in words.MARKS.items() if verdict), *_PHASES)


class Known:
    """What is known of labs and levels so far: the state when the watch began, and every change since."""

    def __init__(self, state: pb.GetStateResponse) -> None:
        """Begin with a state."""
        self._labs = {lab.lab: lab.newest for lab in state.labs}
        self._phases = {level.rank: level.phase for level in state.levels}
        self._closed = False

    def learn(self, change: pb.WatchResponse) -> None:
        """Take in a change; an older period's new revision does not replace a newer period's verdict."""
        self._closed |= change.HasField("closed")
        if change.HasField("assessed"):
            before = self._labs.get(change.assessed.lab)
            if before is None or change.assessed.period >= before.period:
                self._labs[change.assessed.lab] = change.assessed
        if change.HasField("level"):
            self._phases[change.level.rank] = change.level.phase

    def holds(self, word: str) -> bool:
        """Whether what `--until` waits for is so."""
        verdicts = [newest.verdict for newest in self._labs.values()]
        match word:
            case "closed":
                return self._closed
            case "appraised":
                return all(verdict not in {0, header_pb2.VERDICT_INCONCLUSIVE} for verdict in verdicts)
            case "honored":
                return all(verdict == header_pb2.VERDICT_HONORED for verdict in verdicts)
            case word if word in words.SEVERITIES:
                return words.SEVERITIES[word] in verdicts
            case _:
                return _PHASES[word] in self._phases.values()


@click.command()
@click.option("--until", type=click.Choice(_WORDS), help="End with 0 once this is so, for all labs or any level.")
@click.option("--jsonl", is_flag=True, help="One JSON object a line, for scripts.")
@asking_options
def command(options: Options, until: str | None, jsonl: bool, as_json: bool, color: str, only_ascii: bool) -> None:
    """Show changes as they happen.

    `--until appraised` waits until no lab is inconclusive, `honored` until all are; `inconclusive`, `discrepant` and
    `breached` until some lab is; `closed` for the next closing; the others for a level's phase.
    Exit codes: 0 what was waited for is so, 4 not reached or the stream ended, 5 another agreement, 130 interrupted.
    """
    with asking(options) as asked:
        known, page = Known(asked.state), Page(Look(color, only_ascii))
        stream = asked.stub.Watch(pb.WatchRequest())
        as_lines = jsonl or as_json
        if not as_lines:
            page.line(asked.heading())
        if until is not None and known.holds(until):
            stream.cancel()
            _say_so(asked, until, as_lines=as_lines)
            end(Exit.DONE)
        for change in stream:
            known.learn(change)
            _show(asked, page, change, as_lines=as_lines)
            if until is not None and known.holds(until):
                stream.cancel()
                end(Exit.DONE)
    hint("The verifier ended the stream. Watch again, or look: standstill audit status")
    end(Exit.NOT_REACHED)


def _say_so(asked: Asked, until: str, *, as_lines: bool) -> None:
    said = f"{until}: so already"
    if as_lines:
        answer(SCHEMA, "done", asked.basis(), as_of=asked.as_of, notes=[said])
    else:
        click.echo(said)


def _show(asked: Asked, page: Page, change: pb.WatchResponse, *, as_lines: bool) -> None:
    if as_lines:
        line = {"schema": SCHEMA, "agreement": asked.state.agreement, "time": change.time} | _data(change)
        click.echo(json.dumps(plain(line), ensure_ascii=False))
        return
    when = f"{words.moment(change.time)}   "
    match change.WhichOneof("change"):
        case "closed":
            page.line(when, f"P{change.closed.period} closed, state {change.closed.state.hex()[:16]}")
        case "assessed":
            assessed = change.assessed
            mark = words.mark(assessed.verdict)
            codes = sorted({words.safe(finding.code) for finding in assessed.details.findings})
            again = f", revision {assessed.revision}" if assessed.revision > 1 else ""
            said = f"{again}   {', '.join(codes)}".rstrip()
            page.line(when, f"{words.safe(assessed.lab)} P{assessed.period} ", colored(mark.text, mark.color), said)
        case "level":
            bound = ", ".join(map(words.safe, change.level.bound)) or "nobody"
            page.line(when, f"{level_words(change.level)}; binds {bound}")
        case None:
            page.line(when, "a change that this program does not know; a newer version does")


def _data(change: pb.WatchResponse) -> dict[str, Any]:
    match change.WhichOneof("change"):
        case "closed":
            return {"change": "closed", "period": change.closed.period, "state": change.closed.state}
        case "assessed":
            found = change.assessed
            return {
                "change": "assessed",
                "lab": found.lab,
                "period": found.period,
                "verdict": words.mark(found.verdict).word,
                "revision": found.revision,
                "codes": sorted({finding.code for finding in found.details.findings}),
            }
        case "level":
            level = change.level
            phase = PHASES.get(level.phase, "unknown").replace(" ", "_")
            return {"change": "level", "level": level.name, "phase": phase, "bound": list(level.bound)}
        case None:
            return {"change": "unknown"}
