"""Cells to whole numbers and Unix seconds, exactly. No floats: decimals are read as decimals and rounded down once.

Every function raises :class:`protocol.errors.Refused` with the column as its field and the cell in its detail.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from node.collect.figures import MAX_QUANTITY
from protocol.errors import Reason, Refused, require

_DECIMAL: Final = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{0,40})?([eE][+-]?[0-9]{1,3})?")
_ELAPSED: Final = re.compile(r"(?:(?:([0-9]{1,9})-)?([0-9]{1,9}):)?([0-9]{1,9}):([0-9]{1,9})(?:\.[0-9]{1,9})?")
_NOT_A_NUMBER: Final = frozenset({"nan", "inf", "-inf", "+inf", "infinity", "-infinity", "-nan"})
_BLANK: Final = frozenset({"", "unknown", "none", "null", "nat", "nan", "n/a", "na", "-", "<na>"})
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_MILLISECOND_TIMES: Final = 10**11
"""Bare times above this are milliseconds: as seconds they would lie past the year 5138."""

LATEST: Final = 253402300799
"""The last second of the year 9999, the end of ISO 8601 dates: a later time is a mistake."""


def is_blank(cell: str) -> bool:
    """Return whether a cell says nothing: empty, or a word that schedulers and data frames write for absence."""
    return cell.strip().lower() in _BLANK


def whole_number(cell: str, column: str) -> int:
    """Read a count: 0 to 2^63-1. `8.0` is whole; `0.5`, `8x`, `-1`, `NaN` and the empty cell are not counts."""
    if cell.isascii() and cell.isdigit() and len(cell) < len(str(MAX_QUANTITY)):
        return int(cell)  # the usual case, first: millions of cells pass here
    value = decimal(cell, column)
    require(value % 1 == 0, Reason.TRACE_FRACTION, column, f'"{cell[:40]}" is a fraction, a whole number is needed')
    return int(value)


def decimal(cell: str, column: str) -> Decimal:
    """Read a number from 0 to 2^63-1 without rounding it."""
    text = cell.strip()
    require(text.lower() not in _NOT_A_NUMBER, Reason.TRACE_NOT_A_NUMBER, column, f'"{cell[:40]}" is not finite')
    matched = _DECIMAL.fullmatch(text) is not None
    require(matched, Reason.TRACE_NOT_A_NUMBER, column, f'"{cell[:40]}" is no whole number')
    value = Decimal(text)
    require(value >= 0, Reason.TRACE_NEGATIVE, column, f"{cell[:40]} is negative")
    # Compared before it is made an integer: 1e999 would be a thousand digits.
    require(value <= MAX_QUANTITY, Reason.TRACE_OVERFLOW, column, f"{cell[:40]} is above 2^63-1")
    return value


def duration(cell: str, column: str, unit: Decimal = Decimal(1)) -> int:
    """Read a span in whole seconds, rounded down: a number of `unit` seconds, or `[days-[hours:]]minutes:seconds`."""
    if ":" not in cell:
        return int(decimal(cell, column) * unit)
    found = _ELAPSED.fullmatch(cell.strip())
    if found is None:
        raise Refused(Reason.TRACE_TIME_MALFORMED, column, f'"{cell[:40]}" is no time span ([days-[hours:]]min:s)')
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def instant(cell: str, column: str, zone: tzinfo, unit: Decimal | None = None) -> int:
    """Read a point in time as Unix seconds, rounded down.

    Args:
        cell: a number since 1970 (or since the trace's own zero), or an ISO 8601 date and time.
        column: for the message.
        zone: zone of times that state none.
        unit: seconds per unit of a bare number; None tells seconds from milliseconds by size.
    """
    text = cell.strip()
    if _DECIMAL.fullmatch(text) is None:
        return _in_range(_calendar(text, column, zone), cell, column)
    value = decimal(text, column)
    if unit is None:
        unit = Decimal("0.001") if value > _MILLISECOND_TIMES else Decimal(1)
    return _in_range(int(value * unit), cell, column)


def _in_range(seconds: int, cell: str, column: str) -> int:
    within = 0 <= seconds <= LATEST
    require(within, Reason.TRACE_TIME_MALFORMED, column, f'"{cell[:40]}" lies outside the years 1970 to 9999')
    return seconds


def _calendar(text: str, column: str, zone: tzinfo) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        detail = f'"{text[:40]}" is no time; write 2026-03-01T12:00:00Z or Unix seconds'
        raise Refused(Reason.TRACE_TIME_MALFORMED, column, detail) from None
    if moment.tzinfo is None:
        if zone is not UTC:
            _require_unambiguous(moment, zone, text, column)
        moment = moment.replace(tzinfo=zone)
    return (moment.astimezone(UTC) - _EPOCH) // _SECOND


def _require_unambiguous(moment: datetime, zone: tzinfo, text: str, column: str) -> None:
    """Refuse the hour that daylight saving repeats and the one that it leaves out: neither is to be guessed."""
    first, second = (moment.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return
    back = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None)
    exists = back == moment
    require(exists, Reason.TRACE_TIME_NONEXISTENT, column, f'"{text}" does not exist in {zone}: clocks went forward')
    detail = f'"{text}" happens twice in {zone}: export in UTC or with offsets'
    raise Refused(Reason.TRACE_TIME_AMBIGUOUS, column, detail)


def time_zone(name: str) -> tzinfo:
    """Return the named IANA time zone; `UTC` needs no zone database."""
    if name.upper() in {"UTC", "Z"}:
        return UTC
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise Refused(Reason.TRACE_OPTION, "tz", f'"{name}" is no time zone known here') from None
