"""What a lab did in the periods of a baseline, summed once for every case that is measured by it (spec: checks, 9).

A baseline may span months and is asked for at every closing of a restriction; the sums stay the same until a late word
adds to them. They do not depend on which labels a cap or a level counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from protocol.statements.quantities import TRAINING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from typing import TypeAlias

    from standstill.v1.assessment_pb2 import StatementRef
    from standstill.v1.compute_pb2 import ComputeAttestation
    from standstill.v1.header_pb2 import Header

    Done: TypeAlias = Mapping[int, tuple[int, int]]

WHOLE: Final = 1_000_000
"""Parts per million."""


class PastWork(NamedTuple):
    """What was attested of some periods. `Done` gives by label the chip-seconds, and the teraFLOP as far as stated.

    Attributes:
        periods: how many, those that are not attested included: what was not said counts as nothing.
        once: sum over the sites and periods of which one thing was said.
        again: for each other site and period, all that was said.
        refs: the attestations, in the order of the log.
    """

    periods: int
    once: Done
    again: tuple[tuple[Done, ...], ...]
    refs: tuple[StatementRef, ...]

    def held(self, labels: Collection[int]) -> int:
        """Chip-seconds of some labels."""
        return self._sum(0, labels)

    def trained(self, labels: Collection[int]) -> int:
        """TeraFLOP of those labels for which a lab must state them: a word that may be left out costs nobody."""
        return self._sum(1, TRAINING.intersection(labels))

    def share(self, total: int, periods: int, ppm: int) -> int:
        """A share, parts per million, of what one of the totals amounts to in so many periods, rounded down."""
        return total * periods * ppm // (self.periods * WHOLE)

    def _sum(self, quantity: int, labels: Collection[int]) -> int:
        def of(done: Done) -> int:
            return sum(amounts[quantity] for label, amounts in done.items() if label in labels)

        # Of several statements on one site and period the smallest counts: saying it twice must not say more.
        return of(self.once) + sum(min(map(of, said)) for said in self.again)


def past_work(over: range, statements: Iterable[tuple[Header, ComputeAttestation, StatementRef]]) -> PastWork:
    """The sums of the statements that speak of the periods of a baseline, in the order of the log."""
    said: dict[tuple[int, bytes], list[Done]] = {}
    refs = []
    for header, body, ref in statements:
        if header.period in over:
            said.setdefault((header.period, header.site), []).append(_done(body))
            refs.append(ref)
    return PastWork(
        periods=len(over),
        once=_joined(found for found, *more in said.values() if not more),
        again=tuple(tuple(found) for found in said.values() if len(found) > 1),
        refs=tuple(refs),
    )


def _done(attestation: ComputeAttestation) -> Done:
    return _joined({use.label: (use.held.value, use.operations.value)} for use in attestation.use)


def _joined(parts: Iterable[Done]) -> Done:
    found: dict[int, tuple[int, int]] = {}
    for part in parts:
        for label, (held, teraflop) in part.items():
            before = found.get(label, (0, 0))
            found[label] = before[0] + held, before[1] + teraflop
    return found
