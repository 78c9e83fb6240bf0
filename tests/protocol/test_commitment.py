"""Salted commitments."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.commitment import BODY_TAG, ENTRY_TAG, commit, open_commitment
from protocol.errors import Reason
from tests.protocol.refusals import refuses

SALT = bytes(range(32))


def test_is_the_hash_of_tag_salt_and_data() -> None:
    assert commit(ENTRY_TAG, SALT, b"envelope") == sha256(b"standstill.v1/entry\n" + SALT + b"envelope").digest()
    assert commit(BODY_TAG, SALT, b"body") == sha256(b"standstill.v1/body\n" + SALT + b"body").digest()


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=99))
def test_opens_to_the_committed_bytes(salt: bytes, data: bytes) -> None:
    assert open_commitment(commit(BODY_TAG, salt, data), BODY_TAG, salt, data) == data


@pytest.mark.parametrize(
    ("tag", "salt", "data"),
    [
        (ENTRY_TAG, SALT, b"data"),
        (BODY_TAG, bytes(32), b"data"),
        (BODY_TAG, SALT, b"Data"),
        (BODY_TAG, SALT, b"data\0"),
        (BODY_TAG, SALT, b""),
    ],
)
def test_refuses_another_purpose_salt_or_value(tag: bytes, salt: bytes, data: bytes) -> None:
    with refuses(Reason.COMMITMENT_MISMATCH, "commitment"):
        open_commitment(commit(BODY_TAG, SALT, b"data"), tag, salt, data)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_refuses_a_salt_of_another_length(length: int) -> None:
    with refuses(Reason.SALT_LENGTH, "salt"):
        commit(BODY_TAG, (SALT * 2)[:length], b"data")


@pytest.mark.parametrize("change", [b"", b"\0" * 32, b"\0" * 33])
def test_refuses_what_is_no_commitment(change: bytes) -> None:
    with refuses(Reason.COMMITMENT_MISMATCH):
        open_commitment(change, BODY_TAG, SALT, b"data")
