"""Leaves of a log, opened and checked in order (annex 6.1 and 7; spec: log).

    entry = SHA-256("standstill.v1/entry" LF || leaf salt || envelope)        what the tree holds
    leaf hash = SHA-256(0x00 || entry)                                        RFC 6962
    envelope = DSSE over the header                                           what was signed
    header.body_commitment = SHA-256("standstill.v1/body" LF || body salt || body)

A statement that breaks a rule keeps its place in the chain and is marked with its refusal; nothing it says counts. A
leaf that is withheld, or whose body is another than the header commits to, stops the reading: nothing after it counts
until it is supplied (annex 7, 3).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from protocol.commitment import BODY_TAG, ENTRY_TAG, commit
from protocol.envelope import Envelope, key_id, parse_envelope, signers
from protocol.errors import Reason, Refused, require
from protocol.keys import signature_holds
from protocol.merkle import leaf_hash
from protocol.statements import KINDS, KindRule
from protocol.statements.assessment import summary
from protocol.wire import parse
from standstill.v1 import header_pb2, membership_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from google.protobuf.message import Message

    from protocol.agreement import Agreement
    from standstill.v1 import envelope_pb2

HEADER_TYPE: Final = "application/vnd.standstill.v1.Header+protobuf"
"""The one payload type of statements: package, message and major version of what is signed."""

NO_PREVIOUS: Final = bytes(32)
"""`previous` of leaf 0 (annex 6.1)."""


class Claim(NamedTuple):
    """A signature that is still to be checked."""

    public_key: bytes
    message: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Operational keys of a party in force at a place of its log.

    Attributes:
        version: of the KeySet; 0 before the first.
        statement: public keys that may sign statements.
        cosignature: public keys that may cosign heads.
    """

    version: int = 0
    statement: tuple[bytes, ...] = ()
    cosignature: tuple[bytes, ...] = ()

    def after(self, body: membership_pb2.KeySet) -> KeyRing:
        """The ring from the next leaf on."""
        by_use: dict[int, list[bytes]] = {membership_pb2.KEY_USE_STATEMENT: [], membership_pb2.KEY_USE_COSIGNATURE: []}
        for key in body.keys:
            by_use[key.use].append(key.public_key)
        return KeyRing(body.version, *(tuple(keys) for keys in by_use.values()))


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a log has been read.

    Attributes:
        origin: the log.
        author: name of the party that keeps it.
        in_record: whether it is a record log.
        index: next leaf index, which is the number of leaves read.
        previous: leaf hash of the last leaf read; None if it is not at hand, as for a leaf proven alone.
        keys: operational keys in force at `index`.
    """

    origin: str
    author: str
    in_record: bool = False
    index: int = 0
    previous: bytes | None = NO_PREVIOUS
    keys: KeyRing = KeyRing()


@dataclass(frozen=True, slots=True)
class ReadLeaf:
    """One leaf, read.

    Attributes:
        origin: log that it stands in.
        index: its place.
        leaf_hash: RFC 6962 hash of its entry, 32 bytes.
        identity: SHA-256 of the pre-authentication encoding, 32 bytes; zeros if there is no envelope to name.
        header: what was signed; None if it could not be read.
        body: the body; None if it was refused or the reader may not see it.
        refusal: the first broken rule; None for a statement in good form.
    """

    origin: str
    index: int
    leaf_hash: bytes
    identity: bytes
    header: header_pb2.Header | None
    body: Message | None
    refusal: Refused | None


def verify_in_turn(claims: Sequence[Claim]) -> list[bool]:
    """Check signatures one after another; daemons pass a function that uses all cores."""
    return [signature_holds(*claim) for claim in claims]


def read_leaves(
    agreement: Agreement,
    cursor: Cursor,
    leaves: Iterable[envelope_pb2.Leaf],
    *,
    bodies: bool = True,
    verify: Callable[[Sequence[Claim]], Sequence[bool]] = verify_in_turn,
) -> tuple[list[ReadLeaf], Cursor]:
    """Open and check the next leaves of a log.

    Args:
        agreement: the terms.
        cursor: how far the log has been read.
        leaves: what follows, in order.
        bodies: whether the reader is entitled to bodies; without them only headers are checked.
        verify: checks signatures in bulk.

    Returns:
        The leaves read, and the cursor after them. Whether they are what the log committed to is the caller's check:
        the tree rebuilt from `leaf_hash` must have the checkpoint's root.

    Raises:
        Refused: LEAF_WITHHELD or COMMITMENT_MISMATCH, when what was served is not what the log holds.
    """
    found: list[ReadLeaf] = []
    pending: list[tuple[int, Claim]] = []
    for leaf in leaves:
        read, claim = _read(agreement, cursor, leaf, bodies=bodies)
        if claim is not None:
            pending.append((len(found), claim))
        found.append(read)
        keys = cursor.keys
        if isinstance(read.body, membership_pb2.KeySet):
            keys = keys.after(read.body)
        cursor = replace(cursor, index=cursor.index + 1, previous=read.leaf_hash, keys=keys)
    for (place, _), holds in zip(pending, verify([claim for _, claim in pending]), strict=True):
        if not holds:
            refusal = Refused(Reason.SIGNATURE_INVALID, "signatures", "not by the author's key in force at this leaf")
            found[place] = replace(found[place], body=None, refusal=refusal)
    return found, cursor


def _read(
    agreement: Agreement, cursor: Cursor, leaf: envelope_pb2.Leaf, *, bodies: bool
) -> tuple[ReadLeaf, Claim | None]:
    if not leaf.envelope:
        raise Refused(Reason.LEAF_WITHHELD, f"{cursor.origin}[{cursor.index}]", "no envelope")
    this_hash = leaf_hash(commit(ENTRY_TAG, leaf.leaf_salt, leaf.envelope))
    identity, header, body, claim = NO_PREVIOUS, None, None, None
    try:
        envelope = parse_envelope(leaf.envelope)
        identity = envelope.identity()
        header = _header(agreement, cursor, envelope)
        rule = KINDS[header.kind]
        claim = _claim(agreement, cursor, envelope, rule)
        if bodies:
            body = _body(agreement, cursor, header, leaf, rule)
    except Refused as refusal:
        if refusal.reason in _STOPS:
            raise
        return ReadLeaf(cursor.origin, cursor.index, this_hash, identity, header, None, refusal), None
    return ReadLeaf(cursor.origin, cursor.index, this_hash, identity, header, body, None), claim


_STOPS: Final = frozenset({Reason.LEAF_WITHHELD, Reason.COMMITMENT_MISMATCH})


def _header(agreement: Agreement, cursor: Cursor, envelope: Envelope) -> header_pb2.Header:
    """Rules of the header, in the order of its fields (spec: statements, section 2)."""
    known = envelope.payload_type == HEADER_TYPE
    require(known, Reason.PAYLOAD_TYPE_UNKNOWN, "payload_type", envelope.payload_type)
    header = parse(header_pb2.Header, envelope.payload, "header")
    require(header.agreement == agreement.digest, Reason.WRONG_AGREEMENT, "header.agreement", header.agreement.hex())
    # A statement of one party in another's log speaks for nobody.
    require(header.author == cursor.author, Reason.WRONG_AUTHOR, "header.author", f"{header.author} in {cursor.origin}")
    require(header.origin == cursor.origin, Reason.WRONG_LOG, "header.origin", f"{header.origin} in {cursor.origin}")
    require(header.kind in KINDS, Reason.KIND_UNKNOWN, "header.kind", str(header.kind))
    rule = KINDS[header.kind]
    require(rule.in_record == cursor.in_record, Reason.WRONG_LOG, "header.kind", "closings stand in record logs alone")
    # Sequence is leaf index: duplicate, replay and gap are this one rule (annex 6.1).
    in_turn = header.sequence == cursor.index
    require(in_turn, Reason.SEQUENCE_MISMATCH, "header.sequence", f"{header.sequence} at leaf {cursor.index}")
    chained = cursor.previous is None or header.previous == cursor.previous
    require(chained, Reason.PREVIOUS_MISMATCH, "header.previous", "not the leaf before")
    require(header.HasField("period") == rule.period, Reason.PERIOD_UNEXPECTED, "header.period", _stated(rule.period))
    _site(agreement, header, rule)
    same = header.audience == rule.audience
    require(same, Reason.AUDIENCE_MISMATCH, "header.audience", f"{header.audience}, not {rule.audience}")
    stated = header.HasField("assessment")
    expected = header.kind == header_pb2.KIND_ASSESSMENT
    require(stated == expected, Reason.SUMMARY_UNEXPECTED, "header.assessment", _stated(expected))
    if stated:
        summary(header, agreement)
    roles = agreement.parties[cursor.author].roles
    may = not rule.roles or not rule.roles.isdisjoint(roles)
    require(may, Reason.NO_AUTHORITY, "header.author", f"{cursor.author} has no role that says this")
    return header


def _stated(expected: bool) -> str:
    return "must be stated by this kind" if expected else "must be absent in this kind"


def _site(agreement: Agreement, header: header_pb2.Header, rule: KindRule) -> None:
    """A site is one that the agreement lists; a lab speaks of its own."""
    if not rule.site:
        require(not header.site, Reason.SITE_UNKNOWN, "header.site", "must be absent in this kind")
        return
    require(header.site in agreement.sites, Reason.SITE_UNKNOWN, "header.site", header.site.hex())
    lab, _ = agreement.sites[header.site]
    own = header.kind != header_pb2.KIND_COMPUTE_ATTESTATION or lab == header.author
    require(own, Reason.SITE_UNKNOWN, "header.site", f"a site of {lab}")


def _claim(agreement: Agreement, cursor: Cursor, envelope: Envelope, rule: KindRule) -> Claim | None:
    """The signature to check; root signatures are few and checked at once."""
    if rule.by_root:
        party = agreement.parties[cursor.author]
        count = len(signers(envelope, party.root_keys))
        enough = count >= party.root_threshold
        require(enough, Reason.THRESHOLD_NOT_MET, "signatures", f"{count} of {party.root_threshold} root keys")
        return None
    keys = cursor.keys.statement
    require(bool(keys), Reason.KEY_NOT_IN_FORCE, "signatures", "no KeySet before this leaf")
    one = len(envelope.signatures) == 1
    require(one, Reason.THRESHOLD_NOT_MET, "signatures", "exactly one signature by a statement key")
    entry = envelope.signatures[0]
    # The key id only chooses; which key verifies is what counts.
    chosen = next((key for key in keys if key_id(key) == entry.key_id), keys[0])
    return Claim(chosen, envelope.pae(), entry.signature)


def _body(
    agreement: Agreement, cursor: Cursor, header: header_pb2.Header, leaf: envelope_pb2.Leaf, rule: KindRule
) -> Message:
    """The body that the header commits to, in good form."""
    where = f"{cursor.origin}[{cursor.index}].body"
    require(bool(leaf.body_salt), Reason.LEAF_WITHHELD, where, "no body")
    opened = commit(BODY_TAG, leaf.body_salt, leaf.body) == header.body_commitment
    require(opened, Reason.COMMITMENT_MISMATCH, where, "another body than the header commits to")
    body = parse(rule.body, leaf.body, "body")
    if isinstance(body, membership_pb2.KeySet):
        next_version = body.version == cursor.keys.version + 1
        require(
            next_version, Reason.KEY_SET_VERSION, "key_set.version", f"{body.version}, not {cursor.keys.version + 1}"
        )
    rule.validate(body, header, agreement)
    return body
