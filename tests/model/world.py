"""The real fold in a small world without signatures: statements as leaves, closings as moves.

Everything that decides is the project's own code: the terms are validated, bodies pass the rules of their kind, and
every move is one :func:`protocol.fold.step`. Left out are signatures, hashes of leaves and the state's digest, none of
which a stage reads; the tests of the log and of the record cover them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from typing import Final

from google.protobuf.message import Message

from protocol import fold
from protocol.agreement import Agreement
from protocol.checkpoint import Checkpoint
from protocol.closing import Record, next_closing
from protocol.errors import Refused
from protocol.fold.work import Outcome
from protocol.in_force import in_force
from protocol.leaf import READ_AT_ONCE, ReadLeaf
from protocol.state import State
from protocol.statements import KINDS
from standstill.v1 import agreement_pb2, decision_pb2, header_pb2, membership_pb2, pledge_pb2
from tests import bodies, builders
from tests.terms import handle

_CONSTANT: Final = bytes(32)
QUIET: Final = 12
"""Closings after which no clock looks back to the founding: worlds that begin there need not grow old first."""


class Modelled(State):
    """A state whose digest is not computed: no stage reads it, and it would take half of every move."""

    __slots__ = ()

    def digest(self) -> bytes:
        """Nothing in particular, 32 bytes."""
        return _CONSTANT


@dataclass(frozen=True, eq=False, slots=True)
class Said:
    """One statement that an author may make. Made by the cached functions below, so that equal ones are one object.

    Attributes:
        author: name of the party.
        words: for people.
        body: of the statement.
        ago: the period it speaks of, counted back from the last one closed; None where its kind names none.
        summary: of an assessment.
    """

    author: str
    words: str
    body: Message
    ago: int | None = None
    summary: header_pb2.AssessmentSummary | None = None

    @property
    def kind(self) -> header_pb2.Kind.ValueType:
        """What it is."""
        return builders.KIND_OF[type(self.body)]

    def __str__(self) -> str:
        return f"{self.author} {self.words}"


@dataclass(frozen=True, slots=True)
class Act:
    """One closing.

    Attributes:
        said: what it covers, in the order of each author's log.
        dark: periods before it that were not closed.
    """

    said: tuple[Said, ...] = ()
    dark: int = 0

    def __str__(self) -> str:
        after = f"after {self.dark} dark, " if self.dark else ""
        return f"{after}a closing of: {'; '.join(map(str, self.said)) or 'nothing'}"


@cache
def vote(
    voter: str, motion: decision_pb2.Motion.ValueType, rank: int, episode: int, *, yes: bool = True, about: str = ""
) -> Said:
    """A ballot."""
    asks = decision_pb2.Motion.Name(motion).removeprefix("MOTION_").lower()
    words = (
        f"votes {'to' if yes else 'not to'} {asks} level {rank}, episode {episode}{f', about {about}' if about else ''}"
    )
    extra = {"about": about} if about else {}
    return Said(voter, words, bodies.ballot(motion, rank, episode, yes=yes, **extra))


@cache
def report(reporter: str, lab: str, value: int) -> Said:
    """A reading of the indicator."""
    return Said(reporter, f"reports {value} of {lab}", bodies.indicator_report(lab, value))


@cache
def brake(party: str, rank: int) -> Said:
    """A use of the brake."""
    return Said(party, f"uses the brake of level {rank}", decision_pb2.Brake(level=rank))


@cache
def leave(party: str) -> Said:
    """A withdrawal."""
    return Said(party, "gives notice of leaving", bodies.withdrawal())


@cache
def promise(lab: str, data: bytes, words: str) -> Said:
    """A pledge, given as its bytes."""
    return Said(lab, f"pledges {words}", pledge_pb2.Pledge.FromString(data))


@cache
def assess(verifier: str, lab: str, verdict: header_pb2.Verdict.ValueType, ago: int = 0, revision: int = 1) -> Said:
    """An assessment of a lab in the period last closed, or some time before it."""
    word = header_pb2.Verdict.Name(verdict).removeprefix("VERDICT_").lower()
    words = f"says that {lab} was {word}{f', {ago} periods ago' if ago else ''}, revision {revision}"
    return Said(verifier, words, bodies.assessment(), ago, bodies.summary(lab, verdict, revision))


@cache
def decide(
    voter: str, motion: decision_pb2.Motion.ValueType, data: bytes, words: str, *, rank: int = 0, about: str = ""
) -> Said:
    """A ballot on something that has a digest: terms, a party, a request."""
    asks = decision_pb2.Motion.Name(motion).removeprefix("MOTION_").lower()
    extra = {"about": about} if about else {}
    return Said(voter, f"votes to {asks} {words}", bodies.ballot(motion, rank, 0, asked=sha256(data).digest(), **extra))


@cache
def propose(party: str, data: bytes, words: str) -> Said:
    """New terms, in one part."""
    return Said(party, f"proposes {words}", bodies.amendment(data))


@cache
def offer(party: str, data: bytes, words: str) -> Said:
    """A party is proposed, given as its bytes."""
    return Said(party, f"proposes to admit {words}", membership_pb2.Admission(party=data))


@cache
def accede(party: str, agreement: bytes, terms: bytes) -> Said:
    """Who was admitted accepts terms, given as their digest."""
    return Said(party, "accedes", membership_pb2.Accession(agreement=agreement, terms=terms))


@cache
def key_set(party: str) -> Said:
    """A party's first keys."""
    return Said(party, "publishes its keys", bodies.key_set(party))


@cache
def ask(lab: str, data: bytes, words: str) -> Said:
    """A request for an exemption, given as its bytes."""
    return Said(lab, f"asks for {words}", decision_pb2.ExemptionRequest.FromString(data))


@dataclass(slots=True)
class World:
    """An agreement, and moves under it.

    Attributes:
        agreement: the terms.
    """

    agreement: Agreement
    _leaves: dict[tuple[Said, int, int], ReadLeaf] = field(default_factory=dict)

    @property
    def firmest(self) -> bytes:
        """A pledge to keep every level, whatever the others do."""
        clauses = [pledge_pb2.PledgeClause(level=rank) for rank in self.agreement.levels]
        return pledge_pb2.Pledge(clauses=clauses).SerializeToString(deterministic=True)

    def founded(self, quiet: int = QUIET) -> State:
        """The state in which everybody has founded, so many closings ago, and nobody has said anything else."""
        state = builders.World(self.agreement).found().state
        found: State = Modelled(**{name: getattr(state, name) for name in State.__dataclass_fields__})
        for _ in range(quiet):
            found = self.step(found, Act()).state
        return found

    def step(self, state: State, act: Act) -> Outcome:
        """The fold of one closing."""
        return fold.step(self.agreement, state, self.record(state, act))

    def record(self, state: State, act: Act) -> Record:
        """What the fold is given."""
        logs: dict[str, list[ReadLeaf]] = {}
        for said, index in self.places(state, act):
            leaf = self._leaf(said, index, 0 if said.ago is None else (state.period or 0) - said.ago, state)
            logs.setdefault(leaf.origin, []).append(leaf)
        heads = [Checkpoint(origin, leaves[-1].index + 1, _CONSTANT) for origin, leaves in logs.items()]
        period = 0 if state.period is None else state.period + 1 + act.dark
        closing = next_closing(state, period, heads)
        return Record(closing.SerializeToString(deterministic=True), closing, logs)

    def places(self, state: State, act: Act) -> Iterator[tuple[Said, int]]:
        """Each statement with its leaf index."""
        sizes: dict[str, int] = {}
        for said in act.said:
            index = sizes.get(said.author, state.parties[said.author].size)
            sizes[said.author] = index + 1
            yield said, index

    def refused(self, state: State, act: Act, outcome: Outcome) -> dict[Said, Refused]:
        """The statements of a move that were refused."""
        parties = in_force(self.agreement, outcome.state).parties
        places = ((said, (parties[said.author].origin, index)) for said, index in self.places(state, act))
        return {said: outcome.refusals[place] for said, place in places if place in outcome.refusals}

    def _leaf(self, said: Said, index: int, period: int, state: State) -> ReadLeaf:
        found = self._leaves.get((said, index, period))
        if found is None:
            parties = in_force(self.agreement, state).parties
            found = self._leaves[said, index, period] = self._read(said, index, period, parties[said.author])
        return found

    def _read(self, said: Said, index: int, period: int, party: agreement_pb2.Party) -> ReadLeaf:
        """A statement as a reader finds it: what the terms say of it is judged where it is recorded."""
        rule = KINDS[said.kind]
        header = header_pb2.Header(agreement=self.agreement.digest, author=said.author, kind=said.kind)
        header.origin, header.sequence, header.audience = party.origin, index, rule.audience
        if said.ago is not None:
            header.period, header.site = period, handle("alpha")
        if said.summary is not None:
            header.assessment.CopyFrom(said.summary)
        identity = sha256(f"{said}, leaf {index}, period {period}".encode()).digest()
        if said.kind in READ_AT_ONCE:
            rule.validate(said.body, header, self.agreement)
        return ReadLeaf(party.origin, index, _CONSTANT, identity, header, said.body, None)
