"""Figures of a period to the statement that a lab signs. Pure: the same figures give the same statement."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from node.collect import EnergyBasis, NamedExemption, PeriodFigures
from protocol.agreement import Agreement
from protocol.authoring import Draft
from protocol.errors import Reason, Refused, require
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


def require_exemptions(named: Iterable[NamedExemption], terms: Agreement) -> None:
    """Refuse what names an exemption that no level of the terms in force has for the label of the work.

    It would be attested as forbidden work. A name that only another level has is no mistake: who maps does not know
    which level comes.

    Raises:
        Refused: NAME_UNKNOWN with the place that names it.
    """
    agreed = {one.name: set[int]() for level in terms.levels.values() for one in level.exemptions}
    for level in terms.levels.values():
        for one in level.exemptions:
            agreed[one.name].update(one.labels)
    for item in named:
        known = ", ".join(sorted(agreed)) or "none"
        what = f"{item.exemption!r} is no exemption of the terms in force; known: {known}"
        require(item.exemption in agreed, Reason.NAME_UNKNOWN, item.place, what)
        fits = label_of(item.label) in agreed[item.exemption]
        labels = ", ".join(q.Label.Name(q.Label.ValueType(one)) for one in sorted(agreed[item.exemption]))
        require(fits, Reason.NAME_UNKNOWN, item.place, f"{item.exemption} exempts {labels}, not {item.label}")


def label_of(name: str) -> q.Label.ValueType:
    """A label by its name in records and mappings."""
    return q.Label.Value(f"LABEL_{name.upper()}")


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
            _use(chip_class, label, exemption, held, agreement, claims)
            for (chip_class, label, exemption), held in sorted(_by_exemption(figures).items())
        ],
        energy=_energy(figures, claims),
        mapping=claims.mapping,
    )
    return Draft(kind=header_pb2.KIND_COMPUTE_ATTESTATION, body=encode(body), period=period, site=site)


def _by_exemption(figures: PeriodFigures) -> dict[tuple[str, str, str], int]:
    """Chip-seconds by class, label and exemption; the exemption is empty for what is under none."""
    rows = {(*pair, ""): held for pair, held in figures.chip_seconds.items()}
    for (chip_class, name, exemption), held in figures.exempt.items():
        rows[chip_class, name, exemption] = held
        rows[chip_class, name, ""] -= held
    return {place: held for place, held in rows.items() if held}


def _use(
    chip_class: str, name: str, exemption: str, held: int, agreement: Agreement, claims: Claims
) -> compute_pb2.Use:
    """One row of use; labels that train carry operations."""
    require_class(chip_class, agreement, "attestation.use")
    label = label_of(name)
    # What users steer is judged, not counted (docs/traces.md).
    basis = q.BASIS_ESTIMATED if claims.estimated_ppm else q.BASIS_MEASURED
    row = compute_pb2.Use(
        chip_class=chip_class, label=label, exemption=exemption, held=_quantity(held, q.UNIT_CHIP_SECOND, basis)
    )
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
