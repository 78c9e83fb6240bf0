"""Attesting period by period, as the clock goes on and the records come in.

owed = periods that have ended, for which a collector has said nothing yet
round: every owed period in order -> what its collectors have -> published -> what is missing becomes their state
wait:  for the next end of a period, or for a source to change
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from daemon.journal import journal
from node.collectors import OK, Collector
from node.publisher import Publisher
from node.watched import Version
from protocol.errors import Reason, Refused, require
from standstill.v1 import header_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from daemon.author import Published
    from daemon.clock import Clock
    from protocol.agreement import Agreement
    from protocol.authoring import Draft

POLL_SECONDS: Final = 0.2
"""Between two looks at sources that lack something: a look is one stat of each file."""

TROUBLE_SECONDS: Final = 1.0
"""Before another attempt after the clock or the store has failed."""

MOST_OWED: Final = 100
"""Periods listed in a status."""

_STOPS: Final = frozenset(
    {
        Reason.CLOCK_UNREADABLE,
        Reason.CLOCK_WENT_BACK,
        Reason.STORE_UNAVAILABLE,
        Reason.HEAD_CONFLICT,
        Reason.KEY_NOT_IN_FORCE,
    }
)
"""Refusals that are no fault of a period's figures: nothing can be said until they are mended."""


class Attester:
    """Makes the periodic statements of a party from its collectors. Safe for use from several threads."""

    def __init__(
        self,
        agreement: Agreement,
        publisher: Publisher,
        collectors: Sequence[Collector],
        clock: Clock,
        *,
        after: int = 0,
        first: int = 0,
    ) -> None:
        """Attest from period `first` on, each `after` seconds after its end."""
        self._agreement, self._publisher, self._clock = agreement, publisher, clock
        self._collectors = tuple(collectors)
        self._after = after
        self._lock = threading.Lock()
        # All periods below it are said by all collectors.
        self._next = first
        self.states = {collector.site: OK for collector in collectors}

    @property
    def collectors(self) -> tuple[Collector, ...]:
        """Where the figures come from."""
        return self._collectors

    def owed(self, now: int) -> list[int]:
        """Periods that have ended `after` seconds before `now` and are not said by every collector, oldest first."""
        last = self._agreement.period_at(max(now - self._after, 0))
        if last is None or not self._collectors:
            return []
        while self._next < last and not self._missing(self._next):
            self._next += 1
        return [period for period in range(self._next, last) if self._missing(period)]

    def attested(self, now: int) -> int | None:
        """The last ended period that every collector has spoken of; None if there is none."""
        last = self._agreement.period_at(now)
        if last is None or not self._collectors:
            return None
        return next((period for period in range(last - 1, -1, -1) if not self._missing(period)), None)

    def drafts(self, period: int) -> list[Draft]:
        """What the collectors have to say of a period and did not say yet.

        Raises:
            Refused: PERIOD_NOT_ENDED; PERIOD_OVERLAP where all is said; the first collector's reason where it has
                nothing; PERIOD_NOT_COLLECTED where there is no collector.
        """
        configured = bool(self._collectors)
        require(
            configured, Reason.PERIOD_NOT_COLLECTED, "site", "expected a site with a trace, or a meter; configure one"
        )
        ended = self._agreement.end_of(period) <= self._clock.now()
        require(ended, Reason.PERIOD_NOT_ENDED, "period", f"period {period} has not ended; wait for its end")
        missing = self._missing(period)
        require(bool(missing), Reason.PERIOD_OVERLAP, "period", f"period {period} is in the log for every site already")
        return [collector.draft(period) for collector in missing]

    def attest(self, period: int) -> tuple[list[Draft], Published]:
        """Say all that is to be said of a period; refusals as :meth:`drafts` and :meth:`Publisher.publish`."""
        with self._lock:
            drafts = self.drafts(period)
            return drafts, self._publisher.publish(drafts)

    def run(self, stop: threading.Event) -> None:
        """Attest whatever is owed until `stop` is set. Trouble is noted and tried again; nothing is lost by it."""
        trouble = ""
        while not stop.is_set():
            try:
                self._turn(stop)
                trouble = ""
            except Refused as refused:
                if str(refused) != trouble:
                    journal().error("attesting stopped; it goes on by itself once this is mended", why=str(refused))
                trouble = str(refused)
                stop.wait(TROUBLE_SECONDS)

    def _turn(self, stop: threading.Event) -> None:
        """One round, then wait for the next end of a period or, where something is missing, for a source to change."""
        # Clock and sources are read before the round: what ends or changes during it must not be waited past.
        now = self._clock.now()
        versions = self._versions()
        due = self._due(now)
        if not self.round(now, stop):
            self._clock.wait_until(due, stop)
            return
        while self._clock.now() < due and self._versions() == versions:
            if stop.wait(POLL_SECONDS):
                return

    def round(self, now: int, stop: threading.Event) -> bool:
        """Say what can be said of all that is owed at `now`, Unix seconds; whether something is still missing.

        Raises:
            Refused: the clock or the store failed.
        """
        found = dict.fromkeys(self.states, OK)
        complete = True
        for period in self.owed(now):
            if stop.is_set():
                break
            with self._lock:
                self._publish(self._ready(period, found), found)
                complete = complete and not self._missing(period)
        self._report(found)
        return not complete

    def _ready(self, period: int, found: dict[str, str]) -> dict[str, Draft]:
        """What the collectors have for a period, by site; what they lack goes to `found`."""
        drafts = {}
        for collector in self._missing(period):
            try:
                drafts[collector.site] = collector.draft(period)
            except Refused as refused:
                _note(found, collector.site, refused)
        return drafts

    def _publish(self, drafts: Mapping[str, Draft], found: dict[str, str]) -> None:
        """Publish together; if one is refused, each by itself, so that it holds up no other."""
        try:
            if drafts:
                self._publisher.publish(list(drafts.values()))
        except Refused as refused:
            if refused.reason in _STOPS:
                raise
            if len(drafts) == 1:
                _note(found, next(iter(drafts)), refused)
                return
            for site, draft in drafts.items():
                self._publish({site: draft}, found)

    def _report(self, found: dict[str, str]) -> None:
        """Make what is missing each collector's state; where nothing is, what it complains of."""
        for collector in self._collectors:
            if found[collector.site] == OK:
                found[collector.site] = collector.complaint
            state = found[collector.site]
            if state != self.states[collector.site]:
                say = journal().info if state == OK else journal().warning
                say("collector", site=collector.site, state=state)
        self.states = found

    def _due(self, now: int) -> int:
        """When the next period is to be attested after `now`, Unix seconds."""
        running = self._agreement.period_at(max(now - self._after, 0))
        return self._agreement.end_of(-1 if running is None else running) + self._after

    def _versions(self) -> list[Version]:
        return [collector.version() for collector in self._collectors]

    def _missing(self, period: int) -> list[Collector]:
        return [collector for collector in self._collectors if not self._publisher.has_said(_said(collector, period))]


def _note(found: dict[str, str], site: str, refused: Refused) -> None:
    """Keep the first thing that a collector lacks, which is of the oldest period."""
    if found[site] == OK:
        found[site] = str(refused)


def _said(collector: Collector, period: int) -> tuple[int, int, bytes, str]:
    meter = collector.site if collector.kind == header_pb2.KIND_METER_READING else ""
    return collector.kind, period, collector.handle, meter
