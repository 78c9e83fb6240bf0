"""Decisions: ballots counted by control group (annex 5.3, 2; design section 3).

Motions are not objects. A ballot names what it asks, each voter's newest counts while the rule's ballot life runs, and
the rule is a monotone predicate over the control groups that say yes (:mod:`protocol.needs`). Thresholds are absolute:
a missing or recused voter never lowers the bar.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from protocol.errors import Reason, Refused
from protocol.needs import met, need_of
from protocol.state import RESTRICTIVE, Membership, Standing, ballot_key
from protocol.truth import Explained, Ref, Truth
from standstill.v1 import decision_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from protocol.agreement import Agreement
    from protocol.needs import Voter
    from protocol.state import BallotState, State
    from standstill.v1 import agreement_pb2

OF_LEVEL: Final = frozenset(
    {
        pb.MOTION_CALL,
        pb.MOTION_LIFT,
        pb.MOTION_RENEW,
        pb.MOTION_RATIFY,
        pb.MOTION_ARM,
        pb.MOTION_RESOLVE,
        pb.MOTION_EXEMPT,
    }
)
"""Motions about a level."""

OF_LAB: Final = frozenset({pb.MOTION_HOLD, pb.MOTION_RELEASE, pb.MOTION_EXEMPT})
"""Motions about a lab."""

OF_CONTENT: Final = frozenset({pb.MOTION_EXEMPT, pb.MOTION_ADMIT, pb.MOTION_AMEND, pb.MOTION_RESOLVE})
"""Motions that name the digest of what is asked."""

TIGHTENING: Final = frozenset({pb.MOTION_CALL, pb.MOTION_RATIFY, pb.MOTION_RENEW, pb.MOTION_HOLD, pb.MOTION_ARM})
"""Motions that a party may vote on while it is leaving (annex 3.4)."""


class Asked(NamedTuple):
    """What ballots ask for. Ballots count together if all of this is the same.

    Attributes:
        motion: what to do.
        level: rank; 0 where the motion is about none.
        episode: of the level, or number of the accusation; 0 where there is neither.
        about: name of the lab; empty where the motion is about none.
        asked: SHA-256 of what is asked, 32 bytes; empty where the motion says it all.
        rule: name of the rule that is to carry it, to resolve; else empty: the agreement says which.
    """

    motion: pb.Motion.ValueType
    level: int = 0
    episode: int = 0
    about: str = ""
    asked: bytes = b""
    rule: str = ""

    @property
    def name(self) -> str:
        """The motion in a word."""
        return pb.Motion.Name(self.motion).removeprefix("MOTION_").lower()

    def place(self, voter: str) -> str:
        """Where the state keeps a voter's ballot on it."""
        return ballot_key(voter, self.motion, self.level, self.about or self.rule, self.asked)


def asked_by(ballot: pb.Ballot) -> Asked:
    """What a ballot asks for."""
    return Asked(ballot.motion, ballot.level, ballot.episode, ballot.about, ballot.asked, ballot.rule)


class Tally(NamedTuple):
    """The count of a rule on what is asked.

    Attributes:
        yes: control groups that say yes, sorted.
        why: whether they are enough, and what falls short.
        ballots: the ballots behind it: who voted, and where.
        recused: control groups without a vote in it, sorted.
    """

    yes: tuple[str, ...]
    why: Explained
    ballots: tuple[tuple[str, Ref], ...] = ()
    recused: tuple[str, ...] = ()

    @property
    def carried(self) -> bool:
        """Whether what is asked is decided."""
        return self.why.value is Truth.TRUE

    def explained(self, asked: Asked) -> Explained:
        """The vote as a reason, down to its ballots."""
        votes = tuple(
            Explained(Truth.TRUE, f"{voter} log {ballot.index}", evidence=(ballot,)) for voter, ballot in self.ballots
        )
        recused = tuple(Explained(Truth.FALSE, f"{group} has no vote in this") for group in self.recused)
        return Explained(self.why.value, f"vote to {asked.name}: {self.why.text}", self.why.because + votes + recused)


def rule_of(agreement: Agreement, asked: Asked) -> agreement_pb2.Rule | None:
    """The rule that decides what is asked; None where no vote does."""
    terms = agreement.terms
    if asked.motion not in OF_LEVEL or asked.motion == pb.MOTION_EXEMPT:
        name = {
            pb.MOTION_HOLD: terms.standing.hold_rule,
            pb.MOTION_RELEASE: terms.standing.release_rule,
            pb.MOTION_EXEMPT: terms.exempted_by,
            pb.MOTION_ADMIT: terms.admitted_by,
            pb.MOTION_AMEND: terms.amended_by,
        }.get(asked.motion, "")
        return agreement.rules.get(name)
    level = agreement.levels.get(asked.level)
    if level is None:
        return None
    name = {
        pb.MOTION_CALL: level.called_by,
        pb.MOTION_LIFT: level.lifted_by,
        pb.MOTION_RENEW: level.renewed_by or level.called_by or level.lifted_by,
        pb.MOTION_RATIFY: level.brake.ratified_by,
        pb.MOTION_ARM: level.armed_by,
        pb.MOTION_RESOLVE: asked.rule,
    }[asked.motion]
    return agreement.rules.get(name)


def voters(agreement: Agreement, asked: Asked) -> Mapping[str, Voter]:
    """Everybody who has a vote in what is asked, by name."""
    rule = rule_of(agreement, asked)
    return {} if rule is None else agreement.electorate.of_need(need_of(rule))


def tally(agreement: Agreement, state: State, asked: Asked, recused: AbstractSet[str] = frozenset()) -> Tally:
    """Count the ballots of a state that still run.

    Args:
        agreement: the terms in force.
        state: with the ballots.
        asked: what is to be decided.
        recused: control groups that have no vote in it, by :func:`protocol.recusal.recused`.
    """
    rule = rule_of(agreement, asked)
    if rule is None:
        return Tally((), Explained(Truth.FALSE, "no vote decides it"))
    need = need_of(rule)
    newest: dict[str, list[tuple[Voter, BallotState]]] = {}
    entitled = agreement.electorate.of_need(need)
    for voter in entitled.values():
        ballot = state.ballots.get(asked.place(voter.ballots))
        oldest = state.closings - rule.ballot_life_periods
        if ballot is None or ballot.episode != asked.episode or ballot.closing <= oldest:
            continue
        if voter.group not in recused and _has_a_vote(agreement, state, voter.party, asked.motion):
            newest.setdefault(voter.group, []).append((voter, ballot))
    last = {group: _last(found) for group, found in newest.items()}
    said = {group: found for group, found in last.items() if all(ballot.yes for _, ballot in found)}
    ballots = {(voter.ballots, _ref(agreement, voter, ballot)) for found in said.values() for voter, ballot in found}
    shut = recused & {voter.group for voter in entitled.values()}
    met_by = met(agreement.electorate, need, said.keys())
    return Tally(tuple(sorted(said)), met_by, tuple(sorted(ballots, key=_place)), tuple(sorted(shut)))


def _last(ballots: list[tuple[Voter, BallotState]]) -> list[tuple[Voter, BallotState]]:
    """The ballots that speak for a control group: its newest. It says yes if they all do, so that no order decides."""
    newest = max(ballot.closing for _, ballot in ballots)
    return [(voter, ballot) for voter, ballot in ballots if ballot.closing == newest]


def _has_a_vote(agreement: Agreement, state: State, name: str, motion: pb.Motion.ValueType) -> bool:
    """Whether a party decides this: not who left, was proven to contradict itself, or joined just now.

    Who is leaving tightens only, also by what it voted before it gave notice (annex 3.4).
    """
    party = state.parties[name]
    # Only who was admitted later has a number there.
    novice = party.joined and state.closings - party.joined < agreement.terms.novice_periods
    tightens = party.membership is Membership.NOTICE and motion in TIGHTENING
    member = party.membership is Membership.IN or tightens
    return member and not party.convicted and not novice


def _ref(agreement: Agreement, voter: Voter, ballot: BallotState) -> Ref:
    return Ref(agreement.parties[voter.party].origin, ballot.index, ballot.identity)


def _place(ballot: tuple[str, Ref]) -> tuple[str, int]:
    return ballot[0], ballot[1].index


def out_of_turn(state: State, ballot: pb.Ballot, author: str) -> Refused | None:
    """The rule that a ballot breaks by being cast now, judged under the old state; None if it breaks none."""
    # In notice a party may tighten, not relax (annex 3.4).
    if state.parties[author].membership is Membership.NOTICE and ballot.motion not in TIGHTENING:
        found = f"{author} is leaving and may not vote to {asked_by(ballot).name}"
        return Refused(Reason.NO_AUTHORITY, "ballot.motion", found)
    # Renewing what does not restrict is refused (annex 5.1).
    if ballot.motion == pb.MOTION_RENEW and state.levels[ballot.level].stage not in RESTRICTIVE:
        found = f"level {ballot.level} is {state.levels[ballot.level].stage}"
        return Refused(Reason.PHASE_MISMATCH, "ballot.motion", found)
    # Only who is accused can be held or released (annex 4.4).
    if ballot.motion in {pb.MOTION_HOLD, pb.MOTION_RELEASE}:
        standing = state.conduct[ballot.about].standing
        if standing is not Standing.ACCUSED:
            return Refused(Reason.PHASE_MISMATCH, "ballot.about", f"{ballot.about} is {standing}")
    return None
