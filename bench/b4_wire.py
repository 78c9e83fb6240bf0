"""B4: what it costs both sides to stream a statement over mutual TLS: the node reads its store and sends, we receive.

The receiver is this process, which takes in and parses every batch and does nothing else with it. The sender is a node
process with its real LogService and store.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from bench.b1_ingest import open_log
from bench.measure import MICRO, Aim, Measurement, Run, Target, cpu_seconds, middle
from bench.parties import LAB, channel_to, running
from demo.scenario import VERIFIER
from standstill.v1 import log_service_pb2, log_service_pb2_grpc

if TYPE_CHECKING:
    from bench.parties import Process

CHUNK: Final = 8_192
"""Leaves asked for at once, as a verifier does by default."""


def wire(run: Run) -> list[Measurement]:
    """B4."""
    log = open_log(run)
    with (
        running("node", log.parties.directory(LAB)) as node,
        channel_to(log.parties, node.directory, LAB, caller=VERIFIER) as channel,
    ):
        stub = log_service_pb2_grpc.LogServiceStub(channel)
        origin = log.parties.agreement.parties[LAB].origin
        _receive(stub, origin, min(CHUNK, log.size))
        each = _bytes_each(stub, origin)
        taken = [_cost(stub, node, origin, log.size) for _ in range(run.rounds)]
    sent, received = (middle(side) * MICRO / log.size for side in zip(*taken, strict=True))
    return [
        Measurement(
            name="B4",
            what="wire: CPU of both sides for one streamed statement, from the store, mutual TLS",
            numerator=f"{sent:.2f} us node + {received:.2f} us receiver",
            rounds=[sum(sides) * MICRO / log.size for sides in taken],
            target=Target(Aim.AT_MOST, 4.0),
            unit="us",
            note=f"{log.size:,} statements, {each:,} bytes each on the wire",
        )
    ]


def _cost(stub: log_service_pb2_grpc.LogServiceStub, node: Process, origin: str, size: int) -> tuple[float, float]:
    """CPU seconds of sender and receiver."""
    sender, receiver = cpu_seconds(node.pid), time.process_time()
    _receive(stub, origin, size)
    return cpu_seconds(node.pid) - sender, time.process_time() - receiver


def _receive(stub: log_service_pb2_grpc.LogServiceStub, origin: str, size: int) -> None:
    """Take in a whole log, chunk by chunk."""
    got = 0
    for start in range(0, size, CHUNK):
        request = log_service_pb2.StreamLeavesRequest(origin=origin, start=start, end=min(start + CHUNK, size))
        for batch in stub.StreamLeaves(request):
            got += len(batch.leaves)
    if got != size:
        raise RuntimeError(f"expected {size} leaves, received {got}")


def _bytes_each(stub: log_service_pb2_grpc.LogServiceStub, origin: str) -> int:
    request = log_service_pb2.StreamLeavesRequest(origin=origin, start=100, end=200)
    return sum(batch.ByteSize() for batch in stub.StreamLeaves(request)) // 100
