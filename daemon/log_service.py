"""The log service over a store: what anyone may have of a log, and what only its parties may.

Nothing is served beyond the newest signed checkpoint, even where the store already holds more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import grpc

from daemon.leaf import StoredLeaf
from daemon.log_store import LogStore, Opening
from protocol.audience import Reader, may_read_body, may_read_header
from protocol.commitment import ENTRY_TAG, commit
from protocol.errors import Reason, Refused, require
from protocol.tiles import MAX_LEVEL, TILE_WIDTH, TileId, encode_bundle, tile_width
from standstill.v1 import envelope_pb2, log_service_pb2, log_service_pb2_grpc

SERVICE = log_service_pb2.DESCRIPTOR.services_by_name["LogService"].full_name

ReaderOf = Callable[[grpc.ServicerContext], Reader]
"""Says what a caller may read; :meth:`daemon.tls.Peers.reader` is one."""


NoteOf = Callable[[str], tuple[bytes | None, int]]
"""The newest signed note of a log and the size that it speaks of; (None, 0) if there is none. Raises UNKNOWN_ORIGIN."""


def _never(origin: str) -> bool:
    return False


class LogServicer(log_service_pb2_grpc.LogServiceServicer):
    """Answers the calls of LogService from a store; every refusal is left to the server's interceptors."""

    def __init__(
        self,
        store: LogStore,
        reader_of: ReaderOf,
        *,
        is_public: Callable[[str], bool] = _never,
        note_of: NoteOf | None = None,
    ) -> None:
        """Serve `store`.

        Args:
            store: holds the logs.
            reader_of: what a caller may read.
            is_public: whether everybody may read the headers of the log of this origin, as in a record log.
            note_of: where the newest checkpoint of a log is; in the store if absent.
        """
        self._store = store
        self._reader_of = reader_of
        self._is_public = is_public
        self._note_of = note_of if note_of is not None else store.note

    def GetCheckpoint(
        self, request: log_service_pb2.GetCheckpointRequest, context: grpc.ServicerContext
    ) -> log_service_pb2.GetCheckpointResponse:
        """The newest checkpoint; refuses with UNKNOWN_ORIGIN, CHECKPOINT_ABSENT."""
        note, _ = self._note_of(request.origin)
        if note is None:
            raise _no_checkpoint(request.origin)
        return log_service_pb2.GetCheckpointResponse(note=note)

    def GetTile(
        self, request: log_service_pb2.GetTileRequest, context: grpc.ServicerContext
    ) -> log_service_pb2.GetTileResponse:
        """A tile; refuses with UNKNOWN_ORIGIN, CHECKPOINT_ABSENT, INDEX_OUT_OF_RANGE, BEYOND_CHECKPOINT."""
        self._require_tile(request.origin, request.level, request.index, request.width)
        tile = self._store.tile(request.origin, TileId(request.level, request.index, request.width))
        return log_service_pb2.GetTileResponse(hashes=tile.to_bytes())

    def GetEntries(
        self, request: log_service_pb2.GetEntriesRequest, context: grpc.ServicerContext
    ) -> log_service_pb2.GetEntriesResponse:
        """An entry bundle of commitments; refuses as :meth:`GetTile`."""
        self._require_tile(request.origin, 0, request.index, request.width)
        start = request.index * TILE_WIDTH
        leaves = self._store.leaves(request.origin, start, start + request.width)
        entries = (commit(ENTRY_TAG, leaf.leaf_salt, leaf.envelope) for leaf in leaves)
        return log_service_pb2.GetEntriesResponse(bundle=encode_bundle(entries))

    def GetInclusionProof(
        self, request: log_service_pb2.GetInclusionProofRequest, context: grpc.ServicerContext
    ) -> log_service_pb2.GetInclusionProofResponse:
        """An inclusion path; refuses with UNKNOWN_ORIGIN, CHECKPOINT_ABSENT, BEYOND_CHECKPOINT, INDEX_OUT_OF_RANGE."""
        self._require_signed(request.origin, request.size)
        path = self._store.inclusion_path(request.origin, request.index, request.size)
        return log_service_pb2.GetInclusionProofResponse(hashes=path)

    def GetConsistencyProof(
        self, request: log_service_pb2.GetConsistencyProofRequest, context: grpc.ServicerContext
    ) -> log_service_pb2.GetConsistencyProofResponse:
        """A consistency path; refuses with UNKNOWN_ORIGIN, CHECKPOINT_ABSENT, BEYOND_CHECKPOINT, SIZE_ORDER."""
        self._require_signed(request.origin, request.new_size)
        above_zero = request.old_size > 0
        require(above_zero, Reason.SIZE_ORDER, "old_size", "expected at least 1: the empty log needs no proof")
        path = self._store.consistency_path(request.origin, request.old_size, request.new_size)
        return log_service_pb2.GetConsistencyProofResponse(hashes=path)

    def StreamLeaves(
        self, request: log_service_pb2.StreamLeavesRequest, context: grpc.ServicerContext
    ) -> Iterator[log_service_pb2.StreamLeavesResponse]:
        """Leaves in batches; refuses with AUDIENCE_TOO_LOW, UNKNOWN_ORIGIN, CHECKPOINT_ABSENT, BEYOND_CHECKPOINT."""
        reader = self._reader_of(context)
        readable = may_read_header(reader, public_log=self._is_public(request.origin))
        require(
            readable, Reason.AUDIENCE_TOO_LOW, "origin", "expected a party or a verifier; ask with a known certificate"
        )
        self._require_signed(request.origin, request.end)
        ordered = request.start <= request.end
        require(ordered, Reason.SIZE_ORDER, "start", f"expected at most {request.end}, found {request.start}")
        start = request.start
        while openings := self._store.openings(request.origin, start, request.end):
            yield _opened(openings, reader)
            start = openings[-1][0] + 1

    def _require_signed(self, origin: str, size: int) -> None:
        """Refuse sizes that no checkpoint speaks of yet: what is not signed may still be lost or replaced."""
        note, signed = self._note_of(origin)
        if note is None:
            raise _no_checkpoint(origin)
        require(size <= signed, Reason.BEYOND_CHECKPOINT, "size", f"expected at most {signed}, found {size}")

    def _require_tile(self, origin: str, level: int, index: int, width: int) -> None:
        real = level <= MAX_LEVEL and 1 <= width <= TILE_WIDTH
        what = f"expected level 0 to {MAX_LEVEL} and width 1 to {TILE_WIDTH}, found {level} and {width}"
        require(real, Reason.INDEX_OUT_OF_RANGE, "width", what)
        note, signed = self._note_of(origin)
        if note is None:
            raise _no_checkpoint(origin)
        most = tile_width(level, index, signed)
        require(width <= most, Reason.BEYOND_CHECKPOINT, "width", f"expected at most {most}, found {width}")


def open_leaf(leaf: StoredLeaf, reader: Reader) -> envelope_pb2.Leaf:
    """The leaf as far as `reader`, who may read its header, may see its body."""
    opening = (leaf.sequence, leaf.audience, leaf.leaf_salt, leaf.body_salt, leaf.envelope, leaf.body)
    return _opened([opening], reader).leaves[0]


def _opened(openings: Iterable[Opening], reader: Reader) -> log_service_pb2.StreamLeavesResponse:
    """A batch of leaves for `reader`, made in place: a leaf that is made first would be copied into it."""
    response = log_service_pb2.StreamLeavesResponse()
    add = response.leaves.add
    for _, audience, leaf_salt, body_salt, envelope, body in openings:
        if body is None or body_salt is None or not may_read_body(reader, audience):
            add(leaf_salt=leaf_salt, envelope=envelope)
        else:
            add(leaf_salt=leaf_salt, envelope=envelope, body_salt=body_salt, body=body)
    return response


def _no_checkpoint(origin: str) -> Refused:
    return Refused(
        Reason.CHECKPOINT_ABSENT, "origin", f"expected a log with a signed checkpoint, found none of {origin}"
    )
