"""Ballots of seats: signed by the seat, carried in the log of its council (decision.proto, `Ballot.seat_signature`).

The seat signs for one agreement and with a serial that rises, so that a council can neither change its vote nor cast it
twice, and no ballot counts under another agreement.
"""

from __future__ import annotations

from typing import Final

from protocol import keys
from protocol.wire import encode
from standstill.v1 import decision_pb2 as pb

DOMAIN: Final = b"standstill.v1/ballot\n"


def signed_bytes(agreement: bytes, ballot: pb.Ballot) -> bytes:
    """What a seat signs: domain, digest of the agreement (32 bytes), and the ballot without its signature."""
    unsigned = pb.Ballot()
    unsigned.CopyFrom(ballot)
    unsigned.ClearField("seat_signature")
    return DOMAIN + agreement + encode(unsigned)


def sign_ballot(agreement: bytes, ballot: pb.Ballot, seed: bytes) -> pb.Ballot:
    """A seat's ballot with its signature.

    Args:
        agreement: digest of the agreement, 32 bytes.
        ballot: with seat and serial.
        seed: Ed25519 seed of the seat, 32 bytes.
    """
    signed = pb.Ballot()
    signed.CopyFrom(ballot)
    signed.seat_signature = keys.sign(seed, signed_bytes(agreement, ballot))
    return signed


def signature_holds(agreement: bytes, ballot: pb.Ballot, public_key: bytes) -> bool:
    """Whether a ballot is signed by its seat, whose key (32 bytes) the terms admit."""
    return keys.signature_holds(public_key, signed_bytes(agreement, ballot), ballot.seat_signature)
