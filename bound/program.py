"""A linear program in integers: columns with caps, rows with owners, and nothing that rounds (annex: bound, 5.2).

Rows are `sum coefficient x value <= limit`, or equalities between bookkeeping columns. All values are at least 0, so a
coefficient rounded down and a limit rounded up only add histories: the largest covert training stays an upper bound.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bound.evidence import Integers

NOBODY: Final[frozenset[str]] = frozenset()
"""Owners of the lab's own word, which is always kept, and of arithmetic."""


class Rows(NamedTuple):
    """Rows that one function built for one source.

    Attributes:
        family: the kind of row: `meter`, `stock`, ...
        owners: control groups without each of which the rows fall; none for the lab's own word and for arithmetic.
        what: the instrument, for people: a site, a class, an operator.
        first: number of the first row.
        stop: number after the last.
    """

    family: str
    owners: frozenset[str]
    what: str
    first: int
    stop: int


@dataclass(frozen=True, slots=True)
class Program:
    """Columns and rows, as arrays. Entries are in the order of their rows.

    Attributes:
        caps: greatest value of each column.
        sizes: what each column usually comes to, at least 1: for the solver, whose floats resolve no more.
        rows: of each entry.
        columns: of each entry.
        coefficients: of each entry.
        limits: right-hand side of each row.
        equal: whether a row is an equality.
        sources: who stands behind which rows, in the order of the rows.
    """

    caps: Integers
    sizes: Integers
    rows: Integers
    columns: Integers
    coefficients: Integers
    limits: Integers
    equal: np.ndarray[tuple[int], np.dtype[np.bool_]]
    sources: tuple[Rows, ...]


@dataclass(slots=True)
class Builder:
    """A program in the making."""

    _caps: list[Integers] = field(default_factory=list)
    _sizes: list[Integers] = field(default_factory=list)
    _width: int = 0
    _entries: list[tuple[Integers, Integers, Integers]] = field(default_factory=list)
    _limits: list[Integers] = field(default_factory=list)
    _equal: list[tuple[bool, int]] = field(default_factory=list)
    _height: int = 0
    _sources: list[Rows] = field(default_factory=list)

    def new(self, caps: Integers | Sequence[int], usual: int | None = None) -> Integers:
        """New columns, as many as caps; returned are their numbers.

        Args:
            caps: greatest values.
            usual: what they usually come to, where the caps are far from it.
        """
        given = np.asarray(caps, np.int64)
        numbers = np.arange(self._width, self._width + given.size, dtype=np.int64).reshape(given.shape)
        self._caps.append(given.ravel())
        self._sizes.append(np.clip(given.ravel(), 1, usual))
        self._width += given.size
        return numbers

    def add(
        self,
        family: str,
        *terms: tuple[Integers, Integers | int],
        to: Integers | int,
        owners: frozenset[str] = NOBODY,
        what: str = "",
    ) -> None:
        """Rows of the form `sum of terms <= to`; see :meth:`balance` for equalities.

        Args:
            family: kind of row.
            terms: columns with their coefficients; the first axis of the columns counts the rows, others are summed.
            to: limit of each row, or of all.
            owners: control groups without each of which the rows fall.
            what: the instrument.
        """
        self._append(family, terms, to, owners, what, equal=False)

    def balance(self, family: str, *terms: tuple[Integers, Integers | int]) -> None:
        """Rows of the form `sum of terms = 0`: arithmetic, which nobody owns and no budget pays for."""
        self._append(family, terms, 0, NOBODY, "", equal=True)

    def _append(
        self,
        family: str,
        terms: Sequence[tuple[Integers, Integers | int]],
        to: Integers | int,
        owners: frozenset[str],
        what: str,
        *,
        equal: bool,
    ) -> None:
        height = len(terms[0][0])
        for columns, coefficients in terms:
            wide = columns.reshape(height, -1)
            given = np.broadcast_to(np.asarray(coefficients, np.int64), columns.shape).reshape(wide.shape)
            numbers = np.broadcast_to(self._height + np.arange(height)[:, None], wide.shape)
            kept = given != 0
            self._entries.append((numbers[kept], wide[kept], given[kept]))
        self._limits.append(np.broadcast_to(np.asarray(to, np.int64), (height,)))
        self._equal.append((equal, height))
        self._sources.append(Rows(family, owners, what, self._height, self._height + height))
        self._height += height

    def build(self) -> Program:
        """The program."""
        rows, columns, coefficients = (np.concatenate(parts) for parts in zip(*self._entries, strict=True))
        order = np.argsort(rows, kind="stable")
        return Program(
            caps=np.concatenate(self._caps),
            sizes=np.concatenate(self._sizes),
            rows=rows[order],
            columns=columns[order],
            coefficients=coefficients[order],
            limits=np.concatenate(self._limits),
            equal=np.repeat([equal for equal, _ in self._equal], [height for _, height in self._equal]),
            sources=tuple(self._sources),
        )


def fixed(program: Program, columns: Integers) -> Program:
    """The program in which some columns are nothing."""
    caps = program.caps.copy()
    caps[columns] = 0
    return replace(program, caps=caps)


def keeping(program: Program, sources: Iterable[Rows]) -> Program:
    """The program with the rows of some sources alone."""
    kept = np.zeros(len(program.limits), np.bool_)
    moved: list[Rows] = []
    height = 0
    for source in sources:
        kept[source.first : source.stop] = True
        moved.append(source._replace(first=height, stop=height + source.stop - source.first))
        height += source.stop - source.first
    numbers = np.cumsum(kept) - 1
    entries = kept[program.rows]
    return Program(
        caps=program.caps,
        sizes=program.sizes,
        rows=numbers[program.rows[entries]],
        columns=program.columns[entries],
        coefficients=program.coefficients[entries],
        limits=program.limits[kept],
        equal=program.equal[kept],
        sources=tuple(moved),
    )
