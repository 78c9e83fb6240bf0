"""Which statements contradict each other: a smallest set that no history satisfies (annex: bound, 7).

Two questions. Do the independent sources contradict each other? Then not even false declarations explain them. And what
contradicts the declarations? Then nothing does while all of them are true.

Minimal means: without any one of them a history exists. Several such sets may exist, and it need not be the smallest;
no member of one is called the liar.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from bound.assembly import assemble
from bound.certificate import proven
from bound.program import Program, fixed, keeping
from bound.solver import maximise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bound.evidence import Evidence
    from bound.program import Rows

_MOST: Final = 2.0**61
_COST: Final = 1 << 60


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Sources that cannot all be right.

    Attributes:
        sources: of the set, in the order of their rows.
        declarations: whether true declarations are one of its members; else the independent sources alone disagree.
        multipliers: prove that no history satisfies the set, one for each of its rows.
    """

    sources: tuple[Rows, ...]
    declarations: bool
    multipliers: tuple[int, ...]


def contradiction(evidence: Evidence) -> Contradiction | None:
    """A minimal contradicting set; None where some history with true declarations satisfies everything."""
    made = assemble(evidence)
    truthful = fixed(made.program, np.flatnonzero(made.misdeclared))
    for program, declarations in ((made.program, False), (truthful, True)):
        proof = impossible(program)
        if proof is not None:
            return _minimal(program, proof, declarations=declarations)
    return None


def impossible(program: Program) -> tuple[int, ...] | None:
    """Multipliers that prove that no history satisfies the rows; None where they were not found.

    A solver's word for it is not taken: the proof is checked in integers (annex: bound, 5.2).
    """
    elastic, gain = _elastic(program)
    found = maximise(elastic, gain)
    if found is None:
        return None
    nothing = np.zeros(len(program.caps), np.int64)
    proves = proven(program, nothing, found.multipliers) < 0
    return tuple(found.multipliers) if proves else None


def _elastic(program: Program) -> tuple[Program, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """The program in which every row may be violated at a price, relative to the most that one of its terms can be."""
    height, width = len(program.limits), len(program.caps)
    most = np.maximum(np.abs(program.limits).astype(float), 1.0)
    np.maximum.at(most, program.rows, np.abs(program.coefficients.astype(float)) * program.sizes[program.columns])
    size = np.minimum(most, _MOST).astype(np.int64)
    # An equality is violated on both sides.
    both = np.flatnonzero(program.equal)
    rows = np.concatenate([np.arange(height), both])
    slack = np.concatenate([-size, size[both]])
    made = Program(
        caps=np.concatenate([program.caps, np.full(len(rows), width + 1, np.int64)]),
        sizes=np.concatenate([program.sizes, np.ones(len(rows), np.int64)]),
        rows=np.concatenate([program.rows, rows]),
        columns=np.concatenate([program.columns, width + np.arange(len(rows))]),
        coefficients=np.concatenate([program.coefficients, slack]),
        limits=program.limits,
        equal=program.equal,
        sources=program.sources,
    )
    return made, np.concatenate([np.zeros(width, np.int64), np.full(len(rows), -_COST, np.int64)])


def _minimal(program: Program, proof: Sequence[int], *, declarations: bool) -> Contradiction:
    """Leave out one source after the other, as long as what is left is impossible."""
    kept = [source for source in program.sources if any(proof[source.first : source.stop])]
    left = tuple(proof)
    for source in list(kept):
        if not source.owners and not source.what:
            continue
        fewer = [one for one in kept if one is not source]
        shorter = impossible(keeping(program, fewer))
        if shorter is not None:
            kept, left = fewer, shorter
    if len(left) != sum(source.stop - source.first for source in kept):
        left = impossible(keeping(program, kept)) or ()
    return Contradiction(tuple(kept), declarations, left)
