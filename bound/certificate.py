"""What multipliers prove, in integers: the published number needs no solver and no float (annex: bound, 5.2).

For any multipliers y, not negative where a row is an inequality, and every history x of the program,

    gain . x  <=  y . limits + sum over columns max(0, gain - A^T y) x cap

because A x <= limits, 0 <= x <= caps. So whoever finds the multipliers need not be trusted: bad ones give a large
number, never a false one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from protocol.errors import Reason, require

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bound.evidence import Integers
    from bound.program import Program

SCALE_BITS: Final = 40
"""Multipliers are fixed-point numbers with so many bits behind the point."""


def proven(program: Program, gain: Integers, multipliers: Sequence[int]) -> int:
    """The greatest value of `gain . x` that the multipliers leave possible, rounded up.

    Args:
        program: the rows.
        gain: gain of each column.
        multipliers: one for each row, times 2^40.

    Raises:
        Refused: CERTIFICATE_MALFORMED if there are too few or too many, or one of an inequality is negative.
    """
    require(len(multipliers) == len(program.limits), Reason.CERTIFICATE_MALFORMED, "multipliers", "one for each row")
    y = np.array(multipliers, dtype=object)
    negative = bool(np.any(y[~program.equal] < 0))
    require(not negative, Reason.CERTIFICATE_MALFORMED, "multipliers", "below 0 for an inequality")
    total = int(np.dot(y, program.limits.astype(object))) if len(y) else 0
    used = _weighted(program, y)
    left = (gain.astype(object) << SCALE_BITS) - used
    open_ = left > 0
    total += int(np.dot(left[open_], program.caps[open_].astype(object)))
    return -(-total >> SCALE_BITS)


def _weighted(program: Program, multipliers: np.ndarray[tuple[int], np.dtype[np.object_]]) -> Integers:
    """A^T y, exactly: sums of big integers by column."""
    held = multipliers[program.rows] != 0
    columns = program.columns[held]
    order = np.argsort(columns, kind="stable")
    parts = program.coefficients[held][order].astype(object) * multipliers[program.rows[held][order]]
    sums = np.zeros(len(program.caps), dtype=object)
    if len(parts):
        first = np.flatnonzero(np.diff(columns[order], prepend=-1))
        sums[columns[order][first]] = np.add.reduceat(parts, first)
    return sums
