"""An agreement on its way round those who accept it: root signatures collected before anybody runs a node.

    begin       the exact terms, nobody's signature
    accept      one root key of one party signs that party's Founding, leaf 0 of its log (annex 3.5)
    progress    how many of a party's root keys have signed, and how many must
    founding    the leaf that the party logs, once enough have signed

Everybody signs the same digest, each in its own Founding, so the order and the places do not matter. The first key of
a party fixes salts and time of its Founding; the keys after it sign those very bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from protocol.agreement import MAX_AGREEMENT_BYTES, Agreement, read_agreement
from protocol.authoring import Draft, add_signature, header_bytes, write_leaf
from protocol.envelope import MAX_ENVELOPE_BYTES, from_message, parse_message, signers
from protocol.errors import Reason, require
from protocol.keys import public_key
from protocol.leaf import HEADER_TYPE, Cursor
from protocol.wire import encode, parse
from standstill.v1 import envelope_pb2, header_pb2, membership_pb2, signing_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping

    from standstill.v1 import agreement_pb2

MAX_SIGNED_BYTES: Final = MAX_AGREEMENT_BYTES + 128 * MAX_ENVELOPE_BYTES
"""Most bytes of a signed agreement: terms and one full Founding for each of more parties than any agreement has had."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a party has accepted.

    Attributes:
        signed: root keys that have signed.
        needed: root keys that must sign.
    """

    signed: int
    needed: int

    @property
    def complete(self) -> bool:
        """Whether the party has accepted."""
        return self.signed >= self.needed


@dataclass(frozen=True, slots=True)
class Signing:
    """Terms with the acceptances made so far, each checked.

    Attributes:
        agreement: the terms that everybody signs.
        foundings: by party, its Founding with at least one root signature.
    """

    agreement: Agreement
    foundings: Mapping[str, envelope_pb2.Leaf]

    def encode(self) -> bytes:
        """The bytes of the file that goes round, parties sorted: the same acceptances give the same bytes."""
        acceptances = [
            signing_pb2.Acceptance(party=name, founding=self.foundings[name]) for name in sorted(self.foundings)
        ]
        return encode(signing_pb2.SignedAgreement(agreement=self.agreement.data, acceptances=acceptances))


def begin(agreement: Agreement) -> Signing:
    """The terms, signed by nobody yet."""
    return Signing(agreement, {})


def read_signing(data: bytes) -> Signing:
    """Read a signed agreement; every signature in it is checked.

    Raises:
        Refused: a wire reason; what :func:`protocol.agreement.read_agreement` refuses; NAME_UNKNOWN, NAME_TWICE;
            COMMITMENT_MISMATCH if an acceptance is not the party's Founding under these terms; SIGNATURE_INVALID for a
            signature that is of none of its root keys, or of one that signed before.
    """
    message = parse(signing_pb2.SignedAgreement, data, "signed", MAX_SIGNED_BYTES)
    agreement = read_agreement(message.agreement)
    foundings: dict[str, envelope_pb2.Leaf] = {}
    for number, acceptance in enumerate(message.acceptances):
        field = f"acceptances[{number}].party"
        party = _party(agreement, acceptance.party, field)
        require(party.name not in foundings, Reason.NAME_TWICE, field, party.name)
        _require_founding(agreement, party, acceptance.founding, f"acceptances[{number}].founding")
        foundings[party.name] = acceptance.founding
    return Signing(agreement, foundings)


def accept(signing: Signing, name: str, seed: bytes, *, salts: tuple[bytes, bytes], time: int) -> Signing:
    """Sign a party's Founding with one of its root keys.

    Args:
        signing: what was signed before.
        name: the party.
        seed: of the root key, 32 bytes.
        salts: leaf salt and body salt, 32 fresh random bytes each; used by the party's first key alone.
        time: the signer's clock, Unix seconds, a claim; used by the party's first key alone.

    Returns:
        the same with one signature more; nothing changes if this key has signed.

    Raises:
        Refused: NAME_UNKNOWN; KEY_NOT_AGREED if the key is none of the party's root keys.
    """
    party = _party(signing.agreement, name, "party")
    agreed = public_key(seed) in party.root_keys
    require(agreed, Reason.KEY_NOT_AGREED, "root key", f"expected one of the root keys that the terms name for {name}")
    if name in signing.foundings:
        leaf = add_signature(signing.foundings[name], seed)
    else:
        draft = _draft(signing.agreement)
        leaf = write_leaf(signing.agreement, _cursor(party), draft, salts=salts, time=time, seeds=[seed])
    return Signing(signing.agreement, {**signing.foundings, name: leaf})


def progress(signing: Signing) -> Mapping[str, Progress]:
    """How far each party of the agreement has accepted, in the agreement's order."""
    found = {}
    for party in signing.agreement.terms.parties:
        leaf = signing.foundings.get(party.name)
        count = 0 if leaf is None else len(_signers(leaf, party))
        found[party.name] = Progress(count, party.root_threshold)
    return found


def founding(signing: Signing, name: str) -> envelope_pb2.Leaf:
    """The Founding of a party that has accepted: leaf 0 of its log.

    Raises:
        Refused: NAME_UNKNOWN; THRESHOLD_NOT_MET if root signatures are missing.
    """
    party = _party(signing.agreement, name, "party")
    found = progress(signing)[name]
    what = f"expected {found.needed} root keys of {name}, found {found.signed}; add: standstill agreement sign"
    require(found.complete, Reason.THRESHOLD_NOT_MET, "acceptances", what)
    return signing.foundings[party.name]


def _party(agreement: Agreement, name: str, field: str) -> agreement_pb2.Party:
    known = ", ".join(agreement.parties)
    require(name in agreement.parties, Reason.NAME_UNKNOWN, field, f"expected one of {known}, found {name}")
    return agreement.parties[name]


def _cursor(party: agreement_pb2.Party) -> Cursor:
    return Cursor(party.origin, party.name)


def _draft(agreement: Agreement) -> Draft:
    return Draft(kind=header_pb2.KIND_FOUNDING, body=encode(membership_pb2.Founding(agreement=agreement.digest)))


def _signers(leaf: envelope_pb2.Leaf, party: agreement_pb2.Party) -> frozenset[bytes]:
    return signers(from_message(parse_message(leaf.envelope)), party.root_keys)


def _require_founding(agreement: Agreement, party: agreement_pb2.Party, leaf: envelope_pb2.Leaf, field: str) -> None:
    """A Founding is determined by terms, party, body salt and time, so it is made again and compared."""
    envelope = parse_message(leaf.envelope)
    time = parse(header_pb2.Header, envelope.payload, f"{field}.header").claimed_time
    draft = _draft(agreement)
    expected = header_bytes(agreement, _cursor(party), draft, leaf.body_salt, time)
    same = (envelope.payload_type, envelope.payload, leaf.body) == (HEADER_TYPE, expected, draft.body)
    require(same, Reason.COMMITMENT_MISMATCH, field, f"expected the Founding of {party.name} under these terms")
    strangers = len(envelope.signatures) - len(_signers(leaf, party))
    what = f"{strangers} signatures are of no root key of {party.name}, or of one that signed before"
    require(strangers == 0, Reason.SIGNATURE_INVALID, f"{field}.signatures", what)
