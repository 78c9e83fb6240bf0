"""What conditions read of a state (annex 4.1, 3 and 5.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from protocol import events, readings
from protocol.conduct import HONORED
from protocol.decisions import Asked, tally
from protocol.lab_status import TAKING_PART, lab_status, pledges_of, verdicts_on
from protocol.state import Stage, Standing, Status
from protocol.truth import Explained, Ref, Truth
from standstill.v1 import condition_pb2 as pb
from standstill.v1.decision_pb2 import MOTION_RESOLVE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from protocol.agreement import Agreement
    from protocol.progress import Growth
    from protocol.readings import Evidence
    from protocol.state import State

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

    def members(self) -> tuple[str, ...]:
        """Labs that take part."""
        return tuple(lab for lab in self.agreement.labs if self._takes_part(lab))

    def group(self, lab: str) -> str:
        """Control group of a lab; a name that nobody has is a group of its own, which keeps nothing."""
        return self.agreement.owner(lab) if lab in self.agreement.parties else f"({lab})"

    def readings(self, indicator: str, lab: str) -> Evidence[int]:
        """Newest reports that are not too old, one per control group, if there are enough of them."""
        return readings.readings(self.agreement, self.state, indicator, lab)

    def growth(self, indicator: str, lab: str, over: int) -> Evidence[Growth]:
        """Growth over at least so many calendar periods, one per control group, if there are enough of them."""
        return readings.growth(self.agreement, self.state, indicator, lab, over)

    def overdue(self, indicator: str, lab: str, periods: int) -> Explained:
        """Whether a lab takes part for so many closed periods and too few reported on it in all of them."""
        if not self._takes_part(lab):
            return Explained(Truth.FALSE, f"{lab}: takes no part")
        since = max(self.state.entered, self.state.parties[lab].joined)
        return readings.overdue(self.agreement, self.state, indicator, lab, periods, since)

    def event(self, name: str, level: int) -> Evidence[tuple[bool, int]]:
        """What enough control groups say of an event."""
        return events.reported(self.agreement, self.state, name, level)

    def carried(self, rule: str, level: int, asked: bytes) -> Explained:
        """Whether a rule carried a resolution in the level's present episode."""
        resolution = Asked(MOTION_RESOLVE, level, self.state.levels[level].episode, asked=asked, rule=rule)
        return tally(self.agreement, self.state, resolution).explained(resolution)

    def status(self, lab: str, status: pb.PartyStatus.ValueType, level: int) -> Explained:
        """Whether a lab has a status."""
        return lab_status(self.agreement, self.state, lab, status, level)

    def phase(self, level: int) -> pb.Phase.ValueType:
        """Phase of a level, or the one assumed."""
        return PHASES[self.assumed.get(level, self.state.levels[level].stage)]

    def keeps(self, lab: str, level: int) -> bool:
        """Whether a lab and every other of its group that takes part keep a level in the profile, all relied on."""
        if lab not in self.agreement.labs or not self._takes_part(lab):
            return False
        group = self.agreement.labs_by_owner[self.agreement.owner(lab)]
        return all(self._keeps(other, level) for other in group if self._takes_part(other))

    def pledged(self, labs: Iterable[str]) -> tuple[Ref, ...]:
        """The pledges of labs that stand: the statements behind what they keep."""
        known = [lab for lab in labs if lab in self.state.pledges]
        return tuple(ref for lab in known for ref in pledges_of(self.agreement, self.state, lab))

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

    def honored_by(self, lab: str, periods: int) -> tuple[Ref, ...]:
        """Statements that a lab was honored in its newest settled periods, as far as the state still holds them."""
        return verdicts_on(self.agreement, self.state, lab, HONORED, periods)

    def clock(self, level: int, since: pb.Since.ValueType) -> int:
        """Closed periods of restriction in the episode, in force, open, or of the agreement."""
        found = self.state.levels[level]
        if since == pb.SINCE_IN_FORCE:
            return found.age if found.stage is Stage.IN_FORCE else 0
        if since == pb.SINCE_OPENED:
            return found.age if found.stage is Stage.OPEN else 0
        if since == pb.SINCE_ENTRY:
            return self.state.closings - self.state.entered if self.state.status is Status.IN_FORCE else 0
        return found.held

    def periods_since_entry(self) -> int:
        """Calendar periods since the first one that the agreement governs."""
        since, period = self.state.since, self.state.period
        return 0 if since is None or period is None else max(period - since, 0)

    def _takes_part(self, lab: str) -> bool:
        return self.state.parties[lab].membership in TAKING_PART

    def _keeps(self, lab: str, level: int) -> bool:
        return self.state.conduct[lab].standing is not Standing.OUT and self.profile.get(lab, 0) >= level
