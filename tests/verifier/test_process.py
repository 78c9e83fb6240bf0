"""The verifier as a process: started, stopped, and killed at any moment while it follows, closes and assesses."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from daemon.enrolment import write_config
from daemon.fsck import fsck
from protocol.checkpoint import open_checkpoint
from protocol.keys import public_key
from protocol.note import verifier_key
from standstill.v1 import audit_service_pb2 as audit
from standstill.v1 import log_service_pb2
from tests.builders import LABS, seed
from tests.verifier.cluster import VERA, Cluster, verdicts
from tests.verifier.test_assess import assessments, require_counts
from tests.verifier.test_record import closings

RUN = "from cli.main import main; main()"


@contextmanager
def running(cluster: Cluster, root: Path) -> Iterator[subprocess.Popen[str]]:
    """The command line's verifier, ready; killed at the end of the block unless it has ended."""
    (cluster.home / "address").unlink(missing_ok=True)
    command = [sys.executable, "-c", RUN, "verifier", "run", "--dir", str(cluster.home)]
    with (
        (cluster.base / "journal").open("a") as journal,
        subprocess.Popen(command, cwd=root, stderr=journal, text=True) as process,
    ):
        while not (cluster.home / "address").exists():
            assert process.poll() is None, (cluster.base / "journal").read_text()[-3_000:]
            threading.Event().wait(0.02)
        cluster.address = (cluster.home / "address").read_text().strip()
        yield process
        process.kill()


def configure(cluster: Cluster) -> None:
    write_config(cluster.home / "verifier.toml", cluster.settings(poll_seconds=1))


def live(cluster: Cluster, first: int, stop: threading.Event, ends: list[int]) -> None:
    """Time goes by, twenty periods a second, and everybody does what they owe until told to stop."""
    for period in range(first, 10_000):
        cluster.within(period)
        if period == 1:
            cluster.deliver(1)
        if period > 2:
            cluster.attest(period - 1)
            cluster.meter(period - 1)
        for second in range(0, 3_000, 600):
            cluster.within(period, 601 + second)
            if stop.wait(0.01):
                ends.append(period)
                return
        cluster.at(cluster.agreement.end_of(period))


def test_nothing_is_contradicted_or_lost_when_the_verifier_is_killed(cluster: Cluster, root: Path) -> None:
    configure(cluster)
    chance = random.Random(20_261_120)
    origins = (cluster.agreement.parties[VERA].origin, cluster.agreement.record_origin(0))
    roots: dict[tuple[str, int], set[bytes]] = {}
    key = public_key(seed(VERA, "log"))
    period = 0
    for _ in range(6):
        stop, ends = threading.Event(), list[int]()
        with running(cluster, root) as process:
            world = threading.Thread(target=live, args=(cluster, period, stop, ends))
            world.start()
            kill = threading.Timer(chance.uniform(0.1, 1.0), process.kill)
            kill.start()
            while process.poll() is None:
                for origin in origins:
                    try:
                        request = log_service_pb2.GetCheckpointRequest(origin=origin)
                        note = cluster.logs().GetCheckpoint(request, timeout=2.0).note
                    except grpc.RpcError:
                        break
                    head = open_checkpoint(note, origin, verifier_key(origin, key))
                    roots.setdefault((origin, head.size), set()).add(head.root)
            stop.set()
            world.join()
            period = ends[0]
        assert process.returncode == -signal.SIGKILL

    daemon = cluster.open()
    daemon.catch_up()
    for origin in origins:
        assert fsck(daemon._store.logs, origin) == []
    for node in cluster.nodes.values():
        assert fsck(daemon._store.logs, node.origin) == []
    closed = closings(daemon)
    assert len(closed) > 5
    assert [closing.previous for closing in closed] == [
        cluster.agreement.digest,
        *(daemon._store.closing_at(closing.period).digest for closing in closed[:-1]),  # type: ignore[union-attr]
    ]
    assert len({closing.period for closing in closed}) == len(closed)
    assert len(roots) > 5
    assert {found for found, seen in roots.items() if len(seen) > 1} == set()
    for (origin, size), seen in roots.items():
        assert daemon._store.logs.root_at(origin, size) in seen  # type: ignore[attr-defined]
    require_counts(daemon)
    said = [(leaf.period, leaf.identity) for leaf in assessments(daemon, cluster)]
    assert len(said) == len(set(said))


def test_ends_in_order_when_it_is_told_to(cluster: Cluster, root: Path) -> None:
    configure(cluster)
    with running(cluster, root) as process:
        watch = cluster.audit().Watch(audit.WatchRequest())
        process.send_signal(signal.SIGTERM)

        assert process.wait() == 0
        assert isinstance(list_or_error(watch), list | grpc.RpcError)
    journal = (cluster.base / "journal").read_text()
    assert '"event": "READY"' in journal
    assert '"event": "stopped"' in journal


def list_or_error(watch: Iterator[audit.WatchResponse]) -> list[audit.WatchResponse] | grpc.RpcError:
    """What a watch gave: all of it, or the error with which it ended."""
    try:
        return list(watch)
    except grpc.RpcError as error:
        return error
