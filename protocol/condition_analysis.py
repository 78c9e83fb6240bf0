"""What conditions can come to, whatever the record says: for the rules of agreements and for those who write them.

A condition is tried on every *world*: readings of each indicator and lab among the thresholds that the condition names,
clocks among its spans, one phase a level. Tests of other kinds are taken to be independent of each other, so worlds
that never come may be among them: that something cannot be is proven, that it can be is not where such tests decide.
"""

from __future__ import annotations

from itertools import combinations_with_replacement, product
from math import comb, prod
from typing import TYPE_CHECKING, Any, Final

from protocol.condition_forms import labs_of
from protocol.condition_tree import GROUPS, atoms
from protocol.truth import Truth, all_of, any_of, at_least, negate, of
from protocol.wire import MAX_UINT
from standstill.v1 import agreement_pb2 as agreement_pb
from standstill.v1 import condition_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    Vector = tuple[bool, ...]

MAX_WORLDS: Final = 1 << 16
"""Most worlds tried; beyond, the answer is that it was not decided."""

_CLOCKS: Final = ("elapsed", "honored", "overdue")
"""Tests that are true from a number of periods on."""

_ALWAYS_KNOWN: Final = frozenset({"elapsed", "overdue", "level_phase", "keeps", "weighs", "constant"})


def can_be(terms: agreement_pb.Agreement, condition: pb.Condition, wanted: Truth) -> bool | None:
    """Whether a condition of good form can have a value; None where there are too many worlds to try.

    False is proven. True is exact for readings and clocks.
    """
    found = {bytes(atom.SerializeToString(deterministic=True)): atom for atom in atoms(condition)}
    kinds = _independent(found)
    if wanted == Truth.UNKNOWN:
        # The less is known, the fewer tests are decided; so what can be unknown at all is unknown without any evidence.
        kinds = [names for names in kinds if found[names[0]].WhichOneof("test") in _ALWAYS_KNOWN]
    choices = [_vectors(terms, [found[name] for name in names]) for names in kinds]
    if any(vectors is None for vectors in choices):
        return None
    vectors = [chosen for chosen in choices if chosen is not None]
    if prod(map(len, vectors)) > MAX_WORLDS:
        return None
    for world in product(*vectors):
        values = {
            name: of(holds)
            for names, vector in zip(kinds, world, strict=True)
            for name, holds in zip(names, vector, strict=True)
        }
        if _value(condition, values) == wanted:
            return True
    return False


def can_hold_together(terms: agreement_pb.Agreement, *conditions: pb.Condition) -> bool | None:
    """Whether all of several conditions can be true at once; None where there are too many worlds to try."""
    return can_be(terms, pb.Condition(all=pb.Condition.Several(of=conditions)), Truth.TRUE)


def never_false(terms: agreement_pb.Agreement, condition: pb.Condition) -> bool:
    """Whether it is proven that no record makes a condition false: a trigger that is not would never arm again."""
    return can_be(terms, condition, Truth.FALSE) is False


def undecidable_by_subject(terms: agreement_pb.Agreement, level: agreement_pb.Level) -> tuple[tuple[str, str], ...]:
    """Indicators of a trigger that a lab's own control group can keep unknown by its silence, each with the lab.

    Not where the trigger says what silence means for the indicator.
    """
    tests = [(str(atom.WhichOneof("test")), atom) for atom in atoms(level.trigger)]
    spoken_for = {atom.overdue.indicator for test, atom in tests if test == "overdue"}
    found = set()
    for test, atom in tests:
        if test not in {"reading", "trend"}:
            continue
        body = getattr(atom, test)
        indicator = next(one for one in terms.indicators if one.name == body.indicator)
        if body.indicator not in spoken_for:
            labs = body.of or labs_of(terms)
            found |= {(body.indicator, lab) for lab in labs if _needs_subject(terms, indicator, lab)}
    return tuple(sorted(found))


def _needs_subject(terms: agreement_pb.Agreement, indicator: agreement_pb.Indicator, lab: str) -> bool:
    """Whether a reading of a lab needs a report of its own control group."""
    owners = {party.name: party.owner for party in terms.parties}
    labs = labs_of(terms)
    # A lab reports on itself only.
    others = {owners[name] for name in (*indicator.reported_by, *indicator.confirmed_by) if name not in labs}
    return len(others - {owners[lab]}) < indicator.reports


def _independent(found: Mapping[bytes, pb.Condition]) -> list[list[bytes]]:
    """Tests by what decides them: readings by indicator, clocks and phases by what they count; others each alone."""
    kinds: dict[tuple[Any, ...], list[bytes]] = {}
    for name, atom in found.items():
        kinds.setdefault(_decided_by(name, atom), []).append(name)
    return list(kinds.values())


def _decided_by(name: bytes, atom: pb.Condition) -> tuple[Any, ...]:
    test = str(atom.WhichOneof("test"))
    body = getattr(atom, test)
    if test == "reading" and not body.HasField("ratchet"):
        return test, body.indicator
    if test == "level_phase":
        return test, body.level
    if test in _CLOCKS:
        same = type(body)()
        same.CopyFrom(body)
        same.ClearField("periods")
        return test, same.SerializeToString(deterministic=True)
    return test, name


def _vectors(terms: agreement_pb.Agreement, tests: Sequence[pb.Condition]) -> list[Vector] | None:
    """What tests that are decided by the same thing can be together; None where there are too many worlds to try."""
    test = str(tests[0].WhichOneof("test"))
    if test == "reading" and not tests[0].reading.HasField("ratchet"):
        return _of_readings(terms, [one.reading for one in tests])
    if test == "level_phase":
        phases = [phase for phase in pb.Phase.values() if phase != pb.PHASE_UNSPECIFIED]
        return _distinct(tuple(one.level_phase.phase == phase for one in tests) for phase in phases)
    if test in _CLOCKS:
        spans = [getattr(one, test).periods for one in tests]
        return _distinct(tuple(passed >= span for span in spans) for passed in (0, *spans))
    if test == "constant":
        return [(tests[0].constant.value,)]
    return [(False,), (True,)]


def _of_readings(terms: agreement_pb.Agreement, tests: Sequence[pb.Condition.Reading]) -> list[Vector] | None:
    """Readings of one indicator: each lab at 0 or at one of the thresholds."""
    owners = {party.name: party.owner for party in terms.parties if party.name in labs_of(terms)}
    values = sorted({0, *(test.threshold for test in tests if test.threshold <= MAX_UINT)})
    named = {lab for test in tests for lab in test.of}
    shared = {lab for lab, owner in owners.items() if list(owners.values()).count(owner) > 1}
    apart = sorted((named | shared) & owners.keys())
    # Labs that no test names and that share their group with no other can be exchanged for each other.
    alike = sorted(owners.keys() - set(apart))
    worlds = len(values) ** len(apart) * comb(len(alike) + len(values) - 1, len(alike))
    if worlds * max(len(owners), 1) > MAX_WORLDS * 4:
        return None
    return _distinct(
        tuple(_passes(test, dict(zip((*apart, *alike), (*own, *rest), strict=True)), owners) for test in tests)
        for own in product(values, repeat=len(apart))
        for rest in combinations_with_replacement(values, len(alike))
    )


def _passes(test: pb.Condition.Reading, values: Mapping[str, int], owners: Mapping[str, str]) -> bool:
    """A reading in a world: what :func:`protocol.conditions.evaluate` says where every lab has one value."""
    from_threshold = test.comparison == pb.COMPARISON_AT_LEAST
    groups: dict[str, list[bool]] = {}
    for lab in test.of or owners:
        groups.setdefault(owners[lab], []).append((values[lab] >= test.threshold) is from_threshold)
    join = any if from_threshold and not test.all else all
    passed = [join(group) for group in groups.values()]
    return all(passed) if test.all else sum(passed) >= test.labs


def _distinct(vectors: Iterable[Vector]) -> list[Vector]:
    return sorted(set(vectors))


def _value(condition: pb.Condition, values: Mapping[bytes, Truth]) -> Truth:
    """The value of a condition, given those of its tests; a test without one is unknown."""
    test = condition.WhichOneof("test")
    if test == "negation":
        return negate(_value(condition.negation, values))
    if test not in GROUPS:
        return values.get(condition.SerializeToString(deterministic=True), Truth.UNKNOWN)
    parts = list(_parts(getattr(condition, test).of, values))
    if test == "at_least":
        return at_least(condition.at_least.k, parts)
    return all_of(parts) if test == "all" else any_of(parts)


def _parts(conditions: Iterable[pb.Condition], values: Mapping[bytes, Truth]) -> Iterator[Truth]:
    return (_value(part, values) for part in conditions)
