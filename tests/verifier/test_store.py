"""What a verifier keeps beside the logs: by which closing a leaf was recorded."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.log_store import open_store
from standstill.v1 import record_pb2
from verifier.store import StoredClosing, VerifierStore

ALPHA, BETA = "alpha.example/standstill", "beta.example/standstill"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[VerifierStore]:
    with contextlib.closing(open_store(f"sqlite:///{tmp_path / 'store.db'}", create=True)) as logs:
        yield VerifierStore(logs)


def record(store: VerifierStore, period: int, **sizes: int) -> None:
    """A closing with the sizes of the logs that grew."""
    heads = [record_pb2.Head(origin={"alpha": ALPHA, "beta": BETA}[name], size=size) for name, size in sizes.items()]
    with store.logs.transaction() as tx:
        store.add_closing(tx, StoredClosing(period, period, b"closing", b"state", ""), heads, {})


def test_a_leaf_is_recorded_by_the_first_closing_that_covers_it(store: VerifierStore) -> None:
    drawn = random.Random(1)
    recorded, size = list[int](), 0
    for period in range(0, 400, 2):
        grown = drawn.randint(1, 3)
        size += grown
        recorded += [period] * grown
        record(store, period, alpha=size)

    for index in (*drawn.sample(range(size), 300), 0, size - 1):
        assert store.recorded_at(ALPHA, index) == recorded[index]


def test_a_leaf_is_recorded_once_a_closing_covers_it(store: VerifierStore) -> None:
    record(store, 0, alpha=2)
    assert (store.recorded_at(ALPHA, 2), store.recorded_at(BETA, 0)) == (None, None)

    record(store, 3, alpha=3, beta=1)
    assert [store.recorded_at(ALPHA, index) for index in range(4)] == [0, 0, 3, None]
    assert [store.recorded_at(BETA, index) for index in range(2)] == [3, None]
