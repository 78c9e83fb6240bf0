"""Stages 1 and 10: terms that are proposed, adopted, and take over (annex 3.3 and 3.5, 4)."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from protocol.amendments import problem
from protocol.decisions import Asked, tally
from protocol.errors import Reason, Refused
from protocol.fold.ballots import spend
from protocol.fold.newcomers import attested_until, enrolled
from protocol.in_force import current_terms, in_force
from protocol.levels import at_rest
from protocol.state import Binding, LevelState, Membership, PartyState
from protocol.state_entries import ProposalState
from protocol.wire import encode
from standstill.v1 import agreement_pb2, decision_pb2
from standstill.v1 import header_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterable

    from protocol.fold.work import Work
    from protocol.leaf import ReadLeaf
    from protocol.state import State


def take_over(work: Work) -> None:
    """1: terms that were adopted take over; older ones end with the levels that kept them."""
    before = work.agreement.levels
    levels = {
        rank: replace(level, terms=()) if level.terms and at_rest(level) else level
        for rank, level in work.new.levels.items()
    }
    work.new = replace(work.new, levels=levels, proposals=_running(work))
    if work.new.amendment:
        _adopt(work)
    work.new = replace(work.new, texts=_in_use(work.new))
    work.agreement = in_force(work.agreement, work.new)
    after = work.agreement.levels
    if after != before:
        levels = {rank: _on_time(level, before.get(rank), after[rank]) for rank, level in work.new.levels.items()}
        work.new = replace(work.new, levels=levels)


def _on_time(level: LevelState, before: agreement_pb2.Level | None, after: agreement_pb2.Level) -> LevelState:
    """A level whose terms change, with the clocks of its labs where they were.

    Who was wound down stays so, and a ramp that grows longer grows at its end: nobody jumps ahead on it.
    """
    if before is None:
        return level
    wound = before.wind_down_periods - after.wind_down_periods
    longer = after.ramp_periods - before.ramp_periods
    if not wound and not longer:
        return level
    binds = {
        lab: Binding(since=one.since + wound, until=None if one.until is None else one.until + longer)
        for lab, one in level.binds.items()
    }
    return replace(level, binds=binds)


def _running(work: Work) -> dict[str, ProposalState]:
    """Proposals of those who take part, until a ballot as old as they are would count no longer."""
    rule = work.agreement.rules.get(work.agreement.terms.amended_by)
    life = 0 if rule is None else rule.ballot_life_periods
    return {
        name: proposal
        for name, proposal in work.new.proposals.items()
        if work.new.closings - proposal.closing < life
        and work.new.parties[name].membership is not Membership.OUT
        and proposal.digest != work.new.amendment
    }


def _adopt(work: Work) -> None:
    """The adopted terms become the current ones; a level that is not at rest keeps those before them too."""
    before, digest = work.new.terms.hex(), work.new.amendment
    new = replace(work.new, terms=bytes.fromhex(digest), amendment="")
    levels = {rank: _keeping(level, before, digest) for rank, level in new.levels.items()}
    terms = current_terms(work.agreement, new)
    levels |= {level.rank: LevelState() for level in terms.levels if level.rank not in levels}
    listed = {party.name for party in terms.parties}
    known = work.agreement.parties
    work.new = replace(
        new,
        levels=levels,
        # Whoever the new terms no longer list is not cast out: its descriptor stays, and it leaves with notice.
        admitted={name: encode(party) for name, party in sorted(known.items()) if name not in listed},
        parties={**new.parties, **{name: _leaving(work, name) for name in known if name not in listed}},
    )
    for party in terms.parties:
        if party.name not in known:
            work.new = enrolled(work.new, party)
        elif party.name in work.new.conduct:
            work.new = attested_until(work.new, party, work.governed - 1)


def _keeping(level: LevelState, before: str, digest: str) -> LevelState:
    """A level with the terms before the new ones, unless it is at rest."""
    if at_rest(level):
        return level
    older = dict.fromkeys((*level.terms, before))
    return replace(level, terms=tuple(one for one in older if one != digest))


def _leaving(work: Work, name: str) -> PartyState:
    """A party that the new terms do not list: in notice if it takes part, out if it never joined."""
    party = work.new.parties[name]
    if party.membership is Membership.FORMING:
        return replace(party, membership=Membership.OUT)
    if party.membership is not Membership.IN:
        return party
    notice = work.agreement.terms.withdrawal_notice_periods
    return replace(party, membership=Membership.NOTICE, notice_left=notice)


def _in_use(state: State) -> dict[str, bytes]:
    """Texts that somebody still needs: those in force, those that a level keeps, those that are proposed."""
    used = {state.terms.hex(), *(digest for level in state.levels.values() for digest in level.terms)}
    for name, proposal in state.proposals.items():
        used |= {proposal.digest, _unfinished(name)}
    return {digest: data for digest, data in sorted(state.texts.items()) if digest in used}


def _unfinished(name: str) -> str:
    """Where the parts of a party's proposal stand until it is complete; no digest looks like this."""
    return f"{name}|parts"


def amendments(work: Work) -> None:
    """10: parts of proposed terms are joined; terms that were voted for take over with the next step."""
    for leaf in work.of_kind(pb.KIND_AMENDMENT):
        if (refusal := _join(work, leaf)) is not None:
            work.refuse(leaf, refusal)
    # Whoever was admitted in this very step is a party already.
    agreement = in_force(work.agreement, work.new)
    # Of two that are carried at once the smaller digest: no order between logs decides.
    for digest in sorted(_carried(work)):
        if problem(agreement, work.new, work.new.texts[digest]) is None:
            ballots = spend(work.new.ballots, _asked(digest))
            work.new = replace(work.new, amendment=digest, ballots=ballots)
            return


def _join(work: Work, leaf: ReadLeaf) -> Refused | None:
    """One more part of a proposal; the refusal of a part out of order, or of the whole text with its last part."""
    body: Any = leaf.body
    name = work.agreement.logs[leaf.origin]
    open_one = work.new.proposals.get(name)
    if body.part == 0:
        open_one = ProposalState(digest=body.digest.hex(), parts=body.parts, seen=0, closing=work.new.closings)
    if open_one is None or (open_one.digest, open_one.parts, open_one.seen) != (
        body.digest.hex(),
        body.parts,
        body.part,
    ):
        return Refused(Reason.AMENDMENT_PARTS, "amendment.part", f"{body.part} does not follow")
    before = work.new.texts.get(_unfinished(name), b"") if body.part else b""
    proposal = replace(open_one, seen=open_one.seen + 1)
    data = before + body.data
    if proposal.seen < proposal.parts:
        _keep(work, name, proposal, _unfinished(name), data)
        return None
    refusal = _unfit(work, proposal, data)
    if refusal is None:
        _keep(work, name, proposal, proposal.digest, data)
    else:
        proposals = {other: found for other, found in work.new.proposals.items() if other != name}
        work.new = replace(work.new, proposals=proposals)
    return refusal


def _unfit(work: Work, proposal: ProposalState, data: bytes) -> Refused | None:
    """The rule that a complete text breaks: it is the one that was named, and could take over now."""
    found = sha256(data).hexdigest()
    if found != proposal.digest:
        return Refused(Reason.AMENDMENT_PARTS, "amendment.digest", f"the parts give {found}")
    return problem(work.agreement, work.new, data)


def _keep(work: Work, name: str, proposal: ProposalState, place: str, data: bytes) -> None:
    texts = {other: text for other, text in work.new.texts.items() if other != _unfinished(name)}
    proposals = {**work.new.proposals, name: proposal}
    work.new = replace(work.new, proposals=proposals, texts={**texts, place: data})


def _carried(work: Work) -> Iterable[str]:
    """Digests of complete proposals that are voted for, but for the terms in force already."""
    complete = {one.digest for one in work.new.proposals.values() if one.seen == one.parts}
    for digest in complete - {work.new.terms.hex()}:
        if tally(work.agreement, work.new, _asked(digest)).carried:
            yield digest


def _asked(digest: str) -> Asked:
    return Asked(decision_pb2.MOTION_AMEND, asked=bytes.fromhex(digest))
