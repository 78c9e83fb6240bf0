"""Terms as the checks read them: who belongs to whom, which conditions stand where, which rule is asked for what."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from language.satisfy import World, restrictive
from language.units import show_seconds
from standstill.v1 import agreement_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from standstill.v1 import condition_pb2


@dataclass(frozen=True)
class View:
    """Valid terms with look-ups. Names that resolve are relied on; that quorums can be met is not.

    Attributes:
        terms: the terms.
    """

    terms: pb.Agreement

    @cached_property
    def owner(self) -> Mapping[str, str]:
        """Control group by party, and by seat written `party/seat`."""
        owners = {party.name: party.owner for party in self.terms.parties}
        for party in self.terms.parties:
            for seat in (seat for one in party.seats for seat in one.seats):
                owners[f"{party.name}/{seat.name}"] = (
                    owners.get(seat.held_by, seat.owner) if seat.held_by else seat.owner
                )
        return owners

    @cached_property
    def labs(self) -> frozenset[str]:
        """Names of the labs."""
        return frozenset(self.with_role(pb.ROLE_LAB))

    @cached_property
    def lab_groups(self) -> frozenset[str]:
        """Control groups that have a lab."""
        return self.groups(self.labs)

    @cached_property
    def rules(self) -> Mapping[str, pb.Rule]:
        """Decision rules by name."""
        return {rule.name: rule for rule in self.terms.rules}

    @cached_property
    def indicators(self) -> Mapping[str, pb.Indicator]:
        """Indicators by name."""
        return {indicator.name: indicator for indicator in self.terms.indicators}

    @property
    def world(self) -> World:
        """Anything may be the case."""
        return World(self.terms)

    def restrictive(self, level: pb.Level) -> World:
        """A level restricts."""
        return restrictive(self.terms, level)

    def groups(self, names: Iterable[str]) -> frozenset[str]:
        """Control groups of parties and seats."""
        return frozenset(self.owner.get(name, name) for name in names)

    def with_role(self, role: pb.Role.ValueType) -> list[str]:
        """Names of the parties with a role."""
        return [party.name for party in self.terms.parties if role in party.roles]

    def seats(self, seats: str) -> list[str]:
        """Seats of a class, written `party/seat`."""
        return [
            f"{council.name}/{seat.name}"
            for council in self.terms.parties
            for one in council.seats
            for seat in one.seats
            if one.name == seats
        ]

    def conditions(self) -> Iterator[tuple[str, condition_pb2.Condition]]:
        """Conditions of levels with their paths."""
        for level in self.terms.levels:
            for name in ("trigger", "entry", "resume"):
                if level.HasField(name):
                    yield f"levels.{level.name}.{name}", getattr(level, name)

    def rule_uses(self) -> Iterator[tuple[str, str, pb.Level | None]]:
        """Names of rules with the fields that name them, and the level of the field."""
        terms = self.terms
        for level in terms.levels:
            for field in ("called_by", "lifted_by", "renewed_by", "armed_by"):
                yield getattr(level, field), f"levels.{level.name}.{field}", level
            if level.HasField("brake"):
                yield level.brake.ratified_by, f"levels.{level.name}.brake.ratified_by", level
        for field in ("admitted_by", "amended_by", "exempted_by"):
            yield getattr(terms, field), field, None
        yield terms.standing.hold_rule, "standing.hold_rule", None
        yield terms.standing.release_rule, "standing.release_rule", None


def parts(condition: condition_pb2.Condition, path: str) -> Iterator[tuple[str, condition_pb2.Condition]]:
    """A condition and all within it, with paths as in refusals."""
    yield path, condition
    test = condition.WhichOneof("test")
    if test in {"all", "any", "at_least"}:
        for number, part in enumerate(getattr(condition, test).of):
            yield from parts(part, f"{path}.{test}[{number}]")
    elif test == "negation":
        yield from parts(condition.negation, f"{path}.negation")


def tests(condition: condition_pb2.Condition, path: str) -> Iterator[tuple[str, condition_pb2.Condition]]:
    """The parts that hold no further conditions."""
    for place, part in parts(condition, path):
        if part.WhichOneof("test") not in {"all", "any", "at_least", "negation", None}:
            yield place, part


def named(names: Iterable[str]) -> str:
    """Names as a phrase: `alpha, beta and gamma`."""
    listed = sorted(names)
    return f"{', '.join(listed[:-1])} and {listed[-1]}" if len(listed) > 1 else "".join(listed)


def span(periods: int, terms: pb.Agreement) -> str:
    """A duration as the text writes it."""
    return show_seconds(periods * terms.period_seconds)
