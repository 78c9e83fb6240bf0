"""From evidence to a program: columns first, then every family of rows in the order of the annex (bound, 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from bound.columns import Layout, lay_out
from bound.families import challenge, declared, energy, meter, power, stock, together
from bound.program import Builder, Program

if TYPE_CHECKING:
    from bound.evidence import Evidence, Integers

FAMILIES: Final = (declared.rows, power.rows, energy.rows, meter.rows, together.rows, stock.rows, challenge.rows)


@dataclass(frozen=True, slots=True)
class Assembled:
    """A program with what its columns mean.

    Attributes:
        program: the rows.
        layout: the columns.
        covert: covert training of each column, gigaFLOP per unit.
        misdeclared: 1 for each column that counts chip-seconds of something undeclared.
    """

    program: Program
    layout: Layout
    covert: Integers
    misdeclared: Integers


def assemble(evidence: Evidence) -> Assembled:
    """All columns and rows."""
    builder = Builder()
    layout = lay_out(evidence, builder)
    for rows in FAMILIES:
        rows(evidence, layout, builder)
    program = builder.build()
    covert = np.zeros(len(program.caps), np.int64)
    misdeclared = np.zeros(len(program.caps), np.int64)
    for channel in layout.channels:
        if channel.way not in evidence.left_open:
            covert[channel.columns] = channel.rates
    for site in layout.sites:
        for held in site.works:
            misdeclared[held.false] = misdeclared[held.hidden] = 1
    for columns in (*layout.elsewhere.values(), *layout.rented.values()):
        misdeclared[columns] = 1
    return Assembled(program, layout, covert, misdeclared)
