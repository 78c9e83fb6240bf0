"""A verifier's store with a real history: statements signed, heads cosigned, every period closed and assessed.

Three labs with 13 sites each are attested and metered every period: 82 statements with the closing and the assessments.
Gamma's meters never agree with what it declares, so it has findings in every period; the other two are honored.
Statements go into the store by its own functions instead of over the network; registrar and assessor are the daemon's.
In long histories most assessments repeat the words of an earlier one, which saves much time and changes no size.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from bench.parties import Parties
from bench.statements import chips, quantity
from daemon.author import Author, Seeds, open_author
from daemon.enrolment import COSIGNATURE_KEY, KEYS, STATEMENT_KEY, log_seed, store_url
from daemon.keyfiles import read_seed
from daemon.leaf import EMPTY, Head, StoredLeaf
from daemon.log_store import open_store
from demo.scenario import LABS, METER, PARTIES, SUPPLIER, VERIFIER, power
from protocol.authoring import Draft, write_leaf
from protocol.checkpoint import Checkpoint, sign_checkpoint
from protocol.commitment import ENTRY_TAG, commit
from protocol.cosignature import cosign
from protocol.envelope import parse_envelope
from protocol.leaf import Cursor
from protocol.merkle import leaf_hash
from protocol.note import add_signatures
from protocol.statements import KINDS
from protocol.wire import encode
from standstill.v1 import compute_pb2, evidence_pb2, header_pb2
from standstill.v1 import quantity_pb2 as q
from verifier.assessor import Assessor
from verifier.bundler import Bundler
from verifier.registrar import Registrar
from verifier.store import StoredVerdict, VerifierStore

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from protocol.agreement import Agreement
    from protocol.leaf import ReadLeaf

SITES: Final = 13
STATEMENTS_A_PERIOD: Final = 2 * 3 * SITES + 4
"""With three labs of so many sites each: attestations, readings, assessments and a closing."""
CHEAT: Final = "gamma"
CHIP: Final = "H100-SXM"

_CHIPS: Final = 64
_HELD: Final = {q.LABEL_TRAIN: 24, q.LABEL_INFERENCE: 24, q.LABEL_EVAL: 6, q.LABEL_IDLE: 10}
_GROUPS: Final = {q.LABEL_TRAIN: "train", q.LABEL_INFERENCE: "serve", q.LABEL_EVAL: "serve", q.LABEL_IDLE: "idle"}
_HOUR: Final = 3_600
_TERAFLOP_A_SECOND: Final = 400
_METERED_PERCENT: Final = {CHEAT: 150}
_HONEST_PERCENT: Final = 110
_WITNESSED_AFTER: Final = 60

_WATTS: Final = power()[CHIP]
_ENERGY: Final = sum(held * _WATTS[_GROUPS[label]].mean for label, held in _HELD.items())
_USE: Final = tuple(
    compute_pb2.Use(
        chip_class=CHIP,
        label=label,
        held=quantity(held * _HOUR, q.UNIT_CHIP_SECOND),
        operations=quantity(held * _HOUR * _TERAFLOP_A_SECOND, q.UNIT_TERAFLOP) if label == q.LABEL_TRAIN else None,
        format=q.NUMBER_FORMAT_BF16_DENSE if label == q.LABEL_TRAIN else q.NUMBER_FORMAT_UNSPECIFIED,
    )
    for label, held in _HELD.items()
)
"""One hour of a site: what 64 accelerators are held for, and at each label's mean power their watt-hours."""


@dataclass(slots=True)
class Told:
    """A clock that shows what it is told."""

    time: int

    def now(self) -> int:
        """The time, Unix seconds."""
        return self.time

    def wait_until(self, time: int, stop: threading.Event) -> bool:
        """Nobody waits here."""
        raise NotImplementedError


@dataclass(slots=True)
class Writer:
    """A party that writes straight into the verifier's store.

    Attributes:
        cursor: where its log ends.
        head: of its log.
        seeds: signs statements and heads.
    """

    agreement: Agreement
    cursor: Cursor
    head: Head
    seeds: Seeds

    def rows(self, drafts: list[Draft], now: int) -> list[StoredLeaf]:
        """The next leaves of its log, signed."""
        return [self._row(draft, now) for draft in drafts]

    def _row(self, draft: Draft, now: int) -> StoredLeaf:
        place = f"{self.cursor.origin} {self.cursor.index}"
        salts = sha256(f"leaf {place}".encode()).digest(), sha256(f"body {place}".encode()).digest()
        leaf = write_leaf(self.agreement, self.cursor, draft, salts=salts, time=now, seeds=(self.seeds.statement,))
        this_hash = leaf_hash(commit(ENTRY_TAG, leaf.leaf_salt, leaf.envelope))
        row = StoredLeaf(
            sequence=self.cursor.index,
            kind=draft.kind,
            period=draft.period,
            audience=KINDS[draft.kind].audience,
            leaf_hash=this_hash,
            leaf_salt=leaf.leaf_salt,
            refusal=None,
            body_salt=leaf.body_salt,
            envelope=leaf.envelope,
            body=leaf.body,
        )
        before = self.cursor
        self.cursor = Cursor(before.origin, before.author, index=before.index + 1, previous=this_hash, keys=before.keys)
        return row


@dataclass(slots=True)
class History:
    """A store that is being filled, period by period.

    Attributes:
        parties: whose statements it holds.
        sites: of each lab.
        store: of the verifier.
        period: the next to be closed.
        assessing: CPU seconds spent on assessments so far.
        assessed: assessments so far.
        moving: whether chips reach every lab, and leave it again, in every period.
    """

    parties: Parties
    sites: int
    store: VerifierStore
    clock: Told
    writers: dict[str, Writer]
    registrar: Registrar
    assessor: Assessor
    bundler: Bundler
    own: Author
    cosigner: bytes
    period: int = 0
    assessing: float = 0.0
    assessed: int = 0
    moving: bool = False

    @property
    def statements(self) -> int:
        """How many statements the store holds."""
        return sum(self.store.logs.head(origin).size for origin in self.store.logs.origins())

    def bundle(self, lab: str) -> bytes:
        """The evidence for the newest assessment of a lab."""
        return self.bundler.pack(lab, None).SerializeToString()

    def live(self, periods: int, *, appraise: bool = True) -> None:
        """Let so many periods pass; without appraising, the verdicts of the period before are said again."""
        agreement = self.parties.agreement
        for _ in range(periods):
            self.clock.time = agreement.start_of(self.period) + _WITNESSED_AFTER
            self._witness(self._said())
            self.clock.time = agreement.end_of(self.period)
            state = self.registrar.close(self.period).outcome.state
            if appraise:
                before = time.process_time()
                self.assessed += len(self.assessor.assess(self.period, state))
                self.assessing += time.process_time() - before
            else:
                self._repeat(self.period - 1)
            self.period += 1

    def _repeat(self, period: int) -> None:
        """Publish assessments of a period with the words of those of the period before."""
        old = [verdict for lab in LABS if (verdict := self.store.verdict(lab, period - 1)) is not None]
        drafts = [self._again(verdict, period) for verdict in old]

        def keep(tx: Connection, reads: Sequence[ReadLeaf]) -> None:
            for verdict, read in zip(old, reads, strict=True):
                self.store.put_verdict(tx, verdict._replace(period=period, leaf=read.index), None)

        self.own.publish(drafts, also=keep)

    def _again(self, verdict: StoredVerdict, period: int) -> Draft:
        row = self.store.logs.leaf(self.own.origin, verdict.leaf)
        header = header_pb2.Header.FromString(parse_envelope(row.envelope).payload)
        return Draft(kind=header_pb2.KIND_ASSESSMENT, body=row.body or b"", period=period, summary=header.assessment)

    def _witness(self, said: dict[str, list[Draft]]) -> None:
        """Take in what parties said, and cosign their heads, in one transaction."""
        witness, now, logs = self.parties.agreement.witness_name(VERIFIER), self.clock.time, self.store.logs
        with logs.transaction() as tx:
            for name, drafts in said.items():
                writer = self.writers[name]
                origin = writer.cursor.origin
                writer.head = logs.append(tx, origin, writer.head, writer.rows(drafts, now))
                self.cosign(tx, writer, witness)

    def cosign(self, tx: Connection, writer: Writer, witness: str) -> None:
        """Cosign the head of a party's log, as a follower does when it holds all of it."""
        head = Checkpoint(writer.cursor.origin, *writer.head)
        note = sign_checkpoint(head, writer.seeds.log)
        line = cosign(head.text(), witness, self.cosigner, self.clock.time)
        self.store.cosign(tx, head.origin, head.size, self.clock.time, add_signatures(note, [line]))

    def _said(self) -> dict[str, list[Draft]]:
        """What everybody says while a period runs: of the period before it, and of deliveries at first."""
        if self.period == 0:
            return {}
        if self.period == 1:
            receipts = {lab: [_receipt(lab, self.sites)] for lab in LABS}
            return receipts | {SUPPLIER: [_shipment(lab, self.sites) for lab in LABS]}
        said = {lab: [self._attested(lab, site) for site in range(self.sites)] for lab in LABS}
        said[METER] = [self._metered(lab, site) for lab in LABS for site in range(self.sites)]
        if self.moving:
            said[SUPPLIER] = []
            for lab in LABS:
                said[SUPPLIER] += [_shipment(lab, 1, self.period), _receipt(lab, 1, self.period, back=True)]
                said[lab] += [_receipt(lab, 1, self.period), _dispatch(lab, 1, self.period)]
        return said

    def _attested(self, lab: str, number: int) -> Draft:
        period, agreement = self.period - 1, self.parties.agreement
        body = compute_pb2.ComputeAttestation(
            start=agreement.start_of(period),
            end=agreement.end_of(period),
            inventory=[compute_pb2.Inventory(chip_class=CHIP, chips=chips(_CHIPS))],
            use=_USE,
            energy=quantity(_ENERGY, q.UNIT_WATT_HOUR),
        )
        site = agreement.parties[lab].sites[number].handle
        return Draft(kind=header_pb2.KIND_COMPUTE_ATTESTATION, body=encode(body), period=period, site=site)

    def _metered(self, lab: str, number: int) -> Draft:
        period, agreement = self.period - 1, self.parties.agreement
        energy = _ENERGY * _METERED_PERCENT.get(lab, _HONEST_PERCENT) // 100
        body = evidence_pb2.MeterReading(
            meter=f"{lab}-{number}",
            start=agreement.start_of(period),
            end=agreement.end_of(period),
            energy=quantity(energy, q.UNIT_WATT_HOUR),
        )
        site = agreement.parties[lab].sites[number].handle
        return Draft(kind=header_pb2.KIND_METER_READING, body=encode(body), period=period, site=site)


@contextlib.contextmanager
def opened(home: Path, sites: int = SITES, *, moving: bool = False) -> Iterator[History]:
    """A new history below a directory: everybody founded, nothing closed yet."""
    parties = Parties(home, sites=sites)
    writers = {name: _founded(parties, name) for name in PARTIES if name != VERIFIER}
    parties.found_verifier()
    base, party = parties.directory(VERIFIER), parties.agreement.parties[VERIFIER]
    seeds = Seeds(log=log_seed(base, party), statement=read_seed(base / KEYS / STATEMENT_KEY))
    clock = Told(parties.agreement.terms.start)
    with contextlib.closing(open_store(store_url("", base))) as logs:
        own = open_author(parties.agreement, logs, seeds, clock, Cursor(party.origin, VERIFIER))
        start = Cursor(parties.agreement.record_origin(0), VERIFIER, in_record=True, keys=own.keys)
        record = open_author(parties.agreement, logs, seeds, clock, start)
        store = VerifierStore(logs)
        history = History(
            parties=parties,
            sites=sites,
            store=store,
            clock=clock,
            writers={name: writer for name, (writer, _) in writers.items()},
            registrar=Registrar(parties.agreement, store, own, record),
            assessor=Assessor(parties.agreement, store, own),
            bundler=Bundler(parties.agreement, store, own, record, "bench"),
            own=own,
            cosigner=read_seed(base / KEYS / COSIGNATURE_KEY),
            moving=moving,
        )
        _take_foundings(history, {name: rows for name, (_, rows) in writers.items()})
        yield history


def _founded(parties: Parties, name: str) -> tuple[Writer, list[StoredLeaf]]:
    """A party with the first two statements of its log."""
    parties.found_node(name)
    base, party = parties.directory(name), parties.agreement.parties[name]
    seeds = Seeds(log=log_seed(base, party), statement=read_seed(base / KEYS / STATEMENT_KEY))
    with parties.author_of(name) as (author, store):
        rows = list(store.leaves(party.origin, 0, author.head.size))
        cursor = Cursor(party.origin, name, index=len(rows), previous=rows[-1].leaf_hash, keys=author.keys)
        return Writer(parties.agreement, cursor, author.head, seeds), rows


def _take_foundings(history: History, rows: dict[str, list[StoredLeaf]]) -> None:
    """The parties' first statements, witnessed in period 0."""
    history.clock.time += _WITNESSED_AFTER
    logs, witness = history.store.logs, history.parties.agreement.witness_name(VERIFIER)
    with logs.transaction() as tx:
        for name, first in rows.items():
            origin = history.writers[name].cursor.origin
            logs.add_log(tx, origin)
            logs.append(tx, origin, EMPTY, first)
            history.cosign(tx, history.writers[name], witness)


def _shipment(lab: str, sites: int, period: int = 1) -> Draft:
    body = evidence_pb2.ShipmentReport(id=f"{lab}-{period}", receiver=lab, chip_class=CHIP, chips=chips(sites * _CHIPS))
    return Draft(kind=header_pb2.KIND_SHIPMENT_REPORT, body=encode(body), period=period)


def _receipt(lab: str, sites: int, period: int = 1, *, back: bool = False) -> Draft:
    """Chips reach a lab, or the supplier when they come back from one."""
    name, other = (f"{lab}-{period}-back", lab) if back else (f"{lab}-{period}", SUPPLIER)
    return _transfer(name, other, compute_pb2.DIRECTION_RECEIPT, sites, period)


def _dispatch(lab: str, sites: int, period: int) -> Draft:
    return _transfer(f"{lab}-{period}-back", SUPPLIER, compute_pb2.DIRECTION_DISPATCH, sites, period)


def _transfer(name: str, other: str, direction: compute_pb2.Direction.ValueType, sites: int, period: int) -> Draft:
    body = compute_pb2.Transfer(
        id=name, direction=direction, counterparty=other, chip_class=CHIP, chips=chips(sites * _CHIPS)
    )
    return Draft(kind=header_pb2.KIND_TRANSFER, body=encode(body), period=period)
