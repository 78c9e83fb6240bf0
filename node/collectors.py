"""Where a node's periodic statements come from: one collector per site of a lab, one per meter of a meter operator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from daemon.clock import Clock, SystemClock
from node.attest import Claims, attestation, require_exemptions
from node.collect import PeriodFigures, Trace, read_trace, write_rejected
from node.collect.rejected import rejected_name
from node.config import MeterSettings, NodeSettings, SiteSettings
from node.readings import Readings, meter_reading, read_readings
from node.watched import Version, Watched
from protocol.agreement import Agreement
from protocol.authoring import Draft
from protocol.errors import Reason, Refused, require
from standstill.v1 import header_pb2
from standstill.v1 import quantity_pb2 as q

OK: Final = "ok"


class Collector(Protocol):
    """One source of one statement a period.

    Attributes:
        site: name of the site within the lab, or of the meter.
        handle: of the site, 16 bytes.
        kind: of the statements.
        source: kind of source, for people.
        complaint: `ok`, or what is wrong with a source that can be used all the same.
    """

    site: str
    handle: bytes
    kind: header_pb2.Kind.ValueType
    source: str
    complaint: str

    def draft(self, period: int) -> Draft:
        """What is to be said of a period.

        Raises:
            Refused: PERIOD_NOT_COLLECTED where there are no figures yet; what reading the source refuses.
        """

    def version(self) -> Version:
        """Which version of the source is there now."""


class TraceCollector:
    """A site's figures from an export of its scheduler, or from a table of figures."""

    kind = header_pb2.KIND_COMPUTE_ATTESTATION

    def __init__(
        self,
        agreement: Agreement,
        clock: Clock,
        name: str,
        settings: SiteSettings,
        base: Path,
        terms: Callable[[], Agreement] | None = None,
    ) -> None:
        """Collect for one site; paths in `settings` are relative to `base`; `terms` are those in force, if known."""
        self._terms = terms or (lambda: agreement)
        self.site, self.handle, self.source = name, bytes.fromhex(settings.handle), "trace"
        self.complaint = OK
        self._agreement, self._settings, self._base = agreement, settings, base
        self._trusts_dates = isinstance(clock, SystemClock) and settings.shift == "none"
        paths = [base / path for path in (settings.trace, settings.mapping) if path is not None]
        self._watched = Watched(tuple(paths), lambda: self._read(*paths))

    def version(self) -> Version:
        """Which version of trace and mapping is there now."""
        return self._watched.version()

    def draft(self, period: int) -> Draft:
        """The attestation of a period.

        Raises:
            Refused: PERIOD_NOT_COLLECTED, TRACE_*, MAPPING_*, CHIP_CLASS_UNKNOWN, FORMAT_UNKNOWN; NAME_UNKNOWN where
                an exemption is named that the terms in force do not have.
        """
        figures, trace = self._watched.value()
        require_exemptions(trace.exemptions, self._terms())
        self.source = trace.form
        end = self._agreement.end_of(period)
        # An export that was made before a period ended cannot hold all of it, though it may hold some.
        late = not self._trusts_dates or self._watched.changed_at() >= end
        where = f"site.{self.site}"
        require(late, Reason.PERIOD_NOT_COLLECTED, where, f"{trace.source} is older than the end of period {period}")
        found = figures.get(self._agreement.start_of(period))
        if found is None:
            raise Refused(Reason.PERIOD_NOT_COLLECTED, where, f"{trace.source} has no figures for period {period}")
        return attestation(found, self._agreement, period, self.handle, self._claims(trace))

    def _read(self, trace_path: Path, mapping: Path | None = None) -> tuple[dict[int, PeriodFigures], Trace]:
        settings, terms = self._settings, self._agreement.terms
        trace = read_trace(
            trace_path,
            mapping=mapping,
            chip_class=settings.chip_class or None,
            chips=settings.chips or None,
            site=settings.trace_site or self.site,
            period=terms.period_seconds,
            tz=settings.tz,
            chip_classes=self._agreement.chips,
        )
        if settings.shift == "start":
            trace = trace.starting_at(terms.start)
        aligned = settings.shift == "start" or terms.start % terms.period_seconds == 0
        what = "records add up from multiples of the period, but the agreement has its periods in between; set shift"
        require(aligned, Reason.TRACE_OPTION, f"site.{self.site}.shift", what)
        own = self._own(trace)
        self.complaint = self._complaint_about(trace)
        return own, trace

    def _complaint_about(self, trace: Trace) -> str:
        """What people should look at in a trace that can be used; rejected rows are listed in a file beside ours."""
        if trace.over_inventory:
            first = trace.over_inventory[0]
            return f"{trace.source} holds more {first.chip_class} than its inventory at {first.start}: mend one of them"
        if not trace.rejected:
            return OK
        try:
            listed = f"see {rejected_name(trace.source)}" if write_rejected(trace, self._base) else ""
        except OSError as error:
            listed = f"their list could not be written: {error.strerror}"
        return f"{trace.rejected[0].text(trace.source)}; {len(trace.rejected)} rows left out, {listed}"

    def _own(self, trace: Trace) -> dict[int, PeriodFigures]:
        """This site's figures by start of period."""
        wanted = self._settings.trace_site or self.site
        own = {figures.start: figures for figures in trace.figures if figures.site == wanted}
        sites = ", ".join(sorted({figures.site for figures in trace.figures}))
        what = f"{trace.source} has the sites {sites}, not {wanted}; name one of them"
        require(bool(own), Reason.TRACE_OPTION, f"site.{self.site}.trace_site", what)
        return own

    def _claims(self, trace: Trace) -> Claims:
        settings = self._settings
        return Claims(
            energy_random_ppm=settings.energy_random_ppm,
            energy_systematic_ppm=settings.energy_systematic_ppm,
            format=q.NumberFormat.Value(f"NUMBER_FORMAT_{settings.format.upper()}"),
            utilisation_ppm=settings.utilisation_ppm,
            operations_systematic_ppm=settings.operations_systematic_ppm,
            estimated_ppm=trace.estimated_ppm,
            mapping=trace.mapping_digest,
        )


class MeterCollector:
    """A meter's readings from a table."""

    kind = header_pb2.KIND_METER_READING

    def __init__(self, agreement: Agreement, clock: Clock, name: str, settings: MeterSettings, base: Path) -> None:
        """Collect for one meter; paths in `settings` are relative to `base`."""
        self.site, self.handle, self.source = name, bytes.fromhex(settings.handle), "meter"
        self.complaint = OK
        self._agreement, self._settings = agreement, settings
        self._path = base / settings.file
        self._watched = Watched((self._path,), self._read)

    def version(self) -> Version:
        """Which version of the table is there now."""
        return self._watched.version()

    def draft(self, period: int) -> Draft:
        """The reading of a period.

        Raises:
            Refused: PERIOD_NOT_COLLECTED, TRACE_*.
        """
        readings = self._watched.value()
        watt_hours = readings.watt_hours.get(period)
        if watt_hours is None:
            what = f"{self._path.name} has no reading for period {period}"
            raise Refused(Reason.PERIOD_NOT_COLLECTED, f"meter.{self.site}", what)
        uncertainty = self._settings.random_ppm, self._settings.systematic_ppm
        return meter_reading(self._agreement, period, self.handle, self.site, watt_hours, uncertainty)

    def _read(self) -> Readings:
        readings = read_readings(self._path, self._agreement, from_start=self._settings.shift == "start")
        bad = readings.rejected
        self.complaint = f"{bad[0].text(self._path.name)}; {len(bad)} rows left out" if bad else OK
        return readings


def open_collectors(
    agreement: Agreement,
    clock: Clock,
    settings: NodeSettings,
    base: Path,
    terms: Callable[[], Agreement] | None = None,
) -> list[Collector]:
    """The collectors of a configuration, checked against the agreement.

    Args:
        agreement: the terms.
        clock: of the node.
        settings: what stands in the configuration.
        base: its directory.
        terms: the agreement under the terms in force, where somebody knows them.

    Raises:
        Refused: SITE_UNKNOWN for a handle that is not the lab's own, or not in the agreement. Files that are not there
            yet are waited for.
    """
    collectors: list[Collector] = []
    for name, site in settings.site.items():
        lab, _ = agreement.sites.get(bytes.fromhex(site.handle), ("", None))
        own = lab == settings.party
        require(
            own, Reason.SITE_UNKNOWN, f"site.{name}.handle", f"expected a site of {settings.party} in the agreement"
        )
        if site.trace is not None:
            collectors.append(TraceCollector(agreement, clock, name, site, base, terms))
    for name, meter in settings.meter.items():
        known = bytes.fromhex(meter.handle) in agreement.sites
        require(known, Reason.SITE_UNKNOWN, f"meter.{name}.handle", "expected a site in the agreement")
        collectors.append(MeterCollector(agreement, clock, name, meter, base))
    return collectors
