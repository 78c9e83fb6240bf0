"""`standstill audit status`: where the agreement and every lab stand, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import click

from cli.audit import words
from cli.audit.asking import PHASES, Asked, Options, asking, asking_options, level_words
from cli.audit.evidence import evidence_data, evidence_words, missing_words
from cli.output import Exit, answer, end
from cli.tables import Look, Page, colored
from standstill.v1 import audit_service_pb2 as pb
from standstill.v1 import condition_pb2

SCHEMA: Final = "standstill/audit.status/1"
FRESH: Final = "fresh"
RELIED: Final = "relied"
OK: Final = "ok"
HEADS: Final = ("LAB", "BOUND BY", "VERDICT", "STANDING", "HISTORY", "NEWEST", "EVIDENCE")


@click.command()
@asking_options
def command(options: Options, as_json: bool, color: str, only_ascii: bool) -> None:
    """Show where the agreement and every lab stand.

    Exit codes: 0 all labs honored, 1 some lab discrepant or breached, 3 some lab could not be appraised,
    4 verifier not reached, 5 it answers for another agreement.
    """
    with asking(options) as asked:
        code = words.joined([exit_of(asked, lab) for lab in asked.state.labs] or [Exit.NOT_APPRAISED])
        if as_json:
            answer(SCHEMA, words.ANSWERS[code], _data(asked), exit_code=code, as_of=asked.as_of, notes=[*advice(asked)])
        else:
            _show(asked, Page(Look(color, only_ascii)))
    end(code)


def exit_of(asked: Asked, lab: pb.LabStatus) -> Exit:
    """What the newest verdict on a lab means; silence and a period that others have and it lacks are no verdict."""
    if not lab.HasField("newest"):
        return Exit.NOT_APPRAISED
    behind = lab.newest.period != asked.assessed
    heard = lab.freshness == FRESH and not behind
    return words.joined([words.EXITS.get(lab.newest.verdict, Exit.NOT_APPRAISED)] + [Exit.NOT_APPRAISED] * (not heard))


def advice(asked: Asked) -> Iterator[str]:
    """What is wrong, one sentence each, ending with what to do."""
    for lab in asked.state.labs:
        yield from _of_lab(asked, lab)
    for log in asked.state.logs:
        if log.state not in {OK, ""}:
            seen = f"last contact {words.moment(log.seen)}" if log.seen else "never reached"
            yield f"Log of {words.safe(log.party)}: {words.safe(log.state)}; {seen}, {log.size:,} leaves held."


def _of_lab(asked: Asked, lab: pb.LabStatus) -> Iterator[str]:
    name, newest = words.safe(lab.lab), lab.newest
    if not lab.HasField("newest"):
        yield f"{name} is not assessed yet. Wait: standstill audit watch --until appraised"
        return
    code = words.EXITS.get(newest.verdict, Exit.NOT_APPRAISED)
    if code is Exit.NOT_CONFIRMED:
        yield (
            f"{name} is not confirmed. Why: standstill audit findings {name}. "
            f"Proof for others: standstill audit bundle {name} P{newest.period}"
        )
    elif code is Exit.NOT_APPRAISED:
        why = missing_words(newest.details) or "see its findings"
        yield (
            f"{name} P{newest.period} could not be appraised: {why}. Why: standstill audit findings {name}. "
            "Wait: standstill audit watch --until appraised"
        )
    if asked.assessed is not None and newest.period < asked.assessed:
        yield f"{name} is assessed to P{newest.period} only, others to P{asked.assessed}."
    if lab.freshness != FRESH:
        yield f"{name} is {words.safe(lab.freshness)}: its attestations are overdue by the agreement's clock."
    if lab.standing != RELIED:
        yield f"{name} is {words.safe(lab.standing)}: it stays bound, and others may be released from relying on it."


def _show(asked: Asked, page: Page) -> None:
    state = asked.state
    page.line(asked.heading())
    for level in sorted(state.levels, key=lambda level: -level.rank):
        if level.phase != condition_pb2.PHASE_OPEN:
            bound = ", ".join(map(words.safe, level.bound)) or "nobody"
            page.line(f" {level_words(level)}; episode {level.episode}, binds {bound}")
    page.table(HEADS, (_row(asked, lab) for lab in state.labs))
    for sentence in advice(asked):
        page.line(sentence)


def _row(asked: Asked, lab: pb.LabStatus) -> list[Any]:
    levels = {level.rank: level.name for level in asked.state.levels}
    bound = words.safe(levels.get(lab.level, f"rank {lab.level}")) if lab.level else "reports only"
    known = lab.HasField("newest")
    mark = words.mark(lab.newest.verdict) if known else words.NOT_ASSESSED
    standing = words.safe(lab.standing) + (f", {words.safe(lab.freshness)}" if lab.freshness != FRESH else "")
    return [
        words.safe(lab.lab),
        bound,
        colored(mark.text, mark.color),
        standing,
        _history(lab),
        f"P{lab.newest.period}" if known else "-",
        evidence_words(lab.newest.details) if known and lab.newest.HasField("details") else "not shown",
    ]


def _history(lab: pb.LabStatus) -> str:
    """Periods by verdict: `121 H, 5 B`."""
    marks = [mark for verdict, mark in words.MARKS.items() if verdict]
    found = [f"{count:,} {mark.letter}" for mark, count in zip(marks, lab.counts, strict=False) if count]
    return ", ".join(found) or "-"


def _data(asked: Asked) -> dict[str, Any]:
    return asked.basis() | {
        "state": asked.state.state,
        "levels": [_level_data(level) for level in asked.state.levels],
        "labs": [_lab_data(asked, lab) for lab in asked.state.labs],
        "logs": [
            {"party": log.party, "origin": log.origin, "leaves": log.size, "seen": log.seen, "state": log.state}
            for log in asked.state.logs
        ],
    }


def _level_data(level: pb.LevelStatus) -> dict[str, Any]:
    return {
        "name": level.name,
        "rank": level.rank,
        "phase": PHASES.get(level.phase, "unknown").replace(" ", "_"),
        "episode": level.episode,
        "start_period": level.start if level.HasField("start") else None,
        "end_period": level.end if level.HasField("end") else None,
        "bound": list(level.bound),
        "why": level.why,
    }


def _lab_data(asked: Asked, lab: pb.LabStatus) -> dict[str, Any]:
    known = lab.HasField("newest")
    marks = [mark.word for verdict, mark in words.MARKS.items() if verdict]
    return {
        "lab": lab.lab,
        "exit": exit_of(asked, lab),
        "level": lab.level,
        "standing": lab.standing,
        "freshness": lab.freshness,
        "verdict": words.mark(lab.newest.verdict).word if known else None,
        "period": lab.newest.period if known else None,
        "revision": lab.newest.revision if known else None,
        "periods_by_verdict": dict(zip(marks, lab.counts, strict=False)),
        "evidence": evidence_data(lab.newest.details) if known and lab.newest.HasField("details") else None,
    }
