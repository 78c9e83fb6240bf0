"""Stage 7: the ballots that count from now on (annex 5.3, 2)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from protocol.revocation import revoked
from protocol.state import BallotState, ballot_key
from standstill.v1 import header_pb2 as pb

if TYPE_CHECKING:
    from protocol.fold.work import Work


def ballots(work: Work) -> None:
    """7: the newest ballot of each voter on each motion."""
    newest = {place: ballot for place, ballot in work.new.ballots.items() if not _taken_back(work, place, ballot)}
    for leaf in work.of_kind(pb.KIND_BALLOT):
        body, voter = leaf.body, work.agreement.logs[leaf.origin]
        place = ballot_key(voter, body.motion, body.level)  # type: ignore[union-attr]
        newest[place] = BallotState(
            episode=body.episode,  # type: ignore[union-attr]
            yes=body.yes,  # type: ignore[union-attr]
            period=work.record.closing.period,
            closing=work.new.closings,
            index=leaf.index,
        )
    work.new = replace(work.new, ballots=newest)


def _taken_back(work: Work, place: str, ballot: BallotState) -> bool:
    """Whether the voter now revokes the key that cast a ballot: what it decided stands, but it counts no longer."""
    voter = place.split("|", maxsplit=1)[0]
    sets = [leaf for leaf in work.of_kind(pb.KIND_KEY_SET) if work.agreement.logs[leaf.origin] == voter]
    return any(ballot.index in indices for indices in revoked(sets))
