"""The log service, asked over mutual TLS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest

from daemon.channel import open_channel
from daemon.limits import MAX_RESPONSE_BYTES
from daemon.log_service import SERVICE, LogServicer
from daemon.log_store import BATCH_BYTES, LogStore
from daemon.rpc_errors import refused_by
from daemon.server import Server
from daemon.tls import Identity, Peer, Peers, make_certificate, server_credentials
from protocol import merkle
from protocol.audience import Reader
from protocol.commitment import ENTRY_TAG, commit
from protocol.errors import Reason
from protocol.tiles import decode_bundle
from standstill.v1 import header_pb2, log_service_pb2, log_service_pb2_grpc
from tests.daemon.support import ORIGIN, OTHER, add, make_leaf, make_leaves, sign_head

SIGNED = 600
STORED = 700
RECORD = "vera.example/record"
LEAVES = make_leaves(0, STORED)
BODIES = {
    header_pb2.AUDIENCE_PUBLIC: b"for anyone",
    header_pb2.AUDIENCE_PARTIES: b"for parties",
    header_pb2.AUDIENCE_VERIFIERS: b"for verifiers",
    header_pb2.AUDIENCE_SEALED: b"for nobody",
}
READABLE = {
    "public": [b"for anyone"],
    "party": [b"for anyone", b"for parties"],
    "verifier": [b"for anyone", b"for parties", b"for verifiers"],
}

Stub = log_service_pb2_grpc.LogServiceStub


@pytest.fixture
def served(sqlite_store: LogStore) -> LogStore:
    """A log that holds more than it has signed, an unsigned one, and a public one with bodies for every audience."""
    add(sqlite_store, LEAVES[:SIGNED])
    sign_head(sqlite_store)
    add(sqlite_store, LEAVES[SIGNED:])
    add(sqlite_store, make_leaves(0, 3), OTHER)
    mixed = [make_leaf(n, audience=audience, body=body) for n, (audience, body) in enumerate(BODIES.items())]
    add(sqlite_store, mixed, RECORD)
    sign_head(sqlite_store, RECORD)
    return sqlite_store


def identity(tmp_path: Path, name: str) -> Identity:
    (tmp_path / name).mkdir()
    return make_certificate(name, tmp_path / name)


@pytest.fixture
def stubs(served: LogStore, tmp_path: Path) -> Iterator[dict[str, Stub]]:
    """A connected client of each kind."""
    own = identity(tmp_path, "alpha")
    clients = {reader.name.lower(): identity(tmp_path, reader.name.lower()) for reader in Reader}
    known = Peers((one.certificate, Peer(name, Reader[name.upper()])) for name, one in clients.items())
    server = Server(workers=4)
    servicer = LogServicer(served, known.reader, is_public=lambda origin: origin == RECORD)
    server.add(log_service_pb2_grpc.add_LogServiceServicer_to_server, servicer, SERVICE)
    credentials = server_credentials(own, [one.certificate for one in clients.values()])
    port = server.listen_tls("127.0.0.1:0", credentials)
    server.start()
    channels = [open_channel(f"127.0.0.1:{port}", one, own.certificate, "alpha") for one in clients.values()]
    yield dict(zip(clients, map(Stub, channels), strict=True))
    for channel in channels:
        channel.close()
    server.stop(0)


@pytest.fixture
def stub(stubs: dict[str, Stub]) -> Stub:
    """Hashes are for anyone."""
    return stubs["public"]


def reason_of(error: grpc.RpcError) -> Reason:
    refused = refused_by(error)
    assert refused is not None, error
    return refused.reason


def stream(stub: Stub, start: int, end: int, origin: str = ORIGIN) -> list[log_service_pb2.StreamLeavesResponse]:
    return list(stub.StreamLeaves(log_service_pb2.StreamLeavesRequest(origin=origin, start=start, end=end)))


def signed_root(size: int = SIGNED) -> bytes:
    return merkle.root([leaf.leaf_hash for leaf in LEAVES[:size]])


def test_serves_the_checkpoint_byte_for_byte(stub: Stub, served: LogStore) -> None:
    answer = stub.GetCheckpoint(log_service_pb2.GetCheckpointRequest(origin=ORIGIN))

    assert answer.note == served.note(ORIGIN)[0]


@pytest.mark.parametrize(("origin", "reason"), [("nobody", Reason.UNKNOWN_ORIGIN), (OTHER, Reason.CHECKPOINT_ABSENT)])
def test_refuses_a_log_that_is_unknown_or_unsigned(stubs: dict[str, Stub], origin: str, reason: Reason) -> None:
    stub = stubs["party"]
    calls: list[Callable[[], object]] = [
        lambda: stub.GetCheckpoint(log_service_pb2.GetCheckpointRequest(origin=origin)),
        lambda: stub.GetTile(log_service_pb2.GetTileRequest(origin=origin, width=1)),
        lambda: stub.GetEntries(log_service_pb2.GetEntriesRequest(origin=origin, width=1)),
        lambda: stub.GetInclusionProof(log_service_pb2.GetInclusionProofRequest(origin=origin, size=1)),
        lambda: stub.GetConsistencyProof(
            log_service_pb2.GetConsistencyProofRequest(origin=origin, old_size=1, new_size=1)
        ),
        lambda: stream(stub, 0, 1, origin),
    ]
    for call in calls:
        with pytest.raises(grpc.RpcError) as caught:
            call()
        assert reason_of(caught.value) is reason
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_proves_inclusion_with_hashes_alone(stub: Stub) -> None:
    for index in (0, 255, 256, SIGNED - 1):
        request = log_service_pb2.GetInclusionProofRequest(origin=ORIGIN, index=index, size=SIGNED)
        path = stub.GetInclusionProof(request).hashes

        merkle.verify_inclusion(index, SIGNED, LEAVES[index].leaf_hash, path, signed_root())


def test_proves_consistency_with_hashes_alone(stub: Stub) -> None:
    for old in (1, 256, 333, SIGNED):
        request = log_service_pb2.GetConsistencyProofRequest(origin=ORIGIN, old_size=old, new_size=SIGNED)
        path = stub.GetConsistencyProof(request).hashes

        merkle.verify_consistency(old, SIGNED, signed_root(old), signed_root(), path)


def test_serves_tiles_and_entries_as_tlog_tiles(stub: Stub) -> None:
    for index, width in ((0, 256), (1, 10), (2, SIGNED - 512)):
        expected = LEAVES[256 * index : 256 * index + width]
        tile = stub.GetTile(log_service_pb2.GetTileRequest(origin=ORIGIN, index=index, width=width))
        bundle = stub.GetEntries(log_service_pb2.GetEntriesRequest(origin=ORIGIN, index=index, width=width)).bundle

        assert tile.hashes == b"".join(leaf.leaf_hash for leaf in expected)
        entries = [commit(ENTRY_TAG, leaf.leaf_salt, leaf.envelope) for leaf in expected]
        assert decode_bundle(bundle, width) == entries
    above = stub.GetTile(log_service_pb2.GetTileRequest(origin=ORIGIN, level=1, width=2))
    assert above.hashes[:32] == signed_root(256)


@pytest.mark.parametrize("size", [SIGNED + 1, STORED, STORED + 1, 2**63])
def test_serves_nothing_beyond_the_signed_checkpoint(stubs: dict[str, Stub], size: int) -> None:
    stub = stubs["verifier"]
    calls: list[Callable[[], object]] = [
        lambda: stub.GetInclusionProof(log_service_pb2.GetInclusionProofRequest(origin=ORIGIN, size=size)),
        lambda: stub.GetConsistencyProof(
            log_service_pb2.GetConsistencyProofRequest(origin=ORIGIN, old_size=1, new_size=size)
        ),
        lambda: stream(stub, 0, size),
        lambda: stub.GetTile(log_service_pb2.GetTileRequest(origin=ORIGIN, index=2, width=SIGNED - 512 + 1)),
        lambda: stub.GetEntries(log_service_pb2.GetEntriesRequest(origin=ORIGIN, index=2, width=SIGNED - 512 + 1)),
        lambda: stub.GetTile(log_service_pb2.GetTileRequest(origin=ORIGIN, index=size, width=1)),
    ]
    for call in calls:
        with pytest.raises(grpc.RpcError) as caught:
            call()
        assert reason_of(caught.value) is Reason.BEYOND_CHECKPOINT
        assert caught.value.code() is grpc.StatusCode.OUT_OF_RANGE


@pytest.mark.parametrize(("level", "width"), [(0, 0), (0, 257), (8, 1)])
def test_refuses_a_tile_that_no_log_has(stub: Stub, level: int, width: int) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.GetTile(log_service_pb2.GetTileRequest(origin=ORIGIN, level=level, width=width))
    assert reason_of(caught.value) is Reason.INDEX_OUT_OF_RANGE


def test_refuses_proofs_of_what_is_not_there(stub: Stub) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.GetInclusionProof(log_service_pb2.GetInclusionProofRequest(origin=ORIGIN, index=SIGNED, size=SIGNED))
    assert reason_of(caught.value) is Reason.INDEX_OUT_OF_RANGE
    for old, new in ((0, 5), (6, 5)):
        with pytest.raises(grpc.RpcError) as caught:
            stub.GetConsistencyProof(
                log_service_pb2.GetConsistencyProofRequest(origin=ORIGIN, old_size=old, new_size=new)
            )
        assert reason_of(caught.value) is Reason.SIZE_ORDER


def test_streams_leaves_as_they_are_stored(stubs: dict[str, Stub]) -> None:
    answers = stream(stubs["party"], 10, SIGNED)
    leaves = [leaf for answer in answers for leaf in answer.leaves]

    found = [(leaf.leaf_salt, leaf.envelope, leaf.body_salt, leaf.body) for leaf in leaves]
    expected = LEAVES[10:SIGNED]
    assert found == [(leaf.leaf_salt, leaf.envelope, leaf.body_salt, leaf.body) for leaf in expected]


def test_an_empty_range_streams_nothing(stubs: dict[str, Stub]) -> None:
    assert stream(stubs["party"], 5, 5) == []


def test_refuses_a_range_that_ends_before_it_starts(stubs: dict[str, Stub]) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stream(stubs["party"], 6, 5)
    assert reason_of(caught.value) is Reason.SIZE_ORDER


def test_streams_in_batches_that_a_client_can_take(served: LogStore, stubs: dict[str, Stub]) -> None:
    large = [make_leaf(STORED + n, body=bytes(BATCH_BYTES // 3)) for n in range(7)]
    head = add(served, large + make_leaves(STORED + 7, STORED + 1200))
    sign_head(served)
    answers = stream(stubs["party"], 0, head.size)

    assert sum(len(answer.leaves) for answer in answers) == head.size
    assert max(len(answer.leaves) for answer in answers) <= 1000
    assert max(answer.ByteSize() for answer in answers) <= BATCH_BYTES < MAX_RESPONSE_BYTES


def test_the_public_does_not_see_the_headers_of_a_log(stubs: dict[str, Stub]) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stream(stubs["public"], 0, 1)
    assert reason_of(caught.value) is Reason.AUDIENCE_TOO_LOW
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize("name", READABLE)
def test_a_body_is_opened_to_its_audience_only(stubs: dict[str, Stub], served: LogStore, name: str) -> None:
    (answer,) = stream(stubs[name], 0, 4, RECORD)

    assert [leaf.envelope for leaf in answer.leaves] == [leaf.envelope for leaf in served.leaves(RECORD, 0, 4)]
    assert [leaf.body for leaf in answer.leaves if leaf.body] == READABLE[name]
    assert [bool(leaf.body_salt) for leaf in answer.leaves] == [bool(leaf.body) for leaf in answer.leaves]


def test_a_body_that_is_not_held_is_not_opened(served: LogStore, stubs: dict[str, Stub]) -> None:
    bare = make_leaf(4, audience=header_pb2.AUDIENCE_PUBLIC)._replace(body=None, body_salt=None)
    add(served, [bare], RECORD)
    sign_head(served, RECORD)
    (answer,) = stream(stubs["verifier"], 4, 5, RECORD)

    (leaf,) = answer.leaves
    assert (leaf.envelope, leaf.body, leaf.body_salt) == (bare.envelope, b"", b"")
