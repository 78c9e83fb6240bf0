"""Stage 9: who is bound, by which level, since when (annex 4)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from protocol.facts import solve
from protocol.state import RESTRICTIVE, Binding, LevelState, Membership, Stage
from standstill.v1 import agreement_pb2

if TYPE_CHECKING:
    from protocol.fold.work import Work


def bind(work: Work) -> None:
    """9: the greatest fixed point of the pledges, and since when each level binds each lab."""
    highest = max((rank for rank, level in work.new.levels.items() if level.stage is not Stage.OPEN), default=0)
    held = {lab: replace(pledge, floor=min(pledge.floor, highest)) for lab, pledge in work.new.pledges.items()}
    work.new = replace(work.new, pledges=held)
    solution = solve(work.agreement, work.new, {})
    work.reasons.update(solution.reasons)
    bound = {rank: _bound(work, rank, solution.kept) for rank in work.new.levels}
    work.new = replace(
        work.new,
        pledges={lab: replace(pledge, kept=solution.kept[lab]) for lab, pledge in held.items()},
        levels={rank: _rebind(work, rank, bound[rank]) for rank in work.new.levels},
    )


def _bound(work: Work, rank: int, kept: dict[str, int]) -> set[str]:
    if work.agreement.levels[rank].binds == agreement_pb2.BINDS_BY_PLEDGE:
        return {lab for lab, level in kept.items() if level >= rank}
    restrictive = work.new.levels[rank].stage in RESTRICTIVE
    members = {Membership.IN, Membership.NOTICE}
    labs = work.agreement.labs if restrictive else ()
    return {lab for lab in labs if work.new.parties[lab].membership in members}


def _rebind(work: Work, rank: int, bound: set[str]) -> LevelState:
    """Wind-down and ramp run per lab from the period in which the level began or ceased to bind it (annex 4.3)."""
    level, terms = work.new.levels[rank], work.agreement.levels[rank]
    binds = {lab: Binding(since=work.governed) for lab in bound}
    for lab, binding in level.binds.items():
        # A ramp counts closed periods; only where the mandate ended in the dark it counts from there (annex 1.7).
        began = work.governed if level.end is None else min(work.governed, level.end)
        until = began + terms.ramp_periods if binding.until is None else binding.until + work.dark
        if lab in bound and (binding.until is None or until > work.governed):
            # Bound again on the ramp: it is wound down already.
            binds[lab] = replace(binding, until=None)
        elif lab not in bound and until > work.governed:
            binds[lab] = replace(binding, until=until)
    return replace(level, binds=dict(sorted(binds.items())))
