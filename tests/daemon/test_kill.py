"""A writer that is killed at any moment has lost nothing that it acknowledged."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from daemon.fsck import fsck
from daemon.log_store import open_store
from tests.daemon.support import ORIGIN, make_leaf

WRITER = """
import sys
from daemon.log_store import open_store
from tests.daemon.support import ORIGIN, add, make_leaves, sign_head

store = open_store(sys.argv[1])
size = add(store, []).size
while True:
    for count in (1, 7, 300):
        size = add(store, make_leaves(size, size + count)).size
        sign_head(store)
        print(size, flush=True)
"""


def acknowledged(command: list[str], root: Path, seconds: float) -> int:
    """Run the writer, kill it, and return the last size that it acknowledged; 0 if none."""
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        first = writer.stdout.readline()
        timer = threading.Timer(seconds, writer.kill)
        timer.start()
        lines = [first, *writer.stdout.readlines()]
        timer.join()
    assert writer.returncode == -9
    return max((int(line) for line in lines if line.endswith("\n")), default=0)


def test_nothing_acknowledged_is_lost_by_kill_9(store_url: str, root: Path) -> None:
    open_store(store_url, create=True).close()
    command = [sys.executable, "-c", WRITER, store_url]
    size = 0
    for seconds in (0.0, 0.01, 0.05, 0.1, 0.033):
        said = acknowledged(command, root, seconds)
        store = open_store(store_url)
        head = store.head(ORIGIN)
        note, signed = store.note(ORIGIN)

        assert head.size >= said > size
        assert signed >= said
        assert note is not None
        assert fsck(store, ORIGIN) == []
        assert store.leaf(ORIGIN, said - 1) == make_leaf(said - 1)
        size = head.size
        store.close()
