"""Stage 6: verdicts settle and move the standing of labs (annex 2 and 4.4)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from protocol.conduct import DISCREPANT, VERDICTS, Freshness, move, multilateral, settle
from protocol.duty import last_attested, silence
from protocol.state import Conduct, Standing, VerdictState, key

if TYPE_CHECKING:
    from protocol.fold.work import Work


def conduct(work: Work) -> None:
    """6: verdicts that are old enough settle, and move the standing of labs."""
    if work.new.since is None:
        return
    labs = {lab: replace(found, silent=_silent(work, lab)) for lab, found in work.new.conduct.items()}
    work.new = replace(work.new, conduct=labs)
    held, verdicts = dict(work.new.pledges), dict(work.new.verdicts)
    for lab, before in work.new.conduct.items():
        now = _settled(work, lab, before, verdicts)
        if now.standing is Standing.OUT and before.standing is not Standing.OUT:
            # A lab that loses standing stays bound to what it kept: breach is no exit (annex 4.3).
            held[lab] = replace(held[lab], floor=held[lab].kept)
        elif now.standing is Standing.RELIED:
            held[lab] = replace(held[lab], floor=0)
        labs[lab] = now
    work.new = replace(work.new, verdicts=verdicts, conduct=labs, pledges=held)


def _silent(work: Work, lab: str) -> int:
    """Periods owed and not attested; a stretch in which nothing could be recorded adds one (annex 1.7)."""
    newest = last_attested(work.agreement, work.new, lab)
    owed = work.record.closing.period - (newest + 1)
    return max(min(owed, work.old.conduct[lab].silent + 1), 0)


def _settled(work: Work, lab: str, conduct: Conduct, verdicts: dict[str, VerdictState]) -> Conduct:
    """A lab's conduct after the periods that settle with this closing; their verdicts leave the state."""
    terms = work.agreement.terms.standing
    first = 0 if work.old.period is None else work.old.period + 1 - terms.settle_periods
    last = work.record.closing.period - terms.settle_periods
    for period in range(max(first, work.new.since or 0), last + 1):
        conduct = settle(conduct, _together(work, lab, period, verdicts), terms.of_last)
    return move(conduct, terms)


def _together(work: Work, lab: str, period: int, verdicts: dict[str, VerdictState]) -> str:
    """M(i,a): one verdict per operator that is neither convicted nor of the lab's own group (annex 2, 2 and 3)."""
    agreement = work.agreement
    said: dict[str, list[VerdictState]] = {}
    for name in agreement.verifiers:
        verdict, owner = verdicts.pop(key(lab, period, name), None), agreement.owner(name)
        if verdict is not None and not work.new.parties[name].convicted and owner != agreement.owner(lab):
            said.setdefault(owner, []).append(verdict)
    counted = [verdict for texts in said.values() for verdict in _newest(texts)]
    found = multilateral(counted, agreement.quorum, agreement.terms.lying_verifiers)
    # Presumed non-compliant is at best discrepant (annex 4.4).
    silent = silence(agreement, work.new, lab) is Freshness.PRESUMED
    unheard = silent and last_attested(agreement, work.new, lab) < period
    return max(found, DISCREPANT, key=VERDICTS.index) if unheard else found


def _newest(texts: list[VerdictState]) -> set[str]:
    """What an operator says in its newest revision; nothing if its verifiers say two things under one number."""
    revision = max(text.revision for text in texts)
    said = {text.verdict for text in texts if text.revision == revision}
    return said if len(said) == 1 else set()
