"""Energy that declared use can have drawn, from the agreement's power intervals; shared by the energy checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from protocol.agreement import Agreement
    from standstill.v1.compute_pb2 import ComputeAttestation

MILLIWATT_SECONDS: Final = 3_600_000
"""Milliwatt-seconds in a watt-hour."""


def declared_range(agreement: Agreement, attestation: ComputeAttestation) -> tuple[int, int]:
    """Least and greatest energy of accelerators with their nodes, watt-hours, if every label is true (research D2)."""
    low = high = 0
    for use in attestation.use:
        for bound in agreement.chips[use.chip_class].power:
            if use.label in bound.labels:
                low += use.held.value * bound.low_milliwatt
                high += use.held.value * bound.high_milliwatt
    return low // MILLIWATT_SECONDS, -(-high // MILLIWATT_SECONDS)


def deviation(difference: int, sigma: int) -> int:
    """A difference in tenths of a standard deviation, rounded down; 0 where no deviation is stated."""
    return difference * 10 // sigma if sigma else 0
