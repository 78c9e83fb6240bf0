"""Ends that are missing, and thresholds that move the wrong way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from language.lint.finding import Finding, note, warning
from language.lint.view import tests
from protocol.agreement_limits import MAX_PERIODS
from standstill.v1 import condition_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from language.lint.view import View


def sunsets(view: View) -> Iterator[Finding]:
    """`no-sunset`: a level that ends by a vote only. A note where a source is cited for it."""
    cited = {citation.clause for citation in view.terms.citations}
    for level in view.terms.levels:
        if level.mandate_periods >= MAX_PERIODS:
            make = note if f"level {level.name}" in cited else warning
            never = level.resume.WhichOneof("test") == "constant" and not level.resume.constant.value
            text = "has no end at all" if never else "has no end but a vote"
            yield make("no-sunset", f"levels.{level.name}.mandate_periods", text)


def brakes(view: View) -> Iterator[Finding]:
    """`no-brake`: nobody can act before a vote."""
    if view.terms.levels and not any(level.HasField("brake") for level in view.terms.levels):
        yield note("no-brake", "levels", "nobody can stop at once: no level has a brake")


def ratchets(view: View) -> Iterator[Finding]:
    """`ratchet-loosens`: a threshold that moves by itself to where the trigger is met less easily."""
    for level in view.terms.levels:
        for path, part in tests(level.trigger, f"levels.{level.name}.trigger"):
            moves = part.WhichOneof("test") == "reading" and part.reading.HasField("ratchet")
            upward = part.reading.comparison == condition_pb2.COMPARISON_AT_LEAST
            if moves and (part.reading.ratchet.factor_ppm > 1_000_000) == upward:
                yield warning("ratchet-loosens", path, "moves by itself to where the trigger is met less easily")
