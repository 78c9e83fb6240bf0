"""Checkpoints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import keys, note
from protocol.checkpoint import Checkpoint, checkpoint_of, open_checkpoint, parse_checkpoint, sign_checkpoint
from protocol.cosignature import cosign, cosignature_message
from protocol.errors import Reason, Refused
from protocol.merkle import EMPTY_ROOT
from tests.protocol.refusals import refuses

SEED = bytes(range(32))
ORIGIN = "example.org/log"
KEY = note.verifier_key(ORIGIN, keys.public_key(SEED))
HEAD = Checkpoint(ORIGIN, 20_852_163, bytes(range(32)))
SIGNED = sign_checkpoint(HEAD, SEED)
ROOT = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


@pytest.fixture(scope="module")
def heads(root: Path) -> list[dict[str, Any]]:
    """Heads of running logs."""
    found: list[dict[str, Any]] = json.loads((root / "tests/vectors/notes/checkpoints.json").read_text())
    return found


def test_writes_three_lines() -> None:
    assert HEAD.text() == f"{ORIGIN}\n20852163\n{ROOT}\n".encode()


@given(st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32))
def test_reads_what_it_signed(size: int, root: bytes) -> None:
    head = Checkpoint(ORIGIN, size, root if size else EMPTY_ROOT)
    assert open_checkpoint(sign_checkpoint(head, SEED), ORIGIN, KEY) == head
    assert parse_checkpoint(head.text()) == head


def test_reads_the_heads_of_running_logs(heads: list[dict[str, Any]]) -> None:
    for head in heads:
        key = note.parse_vkey(head["vkey"])
        found = open_checkpoint(head["note"].encode(), head["origin"], key, third_party=True)
        assert str(found.size) in head["name"]
        assert head["note"].encode().startswith(found.text() + b"\n")


def test_reads_those_that_follow_this_profile_without_exception(heads: list[dict[str, Any]]) -> None:
    own = [head for head in heads if note.parse_vkey(head["vkey"]).name == head["origin"]]
    assert len(own) >= 4
    for head in own:
        open_checkpoint(head["note"].encode(), head["origin"], note.parse_vkey(head["vkey"]))


def test_refuses_a_log_whose_key_name_is_not_its_origin_unless_it_is_a_third_partys(
    heads: list[dict[str, Any]],
) -> None:
    head = next(head for head in heads if head["name"].startswith("armored"))
    key = note.parse_vkey(head["vkey"])
    with refuses(Reason.ORIGIN_MISMATCH, "signatures.name"):
        open_checkpoint(head["note"].encode(), head["origin"], key)
    assert open_checkpoint(head["note"].encode(), head["origin"], key, third_party=True).size == 59


def test_refuses_an_origin_with_spaces_unless_it_is_a_third_partys(heads: list[dict[str, Any]]) -> None:
    head = next(head for head in heads if head["name"].startswith("go-sumdb"))
    with refuses(Reason.CHECKPOINT_MALFORMED, "origin"):
        open_checkpoint(head["note"].encode(), head["origin"], note.parse_vkey(head["vkey"]))


@pytest.mark.parametrize("position", range(len(SIGNED)))
def test_refuses_a_checkpoint_with_any_bit_of_any_byte_flipped(position: int) -> None:
    assert open_checkpoint(SIGNED, ORIGIN, KEY) == HEAD
    for bit in range(8):
        changed = bytearray(SIGNED)
        changed[position] ^= 1 << bit
        with pytest.raises(Refused):
            open_checkpoint(bytes(changed), ORIGIN, KEY)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", ""),
        ("\n", ""),
        (f"{ORIGIN}\n5\n", ""),
        (f"{ORIGIN}\n5\n{ROOT}", ""),
        (f"\n{ORIGIN}\n5\n{ROOT}\n", ""),
        (f"{ORIGIN}\n\n5\n{ROOT}\n", ""),
        (f"{ORIGIN}\n5\n{ROOT}\n\n", ""),
        (f"{ORIGIN}\n5\n{ROOT}\n\nextension\n", ""),
        (f"{ORIGIN}\r\n5\r\n{ROOT}\r\n", "origin"),
        (f"{ORIGIN} \n5\n{ROOT}\n", "origin"),
        (f"a\u2028b\n5\n{ROOT}\n", "origin"),
        (f"a+b\n5\n{ROOT}\n", "origin"),
        (f"{'a' * 256}\n5\n{ROOT}\n", "origin"),
        (f"{ORIGIN}\n05\n{ROOT}\n", "size"),
        (f"{ORIGIN}\n+5\n{ROOT}\n", "size"),
        (f"{ORIGIN}\n-5\n{ROOT}\n", "size"),
        (f"{ORIGIN}\n5 \n{ROOT}\n", "size"),
        (f"{ORIGIN}\n5.0\n{ROOT}\n", "size"),
        (f"{ORIGIN}\n{2**63}\n{ROOT}\n", "size"),
        (f"{ORIGIN}\nfive\n{ROOT}\n", "size"),
        (f"{ORIGIN}\n5\n{ROOT[:-1]}\n", "root"),
        (f"{ORIGIN}\n5\n{ROOT} \n", "root"),
        (f"{ORIGIN}\n5\n{ROOT.replace('8=', '9=')}\n", "root"),
        (f"{ORIGIN}\n5\n{'A' * 44}\n", "root"),
        (f"{ORIGIN}\n5\nAAAA\n", "root"),
        (f"{ORIGIN}\n5\n{bytes(range(32)).hex()}\n", "root"),
    ],
)
def test_refuses_every_other_spelling(text: str, field: str) -> None:
    with refuses(Reason.CHECKPOINT_MALFORMED, field):
        parse_checkpoint(text.encode())


def test_refuses_what_is_not_utf_8() -> None:
    with refuses(Reason.CHECKPOINT_MALFORMED):
        parse_checkpoint(b"\xff\n5\n" + ROOT.encode() + b"\n")


def test_refuses_a_megabyte_of_origin_even_from_a_third_party() -> None:
    with refuses(Reason.CHECKPOINT_MALFORMED, "origin"):
        parse_checkpoint(b"a" * 1_000_000 + b"\n5\n" + ROOT.encode() + b"\n", third_party=True)


def test_refuses_extension_lines_unless_they_are_a_third_partys() -> None:
    extended = Checkpoint(ORIGIN, 5, bytes(32), ("one", "two"))
    with refuses(Reason.EXTENSION_LINE, "extensions"):
        parse_checkpoint(extended.text())
    with refuses(Reason.EXTENSION_LINE):
        sign_checkpoint(extended, SEED)
    assert parse_checkpoint(extended.text(), third_party=True) == extended
    signed = note.sign_note(extended.text(), ORIGIN, SEED)
    with refuses(Reason.EXTENSION_LINE):
        open_checkpoint(signed, ORIGIN, KEY)
    assert open_checkpoint(signed, ORIGIN, KEY, third_party=True) == extended


def test_refuses_the_checkpoint_of_another_log() -> None:
    with refuses(Reason.ORIGIN_MISMATCH, "origin"):
        open_checkpoint(SIGNED, "example.org/other", KEY)
    stranger = note.verifier_key("example.org/other", KEY.public_key)
    with refuses(Reason.NOTE_UNVERIFIED):
        open_checkpoint(SIGNED, ORIGIN, stranger)


def test_one_key_cannot_speak_for_another_origin() -> None:
    other = note.sign_note(Checkpoint("example.org/other", 5, bytes(32)).text(), ORIGIN, SEED)
    with refuses(Reason.ORIGIN_MISMATCH, "signatures.name"):
        open_checkpoint(other, "example.org/other", KEY)


def test_an_empty_log_has_the_empty_root() -> None:
    assert open_checkpoint(sign_checkpoint(Checkpoint(ORIGIN, 0, EMPTY_ROOT), SEED), ORIGIN, KEY).size == 0
    with refuses(Reason.ROOT_MISMATCH, "root"):
        open_checkpoint(sign_checkpoint(Checkpoint(ORIGIN, 0, bytes(32)), SEED), ORIGIN, KEY)


def test_a_cosignature_is_no_log_signature() -> None:
    cosigned = note.add_signatures(HEAD.text() + b"\n" + cosign(HEAD.text(), ORIGIN, SEED, 7).line().encode(), [])
    with refuses(Reason.NOTE_UNVERIFIED):
        open_checkpoint(cosigned, ORIGIN, KEY)


def test_a_log_signature_over_the_cosignature_message_is_no_checkpoint() -> None:
    message = note.sign_note(cosignature_message(HEAD.text(), 7), ORIGIN, SEED)
    with pytest.raises(Refused):
        open_checkpoint(message, ORIGIN, KEY, third_party=True)


def test_a_note_opened_with_other_keys_only_is_not_the_logs() -> None:
    other = note.verifier_key("example.org/witness", KEY.public_key)
    signed = note.sign_note(HEAD.text(), "example.org/witness", SEED)
    opened = note.open_note(signed, [note.ed25519_verifier(other)])
    with refuses(Reason.NOTE_UNVERIFIED):
        checkpoint_of(opened, ORIGIN, KEY)
