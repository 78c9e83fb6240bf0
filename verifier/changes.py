"""Changes as they happen, for everybody who watches; a slow watcher loses its place and holds nobody up."""

from __future__ import annotations

import queue
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from standstill.v1.audit_service_pb2 import WatchResponse

WAITING: Final = 1_000
"""Changes that may wait for one watcher: over a day of a hundred labs' hourly verdicts."""

MAX_WATCHERS: Final = 16
"""Watchers at a time: each holds a thread of the server."""


class Changes:
    """Hands every change to every watcher."""

    def __init__(self) -> None:
        self._watchers: list[queue.Queue[WatchResponse | None]] = []
        self._lock = threading.Lock()
        self._closed = False

    def tell(self, change: WatchResponse) -> None:
        """Hand over a change; a watcher whose queue is full is cut off."""
        with self._lock:
            for watcher in list(self._watchers):
                try:
                    watcher.put_nowait(change)
                except queue.Full:
                    self._watchers.remove(watcher)

    @contextmanager
    def watching(self) -> Iterator[queue.Queue[WatchResponse | None] | None]:
        """A queue of changes from now on, None in it being the end; None itself if too many watch already."""
        watcher: queue.Queue[WatchResponse | None] = queue.Queue(WAITING)
        with self._lock:
            room = len(self._watchers) < MAX_WATCHERS
            if room:
                self._watchers.append(watcher)
            if self._closed:
                watcher.put_nowait(None)
        try:
            yield watcher if room else None
        finally:
            with self._lock:
                if watcher in self._watchers:
                    self._watchers.remove(watcher)

    def still_watching(self, watcher: queue.Queue[WatchResponse | None]) -> bool:
        """Whether a watcher still gets every change."""
        with self._lock:
            return watcher in self._watchers

    def close(self) -> None:
        """End all streams, when the daemon stops."""
        with self._lock:
            self._closed = True
            for watcher in self._watchers:
                with watcher.mutex:
                    watcher.queue.clear()
                watcher.put_nowait(None)
