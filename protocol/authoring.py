"""The other side of :mod:`protocol.leaf`: the bytes of a new leaf, from what its author has to say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from protocol.commitment import BODY_TAG, commit
from protocol.envelope import from_message, key_id, pae, parse_message, seal, signers
from protocol.keys import public_key, sign
from protocol.leaf import HEADER_TYPE, Cursor
from protocol.statements import KINDS
from protocol.wire import encode
from standstill.v1 import envelope_pb2, header_pb2

if TYPE_CHECKING:
    from collections.abc import Sequence

    from protocol.agreement import Agreement


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What an author wants to say.

    Attributes:
        kind: kind of the statement.
        body: serialized body.
        period: period spoken of; None where the kind speaks of none.
        site: site handle, 16 bytes; empty where the kind speaks of none.
        summary: verdict, for assessments.
        inquiry: whom a question asks, or which question an answer answers.
    """

    kind: header_pb2.Kind.ValueType
    body: bytes
    period: int | None = None
    site: bytes = b""
    summary: header_pb2.AssessmentSummary | None = None
    inquiry: header_pb2.Inquiry | None = None


def write_leaf(
    agreement: Agreement, cursor: Cursor, draft: Draft, *, salts: tuple[bytes, bytes], time: int, seeds: Sequence[bytes]
) -> envelope_pb2.Leaf:
    """The leaf that says `draft` at the cursor's place. The same arguments give the same bytes (annex 6.2).

    Args:
        agreement: the terms.
        cursor: where the author's log ends.
        draft: what to say.
        salts: leaf salt and body salt, 32 fresh random bytes each.
        time: the author's clock, Unix seconds; a claim.
        seeds: of the signing keys: the root threshold, or one statement key.

    Raises:
        Refused: if the envelope would be too large. That the statement follows the rules is checked by reading it.
    """
    leaf_salt, body_salt = salts
    envelope = seal(HEADER_TYPE, header_bytes(agreement, cursor, draft, body_salt, time), seeds)
    return envelope_pb2.Leaf(leaf_salt=leaf_salt, envelope=envelope, body_salt=body_salt, body=draft.body)


def header_bytes(agreement: Agreement, cursor: Cursor, draft: Draft, body_salt: bytes, time: int) -> bytes:
    """What is signed of `draft` at the cursor's place; arguments as of :func:`write_leaf`."""
    header = header_pb2.Header(
        agreement=agreement.digest,
        author=cursor.author,
        origin=cursor.origin,
        kind=draft.kind,
        sequence=cursor.index,
        previous=cursor.previous or b"",
        period=draft.period,
        site=draft.site,
        audience=KINDS[draft.kind].audience,
        claimed_time=time,
        body_commitment=commit(BODY_TAG, body_salt, draft.body),
        assessment=draft.summary,
        inquiry=draft.inquiry,
    )
    return encode(header)


def add_signature(leaf: envelope_pb2.Leaf, seed: bytes) -> envelope_pb2.Leaf:
    """The leaf with one signature more: root keys that lie at several places sign one after another.

    What was signed stays as it is, and so does the identity; the leaf hash changes. A key that has signed already adds
    nothing.

    Args:
        leaf: a leaf with its envelope.
        seed: of the key that signs, 32 bytes.

    Raises:
        Refused: what :func:`protocol.envelope.parse_message` refuses; ENVELOPE_SIGNATURES if it has no room for more.
    """
    message = parse_message(leaf.envelope)
    key = public_key(seed)
    added = envelope_pb2.Leaf()
    added.CopyFrom(leaf)
    if key in signers(from_message(message), [key]):
        return added
    message.signatures.add(keyid=key_id(key), sig=sign(seed, pae(message.payload_type, message.payload)))
    added.envelope = encode(message)
    parse_message(added.envelope)
    return added
