"""Signed notes: a text and the lines of those who signed it (C2SP signed-note v1.0.0).

    text, valid UTF-8, ends in LF
    <empty line>
    U+2014 SP key name SP base64(key id, 4 bytes || signature) LF      one or more

A key id only selects: 4 bytes authenticate nothing. Lines of unknown (name, key id) pairs are ignored; a known pair
whose signature fails condemns the whole note, even beside a good line of the same key.
"""

from __future__ import annotations

import re
from base64 import b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable, Sequence
from enum import IntEnum, unique
from functools import lru_cache
from hashlib import sha256
from typing import Final, NamedTuple

from protocol.errors import Reason, Refused, require
from protocol.keys import KEY_BYTES, admit_public_key, public_key, sign, verify

MAX_NOTE_BYTES: Final = 512 * 1024
"""Room for the most signature lines of 5 kB each, the size of the largest post-quantum signatures, and the text."""

MAX_SIGNATURE_LINES: Final = 64
"""At least 16 must be accepted; this is a log and 32 witnesses that cosign with two keys each, less one."""

MAX_NAME_BYTES: Final = 255
"""A name must fit the u8 length of a C2SP subtree cosignature."""

KEY_ID_BYTES: Final = 4

_EM_DASH: Final = "\u2014 "
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_MAX_DECIMAL: Final = 2**63 - 1
_ML_DSA_44_KEY_BYTES: Final = 1312


@unique
class SignatureType(IntEnum):
    """The type bytes that signed-note assigns. Only ED25519 and COSIGNATURE_V1 are verified here."""

    ED25519 = 0x01
    ECDSA = 0x02
    COSIGNATURE_V1 = 0x04
    RFC6962_TREE_HEAD = 0x05
    ML_DSA_44_COSIGNATURE = 0x06
    PRIVATE = 0xFF


_KEY_LENGTHS: Final = {
    SignatureType.ED25519: KEY_BYTES,
    SignatureType.COSIGNATURE_V1: KEY_BYTES,
    SignatureType.ML_DSA_44_COSIGNATURE: _ML_DSA_44_KEY_BYTES,
}
"""Types whose key id is the recommended one, with the length of their public keys."""


class VerifierKey(NamedTuple):
    """A public key with its name: the parsed form of a vkey.

    Attributes:
        name: key name, without Unicode spaces and `+`.
        key_id: 4 bytes; selects, never authenticates.
        kind: signature type byte; may be one that :class:`SignatureType` does not list.
        public_key: the key material after the type byte.
    """

    name: str
    key_id: bytes
    kind: int
    public_key: bytes

    def __str__(self) -> str:
        """The vkey: name, key id in hex, base64 of type byte and key."""
        material = b64encode(bytes([self.kind]) + self.public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{material}"


class NoteSignature(NamedTuple):
    """One signature line: the key's name and id, and the signature bytes after the id."""

    name: str
    key_id: bytes
    signature: bytes

    def line(self) -> str:
        """The line as it stands in a note, with its line feed."""
        return f"{_EM_DASH}{self.name} {b64encode(self.key_id + self.signature).decode()}\n"


class Note(NamedTuple):
    """A parsed note.

    Attributes:
        text: the signed text, with its final line feed.
        signatures: every line, in order.
        verified: those that were verified; empty until :func:`open_note` returned it.
    """

    text: bytes
    signatures: tuple[NoteSignature, ...]
    verified: tuple[NoteSignature, ...] = ()

    def to_bytes(self) -> bytes:
        """The note as text and all signature lines."""
        return self.text + b"\n" + "".join(entry.line() for entry in self.signatures).encode()

    def signed_by(self, key: VerifierKey) -> bool:
        """Whether a line of this key was verified."""
        return any((entry.name, entry.key_id) == (key.name, key.key_id) for entry in self.verified)


class Verifier(NamedTuple):
    """A trusted key and how its signatures are checked.

    Attributes:
        key: the key; its name and id select the lines to check.
        check: called with text and signature bytes; raises Refused if the signature does not hold.
    """

    key: VerifierKey
    check: Callable[[bytes, bytes], None]


def key_id(name: str, kind: int, public_key: bytes) -> bytes:
    """The recommended key id (4 bytes): SHA-256 of name, LF, type byte and key, cut."""
    return sha256(name.encode() + b"\n" + bytes([kind]) + public_key).digest()[:KEY_ID_BYTES]


# A daemon names its own few keys and those of its peers for every head; admitting one costs twice a signature.
@lru_cache(maxsize=256)
def verifier_key(name: str, public_key: bytes, kind: SignatureType = SignatureType.ED25519) -> VerifierKey:
    """Name an Ed25519 public key for one signature type.

    Raises:
        Refused: NAME_MALFORMED, and what :func:`protocol.keys.admit_public_key` refuses.
    """
    require_name(name)
    admit_public_key(public_key)
    return VerifierKey(name, key_id(name, kind, public_key), kind, public_key)


def parse_vkey(text: str) -> VerifierKey:
    """Read a vkey: `name+hex(key id)+base64(type || public key)`.

    Types whose signatures cannot be verified here are read too, so that a list of keys with one of them stays readable.

    Raises:
        Refused: VKEY_MALFORMED, NAME_MALFORMED, KEY_ID_MISMATCH, and what :func:`admit_public_key` refuses.
    """
    parts = text.split("+", 2)
    require(len(parts) == 3, Reason.VKEY_MALFORMED, "vkey", "expected name+keyid+key")
    name, hex_id, encoded = parts
    require_name(name)
    well_formed = re.fullmatch("[0-9a-f]{8}", hex_id) is not None
    require(well_formed, Reason.VKEY_MALFORMED, "vkey.key_id", "expected 8 lower-case hex digits")
    material = decode_base64(encoded, Reason.VKEY_MALFORMED, "vkey.public_key")
    require(len(material) > 1, Reason.VKEY_MALFORMED, "vkey.public_key", "expected a type byte and a key")
    key = VerifierKey(name, bytes.fromhex(hex_id), material[0], material[1:])
    _require_key_id(key)
    return key


def ed25519_verifier(key: VerifierKey) -> Verifier:
    """How notes signed with type 0x01 are checked: Ed25519 over the text.

    Raises:
        Refused: SIGNATURE_TYPE for a key of another type.
    """
    require_kind(key, SignatureType.ED25519)
    return Verifier(key, lambda text, signature: verify(key.public_key, text, signature))


def sign_text(text: bytes, name: str, seed: bytes) -> NoteSignature:
    """Sign a note's text with type 0x01.

    Raises:
        Refused: NOTE_MALFORMED, NAME_MALFORMED, KEY_LENGTH.
    """
    _require_text(text)
    key = verifier_key(name, public_key(seed))
    return NoteSignature(name, key.key_id, sign(seed, text))


def sign_note(text: bytes, name: str, seed: bytes) -> bytes:
    """Sign `text` as `name` (type 0x01) and return the note.

    Raises:
        Refused: NOTE_MALFORMED, NAME_MALFORMED, KEY_LENGTH.
    """
    return Note(text, (sign_text(text, name, seed),)).to_bytes()


def add_signatures(note: bytes, signatures: Sequence[NoteSignature]) -> bytes:
    """The note with further signature lines at its end; none is verified.

    Raises:
        Refused: what :func:`parse_note` refuses, of the result.
    """
    extended = note + "".join(entry.line() for entry in signatures).encode()
    parse_note(extended)
    return extended


def parse_note(data: bytes) -> Note:
    """Read a note without verifying anything.

    Raises:
        Refused: NOTE_TOO_LARGE, NOTE_MALFORMED, NAME_MALFORMED.
    """
    size = len(data)
    require(size <= MAX_NOTE_BYTES, Reason.NOTE_TOO_LARGE, "", f"expected at most {MAX_NOTE_BYTES} bytes, found {size}")
    # The text may hold empty lines itself: the last one ends it.
    end = data.rfind(b"\n\n") + 1
    require(end > 0, Reason.NOTE_MALFORMED, "text", "expected a text, an empty line and signature lines")
    text, block = data[:end], data[end + 1 :]
    _require_text(text)
    return Note(text, parse_signature_lines(block))


def parse_signature_lines(block: bytes) -> tuple[NoteSignature, ...]:
    """Read signature lines alone, as a witness answers them.

    Raises:
        Refused: NOTE_TOO_LARGE, NOTE_MALFORMED, NAME_MALFORMED.
    """
    field = "signatures"
    require(block.endswith(b"\n"), Reason.NOTE_MALFORMED, field, "expected one or more lines, each with a line feed")
    count = block.count(b"\n")
    limit = MAX_SIGNATURE_LINES
    require(count <= limit, Reason.NOTE_TOO_LARGE, field, f"expected at most {limit} lines, found {count}")
    return tuple([_parse_line(line) for line in _decode(block, field)[:-1].split("\n")])


def open_note(data: bytes, verifiers: Sequence[Verifier]) -> Note:
    """Read a note and verify every line that is by one of `verifiers`; at least one must be.

    Raises:
        Refused: what :func:`parse_note` refuses; VKEY_AMBIGUOUS for two verifiers of one name and key id; what a failed
            check raises (SIGNATURE_INVALID and its kin, COSIGNATURE_TIME); NOTE_UNVERIFIED.
    """
    known = {(verifier.key.name, verifier.key.key_id): verifier for verifier in verifiers}
    distinct = len(known) == len(verifiers)
    require(distinct, Reason.VKEY_AMBIGUOUS, "verifiers", "expected one key per name and key id")
    note = parse_note(data)
    verified = []
    for entry in note.signatures:
        verifier = known.get((entry.name, entry.key_id))
        if verifier is not None:
            verifier.check(note.text, entry.signature)
            verified.append(entry)
    require(bool(verified), Reason.NOTE_UNVERIFIED, "signatures", "expected a line by a trusted key")
    return Note(note.text, note.signatures, tuple(verified))


# Names come again with every head; only those that pass are remembered.
@lru_cache(maxsize=256)
def require_name(name: str, reason: Reason = Reason.NAME_MALFORMED, field: str = "name") -> None:
    """Refuse a key name that is empty, longer than 255 bytes, or holds a Unicode space, a control character or `+`."""
    fits = 0 < len(name.encode()) <= MAX_NAME_BYTES
    plain = not any(char.isspace() or char < " " or char == "+" for char in name)
    require(fits and plain, reason, field, f"expected 1 to {MAX_NAME_BYTES} bytes without space, control or plus")


def require_kind(key: VerifierKey, kind: SignatureType) -> None:
    """Refuse a key of another signature type than `kind`."""
    matches = key.kind == kind
    require(matches, Reason.SIGNATURE_TYPE, "vkey", f"expected type {kind:#04x}, found {key.kind:#04x}")


def decode_base64(text: str, reason: Reason, field: str, length: int | None = None) -> bytes:
    """Read standard padded base64 in its only spelling: no spaces, no other alphabet, no set trailing bits.

    Raises:
        Refused: `reason` at `field`; also if `length` is given and another number of bytes is found.
    """
    try:
        value = a2b_base64(text.encode(), strict_mode=True)
    except Base64Error as error:
        raise Refused(reason, field, "expected standard base64 with padding") from error
    require(b64encode(value).decode() == text, reason, field, "expected base64 without trailing bits")
    if length is not None and len(value) != length:
        raise Refused(reason, field, f"expected {length} bytes, found {len(value)}")
    return value


def decode_decimal(text: str, reason: Reason, field: str) -> int:
    """Read an ASCII decimal without sign and leading zeros, at most 2^63 - 1.

    Raises:
        Refused: `reason` at `field`.
    """
    well_formed = _DECIMAL.fullmatch(text) is not None and int(text) <= _MAX_DECIMAL
    require(well_formed, reason, field, "expected a decimal up to 2^63 - 1 without leading zeros")
    return int(text)


def _require_key_id(key: VerifierKey) -> None:
    """Check key and id as far as their type is known; of other types the id may be anything."""
    expected = next((length for kind, length in _KEY_LENGTHS.items() if kind == key.kind), None)
    if expected is None:
        return
    found = len(key.public_key)
    require(found == expected, Reason.KEY_LENGTH, "vkey.public_key", f"expected {expected} bytes, found {found}")
    if expected == KEY_BYTES:
        admit_public_key(key.public_key, "vkey.public_key")
    computed = key_id(key.name, key.kind, key.public_key)
    matches = key.key_id == computed
    require(matches, Reason.KEY_ID_MISMATCH, "vkey.key_id", f"expected {computed.hex()}, found {key.key_id.hex()}")


def _require_text(text: bytes) -> None:
    _decode(text, "text")
    require(text.endswith(b"\n"), Reason.NOTE_MALFORMED, "text", "expected a final line feed")


def _decode(data: bytes, field: str) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise Refused(Reason.NOTE_MALFORMED, field, "expected UTF-8") from error
    plain = _CONTROL.search(text) is None
    require(plain, Reason.NOTE_MALFORMED, field, "expected no control character but the line feed")
    return text


def _parse_line(line: str) -> NoteSignature:
    dashed = line.startswith(_EM_DASH)
    require(dashed, Reason.NOTE_MALFORMED, "signatures", "expected an em dash, a space, a name, a space and base64")
    name, _, encoded = line.removeprefix(_EM_DASH).partition(" ")
    require_name(name, field="signatures.name")
    value = decode_base64(encoded, Reason.NOTE_MALFORMED, "signatures.signature")
    signed = len(value) > KEY_ID_BYTES
    require(signed, Reason.NOTE_MALFORMED, "signatures.signature", "expected a key id and a signature")
    return NoteSignature(name, value[:KEY_ID_BYTES], value[KEY_ID_BYTES:])
