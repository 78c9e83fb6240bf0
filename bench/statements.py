"""Attestations of the usual size: a site with two classes of chips and twelve rows of use, about 530 bytes of body."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

from protocol.authoring import Draft
from protocol.wire import encode
from standstill.v1 import compute_pb2, header_pb2
from standstill.v1 import quantity_pb2 as q

if TYPE_CHECKING:
    from protocol.agreement import Agreement

FIRST: Final = "H100-SXM"
SECOND: Final = "A100-SXM-80"

_TRAINING: Final = (q.LABEL_TRAIN, q.LABEL_POST_TRAIN)
_BOTH: Final = (
    *((FIRST, label) for label in (*_TRAINING, q.LABEL_ROLLOUT, q.LABEL_INFERENCE, q.LABEL_EVAL, q.LABEL_IDLE)),
    *((SECOND, label) for label in (q.LABEL_ROLLOUT, q.LABEL_INFERENCE, q.LABEL_EVAL, q.LABEL_SAFETY)),
    *((SECOND, label) for label in (q.LABEL_MAINTENANCE, q.LABEL_IDLE)),
)


def attestation(agreement: Agreement, period: int, site: bytes) -> Draft:
    """A well-formed attestation; its figures vary with the period and agree with nothing else."""
    body = compute_pb2.ComputeAttestation(
        start=agreement.start_of(period),
        end=agreement.end_of(period),
        inventory=[_inventory(FIRST, 2_048), _inventory(SECOND, 1_024)],
        use=[_use(chip, label, 360_000 + period % 1_000) for chip, label in _BOTH],
        energy=quantity(1_440_000 + period % 1_000, q.UNIT_WATT_HOUR),
        mapping=sha256(b"mapping").digest(),
    )
    return Draft(kind=header_pb2.KIND_COMPUTE_ATTESTATION, body=encode(body), period=period, site=site)


def quantity(value: int, unit: q.Unit.ValueType, ppm: int = 1_000) -> q.Quantity:
    """A measured quantity with its uncertainties."""
    return q.Quantity(value=value, unit=unit, basis=q.BASIS_MEASURED, random_ppm=ppm, systematic_ppm=ppm)


def chips(number: int) -> q.Quantity:
    """A count."""
    return q.Quantity(value=number, unit=q.UNIT_CHIP, basis=q.BASIS_MEASURED)


def _inventory(chip_class: str, number: int) -> compute_pb2.Inventory:
    return compute_pb2.Inventory(chip_class=chip_class, chips=chips(number))


def _use(chip_class: str, label: q.Label.ValueType, seconds: int) -> compute_pb2.Use:
    trains = label in _TRAINING
    return compute_pb2.Use(
        chip_class=chip_class,
        label=label,
        held=quantity(seconds, q.UNIT_CHIP_SECOND),
        operations=quantity(seconds * 400, q.UNIT_TERAFLOP) if trains else None,
        format=q.NUMBER_FORMAT_BF16_DENSE if trains else q.NUMBER_FORMAT_UNSPECIFIED,
    )
