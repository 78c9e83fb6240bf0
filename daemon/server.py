"""A gRPC server with the house's conventions, for TCP with mutual TLS or for a Unix socket.

Every call of our own services passes, from the outside in:

    size          requests above MAX_REQUEST_BYTES end in RESOURCE_EXHAUSTED before they are read (gRPC itself)
    exceptions    a refusal becomes its status with typed details; anything unexpected becomes INTERNAL with an
                  identifier, under which the journal holds the rest
    deadline      calls without a deadline or with one too long are refused
    handler       decode, act, encode

Health and reflection are the libraries' own and pass untouched.
"""

from __future__ import annotations

import errno
import os
import secrets
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn, TypeAlias

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from daemon.journal import journal
from daemon.limits import MAX_DEADLINE_SECONDS, MAX_REQUEST_BYTES, UNBOUNDED
from daemon.rpc_errors import abort
from protocol.errors import Reason, Refused, require

OUR_SERVICES: Final = "/standstill."
DEFAULT_WORKERS: Final = 32
DEFAULT_GRACE_SECONDS: Final = 5.0

_OWNER_ONLY: Final = 0o177

# No shared ports: a second daemon at the same address must fail, not take half of the calls.
_OPTIONS: Final = (("grpc.max_receive_message_length", MAX_REQUEST_BYTES), ("grpc.so_reuseport", 0))

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Behavior = Callable[[Any, grpc.ServicerContext], Any]


class Server:
    """One listening server; a daemon has one for its peers and another for its own machine."""

    def __init__(self, *, workers: int = DEFAULT_WORKERS) -> None:
        """Make a server that handles up to `workers` calls at a time; streams count while they last."""
        pool = futures.ThreadPoolExecutor(workers, thread_name_prefix="rpc")
        self._server = grpc.server(pool, interceptors=[_Exceptions(), _Deadlines()], options=_OPTIONS)
        self._health = health.HealthServicer()
        self._services: list[str] = []
        self._socket: Path | None = None

    def add(self, register: Callable[[Any, grpc.Server], None], servicer: object, service: str) -> None:
        """Offer a service.

        Args:
            register: generated `add_...Servicer_to_server`.
            servicer: what answers.
            service: full name, such as `standstill.v1.LogService`.
        """
        register(servicer, self._server)
        self._services.append(service)

    def listen_tls(self, address: str, credentials: grpc.ServerCredentials) -> int:
        """Listen at "host:port" and return the port; port 0 takes a free one.

        Raises:
            Refused: ADDRESS_IN_USE.
        """
        try:
            return self._server.add_secure_port(address, credentials)
        except RuntimeError as error:
            what = "expected a free address of this machine; stop what listens there, or configure another"
            raise Refused(Reason.ADDRESS_IN_USE, address, what) from error

    def listen_unix(self, path: Path) -> None:
        """Listen on a Unix socket that only its owner can open.

        Raises:
            Refused: ADDRESS_IN_USE where somebody listens there, or something else than a socket has the name.
        """
        _remove_stale_socket(path)
        credentials = grpc.local_server_credentials(grpc.LocalConnectionType.UDS)
        before = os.umask(_OWNER_ONLY)
        try:
            self._server.add_secure_port(f"unix:{path.resolve()}", credentials)
        except RuntimeError as error:
            raise Refused(Reason.ADDRESS_IN_USE, str(path), "expected a path where a socket can be made") from error
        finally:
            os.umask(before)
        self._socket = path

    def start(self) -> None:
        """Answer calls, and say so by health."""
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (*self._services, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        for name in ("", *self._services):
            self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        self._server.start()

    def stop(self, grace: float = DEFAULT_GRACE_SECONDS) -> None:
        """Take no more calls, let those under way finish within `grace` seconds, and end."""
        self._health.enter_graceful_shutdown()
        self._server.stop(grace).wait()
        if self._socket is not None:
            self._socket.unlink(missing_ok=True)


def run_until_signalled(stop: threading.Event, ready: Callable[[], None] = lambda: None) -> None:
    """Sleep until `stop` is set, by SIGTERM, by SIGINT or by another thread; for the main thread only.

    Args:
        stop: set when it is time to end.
        ready: called once signals are heard: whoever was told that we are ready may signal at once.
    """

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        ready()
        stop.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Exceptions(grpc.ServerInterceptor):
    """Refusals become their status; nothing unexpected leaves the process but an identifier."""

    def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Handler | None], details: grpc.HandlerCallDetails
    ) -> Handler | None:
        return _around(continuation(details), details.method, _answer, _answer_stream)


class _Deadlines(grpc.ServerInterceptor):
    """Every call ends some day."""

    def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Handler | None], details: grpc.HandlerCallDetails
    ) -> Handler | None:
        handler = continuation(details)
        if details.method in UNBOUNDED:
            return handler
        return _around(handler, details.method, _bounded, _bounded)


Wrapper = Callable[[str, Behavior, Any, grpc.ServicerContext], Any]


def _around(handler: Handler | None, method: str, unary: Wrapper, stream: Wrapper) -> Handler | None:
    """The handler with a wrapper around its behaviour; handlers of other services and unknown methods as they are."""
    if handler is None or not method.startswith(OUR_SERVICES):
        return handler
    codec = (handler.request_deserializer, handler.response_serializer)
    if handler.unary_stream is not None:
        behavior, wrapper, build = handler.unary_stream, stream, grpc.unary_stream_rpc_method_handler
    elif handler.unary_unary is not None:
        behavior, wrapper, build = handler.unary_unary, unary, grpc.unary_unary_rpc_method_handler
    else:
        raise NotImplementedError(f"{method}: the protocol has no request streams")
    return build(lambda request, context: wrapper(method, behavior, request, context), *codec)


def _answer(method: str, behavior: Behavior, request: Any, context: grpc.ServicerContext) -> Any:
    try:
        return behavior(request, context)
    except Refused as refused:
        abort(context, refused)
    except Exception as error:  # noqa: BLE001 - the one place where everything ends, and it tells the journal
        _fail(method, error, context)


def _answer_stream(method: str, behavior: Behavior, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
    try:
        yield from behavior(request, context)
    except Refused as refused:
        abort(context, refused)
    except Exception as error:  # noqa: BLE001 - the one place where everything ends, and it tells the journal
        _fail(method, error, context)


def _fail(method: str, error: Exception, context: grpc.ServicerContext) -> NoReturn:
    # abort() itself raises; what has set a status has said what there is to say.
    state: Any = context
    if state.code() is not None:
        raise error
    identifier = secrets.token_hex(8)
    journal().error("call failed", method=method, id=identifier, exc_info=error)
    context.abort(grpc.StatusCode.INTERNAL, f"internal error {identifier}; the journal of the daemon has more")


def _bounded(method: str, behavior: Behavior, request: Any, context: grpc.ServicerContext) -> Any:
    left = context.time_remaining()
    # gRPC tells a call without a deadline as one that ends in centuries.
    require(left < 10**9, Reason.DEADLINE_REQUIRED, "deadline", f"expected one of at most {MAX_DEADLINE_SECONDS:.0f} s")
    in_time = left <= MAX_DEADLINE_SECONDS
    require(in_time, Reason.DEADLINE_TOO_LONG, "deadline", f"expected at most {MAX_DEADLINE_SECONDS:.0f} s")
    return behavior(request, context)


def _remove_stale_socket(path: Path) -> None:
    """Remove the socket of a daemon that was killed; one that is alive keeps its own."""
    if not path.exists():
        return
    if not path.is_socket():
        raise Refused(Reason.ADDRESS_IN_USE, str(path), "expected a socket or nothing; move the file away")
    with socket.socket(socket.AF_UNIX) as probe:
        answer = probe.connect_ex(str(path))
    if answer != errno.ECONNREFUSED:
        raise Refused(Reason.ADDRESS_IN_USE, str(path), "expected nobody to listen; stop the other daemon first")
    path.unlink()
