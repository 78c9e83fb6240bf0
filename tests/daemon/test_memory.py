"""A process that is about to run for long keeps what it made at start out of collections."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import gc
from daemon.memory import prepare_for_long_run
before = gc.get_threshold()
prepare_for_long_run()
print(gc.get_freeze_count() > 1_000, gc.get_threshold()[0] > before[0], gc.get_threshold()[1:] == before[1:])
print(gc.isenabled(), len([bytes(1_000) for _ in range(1_000)]))
"""


def test_what_start_up_made_is_left_alone_and_collections_go_on() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)

    assert done.stdout.splitlines() == ["True True True", "True 1000"], done.stderr
