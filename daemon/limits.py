"""Limits of a call, the same for both sides."""

from __future__ import annotations

from typing import Final

MAX_REQUEST_BYTES: Final = 1 << 20
"""The largest request: above the largest batch of drafts that people write, below what would strain a server."""

MAX_RESPONSE_BYTES: Final = 4 << 20
"""The largest response that a client accepts; gRPC's own default, stated."""

MAX_LOCAL_RESPONSE_BYTES: Final = 64 << 20
"""The same from a daemon of this machine, which may hand out its whole state with the terms that are proposed in it."""

DEFAULT_DEADLINE_SECONDS: Final = 30.0
"""What a channel adds to calls that name no deadline."""

MAX_DEADLINE_SECONDS: Final = 600.0
"""The longest deadline that a server accepts."""

UNBOUNDED: Final = frozenset({"/standstill.v1.AuditService/Watch"})
"""Methods that last until one side ends them."""
