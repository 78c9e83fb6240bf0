"""Stage 7: the ballots that count from now on, and the brakes that are used (annex 5.1 and 5.3, 2)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from protocol.decisions import asked_by
from protocol.errors import Reason, Refused
from protocol.revocation import revoked
from protocol.state import BallotState, group_key, key
from standstill.v1 import header_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    from protocol.decisions import Asked
    from protocol.fold.work import Work
    from protocol.leaf import ReadLeaf

    Refusals: TypeAlias = dict[tuple[str, int], Refused]


def ballots(work: Work) -> None:
    """7: the newest ballot of each voter on each motion, and the levels whose brake is used."""
    newest, refusals = _counted(work)
    work.refusals.update(refusals)
    work.new = replace(work.new, ballots=_pruned(work, newest))
    _brake(work)


def fresh(work: Work) -> dict[str, BallotState]:
    """The ballots that stage 7 will leave, for a stage before it: a vote recorded in time is never lost."""
    return _counted(work)[0]


def _counted(work: Work) -> tuple[dict[str, BallotState], Refusals]:
    """The newest ballots with those of this record, in the order of each log; and seats' ballots that come again."""
    newest = _not_taken_back(work)
    refusals: Refusals = {}
    serials = _serials(newest)
    for leaf in work.of_kind(pb.KIND_BALLOT):
        body: Any = leaf.body
        voter = work.agreement.logs[leaf.origin]
        if body.seat:
            voter = f"{voter}/{body.seat}"
            seat = _voter(asked_by(body).place(voter))
            last = serials.get(seat, 0)
            # A council must not cast a seat's earlier ballot once more (decision.proto, Ballot.serial).
            if body.serial <= last:
                found = f"{body.serial}, not above {last}"
                refusals[leaf.origin, leaf.index] = Refused(Reason.SERIAL_REUSED, "ballot.serial", found)
                continue
            serials[seat] = body.serial
        newest[asked_by(body).place(voter)] = BallotState(
            episode=body.episode,
            yes=body.yes,
            period=work.record.closing.period,
            closing=work.new.closings,
            index=leaf.index,
            serial=body.serial,
            identity=leaf.identity,
        )
    return newest, refusals


def _not_taken_back(work: Work) -> dict[str, BallotState]:
    """Ballots but those whose voter now revokes the key that cast them: what they decided stands, they count no longer.

    A seat's ballot is the seat's, whoever's key carried it.
    """
    sets: dict[str, list[ReadLeaf]] = {}
    for leaf in work.of_kind(pb.KIND_KEY_SET):
        sets.setdefault(work.agreement.logs[leaf.origin], []).append(leaf)
    taken = {voter: revoked(leaves) for voter, leaves in sets.items()}
    return {
        place: ballot
        for place, ballot in work.new.ballots.items()
        if not any(ballot.index in indices for indices in taken.get(_voter(place), ()))
    }


def _voter(place: str) -> str:
    """The voter in the key of a ballot."""
    return place.split("|", maxsplit=1)[0]


def _serials(found: Mapping[str, BallotState]) -> dict[str, int]:
    """The highest serial of each seat."""
    serials: dict[str, int] = {}
    for place, ballot in found.items():
        if ballot.serial:
            serials[_voter(place)] = max(serials.get(_voter(place), 0), ballot.serial)
    return serials


def _pruned(work: Work, found: dict[str, BallotState]) -> dict[str, BallotState]:
    """Without ballots that no rule counts any longer, or the state would grow with all that was ever asked.

    The last ballot of a seat stays, because its serial must not come again.
    """
    life = max((rule.ballot_life_periods for rule in work.agreement.rules.values()), default=0)
    oldest, serials = work.new.closings - life, _serials(found)
    return {
        place: ballot
        for place, ballot in found.items()
        if ballot.closing > oldest or (ballot.serial and ballot.serial == serials[_voter(place)])
    }


def spend(found: Mapping[str, BallotState], asked: Asked) -> dict[str, BallotState]:
    """Ballots without those that have decided what was asked: they do not decide it again.

    A seat's last ballot stays for its serial, as one that says no.
    """
    spent = {place for place in found if place == asked.place(_voter(place))}
    return {
        place: replace(ballot, yes=False) if place in spent else ballot
        for place, ballot in found.items()
        if place not in spent or ballot.serial
    }


def _brake(work: Work) -> None:
    """Who uses a brake rests for a time, with its whole control group; the rests count closed periods (annex 1.7)."""
    rests = {place: left - 1 for place, left in work.old.rests.items() if left > 1}
    used: dict[str, int] = {}
    for leaf in work.of_kind(pb.KIND_BRAKE):
        body: Any = leaf.body
        author = work.agreement.logs[leaf.origin]
        place = key(body.level, group_key(work.agreement.owner(author)))
        if left := rests.get(place, 0):
            found = f"{work.agreement.owner(author)} must wait {left} more"
            work.refusals[leaf.origin, leaf.index] = Refused(Reason.BRAKE_RESTS, "brake.level", found)
            continue
        used[place] = work.agreement.levels[body.level].brake.rest_periods
        work.braked.add(body.level)
    work.new = replace(work.new, rests=dict(sorted((rests | used).items())))
