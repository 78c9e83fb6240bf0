"""A party's own log: signed, durable, then spoken of."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import Connection

from daemon.author import Author, Seeds, open_author
from daemon.fsck import fsck
from daemon.log_service import open_leaf
from daemon.log_store import LogStore
from protocol.agreement import Agreement
from protocol.audience import Reader
from protocol.authoring import Draft
from protocol.checkpoint import open_checkpoint
from protocol.errors import Reason, Refused
from protocol.leaf import Cursor, ReadLeaf, read_leaves
from protocol.note import verifier_key
from protocol.wire import encode
from standstill.v1 import header_pb2
from tests import bodies
from tests.daemon.test_database import limit_pages
from tests.protocol.refusals import refuses
from tests.terms import PERIOD, START, agreement, seed

TERMS = agreement()
NAME = "chipco"
ORIGIN = TERMS.parties[NAME].origin
ROOT = tuple(seed(NAME, f"root {number}") for number in (1, 2))
SEEDS = Seeds(log=seed(NAME, "log"), statement=seed(NAME, "statement 1"), root=ROOT)


class Told:
    """A clock that says what it is told."""

    def __init__(self, now: int = START) -> None:
        self.time = now

    def now(self) -> int:
        return self.time

    def wait_until(self, time: int, stop: object) -> bool:
        raise NotImplementedError


def founding() -> list[Draft]:
    return [
        Draft(kind=header_pb2.KIND_FOUNDING, body=encode(bodies.founding(TERMS))),
        Draft(kind=header_pb2.KIND_KEY_SET, body=encode(bodies.key_set(NAME))),
    ]


def shipment(number: int = 1, **changes: object) -> Draft:
    body = bodies.shipment_report(id=f"shipment-{number}", **changes)
    return Draft(kind=header_pb2.KIND_SHIPMENT_REPORT, body=encode(body), period=0)


def write(store: LogStore, clock: Told | None = None, seeds: Seeds = SEEDS, terms: Agreement = TERMS) -> Author:
    return open_author(terms, store, seeds, clock or Told(), Cursor(ORIGIN, NAME))


def read_all(store: LogStore) -> list[ReadLeaf]:
    """The log as a verifier reads it, signatures included."""
    served = [open_leaf(stored, Reader.VERIFIER) for stored in store.leaves(ORIGIN, 0, store.head(ORIGIN).size)]
    return read_leaves(TERMS, Cursor(ORIGIN, NAME), served)[0]


@pytest.fixture
def clock() -> Told:
    return Told()


@pytest.fixture
def author(store: LogStore, clock: Told) -> Author:
    """An author that has founded, over each database."""
    made = write(store, clock)
    made.publish(founding())
    return made


def test_what_is_published_is_a_log_that_every_reader_accepts(author: Author, store: LogStore) -> None:
    published = author.publish([shipment(1), shipment(2)])

    reads = read_all(store)
    head = open_checkpoint(published.note, ORIGIN, verifier_key(ORIGIN, TERMS.parties[NAME].log_key))
    assert [read.refusal for read in reads] == [None] * 4
    assert [read.body for read in reads[2:]] == [bodies.shipment_report(id=f"shipment-{n}") for n in (1, 2)]
    assert published.index == 2
    assert published.identities == tuple(read.identity for read in reads[2:])
    assert (head.size, head.root) == tuple(store.head(ORIGIN)) == tuple(author.head)
    assert author.signed == (author.head, published.note)
    assert fsck(store, ORIGIN) == []


def test_all_statements_are_published_or_none(author: Author) -> None:
    before = author.signed
    with refuses(Reason.CHIP_CLASS_UNKNOWN):
        author.publish([shipment(1), shipment(2, chip_class="no such class")])

    assert author.signed == before
    assert author.publish([shipment(1), shipment(2)]).index == 2


def test_refuses_to_publish_nothing(author: Author) -> None:
    with refuses(Reason.FIELD_ABSENT, "drafts"):
        author.publish([])


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        (header_pb2.KIND_PLEDGE, encode(bodies.pledge()), Reason.NO_AUTHORITY),
        (header_pb2.KIND_SHIPMENT_REPORT, encode(bodies.shipment_report()), Reason.PERIOD_UNEXPECTED),
        (header_pb2.KIND_SHIPMENT_REPORT, b"\xff", Reason.PERIOD_UNEXPECTED),
        (header_pb2.KIND_CLOSING, b"", Reason.WRONG_LOG),
    ],
)
def test_refuses_what_any_reader_would_refuse(
    author: Author, kind: header_pb2.Kind.ValueType, body: bytes, reason: Reason
) -> None:
    before = author.head
    with refuses(reason):
        author.publish([Draft(kind=kind, body=body)])

    assert author.head == before


def test_refuses_a_clock_before_the_last_statement(author: Author, clock: Told) -> None:
    clock.time = START + PERIOD
    author.publish([shipment(1)])
    clock.time -= 1
    with refuses(Reason.CLOCK_WENT_BACK, "clock"):
        author.publish([shipment(2)])

    clock.time += 1
    assert author.publish([shipment(2)]).index == 3
    assert author.last_time == START + PERIOD


def test_the_clock_of_the_last_statement_is_remembered_over_a_restart(
    author: Author, store: LogStore, clock: Told
) -> None:
    clock.time = START + PERIOD
    author.publish([shipment(1)])
    again = write(store, Told(START))

    assert again.last_time == START + PERIOD
    with refuses(Reason.CLOCK_WENT_BACK, "clock"):
        again.publish([shipment(2)])


def test_refuses_to_sign_with_a_key_that_no_key_set_names(author: Author, store: LogStore) -> None:
    other = write(store, seeds=replace(SEEDS, statement=seed(NAME, "statement 2")))
    with refuses(Reason.KEY_NOT_IN_FORCE, "keys.statement"):
        other.publish([shipment()])

    assert author.publish([shipment()]).index == 2


def test_refuses_a_statement_before_the_first_key_set(store: LogStore) -> None:
    author = write(store)
    with refuses(Reason.KEY_NOT_IN_FORCE, "keys.statement"):
        author.publish([founding()[0], shipment()])

    assert author.head.size == 0
    assert author.publish([*founding(), shipment()]).index == 0


def test_refuses_a_root_statement_without_the_root_keys(author: Author, store: LogStore) -> None:
    second = Draft(kind=header_pb2.KIND_KEY_SET, body=encode(bodies.key_set(NAME, 2)))
    without = write(store, seeds=replace(SEEDS, root=()))
    with refuses(Reason.KEY_NOT_IN_FORCE, "keys.root"):
        without.publish([second])
    with refuses(Reason.THRESHOLD_NOT_MET):
        write(store, seeds=replace(SEEDS, root=ROOT[:1])).publish([second])

    assert author.publish([second]).index == 2


def test_a_new_key_set_governs_from_the_next_leaf_also_after_a_restart(author: Author, store: LogStore) -> None:
    author.publish([Draft(kind=header_pb2.KIND_KEY_SET, body=encode(bodies.key_set(NAME, 2)))])
    with refuses(Reason.KEY_NOT_IN_FORCE, "keys.statement"):
        author.publish([shipment()])

    again = write(store, seeds=replace(SEEDS, statement=seed(NAME, "statement 2")))
    assert again.keys.version == 2
    assert again.publish([shipment()]).index == 3


def test_a_restart_signs_the_same_bytes(author: Author, store: LogStore) -> None:
    author.publish([shipment()])

    assert write(store).signed == author.signed


def test_what_else_is_written_stands_or_falls_with_the_statements(author: Author, store: LogStore) -> None:
    seen = []

    def fail(tx: Connection, reads: object) -> None:
        seen.append(store.head(ORIGIN, tx=tx).size)
        raise Refused(Reason.STATE_DIFFERS)

    before = author.signed
    with refuses(Reason.STATE_DIFFERS):
        author.publish([shipment()], fail)

    assert seen == [3]
    assert author.signed == before
    assert store.head(ORIGIN) == author.head
    assert author.publish([shipment()]).index == 2


def test_a_full_disk_acknowledges_nothing_and_the_next_publication_works(sqlite_store: LogStore) -> None:
    author = write(sqlite_store)
    author.publish(founding())
    before = author.signed
    limit_pages(sqlite_store.database, 30)
    with refuses(Reason.STORE_UNAVAILABLE, "store"):
        author.publish([shipment(number) for number in range(500)])

    assert author.signed == before
    limit_pages(sqlite_store.database, 100_000)
    assert author.publish([shipment(number) for number in range(500)]).index == 2
    assert fsck(sqlite_store, ORIGIN) == []


def test_threads_that_publish_at_once_make_one_chain(author: Author, store: LogStore) -> None:
    with ThreadPoolExecutor(8) as pool:
        published = list(pool.map(lambda number: author.publish([shipment(number)]), range(40)))

    reads = read_all(store)
    assert sorted(one.index for one in published) == list(range(2, 42))
    assert all(read.refusal is None for read in reads)
    assert {one.index: one.identities[0] for one in published} == {read.index: read.identity for read in reads[2:]}


def test_seeds_do_not_show_themselves() -> None:
    assert SEEDS.log.hex() not in repr(SEEDS)
    assert repr(SEEDS) == "Seeds(...)"
