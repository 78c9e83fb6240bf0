"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from protocol.errors import Reason, Refused

PUBLIC_MODE: Final = 0o644


def write_whole(path: Path, data: bytes, *, mode: int = PUBLIC_MODE) -> None:
    """Write a file, replacing one of that name: readers see the old bytes or the new ones, also after a crash.

    Raises:
        OSError: it could not be written; nothing is left behind.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make names in a directory durable: syncing a file alone does not."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def alone_in(directory: Path) -> Iterator[None]:
    """Keep a second process from doing the same in a directory; the operating system lets go when we end.

    Raises:
        Refused: STORE_IN_USE.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Refused(Reason.STORE_IN_USE, str(directory), "expected nobody else at work here; wait") from error
        yield
    finally:
        os.close(descriptor)
