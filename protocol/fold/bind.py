"""Stage 9: who is bound, by which level, since when (annex 4)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from protocol.levels import LIFTABLE
from protocol.pledges import solve
from protocol.state import RESTRICTIVE, Binding, LevelState, Membership, Stage
from standstill.v1 import agreement_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping

    from protocol.fold.work import Work
    from protocol.state import PledgeState


def bind(work: Work) -> None:
    """9: the greatest fixed point of the pledges, and since when each level binds each lab."""
    highest = max((rank for rank, level in work.new.levels.items() if level.stage is not Stage.OPEN), default=0)
    held = {
        lab: pledge if pledge.floor <= highest else replace(pledge, floor=highest)
        for lab, pledge in work.new.pledges.items()
    }
    work.new = replace(work.new, pledges=held)
    solution = solve(work.agreement, work.new, {})
    work.reasons.update(solution.reasons)
    bound = {rank: _bound(work, rank, solution.kept) for rank in work.new.levels}
    work.new = replace(
        work.new,
        pledges={lab: _keeping(pledge, solution.kept[lab]) for lab, pledge in held.items()},
        levels={rank: _rebind(work, rank, bound[rank]) for rank in work.new.levels},
    )


def _keeping(pledge: PledgeState, level: int) -> PledgeState:
    return pledge if pledge.kept == level else replace(pledge, kept=level)


def _bound(work: Work, rank: int, kept: Mapping[str, int]) -> set[str]:
    """Labs that a level binds: a brake everyone, the level as it says, a suspended one who caused it (annex 4.3)."""
    level, members = work.new.levels[rank], {Membership.IN, Membership.NOTICE}
    part = {lab for lab in work.agreement.labs if work.new.parties[lab].membership in members}
    if level.brake_left:
        return part
    if work.agreement.levels[rank].binds == agreement_pb2.BINDS_BY_PLEDGE:
        return {lab for lab, highest in kept.items() if highest >= rank}
    if level.stage is Stage.SUSPENDED:
        return part & set(level.suspended_by)
    return part if level.stage in RESTRICTIVE else set()


def _rebind(work: Work, rank: int, bound: set[str]) -> LevelState:
    """Wind-down and ramp run per lab from the period in which the level began or ceased to bind it (annex 4.3)."""
    level, terms = work.new.levels[rank], work.agreement.levels[rank]
    binds = {lab: Binding(since=work.governed) for lab in bound}
    ramp = _ended(work, rank) + terms.ramp_periods
    for lab, binding in level.binds.items():
        # A ramp counts closed periods.
        until = ramp if binding.until is None else binding.until + work.dark
        if lab in bound and (binding.until is None or until > work.governed):
            # Bound again on the ramp: it is wound down already.
            binds[lab] = replace(binding, until=None)
        elif lab not in bound and until > work.governed:
            binds[lab] = replace(binding, until=until)
    return replace(level, binds=dict(sorted(binds.items())))


def _ended(work: Work, rank: int) -> int:
    """The period from which ramps that begin now count: that of this step, or the calendar end passed in the dark.

    Only mandates and brakes end by the calendar (annex 1.7), and the later of the two is what released a lab.
    """
    old, new, ends = work.old.levels.get(rank, LevelState()), work.new.levels[rank], list[int]()
    if old.stage in LIFTABLE and new.stage not in LIFTABLE:
        ends.append(old.end or 0)
    if old.brake_left and not new.brake_left:
        ends.append(old.brake_cap or 0)
    return min(max(ends, default=work.governed), work.governed)
