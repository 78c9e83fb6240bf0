"""Signed notes."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import keys, note
from protocol.cosignature import cosignature_verifier
from protocol.errors import Reason, Refused
from protocol.note import NoteSignature, SignatureType, VerifierKey
from tests.protocol.refusals import refuses

SEED = bytes(range(32))
NAME = "example.org/log"
KEY = note.verifier_key(NAME, keys.public_key(SEED))
VERIFIER = note.ed25519_verifier(KEY)
TEXT = b"first line\n\nsecond line\n"
SIGNED = note.sign_note(TEXT, NAME, SEED)
LINE = SIGNED.removeprefix(TEXT + b"\n").decode()

# Documentation of Go's golang.org/x/mod/sumdb/note (BSD-3-Clause): seed, vkey, text, signature.
GO_SEED = b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_TEXT = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GO_LINE = (
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)

# C2SP signed-note v1.0.0, section "Example" (CC BY 4.0).
C2SP_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
C2SP_NOTE = (
    "This is an example message.\n\n"
    "\u2014 example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)


def open_it(data: bytes) -> note.Note:
    """Open with the one trusted key."""
    return note.open_note(data, [VERIFIER])


def test_signs_like_go() -> None:
    assert note.sign_note(GO_TEXT, "PeterNeumann", GO_SEED) == GO_TEXT + b"\n" + GO_LINE.encode()
    assert str(note.verifier_key("PeterNeumann", keys.public_key(GO_SEED))) == GO_VKEY


def test_opens_the_example_of_the_specification() -> None:
    opened = note.open_note(C2SP_NOTE.encode(), [note.ed25519_verifier(note.parse_vkey(C2SP_VKEY))])
    assert opened.text == b"This is an example message.\n"


@pytest.fixture(scope="module")
def heads(root: Path) -> list[dict[str, Any]]:
    """Heads of running logs."""
    found: list[dict[str, Any]] = json.loads((root / "tests/vectors/notes/checkpoints.json").read_text())
    return found


def test_opens_the_notes_of_running_logs_and_writes_the_same_bytes(heads: list[dict[str, Any]]) -> None:
    for head in heads:
        key = note.parse_vkey(head["vkey"])
        assert str(key) == head["vkey"]
        opened = note.open_note(head["note"].encode(), [note.ed25519_verifier(key)])
        assert opened.to_bytes() == head["note"].encode()
        assert opened.signed_by(key)


def test_refuses_the_notes_of_running_logs_with_any_byte_of_the_text_changed(heads: list[dict[str, Any]]) -> None:
    for head in heads:
        data = head["note"].encode()
        verifier = note.ed25519_verifier(note.parse_vkey(head["vkey"]))
        for position in range(data.index(b"\n\n") + 1):
            changed = bytearray(data)
            changed[position] ^= 1
            with pytest.raises(Refused):
                note.open_note(bytes(changed), [verifier])


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=40).map(lambda text: text.encode() + b"\n"))
def test_opens_what_it_signed(text: bytes) -> None:
    opened = open_it(note.sign_note(text, NAME, SEED))
    assert (opened.text, [entry.name for entry in opened.verified]) == (text, [NAME])


def test_the_last_empty_line_ends_the_text() -> None:
    assert open_it(SIGNED).text == TEXT
    text = TEXT + b"\n" + LINE.encode()
    assert open_it(note.sign_note(text, NAME, SEED)).text == text


@pytest.mark.parametrize("position", range(len(SIGNED)))
def test_refuses_a_note_with_any_byte_changed(position: int) -> None:
    assert open_it(SIGNED).text == TEXT
    for mask in (0x01, 0x20, 0x80, 0xFF):
        changed = bytearray(SIGNED)
        changed[position] ^= mask
        with pytest.raises(Refused):
            open_it(bytes(changed))


@pytest.mark.parametrize("position", range(len(SIGNED)))
def test_refuses_a_note_with_any_byte_missing_or_doubled(position: int) -> None:
    for data in (
        SIGNED[:position] + SIGNED[position + 1 :],
        SIGNED[:position] + SIGNED[position : position + 1] * 2 + SIGNED[position + 1 :],
        SIGNED[:position],
    ):
        with pytest.raises(Refused):
            open_it(data)


def line(name: str = NAME, value: str | None = None) -> bytes:
    """A signature line with any parts."""
    return f"\u2014 {name} {LINE.split(' ')[2][:-1] if value is None else value}\n".encode()


VALUE = LINE.split(" ")[2][:-1]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"\n\n",
        TEXT,
        TEXT + b"\n",
        TEXT + line(),
        TEXT + b"\n" + line()[:-1],
        SIGNED.replace(b"\n", b"\r\n"),
        SIGNED + b"\n",
        SIGNED + b"garbage\n",
        TEXT + b"\n" + line().replace("\u2014".encode(), b"-"),
        TEXT + b"\n" + line().replace("\u2014 ".encode(), "\u2014".encode()),
        TEXT + b"\n " + line(),
        TEXT + b"\n" + line(value=VALUE + " "),
        TEXT + b"\n" + line(value=" " + VALUE),
        TEXT + b"\n" + line(value=VALUE[:-1]),
        TEXT + b"\n" + line(value=VALUE.rstrip("=")),
        TEXT + b"\n" + line(value=VALUE.replace("/", "_").replace("+", "-") if "/" in VALUE else "-" + VALUE[1:]),
        TEXT + b"\n" + line(value=VALUE[:20] + "\t" + VALUE[20:]),
        TEXT + b"\n" + line(value=""),
        TEXT + b"\n" + line(value="AAAA"),
        TEXT + b"\n" + line(value="AAAAAA=="),
        b"\xff" + SIGNED,
        b"\0" + SIGNED,
        b"\t" + SIGNED,
        SIGNED.replace(b"second", b"sec\x1fnd"),
        TEXT + b"\n" + line() + b"\xff\n",
    ],
)
def test_refuses_a_malformed_note(data: bytes) -> None:
    with pytest.raises(Refused) as caught:
        open_it(data)
    assert caught.value.reason in {Reason.NOTE_MALFORMED, Reason.NAME_MALFORMED}


def test_refuses_base64_with_set_trailing_bits() -> None:
    padded = b64encode(bytes(5)).decode()
    assert padded.endswith("AA=")
    good = NoteSignature("stranger", bytes(4), bytes(1))
    assert note.parse_signature_lines(good.line().encode()) == (good,)
    with refuses(Reason.NOTE_MALFORMED, "signatures.signature"):
        note.parse_signature_lines(good.line().replace("AA=", "AB=").encode())


@pytest.mark.parametrize(
    "name", ["", "a b", "a+b", "a\u2028b", "a\u00a0b", "a\u3000b", "a\u0085b", "a" * 256, "é" * 128]
)
def test_refuses_a_name_that_is_empty_too_long_or_holds_a_space_or_a_plus(name: str) -> None:
    with refuses(Reason.NAME_MALFORMED):
        note.verifier_key(name, KEY.public_key)
    with pytest.raises(Refused):
        open_it(SIGNED + line(name=name))


@pytest.mark.parametrize("name", ["a", "a" * 255, "é" * 127, "sum.golang.org", "oid/1.3.6.1.4.1"])
def test_accepts_other_names(name: str) -> None:
    assert note.parse_vkey(str(note.verifier_key(name, KEY.public_key))).name == name


def test_ignores_lines_of_strangers_even_with_a_known_name_or_a_known_id() -> None:
    strangers = [
        NoteSignature("stranger.org", KEY.key_id, bytes(64)),
        NoteSignature(NAME, bytes(4), bytes(64)),
        NoteSignature("short.org", KEY.key_id, bytes(1)),
    ]
    opened = open_it(note.add_signatures(SIGNED, strangers))
    assert len(opened.signatures) == 4
    assert [entry.name for entry in opened.verified] == [NAME]


def test_refuses_a_note_that_only_strangers_have_signed() -> None:
    for stranger in (NoteSignature("stranger.org", KEY.key_id, bytes(64)), NoteSignature(NAME, bytes(4), bytes(64))):
        with refuses(Reason.NOTE_UNVERIFIED, "signatures"):
            open_it(TEXT + b"\n" + stranger.line().encode())
    with refuses(Reason.NOTE_UNVERIFIED):
        note.open_note(SIGNED, [])


@pytest.mark.parametrize("first", [True, False])
def test_one_bad_line_of_a_known_key_condemns_the_note_beside_a_good_one(first: bool) -> None:
    bad = NoteSignature(NAME, KEY.key_id, keys.sign(SEED, b"another text\n")).line().encode()
    lines = [bad, LINE.encode()] if first else [LINE.encode(), bad]
    with refuses(Reason.SIGNATURE_INVALID):
        open_it(TEXT + b"\n" + b"".join(lines))


@pytest.mark.parametrize("length", [1, 63, 65, 72])
def test_refuses_a_known_key_with_a_signature_of_another_length(length: int) -> None:
    with refuses(Reason.SIGNATURE_LENGTH):
        open_it(note.add_signatures(SIGNED, [NoteSignature(NAME, KEY.key_id, bytes(length))]))


def test_a_key_with_a_colliding_id_gains_nothing() -> None:
    """Four bytes are found by search: the line is then checked against the trusted key and fails."""
    attacker = bytes([7]) * 32
    forged = NoteSignature(NAME, KEY.key_id, keys.sign(attacker, TEXT))
    with refuses(Reason.SIGNATURE_INVALID):
        open_it(TEXT + b"\n" + forged.line().encode())


def test_refuses_two_verifiers_of_one_name_and_id() -> None:
    twin = VerifierKey(NAME, KEY.key_id, SignatureType.ED25519, keys.public_key(bytes(32)))
    with refuses(Reason.VKEY_AMBIGUOUS):
        note.open_note(SIGNED, [VERIFIER, note.ed25519_verifier(twin)])


def strangers(count: int) -> bytes:
    """A note with this many lines, one of them ours."""
    return SIGNED + b"".join(NoteSignature(f"s{n}", bytes(4), bytes(64)).line().encode() for n in range(count - 1))


@pytest.mark.parametrize("count", [1, 16, 17, note.MAX_SIGNATURE_LINES])
def test_accepts_lines_up_to_the_limit(count: int) -> None:
    assert len(open_it(strangers(count)).signatures) == count


@pytest.mark.parametrize("count", [note.MAX_SIGNATURE_LINES + 1, 2_000])
def test_refuses_lines_beyond_the_limit(count: int) -> None:
    with refuses(Reason.NOTE_TOO_LARGE, "signatures"):
        open_it(strangers(count))


def test_refuses_a_note_beyond_the_limit() -> None:
    room = note.MAX_NOTE_BYTES - len(note.sign_note(b"\n", NAME, SEED))
    assert len(open_it(note.sign_note(b"a" * room + b"\n", NAME, SEED)).text) == room + 1
    with refuses(Reason.NOTE_TOO_LARGE, ""):
        open_it(note.sign_note(b"a" * (room + 1) + b"\n", NAME, SEED))
    with refuses(Reason.NOTE_TOO_LARGE):
        open_it(b"a" * 10_000_000)


@pytest.mark.parametrize("text", [b"", b"no line feed", b"a\rb\n", b"\xff\n", b"a\0\n"])
def test_refuses_to_sign_what_is_no_text(text: bytes) -> None:
    with refuses(Reason.NOTE_MALFORMED, "text"):
        note.sign_note(text, NAME, SEED)


@pytest.mark.parametrize("kind", [SignatureType.ED25519, SignatureType.COSIGNATURE_V1])
def test_a_vkey_is_read_as_it_was_written(kind: SignatureType) -> None:
    key = note.verifier_key(NAME, KEY.public_key, kind)
    assert note.parse_vkey(str(key)) == key


def test_one_key_has_another_id_for_another_type_or_name() -> None:
    ids = {
        note.verifier_key(name, KEY.public_key, kind).key_id
        for name in (NAME, "example.org/log2")
        for kind in (SignatureType.ED25519, SignatureType.COSIGNATURE_V1)
    }
    assert len(ids) == 4


@pytest.mark.parametrize("kind", [0x02, 0x05, 0x06, 0x07, 0xFF])
def test_reads_vkeys_of_types_that_it_cannot_verify_and_refuses_to_verify_with_them(kind: int) -> None:
    material = bytes(1312)
    key = VerifierKey(NAME, note.key_id(NAME, kind, material), kind, material)
    assert note.parse_vkey(str(key)) == key
    with refuses(Reason.SIGNATURE_TYPE):
        note.ed25519_verifier(key)
    with refuses(Reason.SIGNATURE_TYPE):
        cosignature_verifier(key)


@pytest.mark.parametrize(
    ("vkey", "reason"),
    [
        ("", Reason.VKEY_MALFORMED),
        (NAME, Reason.VKEY_MALFORMED),
        (f"{NAME}+{KEY.key_id.hex()}", Reason.VKEY_MALFORMED),
        (str(KEY).replace(KEY.key_id.hex(), KEY.key_id.hex().upper()), Reason.VKEY_MALFORMED),
        (str(KEY).replace(KEY.key_id.hex(), KEY.key_id.hex()[:7]), Reason.VKEY_MALFORMED),
        (str(KEY).replace(KEY.key_id.hex(), "00000000"), Reason.KEY_ID_MISMATCH),
        (str(KEY).replace(NAME, NAME + "x"), Reason.KEY_ID_MISMATCH),
        (str(KEY).replace(NAME, "a b"), Reason.NAME_MALFORMED),
        (str(KEY).replace(NAME, ""), Reason.NAME_MALFORMED),
        (str(KEY)[:-1], Reason.VKEY_MALFORMED),
        (str(KEY) + "\n", Reason.VKEY_MALFORMED),
        (f"{NAME}+{KEY.key_id.hex()}+", Reason.VKEY_MALFORMED),
        (f"{NAME}+{KEY.key_id.hex()}+AQ==", Reason.VKEY_MALFORMED),
        (f"{NAME}+{KEY.key_id.hex()}+{b64encode(bytes([1]) + bytes(31)).decode()}", Reason.KEY_LENGTH),
        (f"{NAME}+{KEY.key_id.hex()}+{b64encode(bytes([6]) + bytes(32)).decode()}", Reason.KEY_LENGTH),
        (str(VerifierKey(NAME, note.key_id(NAME, 1, bytes(32)), 1, bytes(32))), Reason.KEY_SMALL_ORDER),
    ],
)
def test_refuses_a_malformed_vkey(vkey: str, reason: Reason) -> None:
    with refuses(reason):
        note.parse_vkey(vkey)


@given(st.integers(0, len(str(KEY)) - 1), st.sampled_from("0aAB+/= \u00e9"))
def test_refuses_a_vkey_with_any_character_changed(position: int, char: str) -> None:
    vkey = str(KEY)
    changed = vkey[:position] + char + vkey[position + 1 :]
    if changed == vkey:
        assert note.parse_vkey(changed) == KEY
        return
    # A changed type byte may name a type that is only recognised.
    with pytest.raises(Refused):
        note.ed25519_verifier(note.parse_vkey(changed))


@pytest.mark.parametrize(
    "text", ["00", "01", "+5", "-1", " 1", "1 ", "1\n", "", "1_0", "\u0661", str(2**63), "9" * 30, "0x1"]
)
def test_refuses_a_decimal_in_any_other_spelling(text: str) -> None:
    with refuses(Reason.CHECKPOINT_MALFORMED, "size"):
        note.decode_decimal(text, Reason.CHECKPOINT_MALFORMED, "size")


@pytest.mark.parametrize("number", [0, 1, 10, 2**63 - 1])
def test_reads_decimals_up_to_the_largest_signed_number(number: int) -> None:
    assert note.decode_decimal(str(number), Reason.CHECKPOINT_MALFORMED, "size") == number
