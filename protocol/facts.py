"""What conditions read of a state (annex 4.1, 3 and 5.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from protocol import pledges
from protocol.state import Membership, Stage, Standing, key
from protocol.truth import counted
from standstill.v1 import condition_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from protocol.agreement import Agreement
    from protocol.state import ReportState, State

PHASES: Final[Mapping[Stage, pb.Phase.ValueType]] = {
    Stage.OPEN: pb.PHASE_OPEN,
    Stage.CALLED: pb.PHASE_CALLED,
    Stage.WINDING: pb.PHASE_WINDING,
    Stage.IN_FORCE: pb.PHASE_IN_FORCE,
    Stage.RAMPING: pb.PHASE_RAMPING,
    Stage.SUSPENDED: pb.PHASE_SUSPENDED,
}


@dataclass(frozen=True, slots=True)
class StateFacts:
    """Facts of a state, under a profile of levels kept.

    Attributes:
        agreement: the terms.
        state: what is known.
        profile: level that each lab keeps, for tests of `keeps`.
        assumed: stages to assume instead of those of the state, by rank: for the set that a call would bind.
    """

    agreement: Agreement
    state: State
    profile: Mapping[str, int] = field(default_factory=dict)
    assumed: Mapping[int, Stage] = field(default_factory=dict)

    def labs(self) -> tuple[str, ...]:
        """Labs of the agreement."""
        return self.agreement.labs

    def readings(self, indicator: str, lab: str) -> tuple[tuple[int, ...], str]:
        """Newest reports that are not too old, one per control group, if there are enough of them."""
        terms = self.agreement.indicators[indicator]
        oldest = self.state.closings - terms.max_age_periods
        found: dict[str, tuple[str, ReportState]] = {}
        for reporter in terms.reported_by:
            report, owner = self.state.reports.get(key(indicator, lab, reporter)), self.agreement.owner(reporter)
            if report is None or report.closing < oldest:
                continue
            if owner not in found or report.closing > found[owner][1].closing:
                found[owner] = (reporter, report)
        if len(found) < terms.reports:
            return (), f"{len(found)} of {counted(terms.reports, 'report')}"
        text = ", ".join(f"{report.value} ({reporter} log {report.index})" for reporter, report in found.values())
        return tuple(report.value for _, report in found.values()), text

    def phase(self, level: int) -> pb.Phase.ValueType:
        """Phase of a level, or the one assumed."""
        return PHASES[self.assumed.get(level, self.state.levels[level].stage)]

    def keeps(self, lab: str, level: int) -> bool:
        """Whether a lab keeps a level in the profile and is relied on."""
        member = self.state.parties[lab].membership in {Membership.IN, Membership.NOTICE}
        relied = self.state.conduct[lab].standing is not Standing.OUT
        return member and relied and self.profile.get(lab, 0) >= level

    def group(self, lab: str) -> str:
        """Control group of a lab."""
        return self.agreement.owner(lab)

    def bound(self, level: int) -> tuple[str, ...]:
        """Labs that a level binds now."""
        return tuple(lab for lab, binding in self.state.levels[level].binds.items() if binding.until is None)

    def honored_in_a_row(self, lab: str, level: int) -> int:
        """Honored settled periods in a row; what was honored before the restriction began proves nothing about it."""
        start, period = self.state.levels[level].start, self.state.period
        if start is None or period is None:
            return 0
        restricted = period - self.agreement.terms.standing.settle_periods - start + 1
        return max(min(self.state.conduct[lab].honored, restricted), 0)

    def held(self, level: int) -> int:
        """Closed periods of restriction in the episode."""
        return self.state.levels[level].held


def solve(agreement: Agreement, state: State, assumed: Mapping[int, Stage]) -> pledges.Solution:
    """Which level each lab keeps by its pledge (annex 4.1), with stages to assume instead of those of the state."""
    members = {Membership.IN, Membership.NOTICE}
    return pledges.solve(
        state.pledges,
        max(agreement.levels, default=0),
        lambda profile: StateFacts(agreement, state, profile, assumed),
        frozenset(lab for lab in agreement.labs if state.parties[lab].membership in members),
    )
