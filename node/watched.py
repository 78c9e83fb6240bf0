"""A file that others write and we read again when it has changed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from protocol.errors import Reason, Refused, require

T = TypeVar("T")
Version = tuple[tuple[int, int, int] | None, ...]
"""Of each file: inode, size and time of change; None where there is none."""


class Watched(Generic[T]):
    """What some files say, read when it is first needed and again after a change. Safe for use from several threads."""

    def __init__(self, paths: tuple[Path, ...], read: Callable[[], T]) -> None:
        """Watch `paths`; `read` reads them and may refuse."""
        self._paths = paths
        self._read = read
        self._lock = threading.Lock()
        self._version: Version | None = None
        self._value: T | None = None
        self._refusal: Refused | None = None

    def version(self) -> Version:
        """Which version of the files is there now."""
        return tuple(map(_version, self._paths))

    def changed_at(self) -> int:
        """When the first of the files was last changed, Unix seconds; 0 if it is not there."""
        found = _version(self._paths[0])
        return found[2] // 10**9 if found is not None else 0

    def value(self) -> T:
        """What the files say.

        Raises:
            Refused: what reading refuses; TRACE_UNREADABLE while somebody writes into a file.
        """
        with self._lock:
            before = self.version()
            if before != self._version:
                self._refresh(before)
            if self._refusal is not None:
                raise self._refusal
            assert self._value is not None  # noqa: S101 - a reading gives a value or a refusal
            return self._value

    def _refresh(self, before: Version) -> None:
        self._refusal = None
        try:
            value = self._read()
        except Refused as refusal:
            self._refusal, self._version = refusal, before
            return
        # Half a table looks like a table: what changed under our eyes is read again later.
        still = self.version() == before
        require(still, Reason.TRACE_UNREADABLE, self._paths[0].name, "it is being written; replace it atomically")
        self._value, self._version = value, before


def _version(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
