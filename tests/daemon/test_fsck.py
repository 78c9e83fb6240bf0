"""Every damage to a stored log is found."""

from __future__ import annotations

import pytest

from daemon.fsck import fsck
from daemon.log_store import LogStore
from daemon.schema import leaf_key
from protocol.checkpoint import Checkpoint, sign_checkpoint
from protocol.errors import Reason
from protocol.merkle import Frontier
from tests.daemon.support import ORIGIN, OTHER, SEED, add, make_leaves, sign_head
from tests.protocol.refusals import refuses

SIZE = 700


@pytest.fixture
def damaged(store: LogStore) -> LogStore:
    """A sound log of two full tiles and a partial one, with a note; the test does the rest."""
    add(store, make_leaves(0, 600))
    sign_head(store)
    add(store, make_leaves(600, SIZE))
    add(store, make_leaves(0, 300, b"other"), OTHER)
    assert fsck(store, ORIGIN) == []
    return store


def run(store: LogStore, statement: str, *parameters: object) -> None:
    with store.transaction() as tx:
        changed = tx.exec_driver_sql(store.database.sql(statement), parameters)
        assert changed.rowcount > 0


def places(store: LogStore) -> list[str]:
    return [damage.where for damage in fsck(store, ORIGIN)]


@pytest.mark.parametrize("column", ["envelope", "leaf_salt"])
@pytest.mark.parametrize("index", [0, 300, 699])
def test_finds_a_changed_leaf(damaged: LogStore, column: str, index: int) -> None:
    run(damaged, f"UPDATE leaves SET {column} = ? WHERE id = ?", b"x" * 32, leaf_key(1, index))

    assert f"leaf {index}" in places(damaged)
    assert "root" in places(damaged)
    assert fsck(damaged, OTHER) == []


def test_finds_a_salt_that_is_none(damaged: LogStore) -> None:
    run(damaged, "UPDATE leaves SET leaf_salt = ? WHERE id = ?", b"x", leaf_key(1, 5))

    assert "leaf 5" in places(damaged)


def test_finds_a_changed_leaf_hash(damaged: LogStore) -> None:
    run(damaged, "UPDATE leaves SET leaf_hash = ? WHERE id = ?", b"x" * 32, leaf_key(1, 650))

    assert places(damaged) == ["leaf 650"]


@pytest.mark.parametrize("column", ["body", "body_salt"])
def test_finds_a_body_that_its_header_does_not_commit_to(damaged: LogStore, column: str) -> None:
    run(damaged, f"UPDATE leaves SET {column} = ? WHERE id = ?", b"x" * 32, leaf_key(1, 7))

    assert places(damaged) == ["leaf 7"]


def test_finds_an_accepted_envelope_that_is_none(damaged: LogStore) -> None:
    run(damaged, "UPDATE leaves SET envelope = ? WHERE id = ?", b"\xff", leaf_key(1, 7))

    assert places(damaged).count("leaf 7") == 2


def test_expects_no_header_of_a_refused_statement(damaged: LogStore) -> None:
    run(damaged, "UPDATE leaves SET refusal = 'BODY', body = ? WHERE id = ?", b"another body", leaf_key(1, 7))

    assert places(damaged) == []


@pytest.mark.parametrize("index", [0, 300, 699])
def test_finds_a_missing_leaf(damaged: LogStore, index: int) -> None:
    run(damaged, "DELETE FROM leaves WHERE id = ?", leaf_key(1, index))

    (place,) = places(damaged)
    assert place.startswith("leaves ")


def test_finds_a_leaf_too_many(damaged: LogStore) -> None:
    run(damaged, "UPDATE leaves SET id = ?, log_id = 1 WHERE id = (SELECT max(id) FROM leaves)", leaf_key(1, 900))

    assert places(damaged) == ["leaves"]


def test_finds_a_leaf_under_another_log(damaged: LogStore) -> None:
    run(damaged, "UPDATE leaves SET log_id = (SELECT max(id) FROM logs) WHERE id = ?", leaf_key(1, 300))

    assert places(damaged) == ["leaves"]


@pytest.mark.parametrize(("level", "index"), [(0, 0), (0, 1), (1, 0)])
def test_finds_a_changed_tile(damaged: LogStore, level: int, index: int) -> None:
    where = "WHERE log_id = 1 AND level = ? AND idx = ?"
    run(damaged, f"UPDATE tiles SET hashes = ? {where}", b"x" * 32, level, index)
    assert places(damaged) == [f"tile {level}/{index}"]

    run(damaged, f"DELETE FROM tiles {where}", level, index)
    assert places(damaged) == [f"tile {level}/{index}", "tiles"]


def test_finds_a_tile_too_many(damaged: LogStore) -> None:
    run(damaged, "INSERT INTO tiles (log_id, level, idx, hashes) VALUES (1, 0, 9, ?)", b"x" * 32)

    assert places(damaged) == ["tiles"]


def test_finds_a_changed_head(damaged: LogStore) -> None:
    run(damaged, "UPDATE logs SET root = ? WHERE id = 1", b"x" * 32)

    assert places(damaged) == ["root"]


def test_finds_a_changed_frontier(damaged: LogStore) -> None:
    run(damaged, "UPDATE logs SET frontier = ? WHERE id = 1", Frontier().to_bytes())

    assert places(damaged) == ["frontier"]


def test_finds_a_log_cut_short(damaged: LogStore) -> None:
    run(damaged, "UPDATE logs SET size = 650 WHERE id = 1")

    assert places(damaged) == ["leaves", "root", "frontier"]


def test_finds_a_note_of_another_tree(damaged: LogStore) -> None:
    note = sign_checkpoint(Checkpoint(ORIGIN, 600, b"x" * 32), SEED)
    run(damaged, "UPDATE logs SET note = ? WHERE id = 1", note)
    assert places(damaged) == ["note"]

    run(damaged, "UPDATE logs SET note = ? WHERE id = 1", b"nothing")
    assert places(damaged) == ["note"]


def test_a_signed_empty_log_is_sound(store: LogStore) -> None:
    add(store, [])
    sign_head(store)
    assert places(store) == []

    run(store, "UPDATE logs SET note = ? WHERE id = 1", b"nothing")
    assert places(store) == ["note"]


def test_refuses_a_log_that_is_not_there(store: LogStore) -> None:
    with refuses(Reason.UNKNOWN_ORIGIN):
        fsck(store, ORIGIN)
