"""Secrets in files."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from daemon.keyfiles import read_secret, read_seed, write_secret, write_seed
from protocol.errors import Reason, Refused
from tests.protocol.refusals import refuses

SEED = bytes(range(32))


def test_a_secret_is_readable_by_its_owner_only_whatever_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "key"
    before = os.umask(0)
    try:
        write_secret(path, b"secret")
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_secret(path) == b"secret"


def test_a_seed_comes_back_as_written(tmp_path: Path) -> None:
    write_seed(tmp_path / "seed", SEED)

    assert (tmp_path / "seed").read_text() == SEED.hex() + "\n"
    assert read_seed(tmp_path / "seed") == SEED


def test_never_overwrites_a_secret(tmp_path: Path) -> None:
    write_seed(tmp_path / "seed", SEED)

    with refuses(Reason.SECRET_EXISTS, str(tmp_path / "seed")):
        write_seed(tmp_path / "seed", bytes(32))
    assert read_seed(tmp_path / "seed") == SEED


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610, 0o666])
def test_refuses_a_secret_that_others_can_touch_and_says_what_to_do(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "seed"
    write_seed(path, SEED)
    path.chmod(mode)

    with pytest.raises(Refused, match=f"chmod 600 {path}") as caught:
        read_seed(path)
    assert caught.value.reason is Reason.SECRET_EXPOSED
    path.chmod(0o400)
    assert read_seed(path) == SEED


def test_refuses_a_secret_that_is_not_there(tmp_path: Path) -> None:
    with refuses(Reason.SECRET_ABSENT, str(tmp_path / "seed")):
        read_seed(tmp_path / "seed")


@pytest.mark.parametrize("data", [b"", b"00" * 31, b"00" * 33, b"zz" * 32, b"AB" * 32, SEED, b"00" * 32 + b"\n\n"])
def test_refuses_a_seed_of_another_form_without_showing_it(tmp_path: Path, data: bytes) -> None:
    write_secret(tmp_path / "seed", data)

    with pytest.raises(Refused) as caught:
        read_seed(tmp_path / "seed")
    assert caught.value.reason is Reason.SECRET_MALFORMED
    assert not data or data.decode("latin-1") not in str(caught.value)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_refuses_to_write_a_seed_of_another_length(tmp_path: Path, length: int) -> None:
    with refuses(Reason.SECRET_MALFORMED):
        write_seed(tmp_path / "seed", bytes(length))
    assert not (tmp_path / "seed").exists()
