"""Stage 10: parties that are proposed, admitted and join (annex 3.5, 3)."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from protocol import agreement_rules
from protocol.amendments import newcomer
from protocol.decisions import Asked, tally
from protocol.errors import Reason, Refused
from protocol.fold.ballots import spend
from protocol.in_force import current_terms, first_terms, in_force
from protocol.state import Conduct, Membership, PartyState, PledgeState
from standstill.v1 import agreement_pb2, decision_pb2
from standstill.v1 import header_pb2 as pb

if TYPE_CHECKING:
    from protocol.fold.work import Work
    from protocol.leaf import ReadLeaf
    from protocol.state import State


def admissions(work: Work) -> None:
    """10: parties are proposed; those who are voted for are listed from the next step on."""
    offers = {name: data for name, data in work.new.offers.items() if _takes_part(work.new, name)}
    for leaf in work.of_kind(pb.KIND_ADMISSION):
        body: Any = leaf.body
        refusal = _unfit(work, agreement_pb2.Party.FromString(body.party))
        if refusal is None:
            offers[work.agreement.logs[leaf.origin]] = body.party
        else:
            work.refuse(leaf, refusal)
    work.new = replace(work.new, offers=dict(sorted(offers.items())))
    # Of two of one name that are carried at once the smaller digest: no order between logs decides.
    for data in sorted(set(offers.values()), key=lambda data: sha256(data).digest()):
        _list(work, data)


def _takes_part(state: State, name: str) -> bool:
    return state.parties[name].membership is not Membership.OUT


def _list(work: Work, data: bytes) -> None:
    """List a party that was voted for, unless another with its name, log or keys came first."""
    asked = Asked(decision_pb2.MOTION_ADMIT, asked=sha256(data).digest())
    if not tally(work.agreement, work.new, asked).carried:
        return
    party = agreement_pb2.Party.FromString(data)
    offers = {name: offer for name, offer in work.new.offers.items() if offer != data}
    work.new = replace(work.new, offers=offers, ballots=spend(work.new.ballots, asked))
    if _unfit(work, party) is not None:
        return
    admitted = dict(sorted({**work.new.admitted, party.name: data}.items()))
    work.new = enrolled(replace(work.new, admitted=admitted), party)


def _unfit(work: Work, party: agreement_pb2.Party) -> Refused | None:
    """The first rule that a party breaks which the terms would list."""
    if agreement_pb2.ROLE_VERIFIER in party.roles:
        return Refused(Reason.NO_AUTHORITY, "admission.party.roles", "verifiers change by amendment")
    agreement = in_force(work.agreement, work.new)
    trial = agreement_pb2.Agreement()
    trial.CopyFrom(current_terms(agreement, work.new))
    del trial.parties[:]
    trial.parties.extend([*agreement.parties.values(), party])
    # Labs and verifiers found in any terms; who was admitted before did not, and is no obstacle.
    trial.founding.extend(one.name for one in trial.parties if one.name not in trial.founding)
    return next(newcomer(agreement, party), None) or next(iter(agreement_rules.problems(trial)), None)


def enrolled(state: State, party: agreement_pb2.Party) -> State:
    """A state that knows a party which has still to join; for a lab, also its pledges and conduct."""
    parties = dict(sorted({**state.parties, party.name: PartyState()}.items()))
    state = replace(state, parties=parties)
    if agreement_pb2.ROLE_LAB not in party.roles:
        return state
    pledges = dict(sorted({**state.pledges, party.name: PledgeState()}.items()))
    conduct = dict(sorted({**state.conduct, party.name: Conduct()}.items()))
    return replace(state, pledges=pledges, conduct=conduct)


def attested_until(state: State, party: agreement_pb2.Party, period: int) -> State:
    """A state in which nothing is owed for a lab's new sites up to and with a period."""
    conduct = state.conduct[party.name]
    attested = {site.handle.hex(): period for site in party.sites} | dict(conduct.attested)
    return replace(state, conduct={**state.conduct, party.name: replace(conduct, attested=attested)})


def joined(work: Work, name: str) -> None:
    """A party joins: its votes count after its time as a novice, a lab owes attestations from now on."""
    party = work.new.parties[name]
    late = name not in first_terms(work.agreement).parties
    member = replace(party, membership=Membership.IN, joined=work.new.closings if late else 0)
    work.new = replace(work.new, parties={**work.new.parties, name: member})
    if late and name in work.new.conduct:
        work.new = attested_until(work.new, work.agreement.parties[name], work.governed - 1)


def cannot_join(work: Work, leaf: ReadLeaf) -> Refused | None:
    """The rule that a Founding or Accession breaks: founders found, others accede once they are listed."""
    assert leaf.header is not None  # noqa: S101 - a leaf without a header carries its refusal
    name = leaf.header.author
    founder = name in first_terms(work.agreement).parties
    if founder is not (leaf.header.kind == pb.KIND_FOUNDING):
        return Refused(Reason.NO_AUTHORITY, "header.kind", "founders join by a Founding, others by an Accession")
    if leaf.header.kind == pb.KIND_FOUNDING:
        return None
    # Whom new terms no longer listed before it acceded is out (annex 3.5, 4).
    if work.old.parties[name].membership is Membership.OUT:
        return Refused(Reason.NO_AUTHORITY, "header.author", f"{name} is {Membership.OUT}")
    body: Any = leaf.body
    had = {work.new.agreement, work.new.terms}
    had |= {bytes.fromhex(digest) for level in work.new.levels.values() for digest in level.terms}
    if body.terms not in had:
        return Refused(Reason.WRONG_AGREEMENT, "accession.terms", f"{body.terms.hex()} are not in force")
    return None
