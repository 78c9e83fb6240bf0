"""A case: everything that is on the record about one lab and one period, read once for all checks (design section 6).

:mod:`protocol.case_needs` says which statements a case rests on; whoever has them, a verifier's store or a bundle,
hands them to :func:`build_case`. So a daemon's verdict and its derivation offline come from the same bytes by the same
code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar

from protocol.case_needs import baselines
from protocol.errors import Reason, Refused
from protocol.judgement import judged
from protocol.past_work import PastWork, past_work
from protocol.revocation import by_revoked_key, is_key_set, revoked
from standstill.v1 import agreement_pb2, assessment_pb2, compute_pb2, evidence_pb2, inquiry_pb2, record_pb2
from standstill.v1 import header_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from google.protobuf.message import Message

    from protocol.agreement import Agreement
    from protocol.duty import Duty
    from protocol.leaf import ReadLeaf

B = TypeVar("B", bound="Message")


class Cited(NamedTuple, Generic[B]):
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


@dataclass(frozen=True, slots=True)
class Settled:
    """Deliveries that a case does not list, because all that is left of them is chips (:mod:`protocol.deliveries`).

    Attributes:
        chips: that they left with the lab, by class; less than none where it sent more than it received.
        reported: whether a supplier reported any of them.
    """

    chips: Mapping[str, int] = field(default_factory=dict)
    reported: bool = False


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
        window: attestations of the lab for earlier periods that a cap's window reaches; a site may have several.
        past: what the lab did in the periods of a baseline.
        readings: of independent meters for this period, by site handle.
        past_readings: of them for earlier periods of the window of a bound that is due.
        shipments: to the lab, of this and earlier periods.
        complete: words of suppliers that they have reported everything, of this period and those before it that the
            agreement does not call stale yet.
        transfers: of or with the lab, of this and earlier periods.
        halts: reported by the lab, from the wind-down of its level to this period.
        replies: of the lab to questions, if it owes an answer for too long.
        misbehavior: proven against the lab.
        refused: statements on this period that broke a rule.
        closed: periods after this one that were closed, up to `record_period`; None: all of them were.
        hidden: bound and floor of the window that ends with the period, where they were computed.
        settled: deliveries of earlier periods that are not among the shipments and transfers.
    """

    agreement: Agreement
    lab: str
    period: int
    record_period: int
    duty: Duty
    attestations: Mapping[bytes, Cited[compute_pb2.ComputeAttestation]]
    repeated: tuple[Cited[compute_pb2.ComputeAttestation], ...]
    window: tuple[Cited[compute_pb2.ComputeAttestation], ...]
    past: Mapping[range, PastWork]
    readings: Mapping[bytes, tuple[Cited[evidence_pb2.MeterReading], ...]]
    past_readings: tuple[Cited[evidence_pb2.MeterReading], ...]
    shipments: tuple[Cited[evidence_pb2.ShipmentReport], ...]
    complete: tuple[Cited[evidence_pb2.ShipmentsComplete], ...]
    transfers: tuple[Cited[compute_pb2.Transfer], ...]
    halts: tuple[Cited[compute_pb2.HaltReport], ...]
    replies: tuple[Cited[inquiry_pb2.Reply], ...]
    misbehavior: tuple[Cited[record_pb2.Misbehavior], ...]
    refused: tuple[ReadLeaf, ...]
    closed: frozenset[int] | None = None
    hidden: assessment_pb2.HiddenCompute | None = None
    settled: Settled = Settled()

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
    def baseline(self) -> PastWork | None:
        """What the lab did in the periods of the duty's baseline; None where it attested nothing of it."""
        found = self.past.get(self.duty.baseline)
        return found if found is not None and found.refs else None

    @property
    def all_reported(self) -> bool:
        """Whether every supplier has said of late that it reported everything; not so where there is none.

        A supplier that says nothing any more may ship all the same. A word on a period that had not ended is none on
        all of it.
        """
        parties = self.agreement.terms.parties
        suppliers = {party.name for party in parties if agreement_pb2.ROLE_SUPPLIER in party.roles}
        heard = {said.header.author for said in self.complete if said.recorded > said.header.period}
        return bool(suppliers) and suppliers <= heard

    @property
    def sites(self) -> tuple[agreement_pb2.Site, ...]:
        """Sites of the lab."""
        return tuple(self.agreement.parties[self.lab].sites)


def concerns(agreement: Agreement, lab: str, leaf: ReadLeaf) -> bool:
    """Whether a statement that a need brought up is about the lab; KeySets, which only say what counts, are not."""
    body, author = leaf.body, agreement.logs.get(leaf.origin)
    if isinstance(body, evidence_pb2.ShipmentReport):
        return body.receiver == lab
    if isinstance(body, compute_pb2.Transfer):
        return lab in {author, body.counterparty}
    if isinstance(body, record_pb2.Misbehavior):
        return body.party == lab
    # It is said of all labs at once.
    if isinstance(body, evidence_pb2.ShipmentsComplete):
        return True
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
    """Sort the statements that :func:`protocol.case_needs.needs` named into a case.

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
    about = statements_about(agreement, lab, period, leaves, recorded)
    cited = _cited(about)
    attested, read = _of(cited, compute_pb2.ComputeAttestation), _of(cited, evidence_pb2.MeterReading)
    now = [statement for statement in attested if statement.header.period == period]
    # The first word on a site counts.
    attestations = {statement.header.site: statement for statement in reversed(now)}
    return Case(
        agreement=agreement,
        lab=lab,
        period=period,
        record_period=record_period,
        duty=duty,
        attestations=attestations,
        repeated=tuple(statement for statement in now if statement is not attestations[statement.header.site]),
        window=tuple(statement for statement in attested if statement.header.period < period),
        past={over: past_work(over, map(_said, attested)) for over in baselines(agreement, duty)},
        readings=_by_site(one for one in read if one.header.period == period),
        past_readings=tuple(one for one in read if one.header.period < period),
        shipments=_of(cited, evidence_pb2.ShipmentReport),
        complete=_of(cited, evidence_pb2.ShipmentsComplete),
        transfers=_of(cited, compute_pb2.Transfer),
        halts=_of(cited, compute_pb2.HaltReport),
        replies=_of(cited, inquiry_pb2.Reply),
        misbehavior=_of(cited, record_pb2.Misbehavior),
        refused=tuple(leaf for leaf, _ in about if leaf.refusal is not None and _speaks_of(leaf, period)),
        closed=None if closed is None else frozenset(closed),
    )


def past(
    agreement: Agreement, lab: str, over: range, leaves: Iterable[ReadLeaf], recorded: Callable[[ReadLeaf], int]
) -> PastWork:
    """What a lab did in the periods of a baseline, from the statements that :mod:`protocol.case_needs` named.

    Args:
        agreement: the terms that govern the periods that are measured by it.
        lab: name of the lab.
        over: the periods.
        leaves: statements, in any order.
        recorded: period of the closing that first covers a leaf.
    """
    about = statements_about(agreement, lab, over.stop, leaves, recorded)
    return past_work(over, map(_said, _of(_cited(about), compute_pb2.ComputeAttestation)))


def _said(statement: Cited[B]) -> tuple[pb.Header, B, assessment_pb2.StatementRef]:
    return statement.header, statement.body, statement.ref


def statements_about(
    agreement: Agreement, lab: str, period: int, leaves: Iterable[ReadLeaf], recorded: Callable[[ReadLeaf], int]
) -> list[tuple[ReadLeaf, int]]:
    """Statements about a lab as they count in a case of a period, in the order of their logs, and when recorded."""
    ordered = sorted((judged(leaf, agreement) for leaf in leaves), key=lambda leaf: (leaf.origin, leaf.index))
    known = [(leaf, recorded(leaf)) for leaf in ordered if is_key_set(leaf) or concerns(agreement, lab, leaf)]
    taken = _taken_back(known)
    return [(_admitted(leaf, period, at, taken), at) for leaf, at in known if not is_key_set(leaf)]


def _cited(about: Iterable[tuple[ReadLeaf, int]]) -> list[Cited[Any]]:
    return [Cited(leaf.body, leaf, at) for leaf, at in about if leaf.body is not None]


def _by_site(statements: Iterable[Cited[B]]) -> dict[bytes, tuple[Cited[B], ...]]:
    found: dict[bytes, tuple[Cited[B], ...]] = {}
    for statement in statements:
        found[statement.header.site] = (*found.get(statement.header.site, ()), statement)
    return found


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
