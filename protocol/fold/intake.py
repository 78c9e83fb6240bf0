"""Stages 2 to 4: what is proven, what each log says, and under which keys (annex 3.2)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from protocol.decisions import out_of_turn
from protocol.errors import Reason, Refused
from protocol.fold import evidence
from protocol.fold.allowed import not_allowed
from protocol.revocation import by_revoked_key, revoked
from protocol.state import Membership, Status
from standstill.v1 import header_pb2 as pb

if TYPE_CHECKING:
    from protocol.fold.work import Work
    from protocol.leaf import ReadLeaf


def proofs(work: Work) -> None:
    """2: every proven contradiction convicts, whoever logged it."""
    parties = dict(work.new.parties)
    for head in work.record.closing.heads:
        leaves = work.leaves(head.origin)
        for leaf in leaves:
            proof = leaf.header is not None and leaf.header.kind == pb.KIND_MISBEHAVIOR
            if proof and _refusal(work, leaf, revoked(leaves)) is None:
                name = leaf.body.party  # type: ignore[union-attr]
                parties[name] = replace(parties[name], convicted=True)
    work.new = replace(work.new, parties=parties)


def intake(work: Work) -> None:
    """3: what each log says, in leaf order, as far as its author may say it under the old state."""
    parties = dict(work.new.parties)
    for head in work.record.closing.heads:
        name = work.agreement.logs[head.origin]
        parties[name] = replace(parties[name], size=head.size)
        leaves = work.leaves(head.origin)
        taken = revoked(leaves)
        for leaf in leaves:
            refusal = _refusal(work, leaf, taken)
            if refusal is None:
                work.accepted.append(leaf)
            if refusal or leaf.refusal:
                work.refusals[leaf.origin, leaf.index] = refusal or leaf.refusal  # type: ignore[assignment]
    work.new = replace(work.new, parties=parties)


def _refusal(work: Work, leaf: ReadLeaf, taken: list[range]) -> Refused | None:
    """The first rule that keeps a statement from counting: of form, of keys, of authority."""
    if not leaf.counts or leaf.header is None:
        return leaf.refusal
    return by_revoked_key(leaf, taken) or _without_authority(work, leaf)


def _without_authority(work: Work, leaf: ReadLeaf) -> Refused | None:
    """The first rule of authority that a statement breaks (annex 3.2, stage 3)."""
    header, old = leaf.header, work.old
    assert header is not None  # noqa: S101 - a leaf without a header carries its refusal
    if header.kind in _MEMBERSHIP:
        return None
    if header.kind == pb.KIND_ACCESSION:
        return not_allowed(work.agreement, leaf)
    # While forming, only Founding and KeySet count (annex 3.5, 2).
    if old.status is not Status.IN_FORCE:
        return Refused(Reason.NOT_IN_FORCE, "header.kind", f"the agreement is {old.status}")
    membership = old.parties[header.author].membership
    if membership not in {Membership.IN, Membership.NOTICE}:
        return Refused(Reason.NO_AUTHORITY, "header.author", f"{header.author} is {membership}")
    return not_allowed(work.agreement, leaf) or _out_of_turn(work, leaf, header, membership)


def _out_of_turn(work: Work, leaf: ReadLeaf, header: pb.Header, membership: Membership) -> Refused | None:
    """The first rule of a kind that a party breaks by saying this now."""
    if header.kind == pb.KIND_BALLOT and (refusal := out_of_turn(work.old, leaf.body, header.author)):  # type: ignore[arg-type]
        return refusal
    # Who replaces a pledge twice within its notice would be rid of the first without notice (annex 3.3).
    if header.kind == pb.KIND_PLEDGE and work.new.pledges[header.author].older:
        return Refused(Reason.PLEDGE_STILL_RUNS, "header.kind", "the pledge replaced last has not run out")
    # An attestation or reading recorded by D(p) speaks of a period that had ended.
    if header.kind in _OF_ENDED_PERIODS and header.period >= work.record.closing.period:
        return Refused(Reason.PERIOD_MISMATCH, "header.period", f"{header.period} had not ended")
    return evidence.out_of_turn(work, leaf)


_MEMBERSHIP: Final = frozenset({pb.KIND_FOUNDING, pb.KIND_KEY_SET})


_OF_ENDED_PERIODS: Final = frozenset({pb.KIND_COMPUTE_ATTESTATION, pb.KIND_METER_READING, pb.KIND_ASSESSMENT})


def keys(work: Work) -> None:
    """4: who has founded, and under which KeySet each party speaks."""
    parties = dict(work.new.parties)
    for leaf in work.of_kind(pb.KIND_FOUNDING):
        name = work.agreement.logs[leaf.origin]
        parties[name] = replace(parties[name], founded=True)
    for leaf in work.of_kind(pb.KIND_KEY_SET):
        name = work.agreement.logs[leaf.origin]
        parties[name] = replace(parties[name], keys_version=leaf.body.version)  # type: ignore[union-attr]
    work.new = replace(work.new, parties=parties)
