"""Pledges compiled: conditions become formulas over masks of labs (annex 4.1, 4).

`when`, and what `provided` reads of standing, do not depend on who keeps what: they are evaluated once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from protocol import conditions
from protocol.pledge_formula import ALWAYS, Clause, Fixed, Formula, Join, Keeps, Weighs
from standstill.v1 import pledge_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from protocol.agreement import Agreement
    from protocol.facts import StateFacts
    from protocol.state import PledgeState, State
    from standstill.v1 import condition_pb2

_GROUPS: Final = frozenset({"all", "any", "at_least"})


@dataclass(frozen=True, slots=True)
class Source:
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

    def both(self, pledge: PledgeState) -> tuple[Clause, ...]:
        """Clauses of the pledge in force and of the one that still runs, levels falling."""
        found = [clause for data, older in ((pledge.current, False), (pledge.older, True)) if data
                 for clause in self.clauses(parsed(data), older=older)]  # fmt: skip
        return tuple(sorted(found, key=lambda clause: -clause.level))

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
            return self._keeps(condition.keeps)
        if test == "weighs" and not outside:
            of = tuple((self._bit(one.lab), one.weight) for one in condition.weighs.of)
            return Weighs(condition.weighs.level, of, condition.weighs.at_least)
        return Fixed(conditions.evaluate(condition, self._source.facts).value, condition)

    def _keeps(self, test: condition_pb2.Condition.Keeps) -> Keeps:
        groups: dict[str, int] = {}
        for lab in test.of:
            number = self._index.get(lab)
            owner = own_group(lab) if number is None else self._owners[number]
            groups[owner] = groups.get(owner, 0) | self._bit(lab)
        return Keeps(test.level, tuple(groups.values()), test.k)

    def _bit(self, lab: str) -> int:
        """Mask of a lab; none for a name that is not among them, which keeps nothing."""
        return 1 << self._index[lab] if lab in self._index else 0
