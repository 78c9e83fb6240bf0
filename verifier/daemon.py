"""The verifier as a running program: its parts put together, and its loops."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import grpc

import verifier.schema  # noqa: F401 - its tables belong to the store
from daemon import log_service
from daemon.author import Author, Seeds, open_author
from daemon.channel import open_channel
from daemon.clock import Clock, open_clock
from daemon.enrolment import COSIGNATURE_KEY, KEYS, STATEMENT_KEY, log_seed, party_of, store_url
from daemon.journal import journal
from daemon.keyfiles import read_seed
from daemon.log_store import LogStore, open_store
from daemon.server import Server, run_until_signalled
from daemon.startup import open_own_log, pinned_agreement
from daemon.tls import Peer, Peers, load_certificate, read_certificate, server_credentials
from protocol.audience import Reader
from protocol.authoring import Draft
from protocol.leaf import Cursor
from protocol.wire import encode
from standstill.v1 import audit_service_pb2, audit_service_pb2_grpc, header_pb2, log_service_pb2_grpc
from standstill.v1.record_pb2 import Misbehavior
from verifier.assessor import Assessor
from verifier.audit_service import SERVICE, AuditServicer, Parts
from verifier.bundler import Bundler
from verifier.changes import Changes
from verifier.follower import Follower, Handling, Witness
from verifier.registrar import Registrar
from verifier.signatures import SignatureChecker
from verifier.store import VerifierStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from protocol.leaf import Claim
    from verifier.config import VerifierSettings

PROGRAM: Final = "standstill-verifier/0.1.0"
_READERS: Final = {"public": Reader.PUBLIC, "party": Reader.PARTY, "verifier": Reader.VERIFIER}


class Daemon:
    """A verifier: following, closing, assessing, answering."""

    def __init__(self, settings: VerifierSettings, home: Path, *, full_check: bool = False) -> None:
        """Open everything; nothing is said before :meth:`run`.

        Args:
            settings: from the configuration file.
            home: its directory, which relative paths start from.
            full_check: derive the whole of this verifier's own logs again first.

        Raises:
            Refused: what does not fit together, with what to do about it.
        """
        self._settings, self._home = settings, home
        self.agreement = pinned_agreement(settings, home)
        self._party = party_of(self.agreement, settings.party)
        seeds = Seeds(log=log_seed(home, self._party), statement=read_seed(home / KEYS / STATEMENT_KEY))
        cosignature = read_seed(home / KEYS / COSIGNATURE_KEY)
        self._clock: Clock = open_clock(settings.clock)
        self._closing = contextlib.ExitStack()
        logs = open_store(store_url(settings.store, home))
        self._closing.callback(logs.close)
        self._store, self._changes = VerifierStore(logs), Changes()
        self._checker = SignatureChecker(settings.workers)
        self._own, self._record = self._authors(logs, seeds, full_check=full_check)
        self._registrar = Registrar(self.agreement, self._store, self._own, self._record)
        self._assessor = Assessor(self.agreement, self._store, self._own)
        self._followers = self._follow(Witness(self.agreement.witness_name(settings.party), cosignature))
        self._server, self._audit = self._serve(logs)
        self._stop = threading.Event()
        self._failure: BaseException | None = None

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; the port that was bound is written to `address` in the home directory."""
        port = self._server.listen_tls(self._settings.listen, self._credentials())
        host = self._settings.listen.rpartition(":")[0]
        self._server.start()
        (self._home / "address").write_text(f"{host}:{port}\n")
        loops = [threading.Thread(target=self._guarded, args=(self._close_periods,), name="registrar")]
        poll = self._settings.poll_seconds
        for follower in self._followers:
            run = partial(follower.run, poll, self._stop)
            loops.append(threading.Thread(target=self._guarded, args=(run,), name=f"follow {follower.status.party}"))
        for loop in loops:
            loop.start()
        journal().info(
            "READY", party=self._settings.party, address=f"{host}:{port}", closed=self._registrar.state.period
        )
        run_until_signalled(self._stop)
        self._changes.close()
        self._server.stop()
        for loop in loops:
            loop.join()
        self._checker.close()
        self._closing.close()
        journal().info("stopped")
        return 0 if self._failure is None else 7

    def _guarded(self, loop: Callable[[], None]) -> None:
        """A loop that ends in an error ends the daemon: half a verifier must not look like a whole one."""
        try:
            loop()
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is told and everything stops
            self._failure = error
            journal().error("a loop failed; stopping", loop=threading.current_thread().name, exc_info=error)
            self._stop.set()

    def _close_periods(self) -> None:
        """Close each period when it has ended, then assess what that makes due."""
        if self._settings.mirror:
            return
        self._catch_up()
        while not self._stop.is_set():
            period = self._registrar.due(self._clock.now())
            if period is not None:
                self._close(period)
                continue
            running = self.agreement.period_at(self._clock.now())
            following = self.agreement.terms.start if running is None else self.agreement.end_of(running)
            self._clock.wait_until(following, self._stop)

    def _catch_up(self) -> None:
        """A crash between a closing and its assessments leaves assessments owed."""
        state = self._registrar.state
        if state.period is not None:
            self._assessor.assess(state.period, state)

    def _close(self, period: int) -> None:
        closed = self._registrar.close(period)
        state, now = closed.outcome.state, self._clock.now()
        for transition in closed.outcome.transitions:
            status = self._audit.level_status(transition.level, state.levels[transition.level])
            self._changes.tell(audit_service_pb2.WatchResponse(time=now, level=status))
        revisions = self._assessor.assess(period, state)
        ended = audit_service_pb2.PeriodClosed(period=period, state=state.digest())
        self._changes.tell(audit_service_pb2.WatchResponse(time=now, closed=ended))
        for revision in revisions:
            verdict = self._store.verdict(revision.lab, revision.period)
            if verdict is not None:
                assessed = self._audit.assessed(verdict, Reader.PARTY)
                self._changes.tell(audit_service_pb2.WatchResponse(time=now, assessed=assessed))

    def _authors(self, logs: LogStore, seeds: Seeds, *, full_check: bool) -> tuple[Author, Author]:
        """This verifier's own log, and the record log that it keeps as registrar."""
        own = open_own_log(self.agreement, self._party, logs, seeds, self._clock, full=full_check)
        cursor = Cursor(self.agreement.record_origin(0), self._party.name, in_record=True, keys=own.keys)
        return own, open_author(self.agreement, logs, seeds, self._clock, cursor)

    def _follow(self, witness: Witness) -> list[Follower]:
        own = load_certificate(self._home)
        witness = replace(witness, seed=None) if self._settings.mirror else witness
        verify = _trusting if self._settings.mirror else self._checker
        handling = Handling(witness, self._settings.chunk_leaves, verify, self._accuse)
        followers = []
        for name, peer in self._settings.peer.items():
            certificate = read_certificate(self._home / peer.certificate)
            channel = open_channel(peer.address, own, certificate, name, deadline=self._settings.answer_seconds)
            self._closing.callback(channel.close)
            followers.append(Follower(self.agreement, self._store, name, channel, self._clock, handling))
        return followers

    def _accuse(self, misbehavior: Misbehavior) -> None:
        """Log a proven contradiction, once per party: one conviction is enough and never expires."""
        if misbehavior.party not in self._accused:
            self._own.publish([Draft(kind=header_pb2.KIND_MISBEHAVIOR, body=encode(misbehavior))])
            journal().error("a party contradicted itself", party=misbehavior.party)

    @property
    def _accused(self) -> set[str]:
        """Parties that this verifier's log convicts already."""
        rows = self._store.logs.by_kind(self._own.origin, header_pb2.KIND_MISBEHAVIOR)
        return {Misbehavior.FromString(row.body).party for row in rows if row.body}

    def _serve(self, logs: LogStore) -> tuple[Server, AuditServicer]:
        peers = self._peers()
        parts = Parts(
            agreement=self.agreement,
            store=self._store,
            registrar=self._registrar,
            bundler=Bundler(self.agreement, self._store, self._own, self._record, PROGRAM),
            changes=self._changes,
            own=self._own,
            clock=self._clock,
            following=lambda: [follower.status for follower in self._followers],
            reader_of=peers.reader,
        )
        audit = AuditServicer(parts)
        own = {author.origin: author for author in (self._own, self._record)}

        def note_of(origin: str) -> tuple[bytes | None, int]:
            if origin not in own:
                return logs.note(origin)
            head, note = own[origin].signed
            return note, head.size

        servicer = log_service.LogServicer(
            logs, peers.reader, note_of=note_of, is_public=lambda origin: origin == self._record.origin
        )
        server = Server()
        server.add(log_service_pb2_grpc.add_LogServiceServicer_to_server, servicer, log_service.SERVICE)
        server.add(audit_service_pb2_grpc.add_AuditServiceServicer_to_server, audit, SERVICE)
        return server, audit

    def _certificates(self) -> dict[bytes, Peer]:
        """Everybody who may connect: the parties that are followed, and the auditors."""
        found: dict[bytes, Peer] = {}
        for name, peer in self._settings.peer.items():
            reader = Reader.VERIFIER if name in self.agreement.verifiers else Reader.PARTY
            found[read_certificate(self._home / peer.certificate)] = Peer(name, reader)
        for name, auditor in self._settings.auditor.items():
            found[read_certificate(self._home / auditor.certificate)] = Peer(name, _READERS[auditor.reader])
        return found

    def _peers(self) -> Peers:
        return Peers(self._certificates().items())

    def _credentials(self) -> grpc.ServerCredentials:
        return server_credentials(load_certificate(self._home), self._certificates())


def _trusting(claims: Sequence[Claim]) -> list[bool]:
    """A mirror relies on the log's own signature over the head."""
    return [True] * len(claims)
