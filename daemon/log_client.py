"""Asking another daemon for a log: leaves in batches, and proof that they are part of what was signed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import grpc

from protocol.checkpoint import Checkpoint
from protocol.errors import Reason, require
from protocol.merkle import Frontier, verify_consistency
from standstill.v1 import envelope_pb2, log_service_pb2, log_service_pb2_grpc


class LogClient:
    """The logs that one daemon serves."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = log_service_pb2_grpc.LogServiceStub(channel)

    def note(self, origin: str) -> bytes:
        """The newest signed checkpoint of a log; nothing of it is verified here."""
        return self._stub.GetCheckpoint(log_service_pb2.GetCheckpointRequest(origin=origin)).note

    def leaves(self, origin: str, start: int, end: int) -> Iterator[tuple[Sequence[envelope_pb2.Leaf], int]]:
        """Batches of the leaves of [start, end), each with the bytes that it took.

        Raises:
            Refused: LEAF_WITHHELD for a batch without a leaf, or for more leaves than were asked for.
        """
        call = self._stub.StreamLeaves(log_service_pb2.StreamLeavesRequest(origin=origin, start=start, end=end))
        got = start
        try:
            for batch in call:
                # A batch may be large and hold no leaf: then the log would never be followed to its end.
                require(len(batch.leaves) > 0, Reason.LEAF_WITHHELD, origin, f"no leaf in a batch at leaf {got}")
                got += len(batch.leaves)
                # A server that never stops serving must not fill our memory.
                require(got <= end, Reason.LEAF_WITHHELD, origin, f"more than {end - start} leaves were served")
                yield batch.leaves, batch.ByteSize()
        finally:
            call.cancel()

    def require_part_of(self, head: Checkpoint, frontier: Frontier) -> None:
        """Refuse leaves that the head does not commit to.

        Raises:
            Refused: ROOT_MISMATCH; what :func:`protocol.merkle.verify_consistency` refuses.
        """
        if frontier.size == head.size:
            same = frontier.root() == head.root
            require(same, Reason.ROOT_MISMATCH, head.origin, f"the leaves give another root at size {head.size}")
            return
        request = log_service_pb2.GetConsistencyProofRequest(
            origin=head.origin, old_size=frontier.size, new_size=head.size
        )
        path = self._stub.GetConsistencyProof(request).hashes
        verify_consistency(frontier.size, head.size, frontier.root(), head.root, path)
