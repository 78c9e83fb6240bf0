"""What a verifier keeps beside the logs; writes take a transaction, reads see what is committed."""

from __future__ import annotations

from bisect import bisect_right
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import delete, func, insert, select, update

from daemon.leaf import storable
from daemon.schema import LEAVES, leaf_key
from protocol.state import State, read_state
from standstill.v1 import header_pb2
from verifier.schema import CLOSINGS, COSIGNED, COUNTS, HAS_FINDINGS, MIRRORED, PROOFS, RECORDED, REFUSED, VERDICTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from daemon.log_store import LogStore
    from protocol.errors import Refused
    from standstill.v1 import record_pb2


_PAGE_CLOSINGS: Final = 64


class StoredClosing(NamedTuple):
    """A closing as it is kept.

    Attributes:
        period: that it closes.
        leaf: its index in the record log.
        body: exact bytes.
        state: text of the state after it.
        why: reasons for people, JSON.
    """

    period: int
    leaf: int
    body: bytes
    state: bytes
    why: str


class StoredVerdict(NamedTuple):
    """The newest revision of an assessment.

    Attributes:
        lab: assessed.
        period: assessed.
        verdict: value of `Verdict`.
        revision: from 1.
        leaf: its index in the verifier's log.
        findings: their number.
        sketch: codes and states of evidence in short; a new revision is published only if this or the verdict changes.
    """

    lab: str
    period: int
    verdict: int
    revision: int
    leaf: int
    findings: int
    sketch: str


class _Page(NamedTuple):
    """Closings in a row that recorded leaves of a log: the size that each recorded, and its period."""

    leaves: range
    sizes: list[int]
    periods: list[int]


class VerifierStore:
    """Cosigned heads, closings and verdicts. Safe for use from several threads."""

    def __init__(self, logs: LogStore) -> None:
        """Keep them in the database that holds the logs, so that one transaction covers both."""
        self.logs = logs
        self._pages: dict[str, tuple[_Page, ...]] = {}

    # -- mirrors ----------------------------------------------------------------------------------------------------

    def mark_mirrored(self, tx: Connection, origin: str) -> None:
        """Remember that statements of a log are about to be kept whose signatures nobody checked."""
        if not self.is_mirrored(origin, tx=tx):
            tx.execute(insert(MIRRORED).values(origin=origin))

    def is_mirrored(self, origin: str, *, tx: Connection | None = None) -> bool:
        """Whether statements of a log are kept whose signatures nobody checked."""
        with self.logs.database.reading(tx) as connection:
            return connection.execute(select(MIRRORED).where(MIRRORED.c.origin == origin)).first() is not None

    # -- heads ------------------------------------------------------------------------------------------------------

    def cosign(self, tx: Connection, origin: str, size: int, time: int, note: bytes) -> None:
        """Keep a head that is about to be cosigned; it is sent only after the transaction."""
        tx.execute(insert(COSIGNED).values(origin=origin, size=size, time=time, note=note))
        self.logs.save_note(tx, origin, note)

    def cosigned_before(self, origin: str, time: int) -> tuple[int, bytes] | None:
        """Size and note of the largest head cosigned before a moment (annex 1.1, 3)."""
        statement = (
            select(COSIGNED.c.size, COSIGNED.c.note)
            .where(COSIGNED.c.origin == origin, COSIGNED.c.time < time)
            .order_by(COSIGNED.c.size.desc())
            .limit(1)
        )
        with self.logs.database.reading() as connection:
            row = connection.execute(statement).first()
        return None if row is None else (row.size, row.note)

    def cosigned_note(self, origin: str, size: int) -> bytes | None:
        """The cosigned note of a head; None if this verifier never cosigned that size."""
        statement = select(COSIGNED.c.note).where(COSIGNED.c.origin == origin, COSIGNED.c.size == size)
        with self.logs.database.reading() as connection:
            note: bytes | None = connection.execute(statement).scalar()
        return note

    # -- record -----------------------------------------------------------------------------------------------------

    def add_closing(
        self,
        tx: Connection,
        stored: StoredClosing,
        heads: Sequence[record_pb2.Head],
        refusals: Mapping[tuple[str, int], Refused],
    ) -> None:
        """Keep a closing, the heads that it records and the statements that it refuses."""
        tx.execute(
            insert(CLOSINGS).values(
                period=stored.period, idx=stored.leaf, body=stored.body, state=stored.state, why=stored.why
            )
        )
        if heads:
            rows = [{"origin": head.origin, "size": head.size, "period": stored.period} for head in heads]
            tx.execute(insert(RECORDED), rows)
        if refusals:
            tx.execute(
                insert(REFUSED),
                [
                    {"origin": origin, "idx": index, "period": stored.period, "reason": storable(refusal)}
                    for (origin, index), refusal in refusals.items()
                ],
            )

    def closing_at(self, period: int | None = None) -> StoredClosing | None:
        """The newest closing of a period at or before `period`; the newest of all if None."""
        statement = select(CLOSINGS).order_by(CLOSINGS.c.period.desc()).limit(1)
        if period is not None:
            statement = statement.where(CLOSINGS.c.period <= period)
        with self.logs.database.reading() as connection:
            row = connection.execute(statement).first()
        return None if row is None else StoredClosing(*row)

    def closings_between(self, after: int | None, last: int) -> list[StoredClosing]:
        """Closings of periods after `after` (from the first if None) up to `last`, in order."""
        statement = select(CLOSINGS).where(CLOSINGS.c.period <= last).order_by(CLOSINGS.c.period)
        if after is not None:
            statement = statement.where(CLOSINGS.c.period > after)
        with self.logs.database.reading() as connection:
            return [StoredClosing(*row) for row in connection.execute(statement)]

    def closings(self) -> list[bytes]:
        """Exact bytes of every closing, in order; without the states, which are much larger."""
        with self.logs.database.reading() as connection:
            return list(connection.execute(select(CLOSINGS.c.body).order_by(CLOSINGS.c.period)).scalars())

    def closing_back(self, period: int, count: int) -> int:
        """Period of the closing that many closings before that of `period`; 0 if there were not so many."""
        statement = select(CLOSINGS.c.period).where(CLOSINGS.c.period < period).order_by(CLOSINGS.c.period.desc())
        with self.logs.database.reading() as connection:
            return connection.execute(statement.offset(count - 1).limit(1)).scalar() or 0

    def closed_after(self, period: int, last: int) -> list[int]:
        """Periods after one, up to `last`, that were closed."""
        statement = select(CLOSINGS.c.period).where(CLOSINGS.c.period > period, CLOSINGS.c.period <= last)
        with self.logs.database.reading() as connection:
            return list(connection.execute(statement).scalars())

    def recorded_at(self, origin: str, index: int) -> int | None:
        """Period of the first closing that covers a leaf; None if none does yet (annex 1.1, 8)."""
        kept = self._pages.get(origin, ())
        page = next((page for page in kept if index in page.leaves), None)
        if page is None:
            page = self._page(origin, index)
            # One for the KeySets, at the begin of a log, and one for what is said now.
            self._pages[origin] = (page, *kept[:1])
        return None if index not in page.leaves else page.periods[bisect_right(page.sizes, index)]

    def _page(self, origin: str, index: int) -> _Page:
        """The closings that first cover a leaf and those after it: what they recorded never changes."""
        statement = (
            select(RECORDED.c.size, RECORDED.c.period)
            .where(RECORDED.c.origin == origin, RECORDED.c.size > index)
            .order_by(RECORDED.c.size)
            .limit(_PAGE_CLOSINGS)
        )
        with self.logs.database.reading() as connection:
            rows = connection.execute(statement).all()
        sizes, periods = [row.size for row in rows], [row.period for row in rows]
        return _Page(range(index, sizes[-1] if sizes else index), sizes, periods)

    def recorded_size(self, origin: str, period: int) -> int:
        """Leaves of a log that are recorded by the closing of a period."""
        statement = select(func.max(RECORDED.c.size)).where(RECORDED.c.origin == origin, RECORDED.c.period <= period)
        with self.logs.database.reading() as connection:
            return connection.execute(statement).scalar() or 0

    def number_said(self, origin: str, kind: int, periods: range, size: int) -> int:
        """How many of the first `size` leaves of a log are of a kind and speak of some periods."""
        if size == 0:
            return 0
        with self.logs.database.reading() as connection:
            log_id = self.logs.log_row(connection, origin).id
            same = (LEAVES.c.log_id == log_id, LEAVES.c.kind == kind, LEAVES.c.id < leaf_key(log_id, size))
            inside = (LEAVES.c.period >= periods.start, LEAVES.c.period < periods.stop)
            return connection.execute(select(func.count()).where(*same, *inside)).scalar() or 0

    def state_after(self, period: int) -> State | None:
        """The newest state of a closing at or before a period."""
        stored = self.closing_at(period)
        return None if stored is None else read_state(stored.state)

    # -- verdicts ---------------------------------------------------------------------------------------------------

    def put_verdict(self, tx: Connection, new: StoredVerdict, old: StoredVerdict | None) -> None:
        """Keep the newest revision, and the counts in step with it."""
        if old is not None:
            same = (VERDICTS.c.lab == new.lab, VERDICTS.c.period == new.period)
            tx.execute(delete(VERDICTS).where(*same))
            self._count(tx, new.lab, old.verdict, -1)
        tx.execute(
            insert(VERDICTS).values(
                lab=new.lab,
                period=new.period,
                verdict=new.verdict,
                revision=new.revision,
                idx=new.leaf,
                findings=new.findings,
                sketch=new.sketch,
            )
        )
        self._count(tx, new.lab, new.verdict, 1)

    def put_proofs(self, tx: Connection, proofs: Iterable[bytes]) -> None:
        """Keep proofs that an assessment names; one that is kept already stays."""
        for proof in proofs:
            digest = sha256(proof).digest()
            if tx.execute(select(PROOFS.c.digest).where(PROOFS.c.digest == digest)).first() is None:
                tx.execute(insert(PROOFS).values(digest=digest, data=proof))

    def proofs(self, digests: Iterable[bytes]) -> list[bytes]:
        """The proofs that an assessment names, as far as they are kept."""
        statement = select(PROOFS.c.data).where(PROOFS.c.digest.in_(list(digests))).order_by(PROOFS.c.digest)
        with self.logs.database.reading() as connection:
            return [row.data for row in connection.execute(statement)]

    def _count(self, tx: Connection, lab: str, verdict: int, change: int) -> None:
        here = (COUNTS.c.lab == lab, COUNTS.c.verdict == verdict)
        changed = tx.execute(update(COUNTS).where(*here).values(number=COUNTS.c.number + change))
        if changed.rowcount == 0:
            tx.execute(insert(COUNTS).values(lab=lab, verdict=verdict, number=change))

    def verdict(self, lab: str, period: int | None = None) -> StoredVerdict | None:
        """The assessment of a lab and a period; of its newest assessed period if None."""
        statement = select(VERDICTS).where(VERDICTS.c.lab == lab).order_by(VERDICTS.c.period.desc()).limit(1)
        if period is not None:
            statement = statement.where(VERDICTS.c.period == period)
        with self.logs.database.reading() as connection:
            row = connection.execute(statement).first()
        return None if row is None else StoredVerdict(*row)

    def verdicts(self, lab: str, first: int, last: int, limit: int) -> list[StoredVerdict]:
        """Assessments of a lab, newest period first."""
        statement = (
            select(VERDICTS)
            .where(VERDICTS.c.lab == lab, VERDICTS.c.period >= first, VERDICTS.c.period <= last)
            .order_by(VERDICTS.c.period.desc())
            .limit(limit)
        )
        with self.logs.database.reading() as connection:
            return [StoredVerdict(*row) for row in connection.execute(statement)]

    def inconclusive(self, lab: str, first: int) -> list[StoredVerdict]:
        """Assessments of a lab that could not appraise, from a period on."""
        here = (VERDICTS.c.lab == lab, VERDICTS.c.verdict == header_pb2.VERDICT_INCONCLUSIVE)
        statement = select(VERDICTS).where(*here, VERDICTS.c.period >= first).order_by(VERDICTS.c.period)
        with self.logs.database.reading() as connection:
            return [StoredVerdict(*row) for row in connection.execute(statement)]

    def with_findings(self, labs: Sequence[str], first: int, limit: int) -> list[StoredVerdict]:
        """Assessments that hold findings, newest period first."""
        # Lab by lab: then each is a few steps in an index, however long the history is.
        found: list[StoredVerdict] = []
        with self.logs.database.reading() as connection:
            for lab in labs:
                statement = (
                    select(VERDICTS)
                    .where(HAS_FINDINGS, VERDICTS.c.lab == lab, VERDICTS.c.period >= first)
                    .order_by(VERDICTS.c.period.desc())
                    .limit(limit)
                )
                found += [StoredVerdict(*row) for row in connection.execute(statement)]
        return sorted(found, key=lambda verdict: (-verdict.period, verdict.lab))[:limit]

    def counts(self, lab: str) -> dict[int, int]:
        """Number of assessed periods of a lab by newest verdict."""
        statement = select(COUNTS.c.verdict, COUNTS.c.number).where(COUNTS.c.lab == lab)
        with self.logs.database.reading() as connection:
            return {row.verdict: row.number for row in connection.execute(statement)}
