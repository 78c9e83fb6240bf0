"""A verifier among parties, in one process: real stores, real logs, real gRPC over mutual TLS on loopback.

Node       one party: its log, its server, and what it can be told to serve wrongly
Cluster    all of them with a clock that tests set, and the verifier's directory
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import grpc
from google.protobuf.message import Message

import verifier.schema  # noqa: F401 - its tables belong to the store
from daemon.author import Author, Seeds, open_author
from daemon.channel import open_channel
from daemon.clock import FileClock
from daemon.files import write_whole
from daemon.keyfiles import write_seed
from daemon.log_service import SERVICE, LogServicer
from daemon.log_store import LogStore, open_store
from daemon.rows import store_leaf
from daemon.server import Server
from daemon.tls import Identity, Peer, Peers, make_certificate, server_credentials
from protocol.agreement import Agreement
from protocol.audience import Reader
from protocol.bundle import Report, verify_bundle
from protocol.leaf import Cursor, ReadLeaf, read_leaves
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import audit_service_pb2 as audit
from standstill.v1 import audit_service_pb2_grpc, envelope_pb2, header_pb2, log_service_pb2, log_service_pb2_grpc
from tests import builders
from tests.bodies import shipments_complete
from tests.builders import LABS, START, handle, seed
from verifier.config import AuditorSettings, PeerSettings, VerifierSettings
from verifier.daemon import Daemon

VERA: Final = "vera"
AUDITORS: Final = {"auditor": "verifier", "observer": "party", "passer-by": "public"}
METERED: Final = [pb.EVIDENCE_ATTESTATION, pb.EVIDENCE_METER]


def metered_agreement() -> Agreement:
    """The terms of tests.terms, with the meter's word required beside the lab's."""
    verification = builders.change(builders.terms().verification, required=METERED)
    return builders.agreement(verification=verification)


class Servicer(LogServicer):
    """A log service that can be told to lie.

    Attributes:
        note: served instead of the true checkpoint.
        alter: what becomes of the leaves of a stream.
        silent: calls are answered with an error.
        endless: served again and again instead of leaves.
    """

    note: bytes | None = None
    silent: bool = False
    endless: log_service_pb2.StreamLeavesResponse | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.alter: Callable[[list[envelope_pb2.Leaf]], list[envelope_pb2.Leaf]] = lambda leaves: leaves
        self.asked: list[tuple[int, int]] = []

    def GetCheckpoint(
        self, request: log_service_pb2.GetCheckpointRequest, context: grpc.ServicerContext
    ) -> log_service_pb2.GetCheckpointResponse:
        if self.silent:
            context.abort(grpc.StatusCode.UNAVAILABLE, "down")
        if self.note is not None:
            return log_service_pb2.GetCheckpointResponse(note=self.note)
        return super().GetCheckpoint(request, context)

    def StreamLeaves(
        self, request: log_service_pb2.StreamLeavesRequest, context: grpc.ServicerContext
    ) -> Iterator[log_service_pb2.StreamLeavesResponse]:
        self.asked.append((request.start, request.end))
        while self.endless is not None and context.is_active():
            yield self.endless
        leaves = [leaf for batch in super().StreamLeaves(request, context) for leaf in batch.leaves]
        served = self.alter(leaves)
        for start in range(0, len(served), 500):
            yield log_service_pb2.StreamLeavesResponse(leaves=served[start : start + 500])


class Node:
    """One party that is not the verifier."""

    def __init__(self, agreement: Agreement, name: str, home: Path, clock: Path) -> None:
        self.agreement, self.name, self.home = agreement, name, home
        self.identity = make_certificate(name, home)
        self.store = open_store(f"sqlite:///{home / 'store.db'}", create=True)
        self.clock = FileClock(clock)
        self.author = found(agreement, name, self.store, self.clock)
        self.drafts = builders.Party(agreement, name)
        self.port = 0

    @property
    def origin(self) -> str:
        return self.author.origin

    def serve(self, verifier: bytes, reader: Reader = Reader.VERIFIER) -> None:
        """Answer the holder of a certificate, at the port of the last time if there was one."""
        peers = Peers([(verifier, Peer(VERA, reader))])
        self.servicer = Servicer(self.store, peers.reader, note_of=self.note_of)
        self.server = Server(workers=4)
        self.server.add(log_service_pb2_grpc.add_LogServiceServicer_to_server, self.servicer, SERVICE)
        credentials = server_credentials(self.identity, [verifier])
        self.port = self.server.listen_tls(f"127.0.0.1:{self.port}", credentials)
        self.server.start()

    def note_of(self, origin: str) -> tuple[bytes | None, int]:
        head, note = self.author.signed
        return note, head.size

    def say(self, *bodies: Message, **place: Any) -> int:
        """Publish statements in one go; the index of the first."""
        return self.author.publish([self.drafts.draft(body, **place) for body in bodies]).index

    def inject(self, write: Callable[[builders.Party], envelope_pb2.Leaf]) -> ReadLeaf:
        """Log a leaf that this party's own software would refuse to write."""
        author = self.author
        self.drafts.cursor = author._cursor
        leaf = write(self.drafts)
        (read,), author._cursor = read_leaves(self.agreement, author._cursor, [leaf])
        with self.store.transaction() as tx:
            head = self.store.append(tx, self.origin, author.head, [store_leaf(leaf, read)])
        author._signed = head, author._sign(head)
        return read

    def close(self) -> None:
        self.server.stop(0)
        self.store.close()


def found(agreement: Agreement, name: str, store: LogStore, clock: FileClock) -> Author:
    """Founding and the first KeySet, signed by the root; the author that goes on from there."""
    party = builders.Party(agreement, name)
    cursor = Cursor(agreement.parties[name].origin, name)
    root = (seed(name, "root 1"), seed(name, "root 2"))
    beginner = open_author(agreement, store, Seeds(log=seed(name, "log"), root=root), clock, cursor)
    beginner.publish([party.draft(builders.founding(agreement)), party.draft(builders.key_set(name))])
    return open_author(agreement, store, seeds_of(name), clock, cursor)


def seeds_of(name: str) -> Seeds:
    return Seeds(log=seed(name, "log"), statement=seed(name, "statement 1"))


class Cluster:
    """A verifier and the parties that it follows. The clock stands where a test sets it.

    Attributes:
        agreement: the terms.
        nodes: the other parties by name.
        home: the verifier's directory.
    """

    def __init__(self, base: Path, agreement: Agreement | None = None, store: str = "") -> None:
        self.agreement = agreement or metered_agreement()
        self.base, self.clock_file = base, base / "clock"
        self.at(START + 60)
        self.nodes = {
            name: Node(self.agreement, name, self._directory(name), self.clock_file)
            for name in self.agreement.parties
            if name != VERA
        }
        self.identities = {name: make_certificate(name, self._directory(name)) for name in AUDITORS}
        self.home = self._directory(VERA)
        self.vera = make_certificate(VERA, self.home)
        for node in self.nodes.values():
            node.serve(self.vera.certificate)
        self.store_url = store or f"sqlite:///{self.home / 'store.db'}"
        self._found_verifier()
        self._open: list[Daemon] = []
        self._channels = contextlib.ExitStack()

    def _directory(self, name: str) -> Path:
        path = self.base / name
        path.mkdir()
        return path

    def _found_verifier(self) -> None:
        keys = self.home / "keys"
        keys.mkdir()
        for use in ("log", "statement", "cosignature"):
            write_seed(keys / f"{use}.key", seed(VERA, use if use == "log" else f"{use} 1"))
        (self.home / "agreement").write_bytes(self.agreement.data)
        store = open_store(self.store_url, create=True)
        found(self.agreement, VERA, store, FileClock(self.clock_file))
        store.close()

    def settings(self, **changes: Any) -> VerifierSettings:
        """What `verifier.toml` says; `changes` replace keys."""
        peers = {
            name: PeerSettings(address=f"127.0.0.1:{node.port}", certificate=node.home / "tls.crt")
            for name, node in self.nodes.items()
        }
        auditors = {
            name: AuditorSettings.model_validate({"certificate": self.base / name / "tls.crt", "reader": reader})
            for name, reader in AUDITORS.items()
        }
        made = {
            "party": VERA,
            "digest": self.agreement.digest.hex(),
            "store": self.store_url,
            "listen": "127.0.0.1:0",
            "clock": f"file:{self.clock_file}",
            "poll_seconds": 60,
            "answer_seconds": 5.0,
            "peer": peers,
            "auditor": auditors,
        }
        return VerifierSettings.model_validate(made | changes)

    def open(self, **changes: Any) -> Daemon:
        """A verifier that answers, and whose other work is done when a test says so."""
        daemon = Daemon(self.settings(**changes), self.home)
        self.address = daemon.listen()
        self._open.append(daemon)
        return daemon

    def shut(self, daemon: Daemon) -> None:
        self._open.remove(daemon)
        assert daemon.stop() == 0

    def reopen(self, daemon: Daemon, **changes: Any) -> Daemon:
        """The verifier after a restart."""
        self.shut(daemon)
        return self.open(**changes)

    def close(self) -> None:
        self._channels.close()
        for daemon in list(self._open):
            self.shut(daemon)
        for node in self.nodes.values():
            node.close()

    # -- time and what happens in it ----------------------------------------------------------------------------------

    def at(self, time: int) -> None:
        """Set everybody's clock."""
        write_whole(self.clock_file, b"%d" % time)

    def within(self, period: int, seconds: int = 600) -> None:
        """Set everybody's clock to some time after a period's start."""
        self.at(self.agreement.start_of(period) + seconds)

    def end(self, daemon: Daemon, period: int) -> None:
        """Let a period end, and be closed."""
        self.at(self.agreement.end_of(period))
        assert daemon.close_due(self.agreement.end_of(period))

    def deliver(self, period: int, chips: int = 2, labs: Iterable[str] = LABS) -> None:
        """The supplier's chips reach the labs."""
        for lab in labs:
            name = f"{lab} {period}"
            report = builders.shipment_report(id=name, receiver=lab, chips=builders.quantity(chips))
            self.nodes["chipco"].say(report, period=period)
            self.nodes[lab].say(builders.transfer(id=name, chips=builders.quantity(chips)), period=period)

    def attest(self, period: int, labs: Iterable[str] = LABS, **changes: Any) -> None:
        """Labs say what their chips did."""
        for lab in labs:
            self.nodes[lab].say(builders.attestation(self.agreement, period, **changes))

    def meter(self, period: int, labs: Iterable[str] = LABS) -> None:
        """The grid operator says what was drawn."""
        for lab in labs:
            self.nodes["gridco"].say(builders.meter_reading(self.agreement, period), site=handle(lab))

    def begin(self, daemon: Daemon) -> None:
        """Periods 0 and 1: everybody founds, chips are delivered; the agreement governs from period 2."""
        look(daemon)
        self.end(daemon, 0)
        self.within(1)
        self.deliver(1)
        look(daemon)
        self.end(daemon, 1)

    def honest(self, daemon: Daemon, period: int) -> None:
        """One period in which everybody does what they owe for the one before."""
        self.within(period)
        if period > 2:
            self.attest(period - 1)
            self.meter(period - 1)
            self.nodes["chipco"].say(shipments_complete(), period=period - 1)
        look(daemon)
        self.end(daemon, period)

    # -- asking -------------------------------------------------------------------------------------------------------

    def channel(self, name: str = "auditor") -> grpc.Channel:
        """A connection to the verifier by the holder of a certificate."""
        own: Identity = self.identities[name] if name in self.identities else self.nodes[name].identity
        channel = open_channel(self.address, own, self.vera.certificate, VERA, deadline=10.0)
        self._channels.callback(channel.close)
        return channel

    def audit(self, name: str = "auditor") -> audit_service_pb2_grpc.AuditServiceStub:
        return audit_service_pb2_grpc.AuditServiceStub(self.channel(name))

    def logs(self, name: str = "auditor") -> log_service_pb2_grpc.LogServiceStub:
        return log_service_pb2_grpc.LogServiceStub(self.channel(name))

    def bundle(self, lab: str, period: int | None = None) -> Report:
        """What the bundle of an assessment gives an auditor who pinned the agreement."""
        chunks = self.audit().GetBundle(audit.GetBundleRequest(lab=lab, period=period))
        return verify_bundle(b"".join(chunk.chunk for chunk in chunks), self.agreement.digest)


def look(daemon: Daemon) -> dict[str, str]:
    """Pull every log once; what is said of each, by party."""
    return {follower.status.party: follower.look().state for follower in daemon.followers}


def verdict(daemon: Daemon, lab: str, period: int) -> tuple[str, int, str] | None:
    """Verdict, revision and sketch of an assessment."""
    found = daemon._store.verdict(lab, period)
    if found is None:
        return None
    name = header_pb2.Verdict.Name(header_pb2.Verdict.ValueType(found.verdict)).removeprefix("VERDICT_").lower()
    return name, found.revision, found.sketch


def verdicts(daemon: Daemon, period: int, labs: Sequence[str] = LABS) -> list[str | None]:
    """Verdicts on labs, in their order."""
    found = [verdict(daemon, lab, period) for lab in labs]
    return [None if one is None else one[0] for one in found]


def until(happens: Callable[[], bool]) -> None:
    """Wait for something that other threads bring about; a minute means never."""
    for _ in range(6_000):
        if happens():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it did not happen")
