"""The agreement: terms that machines execute, read once and looked up from then on (design section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from protocol import agreement_limits, agreement_rules
from protocol.errors import Reason, Refused
from protocol.needs import Electorate
from protocol.wire import parse
from standstill.v1 import agreement_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_AGREEMENT_BYTES: Final = 1 << 20
"""Most bytes of an agreement: the MIRI draft with 200 parties takes under 100 kB."""


@dataclass(frozen=True)
class Agreement:
    """Validated terms with their look-ups. Two agreements are the same if their bytes are.

    Attributes:
        data: exact bytes, which are what everybody signed.
        terms: the same, parsed; never changed.
    """

    data: bytes
    terms: pb.Agreement

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the bytes, 32 bytes: the identity of the agreement."""
        return sha256(self.data).digest()

    @cached_property
    def parties(self) -> Mapping[str, pb.Party]:
        """Parties by name."""
        return {party.name: party for party in self.terms.parties}

    @cached_property
    def labs(self) -> tuple[str, ...]:
        """Names of the labs, sorted."""
        return self._with_role(pb.ROLE_LAB)

    @cached_property
    def labs_by_owner(self) -> Mapping[str, tuple[str, ...]]:
        """Names of the labs of each control group, sorted."""
        found: dict[str, list[str]] = {}
        for lab in self.labs:
            found.setdefault(self.owner(lab), []).append(lab)
        return {owner: tuple(labs) for owner, labs in found.items()}

    @cached_property
    def verifiers(self) -> tuple[str, ...]:
        """Names of the verifiers in the agreement's order, which is the order of their terms as registrar."""
        return tuple(party.name for party in self.terms.parties if pb.ROLE_VERIFIER in party.roles)

    @cached_property
    def chips(self) -> Mapping[str, pb.ChipClass]:
        """Accelerator classes by name."""
        return {chip.name: chip for chip in self.terms.chips}

    @cached_property
    def indicators(self) -> Mapping[str, pb.Indicator]:
        """Indicators by name."""
        return {indicator.name: indicator for indicator in self.terms.indicators}

    @cached_property
    def events(self) -> Mapping[str, pb.Event]:
        """Events by name."""
        return {event.name: event for event in self.terms.events}

    @cached_property
    def levels(self) -> Mapping[int, pb.Level]:
        """Levels by rank, rising."""
        return {level.rank: level for level in self.terms.levels}

    @cached_property
    def rules(self) -> Mapping[str, pb.Rule]:
        """Decision rules by name."""
        return {rule.name: rule for rule in self.terms.rules}

    @cached_property
    def electorate(self) -> Electorate:
        """Everybody who may have a vote: parties and seats of councils."""
        return Electorate.of(self.terms.parties)

    @cached_property
    def sites(self) -> Mapping[bytes, tuple[str, pb.Site]]:
        """Name of the lab and the site, by site handle."""
        return {site.handle: (party.name, site) for party in self.terms.parties for site in party.sites}

    @cached_property
    def logs(self) -> Mapping[str, str]:
        """Name of the party by origin of its log; record logs are not among them."""
        return {party.origin: party.name for party in self.terms.parties}

    @cached_property
    def quorum(self) -> int:
        """Verifier operators that make a head witnessed and a closing final: floor((n+f)/2) + 1 (annex 1.1, 2)."""
        return agreement_limits.quorum(self.terms)

    def record_origin(self, term: int) -> str:
        """Origin of the record log of a term; its registrar is operator `term` mod n (annex 1.1, 5 and 1.3)."""
        registrar = self.parties[self.verifiers[term % len(self.verifiers)]]
        return f"{registrar.record_origin}/{term}"

    def witness_name(self, verifier: str) -> str:
        """Name under which a verifier cosigns heads; never the name of a log (transparency (c) 5)."""
        return f"{self.parties[verifier].origin}/witness"

    def owner(self, name: str) -> str:
        """Control group of a party."""
        return self.parties[name].owner

    def has_role(self, name: str, role: pb.Role.ValueType) -> bool:
        """Whether a party has a role; False for a name that is no party's."""
        return name in self.parties and role in self.parties[name].roles

    def start_of(self, period: int) -> int:
        """First second of a period, Unix seconds (annex 1.1, 1)."""
        return self.terms.start + period * self.terms.period_seconds

    def end_of(self, period: int) -> int:
        """D(p): first second after a period, Unix seconds (annex 1.1, 1)."""
        return self.start_of(period + 1)

    def period_at(self, time: int) -> int | None:
        """Period that a moment lies in; None before the agreement starts."""
        return None if time < self.terms.start else (time - self.terms.start) // self.terms.period_seconds

    def _with_role(self, role: pb.Role.ValueType) -> tuple[str, ...]:
        return tuple(sorted(party.name for party in self.terms.parties if role in party.roles))


def read_agreement(data: bytes) -> Agreement:
    """Read and validate terms.

    Raises:
        Refused: a wire reason, or the first broken rule of :mod:`protocol.agreement_rules`.
    """
    terms = parse(pb.Agreement, data, "agreement", MAX_AGREEMENT_BYTES)
    problems = agreement_rules.problems(terms)
    if problems:
        raise problems[0]
    return Agreement(data, terms)


def pin(data: bytes, digest: bytes) -> Agreement:
    """Read terms that are trusted by their digest (annex 3.5, 1).

    Raises:
        Refused: TRUST_ROOT_MISMATCH if the bytes are other terms, or as :func:`read_agreement`.
    """
    found = sha256(data).digest()
    if found != digest:
        raise Refused(Reason.TRUST_ROOT_MISMATCH, "agreement", f"pinned {digest.hex()}, found {found.hex()}")
    return read_agreement(data)
