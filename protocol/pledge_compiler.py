"""Pledges compiled: conditions become formulas over masks of labs (annex 4.1, 4).

`when`, and what `provided` reads of standing, do not depend on who keeps what: they are evaluated once.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from protocol import conditions
from protocol.pledge_formula import ALWAYS, Clause, Fixed, Formula, Join, Keeps, Weighs
from standstill.v1 import pledge_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from protocol.agreement import Agreement
    from protocol.facts import StateFacts
    from protocol.state import PledgeState, State
    from standstill.v1 import condition_pb2

_GROUPS: Final = frozenset({"all", "any", "at_least"})


class Source(NamedTuple):
    """What a problem was compiled from.

    Attributes:
        agreement: the terms.
        state: what is known.
        facts: what `when` reads.
        governed: first period that the state governs; clauses whose time is over by then are false.
    """

    agreement: Agreement
    state: State
    facts: StateFacts
    governed: int


@lru_cache(maxsize=1_024)
def parsed(data: bytes) -> pledge_pb2.Pledge:
    """A serialized pledge, which nobody may change."""
    return pledge_pb2.Pledge.FromString(data)


def names_in(condition: condition_pb2.Condition) -> set[str]:
    """Labs that a clause on what others keep names."""
    test = condition.WhichOneof("test")
    if test in _GROUPS:
        return {name for part in getattr(condition, test).of for name in names_in(part)}
    if test == "keeps":
        return set(condition.keeps.of)
    return {one.lab for one in condition.weighs.of} if test == "weighs" else set()


def own_group(lab: str) -> str:
    """Control group of a lab that is no party: no name contains a bar, so it is nobody else's."""
    return f"|{lab}"


class Compiler:
    """Turns conditions into formulas; a `when` that several clauses share is evaluated once."""

    def __init__(self, index: Mapping[str, int], owners: Sequence[str], source: Source) -> None:
        """Compile among labs with these numbers and control groups."""
        self._index, self._owners, self._source = index, owners, source
        self._whens: dict[bytes, Formula] = {}
        self._pledges: dict[tuple[bytes, bool], tuple[Clause, ...]] = {}

    def both(self, pledge: PledgeState) -> tuple[Clause, ...]:
        """Clauses of the pledge in force and of the one that still runs, levels falling."""
        found = (*self._pledged(pledge.current, older=False), *self._pledged(pledge.older, older=True))
        return tuple(sorted(found, key=lambda clause: -clause.level))

    def _pledged(self, data: bytes, *, older: bool) -> tuple[Clause, ...]:
        """Clauses of a serialized pledge, which means the same whoever pledges it."""
        if (data, older) not in self._pledges:
            self._pledges[data, older] = self.clauses(parsed(data), older=older)
        return self._pledges[data, older]

    def clauses(self, pledge: pledge_pb2.Pledge, *, older: bool) -> tuple[Clause, ...]:
        """Clauses of one pledge, levels falling; names that are not among the labs keep nothing."""
        levels = self._source.agreement.levels
        found = [self._clause(stated, older) for stated in pledge.clauses if stated.level in levels]
        return tuple(sorted(found, key=lambda clause: -clause.level))

    def _clause(self, stated: pledge_pb2.PledgeClause, older: bool) -> Clause:
        when = self._when(stated.when) if stated.HasField("when") else ALWAYS
        over = stated.HasField("until_period") and self._source.governed >= stated.until_period
        provided = self.provided(stated.provided) if stated.HasField("provided") else ALWAYS
        return Clause(stated.level, when, provided, older, over)

    def _when(self, condition: condition_pb2.Condition) -> Formula:
        key = condition.SerializeToString(deterministic=True)
        if key not in self._whens:
            self._whens[key] = self._join(condition, outside=True)
        return self._whens[key]

    def provided(self, condition: condition_pb2.Condition) -> Formula:
        """A condition on what labs keep, as a formula."""
        return self._join(condition, outside=False)

    def _join(self, condition: condition_pb2.Condition, *, outside: bool) -> Formula:
        test = condition.WhichOneof("test")
        if test in _GROUPS:
            of = getattr(condition, test).of
            parts = tuple(self._join(part, outside=outside) for part in of)
            return Join({"all": len(parts), "any": 1}.get(test) or condition.at_least.k, parts)
        if test == "keeps" and not outside:
            keeps = condition.keeps
            return Keeps(keeps.level, tuple(mask for mask, _ in self._groups((lab, 0) for lab in keeps.of)), keeps.k)
        if test == "weighs" and not outside:
            weighs = condition.weighs
            return Weighs(weighs.level, self._groups((one.lab, one.weight) for one in weighs.of), weighs.at_least)
        return Fixed(conditions.value(condition, self._source.facts), condition)

    def _groups(self, weights: Iterable[tuple[str, int]]) -> tuple[tuple[int, int], ...]:
        """Labs and their weights by control group, which counts once: mask and weight of each (annex 4.1, 3)."""
        masks: dict[str, int] = {}
        sums: dict[str, int] = {}
        for lab, weight in weights:
            number = self._index.get(lab)
            owner = own_group(lab) if number is None else self._owners[number]
            masks[owner] = masks.get(owner, 0) | (0 if number is None else 1 << number)
            sums[owner] = sums.get(owner, 0) + weight
        return tuple((masks[owner], sums[owner]) for owner in masks)
