"""Parties with real keys in a directory, and their daemons as real processes over mutual TLS on loopback.

The parties are those of :mod:`tests.terms`: alpha, beta, gamma (labs with one site each), chipco, gridco, vera. Time is
a file that the test advances.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from daemon.channel import open_channel, open_local_channel
from daemon.clock import FileClock
from daemon.config import Settings, explain
from daemon.enrolment import Enrolled, Newcomer, enrol, found
from daemon.files import write_whole
from daemon.tls import load_certificate, read_certificate
from node.config import MeterSettings, NodeSettings, PeerSettings, SiteSettings
from protocol.agreement import Agreement, read_agreement
from protocol.wire import encode
from standstill.v1 import agreement_pb2, log_service_pb2_grpc, node_admin_service_pb2_grpc
from tests.terms import LABS, START, terms

STANDSTILL: Final = str(Path(sys.executable).with_name("standstill"))
ROLES: Final = {
    **dict.fromkeys(LABS, agreement_pb2.ROLE_LAB),
    "chipco": agreement_pb2.ROLE_SUPPLIER,
    "gridco": agreement_pb2.ROLE_METER,
    "vera": agreement_pb2.ROLE_VERIFIER,
}
SITE: Final = "s1"
"""Name of each lab's site in its configuration."""


class Cluster:
    """The parties of an agreement, each in a directory of its own.

    Attributes:
        directory: holds one directory per party, the agreement and the clock.
        agreement: the compiled terms.
        enrolled: what enrolling made, by party.
    """

    def __init__(self, directory: Path, now: int = START, **changes: Any) -> None:
        """Enrol everybody and compile the agreement; `changes` replace whole fields of the terms."""
        self.directory = directory
        self.clock = directory / "clock"
        self.tell(now)
        self.enrolled: dict[str, Enrolled] = {name: self._enrol(name) for name in ROLES}
        parties = [made.party for made in self.enrolled.values()]
        self.agreement: Agreement = read_agreement(encode(terms(**({"parties": parties} | changes))))
        (directory / "agreement").write_bytes(self.agreement.data)

    def __truediv__(self, name: str) -> Path:
        """The directory of a party."""
        return self.directory / name

    def handle(self, lab: str) -> bytes:
        """Handle of a lab's site."""
        return self.enrolled[lab].handles[SITE]

    def tell(self, now: int) -> None:
        """Set the time of everybody, Unix seconds."""
        write_whole(self.clock, str(now).encode())

    def configure(self, name: str, *, site: dict[str, Any] | None = None, **changes: Any) -> Path:
        """Write node.toml of a party, known to everybody else; `site` adds to the settings of a lab's site."""
        peers = {
            other: PeerSettings(
                certificate=Path(f"../{other}/tls.crt"), reader="verifier" if other == "vera" else "party"
            )
            for other in ROLES
            if other != name
        }
        sites = {
            site_name: SiteSettings(handle=handle.hex(), **(site or {}))
            for site_name, handle in self.enrolled[name].handles.items()
        }
        wanted = {"party": name, "listen": "127.0.0.1:0", "clock": f"file:{self.clock}", "peer": peers, "site": sites}
        return self.write_config(name, NodeSettings(**(wanted | changes)))

    def write_config(self, name: str, settings: Settings, file: str = "node.toml") -> Path:
        """Write a configuration, keeping the digest that a founding has set."""
        path = self / name / file
        text = explain(settings)
        if path.exists() and f'digest = "{self.agreement.digest.hex()}"' in path.read_text():
            text = text.replace('# digest = ""', f'digest = "{self.agreement.digest.hex()}"')
        path.write_text(text)
        return path

    def meter(self, lab: str, **settings: Any) -> MeterSettings:
        """Settings of a meter at a lab's site."""
        return MeterSettings(handle=self.handle(lab).hex(), **settings)

    def found(self, name: str, **changes: Any) -> None:
        """Configure a node and found its log."""
        path = self.configure(name, **changes)
        settings = NodeSettings(party=name)
        found(path, settings, self.agreement.data, self.agreement.digest, FileClock(self.clock))

    @contextmanager
    def running(self, name: str, *options: str) -> Iterator[Daemon]:
        """The node of a party, ready; told to end at the end unless it has ended."""
        daemon = self.start(name, *options)
        try:
            yield daemon
        finally:
            daemon.terminate()

    def start(self, name: str, *options: str) -> Daemon:
        """Start the node of a party and wait until it is ready."""
        command = [STANDSTILL, "node", "run", "--dir", str(self / name), *options]
        return Daemon(name, self / name, command)

    @contextmanager
    def log_of(self, name: str, reader: str = "vera") -> Iterator[log_service_pb2_grpc.LogServiceStub]:
        """The log service of a running node, as another party calls it."""
        address = (self / name / "address").read_text().strip()
        own, peer = load_certificate(self / reader), read_certificate(self / name / "tls.crt")
        with open_channel(address, own, peer, name) as channel:
            yield log_service_pb2_grpc.LogServiceStub(channel)

    @contextmanager
    def admin_of(self, name: str) -> Iterator[node_admin_service_pb2_grpc.NodeAdminServiceStub]:
        """The administration of a running node."""
        with open_local_channel(self / name / "admin.sock") as channel:
            yield node_admin_service_pb2_grpc.NodeAdminServiceStub(channel)

    def _enrol(self, name: str) -> Enrolled:
        lab = ROLES[name] == agreement_pb2.ROLE_LAB
        newcomer = Newcomer(
            name=name,
            roles=[ROLES[name]],
            owner=f"{name} group",
            sites=[SITE] if lab else [],
            metered_by="gridco" if lab else "",
            pue_milli=(1_100, 1_500),
        )
        return enrol(newcomer, self / name)


class Daemon:
    """A daemon that runs.

    Attributes:
        name: of the party.
        process: the process.
        ready: the line that said so.
    """

    def __init__(self, name: str, directory: Path, command: Sequence[str]) -> None:
        """Start, and wait for the line that begins with READY."""
        self.name, self._errors = name, directory / "journal"
        with self._errors.open("ab") as errors:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        assert self.process.stdout is not None
        self.ready = self.process.stdout.readline().strip()
        if not self.ready.startswith("READY"):
            self.kill()
            raise AssertionError(f"{name} did not start: {self.journal()}")

    def journal(self) -> str:
        """What the daemon said on standard error."""
        return self._errors.read_text()

    def terminate(self) -> int:
        """Ask it to end, and return its exit code."""
        self.process.terminate()
        return self._reap()

    def kill(self) -> int:
        """Kill it in the middle of whatever it does."""
        self.process.kill()
        return self._reap()

    def _reap(self) -> int:
        code = self.process.wait(timeout=30)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code


def until(condition: Callable[[], bool]) -> None:
    """Wait until somebody else has done something; the deadline only keeps a failure from hanging."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.01)


def standstill(*arguments: str | Path, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    command = [STANDSTILL, *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=60)
