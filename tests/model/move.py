"""One move of a model, and what can be said of it without asking the fold: votes, verdicts and clauses counted anew."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from protocol import conditions
from protocol.agreement import Agreement
from protocol.closing import Record
from protocol.conduct import BREACHED, DISCREPANT, HONORED, INCONCLUSIVE, VERDICTS
from protocol.errors import Refused
from protocol.facts import StateFacts
from protocol.fold.work import Outcome
from protocol.in_force import in_force
from protocol.state import (
    Conduct,
    LevelState,
    Membership,
    PartyState,
    PledgeState,
    Stage,
    Standing,
    State,
    ballot_key,
    key,
)
from protocol.truth import Truth
from standstill.v1 import agreement_pb2, condition_pb2, decision_pb2, header_pb2, pledge_pb2
from tests.model.world import Act, Said, World

MEMBERS = frozenset({Membership.IN, Membership.NOTICE})
ABOUT_A_LEVEL = frozenset(
    {decision_pb2.MOTION_CALL, decision_pb2.MOTION_LIFT, decision_pb2.MOTION_RENEW, decision_pb2.MOTION_RATIFY}
)


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

    @cached_property
    def agreement(self) -> Agreement:
        """The terms that this closing was folded under, as the code composes them."""
        return in_force(self.world.agreement, self.after)

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

    # What was before of those who are new

    def was(self, name: str) -> PartyState:
        """A party before."""
        return self.before.parties.get(name, PartyState())

    def pledged(self, lab: str) -> PledgeState:
        """A lab's pledges before."""
        return self.before.pledges.get(lab, PledgeState())

    def conducted(self, lab: str) -> Conduct:
        """A lab's conduct before."""
        return self.before.conduct.get(lab, Conduct())

    # Terms

    def texts(self, rank: int) -> list[agreement_pb2.Agreement]:
        """The terms that hold for a level, each as its own text says them: the newest first, then those it keeps."""
        digests = (self.after.terms.hex(), *self.after.levels[rank].terms)
        # A level that was open has put its older terms away before anything else happened.
        return [self._text(digest) for digest in digests]

    def _text(self, digest: str) -> agreement_pb2.Agreement:
        data = self.after.texts.get(digest, self.world.agreement.data)
        return agreement_pb2.Agreement.FromString(data)

    def may_resume(self, rank: int) -> Truth:
        """Value of a level's resume condition when its phase was decided: all the terms that hold must say so."""
        resumes = [text.levels[rank - 1].resume for text in self.texts(rank)] if self.changed else []
        return min((self.truth(one) for one in resumes), default=self.truth(self.agreement.levels[rank].resume))

    @property
    def changed(self) -> bool:
        """Whether the terms are other ones than those that everybody founded."""
        return self.after.terms != self.after.agreement

    @cached_property
    def at_the_levels(self) -> StateFacts:
        """What the levels' conditions were read from: this record's facts, the phases before it."""
        return StateFacts(self.agreement, _with(self.after, levels=self.before.levels))

    def truth(self, condition: condition_pb2.Condition) -> Truth:
        """Value of a condition of a level when its phase was decided."""
        return conditions.evaluate(condition, self.at_the_levels).value

    # Votes

    @cached_property
    def ballots(self) -> dict[str, tuple[int, bool, int]]:
        """Every voter's newest ballot on every motion, by its place: episode, vote, number of the closing."""
        known = {place: (one.episode, one.yes, one.closing) for place, one in self.before.ballots.items()}
        for said in self.accepted(header_pb2.KIND_BALLOT):
            body: Any = said.body
            place = ballot_key(said.author, body.motion, body.level, body.about, body.asked)
            known[place] = (body.episode, body.yes, self.after.closings)
        return known

    def yes(
        self,
        motion: decision_pb2.Motion.ValueType,
        rank: int = 0,
        episode: int = 0,
        *,
        about: str = "",
        asked: bytes = b"",
        surely: bool = False,
    ) -> bool:
        """Whether the groups that say yes now carry a motion; where a group may be read as yes or no: as yes.

        Args:
            motion: what is asked.
            rank: of the level.
            episode: that the ballots must name.
            about: the lab that it is about.
            asked: digest of what is asked.
            surely: read such a group as no instead.
        """
        rules = self._rules(motion, rank)
        shut = self._shut(motion, rank, about, rules)
        life = min((rule.ballot_life_periods for rule in rules), default=0)
        place = partial(ballot_key, motion=motion, level=rank, about=about, asked=asked)
        return bool(rules) and all(self._met(rule, place, (episode, life), shut, surely=surely) for rule in rules)

    def _met(
        self,
        rule: agreement_pb2.Rule,
        place: Callable[[str], str],
        counts: tuple[int, int],
        shut: Collection[str],
        *,
        surely: bool,
    ) -> bool:
        """Whether enough groups say yes by one rule; `counts` are the episode and the closings that ballots live."""
        count = rule.need.count if rule.HasField("need") else None
        voters = rule.voters if count is None else count.voters or self.agreement.labs
        groups: dict[str, list[tuple[int, bool]]] = {}
        for voter in voters:
            episode, yes, closing = self.ballots.get(place(voter), (None, False, 0))
            group = self.agreement.owner(voter)
            young = closing > self.after.closings - counts[1]
            if episode == counts[0] and young and group not in shut and self._has_a_vote(voter):
                groups.setdefault(group, []).append((closing, yes))
        needed = rule.yes if count is None else count.k
        return sum(map(all if surely else any, map(_last, groups.values()))) >= needed

    def _has_a_vote(self, voter: str) -> bool:
        party = self.after.parties[voter]
        novice = party.joined and self.after.closings < party.joined + self.agreement.terms.novice_periods
        return party.membership in MEMBERS and not party.convicted and not novice

    def _shut(
        self, motion: decision_pb2.Motion.ValueType, rank: int, about: str, rules: Sequence[agreement_pb2.Rule]
    ) -> set[str]:
        """Groups that have no vote because it is about them."""
        if motion in {decision_pb2.MOTION_HOLD, decision_pb2.MOTION_RELEASE}:
            return {self.agreement.owner(about)}
        if not any(rule.recuse_subject for rule in rules):
            return set()
        if motion == decision_pb2.MOTION_EXEMPT:
            return {self.agreement.owner(about)}
        if motion not in ABOUT_A_LEVEL:
            return set()
        doubted = {lab for lab, one in self.after.conduct.items() if one.standing is not Standing.RELIED}
        trigger = self.agreement.levels[rank].trigger
        # A lens whose labs can be recused for what is reported of them reads one lab in its trigger.
        if trigger.WhichOneof("test") == "reading" and self.truth(trigger) is Truth.TRUE:
            doubted |= set(trigger.reading.of)
        return {self.agreement.owner(lab) for lab in doubted}

    def _rules(self, motion: decision_pb2.Motion.ValueType, rank: int) -> list[agreement_pb2.Rule]:
        """The rules that must all be met: to lift, those of every text that the level keeps."""
        newest, *older = self.texts(rank) if rank else [self._text(self.after.terms.hex())]
        texts = [newest, *older] if motion == decision_pb2.MOTION_LIFT else [newest]
        found = (_rule(text, motion, rank) for text in texts)
        return [rule for rule in found if rule is not None]

    # Pledges

    def clauses(self, lab: str, rank: int) -> Truth:
        """Value of a lab's pledges for a level, where everybody keeps what was found: the better of old and new."""
        before, after = self.pledged(lab), self.after.pledges[lab]
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
        # Who gave notice in this closing still took part in it, and who joined with it did not yet.
        return self.after.parties[lab].membership in MEMBERS and self.was(lab).membership in MEMBERS

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
            yield rank, terms, self.before.levels.get(rank, LevelState()), self.after.levels[rank]

    def members(self) -> list[str]:
        """Labs that take part after the closing."""
        return [lab for lab in self.agreement.labs if self._member(lab)]

    def highest(self) -> int:
        """Highest level that is not open after the closing."""
        return max((rank for rank, level in self.after.levels.items() if level.stage is not Stage.OPEN), default=0)


def _with(state: State, **changes: Any) -> State:
    found = {name: getattr(state, name) for name in State.__dataclass_fields__}
    return State(**(found | changes))


def _rule(text: agreement_pb2.Agreement, motion: decision_pb2.Motion.ValueType, rank: int) -> agreement_pb2.Rule | None:
    """The rule by which a text decides a motion."""
    level = text.levels[rank - 1] if rank else agreement_pb2.Level()
    name = {
        decision_pb2.MOTION_CALL: level.called_by,
        decision_pb2.MOTION_LIFT: level.lifted_by,
        decision_pb2.MOTION_RENEW: level.renewed_by or level.called_by or level.lifted_by,
        decision_pb2.MOTION_RATIFY: level.brake.ratified_by,
        decision_pb2.MOTION_HOLD: text.standing.hold_rule,
        decision_pb2.MOTION_RELEASE: text.standing.release_rule,
        decision_pb2.MOTION_EXEMPT: text.exempted_by,
        decision_pb2.MOTION_ADMIT: text.admitted_by,
        decision_pb2.MOTION_AMEND: text.amended_by,
    }[motion]
    return next((rule for rule in text.rules if rule.name == name), None)


def _last(group: Sequence[tuple[int, bool]]) -> list[bool]:
    """What a group's newest ballots say; several if they came in one closing."""
    newest = max(closing for closing, _ in group)
    return [vote for closing, vote in group if closing == newest]


def _together(counted: Sequence[str], quorum: int, liars: int) -> str:
    """The first row of the table that fits."""
    number = {verdict: sum(one == verdict for one in counted) for verdict in VERDICTS}
    rows = (
        (number[BREACHED] >= quorum, BREACHED),
        (number[BREACHED] + number[DISCREPANT] > liars, DISCREPANT),
        (number[HONORED] >= quorum, HONORED),
    )
    return next((verdict for holds, verdict in rows if holds), INCONCLUSIVE)
