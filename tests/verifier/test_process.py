"""The verifier as a process: started, stopped, and killed at any moment while it follows, closes and assesses."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import grpc

from daemon.enrolment import write_config
from daemon.fsck import fsck
from daemon.rows import identity_of
from protocol import merkle
from protocol.checkpoint import open_checkpoint
from protocol.keys import public_key
from protocol.note import verifier_key
from standstill.v1 import log_service_pb2
from tests.builders import seed
from tests.verifier.cluster import VERA, Cluster, until
from tests.verifier.test_assess import assessments, require_counts
from tests.verifier.test_record import closings

RUN = "import sys; from cli.main import main; sys.exit(main())"


@contextmanager
def running(cluster: Cluster, root: Path) -> Iterator[subprocess.Popen[str]]:
    """The command line's verifier, ready; killed at the end of the block unless it has ended."""
    (cluster.home / "address").unlink(missing_ok=True)
    command = [sys.executable, "-c", RUN, "verifier", "run", "--dir", str(cluster.home)]
    with (
        (cluster.base / "journal").open("a") as journal,
        subprocess.Popen(command, cwd=root, stderr=journal, text=True) as process,
    ):
        until(lambda: (cluster.home / "address").exists() or process.poll() is not None)
        assert process.poll() is None, (cluster.base / "journal").read_text()[-3_000:]
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
                ends.append(period + 1)
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
    stored = daemon._store.closings_between(None, 10_000)
    assert stored
    chain = [cluster.agreement.digest, *(sha256(closing.body).digest() for closing in stored)]
    assert [closing.previous for closing in closings(daemon)] == chain[:-1]
    assert len({closing.period for closing in stored}) == len(stored) == daemon._record.head.size
    assert roots
    for (origin, size), seen in roots.items():
        hashes = [leaf.leaf_hash for leaf in daemon._store.logs.leaves(origin, 0, size)]
        assert seen == {merkle.root(hashes)}
    require_counts(daemon)
    said = [(leaf.period, identity_of(leaf)) for leaf in assessments(daemon, cluster)]
    assert len(said) == len(set(said))


def test_ends_in_order_when_it_is_told_to(cluster: Cluster, root: Path) -> None:
    configure(cluster)
    with running(cluster, root) as process:
        process.send_signal(signal.SIGTERM)

        assert process.wait() == 0
    journal = (cluster.base / "journal").read_text()
    assert '"event": "READY"' in journal
    assert '"event": "stopped"' in journal
