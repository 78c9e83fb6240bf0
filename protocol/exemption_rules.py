"""What exemptions in terms must satisfy (agreement.proto, Exemption; annex 5.2).

The rules here are part of those of :mod:`protocol.agreement_rules`, which says which of them rely on which.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from protocol.agreement_limits import MAX_PERIODS, labels, within
from protocol.errors import Reason, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from standstill.v1 import agreement_pb2 as pb

_UNITS: Final = ("teraflop", "chip_seconds")
_OF_OTHER_CAPS: Final = ("scope", "baseline_ppm", "chips", "growth_ppm")


def exemptions_are_counted(terms: pb.Agreement) -> Iterator[Refused]:
    """An exemption covers labels; what limits it is a sum of its own work; what is on request can be granted."""
    for level in terms.levels:
        for one in level.exemptions:
            where = f"levels.{level.name}.exemptions.{one.name}"
            yield from labels(f"{where}.labels", one.labels)
            if not one.labels:
                yield Refused(Reason.LABEL_MISSING, f"{where}.labels", "the work that it lets through")
            yield from within(f"{where}.sampled_ppm", one.sampled_ppm, 0, 1_000_000)
            if one.on_request and not terms.exempted_by:
                yield Refused(Reason.FIELD_ABSENT, "exempted_by", f"the rule that grants {one.name} of {level.name}")
            if one.HasField("cap"):
                yield from _cap(f"{where}.cap", one)


def _cap(where: str, exemption: pb.Exemption) -> Iterator[Refused]:
    """The ceiling of an exemption: on its own labels, absolute, over a window."""
    cap = exemption.cap
    yield from labels(f"{where}.labels", cap.labels)
    yield from within(f"{where}.window_periods", cap.window_periods, 1, MAX_PERIODS)
    if set(cap.labels) != set(exemption.labels):
        yield Refused(Reason.LABEL_MISSING, f"{where}.labels", "the labels of the exemption, or some work is uncounted")
    if not any(cap.HasField(unit) for unit in _UNITS):
        yield Refused(Reason.FIELD_ABSENT, where, "teraflop or chip_seconds")
    for field in _OF_OTHER_CAPS:
        if getattr(cap, field):
            yield Refused(Reason.VALUE_OUT_OF_RANGE, f"{where}.{field}", "the ledger sums the lab's work under it")


def exemptions_rise(terms: pb.Agreement) -> Iterator[Refused]:
    """A level lets through only what the one below it does, so that keeping one keeps all below it."""
    for low, high in pairwise(terms.levels):
        below = {one.name: one for one in low.exemptions}
        let = {label for one in low.exemptions for label in one.labels} | set(low.allowed)
        for one in high.exemptions:
            where = f"levels.{high.name}.exemptions.{one.name}"
            if not set(one.labels) <= let:
                yield Refused(Reason.LEVELS_DO_NOT_RISE, where, f"lets through work that {low.name} forbids")
            if one.name in below and not _implies(one, below[one.name]):
                found = f"less limited than in {low.name}"
                yield Refused(Reason.LEVELS_DO_NOT_RISE, where, found)


def _implies(tight: pb.Exemption, loose: pb.Exemption) -> bool:
    """Whether what one exemption admits is admitted by another of its name: no grant, window or limit escapes."""
    if loose.on_request and not tight.on_request:
        return False
    if not loose.HasField("cap"):
        return True
    limits = all(
        tight.cap.HasField(unit) and getattr(tight.cap, unit) <= getattr(loose.cap, unit)
        for unit in _UNITS
        if loose.cap.HasField(unit)
    )
    # The same work is summed, over no shorter a time.
    return tight.HasField("cap") and limits and tight.cap.window_periods >= loose.cap.window_periods
