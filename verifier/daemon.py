"""The verifier as a running program: its parts put together, and its loops."""

from __future__ import annotations

import contextlib
import threading
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
from daemon.files import write_whole
from daemon.journal import journal
from daemon.keyfiles import read_seed
from daemon.log_store import LogStore, open_store
from daemon.memory import prepare_for_long_run
from daemon.server import Server, run_until_signalled
from daemon.startup import open_own_log, pinned_agreement
from daemon.tls import Peer, Peers, load_certificate, read_certificate, server_credentials
from protocol.audience import Reader
from protocol.authoring import Draft
from protocol.errors import Reason, Refused, require
from protocol.in_force import in_force
from protocol.keys import public_key
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
from verifier.trouble import PASSING, RETRY_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from protocol.state import State
    from verifier.config import VerifierSettings

PROGRAM: Final = "standstill-verifier/0.1.0"
_READERS: Final = {"public": Reader.PUBLIC, "party": Reader.PARTY, "verifier": Reader.VERIFIER}


class Daemon:
    """A verifier: following, closing, assessing, answering."""

    def __init__(self, settings: VerifierSettings, home: Path, *, full_check: bool = False) -> None:
        """Open everything; nothing is said before :meth:`start`.

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
        self._clock: Clock = open_clock(settings.clock, home)
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._loops: list[threading.Thread] = []
        with contextlib.ExitStack() as opened:
            logs = open_store(store_url(settings.store, home))
            opened.callback(logs.close)
            self._store, self._changes = VerifierStore(logs), Changes()
            self._checker = SignatureChecker(settings.workers)
            opened.callback(self._checker.close)
            self._own, self._record = self._authors(logs, seeds, full_check=full_check)
            self._require_cosigner(cosignature)
            self._registrar = Registrar(self.agreement, self._store, self._own, self._record)
            self._assessor = Assessor(self.agreement, self._store, self._own)
            self.followers = self._follow(Witness(self.agreement.witness_name(self._party.name), cosignature), opened)
            self._server, self._audit = self._serve(logs)
            self._opened = opened.pop_all()

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; 0 unless a loop failed.

        When signals are heard, the address that was bound is written to `address` beside the configuration.
        """
        prepare_for_long_run()
        address = self.start()

        def ready() -> None:
            write_whole(self._home / "address", f"{address}\n".encode())
            journal().info("READY", party=self._settings.party, address=address, closed=self._registrar.state.period)

        run_until_signalled(self._stop, ready)
        return self.stop()

    def start(self) -> str:
        """Answer, follow and close from now on; returns host:port.

        Raises:
            Refused: ADDRESS_IN_USE.
        """
        address = self.listen()
        self._loops.append(threading.Thread(target=self._guarded, args=(self._close_periods,), name="registrar"))
        for follower in self.followers:
            run = partial(follower.run, self._settings.poll_seconds, self._stop)
            name = f"follow {follower.status.party}"
            self._loops.append(threading.Thread(target=self._guarded, args=(run,), name=name))
        for loop in self._loops:
            loop.start()
        return address

    def listen(self) -> str:
        """Answer calls, and no more; returns host:port.

        Raises:
            Refused: ADDRESS_IN_USE.
        """
        try:
            port = self._server.listen_tls(self._settings.listen, self._credentials())
        except Refused:
            self._opened.close()
            raise
        self._server.start()
        return f"{self._settings.listen.rpartition(':')[0]}:{port}"

    def stop(self) -> int:
        """End everything that was begun; 0 unless a loop failed."""
        self._stop.set()
        self._changes.close()
        self._server.stop()
        for loop in self._loops:
            loop.join()
        self._opened.close()
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
        """Close each period when it has ended, then assess what that makes due; trouble that passes is waited out."""
        if self._settings.mirror:
            return
        broken_off, noted = True, None
        while not self._stop.is_set():
            try:
                if broken_off:
                    self.catch_up()
                self._close_next()
                broken_off, noted = False, None
            except Refused as refused:
                if refused.reason not in PASSING:
                    raise
                if refused.reason is not noted:
                    journal().warning("closing waits", why=str(refused))
                broken_off, noted = True, refused.reason
                self._stop.wait(RETRY_SECONDS)

    def _close_next(self) -> None:
        """Close the period that has ended, or wait until one has."""
        # One reading of the clock for both: with two, a period that ends in between is waited past and stays dark.
        now = self._clock.now()
        if not self.close_due(now):
            running = self.agreement.period_at(now)
            following = self.agreement.terms.start if running is None else self.agreement.end_of(running)
            self._clock.wait_until(following, self._stop)

    def catch_up(self) -> None:
        """What breaks off between a closing and its assessments leaves assessments owed."""
        state = self._registrar.state
        if state.period is not None:
            self._assess(state.period, state, self._clock.now())

    def close_due(self, now: int) -> bool:
        """Close and assess the period that has ended at `now`, if that is still to be done; whether it was."""
        period = self._registrar.due(now)
        if period is None:
            return False
        closed = self._registrar.close(period)
        state = closed.outcome.state
        for transition in closed.outcome.transitions:
            status = self._audit.level_status(transition.level, state.levels[transition.level])
            self._changes.tell(audit_service_pb2.WatchResponse(time=now, level=status))
        ended = audit_service_pb2.PeriodClosed(period=period, state=state.digest())
        self._changes.tell(audit_service_pb2.WatchResponse(time=now, closed=ended))
        self._assess(period, state, now)
        return True

    def _assess(self, period: int, state: State, now: int) -> None:
        for revision in self._assessor.assess(period, state):
            verdict = self._store.verdict(revision.lab, revision.period)
            if verdict is not None:
                assessed = self._audit.assessed(verdict, Reader.PARTY)
                self._changes.tell(audit_service_pb2.WatchResponse(time=now, assessed=assessed))

    def _authors(self, logs: LogStore, seeds: Seeds, *, full_check: bool) -> tuple[Author, Author]:
        """This verifier's own log, and the record log that it keeps as registrar."""
        own = open_own_log(self.agreement, self._party, logs, seeds, self._clock, full=full_check)
        cursor = Cursor(self.agreement.record_origin(0), self._party.name, in_record=True, keys=own.keys)
        return own, open_author(self.agreement, logs, seeds, self._clock, cursor)

    def _require_cosigner(self, seed: bytes) -> None:
        """A head cosigned by a key that the root has not named is cosigned by nobody."""
        named = public_key(seed) in self._own.keys.cosignature
        what = f"expected the cosignature key of KeySet {self._own.keys.version}; restore it from a copy"
        require(named, Reason.KEY_NOT_IN_FORCE, f"{KEYS}/{COSIGNATURE_KEY}", what)

    def _follow(self, witness: Witness, opened: contextlib.ExitStack) -> list[Follower]:
        own = load_certificate(self._home)
        witness = Witness(witness.name, None) if self._settings.mirror else witness
        handling = Handling(witness, self._settings.chunk_leaves, self._checker.begin, self._accuse)
        followers = []
        # Whoever was admitted is followed once it is configured, from the next start on.
        agreement = in_force(self.agreement, self._registrar.state)
        for name, peer in self._settings.peer.items():
            other = name != self._party.name and name in agreement.parties
            known = ", ".join(sorted(agreement.parties.keys() - {self._party.name}))
            require(other, Reason.NAME_UNKNOWN, f"peer.{name}", f"expected one of {known}; correct verifier.toml")
            certificate = read_certificate(self._home / peer.certificate)
            channel = open_channel(peer.address, own, certificate, name, deadline=self._settings.answer_seconds)
            opened.callback(channel.close)
            followers.append(Follower(agreement, self._store, name, channel, self._clock, handling))
        return followers

    def _accuse(self, misbehavior: Misbehavior) -> None:
        """Log a proven contradiction, once per party: one conviction is enough and never expires."""
        if misbehavior.party not in self._accused:
            draft = Draft(kind=header_pb2.KIND_MISBEHAVIOR, body=encode(misbehavior))
            self._own.publish([draft], terms=in_force(self.agreement, self._registrar.state))
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
            following=lambda: [follower.status for follower in self.followers],
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
