"""Annex 4.1 by brute force, written from its text. Shares no code with the product; slow, and meant to be obvious."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations, product

from standstill.v1 import condition_pb2, pledge_pb2

FALSE, UNKNOWN, TRUE = 0, 1, 2
Profile = dict[str, int]


@dataclass
class World:
    """Labs, their pledges, and what is known of them.

    Attributes:
        owners: control group by lab.
        top: highest level.
        pledges: by lab, all that run.
        outside: labs that take no part.
        unreliable: labs that are out of standing.
        prev: level kept before.
        floor: level kept because standing was lost.
    """

    owners: dict[str, str]
    top: int
    pledges: dict[str, list[pledge_pb2.Pledge]]
    outside: frozenset[str] = frozenset()
    unreliable: frozenset[str] = frozenset()
    prev: Mapping[str, int] = field(default_factory=dict)
    floor: Mapping[str, int] = field(default_factory=dict)

    @property
    def labs(self) -> list[str]:
        return list(self.owners)


def keeps(world: World, profile: Profile, lab: str, level: int) -> bool:
    """4.1, 3: y(j) >= level, where a control group keeps the least of what its labs that take part keep."""
    if lab not in world.owners or lab in world.outside:
        return False
    group = [one for one in world.labs if world.owners[one] == world.owners[lab] and one not in world.outside]
    return all(one not in world.unreliable and profile[one] >= level for one in group)


def kth(values: list[int], k: int) -> int:
    """At least k of these, in strong Kleene logic; nobody knows of nothing."""
    if not values:
        return UNKNOWN
    if sum(value == TRUE for value in values) >= k:
        return TRUE
    return UNKNOWN if sum(value != FALSE for value in values) >= k else FALSE


def truth(condition: condition_pb2.Condition, world: World, profile: Profile) -> int:
    """Value of a condition in a world in which nobody has reported anything."""
    test = condition.WhichOneof("test")
    if test == "all":
        return kth([truth(part, world, profile) for part in condition.all.of], len(condition.all.of))
    if test == "any":
        return kth([truth(part, world, profile) for part in condition.any.of], 1)
    if test == "at_least":
        return kth([truth(part, world, profile) for part in condition.at_least.of], condition.at_least.k)
    if test == "constant":
        return TRUE if condition.constant.value else FALSE
    if test == "reading":
        return UNKNOWN
    return counted(condition, world, profile)


def counted(condition: condition_pb2.Condition, world: World, profile: Profile) -> int:
    """Keeps and Weighs: control groups, each once, and only if all of its labs that are named keep the level."""
    weighs = condition.WhichOneof("test") == "weighs"
    level = condition.weighs.level if weighs else condition.keeps.level
    weights = {one.lab: one.weight for one in condition.weighs.of} if weighs else dict.fromkeys(condition.keeps.of, 1)
    owner = {lab: world.owners.get(lab, f"unknown {lab}") for lab in weights}
    total = 0
    for group in set(owner.values()):
        labs = [lab for lab in weights if owner[lab] == group]
        if all(keeps(world, profile, lab, level) for lab in labs):
            total += sum(weights[lab] for lab in labs) if weighs else 1
    return TRUE if total >= (condition.weighs.at_least if weighs else condition.keeps.k) else FALSE


def clause_value(clause: pledge_pb2.PledgeClause, world: World, profile: Profile) -> int:
    """4.1, 4: `when and provided`."""
    when = truth(clause.when, world, profile) if clause.HasField("when") else TRUE
    provided = truth(clause.provided, world, profile) if clause.HasField("provided") else TRUE
    return min(when, provided)


def image(world: World, profile: Profile, *, inert: bool = True) -> Profile:
    """4.1, 5 and 6: G."""
    result = {}
    for lab in world.labs:
        levels = [0, world.floor.get(lab, 0)]
        for pledge in world.pledges.get(lab, []):
            for clause in pledge.clauses:
                found = clause_value(clause, world, profile)
                if found == TRUE or (found == UNKNOWN and inert and world.prev.get(lab, 0) >= clause.level):
                    levels.append(clause.level)
        result[lab] = 0 if lab in world.outside else max(levels)
    return result


def profiles(world: World) -> Iterator[Profile]:
    """Every profile."""
    for levels in product(range(world.top + 1), repeat=len(world.labs)):
        yield dict(zip(world.labs, levels, strict=True))


def fixed_points(world: World, *, inert: bool = True) -> list[Profile]:
    """Every profile that is its own image."""
    return [profile for profile in profiles(world) if image(world, profile, inert=inert) == profile]


def greatest(world: World) -> Profile:
    """The fixed point above all others; there is exactly one, or this is no lattice."""
    points = fixed_points(world)
    (found,) = [one for one in points if all(one[lab] >= other[lab] for other in points for lab in world.labs)]
    return found


def least(world: World) -> Profile:
    """The fixed point below all others, without inertia."""
    points = fixed_points(world, inert=False)
    (found,) = [one for one in points if all(one[lab] <= other[lab] for other in points for lab in world.labs)]
    return found


def descend(world: World) -> Profile:
    """The greatest fixed point by whole rounds from the top; quicker than trying every profile."""
    profile = dict.fromkeys(world.labs, world.top)
    while True:
        following = image(world, profile)
        if following == profile:
            return profile
        profile = following


def fewest_flips(clause: pledge_pb2.PledgeClause, world: World, profile: Profile) -> int | None:
    """Least number of tests of one clause that must turn true for all of it to; None if no number does.

    A test is a control group keeping a level, or an outside fact. One that turns true does so wherever it stands, and a
    group that keeps a level keeps those below it.
    """
    parts = [one for one in (clause.when, clause.provided) if one.WhichOneof("test")]
    tests = sorted({test for part in parts for test in _tests(part, world)})
    for size in range(len(tests) + 1):
        for flipped in combinations(tests, size):
            if all(_with_flips(part, world, profile, set(flipped)) == TRUE for part in parts):
                return size
    return None


Test = tuple[str, str, int]


def _tests(condition: condition_pb2.Condition, world: World) -> Iterator[Test]:
    test = condition.WhichOneof("test")
    if test in {"all", "any", "at_least"}:
        for part in getattr(condition, str(test)).of:
            yield from _tests(part, world)
    elif test == "keeps":
        for lab in condition.keeps.of:
            yield ("group", world.owners.get(lab, f"unknown {lab}"), condition.keeps.level)
    elif test == "weighs":
        for one in condition.weighs.of:
            yield ("group", world.owners.get(one.lab, f"unknown {one.lab}"), condition.weighs.level)
    elif test != "constant":
        yield ("fact", condition.SerializeToString(deterministic=True).hex(), 0)


def _with_flips(condition: condition_pb2.Condition, world: World, profile: Profile, flipped: set[Test]) -> int:
    test = condition.WhichOneof("test")
    if test in {"all", "any", "at_least"}:
        parts = [_with_flips(part, world, profile, flipped) for part in getattr(condition, str(test)).of]
        return kth(parts, {"all": len(parts), "any": 1}.get(str(test)) or condition.at_least.k)
    if test in {"keeps", "weighs"}:
        return _counted_with_flips(condition, world, profile, flipped)
    fact = ("fact", condition.SerializeToString(deterministic=True).hex(), 0)
    return TRUE if fact in flipped else truth(condition, world, profile)


def _counted_with_flips(condition: condition_pb2.Condition, world: World, profile: Profile, flipped: set[Test]) -> int:
    weighs = condition.WhichOneof("test") == "weighs"
    level = condition.weighs.level if weighs else condition.keeps.level
    weights = {one.lab: one.weight for one in condition.weighs.of} if weighs else dict.fromkeys(condition.keeps.of, 1)
    owner = {lab: world.owners.get(lab, f"unknown {lab}") for lab in weights}
    total = 0
    for group in set(owner.values()):
        labs = [lab for lab in weights if owner[lab] == group]
        turned = any(("group", group, higher) in flipped for higher in range(level, world.top + 1))
        if turned or all(keeps(world, profile, lab, level) for lab in labs):
            total += sum(weights[lab] for lab in labs) if weighs else 1
    return TRUE if total >= (condition.weighs.at_least if weighs else condition.keeps.k) else FALSE
