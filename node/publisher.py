"""The one way into a node's log: nothing is said of a period that has not ended, and nothing is said twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from daemon.journal import journal
from daemon.rows import header_of
from node.exemptions import exemptions_now
from protocol.errors import Reason, require
from standstill.v1 import decision_pb2, evidence_pb2, header_pb2

if TYPE_CHECKING:
    from daemon.author import Author, Published
    from daemon.clock import Clock
    from daemon.log_store import LogStore
    from protocol.agreement import Agreement
    from protocol.authoring import Draft
    from protocol.duty import Duty
    from standstill.v1 import node_admin_service_pb2

Said = tuple[int, int, bytes, str]
"""Kind, period, site handle and, for readings, name of the meter: what is said once."""

PERIODIC: Final = (header_pb2.KIND_COMPUTE_ATTESTATION, header_pb2.KIND_METER_READING)
"""Kinds that speak of a period that has ended, once."""

_CHUNK_PERIODS: Final = 1_000


class Publisher:
    """Publishes a party's statements. Safe for use from several threads."""

    def __init__(self, agreement: Agreement, store: LogStore, author: Author, clock: Clock) -> None:
        """Read from the store what was said before."""
        self._agreement, self._store, self._author, self._clock = agreement, store, author, clock
        self._lock = threading.Lock()
        self._terms: Callable[[], Agreement] = lambda: agreement
        self._said: set[Said] = set()
        for kind in PERIODIC:
            self._said.update(_said_before(store, author.origin, kind, self._last_period() + 1))

    @property
    def author(self) -> Author:
        """Who signs."""
        return self._author

    def judge_by(self, terms: Callable[[], Agreement]) -> None:
        """Judge drafts by the terms in force, where somebody knows them; until then by the first ones."""
        self._terms = terms

    def terms(self) -> Agreement:
        """The terms that drafts are judged by."""
        return self._terms()

    def has_said(self, said: Said) -> bool:
        """Whether the log holds this already."""
        return said in self._said

    def serials(self) -> dict[str, int]:
        """The highest serial in the log of each seat of the party, by the seat's name."""
        highest: dict[str, int] = {}
        for leaf in self._store.by_kind(self._author.origin, header_pb2.KIND_BALLOT):
            ballot = decision_pb2.Ballot.FromString(leaf.body or b"")
            if ballot.seat:
                highest[ballot.seat] = max(highest.get(ballot.seat, 0), ballot.serial)
        return highest

    def exemptions(self, terms: Agreement, duty: Duty) -> list[node_admin_service_pb2.ExemptionStatus]:
        """The exemptions that the party has now under a duty, and what is left of them by its log."""
        period = self._agreement.period_at(self._clock.now())
        if period is None:
            return []
        return exemptions_now(self._store, self._author.origin, terms, self._author.party, duty, period)

    def publish(self, drafts: Sequence[Draft]) -> Published:
        """Sign and log statements, all or none, and return when they are durable.

        Raises:
            Refused: PERIOD_NOT_ENDED, PERIOD_OVERLAP; what :meth:`daemon.author.Author.publish` refuses.
        """
        with self._lock:
            new: set[Said] = set()
            for number, draft in enumerate(drafts):
                if draft.kind not in PERIODIC or draft.period is None:
                    continue
                where, said = f"drafts[{number}].period", said_by(draft)
                ended = draft.period <= self._last_period()
                require(ended, Reason.PERIOD_NOT_ENDED, where, f"period {draft.period} ends later; wait for its end")
                fresh = said not in self._said and said not in new
                what = (
                    f"{header_pb2.Kind.Name(draft.kind)} of period {draft.period} and this site is in the log already"
                )
                require(fresh, Reason.PERIOD_OVERLAP, where, what)
                new.add(said)
            published = self._author.publish(drafts, terms=self._terms())
            self._said |= new
        kinds = sorted({header_pb2.Kind.Name(draft.kind).removeprefix("KIND_").lower() for draft in drafts})
        journal().info("published", index=published.index, statements=len(drafts), kinds=kinds)
        return published

    def _last_period(self) -> int:
        """The last period that has ended; -1 before the first end."""
        period = self._agreement.period_at(self._clock.now())
        return -1 if period is None else period - 1


def said_by(draft: Draft) -> Said:
    """What a draft of a periodic kind says."""
    return draft.kind, draft.period or 0, draft.site, _meter(draft.kind, draft.body)


def _said_before(store: LogStore, origin: str, kind: int, periods: int) -> Iterator[Said]:
    """What the log holds, read in chunks so that a long log needs little memory."""
    for first in range(0, max(periods, 1), _CHUNK_PERIODS):
        for leaf in store.by_kind(origin, kind, first, first + _CHUNK_PERIODS - 1):
            yield kind, leaf.period or 0, header_of(leaf).site, _meter(kind, leaf.body or b"")


def _meter(kind: int, body: bytes) -> str:
    return evidence_pb2.MeterReading.FromString(body).meter if kind == header_pb2.KIND_METER_READING else ""
