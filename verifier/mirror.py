"""Reading leaves as a mirror does: what is needed to hold, prove and serve them, and nothing that is said.

    checked       the entry and its leaf hash, from which the caller rebuilds the tree under the signed head; that each
                  body is the one that its header commits to; kind, period and audience, which decide who is served
    not checked   statement signatures and keys, authorship, sequence and chain, sites, the form of bodies

So nothing that a mirror holds counts: its store can never become a verifier's (STORE_IS_MIRROR).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from daemon.leaf import StoredLeaf
from protocol.commitment import BODY_TAG, ENTRY_TAG, commit
from protocol.errors import Reason, Refused
from protocol.leaf import Cursor
from protocol.merkle import leaf_hash
from protocol.statements import KINDS
from protocol.wire import MAX_MESSAGE_BYTES, MAX_UINT
from standstill.v1 import envelope_pb2, header_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable


def read_mirrored(cursor: Cursor, leaves: Iterable[envelope_pb2.Leaf]) -> tuple[list[StoredLeaf], Cursor]:
    """The rows of the next leaves of a log, and the cursor after them; its keys stay what they are.

    Raises:
        Refused: LEAF_WITHHELD, SALT_LENGTH or COMMITMENT_MISMATCH, when what was served is not what the log holds;
            MESSAGE_TOO_LARGE for what no reader accepts.
    """
    rows = [_row(cursor.origin, index, leaf) for index, leaf in enumerate(leaves, cursor.index)]
    previous = rows[-1].leaf_hash if rows else cursor.previous
    return rows, Cursor(cursor.origin, cursor.author, cursor.in_record, cursor.index + len(rows), previous, cursor.keys)


def _row(origin: str, index: int, leaf: envelope_pb2.Leaf) -> StoredLeaf:
    """One leaf. Fields are read once and rules are plain conditions: a mirror does little else than this."""
    envelope, salt, body_salt = leaf.envelope, leaf.leaf_salt, leaf.body_salt
    if not envelope:
        raise Refused(Reason.LEAF_WITHHELD, f"{origin}[{index}]", "no envelope")
    body = leaf.body
    if len(envelope) > MAX_MESSAGE_BYTES or len(body) > MAX_MESSAGE_BYTES:
        found = f"{len(envelope)} and {len(body)} bytes of envelope and body, at most {MAX_MESSAGE_BYTES} each"
        raise Refused(Reason.MESSAGE_TOO_LARGE, f"{origin}[{index}]", found)
    this_hash = leaf_hash(commit(ENTRY_TAG, salt, envelope))
    header = _header(envelope)
    if header is None:
        return _unreadable(index, leaf, this_hash)
    if not body_salt:
        raise Refused(Reason.LEAF_WITHHELD, f"{origin}[{index}].body", "no body")
    if commit(BODY_TAG, body_salt, body) != header.body_commitment:
        raise Refused(Reason.COMMITMENT_MISMATCH, f"{origin}[{index}].body", "another body than the header commits to")
    period = header.period if header.HasField("period") else None
    place = (index, header.kind, period, header.audience, this_hash)
    return StoredLeaf(*place, salt, None, body_salt, envelope, body)


def _header(envelope: bytes) -> header_pb2.Header | None:
    """The header, as far as what is stored can be told from it; None where a verifier would store none either."""
    try:
        header = header_pb2.Header.FromString(envelope_pb2.Envelope.FromString(envelope).payload)
    except DecodeError:
        return None
    rule = KINDS.get(header.kind)
    # Under another audience than its kind's, a body would be served to whom it is not meant for.
    if rule is None or header.audience != rule.audience or header.period > MAX_UINT:
        return None
    return header


def _unreadable(index: int, leaf: envelope_pb2.Leaf, this_hash: bytes) -> StoredLeaf:
    """The row of a leaf without a readable header: held and proven, its body sealed."""
    return StoredLeaf(
        sequence=index,
        kind=0,
        period=None,
        audience=header_pb2.AUDIENCE_SEALED,
        leaf_hash=this_hash,
        leaf_salt=leaf.leaf_salt,
        refusal=None,
        body_salt=leaf.body_salt or None,
        envelope=leaf.envelope,
        body=leaf.body if leaf.body_salt else None,
    )
