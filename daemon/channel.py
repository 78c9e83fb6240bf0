"""Connections to other daemons: mutual TLS to exactly one certificate, a deadline on every call, quick reconnection."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import grpc

from daemon.limits import DEFAULT_DEADLINE_SECONDS, MAX_LOCAL_RESPONSE_BYTES, MAX_RESPONSE_BYTES, UNBOUNDED
from daemon.tls import Identity, channel_credentials, host

# Servers answer more frequent pings than one in five minutes by closing the connection.
_KEEPALIVE_MS: Final = 310_000
_KEEPALIVE_TIMEOUT_MS: Final = 20_000
# The least backoff stays gRPC's own: it is also the time given to a connection attempt, which far peers need.
_FIRST_BACKOFF_MS: Final = 100
_LAST_BACKOFF_MS: Final = 5_000

_LARGEST: Final = "grpc.max_receive_message_length"
_OPTIONS: Final = (
    ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
    ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
    ("grpc.initial_reconnect_backoff_ms", _FIRST_BACKOFF_MS),
    ("grpc.max_reconnect_backoff_ms", _LAST_BACKOFF_MS),
)


def open_channel(
    address: str,
    own: Identity,
    peer: bytes,
    name: str,
    *,
    deadline: float = DEFAULT_DEADLINE_SECONDS,
) -> grpc.Channel:
    """Open a channel to the party `name`; it connects at the first call.

    Args:
        address: "host:port".
        own: our key and certificate.
        peer: the other side's certificate, PEM; no other is accepted.
        name: the other side's name, which its certificate is made out to.
        deadline: seconds given to calls that name no deadline.
    """
    options = (*_OPTIONS, (_LARGEST, MAX_RESPONSE_BYTES), ("grpc.ssl_target_name_override", host(name)))
    channel = grpc.secure_channel(address, channel_credentials(own, peer), options)
    return grpc.intercept_channel(channel, _Deadlines(deadline))


def open_local_channel(path: Path, *, deadline: float = DEFAULT_DEADLINE_SECONDS) -> grpc.Channel:
    """Open a channel to a daemon of this machine by its Unix socket; the socket's mode says who may."""
    options = (*_OPTIONS, (_LARGEST, MAX_LOCAL_RESPONSE_BYTES))
    credentials = grpc.local_channel_credentials(grpc.LocalConnectionType.UDS)
    channel = grpc.secure_channel(f"unix:{path.resolve()}", credentials, options)
    return grpc.intercept_channel(channel, _Deadlines(deadline))


class _Details(grpc.ClientCallDetails):
    """Call details with another deadline; gRPC offers no constructor of its own."""

    def __init__(self, details: grpc.ClientCallDetails, timeout: float) -> None:
        self.method = details.method
        self.timeout = timeout
        self.metadata = details.metadata
        self.credentials = details.credentials
        self.wait_for_ready = details.wait_for_ready
        self.compression = details.compression


class _Deadlines(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Gives a deadline to every call that has none and is not meant to last."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def intercept_unary_unary(
        self, continuation: Callable[..., Any], client_call_details: grpc.ClientCallDetails, request: Any
    ) -> Any:
        return continuation(self._bounded(client_call_details), request)

    def intercept_unary_stream(
        self, continuation: Callable[..., Any], client_call_details: grpc.ClientCallDetails, request: Any
    ) -> Any:
        return continuation(self._bounded(client_call_details), request)

    def _bounded(self, details: grpc.ClientCallDetails) -> grpc.ClientCallDetails:
        if details.timeout is not None or details.method in UNBOUNDED:
            return details
        return _Details(details, self._seconds)
