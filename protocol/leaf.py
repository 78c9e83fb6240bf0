"""Leaves of a log, opened and checked in order (annex 6.1 and 7; spec: log).

    entry = SHA-256("standstill.v1/entry" LF || leaf salt || envelope)        what the tree holds
    leaf hash = SHA-256(0x00 || entry)                                        RFC 6962
    envelope = DSSE over the header                                           what was signed
    header.body_commitment = SHA-256("standstill.v1/body" LF || body salt || body)

A statement that breaks a rule keeps its place in the chain and is marked with its refusal; nothing it says counts.
Reading checks form; what the terms have to say is judged where a statement is counted (:mod:`protocol.judgement`). A
leaf that is withheld, or whose body is another than the header commits to, stops the reading: nothing after it counts
until it is supplied (annex 7, 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from protocol.commitment import BODY_TAG, ENTRY_TAG, commit
from protocol.envelope import from_message, key_id, pae, parse_message, signers
from protocol.errors import Reason, Refused, require
from protocol.keys import signature_holds
from protocol.merkle import leaf_hash
from protocol.statements import KINDS, KindRule
from protocol.statements.inquiry import ASKING
from protocol.wire import MAX_MESSAGE_BYTES, MAX_UINT, parse
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


class Bodies(Enum):
    """What a reader does with bodies."""

    WITHHELD = auto()
    """The reader is not entitled to them: headers alone are checked."""
    HELD = auto()
    """They must be those that the headers commit to; their form is checked where they are used (:func:`read_body`)."""
    READ = auto()
    """They are checked and read."""


class ReadLeaf(NamedTuple):
    """One leaf, read.

    Attributes:
        origin: log that it stands in.
        index: its place.
        leaf_hash: RFC 6962 hash of its entry, 32 bytes.
        identity: SHA-256 of the pre-authentication encoding, 32 bytes; zeros if there is no envelope to name.
        header: what was signed; None if it could not be read.
        body: the body; None if it was refused, was not read, or the reader may not see it.
        refusal: the first broken rule; None for a statement in good form.
    """

    origin: str
    index: int  # type: ignore[assignment]  # a leaf has an index; nobody searches in the tuple
    leaf_hash: bytes
    identity: bytes
    header: header_pb2.Header | None
    body: Message | None
    refusal: Refused | None

    @property
    def counts(self) -> bool:
        """Whether the fold counts the statement: what not every party may read of it changes nothing (annex 7, 2)."""
        if self.refusal is None:
            return True
        if self.header is None or self.refusal.reason in _UNSIGNED:
            return False
        return KINDS[self.header.kind].audience > header_pb2.AUDIENCE_PARTIES


_UNSIGNED: Final = frozenset({Reason.SIGNATURE_INVALID, Reason.THRESHOLD_NOT_MET, Reason.KEY_NOT_IN_FORCE})
"""Refusals of signatures; a statement without a header is refused for its header, every other one for its body."""


def verify_in_turn(claims: Sequence[Claim]) -> list[bool]:
    """Check signatures one after another; daemons pass a function that uses all cores."""
    return [signature_holds(*claim) for claim in claims]


class Unchecked(NamedTuple):
    """Signatures of leaves that were read, still to be checked.

    Attributes:
        claims: the signatures.
        places: for each claim, the number of its leaf among those read, and the keys in force there.
    """

    claims: list[Claim]
    places: list[tuple[int, tuple[bytes, ...]]]

    def refused(self, holds: Sequence[bool]) -> dict[int, Refused]:
        """The refusals of leaves whose signature does not hold, by number of the leaf, given which claims hold."""
        found: dict[int, Refused] = {}
        if all(holds):
            return found
        for (place, ring), claim, held in zip(self.places, self.claims, holds, strict=True):
            # The key id only chose which key to try first; which key verifies is what counts.
            if not held and not any(signature_holds(key, claim.message, claim.signature) for key in ring):
                what = "not by the author's key in force at this leaf"
                found[place] = Refused(Reason.SIGNATURE_INVALID, "signatures", what)
        return found


READ_AT_ONCE: Final = frozenset({header_pb2.KIND_KEY_SET, header_pb2.KIND_CLOSING})
"""Kinds whose rules hold whatever the terms say, because other statements cannot be read before them."""


def read_leaves(
    agreement: Agreement,
    cursor: Cursor,
    leaves: Iterable[envelope_pb2.Leaf],
    *,
    bodies: Bodies = Bodies.READ,
    verify: Callable[[Sequence[Claim]], Sequence[bool]] = verify_in_turn,
) -> tuple[list[ReadLeaf], Cursor]:
    """Open and check the next leaves of a log.

    Args:
        agreement: the terms.
        cursor: how far the log has been read.
        leaves: what follows, in order.
        bodies: what to do with bodies; those of KeySets are always read, because the leaves after them depend on them.
        verify: checks signatures in bulk.

    Returns:
        The leaves read, and the cursor after them. Whether they are what the log committed to is the caller's check:
        the tree rebuilt from `leaf_hash` must have the checkpoint's root.

    Raises:
        Refused: LEAF_WITHHELD, SALT_LENGTH or COMMITMENT_MISMATCH, when what was served is not what the log holds.
    """
    found, unchecked, cursor = open_leaves(agreement, cursor, leaves, bodies=bodies)
    for place, refusal in unchecked.refused(verify(unchecked.claims)).items():
        found[place] = found[place]._replace(body=None, refusal=refusal)
    return found, cursor


def open_leaves(
    agreement: Agreement, cursor: Cursor, leaves: Iterable[envelope_pb2.Leaf], *, bodies: Bodies = Bodies.READ
) -> tuple[list[ReadLeaf], Unchecked, Cursor]:
    """As :func:`read_leaves`, with the signatures still to be checked: while some check them, others read on.

    Reading on needs no signature of these leaves: keys change by KeySets, whose root signatures are checked here.

    Raises:
        Refused: as :func:`read_leaves`.
    """
    found: list[ReadLeaf] = []
    unchecked = Unchecked([], [])
    at = _At(cursor.origin, cursor.author, cursor.in_record, cursor.index, cursor.previous, cursor.keys)
    for leaf in leaves:
        read, claim = _read(agreement, at, leaf, bodies)
        if claim is not None:
            unchecked.places.append((len(found), at.keys.statement))
            unchecked.claims.append(claim)
        found.append(read)
        if read.body is not None and isinstance(read.body, membership_pb2.KeySet):
            at.keys = at.keys.after(read.body)
        at.index, at.previous = at.index + 1, read.leaf_hash
    return found, unchecked, Cursor(cursor.origin, cursor.author, cursor.in_record, at.index, at.previous, at.keys)


@dataclass(slots=True)
class _At:
    """A :class:`Cursor` that moves: one for all leaves of a batch, because making one costs as much as a rule."""

    origin: str
    author: str
    in_record: bool
    index: int
    previous: bytes | None
    keys: KeyRing


def read_body(agreement: Agreement, header: header_pb2.Header, data: bytes) -> Message:
    """The body of a statement whose header was checked and commits to these bytes.

    Raises:
        Refused: a wire reason; for a KeySet and a closing also the first broken rule of the kind.
    """
    rule = KINDS[header.kind]
    body = parse(rule.body, data, "body")
    if header.kind in READ_AT_ONCE:
        rule.validate(body, header, agreement)
    return body


def _read(agreement: Agreement, at: _At, leaf: envelope_pb2.Leaf, bodies: Bodies) -> tuple[ReadLeaf, Claim | None]:
    # Fields are read once: each reading of one copies its bytes.
    data, body_data = leaf.envelope, leaf.body
    if not data:
        raise Refused(Reason.LEAF_WITHHELD, f"{at.origin}[{at.index}]", "no envelope")
    # What no reader accepts is not kept either, or one author could fill everybody's stores and bundles.
    if len(data) > MAX_MESSAGE_BYTES or len(body_data) > MAX_MESSAGE_BYTES:
        found = f"{len(data)} and {len(body_data)} bytes of envelope and body, at most {MAX_MESSAGE_BYTES} each"
        raise Refused(Reason.MESSAGE_TOO_LARGE, f"{at.origin}[{at.index}]", found)
    this_hash = leaf_hash(commit(ENTRY_TAG, leaf.leaf_salt, data))
    identity, header, body, claim = NO_PREVIOUS, None, None, None
    try:
        envelope = parse_message(data)
        payload_type, payload = envelope.payload_type, envelope.payload
        signed = pae(payload_type, payload)
        identity = sha256(signed).digest()
        header = _header(agreement, at, payload_type, payload)
        claim = _claim(agreement, at, envelope, signed, KINDS[header.kind])
        body = _body(agreement, at, header, (leaf.body_salt, body_data), bodies)
    except Refused as refusal:
        if refusal.reason in _STOPS:
            raise
        return ReadLeaf(at.origin, at.index, this_hash, identity, header, None, refusal), claim
    return ReadLeaf(at.origin, at.index, this_hash, identity, header, body, None), claim


_STOPS: Final = frozenset({Reason.LEAF_WITHHELD, Reason.COMMITMENT_MISMATCH, Reason.SALT_LENGTH})
"""Refusals of what was served, which another server may serve rightly; all others are of what was said."""


def _header(agreement: Agreement, at: _At, payload_type: str, payload: bytes) -> header_pb2.Header:
    """Rules of the header, in the order of its fields (spec: statements, section 2).

    Written with `if` rather than `require`: this runs for every statement of every log, and building the sentence of
    a refusal that does not happen would cost more than all the rules.
    """
    if payload_type != HEADER_TYPE:
        raise Refused(Reason.PAYLOAD_TYPE_UNKNOWN, "payload_type", payload_type)
    header = parse(header_pb2.Header, payload, "header")
    if header.agreement != agreement.digest:
        raise Refused(Reason.WRONG_AGREEMENT, "header.agreement", header.agreement.hex())
    kind = header.kind
    rule = KINDS.get(kind)
    if rule is None:
        raise Refused(Reason.KIND_UNKNOWN, "header.kind", str(kind))
    _place(at, header, rule)
    if header.HasField("period") is not rule.period:
        raise Refused(Reason.PERIOD_UNEXPECTED, "header.period", _stated(rule.period))
    if header.period > MAX_UINT or header.claimed_time > MAX_UINT:
        raise Refused(Reason.QUANTITY_OUT_OF_RANGE, "header.period", f"at most {MAX_UINT}")
    if header.site and not rule.site:
        raise Refused(Reason.SITE_UNKNOWN, "header.site", "must be absent in this kind")
    if header.audience != rule.audience:
        raise Refused(Reason.AUDIENCE_MISMATCH, "header.audience", f"{header.audience}, not {rule.audience}")
    if header.HasField("assessment") is not (kind == header_pb2.KIND_ASSESSMENT):
        raise Refused(Reason.SUMMARY_UNEXPECTED, "header.assessment", _stated(not header.HasField("assessment")))
    if header.HasField("inquiry") is not (kind in ASKING):
        raise Refused(Reason.SUMMARY_UNEXPECTED, "header.inquiry", _stated(not header.HasField("inquiry")))
    return header


def _place(at: _At, header: header_pb2.Header, rule: KindRule) -> None:
    """A statement stands in its author's own log, at its turn, after the leaf that its author saw before it."""
    # A statement of one party in another's log speaks for nobody.
    if header.author != at.author:
        raise Refused(Reason.WRONG_AUTHOR, "header.author", f"{header.author} in {at.origin}")
    if header.origin != at.origin:
        raise Refused(Reason.WRONG_LOG, "header.origin", f"{header.origin} in {at.origin}")
    if rule.in_record is not at.in_record:
        raise Refused(Reason.WRONG_LOG, "header.kind", "closings stand in record logs alone")
    # Sequence is leaf index: duplicate, replay and gap are this one rule (annex 6.1).
    if header.sequence != at.index:
        raise Refused(Reason.SEQUENCE_MISMATCH, "header.sequence", f"{header.sequence} at leaf {at.index}")
    if at.previous is not None and header.previous != at.previous:
        raise Refused(Reason.PREVIOUS_MISMATCH, "header.previous", "not the leaf before")


def _stated(expected: bool) -> str:
    return "must be stated by this kind" if expected else "must be absent in this kind"


def _claim(
    agreement: Agreement, at: _At, envelope: envelope_pb2.Envelope, signed: bytes, rule: KindRule
) -> Claim | None:
    """The signature to check; root signatures are few and checked at once."""
    if rule.by_root:
        party = agreement.parties[at.author]
        count = len(signers(from_message(envelope), party.root_keys))
        enough = count >= party.root_threshold
        require(enough, Reason.THRESHOLD_NOT_MET, "signatures", f"{count} of {party.root_threshold} root keys")
        return None
    keys = at.keys.statement
    if not keys:
        raise Refused(Reason.KEY_NOT_IN_FORCE, "signatures", "no KeySet before this leaf")
    signatures = envelope.signatures
    if len(signatures) != 1:
        raise Refused(Reason.THRESHOLD_NOT_MET, "signatures", "exactly one signature by a statement key")
    entry = signatures[0]
    chosen = keys[0]
    if len(keys) > 1:
        chosen = next((key for key in keys if key_id(key) == entry.keyid), chosen)
    return Claim(chosen, signed, entry.sig)


def _body(
    agreement: Agreement, at: _At, header: header_pb2.Header, opening: tuple[bytes, bytes], bodies: Bodies
) -> Message | None:
    """The body that the header commits to, given its salt and bytes; in good form if it is read."""
    salt, data = opening
    if bodies is Bodies.WITHHELD and not salt:
        return None
    if not salt:
        raise Refused(Reason.LEAF_WITHHELD, f"{at.origin}[{at.index}].body", "no body")
    if commit(BODY_TAG, salt, data) != header.body_commitment:
        where = f"{at.origin}[{at.index}].body"
        raise Refused(Reason.COMMITMENT_MISMATCH, where, "another body than the header commits to")
    if bodies is Bodies.HELD and header.kind != header_pb2.KIND_KEY_SET:
        return None
    body = read_body(agreement, header, data)
    if isinstance(body, membership_pb2.KeySet):
        version = at.keys.version + 1
        require(body.version == version, Reason.KEY_SET_VERSION, "key_set.version", f"{body.version}, not {version}")
    return body
