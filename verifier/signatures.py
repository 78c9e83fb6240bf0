"""Signatures checked on all cores, by processes of their own.

Threads would check two at a time as well, libsodium lets go of the interpreter lock; but each of them needs the lock
again after every signature, and the thread that reads statements gives it away two hundred times a second. So nothing
would be read while signatures are checked.
"""

from __future__ import annotations

import contextlib
import math
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from daemon.journal import journal
from protocol.leaf import verify_in_turn
from verifier.signature_worker import pack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from protocol.leaf import Claim

FEW: Final = 32
"""So many signatures take about a millisecond: less than asking others for them."""

_AT_ONCE: Final = 128
"""Most of one request: about five milliseconds of work, by which the processes can be out of step."""


class SignatureChecker:
    """Checks many signatures at a time. Safe for use from several threads."""

    def __init__(self, workers: int) -> None:
        """Start so many processes; with none, signatures are checked by whoever waits for them."""
        self._workers = [_Worker() for _ in range(workers)]

    def begin(self, claims: Sequence[Claim]) -> Callable[[], list[bool]]:
        """Begin to check; call the answer to wait for whether each claim holds, in order."""
        if len(claims) <= FEW or not self._workers:
            return lambda: verify_in_turn(claims)
        # Each share to whoever has least to do: a process that shares its core with the reader falls behind, and one
        # that was given half of everything would make the other wait for it.
        share = min(-(-len(claims) // len(self._workers)), _AT_ONCE)
        parts = [
            min(self._workers, key=lambda worker: worker.waiting).begin(claims[start : start + share])
            for start in range(0, len(claims), share)
        ]
        return lambda: [held for part in parts for held in part()]

    def close(self) -> None:
        """End the processes."""
        for worker in self._workers:
            worker.close()


class _Worker:
    """One process, with a thread that writes to it and one that reads: a long request must not hold up the next."""

    def __init__(self) -> None:
        command = [sys.executable, "-P", "-m", "verifier.signature_worker"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._requests = cast("BinaryIO", self._process.stdin)
        self._answers = cast("BinaryIO", self._process.stdout)
        self._sending = ThreadPoolExecutor(1, thread_name_prefix="signatures out")
        self._receiving = ThreadPoolExecutor(1, thread_name_prefix="signatures in")
        self._lock = threading.Lock()
        self._lost = False
        self.waiting: float = 0
        """Signatures that it was asked for and has not answered yet; without end once the process has ended."""

    def begin(self, claims: Sequence[Claim]) -> Callable[[], list[bool]]:
        request = pack(claims)
        # Answers come in the order of the requests.
        with self._lock:
            self.waiting += len(claims)
            self._sending.submit(self._send, request)
            answer = self._receiving.submit(self._receive, len(claims))

        def wait() -> list[bool]:
            held = answer.result()
            return list(map(bool, held)) if len(held) == len(claims) else self._without(claims)

        return wait

    def close(self) -> None:
        """End the process. What was asked is not answered any more."""
        self._process.kill()
        self._process.wait()
        self._sending.shutdown()
        self._receiving.shutdown()
        for stream in (self._requests, self._answers):
            # Closing writes what was still to be sent, to nobody.
            with contextlib.suppress(OSError):
                stream.close()

    def _send(self, request: bytes) -> None:
        self._requests.write(request)
        self._requests.flush()

    def _receive(self, count: int) -> bytes:
        answer = self._answers.read(count)
        with self._lock:
            self.waiting = self.waiting - count if len(answer) == count else math.inf
        return answer

    def _without(self, claims: Sequence[Claim]) -> list[bool]:
        """The process has ended, killed perhaps for its memory. The answer must not depend on it."""
        if not self._lost:
            self._lost = True
            journal().warning("a process that checks signatures has ended and is missed until a restart")
        return verify_in_turn(claims)
