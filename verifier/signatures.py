"""Signatures checked on all cores, by threads: libsodium lets go of the interpreter lock.

Processes of their own were measured as well: they cost as much, and gained nothing that could be told from noise.
"""

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
