"""Keys for drafts: derived from names, so anybody can make them. Good for reading and trying, never for signing."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from protocol.keys import public_key
from standstill.v1 import agreement_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Collection


def with_stand_ins(terms: pb.Agreement, pending: Collection[str]) -> pb.Agreement:
    """A copy whose pending parties have keys, an origin, and a lab one site, so that the rules can read it.

    Args:
        terms: as compiled.
        pending: parties whose keys are not known, as :class:`language.lower.Compiled` lists them.
    """
    made = pb.Agreement()
    made.CopyFrom(terms)
    meter = next((party.name for party in made.parties if pb.ROLE_METER in party.roles), "")
    for party in made.parties:
        if party.name in pending:
            _fill(party, meter)
    return made


def _fill(party: pb.Party, meter: str) -> None:
    party.origin = party.origin or f"{party.name}.draft.example/standstill"
    party.log_key = party.log_key or _key(party.name, "log")
    if not party.root_keys:
        party.root_keys.append(_key(party.name, "root"))
        party.root_threshold = 1
    if pb.ROLE_VERIFIER in party.roles:
        party.record_origin = party.record_origin or f"{party.name}.draft.example/record"
    if pb.ROLE_LAB in party.roles and not party.sites:
        handle = sha256(f"draft site of {party.name}".encode()).digest()[:16]
        party.sites.add(handle=handle, metered_by=meter, pue_low_milli=1_000, pue_high_milli=2_000)
    for group in party.seats:
        for seat in group.seats:
            if not seat.held_by and not seat.public_key:
                seat.public_key = _key(party.name, f"seat {group.name} {seat.name}")


def _key(name: str, use: str) -> bytes:
    return public_key(sha256(f"draft key, known to everybody: {name}: {use}".encode()).digest())
