"""Sums of work over sites and periods, for what a level limits (spec: checks, 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.exemptions import exemption_of
from protocol.statements.quantities import TRAINING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from protocol.case import Cited
    from standstill.v1 import agreement_pb2
    from standstill.v1.compute_pb2 import ComputeAttestation, Use


def total(
    statements: Iterable[Cited[ComputeAttestation]],
    labels: Collection[int],
    amount: Callable[[Iterable[Use]], int],
    chosen: Callable[[Iterable[int]], int],
    beside: agreement_pb2.Level | None = None,
) -> int:
    """Sum of an amount over sites and periods; of several statements on one site and period one is chosen.

    What counts under an exemption of the level `beside` has a ledger of its own.
    """
    said: dict[tuple[int, bytes], list[int]] = {}
    for statement in statements:
        uses = (use for use in statement.body.use if use.label in labels)
        found = amount(use for use in uses if beside is None or not exemption_of(beside, use))
        said.setdefault((statement.header.period, statement.header.site), []).append(found)
    return sum(map(chosen, said.values()))


def held(uses: Iterable[Use]) -> int:
    """Chip-seconds."""
    return sum(use.held.value for use in uses)


def operations(uses: Iterable[Use]) -> int:
    """Operations as far as they are stated, teraFLOP."""
    return sum(use.operations.value for use in uses)


def trained(uses: Iterable[Use]) -> int:
    """Operations of the labels for which they must be stated, teraFLOP: a word that may be left out costs nobody."""
    return operations(use for use in uses if use.label in TRAINING)
