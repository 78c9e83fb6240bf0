"""Opening stores, and transactions."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import update

from daemon.database import Database, open_database
from daemon.log_store import LogStore, open_store
from daemon.schema import SCHEMA_VERSION, VERSION
from protocol.errors import Reason, Refused
from tests.daemon.support import ORIGIN, abandoned, add, make_leaves
from tests.protocol.refusals import refuses


def file_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def test_a_store_is_made_once_and_opened_again(store_url: str) -> None:
    made = open_store(store_url, create=True)
    head = add(made, make_leaves(0, 3))
    made.close()
    opened = open_store(store_url)

    assert opened.head(ORIGIN) == head
    opened.close()


def test_refuses_to_make_a_store_where_one_is(store_url: str) -> None:
    open_store(store_url, create=True).close()

    with refuses(Reason.STORE_EXISTS):
        open_store(store_url, create=True)
    open_store(store_url).close()


def test_refuses_to_open_a_store_that_is_not_there(store_url: str) -> None:
    with refuses(Reason.STORE_ABSENT):
        open_store(store_url)
    open_store(store_url, create=True).close()


def test_refuses_a_store_of_another_version(store_url: str) -> None:
    store = open_store(store_url, create=True)
    with store.transaction() as tx:
        tx.execute(update(SCHEMA_VERSION).values(version=VERSION + 1))
    store.close()

    with pytest.raises(Refused, match="release that made this store") as caught:
        open_store(store_url)
    assert caught.value.reason is Reason.STORE_VERSION


def test_refuses_a_second_writer_until_the_first_is_done(store_url: str) -> None:
    first = open_store(store_url, create=True)
    with refuses(Reason.STORE_IN_USE):
        open_store(store_url)
    first.close()

    open_store(store_url).close()


SECOND_WRITER = """
import sys
from daemon.log_store import open_store
from protocol.errors import Refused
try:
    open_store(sys.argv[1]).close()
except Refused as refused:
    print(refused.reason)
else:
    print("opened")
"""


def test_refuses_a_writer_in_another_process(store: LogStore, store_url: str, root: Path) -> None:
    command = [sys.executable, "-c", SECOND_WRITER, store_url]
    while_open = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    store.close()
    afterwards = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)

    assert while_open.stdout == "STORE_IN_USE\n"
    assert afterwards.stdout == "opened\n"


def test_a_reader_needs_no_lock(store: LogStore, store_url: str) -> None:
    head = add(store, make_leaves(0, 3))
    reader = open_store(store_url, writer=False)

    assert reader.head(ORIGIN) == head
    reader.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///relative.db", "mysql://localhost/a", "not a url"])
def test_refuses_a_store_that_would_not_last(url: str) -> None:
    with refuses(Reason.STORE_ABSENT):
        open_store(url, create=True)


def test_refuses_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"precious" * 1000)

    with refuses(Reason.STORE_UNAVAILABLE):
        open_store(f"sqlite:///{path}")
    assert path.read_bytes() == b"precious" * 1000


def test_refuses_a_place_that_is_not_there(tmp_path: Path) -> None:
    with refuses(Reason.STORE_UNAVAILABLE):
        open_store(f"sqlite:///{tmp_path / 'absent' / 'store.db'}", create=True)


def test_a_database_in_a_file_is_its_owners_alone(sqlite_store: LogStore, sqlite_url: str) -> None:
    add(sqlite_store, make_leaves(0, 3))
    path = file_of(sqlite_url)
    files = [path, path.with_name("store.db-wal")]

    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600, 0o600]


def test_sqlite_syncs_at_every_commit(sqlite_store: LogStore) -> None:
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    with sqlite_store.transaction() as tx:
        found = {name: tx.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in wanted}

    assert found == wanted


def test_a_transaction_is_all_or_nothing(store: LogStore) -> None:
    head = add(store, make_leaves(0, 3))
    with abandoned(store) as tx:
        store.append(tx, ORIGIN, head, make_leaves(3, 6))
        store.add_log(tx, "another.example/log")

    assert store.head(ORIGIN) == head
    assert store.origins() == [ORIGIN]
    assert len(list(store.leaves(ORIGIN, 0, 100))) == 3


def limit_pages(database: Database, most: int) -> None:
    """Let the file grow to `most` pages, as a full disk would."""
    with database.transaction() as tx:
        tx.exec_driver_sql(f"PRAGMA max_page_count = {most}")


def test_a_full_disk_acknowledges_nothing_and_the_next_call_works(sqlite_url: str) -> None:
    database = open_database(sqlite_url, create=True)
    store = LogStore(database)
    head = add(store, make_leaves(0, 10))
    limit_pages(database, 40)
    with refuses(Reason.STORE_UNAVAILABLE, "store"):
        add(store, make_leaves(10, 1000))

    assert store.head(ORIGIN) == head
    assert len(list(store.leaves(ORIGIN, 0, 1000))) == 10
    limit_pages(database, 100_000)
    assert add(store, make_leaves(10, 1000)).size == 1000
    database.close()


def test_the_text_of_a_failure_shows_no_bodies(sqlite_url: str) -> None:
    database = open_database(sqlite_url, create=True)
    store = LogStore(database)
    limit_pages(database, 40)
    with pytest.raises(Refused) as caught:
        add(store, make_leaves(0, 1000))

    assert "body 7" not in str(caught.value.__cause__)
    assert "disk is full" in caught.value.detail
    database.close()
