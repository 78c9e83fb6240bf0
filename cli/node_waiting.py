"""What waits for a party: votes that it has, and questions that it owes an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from protocol.decisions import Asked, voters
from protocol.state import Standing
from standstill.v1 import agreement_pb2, decision_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.node_view import View
    from protocol.state import State

SHOWN_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that waits.

    Attributes:
        command: what to say to it, as a command of `standstill node`.
        about: what it is, in words.
    """

    command: str
    about: str


def waiting(view: View) -> list[Waiting]:
    """What waits for the party of a view; nothing where the node does not follow the record."""
    if view.state is None:
        return []
    questions = (
        Waiting(f"reply TEXT --to {name[:SHOWN_DIGITS]}", f"{one.asker} asked in P{one.period}")
        for name, one in sorted(view.state.inquiries.items())
        if one.lab == view.party
    )
    return [*questions, *(found for asked, found in _votes(view, view.state) if _has_a_vote(view, asked))]


def _has_a_vote(view: View, asked: Asked) -> bool:
    """Whether the party votes on it, or a seat of it does."""
    return any(name.partition("/")[0] == view.party for name in voters(view.terms, asked))


def _votes(view: View, state: State) -> Iterator[tuple[Asked, Waiting]]:
    """What is asked of voters beyond calling and lifting, which is always open."""
    for rank, level in sorted(state.levels.items()):
        if level.brake_left:
            what = f"its brake runs for {level.brake_left} more"
            yield (
                Asked(decision_pb2.MOTION_RATIFY, rank),
                Waiting(f"vote ratify {view.terms.levels[rank].name} --yes", what),
            )
    for lab, conduct in sorted(state.conduct.items()):
        if conduct.standing is Standing.ACCUSED:
            what = f"accusation {conduct.accusations} of {lab}"
            for motion, word in ((decision_pb2.MOTION_HOLD, "hold"), (decision_pb2.MOTION_RELEASE, "release")):
                yield Asked(motion, about=lab), Waiting(f"vote {word} {lab} --yes", what)
    for lab, data in sorted(state.requests.items()):
        body = decision_pb2.ExemptionRequest.FromString(data)
        what = f"{lab} asks for {body.exemption} of {view.terms.levels[body.level].name}, {body.periods} periods"
        asked = Asked(decision_pb2.MOTION_EXEMPT, body.level, about=lab)
        yield asked, Waiting(f"vote exempt {lab} --yes", what)
    for sponsor, data in sorted(state.offers.items()):
        name = agreement_pb2.Party.FromString(data).name
        yield Asked(decision_pb2.MOTION_ADMIT), Waiting(f"vote admit {name} --yes", f"{sponsor} offers it")
    for proposer, proposal in sorted(state.proposals.items()):
        if proposal.seen == proposal.parts:
            command = f"vote amend {proposal.digest[:SHOWN_DIGITS]} --yes"
            yield Asked(decision_pb2.MOTION_AMEND), Waiting(command, f"{proposer} proposes these terms")
