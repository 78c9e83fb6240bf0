"""One database with one writing process: SQLite in a file, or PostgreSQL by URL.

Every commit is durable when it returns: SQLite runs in WAL mode with synchronous=FULL, PostgreSQL as it is configured
(fsync is its default). Whoever writes holds a lock for as long as the process lives, so that two daemons started by
mistake on one store cannot sign two histories.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, inspect, make_url, select
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from daemon.schema import METADATA, SCHEMA_VERSION, VERSION
from protocol.errors import Reason, Refused, require

POSTGRES_LOCK: Final = 0x5354_414E_4453_5449
"""Key of the advisory lock: "STANDSTI" in ASCII."""

_BUSY_MILLISECONDS: Final = 10_000
_LOCK_MILLISECONDS: Final = 2_000
_LOCK_NOT_AVAILABLE: Final = "55P03"
_CONNECTIONS: Final = 8
_OVERFLOW: Final = 32
_STORE_MODE: Final = 0o600
_WRITES: Final = "standstill_writes"


class Database:
    """An open store; :func:`open_database` makes one. Safe for use from several threads."""

    def __init__(self, engine: Engine, held: contextlib.ExitStack) -> None:
        self.engine = engine
        self._held = held
        self._lock = threading.Lock()
        self._writing = engine.execution_options(**{_WRITES: True})
        self._writer: Connection | None = None
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._driver_error: type[Exception] = engine.dialect.loaded_dbapi.OperationalError

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Do several things at once or not at all; they are durable when the block has been left.

        One at a time: a second thread waits. Not to be nested.

        Raises:
            Refused: STORE_UNAVAILABLE (disk full, I/O error, connection lost): nothing is to be acknowledged; the next
                transaction starts afresh.
        """
        with self._lock:
            try:
                writer = self._writer_connection()
                driver: Any = writer.connection.driver_connection
                try:
                    # SQLite's write lock is taken at once: who begins by reading could not get it later.
                    if self._is_sqlite:
                        driver.execute("BEGIN IMMEDIATE")
                    yield writer
                    driver.commit()
                except BaseException:
                    driver.rollback()
                    raise
            except (OperationalError, self._driver_error) as error:
                self._forget_writer()
                raise _unavailable(error) from error

    def _writer_connection(self) -> Connection:
        """The one connection of all transactions: asking the pool each time costs as much as a statement does.

        For SQLAlchemy it is in a transaction that never ends, and the driver begins and ends those of the database: its
        own ways to begin and to commit take longer than inserting a row.
        """
        if self._writer is not None and self._writer.invalidated:
            self._forget_writer()
        if self._writer is None:
            self._writer = self._writing.connect()
            self._writer.begin()
        return self._writer

    def _forget_writer(self) -> None:
        """What failed is not used again: the next transaction starts afresh."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.invalidate()
            writer.close()

    @contextlib.contextmanager
    def reading(self, transaction: Connection | None = None) -> Iterator[Connection]:
        """A connection for reading what is committed; `transaction` itself where one is given.

        Raises:
            Refused: STORE_UNAVAILABLE.
        """
        if transaction is not None:
            yield transaction
            return
        try:
            with self.engine.connect() as connection:
                yield connection
        except OperationalError as error:
            raise _unavailable(error) from error

    def writes(self, connection: Connection) -> bool:
        """Whether this is the connection of a transaction."""
        return bool(connection.get_execution_options().get(_WRITES))

    def cursor(self, transaction: Connection) -> DBAPICursor:
        """The driver's own cursor in a transaction: for what is executed with every statement that is logged."""
        return transaction.connection.cursor()

    def sql(self, statement: str) -> str:
        """A statement with `?` for parameters, as this driver wants it written."""
        return statement if self._is_sqlite else statement.replace("?", "%s")

    def close(self) -> None:
        """Close all connections and let go of the lock."""
        with self._lock:
            if self._writer is not None:
                self._writer.close()
        self._held.close()


def open_database(url: str, *, create: bool = False, writer: bool = True) -> Database:
    """Open a store.

    Args:
        url: `sqlite:////absolute/path` or `postgresql+psycopg://...`.
        create: make a new store; it must not exist.
        writer: hold the writer's lock; without it the caller only reads.

    Raises:
        Refused: STORE_ABSENT, STORE_EXISTS, STORE_VERSION, STORE_IN_USE, STORE_UNAVAILABLE.
    """
    parsed = _parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        _require_file(Path(parsed.database or ""), create=create)
    engine = _engine(parsed)
    with contextlib.ExitStack() as stack:
        try:
            if writer:
                stack.enter_context(_writer_lock(engine))
            # Left in the opposite order: no connection of ours outlives the lock.
            stack.callback(engine.dispose)
            _prepare(engine, create=create)
            if writer:
                # A release may have added tables; those that are there stay as they are.
                METADATA.create_all(engine)
        except DBAPIError as error:
            raise _unavailable(error) from error
        return Database(engine, stack.pop_all())


def _parse_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise Refused(Reason.STORE_ABSENT, "store", "expected sqlite:////path or postgresql+psycopg://...") from error
    known = parsed.get_backend_name() in ("sqlite", "postgresql")
    require(known, Reason.STORE_ABSENT, "store", f"expected sqlite or postgresql, found {parsed.get_backend_name()}")
    # The driver that we test with; the bare name would mean another one.
    return parsed.set(drivername="postgresql+psycopg") if parsed.drivername == "postgresql" else parsed


def _require_file(path: Path, *, create: bool) -> None:
    """SQLite would make a missing file, readable by everybody."""
    named = path.is_absolute()
    require(named, Reason.STORE_ABSENT, "store", "expected sqlite:////absolute/path; memory does not survive")
    if not create:
        require(path.is_file(), Reason.STORE_ABSENT, str(path), "expected a store; make one with init")
        return
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _STORE_MODE))
    except FileExistsError as error:
        raise Refused(Reason.STORE_EXISTS, str(path), "expected no file; move the old store away first") from error
    except OSError as error:
        raise Refused(Reason.STORE_UNAVAILABLE, str(path), f"expected a writable place: {error.strerror}") from error


def _engine(url: URL) -> Engine:
    # The driver's text of an error holds parameters otherwise, and parameters are bodies.
    engine = create_engine(url, pool_size=_CONNECTIONS, max_overflow=_OVERFLOW, hide_parameters=True)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        # The driver asks values of any other type than its own few how they wish to be stored, bytes and None among
        # them, and makes an error of every answer that it does not get: half of what inserting a row takes.
        sqlite3.register_adapter(bytes, bytes)
        sqlite3.register_adapter(NoneType, lambda none: none)
    return engine


def _set_up_sqlite(connection: Any, record: object) -> None:
    # We begin transactions ourselves: the driver would begin one only at the first write.
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout = {_BUSY_MILLISECONDS}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    # Those of the writer are begun by Database.transaction.
    if not connection.get_execution_options().get(_WRITES):
        connection.connection.cursor().execute("BEGIN")


def _writer_lock(engine: Engine) -> contextlib.AbstractContextManager[None]:
    if engine.dialect.name == "sqlite":
        return _file_lock(Path(f"{engine.url.database}.lock"))
    return _advisory_lock(engine)


@contextlib.contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    """The operating system lets go of it when the process ends, however it ends."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise _in_use(str(path)) from error
        yield


@contextlib.contextmanager
def _advisory_lock(engine: Engine) -> Iterator[None]:
    """The server lets go of it when this connection ends, however it ends."""
    with engine.connect() as connection:
        connection.detach()
        # Not at once: after a kill, the server may still be busy with what the dead process asked last.
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {_LOCK_MILLISECONDS}")
        try:
            connection.exec_driver_sql(f"SELECT pg_advisory_lock({POSTGRES_LOCK})")
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
                raise _in_use(engine.url.render_as_string()) from error
            raise
        connection.commit()
        yield


def _in_use(where: str) -> Refused:
    return Refused(Reason.STORE_IN_USE, where, "expected no other writer; stop the other daemon on this store first")


def _prepare(engine: Engine, *, create: bool) -> None:
    """Make the tables, or check that they are of this version."""
    exists = inspect(engine).has_table(SCHEMA_VERSION.name)
    if create:
        require(not exists, Reason.STORE_EXISTS, "store", "expected an empty database")
        with engine.begin() as connection:
            METADATA.create_all(connection)
            connection.execute(insert(SCHEMA_VERSION).values(version=VERSION))
        return
    require(exists, Reason.STORE_ABSENT, "store", "expected the tables of a store; make one with init")
    with engine.connect() as connection:
        found = connection.execute(select(SCHEMA_VERSION.c.version)).scalars().all()
    what = f"expected version {VERSION}, found {found}; use the release that made this store"
    require(found == [VERSION], Reason.STORE_VERSION, "schema_version", what)


def _unavailable(error: Exception) -> Refused:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return Refused(Reason.STORE_UNAVAILABLE, "store", f"expected a working store, nothing is acknowledged: {cause}")
