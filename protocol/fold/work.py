"""A step in progress, and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from protocol.duty import GOVERNS_AFTER

if TYPE_CHECKING:
    from protocol.agreement import Agreement
    from protocol.closing import Record
    from protocol.errors import Refused
    from protocol.leaf import ReadLeaf
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
    """

    level: int
    before: Stage
    after: Stage
    why: Explained


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a closing leads to.

    Attributes:
        state: after it.
        refusals: statements that count for nothing, with the broken rule, by origin and leaf index.
        transitions: of levels.
        reasons: why each level is where it is, by rank; and why each lab is bound, by name.
    """

    state: State
    refusals: dict[tuple[str, int], Refused]
    transitions: list[Transition]
    reasons: dict[int | str, Explained]


@dataclass(slots=True)
class Work:
    """A step in progress: the old state, and the parts of the new one as the stages write them."""

    agreement: Agreement
    old: State
    record: Record
    new: State
    accepted: list[ReadLeaf] = field(default_factory=list)
    refusals: dict[tuple[str, int], Refused] = field(default_factory=dict)
    transitions: list[Transition] = field(default_factory=list)
    reasons: dict[int | str, Explained] = field(default_factory=dict)

    @property
    def governed(self) -> int:
        """g: the period that the new state governs first (annex 1.7)."""
        return self.record.closing.period + GOVERNS_AFTER

    def of_kind(self, kind: pb.Kind.ValueType) -> list[ReadLeaf]:
        """Accepted statements of a kind."""
        return [leaf for leaf in self.accepted if leaf.header is not None and leaf.header.kind == kind]
