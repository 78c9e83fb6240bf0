"""What terms would have done on a record as it was: `agreement try` on what a verifier holds.

The statements are those that were signed, and nothing is assumed beside them. Parties stand for those of their name in
the record, with the keys that they have there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from language.rehearse import Change, Rehearsal, Skipped, bound_labs
from language.stand_in import with_stand_ins
from protocol.errors import Reason, require
from protocol.in_force import in_force
from protocol.replay import replay
from protocol.wire import encode
from standstill.v1 import header_pb2

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from protocol.agreement import Agreement
    from protocol.closing import Record
    from protocol.replay import Replayed
    from standstill.v1 import agreement_pb2 as pb


def replayed(
    agreement: Agreement, terms: pb.Agreement, records: Iterable[Record], pending: Collection[str] = ()
) -> Rehearsal:
    """Run terms on a record of another agreement, or of the same.

    Args:
        agreement: whose record it is, under its first terms.
        terms: valid terms.
        records: every record from the first closing on, in order.
        pending: parties of the terms whose keys are not known.

    Raises:
        Refused: AMENDMENT_CHANGES_TIME where periods are not those of the record, NAME_UNKNOWN where a founder is not
            in it; what :func:`protocol.agreement.read_agreement` refuses.
    """
    made = _as_recorded(agreement, with_stand_ins(terms, pending), pending)
    changes: list[Change] = []
    skipped: list[Skipped] = []
    last: Replayed | None = None
    for last in replay(agreement, _noting(agreement, made, records, skipped), encode(made)):
        state, closing = last.outcome.state, last.record.closing
        names = {rank: level.name for rank, level in in_force(agreement, state).levels.items()}
        changes += [
            Change(closing.period, names[one.level], one.before, one.after, one.why) for one in last.outcome.transitions
        ]
        skipped += _refused(in_force(agreement, state), last)
    if last is None:
        return Rehearsal(0, (), {}, {}, ())
    now = in_force(agreement, last.outcome.state)
    why = {level.name: last.outcome.reasons[rank] for rank, level in now.levels.items() if rank in last.outcome.reasons}
    bound = bound_labs(now, last.outcome.state)
    return Rehearsal(last.record.closing.period + 1, tuple(changes), why, bound, tuple(skipped))


def _as_recorded(agreement: Agreement, terms: pb.Agreement, pending: Collection[str]) -> pb.Agreement:
    """The terms with the record's time, and with the keys, logs and sites that parties of these names have in it."""
    recorded = agreement.terms
    same = terms.period_seconds == recorded.period_seconds
    found = f"{terms.period_seconds}, the record has periods of {recorded.period_seconds} s"
    require(same, Reason.AMENDMENT_CHANGES_TIME, "period_seconds", found)
    strangers = ", ".join(name for name in terms.founding if name not in agreement.parties)
    require(not strangers, Reason.NAME_UNKNOWN, "founding", f"{strangers}: not in the record")
    terms.start = recorded.start
    listed = {party.name for party in terms.parties}
    for party in terms.parties:
        known = agreement.parties.get(party.name)
        if known is not None:
            _identify(party, known)
        if known is not None and party.name in pending:
            del party.sites[:]
            party.sites.extend(known.sites)
            for site in party.sites:
                site.metered_by = site.metered_by if site.metered_by in listed else ""
    return terms


def _identify(party: pb.Party, known: pb.Party) -> None:
    """Give a party, and the seats of the same names, the keys of another descriptor."""
    party.origin, party.record_origin = known.origin, known.record_origin
    party.log_key, party.root_threshold = known.log_key, known.root_threshold
    del party.root_keys[:]
    party.root_keys.extend(known.root_keys)
    keys = {(group.name, seat.name): seat.public_key for group in known.seats for seat in group.seats}
    for group in party.seats:
        for seat in group.seats:
            if not seat.held_by and (group.name, seat.name) in keys:
                seat.public_key = keys[group.name, seat.name]


def _noting(
    agreement: Agreement, terms: pb.Agreement, records: Iterable[Record], skipped: list[Skipped]
) -> Iterator[Record]:
    """The records, with a note of what parties say whom the terms do not name."""
    listed = {party.origin for party in terms.parties}
    for record in records:
        for head in record.closing.heads:
            if head.origin not in listed:
                name = agreement.logs.get(head.origin, head.origin)
                said = (header.kind for leaf in record.leaves[head.origin] if (header := leaf.header) is not None)
                skipped += [Skipped(record.closing.period, name, kind, f"{name} is no party") for kind in said]
        yield record


def _refused(terms: Agreement, found: Replayed) -> Iterator[Skipped]:
    """Statements that the fold refused."""
    refusals = found.outcome.refusals
    for origin in sorted({origin for origin, _ in refusals}):
        for leaf in found.record.leaves[origin]:
            if (origin, leaf.index) in refusals:
                kind = header_pb2.KIND_UNSPECIFIED if leaf.header is None else leaf.header.kind
                why = str(refusals[origin, leaf.index])
                yield Skipped(found.record.closing.period, terms.logs[origin], kind, why)
