"""Founding, KeySet, Withdrawal, Accession, Admission, Amendment: who takes part, on which terms (annex 3.3 to 3.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol.errors import Reason, Refused, require
from protocol.keys import admit_public_key
from protocol.wire import parse, require_digest
from standstill.v1 import agreement_pb2
from standstill.v1 import membership_pb2 as pb

if TYPE_CHECKING:
    from protocol.agreement import Agreement
    from standstill.v1.header_pb2 import Header

MAX_KEYS: Final = 16
MAX_REASON: Final = 1_000
MAX_PARTS: Final = 18
"""Most parts of an amendment: with :data:`MAX_PART_BYTES` the largest agreement fits."""
MAX_PART_BYTES: Final = 60_000
"""Most bytes of one part: a body holds no more with its other fields."""


def founding(body: pb.Founding, header: Header, agreement: Agreement) -> None:
    """A founder names the agreement that it accepts, at leaf 0."""
    require(header.sequence == 0, Reason.SEQUENCE_MISMATCH, "header.sequence", "a Founding is leaf 0")
    matches = body.agreement == agreement.digest
    require(matches, Reason.WRONG_AGREEMENT, "founding.agreement", body.agreement.hex())


def key_set(body: pb.KeySet, header: Header, agreement: Agreement) -> None:
    """Keys are admissible and each has one use, also against the keys that the agreement names."""
    require(body.version >= 1, Reason.KEY_SET_VERSION, "key_set.version", "from 1")
    require(1 <= len(body.keys) <= MAX_KEYS, Reason.KEY_COUNT, "key_set.keys", f"{len(body.keys)}, 1 to {MAX_KEYS}")
    within = body.revoked_from <= header.sequence
    require(within, Reason.VALUE_OUT_OF_RANGE, "key_set.revoked_from", f"{body.revoked_from} lies ahead")
    fixed = {key for party in agreement.terms.parties for key in (party.log_key, *party.root_keys)}
    seen: set[bytes] = set()
    for number, key in enumerate(body.keys):
        where = f"key_set.keys[{number}]"
        admit_public_key(key.public_key, f"{where}.public_key")
        known_use = key.use in {pb.KEY_USE_STATEMENT, pb.KEY_USE_COSIGNATURE}
        require(known_use, Reason.VALUE_OUT_OF_RANGE, f"{where}.use", str(key.use))
        fresh = key.public_key not in seen | fixed
        require(fresh, Reason.KEY_TWICE, f"{where}.public_key", "one key, one use")
        seen.add(key.public_key)


def withdrawal(body: pb.Withdrawal, header: Header, agreement: Agreement) -> None:
    """A reason is for people and short."""
    del header, agreement
    if len(body.reason) > MAX_REASON:
        raise Refused(Reason.VALUE_OUT_OF_RANGE, "withdrawal.reason", f"{len(body.reason)} characters")


def accession(body: pb.Accession, header: Header, agreement: Agreement) -> None:
    """A party that was admitted names the agreement and the terms that it accepts, at leaf 0."""
    require(header.sequence == 0, Reason.SEQUENCE_MISMATCH, "header.sequence", "an Accession is leaf 0")
    matches = body.agreement == agreement.digest
    require(matches, Reason.WRONG_AGREEMENT, "accession.agreement", body.agreement.hex())
    require_digest(body.terms, "accession.terms")


def admission(body: pb.Admission, header: Header, agreement: Agreement) -> None:
    """The bytes are a Party in the one form that a vote can name. Whether it fits the terms is the fold's to say."""
    del header, agreement
    parse(agreement_pb2.Party, body.party, "admission.party")


def amendment(body: pb.Amendment, header: Header, agreement: Agreement) -> None:
    """One part of a text of terms. That parts follow each other and make the digest is the fold's to say."""
    del header, agreement
    require_digest(body.digest, "amendment.digest")
    require(1 <= body.parts <= MAX_PARTS, Reason.VALUE_OUT_OF_RANGE, "amendment.parts", f"{body.parts}")
    require(body.part < body.parts, Reason.VALUE_OUT_OF_RANGE, "amendment.part", f"{body.part} of {body.parts}")
    found = len(body.data)
    require(1 <= found <= MAX_PART_BYTES, Reason.VALUE_OUT_OF_RANGE, "amendment.data", f"{found} bytes")
