"""What a daemon checks before it signs."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from daemon.author import Author, Seeds
from daemon.channel import open_channel
from daemon.journal import open_journal
from daemon.log_service import SERVICE, LogServicer
from daemon.log_store import LogStore, open_store
from daemon.schema import leaf_key
from daemon.server import Server
from daemon.startup import open_own_log, pinned_agreement, require_newest
from daemon.tls import Peer, Peers, make_certificate, server_credentials
from node.config import NodeSettings
from protocol.audience import Reader
from protocol.checkpoint import Checkpoint, sign_checkpoint
from protocol.errors import Reason
from protocol.keys import public_key
from standstill.v1 import log_service_pb2_grpc
from tests.daemon.test_author import NAME, ORIGIN, SEEDS, TERMS, Told, founding, shipment, write
from tests.protocol.refusals import refuses
from tests.terms import START, agreement, seed

PARTY = TERMS.parties[NAME]
STATEMENTS = 600
"""Two full tiles and a part of a third."""


@pytest.fixture
def store(sqlite_store: LogStore) -> LogStore:
    """A log of several tiles."""
    write(sqlite_store).publish([*founding(), *(shipment(number) for number in range(2, STATEMENTS))])
    return sqlite_store


def start(store: LogStore, *, now: int = START, seeds: Seeds = SEEDS, full: bool = False) -> Author:
    return open_own_log(TERMS, PARTY, LogStore(store.database), seeds, Told(now), full=full)


def sql(store: LogStore, statement: str, *parameters: object) -> None:
    with store.transaction() as tx:
        tx.exec_driver_sql(statement, parameters)


FLIP_LEAF = "UPDATE leaves SET envelope = x'0102' WHERE id = ?"
TAIL_DAMAGE: dict[str, Callable[[LogStore], None]] = {
    "last leaf": lambda store: sql(store, FLIP_LEAF, leaf_key(1, STATEMENTS - 1)),
    "last leaf gone": lambda store: sql(store, "DELETE FROM leaves WHERE id = ?", leaf_key(1, STATEMENTS - 1)),
    "edge of the last tile": lambda store: sql(
        store, "UPDATE leaves SET leaf_hash = ? WHERE id = ?", bytes(32), leaf_key(1, 590)
    ),
    "upper tile": lambda store: sql(store, "UPDATE tiles SET hashes = ? WHERE level = 1", bytes(64)),
    "upper tile gone": lambda store: sql(store, "DELETE FROM tiles WHERE level = 1"),
    "root": lambda store: sql(store, "UPDATE logs SET root = ?", bytes(32)),
    "size": lambda store: sql(store, "UPDATE logs SET size = size - 1"),
    "frontier": lambda store: sql(store, "UPDATE logs SET frontier = (SELECT leaf_hash FROM leaves LIMIT 1)"),
}


@pytest.mark.parametrize("damage", TAIL_DAMAGE)
def test_refuses_a_store_whose_end_is_damaged(store: LogStore, damage: str) -> None:
    assert start(store).head.size == STATEMENTS
    TAIL_DAMAGE[damage](store)

    with refuses(Reason.STORE_DAMAGED, ORIGIN):
        start(store)


def test_damage_before_the_end_is_found_by_the_full_check(store: LogStore) -> None:
    assert start(store, full=True).head.size == STATEMENTS
    sql(store, FLIP_LEAF, leaf_key(1, 17))

    assert start(store).head.size == STATEMENTS
    with refuses(Reason.STORE_DAMAGED, ORIGIN):
        start(store, full=True)


def test_refuses_a_store_without_the_log(sqlite_store: LogStore) -> None:
    with refuses(Reason.NOT_FOUNDED, ORIGIN):
        start(sqlite_store)


def test_refuses_a_log_without_its_founding(sqlite_store: LogStore) -> None:
    write(sqlite_store)
    with refuses(Reason.NOT_FOUNDED, ORIGIN):
        start(sqlite_store)

    write(sqlite_store).publish(founding())
    assert start(sqlite_store).head.size == 2


def test_refuses_a_statement_key_that_the_root_did_not_name(store: LogStore) -> None:
    other = replace(SEEDS, statement=seed(NAME, "statement 2"))
    with refuses(Reason.KEY_NOT_IN_FORCE, "keys/statement.key"):
        start(store, seeds=other)

    assert start(store).keys.version == 1


def test_refuses_a_clock_before_the_last_statement(store: LogStore) -> None:
    with refuses(Reason.CLOCK_WENT_BACK, "clock"):
        start(store, now=START - 1)

    assert start(store, now=START).last_time == START


@pytest.mark.parametrize("digest", ["", "1234", "g" * 64, "A" * 64])
def test_refuses_a_configuration_without_a_pinned_digest(tmp_path: Path, digest: str) -> None:
    (tmp_path / "agreement").write_bytes(TERMS.data)
    with refuses(Reason.NOT_FOUNDED, "digest"):
        pinned_agreement(NodeSettings(party=NAME, digest=digest), tmp_path)


def test_refuses_another_agreement_than_the_pinned_one(tmp_path: Path) -> None:
    settings = NodeSettings(party=NAME, digest=TERMS.digest.hex())
    with refuses(Reason.NOT_FOUNDED, str(tmp_path / "agreement")):
        pinned_agreement(settings, tmp_path)
    (tmp_path / "agreement").write_bytes(agreement(name="another").data)
    with refuses(Reason.TRUST_ROOT_MISMATCH, "agreement"):
        pinned_agreement(settings, tmp_path)

    (tmp_path / "agreement").write_bytes(TERMS.data)
    assert pinned_agreement(settings, tmp_path).digest == TERMS.digest


class Witness:
    """A verifier that mirrors the log, or one that shows what it is told to."""

    def __init__(self, home: Path, mirror: LogStore) -> None:
        self.own, self.node = (make_certificate(name, _made(home / name)) for name in ("vera", NAME))
        self.server = Server(workers=2)
        self.note: bytes | None = None
        peers = Peers([(self.node.certificate, Peer(NAME, Reader.PARTY))])

        def note_of(origin: str) -> tuple[bytes | None, int]:
            return (self.note, 1) if self.note is not None else mirror.note(origin)

        servicer = LogServicer(mirror, peers.reader, note_of=note_of)
        self.server.add(log_service_pb2_grpc.add_LogServiceServicer_to_server, servicer, SERVICE)
        self.port = self.server.listen_tls("127.0.0.1:0", server_credentials(self.own, [self.node.certificate]))
        self.server.start()

    @contextmanager
    def asked(self) -> Iterator[dict[str, grpc.Channel]]:
        with open_channel(f"127.0.0.1:{self.port}", self.node, self.own.certificate, "vera") as channel:
            yield {"vera": channel}


def _made(path: Path) -> Path:
    path.mkdir()
    return path


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Witness]:
    with ExitStack() as stack:
        mirror = open_store(f"sqlite:///{tmp_path / 'mirror.db'}", create=True)
        stack.callback(mirror.close)
        made = Witness(tmp_path, mirror)
        stack.callback(made.server.stop)
        yield made


def signed(author: Author, *, size: int, root: bytes | None = None, log: bytes = SEEDS.log) -> bytes:
    return sign_checkpoint(Checkpoint(ORIGIN, size, author.head.root if root is None else root), log)


def newest(author: Author, witness: Witness) -> None:
    with witness.asked() as channels:
        require_newest(author, public_key(SEEDS.log), channels)


def test_refuses_to_sign_where_a_verifier_has_seen_more(store: LogStore, witness: Witness) -> None:
    author = start(store)
    witness.note = signed(author, size=STATEMENTS + 1)
    with refuses(Reason.STORE_BEHIND, ORIGIN):
        newest(author, witness)

    for size in (1, STATEMENTS):
        witness.note = signed(author, size=size)
        newest(author, witness)


def test_refuses_to_sign_where_a_verifier_has_seen_another_root_of_the_same_size(
    store: LogStore, witness: Witness
) -> None:
    author = start(store)
    witness.note = signed(author, size=STATEMENTS, root=bytes(32))
    with refuses(Reason.EQUIVOCATION, ORIGIN):
        newest(author, witness)


def test_a_head_that_somebody_else_signed_says_nothing(store: LogStore, witness: Witness) -> None:
    said = io.StringIO()
    open_journal("test", stream=said)
    author = start(store)
    witness.note = signed(author, size=STATEMENTS + 1, log=bytes(range(32)))
    newest(author, witness)

    assert "did not sign" in said.getvalue()


def test_a_verifier_that_does_not_know_the_log_yet_is_no_warning(store: LogStore, witness: Witness) -> None:
    said = io.StringIO()
    open_journal("test", stream=said)
    newest(start(store), witness)

    assert said.getvalue() == ""


def test_a_verifier_that_does_not_answer_is_a_warning_only(store: LogStore, witness: Witness) -> None:
    said = io.StringIO()
    open_journal("test", stream=said)
    witness.server.stop()
    newest(start(store), witness)

    assert "not asked" in said.getvalue()
    assert "vera" in said.getvalue()
