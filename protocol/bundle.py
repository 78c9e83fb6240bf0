"""Evidence bundles: one assessment derived again, offline, from a pinned digest (design 7; transparency (c) 10).

A bundle holds the agreement, the state that the duty was read from, the closings after it, the statements that the
case rests on and the assessment, each proven in a signed and cosigned head. Verification is the list :data:`STEPS`, in
order; a step that fails leaves those after it *not checked*, which is never *passed*.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from protocol.agreement import pin, read_agreement
from protocol.appraisal import appraise
from protocol.bundle_logs import (
    Result,
    View,
    check_head,
    check_inclusion,
    check_recorded,
    closing_keys,
    counted,
    read_log,
    recorded_size,
)
from protocol.bundle_terms import check_terms
from protocol.case import build_case
from protocol.case_needs import needs
from protocol.duty import duty
from protocol.errors import Reason, Refused, require
from protocol.judgement import judged
from protocol.leaf import Cursor, KeyRing, ReadLeaf
from protocol.state import read_state
from protocol.wire import parse
from standstill.v1 import assessment_pb2, bundle_pb2, header_pb2, record_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from protocol.bundle_logs import BoundCheck
    from protocol.case import Case
    from protocol.duty import Duty

__all__ = ["BEYOND", "MAX_BUNDLE_BYTES", "MEDIA_TYPE", "STEPS", "Report", "Result", "Step", "verify_bundle"]

MEDIA_TYPE: Final = "application/vnd.standstill.bundle.v1+protobuf"
MAX_BUNDLE_BYTES: Final = 64 << 20
"""Most bytes of a bundle: a lab with 1,000 sites and a 30-day cap takes about 40 MB at the quarter's end."""


class Step(NamedTuple):
    """One step of a verification, with its result and what was found."""

    name: str
    result: Result
    detail: str
    reason: Reason | None = None


class Report(NamedTuple):
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


def verify_bundle(data: bytes, pinned: bytes | None, check_bound: BoundCheck | None = None) -> Report:
    """Derive the assessment in a bundle again.

    Args:
        data: the file.
        pinned: SHA-256 of the agreement, obtained by another way; None leaves the trust root not checked.
        check_bound: derives bound and floor from the evidence and their proofs; None leaves them not checked.
    """
    view, steps, broken = View(data, pinned, check_bound), [], False
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
    return report._replace(verdict=summary.verdict, assessment=stated.body, revision=summary.revision)


def _format(view: View) -> tuple[Result, str]:
    """The file is a bundle of a version that this reader knows."""
    view.bundle = parse(bundle_pb2.Bundle, view.data, "bundle", MAX_BUNDLE_BYTES)
    found = view.bundle.media_type
    require(found == MEDIA_TYPE, Reason.MEDIA_TYPE_UNKNOWN, "bundle.media_type", repr(found))
    # Two parts of one log could each be checked and the other be read.
    origins = [log.origin for log in view.bundle.logs]
    require(len(set(origins)) == len(origins), Reason.NAME_TWICE, "bundle.logs", "each origin once")
    # Amended terms that govern a period stand in its state, whose digest the record holds; loose ones prove nothing.
    require(not view.bundle.terms, Reason.BUNDLE_MALFORMED, "bundle.terms", "terms beside those in the state")
    return Result.PASSED, f"{len(view.data):,} bytes, {len(view.bundle.logs)} logs"


def _trust_root(view: View) -> tuple[Result, str]:
    """The agreement is the one that the auditor pinned."""
    bundle, pinned = view.bundle, view.pinned
    view.agreement = read_agreement(bundle.agreement) if pinned is None else pin(bundle.agreement, pinned)
    require(bundle.verifier in view.agreement.verifiers, Reason.NAME_UNKNOWN, "bundle.verifier", repr(bundle.verifier))
    if pinned is None:
        return Result.NOT_CHECKED, f"nothing pinned; the bundle says {view.agreement.digest.hex()}"
    return Result.PASSED, f"agreement {view.agreement.terms.name}, {pinned.hex()}"


def _heads(view: View) -> tuple[Result, str]:
    """Every founder's head is signed by its log, and cosigned by a quorum of verifier operators."""
    view.cosigners = dict(_cosigners(view))
    founded = view.founded()
    count = sum(check_head(view, log, view.agreement.parties[view.founder_of(log.origin)]) for log in founded)
    return Result.PASSED, f"{len(founded)} heads, {count} operators behind them, {view.agreement.quorum} needed each"


def _cosigners(view: View) -> Iterator[tuple[str, list[bytes]]]:
    """Cosignature keys of each verifier, from the KeySets in its log, which its root signed."""
    for name in view.agreement.verifiers:
        log = view.log(view.agreement.parties[name].origin)
        found: list[bytes] = []
        for leaf in read_log(view.agreement, log, Cursor(log.origin, name)):
            if leaf.body is not None and leaf.header is not None and leaf.header.kind == header_pb2.KIND_KEY_SET:
                found += KeyRing().after(leaf.body).cosignature  # type: ignore[arg-type]
        yield name, found


def _inclusion(view: View) -> tuple[Result, str]:
    """Every leaf stands in its log's head: the entry is recomputed from the very envelope that is read."""
    return Result.PASSED, f"{sum(check_inclusion(view, log) for log in view.founded())} leaves"


def _signatures(view: View) -> tuple[Result, str]:
    """Every statement is read by the rules that its reader on the wire applies."""
    record = view.log(view.record_origin)
    for log in view.founded():
        if log is not record:
            cursor = Cursor(log.origin, view.founder_of(log.origin))
            view.leaves[log.origin] = list(read_log(view.agreement, log, cursor))
    registrar = view.founder_of(view.record_origin)
    rings = closing_keys(record, view.leaves[view.agreement.parties[registrar].origin])
    cursor = Cursor(view.record_origin, registrar, in_record=True)
    view.leaves[view.record_origin] = list(read_log(view.agreement, record, cursor, rings))
    return Result.PASSED, counted(leaf for leaves in view.leaves.values() for leaf in leaves)


def _record(view: View) -> tuple[Result, str]:
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
        data = view.body(view.record_origin, leaf.index)
        previous = sha256(data).digest()
        view.closings.append((data, closing))
    require(bool(view.closings), Reason.BUNDLE_INCOMPLETE, "closings", "none")
    first, last = view.closings[0][1], view.closings[-1][1]
    require(first.state == sha256(view.bundle.state).digest(), Reason.STATE_DIFFERS, "bundle.state", first.state.hex())
    reaches = last.period == view.bundle.record_period
    require(reaches, Reason.BUNDLE_INCOMPLETE, "closings", f"end at {last.period}, not {view.bundle.record_period}")
    for log in view.founded():
        if log.origin not in {view.record_origin, view.agreement.parties[view.bundle.verifier].origin}:
            check_recorded(view, log.origin, view.agreement)
    return Result.PASSED, f"{len(view.closings)} closings to period {last.period}, state {first.state.hex()[:16]}"


def _assessment(view: View) -> tuple[Result, str]:
    """The checks, run again on these statements, give the assessment that the verifier signed, to the byte."""
    view.stated = _stated(view)
    owed = duty(view.terms, view.state, view.bundle.lab, view.bundle.period)
    leaves = _rested_on(view, owed)
    view.case = _case(view, owed, leaves)
    derived = appraise(view.case, view.closings[0][1].state)
    assert view.stated.header is not None  # noqa: S101 - a statement in good form has one
    summary = view.stated.header.assessment
    same = derived.verdict == summary.verdict and derived.assessment == view.stated.body
    said = header_pb2.Verdict.Name(derived.verdict).removeprefix("VERDICT_").lower()
    found = f"derived {said} with {', '.join(derived.codes) or 'no findings'}"
    require(same, Reason.ASSESSMENT_DIFFERS, "assessment", found)
    return Result.PASSED, f"{found}, from {len(leaves)} statements"


def _rested_on(view: View, owed: Duty) -> list[ReadLeaf]:
    """The statements of the bundle that the case rests on."""
    wanted = needs(view.terms, owed, view.bundle.lab, view.bundle.period)
    read = [leaf for found in view.leaves.values() for leaf in found]
    return [leaf for leaf in read if _counts(view, leaf) and any(need.covers(leaf) for need in wanted)]


def _case(view: View, owed: Duty, leaves: list[ReadLeaf]) -> Case:
    """What the bundle holds on the lab and the period, with the bound that the verifier states."""
    bundle = view.bundle
    # The state governs the period only if it was final two periods before (annex 1.7) and no later one governs it.
    governs = view.state.period is None or view.state.period + 2 <= bundle.period
    newest = view.closings[0][1].period + 2 > bundle.period
    require(governs and newest, Reason.STATE_DIFFERS, "bundle.state", f"does not govern period {bundle.period}")
    case = build_case(
        view.terms,
        owed,
        bundle.lab,
        bundle.period,
        bundle.record_period,
        leaves,
        lambda leaf: _recorded(view, leaf),
        closed=[closing.period for _, closing in view.closings],
    )
    details: assessment_pb2.Assessment = view.stated.body  # type: ignore[assignment]
    stated = details.assurance.HasField("hidden_compute")
    return replace(case, hidden=details.assurance.hidden_compute if stated else None)


def _stated(view: View) -> ReadLeaf:
    """The newest revision of the verifier's assessment of the lab and period in the bundle."""
    bundle = view.bundle
    found = [
        leaf
        for leaf in (judged(one, view.terms) for one in view.leaves[view.agreement.parties[bundle.verifier].origin])
        if leaf.refusal is None
        and leaf.header is not None
        and (leaf.header.assessment.lab, leaf.header.period) == (bundle.lab, bundle.period)
    ]
    require(bool(found), Reason.BUNDLE_INCOMPLETE, "assessment", f"none of {bundle.lab} period {bundle.period}")
    return max(found, key=lambda leaf: leaf.header.assessment.revision)  # type: ignore[union-attr]


def _counts(view: View, leaf: ReadLeaf) -> bool:
    """Whether the record reaches a leaf; only the verifier's own log goes on behind it, with the assessment."""
    own = view.agreement.parties[view.bundle.verifier].origin
    return leaf.origin != own or leaf.index < recorded_size(view, own, view.terms)


def _recorded(view: View, leaf: ReadLeaf) -> int:
    """Period of the first closing that covers a leaf; for what the state covers, of the first that the bundle shows."""
    before = leaf.index < view.state.parties[view.terms.logs[leaf.origin]].size
    for closing in view.earlier if before else [closing for _, closing in view.closings]:
        for head in closing.heads:
            if head.origin == leaf.origin and leaf.index < head.size:
                return closing.period
    if before:
        return view.state.period or 0
    raise Refused(Reason.BUNDLE_INCOMPLETE, f"{leaf.origin}[{leaf.index}]", "no closing covers it")


def _bound(view: View) -> tuple[Result, str]:
    """Bound and floor follow from the evidence and their proofs, in whole numbers and without a solver."""
    hidden = view.case.hidden
    proofs = {sha256(proof).digest(): proof for proof in view.bundle.proofs}
    named = {hidden.bound_proof, hidden.floor_proof} if hidden is not None else set()
    require(
        proofs.keys() <= named, Reason.BUNDLE_MALFORMED, "bundle.proofs", "proofs that the assessment does not name"
    )
    if hidden is None:
        return Result.PASSED, "none is stated"
    if view.check_bound is None:
        return Result.NOT_CHECKED, "no arithmetic for proofs at hand"
    return Result.PASSED, view.check_bound(view.case, hidden, proofs)


def _earlier(view: View) -> tuple[Result, str]:
    """The state is taken from the record; deriving it takes every closing from the first."""
    return Result.NOT_CHECKED, f"that the state of period {view.state.period} follows from the closings before it"


def _newer(view: View) -> tuple[Result, str]:
    """A bundle shows one revision; later ones stand in the verifier's log."""
    assert view.stated.header is not None  # noqa: S101 - the step before has read it
    revision = view.stated.header.assessment.revision
    return Result.NOT_CHECKED, f"whether {view.bundle.verifier} has revised revision {revision}: ask, or read its log"


def _beyond(view: View) -> tuple[Result, str]:
    """What a bundle cannot show by itself."""
    return Result.NOT_CHECKED, f"whether {view.bundle.verifier} left statements out: compare with the logs themselves"


BEYOND: Final = frozenset({"earlier record", "newer revision", "completeness"})
"""Steps that no bundle can pass: what only the logs themselves show."""

STEPS: Final[tuple[tuple[str, Callable[[View], tuple[Result, str]]], ...]] = (
    ("format", _format),
    ("trust root", _trust_root),
    ("heads", _heads),
    ("inclusion", _inclusion),
    ("signatures", _signatures),
    ("record", _record),
    ("terms", check_terms),
    ("assessment", _assessment),
    ("bound", _bound),
    ("earlier record", _earlier),
    ("newer revision", _newer),
    ("completeness", _beyond),
)
"""The steps, in order. Each gives a result and what it found, or refuses."""
