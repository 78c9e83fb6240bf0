"""Work that a level lets through although its labels are outside it or its caps are used up.

Use that names an exemption counts in that exemption's ledger and nowhere else in the level. Grants stand in the state
(annex 3.1); what is done under them is summed by whoever reads the attestations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from protocol.duty import Duty
    from standstill.v1 import agreement_pb2 as pb
    from standstill.v1.compute_pb2 import Use


def exemption_of(level: pb.Level, use: Use) -> pb.Exemption | None:
    """The exemption that use counts under: one that the level has, for its label; None for use that counts as any."""
    if not use.exemption:
        return None
    return next((one for one in level.exemptions if one.name == use.exemption and use.label in one.labels), None)


def reach(level: pb.Level | None, duty: Duty, period: int) -> int:
    """How many periods, this one included, the ceilings on exempted work count together; 1 without any."""
    windows = [one.cap.window_periods for one in level.exemptions if one.HasField("cap")] if level else []
    return max([1, *windows, *(period - max(grant.start, duty.since) + 1 for _, grant in duty.grants)])
