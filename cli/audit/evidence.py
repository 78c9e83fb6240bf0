"""How evidence, findings and statements are shown."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_CEILING, Decimal, localcontext
from typing import Any, Final

from cli.audit import words
from cli.tables import Page, colored
from standstill.v1 import agreement_pb2, assessment_pb2, quantity_pb2

PRESENT: Final = assessment_pb2.EVIDENCE_STATE_PRESENT
TENTHS: Final = "tenths of sigma"
"""Unit of deviations in findings; people read sigma."""


def kind_word(status: assessment_pb2.EvidenceStatus) -> str:
    """Name of a kind of evidence."""
    names = {number: name for name, number in agreement_pb2.Evidence.items()}
    return names.get(status.evidence, f"kind {status.evidence}").removeprefix("EVIDENCE_").lower()


def state_word(status: assessment_pb2.EvidenceStatus) -> str:
    """State of a kind of evidence: present, missing, stale, mismatched, contradicted, could not appraise."""
    names = {number: name for name, number in assessment_pb2.EvidenceState.items()}
    word = names.get(status.state, f"state {status.state}").removeprefix("EVIDENCE_STATE_").lower()
    return "could not appraise" if status.state == assessment_pb2.EVIDENCE_STATE_NOT_APPRAISED else word


def evidence_words(details: assessment_pb2.Assessment) -> str:
    """How much of the evidence that is due is there: `4 of 5`."""
    present = sum(status.state == PRESENT for status in details.evidence)
    return f"{present} of {len(details.evidence)}"


def missing_words(details: assessment_pb2.Assessment) -> str:
    """What of the evidence that is due is not there: `meter missing, energy contradicted`; empty if all is."""
    absent = [status for status in details.evidence if status.state != PRESENT]
    return ", ".join(f"{kind_word(status)} {state_word(status)}" for status in absent)


def evidence_data(details: assessment_pb2.Assessment) -> dict[str, str]:
    """State by kind of evidence, for JSON."""
    return {kind_word(status): state_word(status).replace(" ", "_") for status in details.evidence}


def place(ref: assessment_pb2.StatementRef) -> str:
    """A statement by its log and leaf: `gamma.example/log[122]`."""
    return f"{words.safe(ref.origin)}[{ref.index}]"


def place_data(ref: assessment_pb2.StatementRef) -> dict[str, Any]:
    """The same for JSON."""
    return {"origin": ref.origin, "index": ref.index, "identity": ref.identity}


def finding_data(finding: assessment_pb2.Finding) -> dict[str, Any]:
    """A finding for JSON: figures as exact decimal integers in text, each with its unit."""
    return {
        "code": finding.code,
        "severity": words.mark(finding.severity).word,
        "site": finding.site or None,
        "figures": [{"name": f.name, "value": f.value, "unit": f.unit} for f in finding.figures],
        "statements": [place_data(ref) for ref in finding.statements],
        "text": finding.text,
    }


def show_finding(page: Page, lab: str, period: int, finding: assessment_pb2.Finding) -> None:
    """A finding on a few lines: what, in words, the figures, and the statements behind it."""
    mark = words.mark(finding.severity)
    site = f"   site {finding.site.hex()[:8]}" if finding.site else ""
    head = f"{words.safe(lab)} P{period}   "
    page.line(head, colored(mark.text, mark.color), f"   {words.safe(finding.code)}{site}")
    page.line(f"  {words.safe(finding.text)}")
    if finding.figures:
        page.line("  " + "   ".join(figure_words(finding.figures)))
    if finding.statements:
        said = "rests on" if len(finding.statements) == 1 else "see side by side"
        page.line(f"  {said}: {', '.join(place(ref) for ref in finding.statements)}")


def figure_words(figures: Any) -> Iterator[str]:
    """Figures in order, with separators of thousands: `observed 448 chips`."""
    for figure in figures:
        if figure.unit == TENTHS and figure.value.isdecimal():
            yield f"{words.safe(figure.name)} {int(figure.value) // 10:,}.{int(figure.value) % 10} sigma"
        else:
            yield f"{words.safe(figure.name)} {words.number(figure.value)} {words.safe(figure.unit)}".rstrip()


def hidden_words(assurance: assessment_pb2.Assurance) -> Iterator[str]:
    """What a verdict says of hidden compute: bound, floor, story, what more evidence would do."""
    hidden = assurance.hidden_compute
    if not assurance.HasField("hidden_compute"):
        yield assurance.bound_absent_because
        return
    if hidden.absent_because:
        yield f"no bound: {hidden.absent_because}"
        return
    since = f"since P{hidden.first_period}"
    if hidden.HasField("bound"):
        yield f"at most {_flop(hidden.bound)} of covert training fit the evidence {since}"
    for way in hidden.unbounded:
        yield f"unbounded {since} through {way}"
    yield f"declared falsely, in every history that fits: at least {hidden.floor.value // 3_600:,} chip-hours"
    for part in hidden.story:
        yield f"the worst history: {_flop(part.operations)} by {part.channel}"
    for left in hidden.resilience:
        most = (
            f"at most {_flop(left.bound)}" if left.HasField("bound") else f"unbounded through {'; '.join(left.opened)}"
        )
        yield f"if {', '.join(left.owners) or 'nobody'} lies: {most}"
    for one in hidden.worth:
        yield f"with {one.change}: {f'at most {_flop(one.bound)}' if one.HasField('bound') else 'unbounded still'}"


def _flop(quantity: quantity_pb2.Quantity) -> str:
    """Operations to three digits, rounded up: a bound must not look smaller than it is."""
    with localcontext(prec=3, rounding=ROUND_CEILING):
        return f"{+(Decimal(quantity.value) * 10**12):.2E} FLOP".replace("E+", "e")


def hidden_data(assurance: assessment_pb2.Assurance) -> dict[str, Any] | None:
    """The same for JSON; numbers as they are signed."""
    if not assurance.HasField("hidden_compute"):
        return None
    hidden = assurance.hidden_compute
    return {
        "first_period": hidden.first_period,
        "at_most_tflop": hidden.bound.value if hidden.HasField("bound") else None,
        "false_chip_seconds_at_least": hidden.floor.value if hidden.HasField("floor") else None,
        "unbounded": list(hidden.unbounded),
        "absent_because": hidden.absent_because,
        "story": {part.channel: part.operations.value for part in hidden.story},
        "resilience": [
            {
                "liars": left.liars,
                "owners": list(left.owners),
                "at_most_tflop": left.bound.value if left.HasField("bound") else None,
                "opened": list(left.opened),
            }
            for left in hidden.resilience
        ],
        "worth": {one.change: one.bound.value if one.HasField("bound") else None for one in hidden.worth},
    }
