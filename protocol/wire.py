"""Strict reading of protobuf bytes (spec: wire, section 1).

Two readers must never see two meanings in the same bytes, so a message is accepted only in the one form that proto3
encoders write: fields in the order of their numbers, no unknown field, no singular field given twice, no default value
spelled out, no padded varint, no other packing. All of it shows in one comparison: what is understood, written again,
must be exactly the bytes received. (Signatures are still checked over the received bytes, never over these.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from google.protobuf.message import DecodeError

from protocol.errors import Reason, Refused, require

if TYPE_CHECKING:
    from google.protobuf.message import Message

M = TypeVar("M", bound="Message")

MAX_UINT = 2**63 - 1
"""Largest signed quantity: fits the signed 64-bit integers of every language and database."""

DIGEST_LENGTH = 32
"""Length of SHA-256 digests, Ed25519 public keys and salts, bytes."""


MAX_MESSAGE_BYTES = 65_535
"""Most bytes of a signed message: the entry limit of C2SP tlog-tiles."""


def parse(kind: type[M], data: bytes, field: str, limit: int = MAX_MESSAGE_BYTES) -> M:
    """Read one message strictly.

    Args:
        kind: generated message class.
        data: exact bytes received.
        field: name of the whole message in refusals.
        limit: most bytes accepted.

    Raises:
        Refused: MESSAGE_TOO_LARGE, MESSAGE_MALFORMED (not protobuf), MESSAGE_NOT_CANONICAL (unknown field, repeated
            singular field, spelled-out default or padded varint).
    """
    # With `if` rather than `require`, as all that runs for every statement: the sentence of a refusal costs more.
    if len(data) > limit:
        raise Refused(Reason.MESSAGE_TOO_LARGE, field, f"{len(data)} bytes, at most {limit}")
    try:
        message = kind.FromString(data)
    except DecodeError:
        # The library's own words differ between its versions, and refusals stand in signed findings.
        raise Refused(Reason.MESSAGE_MALFORMED, field, "expected protobuf") from None
    message.DiscardUnknownFields()
    # Comparing lengths would not do: what a dropped field takes away, a padded one could give back. No message of ours
    # holds a map, so there is one order to write it in without asking for one, which would cost half as much again.
    if message.SerializeToString() != data:
        raise Refused(Reason.MESSAGE_NOT_CANONICAL, field, "not the bytes that a proto3 encoder writes for its values")
    return message


def encode(message: Message) -> bytes:
    """Serialize a message that is about to be signed; afterwards only these bytes count."""
    return message.SerializeToString(deterministic=True)


def require_digest(value: bytes, field: str) -> None:
    """Refuse anything but 32 bytes with DIGEST_LENGTH."""
    require(len(value) == DIGEST_LENGTH, Reason.DIGEST_LENGTH, field, f"{len(value)} bytes, not {DIGEST_LENGTH}")
