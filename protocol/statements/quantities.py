"""Quantities: whole numbers in the one unit that their field takes (design section 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol.errors import Reason, Refused
from protocol.wire import MAX_UINT
from standstill.v1 import quantity_pb2 as pb

if TYPE_CHECKING:
    from protocol.agreement import Agreement

MAX_UNCERTAINTY_PPM: Final = 1_000_000
"""One hundred per cent: a figure known worse than that is none."""

MAX_ENERGY_UNCERTAINTY_PPM: Final = 50_000
"""Five per cent, the worst that the research's tables reckon with: an energy known worse contradicts nothing."""

TRAINING: Final = frozenset({pb.LABEL_TRAIN, pb.LABEL_POST_TRAIN})
"""Labels under which operations must be stated."""


def require_quantity(owner: object, name: str, unit: pb.Unit.ValueType, where: str) -> int:
    """The value of field `name` of `owner`, in `unit`.

    Raises:
        Refused: QUANTITY_ABSENT, QUANTITY_OUT_OF_RANGE, UNIT_MISMATCH, BASIS_UNKNOWN, UNCERTAINTY_OUT_OF_RANGE.
    """
    quantity: pb.Quantity = getattr(owner, name)
    value = quantity.value
    # Only a zero needs asking whether it was stated.
    if not value and not quantity.HasField("value"):
        raise Refused(Reason.QUANTITY_ABSENT, f"{where}.{name}.value", "state zero as 0")
    if value > MAX_UINT:
        raise Refused(Reason.QUANTITY_OUT_OF_RANGE, f"{where}.{name}.value", f"{value}, at most {MAX_UINT}")
    if quantity.unit != unit:
        found = f"{_name(pb.Unit, quantity.unit)}, not {pb.Unit.Name(unit)}"
        raise Refused(Reason.UNIT_MISMATCH, f"{where}.{name}.unit", found)
    if quantity.basis not in _BASES:
        raise Refused(Reason.BASIS_UNKNOWN, f"{where}.{name}.basis", _name(pb.Basis, quantity.basis))
    if quantity.random_ppm > MAX_UNCERTAINTY_PPM or quantity.systematic_ppm > MAX_UNCERTAINTY_PPM:
        found = f"{quantity.random_ppm}, {quantity.systematic_ppm} ppm"
        raise Refused(Reason.UNCERTAINTY_OUT_OF_RANGE, f"{where}.{name}", found)
    return value


def require_energy(owner: object, name: str, where: str) -> int:
    """An energy in watt-hours that is known well enough to be compared.

    Raises:
        Refused: as :func:`require_quantity`, and UNCERTAINTY_OUT_OF_RANGE above five per cent.
    """
    value = require_quantity(owner, name, pb.UNIT_WATT_HOUR, where)
    quantity: pb.Quantity = getattr(owner, name)
    if max(quantity.random_ppm, quantity.systematic_ppm) > MAX_ENERGY_UNCERTAINTY_PPM:
        found = f"{quantity.random_ppm}, {quantity.systematic_ppm} ppm; at most {MAX_ENERGY_UNCERTAINTY_PPM}"
        raise Refused(Reason.UNCERTAINTY_OUT_OF_RANGE, f"{where}.{name}", found)
    return value


def require_count(owner: object, name: str, where: str) -> int:
    """A counted number of chips: measured, without uncertainty, because items are counted (research T4).

    Raises:
        Refused: as :func:`require_quantity`, and UNCERTAINTY_OUT_OF_RANGE for an uncertain count.
    """
    value = require_quantity(owner, name, pb.UNIT_CHIP, where)
    quantity: pb.Quantity = getattr(owner, name)
    if quantity.random_ppm or quantity.systematic_ppm:
        raise Refused(Reason.UNCERTAINTY_OUT_OF_RANGE, f"{where}.{name}", "chips are counted: no uncertainty")
    return value


def require_label(label: int, where: str) -> None:
    """Refuse a label outside the closed list with LABEL_UNKNOWN."""
    if label not in _LABELS:
        raise Refused(Reason.LABEL_UNKNOWN, f"{where}.label", _name(pb.Label, label))


def require_class(chip_class: str, agreement: Agreement, where: str) -> None:
    """Refuse a class that the agreement's chip table lacks with CHIP_CLASS_UNKNOWN."""
    if chip_class not in agreement.chips:
        found = f"{chip_class!r}, the agreement knows {', '.join(agreement.chips)}"
        raise Refused(Reason.CHIP_CLASS_UNKNOWN, f"{where}.chip_class", found)


def require_span(start: int, end: int, period: int, agreement: Agreement, where: str) -> None:
    """Refuse a span that is not exactly the header's period with PERIOD_MISMATCH: then no two can overlap."""
    expected = (agreement.start_of(period), agreement.end_of(period))
    if (start, end) != expected:
        found = f"{start} to {end}; period {period} is {expected[0]} to {expected[1]}"
        raise Refused(Reason.PERIOD_MISMATCH, f"{where}.start", found)


_LABELS: Final = frozenset(pb.Label.values()) - {pb.LABEL_UNSPECIFIED}
_BASES: Final = frozenset(pb.Basis.values()) - {pb.BASIS_UNSPECIFIED}


def _name(enum: object, value: int) -> str:
    names: dict[int, str] = {number: name for name, number in enum.items()}  # type: ignore[attr-defined]
    return names.get(value, f"unknown value {value}")
