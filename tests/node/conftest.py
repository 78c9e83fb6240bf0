"""Parties with real keys for the tests of the node."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import Cluster


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory whose path is short enough for Unix sockets."""
    directory = Path(tempfile.mkdtemp(prefix="ss-"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def cluster(home: Path) -> Cluster:
    """The parties of the tests' agreement, enrolled; nobody has founded."""
    return Cluster(home)
