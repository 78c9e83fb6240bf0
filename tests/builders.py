"""A small world for tests: parties that write their logs, and a record that closes period by period.

tests.terms     seed, terms, agreement, and the conditions in them
tests.bodies    one body of every kind
Party           an author: its log, its checkpoints
World           all parties and the state
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Final

from google.protobuf.message import Message

from protocol import authoring, envelope, fold, merkle, wire
from protocol.agreement import Agreement
from protocol.checkpoint import Checkpoint, sign_checkpoint
from protocol.closing import Record, next_closing
from protocol.fold.work import Outcome
from protocol.judgement import judged
from protocol.leaf import HEADER_TYPE, Cursor, KeyRing, ReadLeaf, read_leaves
from protocol.state import State
from protocol.statements import KINDS
from protocol.truth import Ref
from standstill.v1 import assessment_pb2, decision_pb2, envelope_pb2, header_pb2, record_pb2
from tests import bodies
from tests.bodies import (
    assessment,
    attestation,
    ballot,
    clause,
    founding,
    halt_report,
    indicator_report,
    key_set,
    meter_reading,
    misbehavior,
    pledge,
    quantity,
    shipment_report,
    summary,
    transfer,
    used,
    withdrawal,
)
from tests.explanations import require_grounded
from tests.terms import (
    A100,
    ALWAYS,
    H100,
    LABS,
    NEVER,
    PAUSE,
    PERIOD,
    SLOWDOWN,
    START,
    VERIFIERS,
    agreement,
    change,
    elapsed,
    handle,
    keeps,
    level,
    party,
    phase,
    reading,
    restrictive,
    seed,
    terms,
)

__all__ = [
    "A100",
    "ALWAYS",
    "H100",
    "LABS",
    "NEVER",
    "PAUSE",
    "PERIOD",
    "SLOWDOWN",
    "START",
    "VERIFIERS",
    "Party",
    "World",
    "agreement",
    "assessment",
    "attestation",
    "ballot",
    "change",
    "clause",
    "elapsed",
    "founding",
    "halt_report",
    "handle",
    "indicator_report",
    "keeps",
    "key_set",
    "level",
    "meter_reading",
    "misbehavior",
    "party",
    "phase",
    "pledge",
    "quantity",
    "reading",
    "reordered",
    "restrictive",
    "seed",
    "shipment_report",
    "summary",
    "terms",
    "transfer",
    "used",
    "withdrawal",
]

KIND_OF: Final = {KINDS[kind].body: kind for kind in header_pb2.Kind.values() if kind in KINDS}
"""Kind by message class of the body."""


class Party:
    """An author and its log.

    Attributes:
        agreement: the terms.
        name: of the party.
        cursor: where its log ends.
        leaves: its log, as a verifier is served it.
        read: the same, read.
    """

    def __init__(self, terms_: Agreement, name: str, *, record: bool = False) -> None:
        """A party's own log, or the record log that it keeps as registrar of term 0, under its first KeySet."""
        self.agreement, self.name = terms_, name
        origin = terms_.record_origin(0) if record else terms_.parties[name].origin
        keys = KeyRing().after(key_set(name)) if record else KeyRing()
        self.cursor = Cursor(origin, name, in_record=record, keys=keys)
        self.leaves: list[envelope_pb2.Leaf] = []
        self.read: list[ReadLeaf] = []

    def draft(
        self,
        body: Message,
        *,
        period: int | None = None,
        site: bytes | None = None,
        summary: header_pb2.AssessmentSummary | None = None,
        inquiry: header_pb2.Inquiry | None = None,
    ) -> authoring.Draft:
        """What to say, with period, site and summary guessed where the kind needs them and they are not said."""
        kind = KIND_OF[type(body)]
        rule = KINDS[kind]
        if period is None and rule.period:
            start = getattr(body, "start", None)
            guessed = 0 if start is None else self.agreement.period_at(start)
            period = body.period if isinstance(body, record_pb2.Closing) else guessed
        if site is None and rule.site:
            own = self.agreement.parties[self.name].sites
            site = own[0].handle if own else handle(LABS[0])
        if summary is None and isinstance(body, assessment_pb2.Assessment):
            summary = bodies.summary(codes=sorted({finding.code for finding in body.findings}))
        data = wire.encode(body)
        return authoring.Draft(kind=kind, body=data, period=period, site=site or b"", summary=summary, inquiry=inquiry)

    def seeds(self, draft: authoring.Draft) -> list[bytes]:
        """Seeds of the keys that sign a draft: the root, or the newest statement key."""
        if KINDS[draft.kind].by_root:
            return [seed(self.name, f"root {number}") for number in (1, 2)]
        return [seed(self.name, f"statement {max(self.cursor.keys.version, 1)}")]

    def write(self, draft: authoring.Draft, seeds: Sequence[bytes] | None = None) -> envelope_pb2.Leaf:
        """The next leaf, not appended."""
        place = f"{self.cursor.origin}|{self.cursor.index}"
        salts = sha256(f"leaf salt {place}".encode()).digest(), sha256(f"body salt {place}".encode()).digest()
        time = self.agreement.end_of(min(draft.period or 0, 10**9)) + self.cursor.index
        signing = self.seeds(draft) if seeds is None else seeds
        return authoring.write_leaf(self.agreement, self.cursor, draft, salts=salts, time=time, seeds=signing)

    def forge(
        self,
        draft: authoring.Draft,
        edit: Callable[[header_pb2.Header], object] = lambda _: None,
        *,
        payload_type: str = HEADER_TYPE,
        seeds: Sequence[bytes] | None = None,
        extra: bytes = b"",
    ) -> envelope_pb2.Leaf:
        """The next leaf with another header: edited, with `extra` bytes after it, or under another payload type."""
        leaf = self.write(draft)
        header = header_pb2.Header.FromString(envelope.parse_envelope(leaf.envelope).payload)
        edit(header)
        signing = self.seeds(draft) if seeds is None else seeds
        return change(leaf, envelope=envelope.seal(payload_type, wire.encode(header) + extra, signing))

    def peek(self, leaf: envelope_pb2.Leaf) -> ReadLeaf:
        """A leaf read at the end of the log and judged under the first terms, not appended."""
        return judged(read_leaves(self.agreement, self.cursor, [leaf])[0][0], self.agreement)

    def append(self, leaf: envelope_pb2.Leaf) -> ReadLeaf:
        """A leaf read at the end of the log and appended, refused or not; judged under the first terms."""
        (read,), self.cursor = read_leaves(self.agreement, self.cursor, [leaf])
        self.leaves.append(leaf)
        self.read.append(read)
        return judged(read, self.agreement)

    def say(
        self,
        body: Message,
        *,
        period: int | None = None,
        site: bytes | None = None,
        summary: header_pb2.AssessmentSummary | None = None,
        inquiry: header_pb2.Inquiry | None = None,
    ) -> ReadLeaf:
        """Write and append a statement; period, site, summary and inquiry as in :meth:`draft`."""
        return self.append(self.write(self.draft(body, period=period, site=site, summary=summary, inquiry=inquiry)))

    def found(self) -> None:
        """Say Founding and the first KeySet."""
        self.say(founding(self.agreement))
        self.say(key_set(self.name))

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        """The head of the log, or of its first `size` leaves."""
        hashes = [leaf.leaf_hash for leaf in self.read[:size]]
        return Checkpoint(self.cursor.origin, len(hashes), merkle.root(hashes))

    def note(self, size: int | None = None) -> bytes:
        """The signed checkpoint."""
        return sign_checkpoint(self.checkpoint(size), seed(self.name, "log"))


def reordered(record: Record, origins: Sequence[str]) -> Record:
    """A record whose logs a reader takes in this order; its closing is the same bytes."""
    heads = {head.origin: head for head in record.closing.heads}
    closing = change(record.closing, heads=[heads[origin] for origin in origins])
    return Record(record.data, closing, {origin: record.leaves[origin] for origin in origins})


class World:
    """All parties of an agreement, and the state as closings go by.

    Attributes:
        agreement: the terms.
        parties: by name.
        registrar: the record log of term 0.
        state: after the last closing.
        states: after every closing, by period.
    """

    def __init__(self, terms_: Agreement | None = None) -> None:
        """Before anybody has said anything."""
        self.agreement = terms_ or agreement()
        self.parties = {name: Party(self.agreement, name) for name in self.agreement.parties}
        self.registrar = Party(self.agreement, self.agreement.verifiers[0], record=True)
        self.state: State = fold.initial(self.agreement)
        self.states: dict[int, State] = {}

    def __getitem__(self, name: str) -> Party:
        """A party."""
        return self.parties[name]

    def found(self) -> World:
        """Everybody founds, and period 0 closes: the agreement is in force."""
        for one in self.parties.values():
            one.found()
        self.close()
        return self

    def record(self, period: int | None = None, names: Iterable[str] | None = None) -> Record:
        """The record of the next period (or of `period`): what the logs (all, or of `names`) hold beyond the state."""
        chosen = [self.parties[name] for name in (self.parties if names is None else names)]
        grown = [one for one in chosen if len(one.read) > self.state.parties[one.name].size]
        before = -1 if self.state.period is None else self.state.period
        at = before + 1 if period is None else period
        closing = next_closing(self.state, at, [one.checkpoint() for one in grown])
        leaves = {one.cursor.origin: one.read[self.state.parties[one.name].size :] for one in grown}
        return Record(wire.encode(closing), closing, leaves)

    def close(self, period: int | None = None, names: Iterable[str] | None = None) -> Outcome:
        """Close the next period (or `period`) over the logs (all, or of `names`)."""
        record = self.record(period, names)
        self.registrar.say(record.closing)
        outcome = fold.step(self.agreement, self.state, record)
        for transition in outcome.transitions:
            require_grounded(transition.why, self.stands)
        self.state = outcome.state
        self.states[record.closing.period] = outcome.state
        return outcome

    def stands(self, ref: Ref) -> bool:
        """Whether a statement stands where a reference says."""
        said = {(leaf.origin, leaf.index): leaf.identity for one in self.parties.values() for leaf in one.read}
        return said.get((ref.origin, ref.index)) == ref.identity

    def close_until(self, period: int) -> Outcome:
        """Close every period up to this one."""
        outcome = self.close()
        while (self.state.period or 0) < period:
            outcome = self.close()
        return outcome

    def vote(
        self,
        motion: decision_pb2.Motion.ValueType,
        voters: Iterable[str] = LABS[:2],
        rank: int = PAUSE,
        episode: int | None = None,
        *,
        yes: bool = True,
    ) -> None:
        """Voters ask for something of a level, in the episode that it would be about."""
        current = self.state.levels[rank].episode
        next_one = motion in {decision_pb2.MOTION_CALL, decision_pb2.MOTION_RATIFY, decision_pb2.MOTION_ARM}
        named = current + next_one if episode is None else episode
        for voter in voters:
            self.parties[voter].say(ballot(motion, rank, named, yes=yes))

    def assess(
        self,
        lab: str,
        period: int,
        verdict: header_pb2.Verdict.ValueType,
        verifiers: Iterable[str] | None = None,
        revision: int = 1,
    ) -> None:
        """Verifiers (all, if not said) say their verdict on a lab and a period."""
        for name in self.agreement.verifiers if verifiers is None else verifiers:
            stated = summary(lab, verdict, revision)
            self.parties[name].say(assessment(), period=period, summary=stated)
