"""Logs in a database: the same tests over SQLite and PostgreSQL."""

from __future__ import annotations

import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from daemon.fsck import fsck
from daemon.leaf import EMPTY, Head, StoredLeaf
from daemon.log_store import BATCH_BYTES, BATCH_LEAVES, Conflict, LogStore, open_store
from daemon.tile_cache import TileCache
from protocol import merkle
from protocol.checkpoint import Checkpoint, sign_checkpoint
from protocol.errors import Reason
from protocol.tiles import Tile, TileId
from standstill.v1 import header_pb2
from tests.daemon.support import ORIGIN, OTHER, SEED, abandoned, add, make_leaf, make_leaves, sign_head
from tests.protocol.refusals import refuses


def roots(leaves: list[StoredLeaf], size: int) -> bytes:
    """The root as the pure tree computes it."""
    return merkle.root([leaf.leaf_hash for leaf in leaves[:size]])


def test_a_new_log_is_the_empty_tree(store: LogStore) -> None:
    with store.transaction() as tx:
        store.add_log(tx, ORIGIN)

    assert store.head(ORIGIN) == EMPTY == Head(0, merkle.EMPTY_ROOT)
    assert store.note(ORIGIN) == (None, 0)


def test_beginning_a_log_again_changes_nothing(store: LogStore) -> None:
    head = add(store, make_leaves(0, 3))
    with store.transaction() as tx:
        store.add_log(tx, ORIGIN)

    assert store.head(ORIGIN) == head


@pytest.mark.parametrize("sizes", [(1, 2, 3), (256,), (255, 256, 257), (300, 512, 700), (1000,)])
def test_leaves_come_back_as_appended_under_the_root_of_the_pure_tree(store: LogStore, sizes: tuple[int, ...]) -> None:
    leaves = make_leaves(0, sizes[-1])
    start = 0
    for end in sizes:
        assert add(store, leaves[start:end]) == Head(end, roots(leaves, end))
        start = end

    assert list(store.leaves(ORIGIN, 0, sizes[-1] + 5)) == leaves
    assert store.leaf(ORIGIN, sizes[-1] - 1) == leaves[-1]
    assert fsck(store, ORIGIN) == []


def test_keeps_the_logs_of_one_store_apart(store: LogStore) -> None:
    mine, theirs = make_leaves(0, 300), make_leaves(0, 10, b"other")
    add(store, mine)
    add(store, theirs, OTHER)

    assert store.origins() == [ORIGIN, OTHER]
    assert list(store.leaves(OTHER, 0, 100)) == theirs
    assert store.head(OTHER) == Head(10, roots(theirs, 10))
    assert store.head(ORIGIN) == Head(300, roots(mine, 300))
    assert fsck(store, ORIGIN) + fsck(store, OTHER) == []


def test_appending_nothing_leaves_the_head(store: LogStore) -> None:
    head = add(store, make_leaves(0, 3))

    assert add(store, []) == head


def test_a_leaf_without_body_or_period_comes_back_so(store: LogStore) -> None:
    leaf = make_leaf(0)._replace(body=None, body_salt=None, period=None, refusal="SEQUENCE_GAP")
    add(store, [leaf])

    assert store.leaf(ORIGIN, 0) == leaf


@pytest.mark.parametrize(
    "expected", [EMPTY, Head(2, b"r" * 32), Head(3, b"r" * 32), Head(4, b"r" * 32)], ids=lambda head: str(head.size)
)
def test_refuses_to_append_to_another_head(store: LogStore, expected: Head) -> None:
    head = add(store, make_leaves(0, 3))
    following = make_leaves(expected.size, expected.size + 1)
    with pytest.raises(Conflict) as caught, store.transaction() as tx:
        store.append(tx, ORIGIN, expected, following)

    assert caught.value.reason is Reason.HEAD_CONFLICT
    assert store.head(ORIGIN) == head
    assert add(store, make_leaves(3, 4)).size == 4


@pytest.mark.parametrize("sequences", [(4, 5), (3, 5), (3, 3), (2, 3)])
def test_refuses_leaves_that_do_not_follow(store: LogStore, sequences: tuple[int, ...]) -> None:
    head = add(store, make_leaves(0, 3))
    with pytest.raises(Conflict), store.transaction() as tx:
        store.append(tx, ORIGIN, head, [make_leaf(sequence) for sequence in sequences])

    assert store.head(ORIGIN) == head
    assert add(store, [make_leaf(3), make_leaf(4)]).size == 5


def test_a_writer_who_read_the_head_too_early_does_not_move_it(
    store: LogStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last line of defence: even with a stale reading of the head, the swap itself counts rows."""
    add(store, make_leaves(0, 3))
    with store.transaction() as tx:
        stale = store.log_row(tx, ORIGIN)
    head = add(store, make_leaves(3, 4))
    monkeypatch.setattr(store, "log_row", lambda *_: stale)
    with pytest.raises(Conflict, match="another writer was first"), store.transaction() as tx:
        store.append(tx, ORIGIN, Head(stale.size, stale.root), make_leaves(3, 5, b"fork"))

    monkeypatch.undo()
    assert store.head(ORIGIN) == head
    assert fsck(store, ORIGIN) == []


def test_one_of_two_concurrent_writers_wins(store: LogStore) -> None:
    head = add(store, make_leaves(0, 3))
    start = threading.Barrier(2)
    outcomes: list[str] = []

    def write(history: bytes) -> None:
        start.wait()
        try:
            with store.transaction() as tx:
                store.append(tx, ORIGIN, head, make_leaves(3, 5, history))
            outcomes.append("won")
        except Conflict:
            outcomes.append("lost")

    threads = [threading.Thread(target=write, args=(history,)) for history in (b"one", b"two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["lost", "won"]
    assert fsck(store, ORIGIN) == []


def test_refuses_an_unknown_log(store: LogStore) -> None:
    with refuses(Reason.UNKNOWN_ORIGIN, "origin"):
        store.head(ORIGIN)
    with refuses(Reason.UNKNOWN_ORIGIN, "origin"):
        store.inclusion_path(ORIGIN, 0, 1)
    with refuses(Reason.UNKNOWN_ORIGIN, "origin"), store.transaction() as tx:
        store.append(tx, ORIGIN, EMPTY, make_leaves(0, 1))


def test_a_log_begun_in_a_transaction_that_failed_is_unknown(store: LogStore) -> None:
    with abandoned(store) as tx:
        store.add_log(tx, ORIGIN)
        store.append(tx, ORIGIN, EMPTY, make_leaves(0, 3))
        assert store.leaf(ORIGIN, 2, tx=tx) == make_leaf(2)
    with refuses(Reason.UNKNOWN_ORIGIN):
        store.leaf(ORIGIN, 2)
    add(store, make_leaves(0, 10, b"other"), OTHER)

    with refuses(Reason.UNKNOWN_ORIGIN):
        store.leaf(ORIGIN, 2)


def test_after_a_failed_transaction_the_log_goes_on_from_what_is_committed(store: LogStore) -> None:
    """What is remembered of the last tile must not outlive the transaction that it belonged to."""
    leaves = make_leaves(0, 300)
    head = add(store, leaves[:200])
    with abandoned(store) as tx:
        store.append(tx, ORIGIN, head, make_leaves(200, 250, b"lost"))

    assert add(store, leaves[200:]) == Head(300, roots(leaves, 300))
    assert fsck(store, ORIGIN) == []


@pytest.mark.parametrize("index", [-1, 3, 4])
def test_refuses_a_leaf_beyond_the_log(store: LogStore, index: int) -> None:
    add(store, make_leaves(0, 3))

    with refuses(Reason.INDEX_OUT_OF_RANGE, "index"):
        store.leaf(ORIGIN, index)
    assert store.leaf(ORIGIN, 2) == make_leaf(2)


def test_a_batch_holds_as_many_leaves_as_fit(store: LogStore) -> None:
    half = BATCH_BYTES // 2
    add(store, [make_leaf(sequence, body=bytes(half - 1000)) for sequence in range(3)] + make_leaves(3, 1100))

    assert [leaf.sequence for leaf in store.batch(ORIGIN, 0, 1100)] == [0, 1]
    assert [leaf.sequence for leaf in store.batch(ORIGIN, 2, 4)] == [2, 3]
    assert len(store.batch(ORIGIN, 3, 1100)) == BATCH_LEAVES
    assert store.batch(ORIGIN, 1100, 2000) == []


def test_a_batch_holds_one_leaf_however_large(store: LogStore) -> None:
    add(store, [make_leaf(0, body=bytes(2 * BATCH_BYTES)), make_leaf(1)])

    assert [leaf.sequence for leaf in store.batch(ORIGIN, 0, 2)] == [0]


def test_finds_the_leaves_of_a_kind_by_period(store: LogStore) -> None:
    kinds = (header_pb2.KIND_COMPUTE_ATTESTATION, header_pb2.KIND_METER_READING)
    leaves = [make_leaf(n, kind=kinds[n % 2], period=(7 * n) % 10) for n in range(60)]
    add(store, leaves)
    add(store, make_leaves(0, 5, b"other"), OTHER)
    wanted = [leaf for leaf in leaves if leaf.kind == kinds[1] and 3 <= (leaf.period or 0) <= 6]
    wanted.sort(key=lambda leaf: (leaf.period, leaf.sequence))

    assert store.by_kind(ORIGIN, kinds[1], 3, 6) == wanted
    assert len(store.by_kind(ORIGIN, kinds[1])) == 30
    assert store.by_kind(ORIGIN, kinds[1], 9, 8) == []
    assert store.by_kind(ORIGIN, header_pb2.KIND_PLEDGE) == []


def test_keeps_the_newest_note(store: LogStore) -> None:
    head = add(store, make_leaves(0, 3))
    first = sign_head(store)
    add(store, make_leaves(3, 5))

    assert store.note(ORIGIN) == (first, 3)
    second = sign_head(store)
    assert store.note(ORIGIN) == (second, 5)
    with pytest.raises(Conflict):
        sign_head(store, head=head)
    assert store.note(ORIGIN) == (second, 5)


def test_a_note_may_gain_signatures(store: LogStore) -> None:
    add(store, make_leaves(0, 3))
    cosigned = sign_head(store) + "— vera.example AAAAAAAA\n".encode()
    with store.transaction() as tx:
        store.save_note(tx, ORIGIN, cosigned)

    assert store.note(ORIGIN) == (cosigned, 3)


@pytest.mark.parametrize(("size", "root"), [(4, None), (3, b"r" * 32)])
def test_refuses_a_note_that_the_log_does_not_bear_out(store: LogStore, size: int, root: bytes | None) -> None:
    head = add(store, make_leaves(0, 3))
    with pytest.raises(Conflict):
        sign_head(store, head=Head(size, root or head.root))

    assert store.note(ORIGIN) == (None, 0)
    sign_head(store, head=head)


def test_refuses_the_note_of_another_log(store: LogStore) -> None:
    head = add(store, make_leaves(0, 3))
    note = sign_checkpoint(Checkpoint(OTHER, *head), SEED)
    with pytest.raises(Conflict), store.transaction() as tx:
        store.save_note(tx, ORIGIN, note)
    with refuses(Reason.CHECKPOINT_MALFORMED), store.transaction() as tx:
        store.save_note(tx, ORIGIN, b"not a note")

    assert store.note(ORIGIN) == (None, 0)


def test_proves_every_leaf_and_every_older_size(store: LogStore) -> None:
    leaves = make_leaves(0, 700)
    head = add(store, leaves)
    for index in (0, 1, 254, 255, 256, 511, 512, 698, 699):
        path = store.inclusion_path(ORIGIN, index, 700)
        merkle.verify_inclusion(index, 700, leaves[index].leaf_hash, path, head.root)
    for old in (1, 2, 255, 256, 257, 512, 699, 700):
        path = store.consistency_path(ORIGIN, old, 700)
        merkle.verify_consistency(old, 700, roots(leaves, old), head.root, path)


def test_proves_for_older_trees_as_well(store: LogStore) -> None:
    leaves = make_leaves(0, 700)
    add(store, leaves)
    for size in (1, 3, 255, 256, 257, 600):
        path = store.inclusion_path(ORIGIN, size // 2, size)
        merkle.verify_inclusion(size // 2, size, leaves[size // 2].leaf_hash, path, roots(leaves, size))


def test_proofs_follow_a_growing_log(store: LogStore) -> None:
    leaves = make_leaves(0, 530)
    for start in range(0, 530, 53):
        head = add(store, leaves[start : start + 53])
        path = store.inclusion_path(ORIGIN, start, head.size)
        merkle.verify_inclusion(start, head.size, leaves[start].leaf_hash, path, head.root)


def test_refuses_proofs_beyond_the_log(store: LogStore) -> None:
    add(store, make_leaves(0, 3))

    with refuses(Reason.INDEX_OUT_OF_RANGE, "index"):
        store.inclusion_path(ORIGIN, 3, 3)
    with refuses(Reason.INDEX_OUT_OF_RANGE, "tile"):
        store.inclusion_path(ORIGIN, 0, 4)
    with refuses(Reason.SIZE_ORDER, "size"):
        store.consistency_path(ORIGIN, 3, 2)
    assert len(store.inclusion_path(ORIGIN, 2, 3)) == 1


@pytest.mark.parametrize("name", [TileId(0, 0, 0), TileId(0, 1, 45), TileId(0, 2, 1), TileId(1, 0, 2), TileId(1, 1, 1)])
def test_refuses_a_tile_wider_than_the_log(store: LogStore, name: TileId) -> None:
    leaves = make_leaves(0, 300)
    add(store, leaves)

    with refuses(Reason.INDEX_OUT_OF_RANGE, "tile"):
        store.tile(ORIGIN, name)
    assert store.tile(ORIGIN, TileId(0, 1, 44)).hashes == tuple(leaf.leaf_hash for leaf in leaves[256:])
    assert store.tile(ORIGIN, TileId(1, 0, 1)).hashes == (roots(leaves, 256),)


def test_the_tile_cache_forgets_the_tile_not_used_for_longest() -> None:
    cache = TileCache(2)
    tiles = {index: Tile((bytes([index]) * 32,)) for index in range(3)}
    cache.put((ORIGIN, TileId(0, 0)), tiles[0])
    cache.put((ORIGIN, TileId(0, 1)), tiles[1])
    assert cache.get((ORIGIN, TileId(0, 0))) is tiles[0]
    cache.put((ORIGIN, TileId(0, 2)), tiles[2])

    assert cache.get((ORIGIN, TileId(0, 1))) is None
    assert cache.get((ORIGIN, TileId(0, 0))) is tiles[0]
    assert cache.get((OTHER, TileId(0, 0))) is None


class LogMachine(RuleBasedStateMachine):
    """A store beside a list: appends, failures, restarts and readings in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = TemporaryDirectory()
        self.url = f"sqlite:///{Path(self.directory.name) / 'store.db'}"
        self.store = open_store(self.url, create=True)
        self.model: list[StoredLeaf] = []
        self.signed = 0
        add(self.store, [])

    def teardown(self) -> None:
        self.store.close()
        self.directory.cleanup()

    @rule(count=st.sampled_from([0, 1, 2, 3, 100, 255, 256, 257]))
    def append(self, count: int) -> None:
        leaves = make_leaves(len(self.model), len(self.model) + count)
        add(self.store, leaves)
        self.model += leaves

    @rule(count=st.integers(1, 300))
    def fail_to_append(self, count: int) -> None:
        head = self.store.head(ORIGIN)
        with abandoned(self.store) as tx:
            self.store.append(tx, ORIGIN, head, make_leaves(head.size, head.size + count, b"lost"))

    @rule()
    def sign(self) -> None:
        sign_head(self.store)
        self.signed = len(self.model)

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = open_store(self.url)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def prove(self, data: st.DataObject) -> None:
        size = data.draw(st.integers(1, len(self.model)))
        index = data.draw(st.integers(0, size - 1))
        path = self.store.inclusion_path(ORIGIN, index, size)
        merkle.verify_inclusion(index, size, self.model[index].leaf_hash, path, roots(self.model, size))

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def read(self, data: st.DataObject) -> None:
        start = data.draw(st.integers(0, len(self.model)))
        end = data.draw(st.integers(start, len(self.model)))
        assert list(self.store.leaves(ORIGIN, start, end)) == self.model[start:end]

    @invariant()
    def the_head_is_that_of_the_list(self) -> None:
        assert self.store.head(ORIGIN) == Head(len(self.model), roots(self.model, len(self.model)))

    @invariant()
    def the_note_is_the_last_one_signed(self) -> None:
        assert self.store.note(ORIGIN)[1] == self.signed

    @rule()
    def check(self) -> None:
        assert fsck(self.store, ORIGIN) == []


TestLogMachine = LogMachine.TestCase
TestLogMachine.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)
