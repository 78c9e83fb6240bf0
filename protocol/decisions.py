"""Decision rules: ballots counted by control group (annex 5.3, 2; design section 3).

A rule is a monotone predicate over the set of groups that say yes. Thresholds are absolute: a missing voter never
lowers the bar.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from protocol.state import Membership, ballot_key
from standstill.v1 import decision_pb2 as pb

if TYPE_CHECKING:
    from protocol.agreement import Agreement
    from protocol.state import BallotState, State
    from standstill.v1 import agreement_pb2


@dataclass(frozen=True, slots=True)
class Tally:
    """The count of a rule on a motion.

    Attributes:
        yes: control groups that say yes, sorted.
        needed: how many the rule needs.
        ballots: the ballots behind it, as voter and leaf index.
    """

    yes: tuple[str, ...]
    needed: int
    ballots: tuple[tuple[str, int], ...]

    @property
    def carried(self) -> bool:
        """Whether the motion is carried."""
        return len(self.yes) >= self.needed


def rule_for(agreement: Agreement, level: int, motion: pb.Motion.ValueType) -> agreement_pb2.Rule | None:
    """The rule that decides a motion on a level; None where the trigger decides alone."""
    terms = agreement.levels[level]
    return agreement.rules.get(terms.lifted_by if motion == pb.MOTION_LIFT else terms.called_by)


def tally(agreement: Agreement, state: State, level: int, motion: pb.Motion.ValueType, episode: int) -> Tally:
    """Count the ballots that still run: newest of each voter, for this episode, recorded within the ballot's life.

    Of voters in one control group the newest ballot speaks for the group.
    """
    rule = rule_for(agreement, level, motion)
    if rule is None:
        return Tally((), 1, ())
    newest: dict[str, tuple[BallotState, str]] = {}
    for voter in rule.voters:
        ballot = state.ballots.get(ballot_key(voter, motion, level))
        if ballot is None or ballot.episode != episode or ballot.closing <= state.closings - rule.ballot_life_periods:
            continue
        # Who has left decides nothing any more.
        if state.parties[voter].membership is Membership.OUT:
            continue
        owner = agreement.owner(voter)
        if owner not in newest or (ballot.period, ballot.index) > (newest[owner][0].period, newest[owner][0].index):
            newest[owner] = (ballot, voter)
    yes = {owner: (voter, ballot.index) for owner, (ballot, voter) in newest.items() if ballot.yes}
    return Tally(tuple(sorted(yes)), rule.yes, tuple(sorted(yes.values())))
