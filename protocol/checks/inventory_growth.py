"""Caps on the growth of a lab's inventory (spec: checks, 9)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from protocol.checks.finding import BREACHED, INCONCLUSIVE, figure, finding
from protocol.past_work import WHOLE
from standstill.v1 import agreement_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from protocol.case import Case, Cited
    from standstill.v1.assessment_pb2 import Finding
    from standstill.v1.compute_pb2 import ComputeAttestation

CODES: Final = {
    "inventory-grew": "The lab's inventory grew by more than the level in force allows.",
    "earlier-inventory-unknown": "A cap on growth begins with an inventory that is not attested for every site.",
}


def check(case: Case) -> Iterator[Finding]:
    """Accelerators of all sites now, against those at the begin of the window, or when the level began to apply."""
    level = case.level
    if level is None:
        return
    for cap in level.caps:
        if cap.scope == pb.CAP_SCOPE_INVENTORY_GROWTH:
            yield from _growth(case, level, cap)
    if case.duty.beneath is not None:
        yield from check(replace(case, duty=case.duty.beneath))


def _growth(case: Case, level: pb.Level, cap: pb.Cap) -> Iterator[Finding]:
    first = max(case.period - cap.window_periods, case.duty.since)
    if first >= case.period:
        return
    then = [statement for statement in case.window if statement.header.period == first]
    now = [*case.attestations.values(), *case.repeated]
    refs = [statement.ref for statement in (*then, *now)]
    if {site.handle for site in case.sites} - {statement.header.site for statement in then}:
        text = f"{case.lab} did not attest the inventory of every site with which {cap.name} of {level.name} begins."
        yield finding("earlier-inventory-unknown", INCONCLUSIVE, text, statements=refs)
        return
    # Whoever says it twice gains nothing: the fewest then, the most now.
    old, new = _chips(then, min), _chips(now, max)
    limit = old + old * cap.growth_ppm // WHOLE
    if new > limit:
        text = f"{case.lab} grew from {old} to {new} chips, which exceeds {cap.name} of {level.name}."
        figures = [
            figure("observed", new, "chips"),
            figure("expected", limit, "chips"),
            figure("tolerance", 0, "chips"),
        ]
        yield finding("inventory-grew", BREACHED, text, figures=figures, statements=refs)


def _chips(statements: Iterable[Cited[ComputeAttestation]], chosen: Callable[[Iterable[int]], int]) -> int:
    said: dict[bytes, list[int]] = {}
    for statement in statements:
        count = sum(row.chips.value for row in statement.body.inventory)
        said.setdefault(statement.header.site, []).append(count)
    return sum(map(chosen, said.values()))
