"""ComputeAttestation, HaltReport, Transfer: what a lab says of its own compute (design section 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from protocol.errors import Reason, Refused, require
from protocol.statements.quantities import (
    TRAINING,
    require_class,
    require_count,
    require_energy,
    require_label,
    require_quantity,
    require_span,
)
from protocol.wire import MAX_UINT, require_digest
from standstill.v1 import agreement_pb2
from standstill.v1 import compute_pb2 as pb
from standstill.v1 import quantity_pb2 as q

if TYPE_CHECKING:
    from protocol.agreement import Agreement
    from standstill.v1.header_pb2 import Header

MAX_ID: Final = 128
_HOLDERS: Final = (agreement_pb2.ROLE_LAB, agreement_pb2.ROLE_SUPPLIER)


def attestation(body: pb.ComputeAttestation, header: Header, agreement: Agreement) -> None:
    """One site, one period: every class once, every class, label and exemption once, every figure in its unit."""
    require_span(body.start, body.end, header.period, agreement, "attestation")
    chips = {row.chip_class for row in body.inventory}
    require(len(chips) == len(body.inventory), Reason.ROW_TWICE, "attestation.inventory", "each class once")
    for item in body.inventory:
        require_class(item.chip_class, agreement, "attestation.inventory")
        require_count(item, "chips", "attestation.inventory")
    uses = list(body.use)
    rows = [(row.chip_class, row.label, row.exemption) for row in uses]
    require(len(set(rows)) == len(rows), Reason.ROW_TWICE, "attestation.use", "each class, label and exemption once")
    held = 0
    for use, row in zip(uses, rows, strict=True):
        held += _use(use, row, chips, agreement)
    require(held <= MAX_UINT, Reason.QUANTITY_OUT_OF_RANGE, "attestation.use.held", "the sum overflows")
    if body.HasField("energy"):
        require_energy(body, "energy", "attestation")
    if body.mapping:
        require_digest(body.mapping, "attestation.mapping")
    _runs(body)


def _runs(body: pb.ComputeAttestation) -> None:
    """Runs by name, each once, with their accelerators and operations."""
    names = [run.run for run in body.runs]
    require(names == sorted(set(names)), Reason.ORDER_MISMATCH, "attestation.runs", "sorted by name, each once")
    for run in body.runs:
        _id(run.run, "attestation.runs.run")
        require_label(run.label, "attestation.runs")
        require_count(run, "chips", "attestation.runs")
        require_quantity(run, "operations", q.UNIT_TERAFLOP, "attestation.runs")


def _use(use: pb.Use, row: tuple[str, q.Label.ValueType, str], chips: set[str], agreement: Agreement) -> int:
    """Check one row of use, given its class, label and exemption; its chip-seconds."""
    where, (chip_class, label, exemption) = "attestation.use", row
    # With `if`, because it runs for every row of every attestation.
    if chip_class not in chips:
        raise Refused(Reason.CHIP_CLASS_UNKNOWN, f"{where}.chip_class", f"{chip_class!r}: no inventory")
    require_label(label, where)
    if exemption:
        known = {granted.name for level in agreement.levels.values() for granted in level.exemptions}
        require(exemption in known, Reason.NAME_UNKNOWN, f"{where}.exemption", repr(exemption))
    held = require_quantity(use, "held", q.UNIT_CHIP_SECOND, where)
    if use.HasField("operations"):
        require_quantity(use, "operations", q.UNIT_TERAFLOP, where)
        if use.format not in [peak.format for peak in agreement.chips[chip_class].peaks]:
            raise Refused(Reason.FORMAT_UNKNOWN, f"{where}.format", f"{use.format} for {chip_class}")
    elif label in TRAINING:
        raise Refused(Reason.QUANTITY_ABSENT, f"{where}.operations", f"stated for {q.Label.Name(label)}")
    return held


def halt_report(body: pb.HaltReport, header: Header, agreement: Agreement) -> None:
    """What was stopped, each run once, each last checkpoint sealed."""
    del header
    require(body.level in agreement.levels, Reason.NAME_UNKNOWN, "halt_report.level", str(body.level))
    # A brake stops work before there was an episode.
    numbered = body.episode >= 1 or agreement.levels[body.level].HasField("brake")
    require(numbered, Reason.EPISODE_MISMATCH, "halt_report.episode", "from 1")
    names = {run.run for run in body.runs}
    require(len(names) == len(body.runs), Reason.ROW_TWICE, "halt_report.runs", "each run once")
    for run in body.runs:
        _id(run.run, "halt_report.runs.run")
        require_label(run.label, "halt_report.runs")
        require_count(run, "chips", "halt_report.runs")
        require_quantity(run, "operations", q.UNIT_TERAFLOP, "halt_report.runs")
        require_digest(run.sealed_checkpoint, "halt_report.runs.sealed_checkpoint")


def transfer(body: pb.Transfer, header: Header, agreement: Agreement) -> None:
    """One side of a movement of chips, with another party on the other side."""
    _id(body.id, "transfer.id")
    sides = {pb.DIRECTION_DISPATCH, pb.DIRECTION_RECEIPT}
    require(body.direction in sides, Reason.VALUE_OUT_OF_RANGE, "transfer.direction", str(body.direction))
    holds_chips = any(agreement.has_role(body.counterparty, role) for role in _HOLDERS)
    other = holds_chips and body.counterparty != header.author
    require(other, Reason.NAME_UNKNOWN, "transfer.counterparty", f"{body.counterparty!r}: another lab or a supplier")
    require_class(body.chip_class, agreement, "transfer")
    moved = require_count(body, "chips", "transfer")
    require(moved > 0, Reason.QUANTITY_OUT_OF_RANGE, "transfer.chips", "at least one")


def _id(value: str, where: str) -> None:
    require(0 < len(value) <= MAX_ID and value.isprintable(), Reason.NAME_MALFORMED, where, repr(value[:MAX_ID]))
