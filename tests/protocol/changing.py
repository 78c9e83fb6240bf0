"""Worlds whose terms change: how tests propose, vote, admit and join."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from protocol import wire
from protocol.agreement import Agreement
from protocol.errors import Reason
from protocol.fold.work import Outcome
from protocol.in_force import in_force
from standstill.v1 import agreement_pb2, decision_pb2, membership_pb2
from tests.builders import LABS, Party, World, agreement, ballot, key_set, party, terms

AMEND, ADMIT = decision_pb2.MOTION_AMEND, decision_pb2.MOTION_ADMIT
RULES: dict[str, Any] = {"amended_by": "council", "admitted_by": "council"}


def changeable(**changes: Any) -> World:
    """A world in force whose council may amend and admit."""
    return World(agreement(**(RULES | changes))).found()


def text(**changes: Any) -> bytes:
    """The terms that such worlds start from, changed."""
    return wire.encode(terms(**(RULES | changes)))


def parts(data: bytes, size: int = 60_000) -> list[membership_pb2.Amendment]:
    """A text as it is published."""
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    digest = sha256(data).digest()
    return [
        membership_pb2.Amendment(digest=digest, part=number, parts=len(pieces), data=piece)
        for number, piece in enumerate(pieces)
    ]


def propose(world: World, data: bytes, name: str = "alpha", size: int = 60_000) -> None:
    """A party publishes a text of new terms."""
    for part in parts(data, size):
        world[name].say(part)


def vote(world: World, motion: Any, digest: bytes, voters: Iterable[str] = LABS[:2]) -> None:
    """Voters ask for what has this digest."""
    for voter in voters:
        world[voter].say(ballot(motion, 0, 0, asked=digest))


def amend(world: World, data: bytes) -> Outcome:
    """Propose a text, vote for it, and close until it is in force."""
    propose(world, data)
    vote(world, AMEND, sha256(data).digest())
    world.close()
    return world.close()


def offer(world: World, newcomer: agreement_pb2.Party, voters: Iterable[str] = LABS) -> Outcome:
    """Propose a party, vote for it and close."""
    data = wire.encode(newcomer)
    world["alpha"].say(membership_pb2.Admission(party=data))
    vote(world, ADMIT, sha256(data).digest(), voters)
    return world.close()


def newcomer(name: str = "delta", *roles: agreement_pb2.Role.ValueType, **changes: Any) -> agreement_pb2.Party:
    """A lab, unless other roles are said."""
    return party(name, *(roles or (agreement_pb2.ROLE_LAB,)), **changes)


def arrive(world: World, name: str = "delta") -> Party:
    """A party that is listed gets its log; nothing is said in it."""
    world.parties[name] = Party(now(world), name)
    return world.parties[name]


def join(world: World, name: str = "delta") -> Party:
    """A party that is listed accedes."""
    found = arrive(world, name)
    accession = membership_pb2.Accession(agreement=world.agreement.digest, terms=world.state.terms)
    found.say(accession)
    found.say(key_set(name))
    return found


def now(world: World) -> Agreement:
    """The terms in force."""
    return in_force(world.agreement, world.state)


def reasons(outcome: Outcome) -> list[Reason]:
    """Why statements were refused."""
    return [refused.reason for refused in outcome.refusals.values()]
