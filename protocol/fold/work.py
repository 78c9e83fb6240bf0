"""A step in progress, and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from protocol.duty import GOVERNS_AFTER
from protocol.errors import Reason, Refused, require

if TYPE_CHECKING:
    from protocol.agreement import Agreement
    from protocol.closing import Record
    from protocol.leaf import ReadLeaf
    from protocol.levels import Event
    from protocol.state import Stage, State
    from protocol.truth import Explained
    from standstill.v1 import header_pb2 as pb


@dataclass(frozen=True, slots=True)
class Transition:
    """A level changed its stage.

    Attributes:
        level: rank.
        before: stage before.
        after: stage after.
        why: the events, with the tests and ballots behind them.
        row: the events of the row that fired (annex 5.2).
    """

    level: int
    before: Stage
    after: Stage
    why: Explained
    row: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a closing leads to.

    Attributes:
        state: after it.
        refusals: statements refused, with the broken rule, by origin and leaf index. They count for nothing here, but
            for the header of one whose body not every party may read (annex 7, 2).
        transitions: of levels.
        reasons: why each level is where it is, by rank; and why each lab is bound, by name.
    """

    state: State
    refusals: dict[tuple[str, int], Refused]
    transitions: list[Transition]
    reasons: dict[int | str, Explained]


@dataclass(slots=True)
class Work:
    """A step in progress: the old state, and the parts of the new one as the stages write them.

    Attributes:
        agreement: the terms in force.
        old: the state before.
        record: what is recorded.
        new: the state so far.
        accepted: statements that count, log by log in leaf order.
        refusals: as in :class:`Outcome`.
        transitions: as in :class:`Outcome`.
        reasons: as in :class:`Outcome`.
        braked: ranks of the levels whose brake is used in this record.
    """

    agreement: Agreement
    old: State
    record: Record
    new: State
    accepted: list[ReadLeaf] = field(default_factory=list)
    refusals: dict[tuple[str, int], Refused] = field(default_factory=dict)
    transitions: list[Transition] = field(default_factory=list)
    reasons: dict[int | str, Explained] = field(default_factory=dict)
    braked: set[int] = field(default_factory=set)
    _leaves: dict[str, list[ReadLeaf]] = field(default_factory=dict)

    def leaves(self, origin: str) -> list[ReadLeaf]:
        """The leaves that the closing covers first in a log that grew.

        Raises:
            Refused: LEAF_WITHHELD unless they are all leaves from the recorded size to the new one.
        """
        if origin not in self._leaves:
            found = list(self.record.leaves.get(origin, ()))
            begin = self.old.parties[self.agreement.logs[origin]].size
            end = next(head.size for head in self.record.closing.heads if head.origin == origin)
            complete = [leaf.index for leaf in found] == list(range(begin, end))
            require(complete, Reason.LEAF_WITHHELD, f"record.{origin}", f"{len(found)} leaves from {begin} to {end}")
            self._leaves[origin] = found
        return self._leaves[origin]

    @property
    def governed(self) -> int:
        """g: the period that the new state governs first (annex 1.7)."""
        return self.record.closing.period + GOVERNS_AFTER

    @property
    def dark(self) -> int:
        """Periods since the previous closing that were not closed (annex 1.1, 7)."""
        return 0 if self.old.period is None else self.record.closing.period - self.old.period - 1

    def of_kind(self, kind: pb.Kind.ValueType) -> list[ReadLeaf]:
        """Accepted statements of a kind."""
        return [leaf for leaf in self.accepted if leaf.header is not None and leaf.header.kind == kind]
