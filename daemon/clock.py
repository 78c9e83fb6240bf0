"""Where the time comes from: the system, or a small file that demos and tests advance.

The same daemons run on both, so that a demo in accelerated time runs the code that runs in earnest. Times are whole
Unix seconds, UTC.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Final, Protocol

from protocol.errors import Reason, Refused, require

SYSTEM: Final = "system"
FILE_PREFIX: Final = "file:"

_FILE_POLL_SECONDS: Final = 0.01
_SYSTEM_POLL_SECONDS: Final = 1.0


class Clock(Protocol):
    """Tells the time and waits for it."""

    def now(self) -> int:
        """The time, Unix seconds.

        Raises:
            Refused: CLOCK_UNREADABLE; ClockWentBack.
        """

    def wait_until(self, time: int, stop: threading.Event) -> bool:
        """Sleep until the clock shows at least `time` (Unix seconds); False if `stop` was set first.

        Raises:
            Refused: CLOCK_UNREADABLE; ClockWentBack.
        """


class ClockWentBack(Refused):
    """A clock shows less than it has shown before."""

    def __init__(self, field: str, last: int, found: int) -> None:
        super().__init__(Reason.CLOCK_WENT_BACK, field, f"expected at least {last}, found {found}; set the clock right")


class SystemClock:
    """The machine's own clock, as the operating system disciplines it."""

    def now(self) -> int:
        """The time, Unix seconds."""
        return int(time.time())

    def wait_until(self, time: int, stop: threading.Event) -> bool:
        """Sleep until `time` (Unix seconds); False if `stop` was set first."""
        while (left := self._seconds_to(time)) > 0:
            # In short naps: the clock may be set while we sleep.
            if stop.wait(min(left, _SYSTEM_POLL_SECONDS)):
                return False
        return not stop.is_set()

    @staticmethod
    def _seconds_to(moment: int) -> float:
        return moment - time.time()


class FileClock:
    """The injected clock: decimal Unix seconds in a file that somebody else replaces atomically.

    Safe for use from several threads.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._last = 0

    def now(self) -> int:
        """The time in the file, Unix seconds.

        Raises:
            Refused: CLOCK_UNREADABLE; ClockWentBack where the file shows less than before.
        """
        # Read under the lock: two readings that overtake each other would look like a clock going back.
        with self._lock:
            found = self._read()
            if found < self._last:
                raise ClockWentBack(str(self._path), self._last, found)
            self._last = found
            return found

    def wait_until(self, time: int, stop: threading.Event) -> bool:
        """Sleep until the file shows `time` (Unix seconds), looking every 10 ms; False if `stop` was set first."""
        while self.now() < time:
            if stop.wait(_FILE_POLL_SECONDS):
                return False
        return not stop.is_set()

    def _read(self) -> int:
        try:
            text = self._path.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Refused(Reason.CLOCK_UNREADABLE, str(self._path), f"expected a readable file: {error}") from error
        numeric = text.isdecimal() and len(text) <= 18
        require(numeric, Reason.CLOCK_UNREADABLE, str(self._path), f"expected decimal seconds, found {text[:40]!r}")
        return int(text)


def open_clock(name: str, base: Path = Path()) -> Clock:
    """The clock called `name` in a configuration in the directory `base`: `system`, or `file:PATH`.

    Raises:
        Refused: CLOCK_UNREADABLE for another name or a file that cannot be read.
    """
    if name == SYSTEM:
        return SystemClock()
    known = name.startswith(FILE_PREFIX)
    require(known, Reason.CLOCK_UNREADABLE, "clock", f'expected "system" or "file:PATH", found {name!r}')
    clock = FileClock(base / name.removeprefix(FILE_PREFIX))
    clock.now()
    return clock
