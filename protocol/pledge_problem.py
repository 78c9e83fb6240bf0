"""Pledges compiled to bit masks, so that who is bound can be solved thousands of times (annex 4.1).

`when`, and what `provided` reads of standing, do not depend on who keeps what: they are evaluated once. What remains
is counted on masks of labs. Nothing here knows how the fixed points are found.

    Problem
    ├── labs, owners, members, relied      who takes part, who is relied on (annex 4.1, 3)
    ├── clauses[lab]                       falling levels, each `when` and `provided` as a Formula
    └── prev, floor[lab]                   what inertia and lost standing hold (annex 4.1, 5 and 4.3)
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from protocol.facts import StateFacts
from protocol.pledge_compiler import Compiler, Source, names_in, own_group, parsed
from protocol.pledge_formula import Clause, Seen, bits, regrouped
from protocol.state import GOVERNS_AFTER, Membership, Stage, Standing
from protocol.truth import Truth

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from protocol.agreement import Agreement
    from protocol.state import State
    from standstill.v1 import pledge_pb2


@dataclass(frozen=True)
class Problem:
    """Who is bound to what, as a question on masks.

    Bit i of a mask is `labs[i]`. Labs that clauses name and that take no part are there too: they keep nothing.

    Attributes:
        labs: names.
        owners: control group of each.
        top: highest rank.
        members: mask of the labs that take part.
        relied: mask of the labs in standing.
        clauses: by lab, levels falling.
        prev: level that each lab kept after the last step.
        floor: level that each lab keeps whatever its clauses say.
        source: where the clauses came from; None for a problem stated on masks.
    """

    labs: tuple[str, ...]
    owners: tuple[str, ...]
    top: int
    members: int
    relied: int
    clauses: tuple[tuple[Clause, ...], ...]
    prev: tuple[int, ...]
    floor: tuple[int, ...]
    source: Source | None = field(default=None, compare=False, repr=False)

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Number of a lab."""
        return {lab: number for number, lab in enumerate(self.labs)}

    @cached_property
    def together(self) -> tuple[int, ...]:
        """For each lab, the mask of the labs of its control group that take part."""
        masks: dict[str, int] = {}
        for lab in bits(self.members):
            masks[self.owners[lab]] = masks.get(self.owners[lab], 0) | 1 << lab
        return tuple(masks.get(owner, 0) for owner in self.owners)

    @cached_property
    def reads(self) -> tuple[tuple[int, ...], ...]:
        """For each lab and level, the labs whose keeping that level its clauses read."""
        found = []
        for clauses in self.clauses:
            read = [0] * (self.top + 1)
            for clause in clauses:
                for level, mask in clause.reads.items():
                    read[level] |= mask
            found.append(tuple(read))
        return tuple(found)

    def image(self, lab: int, seen: Seen, *, inert: bool = True) -> int:
        """G(x)(i) (annex 4.1, 6); without inertia an unknown counts as false."""
        if not self.members >> lab & 1:
            return 0
        floor, before = self.floor[lab], self.prev[lab] if inert else 0
        for clause in self.clauses[lab]:
            if clause.level <= floor:
                break
            found = clause.value(seen)
            # An unknown neither starts nor ends a duty (annex 4.1, 5).
            if found == Truth.TRUE or (found == Truth.UNKNOWN and before >= clause.level):
                return clause.level
        return floor

    def seen(self, kept: Sequence[int]) -> Seen:
        """What others see of a profile (annex 4.1, 3)."""
        seen = [0] * (self.top + 1)
        for lab in bits(self.members):
            self.show(seen, lab, kept)
        return seen

    def show(self, seen: Seen, lab: int, kept: Sequence[int]) -> None:
        """Update what others see of a lab's control group, which keeps the least of what its labs keep."""
        group = self.together[lab]
        relied = group & self.relied == group
        least = min((kept[other] for other in bits(group)), default=0) if relied else 0
        for level in range(self.top + 1):
            if level <= least:
                seen[level] |= group
            else:
                seen[level] &= ~group

    def without(self, lab: str) -> Problem:
        """The same after a lab has left."""
        number = self.index[lab]
        return self._with(number, members=self.members & ~(1 << number), floor=0)

    def absent(self, labs: Iterable[str]) -> Problem:
        """The same if labs kept nothing and nobody relied on them (annex 4.5); their groups then keep nothing."""
        changed = self
        for number in sorted(self.index[lab] for lab in labs):
            relied = changed.relied & ~(1 << number)
            changed = changed._with(number, relied=relied, clauses=(), floor=0)
        return changed

    def keeping(self, labs: int, level: int) -> Problem:
        """The same if the labs of a mask kept a level unconditionally."""
        floor = tuple(max(now, level) if labs >> number & 1 else now for number, now in enumerate(self.floor))
        return replace(self, floor=floor)

    def unreliable(self, lab: str, floor: int) -> Problem:
        """The same once a lab has lost standing: nobody relies on it, and it stays bound to `floor` (annex 4.3)."""
        number = self.index[lab]
        return self._with(number, relied=self.relied & ~(1 << number), floor=max(self.floor[number], floor))

    def pledged(self, lab: str, pledge: pledge_pb2.Pledge) -> Problem:
        """The same with another pledge of a lab, once the notice of the one before is over."""
        return self._with(self.index[lab], clauses=self.compiled(pledge))

    def joined(self, name: str, pledge: pledge_pb2.Pledge, owner: str = "") -> Problem:
        """The same with another lab, relied on from the start; `owner` is its control group, its own if not said."""
        if name not in self.index:
            grown = replace(
                self,
                labs=(*self.labs, name),
                owners=(*self.owners, owner or own_group(name)),
                clauses=(*self.clauses, ()),
                prev=(*self.prev, 0),
                floor=(*self.floor, 0),
            )
            return grown.joined(name, pledge, owner)
        number = self.index[name]
        here = self._owned(number, owner) if owner else self
        bit = 1 << number
        changed = here._with(number, members=self.members | bit, relied=self.relied | bit)  # noqa: SLF001 - its own class
        return changed.pledged(name, pledge)

    def _owned(self, number: int, owner: str) -> Problem:
        """The same with another control group of a lab."""
        owners = (*self.owners[:number], owner, *self.owners[number + 1 :])
        clauses = tuple(
            tuple(replace(clause, provided=regrouped(clause.provided, owners)) for clause in of_lab)
            for of_lab in self.clauses
        )
        return replace(self, owners=owners, clauses=clauses)

    def compiled(self, pledge: pledge_pb2.Pledge) -> tuple[Clause, ...]:
        """The clauses of a pledge among these labs; names that are not among them keep nothing."""
        if self.source is None:
            raise ValueError("stated on masks: no facts to compile a pledge with")
        return Compiler(self.index, self.owners, self.source).clauses(pledge, older=False)

    def _with(
        self,
        number: int,
        *,
        members: int | None = None,
        relied: int | None = None,
        clauses: tuple[Clause, ...] | None = None,
        floor: int | None = None,
    ) -> Problem:
        """The same, with what is given changed for one lab."""
        of_labs = list(self.clauses)
        of_labs[number] = of_labs[number] if clauses is None else clauses
        floors = list(self.floor)
        floors[number] = floors[number] if floor is None else floor
        return replace(
            self,
            members=self.members if members is None else members,
            relied=self.relied if relied is None else relied,
            clauses=tuple(of_labs),
            floor=tuple(floors),
        )


def compile_problem(agreement: Agreement, state: State, assumed: Mapping[int, Stage] | None = None) -> Problem:
    """The pledges of a state as a problem.

    Args:
        agreement: terms in force.
        state: what is known.
        assumed: stages to assume instead of those of the state, by rank: for the set that a call would bind.
    """
    facts = StateFacts(agreement, state, assumed=assumed or {})
    governed = GOVERNS_AFTER - 1 if state.period is None else state.period + GOVERNS_AFTER
    source = Source(agreement, state, facts, governed)
    labs = (*agreement.labs, *sorted(_dormant(agreement, state)))
    owners = tuple(agreement.owner(lab) if lab in agreement.parties else own_group(lab) for lab in labs)
    compiler = Compiler({lab: number for number, lab in enumerate(labs)}, owners, source)
    pledges = [state.pledges.get(lab) for lab in labs]
    return Problem(
        labs=labs,
        owners=owners,
        top=max(agreement.levels, default=0),
        members=_mask(lab in agreement.labs and _takes_part(state, lab) for lab in labs),
        relied=_mask(lab in state.conduct and state.conduct[lab].standing is not Standing.OUT for lab in labs),
        clauses=tuple(compiler.both(pledge) if pledge else () for pledge in pledges),
        prev=tuple(pledge.kept if pledge else 0 for pledge in pledges),
        floor=tuple(pledge.floor if pledge else 0 for pledge in pledges),
        source=source,
    )


def _takes_part(state: State, lab: str) -> bool:
    return lab in state.parties and state.parties[lab].membership in {Membership.IN, Membership.NOTICE}


def _mask(flags: Iterable[bool]) -> int:
    return sum(1 << number for number, flag in enumerate(flags) if flag)


def _dormant(agreement: Agreement, state: State) -> set[str]:
    """Names in pledges that are no lab of the agreement."""
    pledges = {data for pledge in state.pledges.values() for data in (pledge.current, pledge.older)}
    named = {name for data in pledges for clause in parsed(data).clauses for name in names_in(clause.provided)}
    return named - set(agreement.labs)
