"""What conditions can be, whatever the record says: satisfiable, always true, implied by another.

Exact within the ties of `language.atoms`. Unknown is not looked at: this is about what evidence could show. Answers are
None where a condition is too large to decide; whoever asks then says nothing.

    can_hold(trigger)              is some record possible in which it holds?
    can_hold(trigger, resume)      ... in which both hold?
    can_fail(trigger)              ... in which it does not?
    implies(pause, slowdown)       does the second hold in every record in which the first does?
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from language.atoms import Counted, Groups, counted, counts_agree, levels_agree
from language.counting import Budget, Undecided
from standstill.v1 import condition_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from standstill.v1 import agreement_pb2

MAX_ATOMS: Final = 64
"""Most different tests in one question. The triggers of the presets have seven."""
_OF_LEVELS: Final = frozenset({"level_phase", "elapsed", "event"})


@dataclass(frozen=True, slots=True)
class World:
    """What is the case wherever a condition is looked at.

    Attributes:
        terms: the agreement.
        restricted: rank of the level whose restriction runs; 0: nothing is said of levels.
        mandate: periods before which that restriction ends.
    """

    terms: agreement_pb2.Agreement
    restricted: int = 0
    mandate: int = 0


def restrictive(terms: agreement_pb2.Agreement, level: agreement_pb2.Level) -> World:
    """The world in which a level's resume condition is looked at."""
    return World(terms, level.rank, level.mandate_periods)


def can_hold(world: World, *conditions: pb.Condition) -> bool | None:
    """Whether some record makes all these conditions true."""
    return _decide(world, conditions, ())


def can_fail(world: World, condition: pb.Condition) -> bool | None:
    """Whether some record makes a condition not true."""
    return _decide(world, (), (condition,))


def implies(world: World, first: pb.Condition, second: pb.Condition) -> bool | None:
    """Whether the second holds in every record in which the first does."""
    both = _decide(world, (first,), (second,))
    return None if both is None else not both


@dataclass(frozen=True, slots=True)
class _Join:
    """At least k of the parts: all where k is their number."""

    k: int
    parts: tuple[_Node, ...]


@dataclass(frozen=True, slots=True)
class _Not:
    part: _Node


_Node: TypeAlias = int | _Join | _Not
"""An atom by number, or a connective."""


class _Problem:
    """Formulas over numbered atoms."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.groups = Groups(world.terms)
        self.atoms: list[pb.Condition] = []
        self._numbers: dict[bytes, int] = {}
        self._known: dict[frozenset[tuple[int, bool]], bool] = {}
        self._counted: list[Counted | None] = []
        self._budget = Budget()

    def node(self, condition: pb.Condition) -> _Node:
        """A condition with its tests numbered."""
        match condition.WhichOneof("test"):
            case "all":
                parts = tuple(map(self.node, condition.all.of))
                return _Join(len(parts), parts)
            case "any":
                return _Join(1, tuple(map(self.node, condition.any.of)))
            case "at_least":
                return _Join(condition.at_least.k, tuple(map(self.node, condition.at_least.of)))
            case "negation":
                return _Not(self.node(condition.negation))
            case "constant":
                return _Join(0 if condition.constant.value else 1, ())
            case _:
                return self._number(condition)

    def _number(self, atom: pb.Condition) -> int:
        data = atom.SerializeToString(deterministic=True)
        if data not in self._numbers:
            if len(self.atoms) == MAX_ATOMS:
                raise Undecided
            self._numbers[data] = len(self.atoms)
            self.atoms.append(atom)
            self._counted.append(counted(atom, self.groups))
        return self._numbers[data]

    def satisfiable(self, nodes: Sequence[_Node], values: dict[int, bool]) -> bool:
        """Whether some values of the atoms that can go together, these among them, make all nodes true."""
        self._budget.spend()
        found = [_value(node, values) for node in nodes]
        if False in found or not self._admits(values):
            return False
        undecided = next((node for node, value in zip(nodes, found, strict=True) if value is None), None)
        if undecided is None:
            return True
        atom = _open_atom(undecided, values)
        return any(self.satisfiable(nodes, {**values, atom: value}) for value in (True, False))

    def _admits(self, values: dict[int, bool]) -> bool:
        """Whether these values can go together."""
        families: dict[str, list[int]] = {}
        for atom in values:
            test = self._counted[atom]
            if test is not None:
                families.setdefault(test.about, []).append(atom)
            elif self.atoms[atom].WhichOneof("test") in _OF_LEVELS:
                families.setdefault("levels", []).append(atom)
        return all(self._agree({atom: values[atom] for atom in family}) for family in families.values())

    def _agree(self, values: dict[int, bool]) -> bool:
        signs = frozenset(values.items())
        if signs not in self._known:
            tests = [(test, value) for atom, value in values.items() if (test := self._counted[atom]) is not None]
            of_levels = [(self.atoms[atom], value) for atom, value in values.items() if self._counted[atom] is None]
            self._known[signs] = (not tests or counts_agree(tests, self._budget)) and (
                not of_levels or levels_agree(of_levels, self.world.restricted, self.world.mandate)
            )
        return self._known[signs]


def _decide(world: World, holding: Sequence[pb.Condition], failing: Sequence[pb.Condition]) -> bool | None:
    problem = _Problem(world)
    try:
        nodes: list[_Node] = [*map(problem.node, holding), *(_Not(problem.node(one)) for one in failing)]
        return problem.satisfiable(nodes, {})
    except Undecided:
        return None


def _value(node: _Node, values: dict[int, bool]) -> bool | None:
    """Value of a node under some values of its atoms; None while it depends on others."""
    match node:
        case _Not(part):
            value = _value(part, values)
            return None if value is None else not value
        case _Join(k, parts):
            found = [_value(part, values) for part in parts]
            if found.count(True) >= k:
                return True
            return False if len(found) - found.count(False) < k else None
        case _:
            return values.get(node)


def _open_atom(node: _Node, values: dict[int, bool]) -> int:
    """An atom without a value on which a node still depends."""
    match node:
        case _Not(part):
            return _open_atom(part, values)
        case _Join(_, parts):
            return next(_open_atom(part, values) for part in parts if _value(part, values) is None)
        case _:
            return node
