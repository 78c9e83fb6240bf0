"""Signatures checked on all cores: libsodium lets go of the interpreter lock, so plain threads are enough."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import TYPE_CHECKING

from protocol.leaf import verify_in_turn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from protocol.leaf import Claim


class SignatureChecker:
    """Checks many signatures at a time."""

    def __init__(self, workers: int) -> None:
        """Use this many threads."""
        self._workers = workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="signatures")

    def __call__(self, claims: Sequence[Claim]) -> list[bool]:
        """Whether each claim holds, in order."""
        share = -(-len(claims) // self._workers)
        if share < 2:
            return verify_in_turn(claims)
        parts = [claims[start : start + share] for start in range(0, len(claims), share)]
        return list(chain.from_iterable(self._pool.map(verify_in_turn, parts)))

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown()


def trusting(claims: Sequence[Claim]) -> list[bool]:
    """What a mirror does: it relies on the log's own signature over the head, and checks none below it."""
    return [True] * len(claims)
