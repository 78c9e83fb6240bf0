"""Every state that any course of events can reach, breadth first, with every invariant judged on every move."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from protocol.agreement import Agreement
from protocol.state import Stage, State
from tests.model.lens import Lens
from tests.model.move import Move
from tests.model.normal import Normal, frozen
from tests.model.world import Act, World

_Key = Hashable


@dataclass(frozen=True, slots=True)
class Broken:
    """An invariant that does not hold.

    Attributes:
        invariant: its name.
        found: what was found instead.
        trace: the shortest course of events that leads there, in words.
    """

    invariant: str
    found: str
    trace: tuple[str, ...]


@dataclass(slots=True)
class Explored:
    """What exploring a lens found.

    Attributes:
        lens: its name.
        states: how many different states were reached.
        transitions: how many closings were folded from them.
        judged: moves judged, by invariant.
        visited: phases of levels that were seen: 1 in any episode, 2 again in a later one of one course of events.
        seconds: time taken.
        complete: whether every course of events was followed to its end, and not only so many closings.
        closings: that every course of events was followed for, where it was not followed to its end.
        broken: the first invariant that does not hold.
    """

    lens: str
    states: int = 0
    transitions: int = 0
    judged: Counter[str] = field(default_factory=Counter)
    visited: set[tuple[int, Stage, int]] = field(default_factory=set)
    seconds: float = 0.0
    complete: bool = True
    closings: int = 0
    broken: Broken | None = None


def machine(agreement: Agreement) -> set[tuple[int, Stage]]:
    """The phases that each level can be in, by its terms: a call waits only where there is an entry rule."""
    found: set[tuple[int, Stage]] = set()
    for rank, terms in agreement.levels.items():
        stages = set(Stage)
        if not terms.HasField("entry"):
            stages.remove(Stage.CALLED)
        if not terms.snap_back:
            stages.remove(Stage.SUSPENDED)
        found |= {(rank, stage) for stage in stages}
    return found


def passed_twice(explored: Iterable[Explored]) -> set[tuple[int, Stage]]:
    """Phases of levels that one course of events passed through in two episodes."""
    return {
        (rank, stage)
        for one in explored
        for rank, stage, of in one.visited
        if of > 1 and (rank, stage, 1) in one.visited
    }


@dataclass(slots=True)
class _Search:
    """The graph found so far: states by number, where each came from and leads, and moves that begin an episode."""

    lens: Lens
    world: World
    normal: Normal
    states: list[State] = field(default_factory=list)
    numbers: dict[_Key, int] = field(default_factory=dict)
    origin: list[tuple[int, Act] | None] = field(default_factory=list)
    depth: list[int] = field(default_factory=list)
    onward: list[set[int]] = field(default_factory=list)
    constant: dict[str, dict[int, int]] = field(default_factory=dict)
    begun: dict[int, set[tuple[int, int]]] = field(default_factory=dict)

    def number(self, state: State, origin: tuple[int, Act] | None) -> int:
        """The number of a state, new or known."""
        place = frozen(state)
        found = self.numbers.get(place)
        if found is None:
            found = self.numbers[place] = len(self.states)
            self.states.append(state)
            self.origin.append(origin)
            self.depth.append(0 if origin is None else self.depth[origin[0]] + 1)
            self.onward.append(set())
        return found

    def trace(self, number: int, *last: Act) -> tuple[str, ...]:
        """The closings that lead to a state, in words."""
        words = [str(act) for act in reversed(last)]
        at = self.origin[number]
        while at is not None:
            number, act = at
            words.append(str(act))
            at = self.origin[number]
        words.append(f"at first: {self.lens.words(number)}")
        return tuple(reversed(words))


def explore(
    lens: Lens,
    watch: Callable[[int, int], None] | None = None,
    *,
    deepest: int | None = None,
    most: int | None = None,
) -> Explored:
    """Explore a lens to its end, or to the first invariant that does not hold.

    Args:
        lens: what to explore.
        deepest: how many closings to follow each course of events; None: until nothing new can happen.
        watch: told now and then how many states are done and how many are known.
        most: how many closings to try before giving up; None: any number.
    """
    start = time.monotonic()
    world = World(lens.agreement)
    search = _Search(lens, world, Normal(lens.agreement, lens.limits))
    found = Explored(lens.name)
    for state in lens.start(world):
        search.number(search.normal(state), None)
    waiting = deque(range(len(search.states)))
    while waiting and found.broken is None:
        number = waiting.popleft()
        too_deep = deepest is not None and search.depth[number] >= deepest
        if too_deep or (most is not None and found.transitions >= most):
            # Breadth first: whatever takes fewer closings to reach was expanded.
            found.closings = search.depth[number] if found.complete else found.closings
            found.complete = False
            continue
        known = len(search.states)
        found.broken = _expand(search, found, number)
        waiting.extend(range(known, len(search.states)))
        if watch is not None:
            watch(number + 1, len(search.states))
    found.states, found.visited = len(search.states), _visited(search)
    if found.broken is None and found.complete:
        found.broken = _in_the_long_run(search, found)
    found.seconds = time.monotonic() - start
    return found


def acts(lens: Lens, state: State) -> Iterator[Act]:
    """Every closing that the lens allows in a state: any choice of each author, at any distance."""
    for chosen in product(*lens.choices(state)):
        said = tuple(one for choice in chosen for one in choice)
        for dark in lens.darks if not lens.quiet_darks or not said else (0,):
            yield Act(said, dark)


def _expand(search: _Search, found: Explored, number: int) -> Broken | None:
    """All moves from one state."""
    lens, before = search.lens, search.states[number]
    for act in acts(lens, before):
        outcome = search.world.step(before, act)
        found.transitions += 1
        move = Move(search.world, before, act, outcome)
        for invariant in lens.invariants:
            complaint = invariant(move)
            found.judged[invariant.__name__] += 1
            if complaint is not None:
                return Broken(invariant.__name__, complaint, search.trace(number, act))
        reached = search.number(search.normal(outcome.state), (number, act))
        search.onward[number].add(reached)
        if (kind := lens.constant(act)) is not None:
            search.constant.setdefault(kind, {})[number] = reached
        for rank, level in outcome.state.levels.items():
            if level.episode > before.levels[rank].episode:
                search.begun.setdefault(rank, set()).add((number, reached))
    return None


def _visited(search: _Search) -> set[tuple[int, Stage, int]]:
    """Phases seen in an episode, and seen again after another one has begun: states forget how many there were."""
    at: dict[tuple[int, Stage], set[int]] = {}
    for number, state in enumerate(search.states):
        for rank, level in state.levels.items():
            if level.episode:
                at.setdefault((rank, level.stage), set()).add(number)
    found = {(rank, stage, 1) for rank, stage in at}
    for (rank, stage), first in at.items():
        onward = _reached(search.onward, first)
        later = {to for begin, to in search.begun.get(rank, ()) if begin in onward}
        if _reached(search.onward, later) & first:
            found.add((rank, stage, 2))
    return found


def _reached(onward: Sequence[Iterable[int]] | Mapping[int, Iterable[int]], begin: Iterable[int]) -> set[int]:
    """Where one gets to, and where one began."""
    reached = set(begin)
    waiting = deque(reached)
    while waiting:
        fresh = set(onward[waiting.popleft()]) - reached
        reached |= fresh
        waiting.extend(fresh)
    return reached


def _in_the_long_run(search: _Search, found: Explored) -> Broken | None:
    """What holds of whole courses of events: constant inputs settle, and no state is a dead end."""
    for kind, onward in search.constant.items():
        found.judged["constant_inputs_constant_phase"] += len(onward)
        for number in _restless(search, onward):
            trace = search.trace(number)
            return Broken("constant_inputs_constant_phase", f"{kind}, for ever: the phases never settle", trace)
    for rank, stage in search.lens.reachable:
        name = f"{stage.value}_can_be_reached_from_everywhere"
        found.judged[name] += len(search.states)
        stuck = _cut_off(search, {n for n, state in enumerate(search.states) if state.levels[rank].stage is stage})
        if stuck is not None:
            return Broken(name, f"level {rank} never gets there", search.trace(stuck))
    return None


def _restless(search: _Search, onward: dict[int, int]) -> Iterable[int]:
    """States on a circle of a constant course of events along which a phase changes."""
    done: set[int] = set()
    for begin in onward:
        path: dict[int, None] = {}
        at = begin
        while at in onward and at not in done and at not in path:
            path[at] = None
            at = onward[at]
        if at in path:
            circle = list(path)[list(path).index(at) :]
            if len({_phases(search.states[number]) for number in circle}) > 1:
                yield at
        done.update(path)


def _phases(state: State) -> tuple[Stage, ...]:
    return tuple(level.stage for level in state.levels.values())


def _cut_off(search: _Search, targets: set[int]) -> int | None:
    """A state from which none of the targets can be reached."""
    back: dict[int, set[int]] = {number: set() for number in range(len(search.states))}
    for number, onward in enumerate(search.onward):
        for to in onward:
            back[to].add(number)
    return min(back.keys() - _reached(back, targets), default=None)
