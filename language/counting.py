"""Whether counts can hold together: so many of these in such cells, at most so many of those in others.

Every test of labs in a condition says: of the control groups named, at least k have a value within some range. Several
such tests contradict each other exactly when no placement of the groups into the ranges between all thresholds
satisfies them all. Groups that no test tells apart are interchangeable, so only their number in each range is searched.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STEPS: Final = 50_000
"""Most steps for one question: about a tenth of a second."""


class Undecided(Exception):
    """A question that takes more steps than it is given."""


class Budget:
    """Steps that are left for a question."""

    def __init__(self, steps: int = STEPS) -> None:
        self._left = steps

    def spend(self) -> None:
        """Take one step.

        Raises:
            Undecided: none is left.
        """
        self._left -= 1
        if self._left < 0:
            raise Undecided


@dataclass(frozen=True, slots=True)
class Count:
    """A sum over units whose cell is one of some.

    Attributes:
        weights: what a unit adds, by name; a unit that is absent adds nothing.
        cells: indices of the cells that count.
        low: least sum.
        high: greatest sum.
    """

    weights: Mapping[str, int]
    cells: frozenset[int]
    low: int
    high: int


def possible(units: Sequence[str], cells: int, counts: Sequence[Count], budget: Budget) -> bool:
    """Whether the units can be placed in cells, each in exactly one, so that every count is within its limits.

    Raises:
        Undecided: the search would take too long.
    """
    alike = Counter(tuple(count.weights.get(unit, 0) for count in counts) for unit in units)
    kinds = [kind for kind in alike if any(kind)]
    if not cells:
        return not units
    # Cells that no count tells apart are one.
    patterns = sorted({tuple(cell in count.cells for count in counts) for cell in range(cells)}, reverse=True)
    search = _Search(counts, [(kind, alike[kind]) for kind in kinds], patterns, budget)
    return search.fits(0, 0, search.first(), tuple(0 for _ in counts))


class _Search:
    """Depth-first placement, kind by kind and cell by cell, cut where a count can no longer come right."""

    def __init__(
        self,
        counts: Sequence[Count],
        kinds: list[tuple[tuple[int, ...], int]],
        patterns: list[tuple[bool, ...]],
        budget: Budget,
    ) -> None:
        self._counts = counts
        self._kinds = kinds
        self._patterns = patterns
        self._budget = budget
        places = range(len(counts))
        # What the cells from one on can still do for a count: everything may count, everything must.
        self._may = [[any(p[c] for p in patterns[cell:]) for c in places] for cell in range(len(patterns))]
        self._must = [[all(p[c] for p in patterns[cell:]) for c in places] for cell in range(len(patterns))]

    def first(self) -> int:
        return self._kinds[0][1] if self._kinds else 0

    def fits(self, kind: int, cell: int, left: int, sums: tuple[int, ...]) -> bool:
        """Whether the rest can be placed: `left` units of this kind into the cells from this one on."""
        self._budget.spend()
        if kind == len(self._kinds):
            return all(count.low <= total <= count.high for count, total in zip(self._counts, sums, strict=True))
        if not self._open(kind, cell, left, sums):
            return False
        weights, _ = self._kinds[kind]
        pattern = self._patterns[cell]
        last = cell == len(self._patterns) - 1
        for here in (left,) if last else range(left, -1, -1):
            after = tuple(
                total + weight * here if counted else total
                for total, weight, counted in zip(sums, weights, pattern, strict=True)
            )
            following = self._kinds[kind + 1][1] if last and kind + 1 < len(self._kinds) else left - here
            if self.fits(kind + 1 if last else kind, 0 if last else cell + 1, following, after):
                return True
        return False

    def _open(self, kind: int, cell: int, left: int, sums: tuple[int, ...]) -> bool:
        weights, _ = self._kinds[kind]
        for place, count in enumerate(self._counts):
            later = sum(ws[place] * number for ws, number in self._kinds[kind + 1 :])
            most = (weights[place] * left if self._may[cell][place] else 0) + (later if self._may[0][place] else 0)
            least = (weights[place] * left if self._must[cell][place] else 0) + (later if self._must[0][place] else 0)
            if sums[place] + most < count.low or sums[place] + least > count.high:
                return False
        return True
