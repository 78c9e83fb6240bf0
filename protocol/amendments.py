"""What an amendment may say (annex 3.5, 4): rules between the terms in force and those that would replace them.

Names only accumulate. Statements, pledges and older terms that a level still keeps speak of parties, sites, indicators
and rules by name; a name that vanished or stood for another thing would change what was said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from protocol.agreement import read_agreement
from protocol.condition_tree import atoms
from protocol.decision_rules import brakes_cannot_be_chained
from protocol.errors import Reason, Refused
from protocol.in_force import current_terms
from protocol.lab_status import TAKING_PART
from protocol.levels import at_rest
from standstill.v1 import agreement_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterable

    from protocol.agreement import Agreement
    from protocol.state import State

MAX_OVERLAPS: Final = 8
"""Most older terms that one level keeps beside those in force: the state stays small."""


def problem(agreement: Agreement, state: State, data: bytes) -> Refused | None:
    """The first rule that a text of new terms breaks; None for terms that may be voted on.

    Args:
        agreement: under the terms in force.
        state: of it.
        data: exact bytes of the full text.
    """
    try:
        terms = read_agreement(data).terms
    except Refused as refused:
        return refused
    before = current_terms(agreement, state)
    broken = (
        found for rule in (_time, _identity, _verifiers, _levels, _names) for found in rule(agreement, before, terms)
    )
    of_state = (_baseline, _returns, _chained)
    broken_now = (found for rule in of_state for found in rule(agreement, state, terms))
    return next(broken, None) or next(broken_now, None) or _overlaps(state, data)


def _time(agreement: Agreement, before: pb.Agreement, terms: pb.Agreement) -> Iterator[Refused]:
    """Periods, and when a period's verdicts settle, are counted from the start: they stay."""
    del agreement
    for field in ("start", "period_seconds"):
        if getattr(terms, field) != getattr(before, field):
            found = f"{getattr(terms, field)}, not {getattr(before, field)}"
            yield Refused(Reason.AMENDMENT_CHANGES_TIME, field, found)
    if terms.standing.settle_periods != before.standing.settle_periods:
        found = f"{terms.standing.settle_periods}, not {before.standing.settle_periods}"
        yield Refused(Reason.AMENDMENT_CHANGES_TIME, "standing.settle_periods", found)


_IDENTITY: Final = ("roles", "origin", "log_key", "root_keys", "root_threshold", "record_origin")


def _identity(agreement: Agreement, before: pb.Agreement, terms: pb.Agreement) -> Iterator[Refused]:
    """Who a party is does not change with the terms; what was ever one party's is no other's."""
    del before
    for party in terms.parties:
        known = agreement.parties.get(party.name)
        if known is None:
            yield from newcomer(agreement, party)
            continue
        for field in changed_identity(known, party):
            yield Refused(Reason.AMENDMENT_CHANGES_IDENTITY, f"parties.{party.name}.{field}", "stays what it was")


def changed_identity(known: pb.Party, party: pb.Party) -> list[str]:
    """Fields that make a party who it is and differ between two descriptors of it."""
    return [field for field in _IDENTITY if getattr(party, field) != getattr(known, field)]


def newcomer(agreement: Agreement, party: pb.Party) -> Iterator[Refused]:
    """Logs and keys of a newcomer are its own: no party ever had them (annex 3.5, 3)."""
    where = f"parties.{party.name}"
    if party.name in agreement.parties:
        yield Refused(Reason.ORIGIN_REUSED, f"{where}.name", "is a party, or was one")
    taken = {origin for known in agreement.parties.values() for origin in (known.origin, known.record_origin) if origin}
    for origin in (party.origin, party.record_origin):
        if origin in taken:
            yield Refused(Reason.ORIGIN_REUSED, f"{where}.origin", f"{origin} is, or was, another party's")
    keys = {key for known in agreement.parties.values() for key in (known.log_key, *known.root_keys)}
    for key in (party.log_key, *party.root_keys):
        if key in keys:
            yield Refused(Reason.KEY_TWICE, f"{where}.root_keys", key.hex())


def _verifiers(agreement: Agreement, before: pb.Agreement, terms: pb.Agreement) -> Iterator[Refused]:
    """The verifiers, and how many of them may lie, stay: their quorum makes closings final (annex 3.3)."""
    del agreement
    if _operators(terms) != _operators(before):
        yield Refused(Reason.VERIFIERS_CHANGE, "parties", "other verifiers, or in another order or control group")
    if terms.lying_verifiers != before.lying_verifiers:
        found = f"{terms.lying_verifiers}, not {before.lying_verifiers}"
        yield Refused(Reason.VERIFIERS_CHANGE, "lying_verifiers", found)


def _operators(terms: pb.Agreement) -> list[tuple[str, str]]:
    return [(party.name, party.owner) for party in terms.parties if pb.ROLE_VERIFIER in party.roles]


def _levels(agreement: Agreement, before: pb.Agreement, terms: pb.Agreement) -> Iterator[Refused]:
    """A level keeps its name and rank: ballots, pledges and duties name the rank. New ones come on top."""
    del agreement
    named = [level.name for level in terms.levels]
    for level in before.levels:
        if named[level.rank - 1 : level.rank] != [level.name]:
            found = f"{level.name} is no longer level {level.rank}"
            yield Refused(Reason.AMENDMENT_MOVES_LEVEL, f"levels.{level.name}", found)


_Named = Callable[[pb.Agreement], "Iterable[object]"]
_NAMES: Final[tuple[tuple[str, _Named], ...]] = (
    ("chips", lambda terms: (chip.name for chip in terms.chips)),
    ("indicators", lambda terms: (indicator.name for indicator in terms.indicators)),
    ("events", lambda terms: (event.name for event in terms.events)),
    ("rules", lambda terms: (rule.name for rule in terms.rules)),
    (
        "levels.exemptions",
        lambda terms: ((level.rank, exemption.name) for level in terms.levels for exemption in level.exemptions),
    ),
)


def _names(agreement: Agreement, before: pb.Agreement, terms: pb.Agreement) -> Iterator[Refused]:
    """What is named in statements goes on standing for something, also at parties that stay."""
    del agreement
    for field, names in _NAMES:
        for gone in sorted(set(names(before)) - set(names(terms)), key=str):
            yield _gone(field, gone)
    after = {party.name: party for party in terms.parties}
    for party in before.parties:
        if party.name not in after:
            continue
        stays = {site.handle for site in after[party.name].sites}
        for gone in sorted({site.handle for site in party.sites} - stays):
            yield _gone(f"parties.{party.name}.sites", gone.hex())
        for gone in sorted(_seats(party) - _seats(after[party.name])):
            yield _gone(f"parties.{party.name}.seats", "/".join(gone))


def _seats(party: pb.Party) -> set[tuple[str, str]]:
    return {(seats.name, seat.name) for seats in party.seats for seat in seats.seats}


def _gone(field: str, name: object) -> Refused:
    return Refused(Reason.AMENDMENT_CHANGES_IDENTITY, field, f"{name} is gone, and what speaks of it would say nothing")


def _baseline(agreement: Agreement, state: State, terms: pb.Agreement) -> Iterator[Refused]:
    """What shares are shares of stays while a level is not at rest: caps and ramps count in it (annex 3.5, 4)."""
    before = current_terms(agreement, state).baseline_periods
    if before != terms.baseline_periods and not all(map(at_rest, state.levels.values())):
        found = f"{terms.baseline_periods}, not {before}, while a level restricts"
        yield Refused(Reason.AMENDMENT_CHANGES_TIME, "baseline_periods", found)


_READ: Final = {"reading": "indicator", "trend": "indicator", "event": "event", "carried": "rule"}
"""Tests of conditions that read something which terms define by name, and the field that names it."""


def _returns(agreement: Agreement, state: State, terms: pb.Agreement) -> Iterator[Refused]:
    """What the way back from a level reads stays what it was until the level is at rest (annex 3.5, 4).

    Both resume conditions are needed; the older one would be another under the same words.
    """
    before = current_terms(agreement, state)
    for rank, level in state.levels.items():
        tests = [] if at_rest(level) else atoms(agreement.levels[rank].resume)
        for kind, atom in ((str(atom.WhichOneof("test")), atom) for atom in tests):
            if (field := _READ.get(kind)) is None:
                continue
            name = getattr(getattr(atom, kind), field)
            if _defined(before, field, name) != _defined(terms, field, name):
                found = f"changes while level {rank} is to return by it; say the new one under another name"
                yield Refused(Reason.AMENDMENT_CHANGES_IDENTITY, f"{field}s.{name}", found)


def _defined(terms: pb.Agreement, field: str, name: str) -> object:
    return next((one for one in getattr(terms, f"{field}s") if one.name == name), None)


def _chained(agreement: Agreement, state: State, terms: pb.Agreement) -> Iterator[Refused]:
    """Whom the new terms do not list may brake until it is out, which a brake puts off (annex 3.4 and 5.3, 5)."""
    listed = {party.name for party in terms.parties}
    beside = pb.Agreement(levels=terms.levels, parties=terms.parties)
    for name, party in agreement.parties.items():
        if name not in listed and state.parties[name].membership in TAKING_PART:
            beside.parties.append(party)
    yield from brakes_cannot_be_chained(beside)


def _overlaps(state: State, data: bytes) -> Refused | None:
    """A level keeps only so many older terms until it is at rest."""
    if sha256(data).digest() == state.terms:
        return None
    for rank, level in state.levels.items():
        if not at_rest(level) and len(level.terms) >= MAX_OVERLAPS:
            found = f"keeps {len(level.terms)} older terms and is {level.stage}"
            return Refused(Reason.LIMIT_REACHED, f"levels.{rank}", found)
    return None
