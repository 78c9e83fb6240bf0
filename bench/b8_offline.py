"""B8: the offline check of a bundle as an auditor runs it, from the start of the process to its end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final

from bench import history
from bench.measure import Aim, Measurement, Run, Target, middle
from cli.audit.trust import FILE as TRUST
from standstill.v1 import bundle_pb2

if TYPE_CHECKING:
    from pathlib import Path

ASKED: Final = 15
QUICK_ASKED: Final = 3

_PERIODS: Final = 8
_SITES: Final = 45
"""Makes a bundle of about a hundred statements."""
_LAB: Final = "alpha"


def offline(run: Run) -> list[Measurement]:
    """B8, and the assessments that the bundle's history took."""
    with history.opened(run.home / "offline", sites=_SITES) as past:
        past.live(_PERIODS)
        data, digest = past.bundle(_LAB), past.parties.agreement.digest
        each = past.assessing / past.assessed * 1e3
    file = run.home / "evidence.bundle"
    file.write_bytes(data)
    (run.home / TRUST).write_text(f"{digest.hex()}\n")
    count = sum(len(log.leaves) for log in bundle_pb2.Bundle.FromString(data).logs)
    taken = _checks(run, file)
    return [
        Measurement(
            name="B8",
            what="offline `standstill audit verify BUNDLE`, whole process",
            numerator=f"{middle([ours for ours, _ in taken]):.0f} ms",
            denominator=f"{middle([alone for _, alone in taken]):.0f} ms bare interpreter, beside it",
            rounds=[ours for ours, _ in taken],
            target=Target(Aim.AT_MOST, 100),
            unit="ms",
            note=f"{count} statements, {len(data):,} bytes, confirmed every time; bytecode as the first run left it",
        ),
        Measurement(
            name="B8a",
            what="assessing one lab and period, CPU of the verifier",
            numerator=f"{each:.1f} ms",
            rounds=[each],
            unit="ms",
            note=f"{2 * _SITES} statements each; happens at closings, so it is not in B1",
        ),
    ]


def _checks(run: Run, file: Path) -> list[tuple[float, float]]:
    """Milliseconds of the check of a bundle, and of a bare interpreter, in turns."""
    check = [sys.executable, "-m", "cli.main", "audit", "verify", str(file)]
    bare = [sys.executable, "-c", "pass"]
    # Whatever this process was told about bytecode: an installed program has it, from its first run on.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(run.home / "bytecode")
    _milliseconds(check, environment)
    asked = run.size(ASKED, QUICK_ASKED)
    return [(_milliseconds(check, environment), _milliseconds(bare, environment)) for _ in range(asked)]


def _milliseconds(command: list[str], environment: dict[str, str]) -> float:
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, check=False, env=environment)
    taken = (time.perf_counter() - start) * 1e3
    if done.returncode != 0:
        raise RuntimeError(f"exit code {done.returncode}:\n{done.stdout.decode()}{done.stderr.decode()}")
    return taken
