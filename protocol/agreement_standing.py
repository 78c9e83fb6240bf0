"""What terms of standing, of questions and of who takes part must mean (spec: agreement).

One function per rule, as in :mod:`protocol.agreement_meaning`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.agreement_limits import MAX_PERIODS, within
from protocol.errors import Reason, Refused
from standstill.v1 import agreement_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterator


def silence_releases_last(terms: pb.Agreement) -> Iterator[Refused]:
    """Silence makes a lab presumed non-compliant before it makes others stop relying on it (annex 4.4)."""
    silence, presumed = terms.standing.silence_out_periods, terms.freshness.presumed_non_compliant_periods
    if silence and not presumed <= silence <= MAX_PERIODS:
        found = f"{silence}, not {presumed} to {MAX_PERIODS}"
        yield Refused(Reason.CLOCKS_CONTRADICT, "standing.silence_out_periods", found)


def answers_have_a_clock(terms: pb.Agreement) -> Iterator[Refused]:
    """What becomes of a lab that does not answer is known, and there is a time to answer in."""
    worth = terms.verification
    where = "verification.clarification_answer_periods"
    yield from within(where, worth.clarification_answer_periods, 0, MAX_PERIODS)
    if worth.no_answer not in pb.NoAnswer.values():
        yield Refused(Reason.VALUE_OUT_OF_RANGE, "verification.no_answer", str(worth.no_answer))
    if worth.no_answer and not worth.clarification_answer_periods:
        yield Refused(Reason.FIELD_ABSENT, where, "no_answer is stated, but nobody owes answers")
