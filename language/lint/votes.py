"""What decision rules ask for, over every set of voters. Groups that nothing tells apart are counted together."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Final, TypeAlias

from standstill.v1 import agreement_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from language.lint.view import View

MOST: Final = 1 << 14
"""Most sets of voters that are looked at for one question."""
Signature: TypeAlias = tuple[int, ...]
"""What a control group adds to each count of a rule."""
Votes: TypeAlias = tuple[int, ...]
"""How many groups of each signature say yes."""


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A sum of what groups add, and the least that is enough."""

    adds: Mapping[str, int]
    least: int


def need_of(rule: pb.Rule) -> pb.Need:
    """What a rule needs, also where it says so in short."""
    if rule.HasField("need"):
        return rule.need
    return pb.Need(count=pb.Need.Count(k=rule.yes, voters=rule.voters))


class Poll:
    """Rules asked together.

    Attributes:
        groups: control groups with a vote in any of them.
    """

    def __init__(self, view: View, *rules: pb.Rule) -> None:
        self._leaves: list[_Leaf] = []
        self._view = view
        self._trees = [self._tree(need_of(rule)) for rule in rules]
        self.groups = frozenset(group for leaf in self._leaves for group in leaf.adds)
        self._kinds = Counter(self._signature(group) for group in self.groups)

    def votes(self) -> Iterator[Votes] | None:
        """Every set of groups that may say yes, the smallest sets first; None if there are too many."""
        if prod(number + 1 for number in self._kinds.values()) > MOST:
            return None
        every = product(*(range(number + 1) for number in self._kinds.values()))
        return iter(sorted(every, key=sum))

    def carried(self, votes: Votes, rule: int = 0) -> bool:
        """Whether a rule is carried by these votes."""
        sums = [
            sum(kind[place] * number for kind, number in zip(self._kinds, votes, strict=True))
            for place in range(len(self._leaves))
        ]
        return self._holds(self._trees[rule], sums)

    def carried_by(self, groups: frozenset[str], rule: int = 0) -> bool:
        """Whether a rule is carried if these groups say yes."""
        sums = [sum(leaf.adds.get(group, 0) for group in groups) for leaf in self._leaves]
        return self._holds(self._trees[rule], sums)

    def least(self, rule: int = 0) -> int | None:
        """The fewest groups that can carry a rule; None if none can or there are too many to look at."""
        return next((sum(votes) for votes in self.votes() or () if self.carried(votes, rule)), None)

    def _signature(self, group: str) -> Signature:
        return tuple(leaf.adds.get(group, 0) for leaf in self._leaves)

    def _tree(self, need: pb.Need) -> _Tree:
        kind = need.WhichOneof("need")
        if kind in {"all", "any"}:
            return (kind == "all", [self._tree(part) for part in getattr(need, kind).of])
        self._leaves.append(self._weighted(need.weighted) if kind == "weighted" else self._count(need.count))
        return len(self._leaves) - 1

    def _count(self, count: pb.Need.Count) -> _Leaf:
        names = list(count.voters)
        if count.role:
            names += self._view.with_role(count.role)
        if count.seats:
            names += self._view.seats(count.seats)
        return _Leaf(dict.fromkeys(sorted(self._view.groups(names)), 1), count.k)

    def _weighted(self, need: pb.Need.Weighted) -> _Leaf:
        adds: Counter[str] = Counter()
        for one in need.of:
            [group] = self._view.groups([one.voter])
            adds[group] += one.weight
        ceiling = need.ceiling or sum(adds.values())
        return _Leaf({group: min(weight, ceiling) for group, weight in adds.items()}, need.at_least)

    def _holds(self, tree: _Tree, sums: Sequence[int]) -> bool:
        if isinstance(tree, int):
            return sums[tree] >= self._leaves[tree].least
        every, parts = tree
        held = (self._holds(part, sums) for part in parts)
        return all(held) if every else any(held)


_Tree: TypeAlias = "int | tuple[bool, list[_Tree]]"
"""A leaf by number, or parts of which all (or any) must hold."""
