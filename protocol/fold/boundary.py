"""Stage 1: what was scheduled for this step (annex 3.2 to 3.4)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from protocol import pledges
from protocol.fold.amendments import take_over
from protocol.fold.grants import expire
from protocol.state import Membership, Stage

if TYPE_CHECKING:
    from protocol.fold.work import Work
    from protocol.state import PledgeState


def boundary(work: Work) -> None:
    """1: what was scheduled for this step: exits, ends of replaced pledges and of grants, terms that take over."""
    # Exit only when the notice has run out, every level is open and no brake runs (annex 3.4).
    quiet = all(level.stage is Stage.OPEN and not level.brake_left for level in work.old.levels.values())
    parties = {}
    for name, party in work.old.parties.items():
        if party.membership is Membership.NOTICE:
            left = max(party.notice_left - 1, 0)
            gone = left == 0 and quiet
            parties[name] = replace(party, notice_left=left, membership=Membership.OUT if gone else party.membership)
        else:
            parties[name] = party
    ran = {lab: _run(work, lab, pledge) for lab, pledge in work.old.pledges.items()}
    work.new = replace(work.new, parties=parties, pledges=ran)
    take_over(work)
    expire(work)


def _run(work: Work, lab: str, pledge: PledgeState) -> PledgeState:
    """A lab's pledges one step later: a replaced one runs for its notice, and on while it binds (annex 3.3)."""
    if not pledge.older:
        return pledge
    # Who leaves keeps what it pledged before until it is out: a pledge made in the notice replaces none (annex 3.4).
    if work.old.parties[lab].membership is Membership.NOTICE:
        return pledge
    runs = pledge.older_left > 0 or pledges.kept_by_older(work.agreement, work.old, lab) > 0
    if not runs:
        return replace(pledge, older_left=0, older=b"", older_index=0, older_identity=b"")
    return replace(pledge, older_left=max(pledge.older_left - 1, 0))
