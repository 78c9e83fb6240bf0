"""Stages 1 to 5: what is scheduled, what is proven, what each log says, and what it adds to the facts (annex 3.2)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from protocol import pledges
from protocol.conduct import VERDICTS
from protocol.errors import Reason, Refused
from protocol.facts import StateFacts
from protocol.revocation import by_revoked_key, revoked
from protocol.state import Membership, ReportState, Stage, Status, VerdictState, key
from standstill.v1 import decision_pb2
from standstill.v1 import header_pb2 as pb

if TYPE_CHECKING:
    from protocol.fold.work import Work
    from protocol.leaf import ReadLeaf
    from protocol.state import PartyState, PledgeState


def boundary(work: Work) -> None:
    """1: what was scheduled for this step: exits, and the end of pledges that were replaced."""
    # Exit only when the notice has run out and every level is open (annex 3.4).
    quiet = all(level.stage is Stage.OPEN for level in work.old.levels.values())
    parties = {}
    for name, party in work.old.parties.items():
        if party.membership is Membership.NOTICE:
            left = max(party.notice_left - 1, 0)
            gone = left == 0 and quiet
            parties[name] = replace(party, notice_left=left, membership=Membership.OUT if gone else party.membership)
        else:
            parties[name] = party
    ran = {lab: _run(work, pledge) for lab, pledge in work.old.pledges.items()}
    work.new = replace(work.new, parties=parties, pledges=ran)


def _run(work: Work, pledge: PledgeState) -> PledgeState:
    """A lab's pledges one step later: a replaced one runs for its notice, and on while it binds (annex 3.3)."""
    profile = {lab: other.kept for lab, other in work.old.pledges.items()}
    alone = replace(pledge, current=b"", floor=0)
    binds = pledges.kept(alone, pledge.kept, StateFacts(work.agreement, work.old, profile))
    runs = pledge.older_left > 0 or binds > 0
    return replace(pledge, older_left=max(pledge.older_left - 1, 0), older=pledge.older if runs else b"")


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
    # While forming, only Founding and KeySet count (annex 3.5, 2).
    if old.status is not Status.IN_FORCE:
        return Refused(Reason.NOT_IN_FORCE, "header.kind", f"the agreement is {old.status}")
    membership = old.parties[header.author].membership
    if membership not in {Membership.IN, Membership.NOTICE}:
        return Refused(Reason.NO_AUTHORITY, "header.author", f"{header.author} is {membership}")
    return _out_of_turn(work, leaf, header, membership)


def _out_of_turn(work: Work, leaf: ReadLeaf, header: pb.Header, membership: Membership) -> Refused | None:
    """The first rule of a kind that a party breaks by saying this now."""
    # In notice a party may tighten, not relax (annex 3.4).
    if header.kind == pb.KIND_BALLOT and membership is Membership.NOTICE:
        motion = leaf.body.motion  # type: ignore[union-attr]
        if motion == decision_pb2.MOTION_LIFT:
            return Refused(Reason.NO_AUTHORITY, "ballot.motion", f"{header.author} is leaving and may not lift")
    # Who replaces a pledge twice within its notice would be rid of the first without notice (annex 3.3).
    if header.kind == pb.KIND_PLEDGE and work.new.pledges[header.author].older:
        return Refused(Reason.PLEDGE_STILL_RUNS, "header.kind", "the pledge replaced last has not run out")
    # An attestation or reading recorded by D(p) speaks of a period that had ended.
    if header.kind in _OF_ENDED_PERIODS and header.period >= work.record.closing.period:
        return Refused(Reason.PERIOD_MISMATCH, "header.period", f"{header.period} had not ended")
    return None


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


def facts(work: Work) -> None:
    """5: evidence headers, indicator reports and verdicts enter their windows."""
    conduct, reports, verdicts = dict(work.new.conduct), dict(work.new.reports), dict(work.new.verdicts)
    period = work.record.closing.period
    for leaf in work.of_kind(pb.KIND_COMPUTE_ATTESTATION):
        header = leaf.header
        assert header is not None  # noqa: S101 - accepted leaves have headers
        lab, site = header.author, header.site.hex()
        newest = max(conduct[lab].attested.get(site, 0), header.period)
        conduct[lab] = replace(conduct[lab], attested={**conduct[lab].attested, site: newest})
    for leaf in work.of_kind(pb.KIND_INDICATOR_REPORT):
        body, author = leaf.body, work.agreement.logs[leaf.origin]
        place = key(body.indicator, body.lab, author)  # type: ignore[union-attr]
        value: int = body.value  # type: ignore[union-attr]
        reports[place] = ReportState(value=value, period=period, closing=work.new.closings, index=leaf.index)
    parties = dict(work.new.parties)
    for leaf in work.of_kind(pb.KIND_ASSESSMENT):
        _count_verdict(work, leaf, verdicts, parties)
    work.new = replace(work.new, conduct=conduct, reports=reports, verdicts=verdicts, parties=parties)


def _count_verdict(
    work: Work, leaf: ReadLeaf, verdicts: dict[str, VerdictState], parties: dict[str, PartyState]
) -> None:
    """A verifier's newest revision counts while the period is not settled; two texts of one revision convict it."""
    header = leaf.header
    assert header is not None  # noqa: S101 - accepted leaves have headers
    stated, old = header.assessment, work.old
    # This closing is the last whose assessments of the periods that it settles count (annex 2, 4).
    settled = old.period is not None and header.period <= old.period - work.agreement.terms.standing.settle_periods
    if settled or header.period < (old.since or 0):
        return
    place = key(stated.lab, header.period, header.author)
    before = verdicts[place].revision if place in verdicts else 0
    if before == stated.revision:
        parties[header.author] = replace(parties[header.author], convicted=True)
    if before < stated.revision:
        verdicts[place] = VerdictState(verdict=VERDICTS[stated.verdict - 1], revision=stated.revision)
