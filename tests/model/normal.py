"""One state for all that differ only in when: what makes exploring without end possible.

Two states that no course of events can tell apart have one normal form, which is itself a state that the fold can go on
from. Times are shifted so that the last closing is always the same period, counters stop where every clock of the terms
has run out, and what can never count again is gone. What is merged although it could be told apart is a *cut*; the
cuts are those of :class:`Limits`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cache, partial
from operator import attrgetter
from typing import Any, Final, cast

from protocol.agreement import Agreement
from protocol.conduct import DISCREPANT, INCONCLUSIVE
from protocol.state import BallotState, Conduct, LevelState, ReportState, State, key
from standstill.v1 import decision_pb2

PERIOD: Final = 1_000
"""Last period closed, in every normal form."""
CLOSINGS: Final = 1_000
"""Number of closings, in every normal form."""
EPISODE: Final = 1
"""A level that has been called before is in its first episode: rules ask only whether a ballot names the same one."""

AT_PERIOD: Final[Mapping[str, tuple[str, ...]]] = {
    "State": ("period", "since"),
    "LevelState": ("start", "end", "brake_cap"),
    "Binding": ("since", "until"),
    "BallotState": ("period",),
    "ReportState": ("period",),
    "Conduct": ("out_since", "cause"),
    "EventState": ("period",),
    "InquiryState": ("period",),
    "GrantState": ("start", "until"),
}
"""Fields that hold a period, or several."""
AT_CLOSING: Final[Mapping[str, tuple[str, ...]]] = {
    "State": ("closings", "entered"),
    "PartyState": ("joined",),
    "BallotState": ("closing",),
    "ReportState": ("closing",),
    "EventState": ("closing", "since_closing"),
    "InquiryState": ("closing",),
    "ProposalState": ("closing",),
}
"""Fields that hold the number of a closing."""
GONE: Final[Mapping[str, Mapping[str, Any]]] = {
    "State": {"closing": b""},
    "PledgeState": {"index": 0, "identity": b"", "older_index": 0, "older_identity": b""},
    "BallotState": {"index": 0, "identity": b""},
    "ReportState": {"index": 0, "identity": b""},
    "VerdictState": {"index": 0, "identity": b""},
    "EventState": {"index": 0, "identity": b""},
    "InquiryState": {"index": 0},
    # Labs attest every period: silence is no part of the models.
    "Conduct": {"silent": 0, "attested": {}, "pardoned": 0},
}
"""Fields that name a place in a log or in the chain, and the value that stands for all of them."""
COUNTERS: Final[Mapping[str, tuple[str, ...]]] = {
    "PartyState": ("size",),
    "LevelState": ("age", "held", "ready"),
    "Conduct": ("honored", "timer", "losses", "accusations"),
}
"""Fields that count on without end, and stop at the limit of their name."""
ALIKE: Final[Mapping[str, int]] = {"size": 2, "accusations": 1}
"""Limits of counters that no rule compares with a number: only leaf 0 and 1 differ, and the ballots of past accusations
go with them."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Where counting stops.

    Attributes:
        reach: periods to come beyond which no clock of the terms tells times apart.
        counters: by field; a counter that is not named stops at `reach`.
        back: periods and closings past beyond which no clock of the terms tells times apart.
    """

    reach: int
    counters: Mapping[str, int] = field(default_factory=dict)
    back: int = 4


@dataclass(frozen=True, slots=True)
class Normal:
    """The normal form under an agreement."""

    agreement: Agreement
    limits: Limits
    _known: dict[tuple[int, int], dict[object, Any]] = field(default_factory=dict)

    def __call__(self, state: State) -> State:
        """The normal form of a state that was closed at least once."""
        levels = {rank: replace(level, episode=min(level.episode, EPISODE)) for rank, level in state.levels.items()}
        relevant = replace(state, levels=levels, ballots=self._ballots(state), reports=self._reports(state))
        conduct = {lab: _settled(found) for lab, found in state.conduct.items()}
        verdicts = {self._shifted_key(place, state): verdict for place, verdict in state.verdicts.items()}
        by = (PERIOD - (state.period or 0), CLOSINGS - state.closings)
        shift = _Shift(*by, self.limits, self._known.setdefault(by, {}))
        found: State = _shifted(replace(relevant, conduct=conduct, verdicts=verdicts), shift)
        return found

    def _ballots(self, state: State) -> dict[str, BallotState]:
        """Ballots that may count at the next closing, with episodes as far from the level's as they are."""
        life = max(rule.ballot_life_periods for rule in self.agreement.terms.rules)
        found = {}
        for place, ballot in state.ballots.items():
            if ballot.closing > state.closings + 1 - life:
                current, shown = self._episode(place, state)
                # All past episodes are alike.
                found[place] = replace(ballot, episode=shown + max(ballot.episode - current, -1))
        return found

    def _episode(self, place: str, state: State) -> tuple[int, int]:
        """The episode, or accusation, that a ballot's number is compared with, and its number in the normal form."""
        _, motion, rank, *about = place.split("|")
        if int(motion) in {decision_pb2.MOTION_HOLD, decision_pb2.MOTION_RELEASE}:
            accusations = state.conduct[about[0]].accusations
            return accusations, min(accusations, ALIKE["accusations"])
        episode = state.levels.get(int(rank), LevelState()).episode
        return episode, min(episode, EPISODE)

    def _reports(self, state: State) -> dict[str, ReportState]:
        """Reports that may count at the next closing."""
        ages = {name: terms.max_age_periods for name, terms in self.agreement.indicators.items()}
        return {
            place: report
            for place, report in state.reports.items()
            if report.closing >= state.closings + 1 - ages[place.split("|")[0]]
        }

    def _shifted_key(self, place: str, state: State) -> str:
        lab, period, verifier = place.split("|")
        # As far back as the findings that accuse a lab can be told apart.
        shifted = max(int(period) + PERIOD - (state.period or 0), PERIOD - self.limits.back)
        return key(lab, shifted, verifier)


def _settled(conduct: Conduct) -> Conduct:
    """A settled verdict that is neither honored nor breached counts for nothing, whichever it is."""
    settled = tuple(INCONCLUSIVE if verdict == DISCREPANT else verdict for verdict in conduct.settled)
    return replace(conduct, settled=settled, newest="")


@dataclass(frozen=True, slots=True)
class _Shift:
    periods: int
    closings: int
    limits: Limits
    known: dict[object, Any]

    def period(self, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(self.period, value))
        first, last = PERIOD - self.limits.back, PERIOD + self.limits.reach
        return None if value is None else min(max(value + self.periods, first), last)

    def closing(self, value: int) -> int:
        return max(value + self.closings, CLOSINGS - self.limits.back) if value else 0


def _shifted(value: Any, shift: _Shift) -> Any:
    if isinstance(value, Mapping):
        return {name: _shifted(part, shift) for name, part in value.items()}
    if not is_dataclass(value):
        return value
    if isinstance(value, _HOLD_MAPPINGS):
        return _changed(value, shift)
    # The same entries come again and again.
    if value not in shift.known:
        shift.known[value] = _changed(value, shift)
    return shift.known[value]


_HOLD_MAPPINGS: Final = (State, LevelState, Conduct)
"""Classes that cannot be keys."""


def _changed(value: Any, shift: _Shift) -> Any:
    changes = {}
    for name, how in _how(cast("Hashable", type(value))):
        old = getattr(value, name)
        new = how(old, shift)
        if new != old:
            changes[name] = new
    return replace(value, **changes) if changes else value


@cache
def _how(kind: Any) -> tuple[tuple[str, Callable[[Any, _Shift], Any]], ...]:
    """What becomes of each field of a class of the state that does not stay as it is."""
    # A subclass that computes no digest is shaped like its base.
    name = State.__name__ if issubclass(kind, State) else kind.__name__
    gone = GONE.get(name, {})
    found: dict[str, Callable[[Any, _Shift], Any]] = {}
    for item in fields(kind):
        if item.name in gone:
            found[item.name] = partial(_constant, gone[item.name])
        elif item.name in AT_PERIOD.get(name, ()):
            found[item.name] = lambda old, shift: shift.period(old)
        elif item.name in AT_CLOSING.get(name, ()):
            found[item.name] = lambda old, shift: shift.closing(old)
        elif item.name in COUNTERS.get(name, ()):
            found[item.name] = partial(_capped, item.name)
        elif "Mapping" in str(item.type):
            found[item.name] = _shifted
    return tuple(found.items())


def _constant(new: Any, _old: Any, _shift: _Shift) -> Any:
    return new


def _capped(name: str, old: int, shift: _Shift) -> int:
    return min(old, ALIKE.get(name, shift.limits.counters.get(name, shift.limits.reach)))


def frozen(value: Any) -> Any:
    """A state as a key: equal for equal states."""
    if isinstance(value, Mapping):
        return tuple(sorted((name, frozen(part)) for name, part in value.items()))
    if isinstance(value, _HOLD_MAPPINGS):
        return tuple([frozen(part) for part in _parts(cast("Hashable", type(value)))(value)])
    return value


@cache
def _parts(kind: Any) -> Callable[[Any], tuple[Any, ...]]:
    return attrgetter(*(item.name for item in fields(kind)))
