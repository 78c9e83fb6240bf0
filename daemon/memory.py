"""How a daemon uses memory: batches of megabytes come and go for as long as it runs."""

from __future__ import annotations

import ctypes
import gc
from typing import Final

_COLLECT_AFTER: Final = 100_000
"""New containers before the youngest generation is collected; a chunk of statements makes tens of thousands."""

_KEPT_BYTES: Final = 64 << 20
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
_LARGEST_MMAP_THRESHOLD: Final = 32 << 20


def prepare_for_long_run() -> None:
    """Set up a process that has been loaded and is about to work; before its threads are started.

    Without it, one in ten microseconds of following a log went into looking for cycles in what start-up made and in
    batches that hold none, and another one into giving every batch's memory back to the system and asking for it anew.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, *gc.get_threshold()[1:])
    # Only the GNU C library has this (mallopt(3)); others do without.
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
