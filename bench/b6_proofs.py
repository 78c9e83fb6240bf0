"""B6: inclusion proofs from storage at 100,000 entries, against pymerkle, the Python peer with a tree in SQLite.

Both stores are opened anew for every round, and the same number of first proofs is taken from each: both keep what they
have read, pymerkle without bound, and an auditor's questions come one by one, long after one another. What both do with
warm caches stands beside it.
"""

from __future__ import annotations

import contextlib
import math
import time
from hashlib import sha256
from importlib import import_module
from random import Random
from typing import TYPE_CHECKING, Any, Final

from bench.measure import Aim, Measurement, Run, Target, middle, per_second
from daemon.leaf import EMPTY, StoredLeaf
from daemon.log_store import open_store
from protocol.merkle import leaf_hash, verify_inclusion
from standstill.v1 import header_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ENTRIES: Final = 100_000
QUICK_ENTRIES: Final = 2_000
ORIGIN: Final = "bench.example/log"

_PROOFS: Final = 50
_WARMED: Final = 1_000
_QUICK_WARMED: Final = 100
_AT_ONCE: Final = 10_000
_SEED: Final = 6962


def proofs(run: Run) -> list[Measurement]:
    """B6; without pymerkle, which only `make bench` installs, nothing."""
    try:
        pymerkle = import_module("pymerkle")
    except ModuleNotFoundError:
        return [_not_measured()]
    count = run.size(ENTRIES, QUICK_ENTRIES)
    home = run.home / "proofs"
    home.mkdir()
    _our_log(home, count)
    _open_peer(pymerkle, home).append_entries(list(_entries(count)), chunksize=_AT_ONCE)
    random = Random(_SEED)  # noqa: S311 - the same places in every run
    cold, warm = [], []
    for _ in range(run.rounds):
        places = [random.randrange(count) for _ in range(_PROOFS + run.size(_WARMED, _QUICK_WARMED))]
        (ours, ours_warm), (theirs, theirs_warm) = (
            _prove(home, places, count),
            _prove_peer(pymerkle, home, places, count),
        )
        cold.append((ours, theirs))
        warm.append((ours_warm, theirs_warm))
    what = f"inclusion proofs from storage at {count:,} entries, random places"
    return [
        _line("B6", f"{what}: the first {_PROOFS} after opening", cold, Target(Aim.AT_LEAST, 20)),
        _line("B6a", f"{what}: with warm caches", warm, None),
    ]


def _not_measured() -> Measurement:
    note = "not measured: pymerkle is not installed; run `make bench`"
    return Measurement(name="B6", what="inclusion proofs from storage", numerator="", rounds=[math.nan], note=note)


def _line(name: str, what: str, taken: list[tuple[float, float]], target: Target | None) -> Measurement:
    return Measurement(
        name=name,
        what=what,
        numerator=per_second(1, middle([ours for ours, _ in taken])),
        denominator=per_second(1, middle([theirs for _, theirs in taken])) + " pymerkle SqliteTree",
        rounds=[theirs / ours for ours, theirs in taken],
        target=target,
    )


def _entries(count: int) -> Iterator[bytes]:
    """The same entries for both, of the size of a commitment."""
    return (sha256(b"%d" % number).digest() for number in range(count))


def _our_log(home: Path, count: int) -> None:
    """Write our log, and check that its proofs are good."""
    leaves = [_leaf(index, entry) for index, entry in enumerate(_entries(count))]
    with contextlib.closing(open_store(_url(home), create=True)) as store:
        with store.transaction() as tx:
            store.add_log(tx, ORIGIN)
        head = EMPTY
        for start in range(0, count, _AT_ONCE):
            with store.transaction() as tx:
                head = store.append(tx, ORIGIN, head, leaves[start : start + _AT_ONCE])
        for index in range(0, count, max(count // 50, 1)):
            path = store.inclusion_path(ORIGIN, index, count)
            verify_inclusion(index, count, leaves[index].leaf_hash, path, head.root)


def _url(home: Path) -> str:
    return f"sqlite:///{(home / 'store.db').resolve()}"


def _leaf(index: int, entry: bytes) -> StoredLeaf:
    return StoredLeaf(
        sequence=index,
        kind=header_pb2.KIND_COMPUTE_ATTESTATION,
        period=index,
        audience=header_pb2.AUDIENCE_VERIFIERS,
        leaf_hash=leaf_hash(entry),
        leaf_salt=entry,
        refusal=None,
        body_salt=None,
        envelope=entry,
        body=None,
    )


def _open_peer(pymerkle: Any, home: Path) -> Any:
    return pymerkle.SqliteTree(str(home / "pymerkle.db"), algorithm="sha256")


def _prove(home: Path, places: list[int], size: int) -> tuple[float, float]:
    """Seconds for one of our proofs: of the first ones, and of as many after all the others."""
    with contextlib.closing(open_store(_url(home))) as store:
        return _timed(lambda index: store.inclusion_path(ORIGIN, index, size), places)


def _prove_peer(pymerkle: Any, home: Path, places: list[int], size: int) -> tuple[float, float]:
    """Seconds for one of the peer's proofs, as :func:`_prove`; it counts entries from 1."""
    tree = _open_peer(pymerkle, home)
    taken = _timed(lambda index: tree.prove_inclusion(index + 1, size), places)
    tree.con.close()
    return taken


def _timed(prove: Callable[[int], object], places: list[int]) -> tuple[float, float]:
    def each(some: list[int]) -> float:
        start = time.perf_counter()
        for index in some:
            prove(index)
        return (time.perf_counter() - start) / len(some)

    first = each(places[:_PROOFS])
    each(places[_PROOFS:-_PROOFS])
    return first, each(places[-_PROOFS:])
