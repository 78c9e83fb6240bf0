"""Which statements a case rests on, by log and kind (design section 6).

Whoever has them, a verifier's store or a bundle, hands them to :func:`protocol.case.build_case`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from protocol import exemptions, hidden_compute
from standstill.v1 import agreement_pb2
from standstill.v1 import header_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from protocol.agreement import Agreement
    from protocol.duty import Duty
    from protocol.leaf import ReadLeaf


class Need(NamedTuple):
    """Statements of one kind in one log, for the periods that they speak of, both ends included.

    A kind that speaks of no period is needed whole: `first` and `last` are None. Readings are needed at some sites.
    """

    origin: str
    kind: pb.Kind.ValueType
    first: int | None
    last: int | None
    sites: frozenset[bytes] = frozenset()

    def covers(self, leaf: ReadLeaf) -> bool:
        """Whether a leaf is one of those needed."""
        header = leaf.header
        if header is None or (leaf.origin, header.kind) != (self.origin, self.kind):
            return False
        in_time = self.first is None or self.last is None or self.first <= header.period <= self.last
        return in_time and (not self.sites or header.site in self.sites)


def needs(
    agreement: Agreement,
    duty: Duty,
    lab: str,
    period: int,
    known: Collection[range] = frozenset(),
    *,
    delivered: bool = False,
) -> list[Need]:
    """Every statement that a case may rest on, by log and kind; none for baselines or deliveries known already."""
    own = agreement.parties[lab].origin
    spans = _attested_in(agreement, duty, period, known)
    found = [Need(own, pb.KIND_COMPUTE_ATTESTATION, *span) for span in spans]
    begins = [halt_begins(agreement.levels[kept.level], kept) for kept in duties(duty) if kept.level]
    found.append(Need(own, pb.KIND_HALT_REPORT, max(min([period, *begins]), 0), period))
    meters = {site.metered_by for site in agreement.parties[lab].sites}
    sites = frozenset(site.handle for site in agreement.parties[lab].sites)
    found += [] if delivered else delivery_needs(agreement, period)
    if duty.overdue:
        found.append(Need(own, pb.KIND_REPLY, None, None))
    stale = agreement.terms.freshness.stale_periods
    for party in agreement.terms.parties:
        if agreement_pb2.ROLE_SUPPLIER in party.roles:
            found.append(Need(party.origin, pb.KIND_SHIPMENTS_COMPLETE, max(period - stale + 1, 0), period))
        if party.name in meters:
            first = _reckoned_from(agreement, duty, period)
            found.append(Need(party.origin, pb.KIND_METER_READING, first, period, sites))
        if agreement_pb2.ROLE_VERIFIER in party.roles:
            found.append(Need(party.origin, pb.KIND_MISBEHAVIOR, None, None))
    return _with_keys(found)


def _reckoned_from(agreement: Agreement, duty: Duty, period: int) -> int:
    """First period of the window of a bound that is due with the period; else the period itself."""
    if not hidden_compute.due(agreement, period):
        return period
    return hidden_compute.window(agreement, duty, period).start


def delivery_needs(agreement: Agreement, last: int | None) -> list[Need]:
    """Every word on a delivery up to a period; of all periods if None."""
    first, found = None if last is None else 0, []
    for party in agreement.terms.parties:
        if {agreement_pb2.ROLE_LAB, agreement_pb2.ROLE_SUPPLIER} & set(party.roles):
            found.append(Need(party.origin, pb.KIND_TRANSFER, first, last))
        if agreement_pb2.ROLE_SUPPLIER in party.roles:
            found.append(Need(party.origin, pb.KIND_SHIPMENT_REPORT, first, last))
    return found


def halt_begins(level: agreement_pb2.Level, duty: Duty) -> int:
    """First period of which a halt report can be about the restriction that a duty is of: that of its wind-down."""
    return duty.since - level.wind_down_periods


def past_needs(agreement: Agreement, lab: str, over: range) -> list[Need]:
    """The statements that :func:`protocol.case.past` sums."""
    own = agreement.parties[lab].origin
    return _with_keys([Need(own, pb.KIND_COMPUTE_ATTESTATION, over.start, over.stop - 1)])


def _with_keys(found: list[Need]) -> list[Need]:
    """KeySets say which of these statements still count."""
    origins = dict.fromkeys(need.origin for need in found)
    return found + [Need(origin, pb.KIND_KEY_SET, None, None) for origin in origins]


def reach(level: agreement_pb2.Level) -> int:
    """Periods, the one assessed included, of which a level's caps count something; growth is from one before."""
    growth = agreement_pb2.CAP_SCOPE_INVENTORY_GROWTH
    return max((cap.window_periods + (cap.scope == growth) for cap in level.caps), default=1)


def baselines(agreement: Agreement, duty: Duty) -> list[range]:
    """Periods of the baselines that a duty is measured by: of its level, and of those beneath a returning one."""
    found: dict[range, None] = {}
    for kept in duties(duty):
        level = agreement.levels.get(kept.level)
        shares = level is not None and (kept.ramp_ppm or any(cap.baseline_ppm for cap in level.caps))
        if shares and kept.baseline:
            found[kept.baseline] = None
    return list(found)


def duties(duty: Duty) -> Iterator[Duty]:
    """A duty, and those beneath it that it does not imply."""
    yield duty
    if duty.beneath is not None:
        yield from duties(duty.beneath)


def _attested_in(agreement: Agreement, duty: Duty, period: int, known: Collection[range]) -> list[tuple[int, int]]:
    """Spans of periods whose attestations count, apart from each other, the latest first."""
    levels = [(kept, agreement.levels[kept.level]) for kept in duties(duty) if kept.level]
    # Nothing counts of the time before a level applied but its baseline.
    begins = [
        max(period - max(reach(level), exemptions.reach(level, kept, period)) + 1, kept.since) for kept, level in levels
    ]
    spans = [(min([*begins, _reckoned_from(agreement, duty, period)]), period)]
    apart = set(baselines(agreement, duty)).difference(known)
    for before in sorted(apart, key=lambda one: one.stop, reverse=True):
        first, last = spans[-1]
        if before.stop >= first:
            spans[-1] = (min(before.start, first), last)
        else:
            spans.append((before.start, before.stop - 1))
    return spans
