"""The signed envelope: DSSE 1.0.2, carried as the protobuf message `standstill.v1.Envelope`.

    envelope   payload, payload type, signatures
    PAE        "DSSEv1" SP len(type) SP type SP len(payload) SP payload     what is signed
    identity   SHA-256(PAE)                                                 what a statement is called

Signed bytes are kept as received and never rebuilt: signatures are checked over the payload as it came, then the type
is compared, then those very bytes are handed out. A key id only says which key to try first; what counts is which of
the trusted public keys verifies.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from protocol import wire
from protocol.errors import Reason, Refused, require
from protocol.keys import public_key, sign, signature_holds
from standstill.v1 import envelope_pb2

MAX_ENVELOPE_BYTES: Final = 65_535
"""The largest entry of an entry bundle (C2SP tlog-tiles): a longer envelope could not be served by a log."""

MAX_ENVELOPE_SIGNATURES: Final = 64
"""Every signature may be tried against every trusted key: this bounds what a stranger can make a verifier compute."""

KEY_ID_BYTES: Final = 8


class Signature(NamedTuple):
    """One signature of an envelope.

    Attributes:
        key_id: which key to try first; not authenticated, may be empty or lie.
        signature: the signature over the PAE, not yet verified.
    """

    key_id: bytes
    signature: bytes


class Envelope(NamedTuple):
    """An envelope as received: well-formed, nothing verified yet.

    Attributes:
        payload: the signed body, opaque.
        payload_type: the media type of the body.
        signatures: one or more, in the order received.
    """

    payload: bytes
    payload_type: str
    signatures: tuple[Signature, ...]

    def pae(self) -> bytes:
        """The bytes that the signatures are over."""
        return pae(self.payload_type, self.payload)

    def identity(self) -> bytes:
        """The name of the statement (32 bytes): the same whatever the signatures, their order and the key ids."""
        return sha256(self.pae()).digest()


def pae(payload_type: str, payload: bytes) -> bytes:
    """The pre-authentication encoding of a body and its type (DSSE 1.0.2, protocol section "Signature definition")."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def identity(payload_type: str, payload: bytes) -> bytes:
    """The name of a statement (32 bytes): SHA-256 of its PAE."""
    return sha256(pae(payload_type, payload)).digest()


def key_id(public_key: bytes) -> bytes:
    """The hint that stands beside a signature: the first 8 bytes of SHA-256 of the public key."""
    return sha256(public_key).digest()[:KEY_ID_BYTES]


def seal(payload_type: str, payload: bytes, seeds: Sequence[bytes]) -> bytes:
    """Sign `payload` with every one of `seeds` (32 bytes each) and return the serialized envelope.

    Raises:
        Refused: what :func:`parse_envelope` would refuse, and KEY_LENGTH for a seed.
    """
    message = envelope_pb2.Envelope(payload=payload, payload_type=payload_type)
    signed = pae(payload_type, payload)
    for seed in seeds:
        message.signatures.add(keyid=key_id(public_key(seed)), sig=sign(seed, signed))
    data = message.SerializeToString()
    if len(data) > MAX_ENVELOPE_BYTES:
        raise Refused(Reason.MESSAGE_TOO_LARGE, "envelope", f"{len(data)} bytes, at most {MAX_ENVELOPE_BYTES}")
    _require_form(message)
    return data


def parse_envelope(data: bytes) -> Envelope:
    """Read a serialized envelope; signatures are not verified.

    Raises:
        Refused: what :func:`protocol.wire.parse` refuses; PAYLOAD_TYPE_EMPTY, ENVELOPE_UNSIGNED, ENVELOPE_SIGNATURES.
    """
    return from_message(parse_message(data))


def from_message(message: envelope_pb2.Envelope) -> Envelope:
    """The envelope in a message that :func:`parse_message` has read."""
    signatures = [Signature(entry.keyid, entry.sig) for entry in message.signatures]
    return Envelope(message.payload, message.payload_type, tuple(signatures))


def parse_message(data: bytes) -> envelope_pb2.Envelope:
    """As :func:`parse_envelope`, the message itself: for readers of very many."""
    message = wire.parse(envelope_pb2.Envelope, data, "envelope", MAX_ENVELOPE_BYTES)
    _require_form(message)
    return message


def _require_form(message: envelope_pb2.Envelope) -> None:
    """A payload type, and a number of signatures that a reader takes."""
    if not message.payload_type:
        raise Refused(Reason.PAYLOAD_TYPE_EMPTY, "payload_type", "expected a media type, found nothing")
    count = len(message.signatures)
    if not 0 < count <= MAX_ENVELOPE_SIGNATURES:
        reason = Reason.ENVELOPE_SIGNATURES if count else Reason.ENVELOPE_UNSIGNED
        raise Refused(reason, "signatures", f"expected 1 to {MAX_ENVELOPE_SIGNATURES}, found {count}")


def signers(envelope: Envelope, keys: Iterable[bytes]) -> frozenset[bytes]:
    """Which of `keys` (admitted public keys) signed the envelope: distinct keys, whatever the key ids say."""
    hints = {key: key_id(key) for key in keys}
    signed = envelope.pae()
    found: set[bytes] = set()
    for entry in envelope.signatures:
        missing = sorted(hints.keys() - found, key=lambda key: (hints[key] != entry.key_id, key))
        signer = next((key for key in missing if signature_holds(key, signed, entry.signature)), None)
        if signer is not None:
            found.add(signer)
    return frozenset(found)


def open_envelope(data: bytes, payload_type: str, keys: Iterable[bytes], threshold: int = 1) -> bytes:
    """Return the payload of a serialized envelope that at least `threshold` distinct ones of `keys` have signed.

    `keys` are admitted public keys. Signatures by others are ignored; they neither help nor harm.

    Raises:
        Refused: what :func:`parse_envelope` refuses; THRESHOLD_OUT_OF_RANGE, THRESHOLD_NOT_MET, PAYLOAD_TYPE_UNKNOWN.
    """
    trusted = frozenset(keys)
    in_range = 1 <= threshold <= len(trusted)
    require(in_range, Reason.THRESHOLD_OUT_OF_RANGE, "threshold", f"expected 1 to {len(trusted)}, found {threshold}")
    envelope = parse_envelope(data)
    count = len(signers(envelope, trusted))
    require(count >= threshold, Reason.THRESHOLD_NOT_MET, "signatures", f"expected {threshold} keys, found {count}")
    same = envelope.payload_type == payload_type
    found = envelope.payload_type
    require(same, Reason.PAYLOAD_TYPE_UNKNOWN, "payload_type", f"expected {payload_type}, found {found}")
    return envelope.payload
