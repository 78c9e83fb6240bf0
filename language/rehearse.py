"""What terms would have done on a record: `agreement try`.

The very fold of the protocol runs over statements that nobody signed for these terms, so the answer is about the terms
and not about the record: what they would have called, not that anybody was bound by them. What a record of other terms
does not tell is assumed: everybody has founded, every lab attests in time, and every verifier finds it honored, unless
the history says otherwise.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from language.stand_in import with_stand_ins
from protocol import fold
from protocol.agreement import read_agreement
from protocol.authoring import Draft
from protocol.checkpoint import Checkpoint
from protocol.closing import Record, next_closing
from protocol.errors import Refused
from protocol.keys import public_key
from protocol.leaf import ReadLeaf
from protocol.seats import sign_ballot
from protocol.state import Stage
from protocol.statements import KINDS
from protocol.wire import encode, parse
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import decision_pb2, header_pb2, membership_pb2

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from google.protobuf.message import Message

    from protocol.agreement import Agreement
    from protocol.fold.work import Outcome
    from protocol.state import LevelState, State
    from protocol.truth import Explained

MOST_PERIODS: Final = 100_000
"""Longest history: eleven years of hours."""


@dataclass(frozen=True, slots=True)
class Said:
    """A statement of the history.

    Attributes:
        at: period whose closing covers it first.
        party: who said it.
        draft: what.
    """

    at: int
    party: str
    draft: Draft


@dataclass(frozen=True, slots=True)
class Skipped:
    """A statement that these terms do not take, and why.

    Attributes:
        at: period whose closing covers it first.
        party: who said it.
        kind: of the statement; unspecified where that cannot be read.
        why: the rule that it breaks.
    """

    at: int
    party: str
    kind: header_pb2.Kind.ValueType
    why: str


@dataclass(frozen=True, slots=True)
class Change:
    """A level changed its stage.

    Attributes:
        period: whose closing changed it.
        level: its name.
        before: stage before.
        after: stage after.
        why: the events, with the tests and ballots behind them.
    """

    period: int
    level: str
    before: str
    after: str
    why: Explained


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What terms would have done.

    Attributes:
        periods: closed.
        changes: of levels, in order.
        reasons: why each level is where it is at the end, by name.
        bound: labs bound at the end, with the levels that bind them.
        skipped: what these terms do not take.
    """

    periods: int
    changes: tuple[Change, ...]
    reasons: Mapping[str, Explained]
    bound: Mapping[str, tuple[str, ...]]
    skipped: tuple[Skipped, ...]


def rehearse(terms: pb.Agreement, history: Sequence[Said], pending: Collection[str] = ()) -> Rehearsal:
    """Run terms on a history.

    Args:
        terms: valid terms.
        history: what was said, in any order; within a period that of each party counts.
        pending: parties whose keys are not known.

    Raises:
        Refused: what :func:`protocol.agreement.read_agreement` refuses.
    """
    agreement = read_agreement(encode(_with_known_seats(with_stand_ins(terms, pending))))
    stage = _Stage(agreement, fold.initial(agreement), history)
    last = min(max((said.at for said in history), default=0), MOST_PERIODS)
    changes: list[Change] = []
    outcome = None
    for period in range(last + 1):
        outcome = stage.close(period)
        changes += [
            Change(period, agreement.levels[one.level].name, one.before, one.after, one.why)
            for one in outcome.transitions
        ]
    reasons = outcome.reasons if outcome else {}
    why = {level.name: reasons[rank] for rank, level in agreement.levels.items() if rank in reasons}
    return Rehearsal(last + 1, tuple(changes), why, bound_labs(agreement, stage.state), tuple(stage.skipped))


def bound_labs(agreement: Agreement, state: State) -> Mapping[str, tuple[str, ...]]:
    """Labs that levels bind in a state, each with the names of these levels."""
    found = {
        lab: tuple(level.name for rank, level in agreement.levels.items() if _binds(state.levels[rank], lab))
        for lab in agreement.labs
    }
    return {lab: levels for lab, levels in found.items() if levels}


def _binds(level: LevelState, lab: str) -> bool:
    """Whether a level that is called binds a lab; who keeps one keeps those below it, which may be open."""
    return level.stage is not Stage.OPEN and lab in level.binds and level.binds[lab].until is None


def _seat_seed(name: str) -> bytes:
    return sha256(f"rehearsal seat, known to everybody: {name}".encode()).digest()


def _with_known_seats(terms: pb.Agreement) -> pb.Agreement:
    """Seats get keys that anybody can make, because their ballots are signed one by one."""
    for party in terms.parties:
        for group in party.seats:
            for seat in group.seats:
                if not seat.held_by:
                    seat.public_key = public_key(_seat_seed(f"{party.name}/{seat.name}"))
    return terms


@dataclass(slots=True)
class _Stage:
    """The logs as they grow, and the state."""

    agreement: Agreement
    state: State
    history: Sequence[Said]
    skipped: list[Skipped] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    serials: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    by_period: dict[int, list[Said]] = field(default_factory=lambda: defaultdict(list))
    told: set[tuple[str, int, int, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        for said in self.history:
            self.by_period[said.at].append(said)
            self.told.add(_about(said.party, said.draft))

    def close(self, period: int) -> Outcome:
        """Close a period over what was said, and what is assumed."""
        leaves: dict[str, list[ReadLeaf]] = defaultdict(list)
        for said in (*self._assumed(period), *self.by_period[period]):
            leaf = self._leaf(said)
            if leaf is not None:
                leaves[leaf.origin].append(leaf)
        heads = [Checkpoint(origin, self.sizes[origin], sha256(found[-1].leaf_hash).digest())
                 for origin, found in leaves.items()]  # fmt: skip
        closing = next_closing(self.state, period, heads)
        outcome = fold.step(self.agreement, self.state, Record(encode(closing), closing, leaves))
        self.state = outcome.state
        places = {(leaf.origin, leaf.index): leaf for found in leaves.values() for leaf in found}
        for place, refusal in outcome.refusals.items():
            self._skip(places[place], period, refusal)
        return outcome

    def _skip(self, leaf: ReadLeaf, period: int, refusal: Refused) -> None:
        """Note what the fold refused, unless it was only assumed."""
        party = self.agreement.logs[leaf.origin]
        for said in self.by_period[period]:
            if said.party == party and leaf.header is not None and said.draft.kind == leaf.header.kind:
                self.skipped.append(_skipped(said, str(refusal)))
                return

    def _assumed(self, period: int) -> Iterator[Said]:
        """What a record that is in order holds beside what the history tells."""
        if period == 0:
            for name in self.agreement.parties:
                body = membership_pb2.Founding(agreement=self.agreement.digest)
                yield Said(0, name, Draft(kind=header_pb2.KIND_FOUNDING, body=encode(body)))
                yield Said(0, name, Draft(kind=header_pb2.KIND_KEY_SET, body=encode(_key_set(name))))
            return
        for site, (lab, _) in self.agreement.sites.items():
            draft = Draft(kind=header_pb2.KIND_COMPUTE_ATTESTATION, body=b"", period=period - 1, site=site)
            yield from self._unless_told(Said(period, lab, draft))
        for lab in self.agreement.labs:
            summary = header_pb2.AssessmentSummary(lab=lab, verdict=header_pb2.VERDICT_HONORED, revision=1)
            draft = Draft(kind=header_pb2.KIND_ASSESSMENT, body=b"", period=period - 1, summary=summary)
            for verifier in self.agreement.verifiers:
                yield from self._unless_told(Said(period, verifier, draft))

    def _unless_told(self, said: Said) -> Iterator[Said]:
        if _about(said.party, said.draft) not in self.told:
            yield said

    def _leaf(self, said: Said) -> ReadLeaf | None:
        """The statement as a reader of these terms would have it; None where they do not take it."""
        if said.party not in self.agreement.parties:
            self.skipped.append(_skipped(said, f"{said.party} is no party"))
            return None
        origin, draft = self.agreement.parties[said.party].origin, said.draft
        header = header_pb2.Header(
            agreement=self.agreement.digest,
            author=said.party,
            origin=origin,
            kind=draft.kind,
            sequence=self.sizes[origin],
            period=draft.period,
            site=draft.site,
            audience=KINDS[draft.kind].audience,
            assessment=draft.summary,
        )
        try:
            body = self._body(said, header)
        except Refused as refusal:
            self.skipped.append(_skipped(said, str(refusal)))
            return None
        index = self.sizes[origin]
        self.sizes[origin] += 1
        identity = sha256(f"rehearsal {origin} {index}".encode()).digest()
        return ReadLeaf(origin, index, identity, identity, header, body, None)

    def _body(self, said: Said, header: header_pb2.Header) -> Message | None:
        """The body, if every party may read it, checked by the rules of its kind."""
        rule, draft = KINDS[said.draft.kind], said.draft
        if not draft.body and draft.kind in _HEADERS_COUNT:
            return None
        body = parse(rule.body, draft.body, "body")
        if isinstance(body, decision_pb2.Ballot) and body.seat:
            place = f"{said.party}/{body.seat}"
            self.serials[place] += 1
            body.serial = self.serials[place]
            body = sign_ballot(self.agreement.digest, body, _seat_seed(place))
        rule.validate(body, header, self.agreement)
        return body


_HEADERS_COUNT: Final = frozenset({header_pb2.KIND_COMPUTE_ATTESTATION, header_pb2.KIND_ASSESSMENT})
"""Kinds of which the fold reads the header alone."""


def _skipped(said: Said, why: str) -> Skipped:
    return Skipped(said.at, said.party, said.draft.kind, why)


def _about(party: str, draft: Draft) -> tuple[str, int, int, str]:
    """What an attestation or assessment speaks of, so that nothing is assumed beside it."""
    whom = draft.summary.lab if draft.summary is not None else draft.site.hex()
    return party, draft.kind, -1 if draft.period is None else draft.period, whom


def _key_set(name: str) -> membership_pb2.KeySet:
    key = public_key(sha256(f"rehearsal key, known to everybody: {name}".encode()).digest())
    keys = [membership_pb2.OperationalKey(public_key=key, use=membership_pb2.KEY_USE_STATEMENT)]
    return membership_pb2.KeySet(version=1, keys=keys)
