"""Stage 1: what was scheduled for this step (annex 3.2 to 3.4)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from protocol import pledges
from protocol.facts import StateFacts
from protocol.state import Membership, Stage

if TYPE_CHECKING:
    from protocol.fold.work import Work
    from protocol.state import PledgeState


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
