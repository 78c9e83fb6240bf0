"""Stage 10: what takes effect with the next step (annex 3.2 to 3.5)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from protocol.fold.amendments import amendments
from protocol.fold.grants import grants
from protocol.fold.newcomers import admissions, joined
from protocol.state import Membership, Status
from standstill.v1 import header_pb2 as pb

if TYPE_CHECKING:
    from protocol.fold.work import Work
    from protocol.leaf import ReadLeaf
    from protocol.state import PledgeState


def schedule(work: Work) -> None:
    """10: what takes effect with the next step: entry into force, pledges, notices, newcomers, amendments, grants."""
    parties, held = dict(work.new.parties), dict(work.new.pledges)
    # Of several pledges of a lab in one record only the newest was ever in force.
    newest = {work.agreement.logs[leaf.origin]: leaf for leaf in work.of_kind(pb.KIND_PLEDGE)}
    held |= {
        lab: _replaced(held[lab], leaf, work.agreement.terms.pledge_notice_periods) for lab, leaf in newest.items()
    }
    for leaf in work.of_kind(pb.KIND_WITHDRAWAL):
        name = work.agreement.logs[leaf.origin]
        if parties[name].membership is Membership.IN:
            notice = work.agreement.terms.withdrawal_notice_periods
            parties[name] = replace(parties[name], membership=Membership.NOTICE, notice_left=notice)
    work.new = replace(work.new, parties=parties, pledges=held)
    _form(work)
    admissions(work)
    amendments(work)
    grants(work)


def _replaced(before: PledgeState, leaf: ReadLeaf, notice: int) -> PledgeState:
    """A lab's pledges after a new one: the one before it, if there is one, runs beside it for its notice."""
    return replace(
        before,
        current=leaf.body.SerializeToString(deterministic=True),  # type: ignore[union-attr]
        index=leaf.index,
        identity=leaf.identity,
        older=before.current,
        older_index=before.index,
        older_identity=before.identity,
        older_left=notice if before.current else 0,
    )


def _form(work: Work) -> None:
    """Entry into force when all founders have signed under a KeySet, void after the forming end (annex 3.5, 2)."""
    parties, terms = work.new.parties, work.agreement.terms
    ready = {name for name, party in parties.items() if party.founded and party.keys_version}
    status, since, entered = work.new.status, work.new.since, work.new.entered
    if status is Status.FORMING and ready.issuperset(terms.founding):
        status, since, entered = Status.IN_FORCE, work.governed, work.new.closings
    elif status is Status.FORMING and work.new.closings >= terms.forming_end_periods:
        status = Status.VOID
    work.new = replace(work.new, status=status, since=since, entered=entered)
    if status is Status.IN_FORCE:
        for name in sorted(ready):
            if parties[name].membership is Membership.FORMING:
                joined(work, name)
