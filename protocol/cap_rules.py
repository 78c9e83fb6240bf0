"""What caps and steps of a return must say to be checked (spec: agreement). One function per rule."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from protocol.agreement_limits import MAX_PERIODS, within
from protocol.errors import Reason, Refused
from standstill.v1 import agreement_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterator

WHOLE: Final = 1_000_000
"""Parts per million."""
_MAX_SHARE: Final = 1_000 * WHOLE
_LIMITS: Final = {
    pb.CAP_SCOPE_UNSPECIFIED: {"teraflop", "chip_seconds", "baseline_ppm"},
    pb.CAP_SCOPE_RUN: {"teraflop"},
    pb.CAP_SCOPE_CLUSTER: {"chips"},
    pb.CAP_SCOPE_INVENTORY_GROWTH: {"growth_ppm"},
}
"""By scope, the limits that it can be checked for."""
_EVERY_LIMIT: Final = frozenset().union(*_LIMITS.values())


def caps_limit_what_they_sum(terms: pb.Agreement) -> Iterator[Refused]:
    """A cap states limits of its scope and no others; one of a run, a cluster or an inventory states its only one."""
    for level in terms.levels:
        for cap in level.caps:
            where = f"levels.{level.name}.caps.{cap.name}"
            if cap.scope not in _LIMITS:
                yield Refused(Reason.VALUE_OUT_OF_RANGE, f"{where}.scope", f"{cap.scope}, which is no scope")
                continue
            stated = limits_of(cap)
            for unit in sorted(stated.keys() - _LIMITS[cap.scope]):
                yield Refused(Reason.RULES_CONTRADICT, f"{where}.{unit}", "no limit of what the cap is summed over")
            if cap.scope != pb.CAP_SCOPE_UNSPECIFIED:
                for unit in sorted(_LIMITS[cap.scope] - stated.keys()):
                    yield Refused(Reason.FIELD_ABSENT, f"{where}.{unit}", "the limit of what the cap is summed over")
            yield from within(f"{where}.baseline_ppm", cap.baseline_ppm, 0, _MAX_SHARE)
            yield from within(f"{where}.growth_ppm", cap.growth_ppm, 0, _MAX_SHARE)
            if cap.scope == pb.CAP_SCOPE_INVENTORY_GROWTH and cap.labels:
                yield Refused(Reason.RULES_CONTRADICT, f"{where}.labels", "an inventory has no labels")


def limits_of(cap: pb.Cap) -> dict[str, int]:
    """The limits that a cap states; a share or a number of chips of 0 is none."""
    shares = {unit: getattr(cap, unit) for unit in ("baseline_ppm", "chips", "growth_ppm") if getattr(cap, unit)}
    return shares | {unit: getattr(cap, unit) for unit in ("teraflop", "chip_seconds") if cap.HasField(unit)}


def shares_have_a_baseline(terms: pb.Agreement) -> Iterator[Refused]:
    """Whatever is a share of a baseline is so of one that the terms define."""
    yield from within("baseline_periods", terms.baseline_periods, 0, MAX_PERIODS)
    if terms.baseline_periods:
        return
    for level in terms.levels:
        shares = any(cap.baseline_ppm for cap in level.caps) or any(step.share_ppm < WHOLE for step in level.ramp)
        if shares:
            yield Refused(Reason.FIELD_ABSENT, "baseline_periods", f"{level.name} counts in shares of a baseline")


def ramps_rise(terms: pb.Agreement) -> Iterator[Refused]:
    """Steps of a return rise in time and share to the whole, at the end of the ramp at the latest."""
    for level in terms.levels:
        where = f"levels.{level.name}.ramp"
        if not level.ramp:
            continue
        for step in level.ramp:
            yield from within(f"{where}.share_ppm", step.share_ppm, 1, WHOLE)
            yield from within(f"{where}.after_periods", step.after_periods, 0, level.ramp_periods)
        for low, high in pairwise(level.ramp):
            if not (low.after_periods < high.after_periods and low.share_ppm < high.share_ppm):
                found = f"{high.share_ppm} ppm after {high.after_periods} does not follow from the step before"
                yield Refused(Reason.CLOCKS_CONTRADICT, where, found)
        if level.ramp[-1].share_ppm != WHOLE:
            yield Refused(Reason.CLOCKS_CONTRADICT, where, "the last step must allow everything")


def seals_are_timed(terms: pb.Agreement) -> Iterator[Refused]:
    """The time to seal what was stopped is a duration."""
    for level in terms.levels:
        yield from within(f"levels.{level.name}.seal_periods", level.seal_periods, 0, MAX_PERIODS)


def as_tight(tight: pb.Cap, loose: pb.Cap, level: pb.Level) -> bool:
    """Whether what a level allows and one cap admits is admitted by another: no label, window or limit escapes."""
    if tight.scope != loose.scope:
        return False
    counts_all = tight.scope != pb.CAP_SCOPE_UNSPECIFIED and not tight.labels
    every = loose.scope != pb.CAP_SCOPE_UNSPECIFIED and not loose.labels
    covers = counts_all or (not every and set(loose.labels) & set(level.allowed) <= set(tight.labels))
    own, other = limits_of(tight), limits_of(loose)
    lower = all(unit in own and own[unit] <= limit for unit, limit in other.items())
    if tight.scope == pb.CAP_SCOPE_INVENTORY_GROWTH:
        # Growth over a longer window says nothing of a shorter one that began lower.
        return lower and tight.window_periods == loose.window_periods
    if loose.baseline_ppm:
        # A share of a longer window is of more work.
        lower &= own.get("baseline_ppm", 0) * tight.window_periods <= loose.baseline_ppm * loose.window_periods
    if tight.scope == pb.CAP_SCOPE_UNSPECIFIED:
        return covers and lower and tight.window_periods >= loose.window_periods
    return covers and lower


def still_counts(cap: pb.Cap, level: pb.Level) -> bool:
    """Whether a cap counts anything that a level allows."""
    if cap.scope == pb.CAP_SCOPE_INVENTORY_GROWTH:
        return True
    return bool(set(cap.labels) & set(level.allowed)) or (cap.scope != pb.CAP_SCOPE_UNSPECIFIED and not cap.labels)
