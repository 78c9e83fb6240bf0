"""Stages 1 and 10: exemptions that labs ask for, that are granted, and that end (annex 3.2)."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from protocol.decisions import Asked, tally
from protocol.errors import Reason, Refused
from protocol.fold.ballots import spend
from protocol.recusal import recused
from protocol.state import Membership, key
from protocol.state_entries import GrantState
from protocol.wire import encode
from standstill.v1 import decision_pb2
from standstill.v1 import header_pb2 as pb

if TYPE_CHECKING:
    from protocol.agreement import Agreement
    from protocol.fold.work import Work


def expire(work: Work) -> None:
    """1: grants end by the calendar; with the exemption itself, or with its lab, a grant or request ends too."""
    grants = {
        place: grant
        for place, grant in work.new.grants.items()
        if grant.until > work.governed and _can_be_granted(work, *_parts(place))
    }
    requests = {lab: data for lab, data in work.new.requests.items() if _can_be_asked(work, lab, data)}
    work.new = replace(work.new, grants=grants, requests=requests)


def _parts(place: str) -> tuple[str, int, str]:
    lab, rank, name = place.split("|")
    return lab, int(rank), name


def _can_be_granted(work: Work, lab: str, rank: int, name: str) -> bool:
    """Whether the terms in force still let the lab have this on request."""
    takes_part = work.new.parties[lab].membership is not Membership.OUT
    return takes_part and _on_request(work.agreement, rank, name)


def _on_request(agreement: Agreement, rank: int, name: str) -> bool:
    level = agreement.levels.get(rank)
    return level is not None and any(one.name == name and one.on_request for one in level.exemptions)


def _can_be_asked(work: Work, lab: str, data: bytes) -> bool:
    """Whether a request still waits: its lab stays, and it can be granted under the terms in force."""
    body = decision_pb2.ExemptionRequest.FromString(data)
    stays = work.new.parties[lab].membership is Membership.IN
    return stays and _can_be_granted(work, lab, body.level, body.exemption)


def grants(work: Work) -> None:
    """10: requests wait for a vote, one of each lab; those that are carried are granted from the next step on."""
    requests = dict(work.new.requests)
    for leaf in work.of_kind(pb.KIND_EXEMPTION_REQUEST):
        body: Any = leaf.body
        lab = work.agreement.logs[leaf.origin]
        # Who is leaving may tighten, not relax (annex 3.4).
        if work.new.parties[lab].membership is Membership.IN:
            requests[lab] = encode(body)
        else:
            refusal = Refused(Reason.NO_AUTHORITY, "header.kind", f"{lab} is leaving and asks for no exemption")
            work.refuse(leaf, refusal)
    work.new = replace(work.new, requests=dict(sorted(requests.items())))
    for lab, data in work.new.requests.items():
        _grant(work, lab, data)


def _grant(work: Work, lab: str, data: bytes) -> None:
    """Grant what a lab asks for, if that is carried; it replaces an earlier grant of the same exemption."""
    body = decision_pb2.ExemptionRequest.FromString(data)
    asked = Asked(decision_pb2.MOTION_EXEMPT, body.level, about=lab, asked=sha256(data).digest())
    if not tally(work.agreement, work.new, asked, recused(work.agreement, work.new, asked)).carried:
        return
    granted = GrantState(
        teraflop=body.teraflop if body.HasField("teraflop") else None,
        chip_seconds=body.chip_seconds if body.HasField("chip_seconds") else None,
        start=work.governed,
        until=work.governed + body.periods,
    )
    held = {**work.new.grants, key(lab, body.level, body.exemption): granted}
    work.new = replace(
        work.new,
        grants=dict(sorted(held.items())),
        requests={name: other for name, other in work.new.requests.items() if name != lab},
        ballots=spend(work.new.ballots, asked),
    )
