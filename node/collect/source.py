"""What a collector is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Final

from node.collect.figures import JobRecord, PeriodFigures
from node.collect.mapping import Mapping as WorkMapping
from node.collect.table import Table
from protocol.errors import Reason, Refused, require

MAX_PERIODS: Final = 200_000
"""Longest trace: 22 years of hours. A single wrong date must not fill the memory with empty periods."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the caller says about the input, since files do not say it.

    Attributes:
        mapping: labels and chip classes; the default labels nothing.
        chip_class: class of chips whose record names none, or names the one type that no mapping translates.
        chips: installed chips by class; empty takes the peak of concurrent use.
        site: site of records that name none.
        period: seconds.
        zone: zone of times that state none.
        known_classes: the agreement's chip classes; None accepts any name.
    """

    mapping: WorkMapping = field(default_factory=WorkMapping)
    chip_class: str | None = None
    chips: Mapping[str, int] = field(default_factory=dict)
    site: str = "site"
    period: int = 3600
    zone: tzinfo = UTC
    known_classes: Collection[str] | None = None

    def class_of(self, kind: str, column: str) -> str:
        """Return the chip class for a chip name or GRES type; `kind` is empty where the record names none.

        Raises:
            Refused: TRACE_CHIP_CLASS_UNKNOWN.
        """
        table = self.mapping.chips
        found = table.get(f"gpu:{kind}" if kind else "gpu") or table.get(kind)
        if found is None and kind and table:
            detail = f'"{kind[:40]}" is not in the chips table of the mapping'
            raise Refused(Reason.TRACE_CHIP_CLASS_UNKNOWN, column, detail)
        if found is None and kind and self.chip_class is not None:
            return self.name(kind, column)  # whether it is the one type that `chip_class` is for is seen at the end
        return self.known(found or kind or self.chip_class or "gpu", column)

    def name(self, text: str, column: str) -> str:
        """Return a text as it is, if it can name a chip class: 1 to 64 printable characters.

        Raises:
            Refused: TRACE_CHIP_CLASS_UNKNOWN.
        """
        plain = 0 < len(text) <= 64 and text.isprintable()
        require(plain, Reason.TRACE_CHIP_CLASS_UNKNOWN, column, f'"{text[:40]}" is no name of a chip class')
        return text

    def known(self, text: str, column: str) -> str:
        """Return a chip class as it is, if the agreement has it.

        Raises:
            Refused: TRACE_CHIP_CLASS_UNKNOWN.
        """
        agreed = self.known_classes is None or text in self.known_classes
        detail = f'"{text[:40]}" is not in the chip table of the agreement; map it in mapping.toml, chips'
        require(agreed, Reason.TRACE_CHIP_CLASS_UNKNOWN, column, detail)
        return self.name(text, column)


@dataclass(frozen=True, slots=True)
class Source:
    """An opened input: a table, or a JSON document."""

    name: str
    table: Table | None = None
    document: object = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Column names of a table, top-level keys of a document."""
        if self.table is not None:
            return self.table.columns
        return tuple(self.document) if isinstance(self.document, dict) else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a collector found: job records still to be added up, or figures that already are.

    Attributes:
        jobs: records of chips held.
        figures: finished figures.
        inventory: chips installed by start of period and chip class, where the input states them.
    """

    jobs: Sequence[JobRecord] = ()
    figures: Sequence[PeriodFigures] = ()
    inventory: Mapping[int, Mapping[str, int]] | None = None


def need(source: Source, wanted: Mapping[str, str | None]) -> None:
    """Refuse a table that lacks a column that its format cannot do without.

    Args:
        source: the input.
        wanted: what is needed, in words, with the column found for it or None.
    """
    missing = [words for words, column in wanted.items() if column is None]
    detail = f"no column for {' and none for '.join(missing)}; seen: {', '.join(source.columns)}"
    require(not missing, Reason.TRACE_COLUMN_MISSING, source.name, detail)


def require_span(first: int, last: int, period: int, name: str) -> None:
    """Refuse times so far apart that one of them must be wrong; times in Unix seconds.

    Raises:
        Refused: TRACE_SPAN.
    """
    count = last // period - first // period + 1
    detail = f"times from {first} to {last} s span {count} periods of {period} s, more than {MAX_PERIODS}"
    require(count <= MAX_PERIODS, Reason.TRACE_SPAN, name, detail)
