"""Signatures checked on all cores, by processes of their own.

libsodium lets go of the interpreter lock, but every check needs it again to begin: threads that check take it from the
thread that reads, and both wait for each other. Processes do not; a pipe carries a batch there and its answers back.

    request   u32 number n, n x u32 lengths, n x 32-byte public keys, n x (signature || message)
    answer    n bytes, 1 where the signature holds

Integers are big-endian. A worker ends when its pipe is closed, so none outlives a verifier that was killed.
"""

from __future__ import annotations

import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

from daemon.journal import journal
from protocol.keys import SIGNATURE_BYTES
from protocol.leaf import verify_in_turn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from protocol.leaf import Claim

MODULE: Final = "verifier.signature_worker"
WORTH_SENDING: Final = 64
"""Below so many, the way to another process costs more than it saves."""

_STOP_SECONDS: Final = 5.0


class SignatureChecker:
    """Checks many signatures at a time. Safe for use from several threads."""

    def __init__(self, workers: int) -> None:
        """Use this many processes from :meth:`start` on; until then the caller's thread checks."""
        self._number = workers
        self._workers: list[_Worker] = []
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="signatures")

    def start(self) -> None:
        """Start the processes."""
        self._workers = [_Worker() for _ in range(self._number)]
        for worker in self._workers:
            self._idle.put(worker)

    def __call__(self, claims: Sequence[Claim]) -> list[bool]:
        """Whether each claim holds, in order."""
        if not self._workers or len(claims) < WORTH_SENDING:
            return verify_in_turn(claims)
        share = -(-len(claims) // self._number)
        parts = [claims[start : start + share] for start in range(0, len(claims), share)]
        return list(chain.from_iterable(self._pool.map(self._check, parts)))

    def close(self) -> None:
        """Let everything end."""
        self._pool.shutdown()
        for worker in self._workers:
            worker.close()

    def _check(self, claims: Sequence[Claim]) -> list[bool]:
        """One share, by whichever worker is free; by this thread if the worker has died."""
        worker = self._idle.get()
        try:
            return worker.check(claims)
        except (OSError, EOFError) as error:
            journal().warning("a process that checks signatures has died; it is started again", error=str(error))
            worker.restart()
            return verify_in_turn(claims)
        finally:
            self._idle.put(worker)


class _Worker:
    """One process; used by one thread at a time."""

    def __init__(self) -> None:
        self._process = _spawn()

    def check(self, claims: Sequence[Claim]) -> list[bool]:
        """Whether each claim holds, in order.

        Raises:
            OSError, EOFError: the process has died.
        """
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None  # noqa: S101 - it is a pipe
        assert answers is not None  # noqa: S101 - likewise
        requests.write(pack(claims))
        requests.flush()
        answer = answers.read(len(claims))
        if len(answer) != len(claims):
            raise EOFError("its pipe was closed")
        # The length first: a signature of another length would shift what is taken for the message.
        return [
            bool(held) and len(claim.signature) == SIGNATURE_BYTES for held, claim in zip(answer, claims, strict=True)
        ]

    def restart(self) -> None:
        """Begin with a new process."""
        self.close()
        self._process = _spawn()

    def close(self) -> None:
        """Let the process end, and end it if it does not."""
        try:
            self._process.communicate(timeout=_STOP_SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.communicate()


def pack(claims: Sequence[Claim]) -> bytes:
    """A request."""
    joined = [claim.signature + claim.message for claim in claims]
    lengths = struct.pack(f">{len(joined) + 1}I", len(joined), *map(len, joined))
    return b"".join([lengths, *(claim.public_key for claim in claims), *joined])


def trusting(claims: Sequence[Claim]) -> list[bool]:
    """What a mirror does: it relies on the log's own signature over the head, and checks none below it."""
    return [True] * len(claims)


def _spawn() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", MODULE], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
