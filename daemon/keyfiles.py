"""Secrets in files: written so that nobody else can ever read them, refused where somebody else could."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Final

from daemon.files import sync_directory
from protocol.errors import Reason, Refused, require

SEED_BYTES: Final = 32
SECRET_MODE: Final = 0o600

_SEED_LINE: Final = re.compile(rb"[0-9a-f]{64}\n?")
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def write_secret(path: Path, data: bytes) -> None:
    """Write a new file that only its owner can read, and make file and name durable.

    Raises:
        Refused: SECRET_EXISTS; a secret is never overwritten.
    """
    try:
        # The mode is given at creation: at no moment does the file exist with a wider one.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, SECRET_MODE)
    except FileExistsError as error:
        raise Refused(Reason.SECRET_EXISTS, str(path), "expected no file; move the old secret away first") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    sync_directory(path.parent)


def read_secret(path: Path) -> bytes:
    """Read a secret that nobody but its owner can read.

    Raises:
        Refused: SECRET_ABSENT, SECRET_EXPOSED.
    """
    try:
        with path.open("rb") as file:
            # Of the open file, not of the name: the two could differ by the time of reading.
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            private = not mode & _OTHERS
            repair = f"expected mode 0600, found {mode:04o}; run: chmod 600 {path}"
            require(private, Reason.SECRET_EXPOSED, str(path), repair)
            return file.read()
    except OSError as error:
        what = f"expected a readable file: {error.strerror}; create it with init, or run as its owner"
        raise Refused(Reason.SECRET_ABSENT, str(path), what) from error


def write_seed(path: Path, seed: bytes) -> None:
    """Write a seed (32 random bytes) as one line of lower-case hexadecimal.

    Raises:
        Refused: SECRET_MALFORMED, SECRET_EXISTS.
    """
    right = len(seed) == SEED_BYTES
    require(right, Reason.SECRET_MALFORMED, str(path), f"expected {SEED_BYTES} bytes, found {len(seed)}")
    write_secret(path, seed.hex().encode() + b"\n")


def read_seed(path: Path) -> bytes:
    """Read a seed (32 bytes) that :func:`write_seed` wrote.

    Raises:
        Refused: SECRET_ABSENT, SECRET_EXPOSED, SECRET_MALFORMED.
    """
    line = read_secret(path)
    well_formed = _SEED_LINE.fullmatch(line) is not None
    # The message must not show any of it.
    what = f"expected one line of {2 * SEED_BYTES} hexadecimal digits, found {len(line)} bytes; restore it from a copy"
    require(well_formed, Reason.SECRET_MALFORMED, str(path), what)
    return bytes.fromhex(line.decode())
