"""Stage 6: verdicts settle, are revised, and move the standing of labs (annex 2 and 4.4)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from protocol.conduct import BREACHED, DISCREPANT, VERDICTS, Freshness, Grounds, move, multilateral, revise, settle
from protocol.decisions import Asked, tally
from protocol.duty import last_attested, silence
from protocol.fold.ballots import fresh
from protocol.fold.inquiries import owes_an_answer
from protocol.recusal import recused
from protocol.state import Conduct, Membership, Standing, VerdictState, key
from standstill.v1 import header_pb2 as pb
from standstill.v1.decision_pb2 import MOTION_HOLD, MOTION_RELEASE, Motion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from protocol.fold.work import Work


def conduct(work: Work) -> None:
    """6: verdicts that are old enough settle, later ones revise them, and both move the standing of labs."""
    if work.new.since is None:
        return
    labs = {
        lab: found if found.silent == (silent := _silent(work, lab)) else replace(found, silent=silent)
        for lab, found in work.new.conduct.items()
    }
    work.new = replace(work.new, conduct=labs)
    held, verdicts = dict(work.new.pledges), dict(work.new.verdicts)
    spoken_of = _spoken_of(work)
    for lab, before in work.new.conduct.items():
        # Nothing is owed by, or said of, who has still to join.
        if work.new.parties[lab].membership is Membership.FORMING:
            continue
        now = _moved(work, lab, before, spoken_of.get(lab, ()))
        if now.standing is Standing.OUT and before.standing is not Standing.OUT:
            # A lab that loses standing stays bound to what it kept: breach is no exit (annex 4.3).
            held[lab] = replace(held[lab], floor=held[lab].kept)
        elif now.standing is Standing.RELIED and held[lab].floor:
            held[lab] = replace(held[lab], floor=0)
        labs[lab] = now
        _forget(work, lab, (before, now), verdicts)
    work.new = replace(work.new, verdicts=verdicts, conduct=labs, pledges=held)


def open_to_verdicts(work: Work, lab: str, period: int) -> bool:
    """Whether a verdict that this closing records still counts for a period.

    It does until the period settles, and after that, acting forward only, as long as standing looks at the period
    (annex 2, 4). The closing that settles a period is the last before which it counts as not yet settled.
    """
    old = work.old
    # Nothing is said of who has still to join: nobody would look at it, and it would stay for ever.
    if period < (old.since or 0) or old.parties[lab].membership is Membership.FORMING:
        return False
    settled = -1 if old.period is None else old.period - work.agreement.terms.standing.settle_periods
    return period > settled or period in _looked_at(work.new.conduct[lab], settled)


def _looked_at(conduct: Conduct, settled: int) -> set[int]:
    """Settled periods that standing still looks at: those in the window, and those that accused the lab."""
    return {*range(settled - len(conduct.settled) + 1, settled + 1), *conduct.cause}


def _spoken_of(work: Work) -> Mapping[str, set[int]]:
    """By lab, the periods whose verdict this record may change: by an assessment, or by convicting a verifier."""
    found: dict[str, set[int]] = {}
    for leaf in work.of_kind(pb.KIND_ASSESSMENT):
        assert leaf.header is not None  # noqa: S101 - accepted leaves have headers
        found.setdefault(leaf.header.assessment.lab, set()).add(leaf.header.period)
    before, after = work.old.parties, work.new.parties
    if any(after[name].convicted and not before[name].convicted for name in work.agreement.verifiers):
        for place in work.new.verdicts:
            lab, period, _ = place.split("|")
            found.setdefault(lab, set()).add(int(period))
    return found


def _silent(work: Work, lab: str) -> int:
    """Periods owed and not attested; a stretch in which nothing could be recorded adds one (annex 1.7)."""
    if work.new.parties[lab].membership is Membership.FORMING:
        return 0
    newest = last_attested(work.agreement, work.new, lab)
    owed = work.record.closing.period - (newest + 1)
    return max(min(owed, work.old.conduct[lab].silent + 1), 0)


def _moved(work: Work, lab: str, conduct: Conduct, spoken_of: Iterable[int]) -> Conduct:
    """A lab's conduct after what this closing settles and revises, and what follows for its standing."""
    terms = work.agreement.terms.standing
    first = 0 if work.old.period is None else work.old.period + 1 - terms.settle_periods
    last = work.record.closing.period - terms.settle_periods
    for period in range(max(first, work.new.since or 0), last + 1):
        conduct = settle(conduct, _together(work, lab, period), terms.of_last)
    vacated = set()
    for period in sorted(set(spoken_of) & _looked_at(conduct, last)):
        found = _together(work, lab, period)
        conduct = revise(conduct, last - period, found)
        if found != BREACHED:
            vacated.add(period)
    grounds = Grounds(last=last, closing=work.record.closing.period, vacated=frozenset(vacated))
    if conduct.standing is Standing.ACCUSED:
        held, released = (_carried(work, motion, lab, conduct) for motion in _VOTES)
        grounds = grounds._replace(held=held, released=released)
    return move(conduct, terms, grounds)


_VOTES: Final = (MOTION_HOLD, MOTION_RELEASE)


def _carried(work: Work, motion: Motion.ValueType, lab: str, conduct: Conduct) -> bool:
    """Whether a vote on an accused lab is carried, with the ballots of this record: none recorded in time is lost."""
    asked = Asked(motion, episode=conduct.accusations, about=lab)
    state = replace(work.new, ballots=fresh(work))
    return tally(work.agreement, state, asked, recused(work.agreement, state, asked)).carried


def _forget(work: Work, lab: str, conducts: tuple[Conduct, Conduct], verdicts: dict[str, VerdictState]) -> None:
    """Verdicts on periods that standing looks at no longer leave the state, but for the newest: it is cited."""
    before, now = conducts
    settled = work.record.closing.period - work.agreement.terms.standing.settle_periods
    was = -1 if work.old.period is None else work.old.period - work.agreement.terms.standing.settle_periods
    past = _looked_at(before, was) | set(range(was, settled))
    for period in past - _looked_at(now, settled):
        for name in work.agreement.verifiers:
            verdicts.pop(key(lab, period, name), None)


def _together(work: Work, lab: str, period: int) -> str:
    """M(i,a): one verdict per operator that is neither convicted nor of the lab's own group (annex 2, 2 and 3)."""
    agreement = work.agreement
    said: dict[str, list[VerdictState]] = {}
    for name in agreement.verifiers:
        verdict, owner = work.new.verdicts.get(key(lab, period, name)), agreement.owner(name)
        if verdict is not None and not work.new.parties[name].convicted and owner != agreement.owner(lab):
            said.setdefault(owner, []).append(verdict)
    counted = [verdict for texts in said.values() for verdict in _newest(texts)]
    found = multilateral(counted, agreement.quorum, agreement.terms.lying_verifiers)
    return max(found, *_at_best(work, lab, period), key=VERDICTS.index)


def _at_best(work: Work, lab: str, period: int) -> list[str]:
    """What a lab's verdict is at best, whatever its verifiers say."""
    found = [VERDICTS[0]]
    # Presumed non-compliant is at best discrepant (annex 4.4), and so is who was convicted of a contradiction.
    silent = silence(work.agreement, work.new, lab) is Freshness.PRESUMED
    unheard = silent and last_attested(work.agreement, work.new, lab) < period
    if unheard or work.new.parties[lab].convicted:
        found.append(DISCREPANT)
    if (worst := owes_an_answer(work.agreement, work.new, lab)) is not None:
        found.append(worst)
    return found


def _newest(texts: list[VerdictState]) -> set[str]:
    """What an operator says in its newest revision; nothing if its verifiers say two things under one number."""
    revision = max(text.revision for text in texts)
    said = {text.verdict for text in texts if text.revision == revision}
    return said if len(said) == 1 else set()
