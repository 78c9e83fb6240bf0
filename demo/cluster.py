"""The parties as real processes: directories, keys, configuration, agreement, clock."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import verifier.schema  # noqa: F401 - its tables belong to the verifier's store
from daemon.channel import open_channel, open_local_channel
from daemon.clock import open_clock
from daemon.enrolment import Enrolled, Newcomer, enrol, found, write_config
from daemon.files import write_whole
from daemon.keyfiles import SEED_BYTES
from daemon.tls import CERTIFICATE_FILE, load_certificate, make_certificate, read_certificate
from demo.figures import PUE_HIGH_MILLI, PUE_LOW_MILLI, Played, lab_table, meter_table
from demo.scenario import (
    COUNCIL,
    LABS,
    METER,
    PARTIES,
    ROLES,
    SEATS,
    START,
    VERIFIER,
    seat_classes,
    terms_of,
)
from node.config import FILE as NODE_FILE
from node.config import MeterSettings, NodeSettings, SiteSettings
from node.config import PeerSettings as NodePeer
from protocol.agreement import Agreement, read_agreement
from protocol.keys import public_key
from protocol.wire import encode
from standstill.v1 import audit_service_pb2_grpc, node_admin_service_pb2_grpc
from verifier.config import AuditorSettings, PeerSettings, VerifierSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from daemon.config import Settings

AUDITOR: Final = "auditor"
VERIFIER_FILE: Final = "verifier.toml"
READY_SECONDS: Final = 60.0
STOP_SECONDS: Final = 15.0
LOOK_SECONDS: Final = 60
"""Injected seconds between two looks of the verifier at each log."""


class DemoFailed(Exception):
    """Something of the demo did not come up or did not happen in time."""


class Cluster:
    """Every party of the agreement, each a process of its own; an auditor who asks.

    Attributes:
        home: everything is below it.
        agreement: the terms, with everybody's keys.
        seats: seeds of the council's seats, 32 bytes each, by name.
    """

    def __init__(self, home: Path, text: str, players: Mapping[str, Played], seed: int) -> None:
        """Plan a cluster below `home`, which must be empty; nothing runs before :meth:`start`.

        Args:
            home: everything goes below it.
            text: of the terms, with keys that are still to come.
            players: what each lab does and says.
            seed: of the meters' random errors.
        """
        self.home = home
        self._players, self._seed = players, seed
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._channels = ExitStack()
        self._admins: dict[str, node_admin_service_pb2_grpc.NodeAdminServiceStub] = {}
        self._now = 0
        self.set_clock(START - LOOK_SECONDS)
        self._owners = {party.name: party.owner for party in terms_of(text).parties}
        self._enrolled = {name: self._enrol(name) for name in PARTIES}
        # Who sits on the council signs by hand; the council's node only carries the ballots.
        self.seats = {seat: secrets.token_bytes(SEED_BYTES) for seats in SEATS.values() for seat in seats}
        make_certificate(AUDITOR, self._directory(AUDITOR))
        self.agreement = self._compile(text)
        (home / "agreement").write_bytes(self.agreement.data)
        (home / "trust").write_text(f"{self.agreement.digest.hex()}\n")

    # -- set-up -----------------------------------------------------------------------------------------------------

    def _directory(self, name: str) -> Path:
        path = self.home / name
        path.mkdir(exist_ok=True)
        return path

    def _enrol(self, name: str) -> Enrolled:
        is_lab = name in LABS
        newcomer = Newcomer(
            name=name,
            roles=[ROLES[name]],
            owner=self._owners[name],
            sites=[self._players[name].lab.site] if is_lab else [],
            metered_by=METER if is_lab else "",
            pue_milli=(PUE_LOW_MILLI, PUE_HIGH_MILLI),
        )
        return enrol(newcomer, self._directory(name))

    def _compile(self, text: str) -> Agreement:
        described = {name: enrolled.party for name, enrolled in self._enrolled.items()}
        described[COUNCIL].seats.extend(seat_classes(lambda seat: public_key(self.seats[seat])))
        return read_agreement(encode(terms_of(text, described)))

    def _certificate(self, name: str) -> Path:
        return (self.home / name / CERTIFICATE_FILE).resolve()

    def _node_settings(self, name: str) -> NodeSettings:
        peers = {
            other: NodePeer(certificate=self._certificate(other), reader="verifier" if other == VERIFIER else "party")
            for other in PARTIES
            if other != name
        }
        return NodeSettings(
            party=name,
            listen="127.0.0.1:0",
            clock=f"file:{self.home / 'clock'}",
            attest_after=1,
            peer=peers,
            site=self._sites(name) if name in LABS else {},
            meter=self._meters() if name == METER else {},
        )

    def _sites(self, name: str) -> dict[str, SiteSettings]:
        """A lab's one site, with the table that its node collects from."""
        played = self._players[name]
        table = self.home / name / "figures.csv"
        write_whole(table, lab_table(played).encode())
        handle = self._enrolled[name].handles[played.lab.site].hex()
        return {
            played.lab.site: SiteSettings(
                handle=handle,
                trace=table.resolve(),
                energy_random_ppm=1_000,
                energy_systematic_ppm=1_000,
                utilisation_ppm=400_000,
                operations_systematic_ppm=200_000,
            )
        }

    def _meters(self) -> dict[str, MeterSettings]:
        """The meter operator's meters: one at each lab's site."""
        found: dict[str, MeterSettings] = {}
        for name, played in self._players.items():
            table = self.home / METER / f"{name}.csv"
            write_whole(table, meter_table(played, self._seed).encode())
            handle = self._enrolled[name].handles[played.lab.site].hex()
            found[f"{name}-main"] = MeterSettings(
                handle=handle, file=table.resolve(), random_ppm=2_000, systematic_ppm=2_000
            )
        return found

    def _verifier_settings(self) -> VerifierSettings:
        nodes = [name for name in PARTIES if name != VERIFIER]
        return VerifierSettings(
            party=VERIFIER,
            listen="127.0.0.1:0",
            clock=f"file:{self.home / 'clock'}",
            poll_seconds=LOOK_SECONDS,
            peer={
                name: PeerSettings(address=self._address(name), certificate=self._certificate(name)) for name in nodes
            },
            auditor={AUDITOR: AuditorSettings(certificate=self._certificate(AUDITOR))},
        )

    def _found(self, name: str, file: str, settings: Settings) -> None:
        config = self.home / name / file
        write_config(config, settings)
        clock = open_clock(f"file:{self.home / 'clock'}")
        found(config, settings, self.agreement.data, self.agreement.digest, clock)  # type: ignore[arg-type]

    # -- processes --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Found and start the nodes, then the verifier, which needs their addresses.

        Raises:
            DemoFailed: a process ended or did not become ready; its journal says why.
        """
        nodes = [name for name in PARTIES if name != VERIFIER]
        for name in nodes:
            self._found(name, NODE_FILE, self._node_settings(name))
            self._spawn(name, "node")
        for name in nodes:
            self._await_address(name)
            channel = self._channels.enter_context(open_local_channel(self.home / name / "admin.sock"))
            self._admins[name] = node_admin_service_pb2_grpc.NodeAdminServiceStub(channel)
        self._found(VERIFIER, VERIFIER_FILE, self._verifier_settings())
        self._spawn(VERIFIER, "verifier")
        self._await_address(VERIFIER)
        own, peer = load_certificate(self.home / AUDITOR), read_certificate(self._certificate(VERIFIER))
        channel = self._channels.enter_context(open_channel(self._address(VERIFIER), own, peer, VERIFIER))
        self.audit = audit_service_pb2_grpc.AuditServiceStub(channel)

    def _spawn(self, name: str, program: str) -> None:
        command = [sys.executable, "-m", "cli.main", program, "run", "--dir", str(self.home / name)]
        with (self.home / name / "journal.jsonl").open("wb") as journal:
            self._processes[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=journal, stderr=journal)

    def _address(self, name: str) -> str:
        return (self.home / name / "address").read_text().strip()

    def _await_address(self, name: str) -> None:
        file = self.home / name / "address"
        self.wait_for(f"{name} to be ready", file.exists, READY_SECONDS)

    def stop(self) -> None:
        """Ask every process to end, and end those that do not."""
        self._channels.close()
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    # -- time and talk ----------------------------------------------------------------------------------------------

    def set_clock(self, now: int) -> None:
        """Set everybody's clock, Unix seconds."""
        self._now = now
        write_whole(self.home / "clock", f"{now}\n".encode())

    def pass_time(self, seconds: int) -> None:
        """Let injected time pass."""
        self.set_clock(self._now + seconds)

    def admin(self, name: str) -> node_admin_service_pb2_grpc.NodeAdminServiceStub:
        """A node's local administration."""
        return self._admins[name]

    def wait_for(self, what: str, done: Callable[[], bool], seconds: float = READY_SECONDS) -> None:
        """Wait for something in real time.

        Raises:
            DemoFailed: it did not happen, or a process ended meanwhile.
        """
        if not self.happens(done, seconds):
            raise DemoFailed(f"waited {seconds:.0f} s for {what}")

    def happens(self, done: Callable[[], bool], seconds: float) -> bool:
        """Whether something happens within this much real time.

        Raises:
            DemoFailed: a process ended meanwhile.
        """
        deadline = time.monotonic() + seconds
        while not done():
            for name, process in self._processes.items():
                if process.poll() is not None:
                    raise DemoFailed(f"{name} ended with exit code {process.returncode}; {name}.jsonl says why")
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        return True
