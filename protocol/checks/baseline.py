"""What a lab did before a restriction: the rate that shares of a baseline are of (spec: checks, 9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from protocol.exemptions import exemption_of
from protocol.statements.quantities import TRAINING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from protocol.case import Case, Cited
    from standstill.v1 import agreement_pb2
    from standstill.v1.assessment_pb2 import StatementRef
    from standstill.v1.compute_pb2 import ComputeAttestation, Use

WHOLE: Final = 1_000_000
"""Parts per million."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """Sums over the periods of a baseline.

    Attributes:
        periods: how many, those that are not attested included: what was not said counts as nothing.
        held: chip-seconds.
        trained: teraFLOP of the labels for which a lab must state operations.
        refs: attestations that they are from.
    """

    periods: int
    held: int
    trained: int
    refs: tuple[StatementRef, ...]

    def share(self, total: int, periods: int, ppm: int) -> int:
        """A share, parts per million, of what one of the totals amounts to in so many periods, rounded down."""
        return total * periods * ppm // (self.periods * WHOLE)


def baseline(case: Case, labels: Collection[int]) -> Baseline | None:
    """The baseline of the work of some labels; None where the lab attested nothing of it, or the terms define none."""
    over = case.duty.baseline
    statements = [statement for statement in case.window if statement.header.period in over]
    if not statements:
        return None
    refs = tuple(statement.ref for statement in statements)
    # Of several statements on one site and period the smallest counts: saying it twice must not say more.
    return Baseline(len(over), total(statements, labels, held, min), total(statements, labels, trained, min), refs)


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
