"""Who must say yes: needs as monotone predicates over control groups (annex 5.3, 2; agreement.proto, `Need`).

    Electorate  every voter of an agreement: parties, and seats of councils as "party/seat"
    met         whether the groups that say yes are enough, and why
    can_split   whether two needs can be met by groups that have no member in common

A need never asks who says no: one more yes never undoes a decision. Veto is `all` with a count of one named voter, a
quorum of classes is `all` of counts.
"""

from __future__ import annotations

from itertools import product
from math import prod
from operator import mul
from typing import TYPE_CHECKING, Final, NamedTuple

from protocol.truth import Explained, Truth, all_of, any_of, counted
from protocol.truth import of as truth_of
from standstill.v1 import agreement_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    Leaf = pb.Need.Count | pb.Need.Weighted

MAX_SPLITS: Final = 1 << 16
"""Most ways of dividing the groups that are tried one by one."""


class Voter(NamedTuple):
    """Who may vote.

    Attributes:
        name: of the party, or "party/seat".
        group: control group that it counts with.
        party: whose log carries its ballots, and which must take part for them to count.
        ballots: under which name they stand: that of the party for a seat which a party holds, else its own.
        key: Ed25519 public key that signs them, 32 bytes; empty where the party's own keys do.
    """

    name: str
    group: str
    party: str
    ballots: str
    key: bytes = b""


class Electorate(NamedTuple):
    """Every voter of an agreement.

    Attributes:
        voters: by name.
        roles: names of the parties of each role.
        classes: names of the seats of each class.
    """

    voters: Mapping[str, Voter]
    roles: Mapping[pb.Role.ValueType, tuple[str, ...]]
    classes: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, parties: Iterable[pb.Party]) -> Electorate:
        """The voters among these parties and the seats of their councils."""
        listed = list(parties)
        voters = {party.name: Voter(party.name, party.owner, party.name, party.name) for party in listed}
        classes: dict[str, tuple[str, ...]] = {}
        for party in listed:
            for seats in party.seats:
                found = [_seat(party.name, seat) for seat in seats.seats]
                voters |= {voter.name: voter for voter in found}
                classes[seats.name] = tuple(voter.name for voter in found)
        roles = {
            role: tuple(sorted(party.name for party in listed if role in party.roles)) for role in pb.Role.values()
        }
        return cls(voters, roles, classes)

    def listed(self, leaf: Leaf) -> tuple[str, ...]:
        """Names of the voters of a count or a weighing, in its order."""
        if isinstance(leaf, pb.Need.Weighted):
            return tuple(one.voter for one in leaf.of)
        if leaf.role:
            return self.roles[leaf.role]
        return self.classes[leaf.seats] if leaf.seats else tuple(leaf.voters)

    def groups(self, leaf: Leaf) -> dict[str, int]:
        """What each control group of a count or a weighing counts: 1, or the weight of its voters up to the ceiling."""
        if isinstance(leaf, pb.Need.Count):
            return dict.fromkeys((self.voters[name].group for name in self.listed(leaf)), 1)
        weights: dict[str, int] = {}
        for one in leaf.of:
            group = self.voters[one.voter].group
            weights[group] = weights.get(group, 0) + one.weight
        return {group: min(weight, leaf.ceiling or weight) for group, weight in weights.items()}

    def of_need(self, need: pb.Need) -> dict[str, Voter]:
        """Everybody who has a vote in a need, by name."""
        names = dict.fromkeys(name for leaf in leaves(need) for name in self.listed(leaf))
        return {name: self.voters[name] for name in names}


def need_of(rule: pb.Rule) -> pb.Need:
    """What a rule needs: its tree, or `yes` of `voters`."""
    if rule.HasField("need"):
        return rule.need
    return pb.Need(count=pb.Need.Count(k=rule.yes, voters=rule.voters))


def leaves(need: pb.Need) -> Iterator[Leaf]:
    """The counts and weighings of a need, in order."""
    kind = need.WhichOneof("need")
    if kind in {"all", "any"}:
        for part in getattr(need, str(kind)).of:
            yield from leaves(part)
    elif kind is not None:
        yield getattr(need, kind)


def met(electorate: Electorate, need: pb.Need, yes: AbstractSet[str]) -> Explained:
    """Whether these control groups are enough; true or false."""
    match need.WhichOneof("need"):
        case "all":
            parts = tuple(met(electorate, part, yes) for part in need.all.of)
            return Explained(all_of([part.value for part in parts]), "all of", parts)
        case "any":
            parts = tuple(met(electorate, part, yes) for part in need.any.of)
            return Explained(any_of([part.value for part in parts]), "any of", parts)
        case "weighted":
            said = sum(weight for group, weight in electorate.groups(need.weighted).items() if group in yes)
            text = f"groups of weight {said} say yes, {need.weighted.at_least} needed"
            return Explained(truth_of(said >= need.weighted.at_least), text)
        case _:
            said = len(yes & electorate.groups(need.count).keys())
            say = "says" if said == 1 else "say"
            text = f"{counted(said, 'group')}{_of(need.count)} {say} yes, {need.count.k} needed"
            return Explained(truth_of(said >= need.count.k), text)


def can_split(electorate: Electorate, first: pb.Need, second: pb.Need) -> bool:
    """Whether control groups can be divided so that each side meets its need.

    Exact where groups that count alike leave at most :data:`MAX_SPLITS` ways to divide them. Beyond, the heaviest go to
    one side as long as that side needs them, both ways round: a division that is found is one, but one may be missed.
    """
    tables = [[electorate.groups(leaf) for leaf in leaves(need)] for need in (first, second)]
    counts: dict[tuple[tuple[int, ...], ...], int] = {}
    for group in {group for side in tables for table in side for group in table}:
        kind = tuple(tuple(table.get(group, 0) for table in side) for side in tables)
        counts[kind] = counts.get(kind, 0) + 1
    if prod(many + 1 for many in counts.values()) > MAX_SPLITS:
        return _greedy(electorate, first, second) or _greedy(electorate, second, first)
    for sizes in product(*(range(many + 1) for many in counts.values())):
        rest = [many - size for many, size in zip(counts.values(), sizes, strict=True)]
        one = [sum(map(mul, sizes, column)) for column in zip(*(kind[0] for kind in counts), strict=True)]
        other = [sum(map(mul, rest, column)) for column in zip(*(kind[1] for kind in counts), strict=True)]
        if _reached(first, iter(one)) and _reached(second, iter(other)):
            return True
    return False


def _reached(need: pb.Need, amounts: Iterator[int]) -> bool:
    """Whether a need is met by these amounts, one for each of its counts and weighings in order."""
    kind = need.WhichOneof("need")
    if kind in {"all", "any"}:
        # Every part takes its amounts, whatever the parts before it come to.
        parts = [_reached(part, amounts) for part in getattr(need, str(kind)).of]
        return all(parts) if kind == "all" else any(parts)
    return next(amounts) >= (need.count.k if kind == "count" else need.weighted.at_least)


def _greedy(electorate: Electorate, first: pb.Need, second: pb.Need) -> bool:
    """Whether the second need is met by those whom the first can spare, taken away lightest first."""
    weights: dict[str, int] = {}
    for leaf in (*leaves(first), *leaves(second)):
        for group, weight in electorate.groups(leaf).items():
            weights[group] = max(weights.get(group, 0), weight)
    side = set(weights)
    for group in sorted(weights, key=lambda one: (weights[one], one)):
        if _meets(electorate, first, side - {group}):
            side.remove(group)
    return _meets(electorate, first, side) and _meets(electorate, second, weights.keys() - side)


def _meets(electorate: Electorate, need: pb.Need, yes: AbstractSet[str]) -> bool:
    return met(electorate, need, yes).value is Truth.TRUE


def _seat(council: str, seat: pb.Seat) -> Voter:
    name = f"{council}/{seat.name}"
    if seat.held_by:
        return Voter(name, seat.owner, seat.held_by, seat.held_by)
    return Voter(name, seat.owner, council, name, seat.public_key)


def _of(count: pb.Need.Count) -> str:
    """Of whom a count counts, where it does not name them."""
    if count.role:
        return f" of role {pb.Role.Name(count.role).removeprefix('ROLE_').lower()}"
    return f" of class {count.seats}" if count.seats else ""
