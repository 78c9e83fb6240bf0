"""Where multipliers come from: HiGHS through SciPy. Nothing here is trusted (annex: bound, 5.2 and 9.5).

The solver works with floats on a scaled copy: columns by powers of two near their sizes, rows by their largest entry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array

from bound.certificate import SCALE_BITS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bound.evidence import Integers
    from bound.program import Program

SIMPLEX_BELOW: Final = 20_000
"""Rows up to which the simplex method is the faster one."""


@dataclass(frozen=True, slots=True)
class Solved:
    """An optimum as the solver sees it.

    Attributes:
        values: of the columns, in their units; approximate.
        multipliers: one for each row, times 2^40; what :func:`bound.certificate.proven` takes.
    """

    values: NDArray[np.float64]
    multipliers: list[int]


def maximise(program: Program, gain: Integers) -> Solved | None:
    """An approximate maximiser of `gain . x` and its multipliers; None where the solver found none."""
    width = np.exp2(np.ceil(np.log2(program.sizes)))
    scaled = program.coefficients * width[program.columns]
    height = np.ones(len(program.limits))
    np.maximum.at(height, program.rows, np.abs(scaled))
    height = np.exp2(np.ceil(np.log2(height)))
    shape = len(program.limits), len(program.caps)
    matrix = csr_array((scaled / height[program.rows], (program.rows, program.columns)), shape=shape)
    worth = gain * width
    unit = float(np.max(np.abs(worth), initial=1.0))
    equal, limits = program.equal, program.limits / height
    found = linprog(
        -worth / unit,
        A_ub=matrix[~equal],
        b_ub=limits[~equal],
        A_eq=matrix[equal] if equal.any() else None,
        b_eq=limits[equal] if equal.any() else None,
        bounds=np.column_stack([np.zeros(len(width)), program.caps / width]),
        method="highs" if len(equal) < SIMPLEX_BELOW else "highs-ipm",
    )
    if found.status != 0:
        return None
    y = np.zeros(len(equal))
    y[~equal] = -found.ineqlin.marginals
    if equal.any():
        y[equal] = -found.eqlin.marginals
    y *= unit / height
    return Solved(found.x * width, _fixed_point(y, equal))


def _fixed_point(multipliers: NDArray[np.float64], equal: NDArray[np.bool_]) -> list[int]:
    """Rounded down to fixed point; what the solver made negative by a hair is 0."""
    kept = np.where(equal, multipliers, np.maximum(multipliers, 0.0))
    return [int(value) for value in np.floor(np.ldexp(kept, SCALE_BITS))]
