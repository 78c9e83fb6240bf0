"""Entries of the state that come and go: what was said of events, questions, grants, proposed terms (annex 3.1)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EventState:
    """A reporter's newest word on an event.

    Attributes:
        happened: what it says.
        period: of the closing that recorded it.
        closing: number of that closing: a report's age counts closed periods (annex 1.7).
        since_closing: number of the closing from which it has said the same without a break.
        index: its leaf.
        identity: of the statement, 32 bytes.
    """

    happened: bool
    period: int
    closing: int
    since_closing: int
    index: int
    identity: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class InquiryState:
    """A question that waits for its answer.

    Attributes:
        lab: whom it asks.
        asker: who asks.
        closing: number of the closing that recorded it: its clock counts closed periods.
        period: of that closing.
        index: its leaf in the asker's log.
    """

    lab: str
    asker: str
    closing: int
    period: int
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantState:
    """An exemption granted to a lab.

    Attributes:
        teraflop: most operations; None: limited by the exemption alone.
        chip_seconds: most chip-seconds; None: limited by the exemption alone.
        start: first period.
        until: first period after it.
    """

    teraflop: int | None = None
    chip_seconds: int | None = None
    start: int
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalState:
    """Proposed terms that a party publishes in parts.

    Attributes:
        digest: of the full text, in hex.
        parts: how many it has.
        seen: how many are recorded, in order; the bytes so far stand in the state's `texts`.
        closing: number of the closing that recorded the first.
    """

    digest: str
    parts: int
    seen: int
    closing: int
