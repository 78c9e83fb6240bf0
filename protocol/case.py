"""A case: everything that is on the record about one lab and one period, read once for all checks (design section 6).

:func:`needs` says which statements a case rests on; whoever has them, a verifier's store or a bundle, hands them to
:func:`build_case`. So the verdict of a daemon and its derivation offline come from the same bytes by the same code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

from protocol import exemptions
from protocol.errors import Reason, Refused
from protocol.judgement import judged
from protocol.revocation import by_revoked_key, is_key_set, revoked
from standstill.v1 import agreement_pb2, assessment_pb2, compute_pb2, evidence_pb2, record_pb2
from standstill.v1 import header_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from google.protobuf.message import Message

    from protocol.agreement import Agreement
    from protocol.duty import Duty
    from protocol.leaf import ReadLeaf

B = TypeVar("B", bound="Message")


class Need(NamedTuple):
    """Statements of one kind in one log, for the periods that they speak of, both ends included.

    A kind that speaks of no period is needed whole: `first` and `last` are None.
    """

    origin: str
    kind: pb.Kind.ValueType
    first: int | None
    last: int | None

    def covers(self, leaf: ReadLeaf) -> bool:
        """Whether a leaf is one of those needed."""
        header = leaf.header
        if header is None or (leaf.origin, header.kind) != (self.origin, self.kind):
            return False
        return self.first is None or self.last is None or self.first <= header.period <= self.last


@dataclass(frozen=True, slots=True)
class Cited(Generic[B]):
    """A statement with its place.

    Attributes:
        body: what it says.
        leaf: where it stands, under which header.
        recorded: period of the closing that first covers it (annex 1.1, 8).
    """

    body: B
    leaf: ReadLeaf
    recorded: int

    @property
    def header(self) -> pb.Header:
        """Its header."""
        assert self.leaf.header is not None  # noqa: S101 - only statements in good form are cited
        return self.leaf.header

    @property
    def ref(self) -> assessment_pb2.StatementRef:
        """Its place, as findings name it."""
        return place(self.leaf)


def place(leaf: ReadLeaf) -> assessment_pb2.StatementRef:
    """The place of a leaf, as findings name it."""
    return assessment_pb2.StatementRef(origin=leaf.origin, index=leaf.index, identity=leaf.identity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is on the record about one lab and one period.

    Attributes:
        agreement: the terms.
        lab: name of the lab.
        period: period assessed.
        record_period: period of the closing up to which the record was read.
        duty: what the lab had to keep.
        attestations: of the lab for this period, the first of each site, by site handle.
        repeated: further attestations of a site for this period.
        window: attestations of the lab for earlier periods that a cap's window or a baseline reaches; a site may have
            several.
        readings: of independent meters for this period, by site handle.
        shipments: to the lab, of this and earlier periods.
        transfers: of or with the lab, of this and earlier periods.
        halts: reported by the lab, for this and earlier periods.
        misbehavior: proven against the lab.
        refused: statements on this period that broke a rule.
        closed: periods after this one that were closed, up to `record_period`; None: all of them were.
    """

    agreement: Agreement
    lab: str
    period: int
    record_period: int
    duty: Duty
    attestations: Mapping[bytes, Cited[compute_pb2.ComputeAttestation]]
    repeated: tuple[Cited[compute_pb2.ComputeAttestation], ...]
    window: tuple[Cited[compute_pb2.ComputeAttestation], ...]
    readings: Mapping[bytes, tuple[Cited[evidence_pb2.MeterReading], ...]]
    shipments: tuple[Cited[evidence_pb2.ShipmentReport], ...]
    transfers: tuple[Cited[compute_pb2.Transfer], ...]
    halts: tuple[Cited[compute_pb2.HaltReport], ...]
    misbehavior: tuple[Cited[record_pb2.Misbehavior], ...]
    refused: tuple[ReadLeaf, ...]
    closed: frozenset[int] | None = None

    def waited(self, recorded: int) -> int:
        """Closings before that of `recorded` that could have recorded a word on this period, and did not.

        For a word that is still missing, `recorded` is the period after the record.

        Nobody is late for a period in which nothing could be recorded (annex 1.7, clock rule).
        """
        if self.closed is None:
            return recorded - (self.period + 1)
        return sum(self.period < period < recorded for period in self.closed)

    @property
    def level(self) -> agreement_pb2.Level | None:
        """Terms of the level that binds the lab in full; None for report only."""
        return self.agreement.levels.get(self.duty.level)

    @property
    def sites(self) -> tuple[agreement_pb2.Site, ...]:
        """Sites of the lab."""
        return tuple(self.agreement.parties[self.lab].sites)


def needs(agreement: Agreement, duty: Duty, lab: str, period: int) -> list[Need]:
    """Every statement that a case may rest on, by log and kind."""
    own = agreement.parties[lab].origin
    found = [Need(own, pb.KIND_COMPUTE_ATTESTATION, *span) for span in _attested_in(agreement, duty, period)]
    found.append(Need(own, pb.KIND_HALT_REPORT, 0, period))
    meters = {site.metered_by for site in agreement.parties[lab].sites}
    for party in agreement.terms.parties:
        if {agreement_pb2.ROLE_LAB, agreement_pb2.ROLE_SUPPLIER} & set(party.roles):
            found.append(Need(party.origin, pb.KIND_TRANSFER, 0, period))
        if agreement_pb2.ROLE_SUPPLIER in party.roles:
            found.append(Need(party.origin, pb.KIND_SHIPMENT_REPORT, 0, period))
        if party.name in meters:
            found.append(Need(party.origin, pb.KIND_METER_READING, period, period))
        if agreement_pb2.ROLE_VERIFIER in party.roles:
            found.append(Need(party.origin, pb.KIND_MISBEHAVIOR, None, None))
    # KeySets say which of these statements still count.
    return found + [
        Need(origin, pb.KIND_KEY_SET, None, None) for origin in dict.fromkeys(need.origin for need in found)
    ]


def reach(level: agreement_pb2.Level) -> int:
    """Periods, the one assessed included, of which a level's caps count something; growth is from one before."""
    growth = agreement_pb2.CAP_SCOPE_INVENTORY_GROWTH
    return max((cap.window_periods + (cap.scope == growth) for cap in level.caps), default=1)


def baselines(agreement: Agreement, duty: Duty) -> list[range]:
    """Periods of the baselines that a duty is measured by: of its level, and of those beneath a returning one."""
    found: list[range] = []
    for kept in duties(duty):
        level = agreement.levels.get(kept.level)
        shares = level is not None and (kept.ramp_ppm or any(cap.baseline_ppm for cap in level.caps))
        if shares and kept.baseline:
            found.append(kept.baseline)
    return found


def duties(duty: Duty) -> Iterator[Duty]:
    """A duty, and those beneath it that it does not imply."""
    yield duty
    if duty.beneath is not None:
        yield from duties(duty.beneath)


def _attested_in(agreement: Agreement, duty: Duty, period: int) -> list[tuple[int, int]]:
    """Spans of periods whose attestations count, apart from each other, the latest first."""
    levels = [(kept, agreement.levels[kept.level]) for kept in duties(duty) if kept.level]
    far = max((max(reach(level), exemptions.reach(level, kept, period)) for kept, level in levels), default=1)
    spans = [(max(period - far + 1, 0), period)]
    for before in sorted(baselines(agreement, duty), key=lambda one: one.stop, reverse=True):
        first, last = spans[-1]
        if before.stop >= first:
            spans[-1] = (min(before.start, first), last)
        else:
            spans.append((before.start, before.stop - 1))
    return spans


def concerns(agreement: Agreement, lab: str, leaf: ReadLeaf) -> bool:
    """Whether a statement that a need brought up is about the lab; KeySets, which only say what counts, are not."""
    body, author = leaf.body, agreement.logs.get(leaf.origin)
    if isinstance(body, evidence_pb2.ShipmentReport):
        return body.receiver == lab
    if isinstance(body, compute_pb2.Transfer):
        return lab in {author, body.counterparty}
    if isinstance(body, record_pb2.Misbehavior):
        return body.party == lab
    # The header says which site a reading speaks of, also where the reading itself was refused.
    if leaf.header is not None and leaf.header.kind == pb.KIND_METER_READING:
        return leaf.header.site in agreement.sites and agreement.sites[leaf.header.site][0] == lab
    return author == lab and not is_key_set(leaf)


def build_case(
    agreement: Agreement,
    duty: Duty,
    lab: str,
    period: int,
    record_period: int,
    leaves: Iterable[ReadLeaf],
    recorded: Callable[[ReadLeaf], int],
    closed: Iterable[int] | None = None,
) -> Case:
    """Sort the statements that :func:`needs` named into a case.

    Args:
        agreement: the terms that govern the period; statements are judged under them.
        duty: of the lab in the period.
        lab: name of the lab.
        period: period assessed.
        record_period: period of the closing up to which `leaves` were read.
        leaves: statements, in any order; what does not concern the lab is left out.
        recorded: period of the closing that first covers a leaf.
        closed: periods after `period` that were closed, up to `record_period`; all of them if absent.
    """
    ordered = sorted((judged(leaf, agreement) for leaf in leaves), key=lambda leaf: (leaf.origin, leaf.index))
    known = [(leaf, recorded(leaf)) for leaf in ordered if is_key_set(leaf) or concerns(agreement, lab, leaf)]
    taken = _taken_back(known)
    about = [(_admitted(leaf, period, at, taken), at) for leaf, at in known if not is_key_set(leaf)]
    cited = [Cited(leaf.body, leaf, at) for leaf, at in about if leaf.body is not None]
    attested = _of(cited, compute_pb2.ComputeAttestation)
    now = [statement for statement in attested if statement.header.period == period]
    # The first word on a site counts.
    attestations = {statement.header.site: statement for statement in reversed(now)}
    readings: dict[bytes, tuple[Cited[evidence_pb2.MeterReading], ...]] = {}
    for reading in _of(cited, evidence_pb2.MeterReading):
        readings[reading.header.site] = (*readings.get(reading.header.site, ()), reading)
    return Case(
        agreement=agreement,
        lab=lab,
        period=period,
        record_period=record_period,
        duty=duty,
        attestations=attestations,
        repeated=tuple(statement for statement in now if statement is not attestations[statement.header.site]),
        window=tuple(statement for statement in attested if statement.header.period < period),
        readings=readings,
        shipments=_of(cited, evidence_pb2.ShipmentReport),
        transfers=_of(cited, compute_pb2.Transfer),
        halts=_of(cited, compute_pb2.HaltReport),
        misbehavior=_of(cited, record_pb2.Misbehavior),
        refused=tuple(leaf for leaf, _ in about if leaf.refusal is not None and _speaks_of(leaf, period)),
        closed=None if closed is None else frozenset(closed),
    )


def _speaks_of(leaf: ReadLeaf, period: int) -> bool:
    return leaf.header is not None and leaf.header.period == period


def _taken_back(known: Iterable[tuple[ReadLeaf, int]]) -> dict[tuple[str, int], list[range]]:
    """By log and recording period, the leaf indices that KeySets take back (annex 3.3)."""
    sets: dict[tuple[str, int], list[ReadLeaf]] = {}
    for leaf, at in known:
        if is_key_set(leaf):
            sets.setdefault((leaf.origin, at), []).append(leaf)
    return {place: revoked(together) for place, together in sets.items()}


def _admitted(leaf: ReadLeaf, period: int, at: int, taken: Mapping[tuple[str, int], list[range]]) -> ReadLeaf:
    """A leaf recorded in period `at`; refused where the fold refuses it for its key or its time (annex 3.2)."""
    if not leaf.counts:
        return leaf
    refusal = by_revoked_key(leaf, taken.get((leaf.origin, at), ())) or leaf.refusal or _too_early(leaf, period, at)
    return leaf if refusal is None else leaf._replace(body=None, refusal=refusal)


def _too_early(leaf: ReadLeaf, period: int, recorded: int) -> Refused | None:
    """The refusal of a word on the assessed period that was recorded before that had ended."""
    if leaf.header is None or leaf.header.kind not in _OF_ENDED_PERIODS:
        return None
    if leaf.header.period != period or period < recorded:
        return None
    return Refused(Reason.PERIOD_MISMATCH, "header.period", f"{period} had not ended")


_OF_ENDED_PERIODS: Final = frozenset({pb.KIND_COMPUTE_ATTESTATION, pb.KIND_METER_READING})


def _of(cited: Iterable[Cited[Any]], kind: type[B]) -> tuple[Cited[B], ...]:
    return tuple(statement for statement in cited if isinstance(statement.body, kind))
