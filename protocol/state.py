"""The state that everybody computes alike, and its digest (annex 3.1 and 3.6).

The text form is what is digested (:mod:`protocol.state_text`). It is derived from the classes below, so a field added
here is in the digest; one added by :func:`~protocol.state_text.later` only where it has another value than its default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from typing import Final

from protocol import state_text
from protocol.errors import Reason, Refused
from protocol.state_entries import EventState, GrantState, InquiryState, ProposalState
from protocol.state_text import later


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
    SUSPENDED = "suspended"


GOVERNS_AFTER: Final = 2
"""state(p) governs period p+2 and later ones: nobody is bound retroactively (annex 1.7)."""
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
        joined: number of the closing at which it came in; 0 for a founder.
    """

    membership: Membership = Membership.FORMING
    notice_left: int = 0
    keys_version: int = 0
    size: int = 0
    founded: bool = False
    convicted: bool = False
    joined: int = later(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PledgeState:
    """A lab's pledges.

    Attributes:
        current: serialized Pledge in force; empty if there is none.
        older: serialized Pledge that still runs beside it; empty if there is none.
        older_left: closed periods that the older one runs on.
        kept: level that the lab kept after the last step (`prev` of annex 4.1).
        floor: level that it keeps because it lost standing (annex 4.3).
        index: leaf of the one in force.
        identity: of the statement in force, 32 bytes; empty where there is none.
        older_index: leaf of the older one.
        older_identity: of the older statement, 32 bytes; empty where there is none.
    """

    current: bytes = b""
    older: bytes = b""
    older_left: int = 0
    kept: int = 0
    floor: int = 0
    index: int = later(0)
    identity: bytes = later(b"")
    older_index: int = later(0)
    older_identity: bytes = later(b"")


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
        terms: digests in hex of older terms that hold beside those in force until the level is at rest, oldest first.
        brake_left: closed periods that a brake still acts; 0: none does.
        brake_cap: period at which the brake ends by the calendar; None while none acts.
        suspended_by: labs whose loss of standing suspended it, sorted.
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
    terms: tuple[str, ...] = ()
    brake_left: int = later(0)
    brake_cap: int | None = None
    suspended_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BallotState:
    """A voter's newest ballot on a motion.

    Attributes:
        episode: that it names.
        yes: the vote.
        period: of the closing that recorded it.
        closing: number of that closing: a ballot's life counts closed periods (annex 1.7).
        index: its leaf.
        serial: of a seat's ballot; 0 for a party's.
        identity: of the statement, 32 bytes; empty where it was not kept.
    """

    episode: int
    yes: bool
    period: int
    closing: int
    index: int
    serial: int = later(0)
    identity: bytes = later(b"")


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
        accusations: times that it was accused.
        cause: periods whose breaches accused it last, rising.
        by_silence: whether silence accused it last.
        out_since: period of the closing at which it lost standing; None while it has it.
        pardoned: closings of silence that a vote to hold forgave.
        newest: newest settled verdict; empty before the first.
    """

    settled: tuple[str, ...] = ()
    honored: int = 0
    standing: Standing = Standing.RELIED
    timer: int = 0
    losses: int = 0
    attested: Mapping[str, int] = field(default_factory=dict)
    silent: int = 0
    accusations: int = later(0)
    cause: tuple[int, ...] = ()
    by_silence: bool = later(False)
    out_since: int | None = None
    pardoned: int = later(0)
    newest: str = later("")


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictState:
    """A verifier's newest verdict on a lab and a period that is not settled yet.

    Attributes:
        verdict: in the words of :mod:`protocol.conduct`.
        revision: its number, from 1.
        index: its leaf.
        identity: of the statement, 32 bytes; empty where it was not kept.
    """

    verdict: str
    revision: int
    index: int = later(0)
    identity: bytes = later(b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportState:
    """A reporter's newest report of an indicator of a lab.

    Attributes:
        value: in the indicator's unit.
        period: of the closing that recorded it.
        closing: number of that closing: a report's age counts closed periods (annex 1.7).
        index: its leaf.
        low: lower end of the interval; None where it was not stated.
        high: upper end of the interval; None where it was not stated.
        identity: of the statement, 32 bytes; empty where it was not kept.
        samples: earlier values for trends, "period:value" joined by commas, oldest first; empty where none are needed.
    """

    value: int
    period: int
    closing: int
    index: int
    low: int | None = None
    high: int | None = None
    identity: bytes = later(b"")
    samples: str = later("")


@dataclass(frozen=True, kw_only=True)
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
        ballots: by :func:`ballot_key`.
        conduct: by lab.
        verdicts: by lab|period|verifier.
        reports: by indicator|lab|reporter.
        entered: number of the closing at which the agreement entered into force; 0 before.
        texts: terms in use or proposed, by digest in hex; those first agreed to are not among them.
        proposals: by party.
        amendment: digest in hex of the terms that take over at the next step; empty: none do.
        admitted: serialized Party by name.
        offers: serialized Party of an open Admission, by sponsor.
        grants: by lab|rank|exemption.
        requests: serialized ExemptionRequest that waits for a vote, by lab.
        events: by event|reporter|rank that it is said for.
        plans: number of the closing that recorded it, by author|indicator|digest in hex.
        inquiries: by identity of the question, in hex.
        rests: closed periods until a control group may use a level's brake again, by rank|:func:`group_key`.
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
    entered: int = later(0)
    texts: Mapping[str, bytes] = field(default_factory=dict)
    proposals: Mapping[str, ProposalState] = field(default_factory=dict)
    amendment: str = later("")
    admitted: Mapping[str, bytes] = field(default_factory=dict)
    offers: Mapping[str, bytes] = field(default_factory=dict)
    grants: Mapping[str, GrantState] = field(default_factory=dict)
    requests: Mapping[str, bytes] = field(default_factory=dict)
    events: Mapping[str, EventState] = field(default_factory=dict)
    plans: Mapping[str, int] = field(default_factory=dict)
    inquiries: Mapping[str, InquiryState] = field(default_factory=dict)
    rests: Mapping[str, int] = field(default_factory=dict)

    def text(self) -> bytes:
        """Lines `path=value`, sorted by bytes (annex 3.6)."""
        return state_text.text(self)

    def digest(self) -> bytes:
        """SHA-256 of the text, 32 bytes."""
        return self._digest

    # A closing states the digest, and whoever follows it compares: the text is long, and is written once.
    @cached_property
    def _digest(self) -> bytes:
        return sha256(self.text()).digest()


def key(*parts: object) -> str:
    """Joined key of a mapping in the state."""
    return "|".join(map(str, parts))


def ballot_key(voter: str, motion: int, level: int, about: str = "", asked: bytes = b"") -> str:
    """Key of a voter's newest ballot on a motion.

    Args:
        voter: name of the party, or "party/seat".
        motion: what is asked for.
        level: rank; 0 where the motion is about none.
        about: name of the lab spoken of, or of the rule that is to carry it; empty for neither.
        asked: SHA-256 of what is asked, 32 bytes; empty where the motion asks nothing further.
    """
    # A path of the text is divided by "/"; names hold neither that nor ":".
    place = key(voter.replace("/", ":"), int(motion), level)
    return key(place, about, asked.hex()) if about or asked else place


def group_key(owner: str) -> str:
    """A control group as part of a key, as hex: unlike names, it may be any text."""
    return owner.encode().hex()


def read_state(text: bytes) -> State:
    """The state that a text form stands for.

    Raises:
        Refused: STATE_MALFORMED, unless the text is exactly what :meth:`State.text` gives for the result.
    """
    try:
        state = state_text.parse(State, text)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise Refused(Reason.STATE_MALFORMED, "state", str(error)) from None
    if state.text() != text:
        raise Refused(Reason.STATE_MALFORMED, "state", "not in the one form that is digested")
    return state
