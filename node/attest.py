"""Figures of a period to the statement that a lab signs. Pure: the same figures give the same statement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from node.collect import EnergyBasis, PeriodFigures
from protocol.agreement import Agreement
from protocol.authoring import Draft
from protocol.errors import Reason, Refused
from protocol.statements.quantities import TRAINING, require_class
from protocol.wire import encode
from standstill.v1 import compute_pb2, header_pb2
from standstill.v1 import quantity_pb2 as q

_BASES: Final = {
    EnergyBasis.MEASURED: q.BASIS_MEASURED,
    EnergyBasis.CALCULATED: q.BASIS_CALCULATED,
    EnergyBasis.ESTIMATED: q.BASIS_ESTIMATED,
}
_GIGAFLOP_PPM_PER_TERAFLOP: Final = 1_000 * 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a lab says of its figures beyond the figures.

    Attributes:
        energy_random_ppm: random uncertainty of watt-hours, ppm.
        energy_systematic_ppm: systematic uncertainty of watt-hours, ppm.
        format: number format of operations.
        utilisation_ppm: share of the peak that training does, ppm.
        operations_systematic_ppm: systematic uncertainty of that share, ppm.
        estimated_ppm: share of chip-seconds labelled by what users can steer, ppm.
        mapping: SHA-256 of the mapping, 32 bytes; empty where there was none.
    """

    energy_random_ppm: int = 0
    energy_systematic_ppm: int = 0
    format: q.NumberFormat.ValueType = q.NUMBER_FORMAT_BF16_DENSE
    utilisation_ppm: int = 1_000_000
    operations_systematic_ppm: int = 0
    estimated_ppm: int = 0
    mapping: bytes = b""


def attestation(figures: PeriodFigures, agreement: Agreement, period: int, site: bytes, claims: Claims) -> Draft:
    """The attestation of one site and period; chip-seconds stand in it exactly as they were collected.

    Args:
        figures: of this site and this period.
        agreement: the terms.
        period: number of the period.
        site: handle, 16 bytes.
        claims: what the lab says beyond the figures.

    Raises:
        Refused: CHIP_CLASS_UNKNOWN, FORMAT_UNKNOWN where the agreement has no rate for a class in this format.
    """
    body = compute_pb2.ComputeAttestation(
        start=agreement.start_of(period),
        end=agreement.end_of(period),
        inventory=[
            compute_pb2.Inventory(chip_class=name, chips=_quantity(count, q.UNIT_CHIP, q.BASIS_MEASURED))
            for name, count in sorted(figures.chips.items())
        ],
        use=[
            _use(chip_class, label, held, agreement, claims)
            for (chip_class, label), held in sorted(figures.chip_seconds.items())
        ],
        energy=_energy(figures, claims),
        mapping=claims.mapping,
    )
    return Draft(kind=header_pb2.KIND_COMPUTE_ATTESTATION, body=encode(body), period=period, site=site)


def _use(chip_class: str, name: str, held: int, agreement: Agreement, claims: Claims) -> compute_pb2.Use:
    """One row of use; labels that train carry operations."""
    require_class(chip_class, agreement, "attestation.use")
    label = q.Label.Value(f"LABEL_{name.upper()}")
    # What users steer is judged, not counted (docs/traces.md).
    basis = q.BASIS_ESTIMATED if claims.estimated_ppm else q.BASIS_MEASURED
    row = compute_pb2.Use(chip_class=chip_class, label=label, held=_quantity(held, q.UNIT_CHIP_SECOND, basis))
    row.held.systematic_ppm = claims.estimated_ppm
    if label in TRAINING:
        row.operations.CopyFrom(_operations(chip_class, held, agreement, claims))
        row.format = claims.format
    return row


def _operations(chip_class: str, held: int, agreement: Agreement, claims: Claims) -> q.Quantity:
    """Calculated: chip-seconds x peak x utilisation, rounded up, but never above what the chips can do."""
    peak = _peak(chip_class, agreement, claims)
    teraflop = -(-held * peak * claims.utilisation_ppm // _GIGAFLOP_PPM_PER_TERAFLOP)
    quantity = _quantity(min(teraflop, held * peak // 1_000), q.UNIT_TERAFLOP, q.BASIS_CALCULATED)
    quantity.systematic_ppm = claims.operations_systematic_ppm
    return quantity


def _peak(chip_class: str, agreement: Agreement, claims: Claims) -> int:
    """Dense peak of a class in the format that operations are counted in, 10^9 operations a second."""
    for row in agreement.chips[chip_class].peaks:
        if row.format == claims.format:
            return row.gigaflop_per_second
    known = ", ".join(q.NumberFormat.Name(row.format) for row in agreement.chips[chip_class].peaks)
    what = f"the agreement has no rate of {chip_class} for it, only {known}"
    raise Refused(Reason.FORMAT_UNKNOWN, q.NumberFormat.Name(claims.format), what)


def _energy(figures: PeriodFigures, claims: Claims) -> q.Quantity | None:
    """Watt-hours on the basis that the records state; none where they were not measured, which is not zero."""
    if figures.watt_hours is None or figures.energy_basis is EnergyBasis.NONE:
        return None
    quantity = _quantity(figures.watt_hours, q.UNIT_WATT_HOUR, _BASES[figures.energy_basis])
    quantity.random_ppm, quantity.systematic_ppm = claims.energy_random_ppm, claims.energy_systematic_ppm
    return quantity


def _quantity(value: int, unit: q.Unit.ValueType, basis: q.Basis.ValueType) -> q.Quantity:
    return q.Quantity(value=value, unit=unit, basis=basis)
