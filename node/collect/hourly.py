"""The hourly table, the form in which this project ships figures and the simplest for a lab without a scheduler.

    hour,site,chip_class,chips,label,chip_seconds,watt_hours[,energy_basis][,exemption]
    2027-03-01T00:00:00Z,g1,H100-SXM,512,train,921600,219400
    2027-03-01T00:00:00Z,g1,H100-SXM,512,idle,921600,72100

One row per hour, site, class, label and exemption, which is one of the terms; blank: none. `chips` are those
installed, the same in every row of an hour, site and class. What the labels leave of chips x 3600 s is unaccounted.
Watt-hours of an hour and site are the sum of its cells; a blank cell adds nothing, and if all are blank the energy
was not measured. Their basis is *calculated* unless `energy_basis` says otherwise.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final

from node.collect.figures import LABELS, MAX_QUANTITY, EnergyBasis, PeriodFigures, Tally
from node.collect.source import Options, Reading, Source, need, require_span
from node.collect.table import Table, plain
from node.collect.values import instant, whole_number
from protocol.errors import Reason, Refused, require

COLUMNS: Final = ("hour", "site", "chip_class", "chips", "label", "chip_seconds", "watt_hours")
_ALL: Final = (*COLUMNS, "energy_basis", "exemption")
_HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class _Row:
    hour: int
    site: str
    chip_class: str
    chips: int
    label: str
    chip_seconds: int
    watt_hours: int | None
    basis: EnergyBasis
    exemption: str


@dataclass(slots=True)
class _Sum:
    """Figures of one site and period while they are added up."""

    chips: dict[str, int] = field(default_factory=dict)
    chip_seconds: dict[tuple[str, str], int] = field(default_factory=dict)
    exempt: dict[tuple[str, str, str], int] = field(default_factory=dict)
    watt_hours: dict[int, int] = field(default_factory=dict)
    basis: EnergyBasis = EnergyBasis.MEASURED


@dataclass(frozen=True, slots=True)
class _Lost:
    """What rejected rows took with them: hours that lost a row, and whether rows were lost whose hour is not known."""

    hours: frozenset[int]
    strays: bool


def claims(source: Source) -> bool:
    """Return whether the input is an hourly table, even one with a misspelt column."""
    table = source.table
    if table is None:
        return False
    return table.find("chipseconds") is not None or None not in (table.find("hour"), table.find("label"))


def read(source: Source, options: Options, tally: Tally) -> Reading:
    """Read the table and add it up to periods of whole hours.

    Raises:
        Refused: TRACE_COLUMN_MISSING, TRACE_COLUMN_UNKNOWN, TRACE_OPTION for a period that is no whole number of hours.
    """
    if source.table is None:
        raise Refused(Reason.TRACE_FORMAT_UNKNOWN, source.name, "expected a table")
    whole = options.period % _HOUR == 0
    require(whole, Reason.TRACE_OPTION, "period", f"{options.period} s; an hourly table gives whole hours only")
    for column in source.table.columns:
        near = get_close_matches(column, _ALL, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        known = plain(column) in map(plain, _ALL)
        require(known, Reason.TRACE_COLUMN_UNKNOWN, source.name, f'"{column}" is no column of an hourly table{hint}')
    need(source, {name: source.table.find(plain(name)) for name in COLUMNS[:-1]})
    rows = list(_rows(source.table, options, tally))
    return Reading(figures=_figures(rows, _lost(source.table, tally, options), options, source.name))


def _rows(table: Table, options: Options, tally: Tally) -> Iterator[_Row]:
    named = {name: table.find(plain(name)) for name in _ALL}
    columns = {name: column for name, column in named.items() if column is not None}
    seen: set[tuple[int, str, str, str, str]] = set()
    installed: dict[tuple[int, str, str], int] = {}
    for number, cells in table.rows(tally):
        try:
            row = _row(cells, columns, options)
            key = (row.hour, row.site, row.chip_class, row.label, row.exemption)
            detail = "the same hour, site, chip class, label and exemption stand in the file before"
            require(key not in seen, Reason.TRACE_DUPLICATE_ROW, columns["label"], detail)
            chips = installed.setdefault(key[:3], row.chips)
            detail = f"{row.chips} chips here, {chips} in another row of this hour, site and class"
            require(chips == row.chips, Reason.TRACE_CHIPS_DISAGREE, columns["chips"], detail)
        except Refused as no:
            tally.reject(number, no, cells.get(no.field, ""))
            continue
        seen.add(key)
        tally.kept += 1
        yield row


def _row(cells: Mapping[str, str], columns: Mapping[str, str], options: Options) -> _Row:
    hour = instant(cells[columns["hour"]], columns["hour"], options.zone)
    aligned = hour % _HOUR == 0
    require(
        aligned, Reason.TRACE_NOT_ALIGNED, columns["hour"], f"{hour % _HOUR} s past the hour; hours start on the hour"
    )
    label = cells[columns["label"]]
    known = label in LABELS
    require(known, Reason.TRACE_LABEL_UNKNOWN, columns["label"], f'"{label[:40]}" is none of {", ".join(LABELS)}')
    chips = whole_number(cells[columns["chips"]], columns["chips"])
    fits = chips * _HOUR <= MAX_QUANTITY
    require(
        fits, Reason.TRACE_OVERFLOW, columns["chips"], f"{chips} chips for an hour are more than 2^63-1 chip-seconds"
    )
    return _Row(
        hour=hour,
        site=cells[columns["site"]] or options.site,
        chip_class=options.known(cells[columns["chip_class"]], columns["chip_class"]),
        chips=chips,
        label=label,
        chip_seconds=whole_number(cells[columns["chip_seconds"]], columns["chip_seconds"]),
        watt_hours=_watt_hours(cells, columns),
        basis=_basis(cells, columns),
        exemption=cells[columns["exemption"]] if "exemption" in columns else "",
    )


def _watt_hours(cells: Mapping[str, str], columns: Mapping[str, str]) -> int | None:
    column = columns.get("watt_hours")
    return None if column is None or not cells[column] else whole_number(cells[column], column)


def _basis(cells: Mapping[str, str], columns: Mapping[str, str]) -> EnergyBasis:
    column = columns.get("energy_basis")
    if column is None or not cells[column]:
        return EnergyBasis.CALCULATED
    words = [EnergyBasis.MEASURED, EnergyBasis.CALCULATED, EnergyBasis.ESTIMATED]
    known = cells[column] in words
    require(known, Reason.TRACE_BASIS_UNKNOWN, column, f'"{cells[column][:40]}" is none of {", ".join(words)}')
    return EnergyBasis(cells[column])


def _lost(table: Table, tally: Tally, options: Options) -> _Lost:
    """Return the hours that lost a row, as far as their hour can be read."""
    rows = {rejected.row for rejected in tally.rejected}
    column = table.find("hour") or ""
    hours: set[int] = set()
    for number, cells in table.rows(Tally()) if rows else ():
        if number in rows:
            try:
                hours.add(instant(cells[column], column, options.zone))
            except Refused:
                continue  # listed already, and still among the strays
            rows.discard(number)
    return _Lost(frozenset(hours), bool(rows))


def _figures(rows: list[_Row], lost: _Lost, options: Options, name: str) -> tuple[PeriodFigures, ...]:
    if rows:
        hours = [row.hour for row in rows]
        require_span(min(hours), max(hours), _HOUR, name)
    sums: dict[tuple[int, str], _Sum] = defaultdict(_Sum)
    for row in rows:
        _add(sums[row.hour // options.period * options.period, row.site], row)
    return tuple(_finish(start, site, total, lost, options.period) for (start, site), total in sorted(sums.items()))


def _add(total: _Sum, row: _Row) -> None:
    pair = (row.chip_class, row.label)
    total.chips[row.chip_class] = max(total.chips.get(row.chip_class, 0), row.chips)
    total.chip_seconds[pair] = total.chip_seconds.get(pair, 0) + row.chip_seconds
    if row.exemption and row.chip_seconds:
        of = (*pair, row.exemption)
        total.exempt[of] = total.exempt.get(of, 0) + row.chip_seconds
    if row.watt_hours is not None:
        total.watt_hours[row.hour] = total.watt_hours.get(row.hour, 0) + row.watt_hours
        total.basis = _weaker(total.basis, row.basis)


def _weaker(one: EnergyBasis, other: EnergyBasis) -> EnergyBasis:
    order = list(EnergyBasis)
    return max(one, other, key=order.index)


def _finish(start: int, site: str, total: _Sum, lost: _Lost, period: int) -> PeriodFigures:
    """Close a period. Its energy counts only if every hour has some and none can have lost any with a rejected row."""
    hours = range(start, start + period, _HOUR)
    full = sum(total.chip_seconds.values()) >= sum(total.chips.values()) * period
    whole = all(hour in total.watt_hours and hour not in lost.hours for hour in hours) and (full or not lost.strays)
    return PeriodFigures(
        site=site,
        start=start,
        seconds=period,
        chips=total.chips,
        chip_seconds={pair: held for pair, held in total.chip_seconds.items() if held},
        exempt=total.exempt,
        watt_hours=sum(total.watt_hours.values()) if whole else None,
        energy_basis=total.basis if whole else EnergyBasis.NONE,
    )
