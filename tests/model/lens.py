"""What to look at: terms with short clocks, who may say what, and where the world begins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from protocol.agreement import Agreement
from protocol.state import Stage, State
from tests.model.invariants import EVERYWHERE, Invariant
from tests.model.normal import Limits
from tests.model.world import Act, Said, World

Choice = tuple[Said, ...]
"""What one author says in one closing: nothing, one statement, or two in this order."""


@dataclass(frozen=True)
class Lens:
    """A part of the protocol, small enough to look at all of it.

    Attributes:
        name: for people.
        looks_at: what it is for, a sentence.
        agreement: the terms.
        limits: of counting.
        start: the states to begin with.
        choices: for each author, all that it may say next; every combination is tried.
        darks: how many periods may stay without a closing before the next one.
        quiet_darks: whether dark periods come only before closings in which nobody says anything.
        constant: the name of a course of events in which this closing is repeated for ever; None for others.
        reachable: phases of levels that must be within reach of every state.
        twins: further invariants.
        begins: what each starting state is, in words.
    """

    name: str
    looks_at: str
    agreement: Agreement
    limits: Limits
    start: Callable[[World], Iterable[State]]
    choices: Callable[[State], Sequence[Sequence[Choice]]]
    darks: tuple[int, ...] = (0,)
    quiet_darks: bool = False
    constant: Callable[[Act], str | None] = lambda act: None if act.said or act.dark else "nobody says anything"
    reachable: tuple[tuple[int, Stage], ...] = ()
    twins: tuple[Invariant, ...] = ()
    begins: tuple[str, ...] = field(default=())

    @property
    def invariants(self) -> tuple[Invariant, ...]:
        """All that is judged of every move."""
        return EVERYWHERE + self.twins

    def words(self, number: int) -> str:
        """What a starting state is."""
        return self.begins[number] if number < len(self.begins) else "everybody has founded"


def one_of(*said: Said) -> list[Choice]:
    """Nothing, or one of these."""
    return [(), *((one,) for one in said)]
