"""`standstill audit lab`: one lab and one period in full, and the periods before it in short."""

from __future__ import annotations

from typing import Any, Final

import click

from cli.audit import words
from cli.audit.asking import Asked, Options, asking, asking_options
from cli.audit.evidence import (
    evidence_data,
    evidence_words,
    finding_data,
    hidden_data,
    hidden_words,
    kind_word,
    place,
    place_data,
    show_finding,
    state_word,
)
from cli.output import Exit, answer, end, hint
from cli.tables import Look, Page, colored
from standstill.v1 import audit_service_pb2 as pb

SCHEMA: Final = "standstill/audit.lab/1"


@click.command()
@click.argument("lab")
@click.option("--period", type=words.period, help="Which period.  [default: the newest assessed]")
@click.option("--last", type=click.IntRange(1, 1_000), default=24, show_default=True, help="How many periods in short.")
@asking_options
def command(
    options: Options, lab: str, period: int | None, last: int, as_json: bool, color: str, only_ascii: bool
) -> None:
    """Show one LAB and one period in full: verdict, evidence, findings, blind spots.

    Exit codes: 0 honored, 1 discrepant or breached, 3 could not be appraised or was not, 4 verifier not reached,
    5 it answers for another agreement or another lab.
    """
    with asking(options) as asked:
        request = pb.ListAssessmentsRequest(lab=lab, to_period=period, limit=last)
        found = list(asked.stub.ListAssessments(request).assessments)
        _require_asked(found, lab)
        shown = found[0] if found and period in {None, found[0].period} else None
        code = Exit.NOT_APPRAISED if shown is None else words.EXITS.get(shown.verdict, Exit.NOT_APPRAISED)
        if as_json:
            data = asked.basis() | _data(lab, shown, found)
            as_of = None if shown is None else asked.end_of(shown.period)
            answer(SCHEMA, words.ANSWERS[code], data, exit_code=code, as_of=as_of)
        else:
            _show(asked, Page(Look(color, only_ascii)), lab, shown, found)
    end(code)


def _require_asked(found: list[pb.AssessedPeriod], lab: str) -> None:
    """Verdicts on another lab are no answer."""
    others = sorted({words.safe(item.lab) for item in found if item.lab != lab})
    if others:
        hint(f"Asked for {words.safe(lab)}, the verifier answered for {', '.join(others)}. Nothing was shown.")
        end(Exit.NOT_TRUSTED)


def _show(asked: Asked, page: Page, lab: str, shown: pb.AssessedPeriod | None, found: list[pb.AssessedPeriod]) -> None:
    page.line(asked.heading())
    if shown is None:
        page.line(f"{words.safe(lab)} is not assessed for that period. What is: standstill audit status")
    else:
        _show_period(asked, page, shown)
    if found:
        letters = "".join(words.mark(item.verdict).letter for item in reversed(found))
        page.line(f" history      P{found[-1].period} to P{found[0].period}, oldest first: {letters}")
    if shown is not None and words.EXITS.get(shown.verdict) is Exit.NOT_CONFIRMED:
        page.line(f"Proof for others: standstill audit bundle {words.safe(lab)} P{shown.period}")


def _show_period(asked: Asked, page: Page, shown: pb.AssessedPeriod) -> None:
    mark, details = words.mark(shown.verdict), shown.details
    when = f"   to {words.moment(asked.end_of(shown.period))}, revision {shown.revision}"
    page.line(f"{words.safe(shown.lab)} P{shown.period}   ", colored(mark.text, mark.color), when)
    page.line(f" statement    {place(shown.statement)}")
    if not shown.HasField("details"):
        page.line(" details      not shown to this certificate; ask the verifier's operator")
        return
    levels = {level.rank: words.safe(level.name) for level in asked.state.levels}
    duty = levels.get(details.duty_level, f"rank {details.duty_level}") if details.duty_level else "report only"
    page.line(f" duty         {duty}")
    page.line(f" record       read to the closing of P{details.record_period}")
    states = ", ".join(f"{kind_word(status)} {state_word(status)}" for status in details.evidence)
    page.line(f" evidence     {evidence_words(details)}: {states}")
    assurance = details.assurance
    for line in hidden_words(assurance):
        page.line(f" hidden       {words.safe(line)}")
    page.line(f" false alarms agreed: {assurance.false_alarm_ppm:,} ppm a test")
    for spot in assurance.blind_spots:
        page.line(f" not seen     {words.safe(spot)}")
    page.line(f" findings     {len(details.findings)}")
    for finding in details.findings:
        show_finding(page, shown.lab, shown.period, finding)


def _data(lab: str, shown: pb.AssessedPeriod | None, found: list[pb.AssessedPeriod]) -> dict[str, Any]:
    return {
        "lab": lab,
        "assessment": None if shown is None else _period_data(shown),
        "history": [{"period": item.period, "verdict": words.mark(item.verdict).word} for item in found],
    }


def _period_data(shown: pb.AssessedPeriod) -> dict[str, Any]:
    details, assurance = shown.details, shown.details.assurance
    stated = {
        "evidence": evidence_data(details),
        "findings": [finding_data(finding) for finding in details.findings],
        "duty_level": details.duty_level,
        "record_period": details.record_period,
        "hidden_compute": hidden_data(assurance),
        "bound_absent_because": assurance.bound_absent_because,
        "false_alarm_ppm": assurance.false_alarm_ppm,
        "blind_spots": list(assurance.blind_spots),
    }
    return {
        "period": shown.period,
        "verdict": words.mark(shown.verdict).word,
        "revision": shown.revision,
        "statement": place_data(shown.statement),
        "details": stated if shown.HasField("details") else None,
    }
