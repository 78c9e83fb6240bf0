"""The way in: a file of a lab's own records to a trace."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from node.collect.aggregate import Totals, account, estimated_ppm, job_figures
from node.collect.figures import MAX_QUANTITY, NamedExemption, PeriodFigures, Tally, Trace
from node.collect.mapping import Mapping as WorkMapping
from node.collect.mapping import read_mapping
from node.collect.registry import Collector, collector_for
from node.collect.sacct_json import parse_document
from node.collect.source import Options, Reading, Source
from node.collect.table import parse_table, read_text
from node.collect.values import time_zone
from protocol.errors import Reason, require

_LONGEST_PERIOD: Final = 366 * 86_400


def read_trace(
    path: Path,
    *,
    mapping: WorkMapping | Path | None = None,
    chip_class: str | None = None,
    chips: int | Mapping[str, int] | None = None,
    site: str = "site",
    period: int = 3600,
    tz: str = "UTC",
    chip_classes: Collection[str] | None = None,
) -> Trace:
    """Read a lab's records, whatever collector knows them, into figures per site and period.

    Args:
        path: a table or JSON document, plain or gzipped.
        mapping: labels and chip classes; without one all work is `unlabelled`, except where the records state labels.
        chip_class: class of chips whose record names none. If the records name one type only and no mapping translates
            types, it stands for that type too.
        chips: installed chips; a number is for the one class that occurs. Without it: the peak of concurrent use.
        site: site of records that name none.
        period: seconds, from 1 to 366 days; periods begin at multiples of it.
        tz: IANA zone of times that state none.
        chip_classes: the agreement's classes; None accepts any name.

    Raises:
        Refused: the input as a whole cannot be used (TRACE_*), or the mapping (MAPPING_*). Bad rows do not raise:
            they are listed in `Trace.rejected`.
    """
    fits = 0 < period <= _LONGEST_PERIOD
    require(fits, Reason.TRACE_OPTION, "period", f"{period} s; expected 1 to {_LONGEST_PERIOD}")
    options = Options(
        mapping=read_mapping(mapping) if isinstance(mapping, Path) else mapping or WorkMapping(),
        chip_class=chip_class,
        chips=_stated(chips, chip_class),
        site=site,
        period=period,
        zone=time_zone(tz),
        known_classes=chip_classes,
    )
    source = open_source(path)
    collector, tally = collector_for(source), Tally()
    reading = _with_class(collector.read(source, options, tally), options, tally, path.name)
    return _trace(source, collector, reading, _one_class(options, reading), tally)


def open_source(path: Path) -> Source:
    """Read a file as a table, or as JSON if it begins like a JSON object or list."""
    text = read_text(path)
    if text.lstrip()[0] in "{[":
        return Source(path.name, document=parse_document(path.name, text))
    return Source(path.name, table=parse_table(path.name, text))


_ANY: Final = ""
"""Key of a number of chips whose class is the one that occurs in the records."""


def _stated(chips: int | Mapping[str, int] | None, chip_class: str | None) -> Mapping[str, int]:
    if chips is None:
        return {}
    stated = {chip_class or _ANY: chips} if isinstance(chips, int) else dict(chips)
    for count in stated.values():
        fits = 0 < count <= MAX_QUANTITY // _LONGEST_PERIOD
        require(fits, Reason.TRACE_OPTION, "chips", f"{count}; expected a whole number of installed accelerators")
    return stated


def _with_class(reading: Reading, options: Options, tally: Tally, name: str) -> Reading:
    """Take the one chip type that the records name as the class that was stated for them.

    Raises:
        Refused: TRACE_OPTION if they name several and some are not in the agreement: they are not one class.
    """
    types = sorted({job.chip_class for job in reading.jobs} - {options.chip_class})
    if options.chip_class is None or options.mapping.chips or not types:
        return reading
    if len(types) > 1:
        agreed = options.known_classes is None or set(types) <= set(options.known_classes)
        detail = f"one class for the types {', '.join(types)}; map each in mapping.toml, chips"
        require(agreed, Reason.TRACE_OPTION, "chip_class", detail)
        return reading
    options.known(options.chip_class, name)
    tally.note(f'chips that the records name "{types[0]}" are taken as {options.chip_class}')
    return replace(reading, jobs=tuple(replace(job, chip_class=options.chip_class) for job in reading.jobs))


def _one_class(options: Options, reading: Reading) -> Options:
    """Give a number of chips that was stated without a class to the one class that the records have."""
    if _ANY not in options.chips:
        return options
    classes = sorted({job.chip_class for job in reading.jobs})
    detail = f"the records hold {', '.join(classes)}; state the chips of each class"
    require(len(classes) <= 1, Reason.TRACE_OPTION, "chips", detail)
    return replace(options, chips=dict.fromkeys(classes, options.chips[_ANY]))


def _trace(source: Source, collector: Collector, reading: Reading, options: Options, tally: Tally) -> Trace:
    first = f"; the first: {tally.rejected[0].text(source.name)}" if tally.rejected else ""
    usable = tally.kept > 0
    why = f"no usable row, {len(tally.rejected)} rejected, {sum(tally.skipped.values())} without accelerators{first}"
    require(usable, Reason.TRACE_NO_USABLE_ROWS, source.name, why)
    states_chips = bool(reading.figures) or reading.inventory is not None
    if options.chips and states_chips:
        tally.note("the input states its own inventory, so the number of chips given beside it is not used")
    if options.mapping.rules and reading.figures:
        tally.note("the input states its own labels, so the rules of the mapping are not used")
    found, totals = _summed(source, reading, options, tally)
    accounted = [account(before) for before in found]
    figures = [closed for closed, _ in accounted]
    return Trace(
        source=source.name,
        form=collector.name,
        figures=tuple(figures),
        chip_classes=tuple(sorted({chip_class for period in figures for chip_class in period.chips})),
        kept=tally.kept,
        rejected=tuple(sorted(tally.rejected, key=lambda rejected: rejected.row)),
        skipped=dict(tally.skipped),
        notes=tuple(tally.notes),
        over_inventory=tuple(one for _, over in accounted for one in over),
        exemptions=tuple(_exemptions(source, options, found)),
        mapping_digest=options.mapping.digest,
        by_rule=dict(totals.by_rule),
        estimated_ppm=estimated_ppm(totals.by_rule, options.mapping),
    )


def _exemptions(source: Source, options: Options, figures: Sequence[PeriodFigures]) -> Iterator[NamedExemption]:
    """Every rule that names an exemption, also one that matched nothing yet; then what a table of figures names."""
    mapping = options.mapping
    for number, rule in enumerate(mapping.rules, start=1):
        if rule.exemption:
            yield NamedExemption(f"{mapping.name}: rule {number}: exemption", rule.label, rule.exemption)
    ruled = {(rule.label, rule.exemption) for rule in mapping.rules}
    for label, exemption in sorted({(label, name) for one in figures for _, label, name in one.exempt} - ruled):
        yield NamedExemption(f"{source.name}: column exemption", label, exemption)


def _summed(source: Source, reading: Reading, options: Options, tally: Tally) -> tuple[list[PeriodFigures], Totals]:
    if reading.figures:
        return list(reading.figures), Totals()
    return job_figures(reading, options, tally, source.name)
