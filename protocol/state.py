"""The state that everybody computes alike, and its digest (annex 3.1 and 3.6).

The text form is what is digested: one line `path=value` for every value that is present, sorted by bytes; integers in
decimal, bytes in lower-case hex. It is derived from the classes below, so a field added here is in the digest.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import StrEnum
from functools import cache
from hashlib import sha256
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from protocol.errors import Reason, Refused

T = TypeVar("T")


class Status(StrEnum):
    """Of the agreement (annex 3.5, 2)."""

    FORMING = "forming"
    IN_FORCE = "in_force"
    VOID = "void"


class Membership(StrEnum):
    """Of a party (annex 3.1)."""

    FORMING = "forming"
    IN = "in"
    NOTICE = "notice"
    OUT = "out"


class Standing(StrEnum):
    """Of a lab (annex 4.4)."""

    RELIED = "relied"
    ACCUSED = "accused"
    OUT = "out"


class Stage(StrEnum):
    """Phase of a level, by the name that explanations and digests use (annex 5.1)."""

    OPEN = "open"
    CALLED = "called"
    WINDING = "winding"
    IN_FORCE = "in_force"
    RAMPING = "ramping"


RESTRICTIVE = frozenset({Stage.WINDING, Stage.IN_FORCE})
"""Stages in which a level binds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyState:
    """A party.

    Attributes:
        membership: whether it takes part.
        notice_left: closed periods until a withdrawal may take effect.
        keys_version: version of the KeySet in force; 0 before the first.
        size: leaves of its log that are recorded.
        founded: whether its Founding is recorded.
        convicted: whether a Misbehavior proof stands against it.
    """

    membership: Membership = Membership.FORMING
    notice_left: int = 0
    keys_version: int = 0
    size: int = 0
    founded: bool = False
    convicted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PledgeState:
    """A lab's pledges.

    Attributes:
        current: serialized Pledge in force; empty if there is none.
        older: serialized Pledge that still runs beside it; empty if there is none.
        older_left: closed periods that the older one runs on.
        kept: level that the lab kept after the last step (`prev` of annex 4.1).
        floor: level that it keeps because it lost standing (annex 4.3).
    """

    current: bytes = b""
    older: bytes = b""
    older_left: int = 0
    kept: int = 0
    floor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Since when, and until when, a level binds a lab.

    Attributes:
        since: first period of the wind-down.
        until: first period after the ramp, later by every dark period; None while the level binds.
    """

    since: int
    until: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelState:
    """A level's machine (annex 5.1).

    Attributes:
        stage: its phase.
        episode: number of the current or last episode; 0 before the first call.
        start: first period of the stage `called` or of the restriction; None while open.
        end: period at which the mandate ends; None unless restrictive.
        age: closed periods in this stage.
        held: closed periods of restriction in this episode.
        ready: steps in a row for which the level could be lifted.
        armed: whether the trigger may call without a vote.
        binds: per lab.
    """

    stage: Stage = Stage.OPEN
    episode: int = 0
    start: int | None = None
    end: int | None = None
    age: int = 0
    held: int = 0
    ready: int = 0
    armed: bool = True
    binds: Mapping[str, Binding] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BallotState:
    """A voter's newest ballot on a motion.

    Attributes:
        episode: that it names.
        yes: the vote.
        period: of the closing that recorded it.
        closing: number of that closing: a ballot's life counts closed periods (annex 1.7).
        index: its leaf.
    """

    episode: int
    yes: bool
    period: int
    closing: int
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """What is known of a lab's conduct (annex 4.4).

    Attributes:
        settled: newest settled verdicts, oldest first, at most as many as standing looks at.
        honored: settled periods in a row that were honored.
        standing: whether others rely on it.
        timer: closed periods in this standing.
        losses: times that it lost standing.
        attested: last period attested, by site handle in hex.
        silent: closings at which the oldest attestation owed has been missing; 0: none is owed.
    """

    settled: tuple[str, ...] = ()
    honored: int = 0
    standing: Standing = Standing.RELIED
    timer: int = 0
    losses: int = 0
    attested: Mapping[str, int] = field(default_factory=dict)
    silent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictState:
    """A verifier's newest verdict on a lab and a period that is not settled yet."""

    verdict: str
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportState:
    """A reporter's newest report of an indicator of a lab.

    Attributes:
        value: in the indicator's unit.
        period: of the closing that recorded it.
        closing: number of that closing: a report's age counts closed periods (annex 1.7).
        index: its leaf.
    """

    value: int
    period: int
    closing: int
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything that the next step needs. Keys join their parts with `|`, which no name contains.

    Attributes:
        agreement: digest of the agreement.
        terms: digest of the terms in force.
        period: last period closed; None before the first closing.
        closings: number of closings.
        closing: digest of the last closing; the agreement's before the first.
        status: of the agreement.
        since: first period governed by the agreement in force.
        parties: by name.
        pledges: by lab.
        levels: by rank.
        ballots: by voter|motion|rank.
        conduct: by lab.
        verdicts: by lab|period|verifier.
        reports: by indicator|lab|reporter.
    """

    agreement: bytes
    terms: bytes
    period: int | None = None
    closings: int = 0
    closing: bytes = b""
    status: Status = Status.FORMING
    since: int | None = None
    parties: Mapping[str, PartyState] = field(default_factory=dict)
    pledges: Mapping[str, PledgeState] = field(default_factory=dict)
    levels: Mapping[int, LevelState] = field(default_factory=dict)
    ballots: Mapping[str, BallotState] = field(default_factory=dict)
    conduct: Mapping[str, Conduct] = field(default_factory=dict)
    verdicts: Mapping[str, VerdictState] = field(default_factory=dict)
    reports: Mapping[str, ReportState] = field(default_factory=dict)

    def text(self) -> bytes:
        """Lines `path=value`, sorted by bytes (annex 3.6)."""
        lines = sorted(f"{path}={value}\n".encode() for path, value in _flatten("", self))
        return b"".join(lines)

    def digest(self) -> bytes:
        """SHA-256 of the text, 32 bytes."""
        return sha256(self.text()).digest()


def key(*parts: object) -> str:
    """Joined key of a mapping in the state."""
    return "|".join(map(str, parts))


def read_state(text: bytes) -> State:
    """The state that a text form stands for.

    Raises:
        Refused: STATE_MALFORMED, unless the text is exactly what :meth:`State.text` gives for the result.
    """
    try:
        tree: dict[str, Any] = {}
        for line in text.decode().splitlines():
            path, _, value = line.partition("=")
            *parents, leaf = path.split("/")
            place = tree
            for parent in parents:
                place = place.setdefault(parent, {})
            place[leaf] = value
        state: State = _build(State, tree)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise Refused(Reason.STATE_MALFORMED, "state", str(error)) from None
    if state.text() != text:
        raise Refused(Reason.STATE_MALFORMED, "state", "not in the one form that is digested")
    return state


def _flatten(path: str, value: object) -> list[tuple[str, str]]:
    """Paths and values of everything present below `value`."""
    if value is None:
        return []
    if is_dataclass(value):
        parts: list[tuple[object, object]] = [(item.name, getattr(value, item.name)) for item in fields(value)]
    elif isinstance(value, Mapping):
        parts = list(value.items())
    elif isinstance(value, tuple):
        parts = list(enumerate(value))
    else:
        return [(path, _scalar(value))]
    prefix = f"{path}/" if path else ""
    return [line for name, part in parts for line in _flatten(f"{prefix}{name}", part)]


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return value.hex() if isinstance(value, bytes) else str(value)


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _build(kind: Any, tree: Any) -> Any:
    """The inverse of :func:`_flatten` for a type of this module."""
    if get_origin(kind) in {Union, types.UnionType}:
        return _build(get_args(kind)[0], tree)
    if is_dataclass(kind):
        hints = _hints(kind)  # type: ignore[arg-type]
        absent = {name: () for name, hint in hints.items() if get_origin(hint) is tuple}
        values = {name: _build(hints[name], part) for name, part in tree.items()}
        return kind(**(absent | values))  # type: ignore[operator]
    if get_origin(kind) is tuple:
        return tuple(_build(get_args(kind)[0], tree[name]) for name in sorted(tree, key=int))
    if get_origin(kind) is Mapping:
        name_kind, part_kind = get_args(kind)
        return {name_kind(name): _build(part_kind, part) for name, part in tree.items()}
    if kind is bool:
        return {"0": False, "1": True}[tree]
    return bytes.fromhex(tree) if kind is bytes else kind(tree)
