"""The trust root: the digest of the agreement, as the auditor pins it. A value, a file, or a file beside a bundle."""

from __future__ import annotations

import os
import re
from typing import Final

import click

FILE: Final = "trust"
"""Name of the file that holds the digest, in a profile and beside a bundle."""

MAX_BYTES: Final = 1_024
_DIGEST: Final = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})")


def pinned(text: str) -> bytes:
    """The digest (32 bytes) that `--trust` gives: 64 hexadecimal digits, or the path of a file that begins with them.

    Raises:
        click.UsageError: if it is neither.
    """
    if found := _DIGEST.fullmatch(text):
        return bytes.fromhex(found[1])
    return read(text)


def read(path: str) -> bytes:
    """The digest (32 bytes) in a file: its first word.

    Raises:
        click.UsageError: if there is none.
    """
    try:
        with click.open_file(path, "rb") as file:
            words = file.read(MAX_BYTES).decode("utf-8", "replace").split()
    except OSError as error:
        raise click.UsageError(
            f"{path}: expected 64 hexadecimal digits or a file with them: {error.strerror}"
        ) from None
    found = _DIGEST.fullmatch(words[0]) if words else None
    if found is None:
        raise click.UsageError(f"{path}: expected the SHA-256 of the agreement, 64 hexadecimal digits")
    return bytes.fromhex(found[1])


def is_there(path: str) -> bool:
    """Whether there is something of that name, readable or not."""
    try:
        os.stat(path)  # noqa: PTH116 - pathlib alone would cost a tenth of the time that `verify` has
    except FileNotFoundError:
        return False
    return True
