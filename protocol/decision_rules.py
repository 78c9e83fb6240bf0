"""What rules of decision, councils and brakes in terms must satisfy (annex 5.3; agreement.proto, `Need`, `BrakeTerms`).

The rules here are part of those of :mod:`protocol.agreement_rules`, which says which of them rely on which.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.agreement_limits import MAX_PERIODS, NAME, known, names, within
from protocol.errors import Reason, Refused
from protocol.needs import Electorate, can_split, leaves, need_of
from standstill.v1 import agreement_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterator


def seats_are_complete(terms: pb.Agreement) -> Iterator[Refused]:
    """Councils, and only they, have seats; a seat has a name, an owner, and either a key or a party that holds it."""
    yield from names("parties.seats", NAME, [seats.name for party in terms.parties for seats in party.seats])
    for party in terms.parties:
        where = f"parties.{party.name}.seats"
        if (pb.ROLE_COUNCIL in party.roles) != any(seats.seats for seats in party.seats):
            yield Refused(Reason.ROLE_MISSING, where, "stated by councils, and only by them")
        seats = [seat for listed in party.seats for seat in listed.seats]
        yield from names(where, NAME, [seat.name for seat in seats])
        for seat in seats:
            if not seat.owner or not seat.owner.isprintable():
                yield Refused(Reason.FIELD_ABSENT, f"{where}.{seat.name}.owner", "the control group it belongs to")
            if bool(seat.public_key) == bool(seat.held_by):
                yield Refused(Reason.SEAT_UNKNOWN, f"{where}.{seat.name}", "signs for itself, or is held by a party")


def seats_are_held_by_parties(terms: pb.Agreement) -> Iterator[Refused]:
    """Who holds a seat is a party, of the control group that the seat counts with: nobody votes twice."""
    owners = {party.name: party.owner for party in terms.parties}
    for party in terms.parties:
        for seat in (seat for seats in party.seats for seat in seats.seats):
            where = f"parties.{party.name}.seats.{seat.name}"
            yield from known(f"{where}.held_by", [seat.held_by] if seat.held_by else [], owners)
            if seat.held_by in owners and owners[seat.held_by] != seat.owner:
                yield Refused(Reason.SEAT_UNKNOWN, f"{where}.owner", f"{seat.held_by} belongs to another")


def rules_are_named(terms: pb.Agreement) -> Iterator[Refused]:
    """Every rule that something is decided by is declared."""
    declared = {rule.name for rule in terms.rules}
    for field in ("admitted_by", "amended_by", "exempted_by"):
        yield from _rule(field, getattr(terms, field), declared)
    yield from _rule("standing.hold_rule", terms.standing.hold_rule, declared)
    yield from _rule("standing.release_rule", terms.standing.release_rule, declared)
    if terms.standing.release == pb.RELEASE_ON_VOTE and not terms.standing.release_rule:
        yield Refused(Reason.FIELD_ABSENT, "standing.release_rule", "the rule that releases by vote")
    for level in terms.levels:
        where = f"levels.{level.name}"
        yield from known(f"{where}.lifted_by", [level.lifted_by], declared)
        for field in ("called_by", "renewed_by", "armed_by"):
            yield from _rule(f"{where}.{field}", getattr(level, field), declared)
        if level.HasField("brake"):
            yield from known(f"{where}.brake.ratified_by", [level.brake.ratified_by], declared)
            yield from known(f"{where}.brake.parties", level.brake.parties, {party.name for party in terms.parties})


def needs_are_well_formed(terms: pb.Agreement) -> Iterator[Refused]:
    """A rule says in one way who must say yes, of voters that there are."""
    electorate = Electorate.of(terms.parties)
    for rule in terms.rules:
        where = f"rules.{rule.name}"
        if not rule.HasField("need"):
            yield from known(f"{where}.voters", rule.voters, {party.name for party in terms.parties})
            continue
        if rule.yes or rule.voters:
            yield Refused(Reason.RULES_CONTRADICT, f"{where}.need", "beside `yes` or `voters`: one of them")
        yield from _well_formed(rule.need, f"{where}.need", electorate)


def _well_formed(need: pb.Need, where: str, electorate: Electorate) -> Iterator[Refused]:
    kind = need.WhichOneof("need")
    if kind == "count":
        yield from _count(need.count, f"{where}.count", electorate)
    elif kind == "weighted":
        voters = [one.voter for one in need.weighted.of]
        yield from known(f"{where}.weighted.of", voters, electorate.voters)
        for voter in {voter for voter in voters if voters.count(voter) > 1}:
            yield Refused(Reason.NAME_TWICE, f"{where}.weighted.of", repr(voter))
        for one in need.weighted.of:
            yield from within(f"{where}.weighted.of.{one.voter}", one.weight, 1, 1 << 40)
    elif kind is None or not getattr(need, kind).of:
        yield Refused(Reason.FIELD_ABSENT, where, "a count, weights, or needs joined")
    else:
        for number, part in enumerate(getattr(need, kind).of):
            yield from _well_formed(part, f"{where}.{kind}[{number}]", electorate)


def _count(count: pb.Need.Count, where: str, electorate: Electorate) -> Iterator[Refused]:
    ways = [bool(count.voters), bool(count.role), bool(count.seats)]
    if sum(ways) != 1:
        yield Refused(Reason.FIELD_ABSENT, where, "voters, or a role, or a class of seats: one of them")
    yield from known(f"{where}.voters", count.voters, electorate.voters)
    if count.role not in electorate.roles:
        yield Refused(Reason.ROLE_MISSING, f"{where}.role", str(count.role))
    if count.seats:
        yield from known(f"{where}.seats", [count.seats], electorate.classes)


def rules_can_be_met(terms: pb.Agreement) -> Iterator[Refused]:
    """Behind every count and weighing stand enough control groups."""
    electorate = Electorate.of(terms.parties)
    for rule in terms.rules:
        where = f"rules.{rule.name}"
        for leaf in leaves(need_of(rule)):
            most = sum(electorate.groups(leaf).values())
            wanted = leaf.k if isinstance(leaf, pb.Need.Count) else leaf.at_least
            if not 1 <= wanted <= most:
                field = "need" if rule.HasField("need") else "yes"
                yield Refused(Reason.QUORUM_CANNOT_BE_MET, f"{where}.{field}", f"{wanted} of {most}")
        yield from within(f"{where}.ballot_life_periods", rule.ballot_life_periods, 1, MAX_PERIODS)
    yield from within("novice_periods", terms.novice_periods, 0, MAX_PERIODS)


def callers_and_lifters_overlap(terms: pb.Agreement) -> Iterator[Refused]:
    """No groups can call a level while others, without a member in common, lift it: for ever in turn (annex 5.3, 5)."""
    electorate = Electorate.of(terms.parties)
    needs = {rule.name: need_of(rule) for rule in terms.rules}
    for level in terms.levels:
        callers = [level.called_by] if level.called_by else []
        callers += [level.brake.ratified_by] if level.HasField("brake") else []
        for caller in dict.fromkeys(callers):
            if can_split(electorate, needs[caller], needs[level.lifted_by]):
                found = f"some can call by {caller!r} what others lift by {level.lifted_by!r}: for ever, in turn"
                yield Refused(Reason.RULES_CONTRADICT, f"levels.{level.name}.lifted_by", found)


def brakes_are_timed(terms: pb.Agreement) -> Iterator[Refused]:
    """A brake lasts longer than the wind-down, and its cap does not cut its window short (annex 5.3, 5)."""
    for level in terms.levels:
        if not level.HasField("brake"):
            continue
        where, brake = f"levels.{level.name}.brake", level.brake
        yield from within(f"{where}.window_periods", brake.window_periods, 1, MAX_PERIODS)
        yield from within(f"{where}.rest_periods", brake.rest_periods, 1, MAX_PERIODS)
        if not brake.window_periods <= brake.cap_periods <= MAX_PERIODS:
            found = f"{brake.cap_periods}, less than the window of {brake.window_periods}"
            yield Refused(Reason.CLOCKS_CONTRADICT, f"{where}.cap_periods", found)
        if level.wind_down_periods >= brake.window_periods:
            found = f"{brake.window_periods}: over before the wind-down of {level.wind_down_periods}"
            yield Refused(Reason.CLOCKS_CONTRADICT, f"{where}.window_periods", found)


def brakes_cannot_be_chained(terms: pb.Agreement) -> Iterator[Refused]:
    """Who may brake cannot, one after another, hold a level provisional for ever (annex 5.3, 5)."""
    for level in terms.levels:
        if not level.HasField("brake"):
            continue
        where, brake = f"levels.{level.name}.brake", level.brake
        entitled = [one for one in terms.parties if set(one.roles) & set(brake.roles) or one.name in brake.parties]
        groups = len({party.owner for party in entitled})
        if not groups:
            yield Refused(Reason.QUORUM_CANNOT_BE_MET, f"{where}.roles", "nobody may use it")
        if brake.rest_periods <= groups * brake.window_periods:
            found = f"{brake.rest_periods}, not more than {groups} groups times {brake.window_periods}"
            yield Refused(Reason.RULES_CONTRADICT, f"{where}.rest_periods", found)


def _rule(field: str, name: str, declared: set[str]) -> Iterator[Refused]:
    yield from known(field, [name] if name else [], declared)
