"""Stage 6: verdicts settle and move the standing of labs (annex 2 and 4.4)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from protocol.conduct import move, multilateral, settle
from protocol.state import Standing, key

if TYPE_CHECKING:
    from protocol.fold.work import Work


def conduct(work: Work) -> None:
    """6: verdicts that are old enough settle, and move the standing of labs."""
    agreement, standing = work.agreement, work.agreement.terms.standing
    first = (work.old.period if work.old.period is not None else -1) + 1 - standing.settle_periods
    last = work.record.closing.period - standing.settle_periods
    verdicts, labs, held = dict(work.new.verdicts), dict(work.new.conduct), dict(work.new.pledges)
    for lab in agreement.labs:
        for period in range(max(first, work.new.since or last + 1), last + 1):
            # One verdict per operator: keys name verifiers, owners are counted.
            said = {agreement.owner(name): verdicts.pop(key(lab, period, name), None) for name in agreement.verifiers}
            counted = [verdict.verdict for verdict in said.values() if verdict is not None]
            together = multilateral(counted, agreement.quorum, agreement.terms.lying_verifiers)
            labs[lab] = settle(labs[lab], together, standing.of_last)
        if work.new.since is None:
            continue
        moved = move(labs[lab], standing)
        if moved.standing is not labs[lab].standing:
            # A lab that loses standing stays bound to what it kept: breach is no exit (annex 4.3).
            floor = held[lab].kept if moved.standing is Standing.OUT else 0
            floor = held[lab].floor if moved.standing is Standing.ACCUSED else floor
            held[lab] = replace(held[lab], floor=floor)
        labs[lab] = moved
    work.new = replace(work.new, verdicts=verdicts, conduct=labs, pledges=held)
