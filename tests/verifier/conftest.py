"""A cluster for each test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.conftest import postgres_server, postgres_url
from tests.verifier.cluster import Cluster

__all__ = ["cluster", "postgres_server", "postgres_url"]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path)
    yield made
    made.close()
