"""The parties of the demo's agreement, enrolled and founded in directories, and their daemons as real processes."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import verifier.schema  # noqa: F401 - its tables belong to the verifier's store
from daemon.author import Author, Seeds, open_author
from daemon.channel import open_channel
from daemon.clock import open_clock
from daemon.enrolment import (
    KEYS,
    STATEMENT_KEY,
    Enrolled,
    Newcomer,
    enrol,
    found,
    log_seed,
    store_url,
    write_config,
)
from daemon.files import write_whole
from daemon.keyfiles import SEED_BYTES, read_seed
from daemon.log_store import LogStore, open_store
from daemon.tls import CERTIFICATE_FILE, load_certificate, make_certificate, read_certificate
from demo.scenario import COUNCIL, LABS, METER, PARTIES, ROLES, START, VERIFIER, Timeline, draft, seat_classes
from node.config import FILE as NODE_FILE
from node.config import NodeSettings
from node.config import PeerSettings as NodePeer
from protocol.agreement import Agreement, read_agreement
from protocol.keys import public_key
from protocol.leaf import Cursor
from protocol.wire import encode
from verifier.config import AuditorSettings, PeerSettings, VerifierSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    import grpc

LAB: Final = LABS[0]
"""The lab whose log is followed where one is enough."""
AUDITOR: Final = "auditor"
VERIFIER_FILE: Final = "verifier.toml"
BEFORE: Final = START - 100_000
"""Injected time before period 0: nothing is due, so nothing but what is measured runs."""

_READY_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.005
_PUE_MILLI: Final = (1_080, 1_120)


class Parties:
    """Everybody of an agreement, below one directory.

    Attributes:
        home: holds a directory per party, and the clock.
        agreement: compiled from what enrolling made.
        enrolled: keys' public halves and site handles, by party.
    """

    def __init__(self, home: Path, sites: int, now: int = BEFORE) -> None:
        """Enrol everybody at an injected time, labs with this many sites each; nobody is founded yet."""
        home.mkdir(parents=True)
        self.home = home
        self.tell(now)
        self.enrolled: dict[str, Enrolled] = {name: self._enrol(name, sites) for name in PARTIES}
        for name in (*PARTIES, AUDITOR):
            self.directory(name).mkdir(exist_ok=True)
        make_certificate(AUDITOR, self.directory(AUDITOR))
        described = {name: made.party for name, made in self.enrolled.items()}
        # Nobody votes here, so nobody keeps the seats' keys.
        described[COUNCIL].seats.extend(seat_classes(lambda _: public_key(secrets.token_bytes(SEED_BYTES))))
        self.agreement: Agreement = read_agreement(encode(draft(Timeline(), described)))
        # Whoever finds a node finds it here; it is asked for before the node runs, so that it can be configured.
        self.port = _free_port()

    def directory(self, name: str) -> Path:
        """Where a party keeps its things."""
        return self.home / name

    def tell(self, now: int) -> None:
        """Set everybody's clock, Unix seconds."""
        write_whole(self.home / "clock", f"{now}\n".encode())

    def found_node(self, name: str) -> None:
        """Found a party's log under a node's configuration."""
        peers = {
            other: NodePeer(certificate=self._certificate(other), reader="verifier" if other == VERIFIER else "party")
            for other in PARTIES
            if other != name
        }
        settings = NodeSettings(
            party=name, listen=f"127.0.0.1:{self.port}", clock=self.clock, attest="manual", peer=peers
        )
        self._found(name, NODE_FILE, settings)

    def found_verifier(self) -> None:
        """Found the verifier's own log."""
        self._found(VERIFIER, VERIFIER_FILE, self.verifier_settings())

    @contextlib.contextmanager
    def author_of(self, name: str, clock: str = "") -> Iterator[tuple[Author, LogStore]]:
        """The author of a party's log in this process, and the store that holds it; its clock everybody's if absent."""
        base, party = self.directory(name), self.agreement.parties[name]
        seeds = Seeds(log=log_seed(base, party), statement=read_seed(base / KEYS / STATEMENT_KEY))
        with contextlib.closing(open_store(store_url("", base))) as store:
            start = Cursor(party.origin, name)
            yield open_author(self.agreement, store, seeds, open_clock(clock or self.clock), start), store

    def verifier_settings(self, *, mirror: bool = False, digest: str = "") -> VerifierSettings:
        """A verifier with default settings that looks at the lab every injected second."""
        peer = PeerSettings(address=f"127.0.0.1:{self.port}", certificate=self._certificate(LAB))
        return VerifierSettings(
            party=VERIFIER,
            digest=digest,
            listen="127.0.0.1:0",
            clock=self.clock,
            poll_seconds=1,
            mirror=mirror,
            peer={LAB: peer},
            auditor={AUDITOR: AuditorSettings(certificate=self._certificate(AUDITOR))},
        )

    def verifier_copy(self, to: Path, **changes: object) -> Path:
        """Another directory of the same verifier, with all that it holds up to now; `changes` are of its settings."""
        shutil.copytree(self.directory(VERIFIER), to, ignore=shutil.ignore_patterns("store.db*", VERIFIER_FILE))
        source, copy = (sqlite3.connect(base / "store.db") for base in (self.directory(VERIFIER), to))
        with contextlib.closing(source), contextlib.closing(copy):
            source.backup(copy)
        settings = self.verifier_settings(digest=self.agreement.digest.hex())
        write_config(to / VERIFIER_FILE, settings.model_copy(update=changes))
        return to

    @property
    def clock(self) -> str:
        """The clock of every configuration."""
        return f"file:{self.home / 'clock'}"

    def _enrol(self, name: str, sites: int) -> Enrolled:
        is_lab = name in LABS
        newcomer = Newcomer(
            name=name,
            roles=[ROLES[name]],
            owner=f"{name} group",
            sites=[f"site-{number}" for number in range(sites)] if is_lab else [],
            metered_by=METER if is_lab else "",
            pue_milli=_PUE_MILLI,
        )
        return enrol(newcomer, self.directory(name))

    def _certificate(self, name: str) -> Path:
        return (self.directory(name) / CERTIFICATE_FILE).resolve()

    def _found(self, name: str, file: str, settings: NodeSettings | VerifierSettings) -> None:
        config = self.directory(name) / file
        write_config(config, settings)
        found(config, settings, self.agreement.data, self.agreement.digest, open_clock(self.clock))


class Process:
    """A daemon of the command line, as users run it."""

    def __init__(self, program: str, directory: Path) -> None:
        """Start it; :meth:`ready` waits until it serves."""
        self.directory, self._program = directory, program
        (directory / "address").unlink(missing_ok=True)
        command = [sys.executable, "-m", "cli.main", program, "run", "--dir", str(directory)]
        with (directory / "journal.jsonl").open("wb") as journal:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=journal, stderr=journal)

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def ready(self) -> str:
        """Wait until it serves; its address.

        Raises:
            RuntimeError: it ended, or was not ready in time.
        """
        file = self.directory / "address"
        deadline = time.monotonic() + _READY_SECONDS
        while not file.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = (self.directory / "journal.jsonl").read_text()
                raise RuntimeError(f"{self._program} did not become ready:\n{said}")
            time.sleep(_LOOK_SECONDS)
        return file.read_text().strip()

    def stop(self) -> None:
        """End it as an operator does."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(_READY_SECONDS)


@contextlib.contextmanager
def running(program: str, directory: Path) -> Iterator[Process]:
    """A daemon that serves, until the block is left."""
    process = Process(program, directory)
    try:
        process.ready()
        yield process
    finally:
        process.stop()


def channel_to(parties: Parties, directory: Path, name: str, caller: str) -> grpc.Channel:
    """A connection over mutual TLS to the daemon of `name` that runs in a directory, as `caller`."""
    address = (directory / "address").read_text().strip()
    peer = read_certificate(parties.directory(name) / CERTIFICATE_FILE)
    return open_channel(address, load_certificate(parties.directory(caller)), peer, name)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
