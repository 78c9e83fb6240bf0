"""The node daemon, assembled: checks first, then two servers and the loop that attests.

TCP, mutual TLS   LogService, health, reflection         for the peers of the configuration
Unix socket       NodeAdminService, health, reflection   for the owner of the process
two threads       one attests what is owed, one follows the record and says what the party must keep
"""

from __future__ import annotations

import contextlib
import threading
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from daemon.author import Author, Seeds
from daemon.channel import open_channel
from daemon.clock import Clock, open_clock
from daemon.config import load_config
from daemon.enrolment import STATEMENT_KEY, log_seed, party_of, store_url
from daemon.files import write_whole
from daemon.journal import journal, open_journal
from daemon.keyfiles import read_seed
from daemon.log_service import SERVICE as LOG_SERVICE
from daemon.log_service import LogServicer
from daemon.log_store import LogStore, open_store
from daemon.memory import prepare_for_long_run
from daemon.server import Server, run_until_signalled
from daemon.startup import open_own_log, pinned_agreement, require_newest
from daemon.tls import Identity, Peer, Peers, load_certificate, read_certificate, server_credentials
from node.admin import SERVICE as ADMIN_SERVICE
from node.admin import NodeAdminServicer
from node.collectors import open_collectors
from node.config import NodeSettings
from node.loop import Attester
from node.order_file import OrderFile
from node.publisher import Publisher
from node.record import RecordFollower
from protocol.audience import Reader
from protocol.errors import Reason, require
from standstill.v1 import log_service_pb2_grpc, node_admin_service_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from protocol.agreement import Agreement
    from standstill.v1 import agreement_pb2

ADDRESS: Final = "address"
"""File beside the configuration that holds the address in use, for whoever let the system choose the port."""

MOST_SOCKET_PATH: Final = 107
"""Bytes of the longest path of a Unix socket (unix(7))."""

_READERS: Final = {"public": Reader.PUBLIC, "party": Reader.PARTY, "verifier": Reader.VERIFIER}


def run_node(config: Path, *, full_check: bool = False) -> None:
    """Run a node until it is told to end; for the main thread.

    Args:
        config: `node.toml`.
        full_check: derive the whole log again before anything is signed.

    Raises:
        ConfigError: the configuration cannot be used.
        Refused: a check failed; nothing was signed.
    """
    prepare_for_long_run()
    settings = load_config(config, NodeSettings)
    base = config.resolve().parent
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context((base / settings.journal).open("a")) if settings.journal is not None else None
        open_journal(f"node {settings.party}", stream=stream)
        clock = clock_of(settings, base)
        agreement = pinned_agreement(settings, base)
        party = party_of(agreement, settings.party)
        store, author = _open_log(settings, base, agreement, party, clock, stack, full=full_check)
        ask_verifiers(settings, base, author, party)
        _serve(settings, base, _Parts(agreement, store, author, clock))


def clock_of(settings: NodeSettings, base: Path) -> Clock:
    """The clock that a configuration in the directory `base` names; refusals as :func:`daemon.clock.open_clock`."""
    return open_clock(settings.clock, base)


def admin_socket(settings: NodeSettings, base: Path) -> Path:
    """Where the node of a configuration in the directory `base` is administrated."""
    return base.resolve() / settings.admin


def _open_log(
    settings: NodeSettings,
    base: Path,
    agreement: Agreement,
    party: agreement_pb2.Party,
    clock: Clock,
    stack: contextlib.ExitStack,
    *,
    full: bool,
) -> tuple[LogStore, Author]:
    """The party's log, checked; the store is closed with `stack`."""
    statement = read_seed(base / settings.keys / STATEMENT_KEY)
    seeds = Seeds(log=log_seed(base, party, settings.keys), statement=statement)
    if any((base / settings.keys).glob("root-*.key")):
        journal().warning("root keys lie beside the daemon, which needs none; move them to a safe place offline")
    store = open_store(store_url(settings.store, base))
    stack.callback(store.close)
    author = open_own_log(agreement, party, store, seeds, clock, full=full)
    journal().info("store checked", statements=author.head.size, whole=full)
    return store, author


class _Parts:
    """What serves and attests, over one log."""

    def __init__(self, agreement: Agreement, store: LogStore, author: Author, clock: Clock) -> None:
        self.agreement, self.store, self.author, self.clock = agreement, store, author, clock

    def note_of(self, origin: str) -> tuple[bytes | None, int]:
        """The newest checkpoint: ours is kept by its author, who signs it after it is durable."""
        if origin != self.author.origin:
            return self.store.note(origin)
        head, note = self.author.signed
        return note, head.size


def ask_verifiers(settings: NodeSettings, base: Path, author: Author, party: agreement_pb2.Party) -> None:
    """Nothing is signed where a verifier holds more of this log than we do."""
    own = load_certificate(base)
    with contextlib.ExitStack() as stack:
        channels = {}
        for name, peer in settings.peer.items():
            if peer.address:
                channel = open_channel(peer.address, own, read_certificate(base / peer.certificate), name)
                channels[name] = stack.enter_context(channel)
        require_newest(author, party.log_key, channels)


def _serve(settings: NodeSettings, base: Path, parts: _Parts) -> None:
    """Serve and attest until a signal comes."""
    publisher = Publisher(parts.agreement, parts.store, parts.author, parts.clock)
    collectors = open_collectors(parts.agreement, parts.clock, settings, base, publisher.terms)
    attester = Attester(
        parts.agreement, publisher, collectors, parts.clock, after=settings.attest_after, first=settings.attest_from
    )
    stop = threading.Event()
    with (
        _record(settings, base, parts, publisher) as record,
        _admin_server(
            admin_socket(settings, base), NodeAdminServicer(parts.agreement, publisher, attester, parts.clock, record)
        ),
        _peer_server(settings, base, parts) as address,
        _in_thread("attest", attester.run if settings.attest == "automatic" else None, stop),
        _in_thread("record", partial(record.run, settings.record_poll) if record is not None else None, stop),
    ):
        if record is not None:
            publisher.judge_by(record.terms)
        head = parts.author.head
        journal().info("ready", address=address, size=head.size)
        line = f"READY {settings.party} {address} {parts.agreement.digest.hex()[:8]} size {head.size}"
        run_until_signalled(stop, lambda: print(line, flush=True))  # noqa: T201 - whoever started us waits for it
        stop.set()
        journal().info("ending")


@contextlib.contextmanager
def _admin_server(path: Path, servicer: NodeAdminServicer) -> Iterator[None]:
    length = len(str(path).encode())
    what = f"expected at most {MOST_SOCKET_PATH} bytes, found {length}; configure a shorter path"
    require(length <= MOST_SOCKET_PATH, Reason.ADDRESS_IN_USE, "admin", what)
    server = Server()
    server.add(node_admin_service_pb2_grpc.add_NodeAdminServiceServicer_to_server, servicer, ADMIN_SERVICE)
    server.listen_unix(path)
    server.start()
    try:
        yield
    finally:
        server.stop()


@contextlib.contextmanager
def _peer_server(settings: NodeSettings, base: Path, parts: _Parts) -> Iterator[str]:
    """Serve the log; gives the address in use, which also stands in the file `address` while we serve."""
    own, known = _identities(settings, base)
    server = Server()
    servicer = LogServicer(parts.store, Peers(known).reader, note_of=parts.note_of)
    server.add(log_service_pb2_grpc.add_LogServiceServicer_to_server, servicer, LOG_SERVICE)
    port = server.listen_tls(settings.listen, server_credentials(own, [pem for pem, _ in known]))
    address = f"{settings.listen.rpartition(':')[0]}:{port}"
    server.start()
    write_whole(base / ADDRESS, f"{address}\n".encode())
    try:
        yield address
    finally:
        server.stop()
        (base / ADDRESS).unlink(missing_ok=True)


def _identities(settings: NodeSettings, base: Path) -> tuple[Identity, list[tuple[bytes, Peer]]]:
    own = load_certificate(base)
    known = [
        (read_certificate(base / peer.certificate), Peer(name, _READERS[peer.reader]))
        for name, peer in settings.peer.items()
    ]
    return own, known


@contextlib.contextmanager
def _record(settings: NodeSettings, base: Path, parts: _Parts, publisher: Publisher) -> Iterator[RecordFollower | None]:
    """The record, followed through the first verifier whose address is known."""
    for name, peer in settings.peer.items():
        if peer.address and name in parts.agreement.verifiers:
            certificate = read_certificate(base / peer.certificate)
            with open_channel(peer.address, load_certificate(base), certificate, name) as channel:
                tell = OrderFile(base / settings.order, publisher.exemptions).tell
                yield RecordFollower(parts.agreement, settings.party, parts.store.database, channel, parts.clock, tell)
            return
    yield None


@contextlib.contextmanager
def _in_thread(name: str, run: Callable[[threading.Event], None] | None, stop: threading.Event) -> Iterator[None]:
    """Run in a thread of its own; if it ends by a fault of ours, so does the daemon."""
    if run is None:
        yield
        return
    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            run(stop)
        except BaseException as error:  # noqa: BLE001 - raised again in the main thread
            failures.append(error)
            stop.set()

    thread = threading.Thread(target=guarded, name=name)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if failures:
        raise failures[0]
