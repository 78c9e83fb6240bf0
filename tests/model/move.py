"""One move of a model, and what can be said of it without asking the fold: votes, verdicts and clauses counted anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from protocol import conditions
from protocol.agreement import Agreement
from protocol.closing import Record
from protocol.conduct import BREACHED, DISCREPANT, HONORED, INCONCLUSIVE, VERDICTS
from protocol.errors import Refused
from protocol.facts import StateFacts
from protocol.fold.work import Outcome
from protocol.state import Membership, Stage, Standing, State, key
from protocol.truth import Truth
from standstill.v1 import agreement_pb2, condition_pb2, decision_pb2, header_pb2, pledge_pb2
from tests.model.world import Act, Said, World

MEMBERS = frozenset({Membership.IN, Membership.NOTICE})


@dataclass(frozen=True)
class Move:
    """One closing: the states before and after it.

    Attributes:
        world: whose fold it was.
        before: state before.
        act: what the closing covers.
        outcome: of the fold.
    """

    world: World
    before: State
    act: Act
    outcome: Outcome

    @property
    def agreement(self) -> Agreement:
        """The terms."""
        return self.world.agreement

    @property
    def after(self) -> State:
        """State after."""
        return self.outcome.state

    @property
    def governed(self) -> int:
        """First period that the new state governs (annex 1.7)."""
        return (self.after.period or 0) + 2

    @property
    def record(self) -> Record:
        """What the fold was given."""
        return self.world.record(self.before, self.act)

    @cached_property
    def refused(self) -> dict[Said, Refused]:
        """What was refused."""
        return self.world.refused(self.before, self.act, self.outcome) if self.outcome.refusals else {}

    def accepted(self, kind: header_pb2.Kind.ValueType) -> list[Said]:
        """What was accepted of a kind, in the order of each log."""
        return [said for said in self.act.said if said.kind == kind and said not in self.refused]

    @cached_property
    def at_the_levels(self) -> StateFacts:
        """What the levels' conditions were read from: this record's facts, the phases before it."""
        return StateFacts(self.agreement, _with(self.after, levels=self.before.levels))

    def truth(self, condition: condition_pb2.Condition) -> Truth:
        """Value of a condition of a level when its phase was decided."""
        return conditions.evaluate(condition, self.at_the_levels).value

    # Votes

    @cached_property
    def ballots(self) -> list[tuple[str, Any, int]]:
        """Every ballot known: voter and motion, its content, the closing that recorded it; a voter's newest last."""
        old: list[tuple[str, Any, int]] = [
            (place, ballot, ballot.closing) for place, ballot in self.before.ballots.items()
        ]
        now = self.after.closings
        new = [
            (f"{said.author}|{said.body.motion}|{said.body.level}", said.body, now)  # type: ignore[attr-defined]
            for said in self.accepted(header_pb2.KIND_BALLOT)
        ]
        return old + new

    def yes(self, motion: decision_pb2.Motion.ValueType, rank: int, episode: int, *, surely: bool = False) -> bool:
        """Whether the groups that say yes now carry a motion; where a group may be read as yes or no: as yes.

        Args:
            motion: what is asked.
            rank: of the level.
            episode: that the ballots must name.
            surely: read such a group as no instead.
        """
        rule = self._rule(motion, rank)
        if rule is None:
            return False
        newest: dict[str, dict[str, tuple[int, bool]]] = {}
        for place, ballot, closing in self.ballots:
            voter, asked, of = place.split("|")[:3]
            if (int(asked), int(of), ballot.episode) != (motion, rank, episode) or voter not in rule.voters:
                # A newer ballot for another episode takes an older one's place.
                if (int(asked), int(of)) == (motion, rank):
                    newest.get(self.agreement.owner(voter), {}).pop(voter, None)
                continue
            young = closing > self.after.closings - rule.ballot_life_periods
            if young and self.after.parties[voter].membership is not Membership.OUT:
                newest.setdefault(self.agreement.owner(voter), {})[voter] = (closing, ballot.yes)
        return sum(map(all if surely else any, map(_last, newest.values()))) >= rule.yes

    def _rule(self, motion: decision_pb2.Motion.ValueType, rank: int) -> agreement_pb2.Rule | None:
        terms = self.agreement.levels[rank]
        names = {
            decision_pb2.MOTION_CALL: terms.called_by,
            decision_pb2.MOTION_LIFT: terms.lifted_by,
            decision_pb2.MOTION_RENEW: terms.renewed_by or terms.called_by or terms.lifted_by,
            decision_pb2.MOTION_RATIFY: terms.brake.ratified_by,
        }
        return self.agreement.rules.get(names[motion])

    # Pledges

    def clauses(self, lab: str, rank: int) -> Truth:
        """Value of a lab's pledges for a level, where everybody keeps what was found: the better of old and new."""
        before, after = self.before.pledges[lab], self.after.pledges[lab]
        # One that was replaced is gone once it has run out and binds no more.
        older = before.older if after.older == before.older else b""
        return max((self._clause(data, rank) for data in (before.current, older)), default=Truth.FALSE)

    def _clause(self, data: bytes, rank: int) -> Truth:
        for stated in pledge_pb2.Pledge.FromString(data).clauses:
            if stated.level == rank:
                when = self.now(stated.when) if stated.HasField("when") else Truth.TRUE
                provided = self._provided(stated.provided) if stated.HasField("provided") else True
                return min(when, Truth.TRUE if provided else Truth.FALSE)
        return Truth.FALSE

    def now(self, condition: condition_pb2.Condition) -> Truth:
        """Value of a condition under the phases after the closing."""
        return conditions.evaluate(condition, self._facts_now).value

    @cached_property
    def _facts_now(self) -> StateFacts:
        kept = {lab: pledge.kept for lab, pledge in self.after.pledges.items()}
        return StateFacts(self.agreement, self.after, kept)

    def _provided(self, condition: condition_pb2.Condition) -> bool:
        """Who keeps what, read anew: a group keeps what all of its labs named keep, and who is out keeps nothing."""
        test = str(condition.WhichOneof("test"))
        if test == "keeps":
            groups: dict[str, list[bool]] = {}
            for lab in condition.keeps.of:
                owner = self.agreement.owner(lab)
                whole = [other for other in self.agreement.labs if self.agreement.owner(other) == owner]
                kept = min(self._kept(other) for other in whole if self._member(other) or other == lab)
                groups.setdefault(owner, []).append(kept >= condition.keeps.level)
            return sum(map(all, groups.values())) >= condition.keeps.k
        parts = [self._provided(part) for part in getattr(condition, test).of]
        needed = {"all": len(parts), "any": 1}.get(test, condition.at_least.k)
        return sum(parts) >= needed

    def _kept(self, lab: str) -> int:
        relied = self.after.conduct[lab].standing is not Standing.OUT
        return self.after.pledges[lab].kept if relied and self._member(lab) else 0

    def _member(self, lab: str) -> bool:
        # Who gave notice in this closing still took part in it.
        return self.after.parties[lab].membership in MEMBERS

    # Verdicts

    def settling(self) -> Iterator[int]:
        """Periods that settled with this closing, rising."""
        terms, since = self.agreement.terms.standing, self.after.since or 0
        first = max((self.before.period or 0) - terms.settle_periods + 1, since)
        yield from range(first, (self.after.period or 0) - terms.settle_periods + 1)

    def said_of(self, lab: str, period: int) -> str:
        """M(i,a), counted from what verifiers said before and in this closing (annex 2, 3)."""
        said: dict[str, dict[int, set[str]]] = {}
        for name in self.agreement.verifiers:
            if self.after.parties[name].convicted or self.agreement.owner(name) == self.agreement.owner(lab):
                continue
            for verdict, revision in self._texts(lab, period, name):
                said.setdefault(self.agreement.owner(name), {}).setdefault(revision, set()).add(verdict)
        counted = [texts.pop() for by in said.values() if len(texts := set(by[max(by)])) == 1]
        return _together(counted, self.agreement.quorum, self.agreement.terms.lying_verifiers)

    def _texts(self, lab: str, period: int, verifier: str) -> Iterator[tuple[str, int]]:
        held = self.before.verdicts.get(key(lab, period, verifier))
        if held is not None:
            yield held.verdict, held.revision
        for said in self.accepted(header_pb2.KIND_ASSESSMENT):
            spoken = (self.before.period or 0) - (said.ago or 0)
            if said.author == verifier and spoken == period and said.summary and said.summary.lab == lab:
                yield VERDICTS[said.summary.verdict - 1], said.summary.revision

    # Levels

    def levels(self) -> Iterator[tuple[int, agreement_pb2.Level, Any, Any]]:
        """Rank, terms, level before and after."""
        for rank, terms in self.agreement.levels.items():
            yield rank, terms, self.before.levels[rank], self.after.levels[rank]

    def members(self) -> list[str]:
        """Labs that take part after the closing."""
        return [lab for lab in self.agreement.labs if self._member(lab)]

    def highest(self) -> int:
        """Highest level that is not open after the closing."""
        return max((rank for rank, level in self.after.levels.items() if level.stage is not Stage.OPEN), default=0)


def _with(state: State, **changes: Any) -> State:
    found = {name: getattr(state, name) for name in State.__dataclass_fields__}
    return State(**(found | changes))


def _last(group: dict[str, tuple[int, bool]]) -> list[bool]:
    """What a group's newest ballots say; several if they came in one closing."""
    newest = max((closing for closing, _ in group.values()), default=0)
    return [vote for closing, vote in group.values() if closing == newest] or [False]


def _together(counted: Sequence[str], quorum: int, liars: int) -> str:
    """The first row of the table that fits."""
    number = {verdict: sum(one == verdict for one in counted) for verdict in VERDICTS}
    rows = (
        (number[BREACHED] >= quorum, BREACHED),
        (number[BREACHED] + number[DISCREPANT] > liars, DISCREPANT),
        (number[HONORED] >= quorum, HONORED),
    )
    return next((verdict for holds, verdict in rows if holds), INCONCLUSIVE)
