"""Asking a verifier: its answers count only under the agreement that the auditor pinned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final

import click

from cli.audit.profile import load_profile
from cli.audit.words import moment, safe, span
from cli.output import json_option
from cli.tables import look_options
from daemon.channel import open_channel
from protocol.errors import Reason, require
from standstill.v1 import audit_service_pb2 as pb
from standstill.v1 import audit_service_pb2_grpc, condition_pb2

PHASES: Final = {
    condition_pb2.PHASE_UNSPECIFIED: "unknown",
    condition_pb2.PHASE_OPEN: "open",
    condition_pb2.PHASE_CALLED: "called",
    condition_pb2.PHASE_WINDING: "winding down",
    condition_pb2.PHASE_IN_FORCE: "in force",
    condition_pb2.PHASE_RAMPING: "ramping up",
}
"""Words for the phases of a level."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A verifier that answers under the pinned agreement.

    Attributes:
        stub: for further questions.
        state: its answer on where things stand.
    """

    stub: audit_service_pb2_grpc.AuditServiceStub
    state: pb.GetStateResponse

    @property
    def assessed(self) -> int | None:
        """Newest period of which an assessment exists; None before the first."""
        return max((lab.newest.period for lab in self.state.labs if lab.HasField("newest")), default=None)

    @property
    def as_of(self) -> int | None:
        """End of that period, Unix seconds: the moment up to which labs are assessed."""
        return None if self.assessed is None else self.end_of(self.assessed)

    def end_of(self, period: int) -> int:
        """End of a period, Unix seconds."""
        return self.state.start + (period + 1) * self.state.period_seconds

    def heading(self) -> str:
        """What every answer says first: which agreement, what is in force, assessed up to when, by whom."""
        state = self.state
        return "   ".join(
            [
                f"{safe(state.name)} {state.agreement.hex()[:8]}",
                _regime(state),
                self._assessed_to(),
                f"verifier {safe(state.verifier)}",
            ]
        )

    def basis(self) -> dict[str, Any]:
        """The same for JSON."""
        state = self.state
        return {
            "agreement": state.agreement,
            "name": state.name,
            "status": state.status,
            "verifier": state.verifier,
            "assessed_to_period": self.assessed,
            "closed_period": state.closed if state.HasField("closed") else None,
            "now": state.now,
        }

    def _assessed_to(self) -> str:
        if self.assessed is None or self.as_of is None:
            return "nothing assessed yet"
        age = max(self.state.now - self.as_of, 0)
        return f"assessed to {moment(self.as_of)} (P{self.assessed}, {span(age)} ago)"


def level_words(level: pb.LevelStatus) -> str:
    """A level in one phrase: `PAUSE in force, begun P73, to P8833 unless renewed`; it begins by winding down."""
    phrase = f"{safe(level.name).upper()} {PHASES.get(level.phase, 'unknown')}"
    phrase += f", begun P{level.start}" if level.HasField("start") else ""
    return phrase + (f", to P{level.end} unless renewed" if level.HasField("end") else "")


def _regime(state: pb.GetStateResponse) -> str:
    """The strictest level that is not open, or why there is none."""
    if state.status != "in_force":
        return f"agreement {safe(state.status).replace('_', ' ')}"
    active = [level for level in state.levels if level.phase not in {condition_pb2.PHASE_OPEN, 0}]
    return level_words(max(active, key=lambda level: level.rank)).partition(",")[0] if active else "no level called"


@dataclass(frozen=True, slots=True)
class Options:
    """Whom to ask, and how.

    Attributes:
        verifier: "host:port"; None: as the profile says.
        profile: its directory; None: the usual one.
        trusted: as in `--trust`; None: as the profile says.
        timeout: seconds that an answer may take.
    """

    verifier: str | None
    profile: str | None
    trusted: str | None
    timeout: float


def asking_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command what all that ask a verifier take; it gets `options`, `as_json`, `color` and `only_ascii`."""

    @wraps(command)
    def wrapped(verifier: str | None, profile: str | None, trusted: str | None, timeout: float, **others: Any) -> Any:
        return command(options=Options(verifier, profile, trusted, timeout), **others)

    for option in (
        click.option("--timeout", type=click.FloatRange(0.1, 540), default=30, help="Seconds that an answer may take."),
        click.option("--trust", "trusted", metavar="FILE|HEX", help="Pinned SHA-256 of the agreement."),
        click.option("--profile", metavar="DIR", help="The auditor's profile.  [default: ~/.config/standstill]"),
        click.option("--verifier", metavar="HOST:PORT", help="Whom to ask, if not the profile's verifier."),
    ):
        wrapped = option(wrapped)
    return look_options(json_option(wrapped))


@contextmanager
def asking(options: Options) -> Iterator[Asked]:
    """Connect, and ask for the state; whatever else is asked is asked only under the pinned agreement.

    Raises:
        Refused: TRUST_ROOT_MISMATCH if the verifier answers for another agreement; nothing it said is shown.
        ConfigError: if the profile is not complete.
        grpc.RpcError: if the verifier is not reached, or refuses.
    """
    profile = load_profile(options.profile, options.verifier, options.trusted)
    with open_channel(profile.address, profile.own, profile.peer, profile.name, deadline=options.timeout) as channel:
        stub = audit_service_pb2_grpc.AuditServiceStub(channel)
        state = stub.GetState(pb.GetStateRequest())
        same = state.agreement == profile.pinned
        found = f"this verifier works under {state.agreement.hex()}, you pinned {profile.pinned.hex()}"
        require(same, Reason.TRUST_ROOT_MISMATCH, "agreement", f"{found}. Nothing was shown")
        yield Asked(stub, state)
