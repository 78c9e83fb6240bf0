"""Bound and floor of a case: found by a solver for those who publish, checked without one by those who read."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

from bound.assembly import assemble
from bound.liars import with_liars
from bound.outcome import outcome, proven_bound, proven_floor
from bound.proof import pack, unpack
from bound.reading import Gap, evidence_of
from bound.worth import worths
from protocol.errors import Reason, require
from protocol.hidden_compute import window
from standstill.v1 import assessment_pb2 as pb
from standstill.v1 import quantity_pb2 as q

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bound.assembly import Assembled
    from bound.evidence import Evidence
    from bound.outcome import Outcome
    from protocol.case import Case

CONTRADICTORY: Final = "no history that a solver could find fits what the sources say"
MOST_TOLD: Final = 5
"""Lines of a story, and of what evidence is worth: the rest is small."""


def reckon(case: Case) -> tuple[pb.HiddenCompute, list[bytes]]:
    """What is proven of a case's window, with the proofs that it names by digest."""
    first = window(case.agreement, case.duty, case.period).start
    try:
        evidence = evidence_of(case)
    except Gap as gap:
        return pb.HiddenCompute(first_period=first, absent_because=str(gap)), []
    made, found = assemble(evidence), outcome(evidence)
    stated = pb.HiddenCompute(first_period=first, unbounded=found.unbounded)
    if not found.floor_multipliers or (found.bound is None and not found.unbounded):
        return pb.HiddenCompute(first_period=first, absent_because=CONTRADICTORY), []
    proofs = [pack(found.floor_multipliers)]
    stated.floor_proof = sha256(proofs[0]).digest()
    stated.floor.CopyFrom(_chip_seconds(_floor(made, proofs[0])))
    if found.bound is not None:
        proofs.append(pack(found.bound_multipliers))
        stated.bound_proof = sha256(proofs[-1]).digest()
        stated.bound.CopyFrom(_teraflop(_bound(made, proofs[-1])))
    _advise(stated, evidence, found)
    return stated, proofs


def check(case: Case, stated: pb.HiddenCompute, proofs: Mapping[bytes, bytes]) -> str:
    """Derive bound and floor again from the evidence and the proofs; what was found, in words.

    Args:
        case: the evidence.
        stated: what the verifier signed.
        proofs: by their SHA-256.

    Raises:
        Refused: BOUND_DIFFERS, BUNDLE_INCOMPLETE, CERTIFICATE_MALFORMED.
    """
    first = window(case.agreement, case.duty, case.period).start
    require(stated.first_period == first, Reason.BOUND_DIFFERS, "hidden_compute.first_period", f"derived {first}")
    try:
        evidence = evidence_of(case)
    except Gap as gap:
        same = stated.absent_because == str(gap)
        require(same, Reason.BOUND_DIFFERS, "hidden_compute.absent_because", f"derived: {gap}")
        return f"no bound: {gap}"
    if stated.absent_because:
        # That a solver found nothing is nobody's proof: neither a bound nor its absence is taken from it.
        return f"no bound, in the verifier's words: {stated.absent_because}"
    made = assemble(evidence)
    floor = _floor(made, _proof(proofs, stated.floor_proof, "floor_proof"))
    require(floor == stated.floor.value, Reason.BOUND_DIFFERS, "hidden_compute.floor", f"derived {floor}")
    if not stated.HasField("bound"):
        require(bool(stated.unbounded), Reason.BOUND_DIFFERS, "hidden_compute.bound", "absent without a reason")
        return f"no bound: {'; '.join(stated.unbounded)}"
    bound = _bound(made, _proof(proofs, stated.bound_proof, "bound_proof"))
    require(bound == stated.bound.value, Reason.BOUND_DIFFERS, "hidden_compute.bound", f"derived {bound}")
    return f"at most {bound:,} TFLOP, at least {floor:,} chip-seconds false, proven without a solver"


def _advise(stated: pb.HiddenCompute, evidence: Evidence, found: Outcome) -> None:
    """Add what a solver says and nobody proves."""
    for name, operations in sorted(found.story.items(), key=lambda item: -item[1])[:MOST_TOLD]:
        if operations:
            stated.story.add(channel=name, operations=_teraflop(operations))
    survived = with_liars(evidence, 1)
    told = stated.resilience.add(liars=1, owners=sorted(survived.liars), opened=survived.opened)
    if survived.bound is not None:
        told.bound.CopyFrom(_teraflop(survived.bound))
    for one in worths(evidence)[:MOST_TOLD]:
        stated.worth.add(change=one.change, bound=None if one.bound is None else _teraflop(one.bound))


def _proof(proofs: Mapping[bytes, bytes], digest: bytes, name: str) -> bytes:
    require(digest in proofs, Reason.BUNDLE_INCOMPLETE, f"hidden_compute.{name}", digest.hex())
    return proofs[digest]


def _floor(made: Assembled, proof: bytes) -> int:
    return proven_floor(made, unpack(proof, len(made.program.limits)))


def _bound(made: Assembled, proof: bytes) -> int:
    return proven_bound(made, unpack(proof, len(made.program.limits)))


def _teraflop(value: int) -> q.Quantity:
    return q.Quantity(value=value, unit=q.UNIT_TERAFLOP, basis=q.BASIS_CALCULATED)


def _chip_seconds(value: int) -> q.Quantity:
    return q.Quantity(value=value, unit=q.UNIT_CHIP_SECOND, basis=q.BASIS_CALCULATED)
