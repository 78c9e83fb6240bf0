"""The conventions of every call, over real sockets."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from daemon.channel import open_local_channel
from daemon.journal import open_journal
from daemon.limits import MAX_DEADLINE_SECONDS, MAX_REQUEST_BYTES, MAX_RESPONSE_BYTES
from daemon.log_service import SERVICE
from daemon.rpc_errors import DETAILS_KEY, STATUS, refused_by, status_of
from daemon.server import Server, run_until_signalled
from protocol.errors import Reason, Refused
from standstill.v1 import log_service_pb2, log_service_pb2_grpc
from tests.protocol.refusals import refuses

Request = log_service_pb2.GetCheckpointRequest
StreamRequest = log_service_pb2.StreamLeavesRequest


class Servicer(log_service_pb2_grpc.LogServiceServicer):
    """Does what the test puts into `act`."""

    def __init__(self) -> None:
        self.act: Callable[[], None] = lambda: None

    def GetCheckpoint(
        self, request: log_service_pb2.GetCheckpointRequest, context: grpc.ServicerContext
    ) -> log_service_pb2.GetCheckpointResponse:
        self.act()
        return log_service_pb2.GetCheckpointResponse(note=request.origin.encode())

    def StreamLeaves(
        self, request: log_service_pb2.StreamLeavesRequest, context: grpc.ServicerContext
    ) -> Iterator[log_service_pb2.StreamLeavesResponse]:
        yield log_service_pb2.StreamLeavesResponse()
        self.act()
        yield log_service_pb2.StreamLeavesResponse()


@pytest.fixture
def servicer() -> Servicer:
    return Servicer()  # type: ignore[abstract]  # the other methods stay unimplemented


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "admin.sock"


@pytest.fixture
def server(servicer: Servicer, path: Path) -> Iterator[Server]:
    server = Server(workers=4)
    server.add(log_service_pb2_grpc.add_LogServiceServicer_to_server, servicer, SERVICE)
    server.listen_unix(path)
    server.start()
    yield server
    server.stop(0)


@pytest.fixture
def bare(server: Server, path: Path) -> Iterator[grpc.Channel]:
    """A client without our habits."""
    credentials = grpc.local_channel_credentials(grpc.LocalConnectionType.UDS)
    with grpc.secure_channel(f"unix:{path}", credentials) as channel:
        yield channel


@pytest.fixture
def stub(server: Server, path: Path) -> Iterator[log_service_pb2_grpc.LogServiceStub]:
    with open_local_channel(path) as channel:
        yield log_service_pb2_grpc.LogServiceStub(channel)


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    out = io.StringIO()
    open_journal("test", stream=out)
    yield out
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def refuse() -> None:
    raise Refused(Reason.UNKNOWN_ORIGIN, "origin", "expected a log of this store, found nowhere")


def refuse_without_field() -> None:
    raise Refused(Reason.HEAD_CONFLICT, "", "expected size 1, found 2")


def break_down() -> None:
    raise ValueError("the password is hunter2")


def test_a_refusal_arrives_as_the_refusal_that_it_was(
    servicer: Servicer, stub: log_service_pb2_grpc.LogServiceStub
) -> None:
    servicer.act = refuse

    with pytest.raises(grpc.RpcError) as caught:
        stub.GetCheckpoint(Request())
    refused = refused_by(caught.value)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert refused is not None
    assert (refused.reason, refused.field) == (Reason.UNKNOWN_ORIGIN, "origin")
    assert refused.detail == "expected a log of this store, found nowhere"


def test_a_refusal_without_a_field_keeps_its_detail(
    servicer: Servicer, stub: log_service_pb2_grpc.LogServiceStub
) -> None:
    servicer.act = refuse_without_field

    with pytest.raises(grpc.RpcError) as caught:
        stub.GetCheckpoint(Request())
    refused = refused_by(caught.value)
    assert caught.value.code() is grpc.StatusCode.ABORTED
    assert refused is not None
    assert (refused.reason, refused.field, refused.detail) == (Reason.HEAD_CONFLICT, "", "expected size 1, found 2")


def test_a_refusal_in_the_middle_of_a_stream_arrives(
    servicer: Servicer, stub: log_service_pb2_grpc.LogServiceStub
) -> None:
    servicer.act = refuse
    answers = stub.StreamLeaves(StreamRequest())
    next(answers)

    with pytest.raises(grpc.RpcError) as caught:
        next(answers)
    refused = refused_by(caught.value)
    assert refused is not None
    assert refused.reason is Reason.UNKNOWN_ORIGIN


def test_the_details_are_those_of_google_rpc(servicer: Servicer, stub: log_service_pb2_grpc.LogServiceStub) -> None:
    """Bytes of google.rpc.Status as any other implementation writes them: code 5, message, two details."""
    servicer.act = refuse

    with pytest.raises(grpc.RpcError) as caught:
        stub.GetCheckpoint(Request())
    trailers: Any = caught.value.trailing_metadata()
    details = dict(trailers)[DETAILS_KEY]
    info = b"type.googleapis.com/google.rpc.ErrorInfo\x12\x1c\n\x0eUNKNOWN_ORIGIN\x12\nstandstill"
    violation = b"\n\x06origin\x12\x2bexpected a log of this store, found nowhere"
    request = b"type.googleapis.com/google.rpc.BadRequest\x12\x37\n\x35" + violation
    assert details.startswith(b"\x08\x05\x12")
    assert info in details
    assert request in details


@pytest.mark.parametrize("stream", [False, True])
def test_the_unexpected_leaves_nothing_but_an_identifier(
    servicer: Servicer, stub: log_service_pb2_grpc.LogServiceStub, lines: io.StringIO, stream: bool
) -> None:
    servicer.act = break_down

    with pytest.raises(grpc.RpcError) as caught:
        list(stub.StreamLeaves(StreamRequest())) if stream else stub.GetCheckpoint(Request())
    said = json.loads(lines.getvalue())
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "hunter2" not in str(caught.value)
    assert refused_by(caught.value) is None
    assert said["id"] in str(caught.value.details())
    assert "hunter2" in said["exception"][0]["exc_value"]


@pytest.mark.parametrize("stream", [False, True])
def test_refuses_a_call_without_a_deadline(bare: grpc.Channel, stream: bool) -> None:
    stub = log_service_pb2_grpc.LogServiceStub(bare)

    with pytest.raises(grpc.RpcError) as caught:
        list(stub.StreamLeaves(StreamRequest())) if stream else stub.GetCheckpoint(Request())
    refused = refused_by(caught.value)
    assert refused is not None
    assert refused.reason is Reason.DEADLINE_REQUIRED


@pytest.mark.parametrize(("seconds", "reason"), [(MAX_DEADLINE_SECONDS + 60, Reason.DEADLINE_TOO_LONG), (30.0, None)])
def test_refuses_a_deadline_that_is_too_long(bare: grpc.Channel, seconds: float, reason: Reason | None) -> None:
    stub = log_service_pb2_grpc.LogServiceStub(bare)
    if reason is None:
        assert stub.GetCheckpoint(Request(origin="a"), timeout=seconds).note == b"a"
        return

    with pytest.raises(grpc.RpcError) as caught:
        stub.GetCheckpoint(Request(), timeout=seconds)
    refused = refused_by(caught.value)
    assert refused is not None
    assert refused.reason is reason


def test_a_method_that_lasts_needs_no_deadline(bare: grpc.Channel, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lasting = frozenset({f"/{SERVICE}/StreamLeaves"})
    monkeypatch.setattr("daemon.server.UNBOUNDED", lasting)
    monkeypatch.setattr("daemon.channel.UNBOUNDED", lasting)
    with open_local_channel(path) as ours:
        for channel in (bare, ours):
            answers = list(log_service_pb2_grpc.LogServiceStub(channel).StreamLeaves(StreamRequest()))

            assert len(answers) == 2


def test_our_channels_give_a_deadline_to_every_call(stub: log_service_pb2_grpc.LogServiceStub) -> None:
    assert stub.GetCheckpoint(Request(origin="a")).note == b"a"
    assert len(list(stub.StreamLeaves(StreamRequest()))) == 2


def test_a_daemon_of_this_machine_may_hand_out_more_than_a_peer(path: Path) -> None:
    class Large(Servicer):
        def GetCheckpoint(
            self, request: log_service_pb2.GetCheckpointRequest, context: grpc.ServicerContext
        ) -> log_service_pb2.GetCheckpointResponse:
            return log_service_pb2.GetCheckpointResponse(note=bytes(MAX_RESPONSE_BYTES))

    server = Server()
    server.add(log_service_pb2_grpc.add_LogServiceServicer_to_server, Large(), SERVICE)  # type: ignore[abstract]  # as above
    server.listen_unix(path)
    server.start()
    credentials = grpc.local_channel_credentials(grpc.LocalConnectionType.UDS)
    with open_local_channel(path) as ours, grpc.secure_channel(f"unix:{path}", credentials) as usual:
        found = log_service_pb2_grpc.LogServiceStub(ours).GetCheckpoint(Request())
        with pytest.raises(grpc.RpcError) as caught:
            log_service_pb2_grpc.LogServiceStub(usual).GetCheckpoint(Request(), timeout=10)
    server.stop(0)

    assert len(found.note) == MAX_RESPONSE_BYTES
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_refuses_a_request_above_the_limit(stub: log_service_pb2_grpc.LogServiceStub) -> None:
    overhead = Request(origin="a" * MAX_REQUEST_BYTES).ByteSize() - MAX_REQUEST_BYTES
    fitting = "a" * (MAX_REQUEST_BYTES - overhead)

    assert len(stub.GetCheckpoint(Request(origin=fitting)).note) == len(fitting)
    with pytest.raises(grpc.RpcError) as caught:
        stub.GetCheckpoint(Request(origin=fitting + "a"))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_failure_that_is_no_refusal_is_told_apart(stub: log_service_pb2_grpc.LogServiceStub) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.GetTile(log_service_pb2.GetTileRequest())
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert refused_by(caught.value) is None


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_status_that_says_no(reason: Reason) -> None:
    expected = STATUS.get(reason, grpc.StatusCode.INVALID_ARGUMENT)

    assert status_of(reason) is expected
    assert expected not in (grpc.StatusCode.OK, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)


def test_tells_its_health_per_service(bare: grpc.Channel) -> None:
    stub: Any = health_pb2_grpc.HealthStub(bare)
    for service in ("", SERVICE):
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)

        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.RpcError) as caught:
        stub.Check(health_pb2.HealthCheckRequest(service="standstill.v1.Nothing"), timeout=5)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_lists_its_services_by_reflection(bare: grpc.Channel) -> None:
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(bare)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    (answer,) = stub.ServerReflectionInfo(iter([request]), timeout=5)

    assert SERVICE in {service.name for service in answer.list_services_response.service}


def test_the_socket_is_its_owners_alone_and_goes_with_the_server(server: Server, path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    server.stop(0)

    assert not path.exists()


def test_takes_over_the_socket_of_a_daemon_that_was_killed(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    server = Server()
    server.listen_unix(path)
    server.start()

    with open_local_channel(path) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = stub.Check(health_pb2.HealthCheckRequest())
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    server.stop(0)


def test_refuses_a_socket_on_which_somebody_listens(server: Server, path: Path) -> None:
    second = Server()
    with refuses(Reason.ADDRESS_IN_USE, str(path)):
        second.listen_unix(path)
    second.stop(0)
    assert path.is_socket()


def test_refuses_to_replace_a_file_by_a_socket(path: Path) -> None:
    path.write_text("precious")
    server = Server()
    with refuses(Reason.ADDRESS_IN_USE, str(path)):
        server.listen_unix(path)
    server.stop(0)
    assert path.read_text() == "precious"


def test_refuses_an_address_on_which_somebody_listens() -> None:
    insecure = grpc.local_server_credentials(grpc.LocalConnectionType.LOCAL_TCP)
    first, second = Server(), Server()
    port = first.listen_tls("127.0.0.1:0", insecure)
    first.start()
    with refuses(Reason.ADDRESS_IN_USE, f"127.0.0.1:{port}"):
        second.listen_tls(f"127.0.0.1:{port}", insecure)
    first.stop(0)
    second.stop(0)


def test_stopping_lets_a_call_under_way_finish(
    servicer: Servicer, server: Server, stub: log_service_pb2_grpc.LogServiceStub
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        go_on.wait(10)

    servicer.act = wait
    call = stub.GetCheckpoint.future(Request(origin="late"))
    assert begun.wait(10)
    stopping = threading.Thread(target=server.stop, args=(10,))
    stopping.start()
    go_on.set()
    stopping.join()

    assert call.result().note == b"late"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_daemon_and_leaves_the_handlers_as_they_were(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    stop = threading.Event()
    threading.Timer(0.1, os.kill, (os.getpid(), number)).start()
    run_until_signalled(stop)

    assert stop.is_set()
    assert signal.getsignal(number) is before
