"""B1 to B3: a real verifier catches up with a real node over mutual TLS; statements against bare signature checks.

    node process      holds N attestations, serves them                     both on this machine's cores
    verifier process  follows from the first leaf to the last, every head cosigned, every chunk one durable commit

What is measured begins when the verifier, which has been running and has not reached the node yet, is given the time of
its next look; it ends when the last chunk is committed, as read from its store by this process. So process start-up is
outside, and connecting, the checkpoint, proofs and the cosignature are inside.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from bench.bare import Signed, signed_bytes, verify_rate
from bench.measure import Aim, Measurement, Run, Target, cpu_seconds, middle, per_second
from bench.parties import BEFORE, LAB, Parties, Process, running
from bench.statements import attestation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

STATEMENTS: Final = 100_000
QUICK_STATEMENTS: Final = 3_000

_PUBLISHED_AT_ONCE: Final = 1_000
_BARE: Final = 8_000
_STARTED_CPU_SECONDS: Final = 0.05
_TRIES: Final = 40
_LOOK_SECONDS: Final = 0.01
"""Between two looks at the verifier's store: looking more often would take the cores that are measured."""
_LIMIT_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class Log:
    """A lab's log that waits to be followed.

    Attributes:
        parties: among them the lab and the verifier.
        size: leaves.
        signed: signatures of some of them with their bytes.
    """

    parties: Parties
    size: int
    signed: Sequence[Signed]


class Pass(NamedTuple):
    """One catching up: what it took, and the bare rates measured right before and after it."""

    statements: int
    cpu: float
    wall: float
    bare_count: int
    bare_cpu: float
    bare_wall: float

    @property
    def cpu_ratio(self) -> float:
        """Statements per CPU second against bare checks per CPU second."""
        return (self.statements / self.cpu) / (self.bare_count / self.bare_cpu)

    @property
    def wall_ratio(self) -> float:
        """Statements per second against bare checks per second of one thread."""
        return (self.statements / self.wall) / (self.bare_count / self.bare_wall)


def signed_ingest(run: Run) -> list[Measurement]:
    """B1 and B2."""
    passes = _passes(run, mirror=False)
    return [
        _by_cpu("B1", "signed ingest, per CPU second of the verifier", passes, Target(Aim.AT_LEAST, 0.60)),
        Measurement(
            name="B2",
            what="signed ingest on both cores, wall clock, default settings",
            numerator=per_second(1, middle([one.wall / one.statements for one in passes])) + " statements",
            denominator=per_second(1, middle([one.bare_wall / one.bare_count for one in passes])) + " checks, 1 thread",
            rounds=[one.wall_ratio for one in passes],
            target=Target(Aim.AT_LEAST, 1.2),
            note="the node serves on the same two cores at the same time; nothing else is due at that injected time",
        ),
    ]


def mirrored_ingest(run: Run) -> list[Measurement]:
    """B3."""
    what = "checkpoint-mode ingest, per CPU second of the verifier"
    return [_by_cpu("B3", what, _passes(run, mirror=True), Target(Aim.AT_LEAST, 2.5))]


def _by_cpu(name: str, what: str, passes: Sequence[Pass], target: Target) -> Measurement:
    each = middle([one.cpu / one.statements for one in passes])
    return Measurement(
        name=name,
        what=what,
        numerator=per_second(1, each) + " statements",
        denominator=per_second(1, middle([one.bare_cpu / one.bare_count for one in passes])) + " checks",
        rounds=[one.cpu_ratio for one in passes],
        target=target,
        note=f"{passes[0].statements:,} statements, {each * 1e6:.1f} us each",
    )


def open_log(run: Run) -> Log:
    """The log, written once and shared by all that follow or stream it."""
    if "log" not in run.opened:
        run.opened["log"] = _write_log(run.home / "ingest", run.size(STATEMENTS, QUICK_STATEMENTS))
    return cast("Log", run.opened["log"])


def _write_log(home: Path, statements: int) -> Log:
    parties = Parties(home, sites=1)
    site = parties.enrolled[LAB].party.sites[0].handle
    parties.found_node(LAB)
    parties.found_verifier()
    with parties.author_of(LAB) as (author, store):
        for start in range(0, statements, _PUBLISHED_AT_ONCE):
            periods = range(start, min(start + _PUBLISHED_AT_ONCE, statements))
            author.publish([attestation(parties.agreement, period, site) for period in periods])
        size = author.head.size
        some = list(store.leaves(author.origin, size - min(_BARE, statements), size))
        return Log(parties, size, signed_bytes(some, author.keys.statement[0]))


def _passes(run: Run, *, mirror: bool) -> list[Pass]:
    log = open_log(run)
    return [_catch_up(run, log, number, mirror=mirror) for number in range(run.rounds)]


def _catch_up(run: Run, log: Log, number: int, *, mirror: bool) -> Pass:
    """One verifier with an empty view of the lab, from nothing to everything."""
    parties = log.parties
    copy = parties.home / f"verifier-{'mirror' if mirror else 'signed'}-{number}"
    home = parties.verifier_copy(copy, mirror=mirror)
    parties.tell(BEFORE)
    before = verify_rate(log.signed)
    with running("verifier", home) as verifier, running("node", parties.directory(LAB)):
        cpu, wall = _follow(parties, verifier, log.size)
    after = verify_rate(log.signed)
    return Pass(log.size, cpu, wall, before.done + after.done, before.cpu + after.cpu, before.wall + after.wall)


def _follow(parties: Parties, verifier: Process, size: int) -> tuple[float, float]:
    """CPU seconds of the verifier, and seconds, from the moment of its look to the last leaf."""
    # Its first look came before the node was there. gRPC waits a little before it connects again.
    time.sleep(1.0)
    cpu = wall = 0.0
    for attempt in range(1, _TRIES):
        cpu, wall = cpu_seconds(verifier.pid), time.perf_counter()
        parties.tell(BEFORE + 2 * attempt)
        time.sleep(0.25)
        with _store(verifier.directory) as connection:
            if cpu_seconds(verifier.pid) - cpu > _STARTED_CPU_SECONDS or _held(connection, parties) >= size:
                break
    done = _wait_for(verifier.directory, parties, size)
    return cpu_seconds(verifier.pid) - cpu, done - wall


def _wait_for(home: Path, parties: Parties, size: int) -> float:
    """Wait until a verifier holds so many leaves of the lab; the moment."""
    deadline = time.perf_counter() + _LIMIT_SECONDS
    with _store(home) as connection:
        while _held(connection, parties) < size:
            if time.perf_counter() > deadline:
                raise RuntimeError(f"the verifier did not catch up; its journal is in {home}")
            time.sleep(_LOOK_SECONDS)
    return time.perf_counter()


def _store(home: Path) -> contextlib.closing[sqlite3.Connection]:
    """A verifier's store, to look at: asking its file costs the verifier nothing."""
    return contextlib.closing(sqlite3.connect(f"file:{home / 'store.db'}?mode=ro", uri=True, isolation_level=None))


def _held(connection: sqlite3.Connection, parties: Parties) -> int:
    """Leaves of the lab that are committed."""
    origin = parties.agreement.parties[LAB].origin
    row = connection.execute("SELECT size FROM logs WHERE origin = ?", (origin,)).fetchone()
    return row[0] if row else 0
