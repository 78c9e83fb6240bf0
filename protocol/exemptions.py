"""Work that a level lets through although its labels are outside it or its caps are used up.

Use that names an exemption counts in that exemption's ledger and nowhere else in the level. Grants stand in the state
(annex 3.1); what is done under them is summed by whoever reads the attestations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from protocol.duty import Duty
    from standstill.v1 import agreement_pb2 as pb
    from standstill.v1.compute_pb2 import Use


class Allowance(NamedTuple):
    """What limits work under an exemption in a period.

    Attributes:
        exemption: its name.
        by: what limits it, in words: its cap, or a grant.
        first: first period that is summed.
        periods: how many periods at most are summed together.
        teraflop: most operations; None: not limited.
        chip_seconds: most chip-seconds; None: not limited.
    """

    exemption: str
    by: str
    first: int
    periods: int
    teraflop: int | None
    chip_seconds: int | None


def allowances(level: pb.Level, duty: Duty, period: int) -> Iterator[Allowance]:
    """What limits the exemptions of the level that a lab keeps: of each its cap, and the grant that runs."""
    grants = dict(duty.grants)
    for one in level.exemptions:
        if one.HasField("cap"):
            cap = one.cap
            yield Allowance(
                exemption=one.name,
                by="its cap",
                first=max(period - cap.window_periods + 1, duty.since),
                periods=cap.window_periods,
                teraflop=cap.teraflop if cap.HasField("teraflop") else None,
                chip_seconds=cap.chip_seconds if cap.HasField("chip_seconds") else None,
            )
        if one.on_request and one.name in grants:
            grant = grants[one.name]
            yield Allowance(
                exemption=one.name,
                by="its grant",
                first=max(grant.start, duty.since),
                periods=grant.until - grant.start,
                teraflop=grant.teraflop,
                chip_seconds=grant.chip_seconds,
            )


def exemption_of(level: pb.Level, use: Use) -> pb.Exemption | None:
    """The exemption that use counts under: one that the level has, for its label; None for use that counts as any."""
    if not use.exemption:
        return None
    return next((one for one in level.exemptions if one.name == use.exemption and use.label in one.labels), None)


def reach(level: pb.Level | None, duty: Duty, period: int) -> int:
    """How many periods, this one included, the ceilings on exempted work count together; 1 without any."""
    windows = [one.cap.window_periods for one in level.exemptions if one.HasField("cap")] if level else []
    return max([1, *windows, *(period - max(grant.start, duty.since) + 1 for _, grant in duty.grants)])
