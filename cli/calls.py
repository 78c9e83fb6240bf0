"""What a failed call means for the person who made it."""

from __future__ import annotations

from typing import Any

import grpc

from cli.audit.words import safe
from cli.output import Exit, exit_of
from daemon.rpc_errors import refused_by


def explain_failure(error: grpc.RpcError) -> tuple[str, Exit]:
    """One line on what went wrong, which cannot steer a terminal, and the exit code for it."""
    refused = refused_by(error)
    if refused is not None:
        return safe(f"refused: {refused}"), exit_of(refused.reason, remote=True)
    # Errors that a call raises are calls as well; the stubs know only of the first.
    call: Any = error
    said = safe(" ".join(str(call.details()).split()))
    match call.code():
        case grpc.StatusCode.UNAVAILABLE:
            return f"not reached: {said}", Exit.NOT_REACHED
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return "no answer in time; try again, or look at the journal of the daemon", Exit.NOT_REACHED
        case grpc.StatusCode.INTERNAL:
            return f"the daemon failed: {said}", Exit.FAULT
        case code:
            return f"refused: {code.name}: {said}", Exit.REFUSED
