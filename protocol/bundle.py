"""Evidence bundles: one assessment derived again, offline, from a pinned digest (design 7; transparency (c) 10).

A bundle holds the agreement, the state that the duty was read from, the closings after it, the statements that the
case rests on and the assessment, each proven in a signed and cosigned head. Verification is the list :data:`STEPS`, in
order; a step that fails leaves those after it *not checked*, which is never *passed*.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from protocol.agreement import Agreement, pin, read_agreement
from protocol.appraisal import appraise
from protocol.case import build_case, needs
from protocol.checkpoint import Checkpoint, checkpoint_of
from protocol.commitment import ENTRY_TAG, commit
from protocol.cosignature import cosignature_verifier, cosignatures, witness_key
from protocol.duty import duty
from protocol.errors import Reason, Refused, require
from protocol.leaf import Cursor, KeyRing, ReadLeaf, read_leaves
from protocol.merkle import leaf_hash, verify_inclusion
from protocol.note import ed25519_verifier, open_note, verifier_key
from protocol.state import State, read_state
from protocol.wire import parse
from standstill.v1 import assessment_pb2, bundle_pb2, header_pb2, record_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

MEDIA_TYPE: Final = "application/vnd.standstill.bundle.v1+protobuf"
MAX_BUNDLE_BYTES: Final = 64 << 20
"""Most bytes of a bundle: a lab with 1,000 sites and a 30-day cap takes about 40 MB at the quarter's end."""


class Result(StrEnum):
    """Of one step."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a verification, with its result and what was found."""

    name: str
    result: Result
    detail: str
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What follows from a bundle.

    Attributes:
        steps: every step, in order.
        lab: name of the lab assessed; empty if the bundle could not be read.
        period: period assessed.
        verdict: that the verifier signed; None if it could not be read.
        assessment: the details that it signed; None likewise.
        revision: of the assessment, from 1; None likewise.
    """

    steps: tuple[Step, ...]
    lab: str = ""
    period: int = 0
    verdict: header_pb2.Verdict.ValueType | None = None
    assessment: assessment_pb2.Assessment | None = None
    revision: int | None = None

    def failed(self) -> Step | None:
        """The step that failed, if any."""
        return next((step for step in self.steps if step.result is Result.FAILED), None)


@dataclass(slots=True)
class _View:
    """What the steps so far have established."""

    data: bytes
    pinned: bytes | None
    bundle: bundle_pb2.Bundle = field(default_factory=bundle_pb2.Bundle)
    agreement: Agreement = field(init=False)
    state: State = field(init=False)
    heads: dict[str, Checkpoint] = field(default_factory=dict)
    leaves: dict[str, list[ReadLeaf]] = field(default_factory=dict)
    closings: list[tuple[bytes, record_pb2.Closing]] = field(default_factory=list)
    earlier: list[record_pb2.Closing] = field(default_factory=list)
    stated: ReadLeaf = field(init=False)

    @property
    def record_origin(self) -> str:
        return self.agreement.record_origin(0)

    def party_of(self, origin: str) -> str:
        """Party that keeps a log; a record log is its registrar's."""
        if origin == self.record_origin:
            return self.agreement.verifiers[0]
        require(origin in self.agreement.logs, Reason.UNKNOWN_ORIGIN, "logs.origin", repr(origin))
        return self.agreement.logs[origin]


def verify_bundle(data: bytes, pinned: bytes | None) -> Report:
    """Derive the assessment in a bundle again.

    Args:
        data: the file.
        pinned: SHA-256 of the agreement, obtained by another way; None leaves the trust root not checked.
    """
    view, steps, broken = _View(data, pinned), [], False
    for name, run in STEPS:
        if broken:
            steps.append(Step(name, Result.NOT_CHECKED, "an earlier step failed"))
            continue
        try:
            result, detail = run(view)
            steps.append(Step(name, result, detail))
        except Refused as refused:
            broken = True
            steps.append(Step(name, Result.FAILED, str(refused), refused.reason))
    report = Report(tuple(steps), view.bundle.lab, view.bundle.period)
    stated = getattr(view, "stated", None)
    if stated is None:
        return report
    summary = stated.header.assessment
    return replace(report, verdict=summary.verdict, assessment=stated.body, revision=summary.revision)


def _format(view: _View) -> tuple[Result, str]:
    """The file is a bundle of a version that this reader knows."""
    view.bundle = parse(bundle_pb2.Bundle, view.data, "bundle", MAX_BUNDLE_BYTES)
    found = view.bundle.media_type
    require(found == MEDIA_TYPE, Reason.MEDIA_TYPE_UNKNOWN, "bundle.media_type", repr(found))
    # Two parts of one log could each be checked and the other be read.
    origins = [log.origin for log in view.bundle.logs]
    require(len(set(origins)) == len(origins), Reason.NAME_TWICE, "bundle.logs", "each origin once")
    # Terms cannot be amended yet, so a bundle that brings amended ones is not one of this agreement.
    require(not view.bundle.terms, Reason.BUNDLE_MALFORMED, "bundle.terms", "amended terms")
    return Result.PASSED, f"{len(view.data):,} bytes, {len(view.bundle.logs)} logs"


def _trust_root(view: _View) -> tuple[Result, str]:
    """The agreement is the one that the auditor pinned."""
    bundle, pinned = view.bundle, view.pinned
    view.agreement = read_agreement(bundle.agreement) if pinned is None else pin(bundle.agreement, pinned)
    require(bundle.lab in view.agreement.labs, Reason.NAME_UNKNOWN, "bundle.lab", repr(bundle.lab))
    require(bundle.verifier in view.agreement.verifiers, Reason.NAME_UNKNOWN, "bundle.verifier", repr(bundle.verifier))
    if pinned is None:
        return Result.NOT_CHECKED, f"nothing pinned; the bundle says {view.agreement.digest.hex()}"
    return Result.PASSED, f"agreement {view.agreement.terms.name}, {pinned.hex()}"


def _heads(view: _View) -> tuple[Result, str]:
    """Every head is signed by its log, and cosigned by a quorum of verifier operators."""
    rings = dict(_cosigners(view))
    count = 0
    for log in view.bundle.logs:
        party = view.party_of(log.origin)
        log_key = verifier_key(log.origin, view.agreement.parties[party].log_key)
        witnesses = [
            witness_key(view.agreement.witness_name(name), key) for name, keys in rings.items() for key in keys
        ]
        verifiers = [ed25519_verifier(log_key), *(cosignature_verifier(witness) for witness in witnesses)]
        note = open_note(log.checkpoint, verifiers)
        view.heads[log.origin] = checkpoint_of(note, log.origin, log_key)
        names = {view.agreement.witness_name(name): view.agreement.owner(name) for name in rings}
        operators = {names[cosignature.witness.name] for cosignature in cosignatures(note, witnesses)}
        # A verifier's own log counts as cosigned by its operator (annex 1.1, 3).
        if party in view.agreement.verifiers:
            operators.add(view.agreement.owner(party))
        enough = len(operators) >= view.agreement.quorum
        found = f"{len(operators)} of {view.agreement.quorum} operators"
        require(enough, Reason.THRESHOLD_NOT_MET, f"logs.{log.origin}.checkpoint", found)
        count += len(operators)
    return Result.PASSED, f"{len(view.heads)} heads, {count} operators behind them, {view.agreement.quorum} needed each"


def _cosigners(view: _View) -> Iterator[tuple[str, list[bytes]]]:
    """Cosignature keys of each verifier, from the KeySets in its log, which its root signed."""
    by_origin = {log.origin: log for log in view.bundle.logs}
    for name in view.agreement.verifiers:
        origin = view.agreement.parties[name].origin
        require(origin in by_origin, Reason.BUNDLE_INCOMPLETE, "logs", f"{origin} is missing")
        found: list[bytes] = []
        for leaf in _read(view, by_origin[origin], Cursor(origin, name)):
            if leaf.body is not None and leaf.header is not None and leaf.header.kind == header_pb2.KIND_KEY_SET:
                found += KeyRing().after(leaf.body).cosignature  # type: ignore[arg-type]
        yield name, found


def _inclusion(view: _View) -> tuple[Result, str]:
    """Every leaf stands in its log's head: the entry is recomputed from the very envelope that is read."""
    count = 0
    for log in view.bundle.logs:
        head = view.heads[log.origin]
        for proven in log.leaves:
            entry = commit(ENTRY_TAG, proven.leaf.leaf_salt, proven.leaf.envelope)
            verify_inclusion(proven.index, head.size, leaf_hash(entry), proven.proof, head.root)
            count += 1
    return Result.PASSED, f"{count} leaves"


def _signatures(view: _View) -> tuple[Result, str]:
    """Every statement is read by the rules that its reader on the wire applies."""
    by_origin = {log.origin: log for log in view.bundle.logs}
    require(view.record_origin in by_origin, Reason.BUNDLE_INCOMPLETE, "logs", f"{view.record_origin} is missing")
    for origin, log in by_origin.items():
        if origin != view.record_origin:
            view.leaves[origin] = list(_read(view, log, Cursor(origin, view.party_of(origin))))
    registrar = view.party_of(view.record_origin)
    keys = KeyRing()
    for leaf in view.leaves[view.agreement.parties[registrar].origin]:
        if leaf.header is not None and leaf.header.kind == header_pb2.KIND_KEY_SET and leaf.body is not None:
            after = keys.after(leaf.body)  # type: ignore[arg-type]
            keys = replace(after, statement=keys.statement + after.statement)
    cursor = Cursor(view.record_origin, registrar, in_record=True, keys=keys)
    view.leaves[view.record_origin] = list(_read(view, by_origin[view.record_origin], cursor))
    count = sum(len(leaves) for leaves in view.leaves.values())
    refused = sum(leaf.refusal is not None for leaves in view.leaves.values() for leaf in leaves)
    return Result.PASSED, f"{count - refused} statements" + (f", {refused} refused, as findings say" if refused else "")


def _read(view: _View, log: bundle_pb2.BundledLog, cursor: Cursor) -> Iterator[ReadLeaf]:
    """Leaves of a bundled log in order; KeySets among them change the keys in force."""
    for proven in log.leaves:
        rises = proven.index >= cursor.index
        require(rises, Reason.ORDER_MISMATCH, f"logs.{log.origin}.leaves", f"{proven.index} out of order")
        previous = cursor.previous if proven.index == cursor.index else None
        here = replace(cursor, index=proven.index, previous=previous)
        (leaf,), cursor = read_leaves(view.agreement, here, [proven.leaf])
        yield leaf


def _record(view: _View) -> tuple[Result, str]:
    """The closings chain from the state to the record period, and the recorded heads are the proven ones."""
    view.state = read_state(view.bundle.state)
    previous = view.state.closing
    for leaf in view.leaves[view.record_origin]:
        require(leaf.refusal is None, Reason.CLOSING_NOT_NEXT, "closing", str(leaf.refusal))
        closing: record_pb2.Closing = leaf.body  # type: ignore[assignment]
        # Closings up to the state's: they show what was recorded before a key was taken back (annex 3.3).
        if view.state.period is not None and closing.period <= view.state.period:
            view.earlier.append(closing)
            continue
        chained = closing.previous == previous
        require(chained, Reason.CLOSING_NOT_NEXT, "closing.previous", f"closing of {closing.period}")
        data = _body_of(view, leaf.index)
        previous = sha256(data).digest()
        view.closings.append((data, closing))
    require(bool(view.closings), Reason.BUNDLE_INCOMPLETE, "closings", "none")
    first, last = view.closings[0][1], view.closings[-1][1]
    require(first.state == sha256(view.bundle.state).digest(), Reason.STATE_DIFFERS, "bundle.state", first.state.hex())
    reaches = last.period == view.bundle.record_period
    require(reaches, Reason.BUNDLE_INCOMPLETE, "closings", f"end at {last.period}, not {view.bundle.record_period}")
    for log in view.bundle.logs:
        if log.origin not in {view.record_origin, view.agreement.parties[view.bundle.verifier].origin}:
            _recorded_head(view, log.origin)
    return Result.PASSED, f"{len(view.closings)} closings to period {last.period}, state {first.state.hex()[:16]}"


def _body_of(view: _View, index: int) -> bytes:
    log = next(log for log in view.bundle.logs if log.origin == view.record_origin)
    return next(proven.leaf.body for proven in log.leaves if proven.index == index)


def _recorded_head(view: _View, origin: str) -> None:
    """The head that the leaves are proven in is the one that counts at the record period."""
    size, found = _recorded_size(view, origin), view.heads[origin]
    heads = [head for _, closing in view.closings for head in closing.heads if head.origin == origin]
    same = found.size == size and (not heads or heads[-1].root == found.root)
    require(same, Reason.STATE_DIFFERS, f"logs.{origin}.checkpoint", f"size {found.size}, recorded {size}")


def _recorded_size(view: _View, origin: str) -> int:
    """Leaves of a log that are recorded by the last closing."""
    sizes = [head.size for _, closing in view.closings for head in closing.heads if head.origin == origin]
    return sizes[-1] if sizes else view.state.parties[view.agreement.logs[origin]].size


def _assessment(view: _View) -> tuple[Result, str]:
    """The checks, run again on these statements, give the assessment that the verifier signed, to the byte."""
    bundle, agreement = view.bundle, view.agreement
    view.stated = _stated(view)
    # The state governs the period only if it was final two periods before (annex 1.7) and no later one governs it.
    governs = view.state.period is None or view.state.period + 2 <= bundle.period
    newest = view.closings[0][1].period + 2 > bundle.period
    require(governs and newest, Reason.STATE_DIFFERS, "bundle.state", f"does not govern period {bundle.period}")
    owed = duty(agreement, view.state, bundle.lab, bundle.period)
    wanted = needs(agreement, owed, bundle.lab, bundle.period)
    read = [leaf for found in view.leaves.values() for leaf in found]
    leaves = [leaf for leaf in read if _counts(view, leaf) and any(need.covers(leaf) for need in wanted)]
    case = build_case(
        agreement,
        owed,
        bundle.lab,
        bundle.period,
        bundle.record_period,
        leaves,
        lambda leaf: _recorded(view, leaf),
        closed=[closing.period for _, closing in view.closings],
    )
    derived = appraise(case, view.closings[0][1].state)
    assert view.stated.header is not None  # noqa: S101 - a statement in good form has one
    summary = view.stated.header.assessment
    same = derived.verdict == summary.verdict and derived.assessment == view.stated.body
    said = header_pb2.Verdict.Name(derived.verdict).removeprefix("VERDICT_").lower()
    found = f"derived {said} with {', '.join(derived.codes) or 'no findings'}"
    require(same, Reason.ASSESSMENT_DIFFERS, "assessment", found)
    return Result.PASSED, f"{found}, from {len(leaves)} statements"


def _stated(view: _View) -> ReadLeaf:
    """The newest revision of the verifier's assessment of the lab and period in the bundle."""
    bundle = view.bundle
    found = [
        leaf
        for leaf in view.leaves[view.agreement.parties[bundle.verifier].origin]
        if leaf.refusal is None
        and leaf.header is not None
        and (leaf.header.assessment.lab, leaf.header.period) == (bundle.lab, bundle.period)
    ]
    require(bool(found), Reason.BUNDLE_INCOMPLETE, "assessment", f"none of {bundle.lab} period {bundle.period}")
    return max(found, key=lambda leaf: leaf.header.assessment.revision)  # type: ignore[union-attr]


def _counts(view: _View, leaf: ReadLeaf) -> bool:
    """Whether the record reaches a leaf; only the verifier's own log goes on behind it, with the assessment."""
    own = view.agreement.parties[view.bundle.verifier].origin
    return leaf.origin != own or leaf.index < _recorded_size(view, own)


def _recorded(view: _View, leaf: ReadLeaf) -> int:
    """Period of the first closing that covers a leaf; for what the state covers, of the first that the bundle shows."""
    before = leaf.index < view.state.parties[view.agreement.logs[leaf.origin]].size
    for closing in view.earlier if before else [closing for _, closing in view.closings]:
        for head in closing.heads:
            if head.origin == leaf.origin and leaf.index < head.size:
                return closing.period
    if before:
        return view.state.period or 0
    raise Refused(Reason.BUNDLE_INCOMPLETE, f"{leaf.origin}[{leaf.index}]", "no closing covers it")


def _earlier(view: _View) -> tuple[Result, str]:
    """The state is taken from the record; deriving it takes every closing from the first."""
    return Result.NOT_CHECKED, f"that the state of period {view.state.period} follows from the closings before it"


def _newer(view: _View) -> tuple[Result, str]:
    """A bundle shows one revision; later ones stand in the verifier's log."""
    assert view.stated.header is not None  # noqa: S101 - the step before has read it
    revision = view.stated.header.assessment.revision
    return Result.NOT_CHECKED, f"whether {view.bundle.verifier} has revised revision {revision}: ask, or read its log"


def _beyond(view: _View) -> tuple[Result, str]:
    """What a bundle cannot show by itself."""
    return Result.NOT_CHECKED, f"whether {view.bundle.verifier} left statements out: compare with the logs themselves"


BEYOND: Final = frozenset({"earlier record", "newer revision", "completeness"})
"""Steps that no bundle can pass: what only the logs themselves show."""

STEPS: Final[tuple[tuple[str, Callable[[_View], tuple[Result, str]]], ...]] = (
    ("format", _format),
    ("trust root", _trust_root),
    ("heads", _heads),
    ("inclusion", _inclusion),
    ("signatures", _signatures),
    ("record", _record),
    ("assessment", _assessment),
    ("earlier record", _earlier),
    ("newer revision", _newer),
    ("completeness", _beyond),
)
"""The steps, in order. Each gives a result and what it found, or refuses."""
