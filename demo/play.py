"""The whole play, from an empty directory to the auditor's view and a bundle that convinces without any service."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from daemon.files import write_whole
from demo.cluster import AUDITOR, Cluster
from demo.figures import Lab, lab_from_trace, most_exempt, play
from demo.scenario import LABS, PRESET, TRACES, VERIFIER, Timeline, power, terms_of, terms_text
from demo.stage import ACTS, CHEAT, Stage
from language.difference import differences
from node.collect import Trace, read_trace
from standstill.v1 import audit_service_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.claim import Claim
    from demo.view import View

TABLES: Final = {"alpha": "kalos.csv", "beta": "earth.csv", "gamma": "smc.csv"}
"""Shipped figures of real clusters, by the fictitious lab that they play."""

_OURS: Final = ("trust", "agreement", "*.agreement", "*.jsonl", "*.bundle", "*.spoiled")
"""What a demo leaves in its directory."""

YOURS: Final = "alpha"
"""The lab that a user's own trace plays."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of the demo.

    Attributes:
        claims: everything that had to come out true.
        terms: the preset and the terms that were made of it, as texts.
        bundles: evidence, one file per claim about a lab and a period.
        seconds: real time that it took.
    """

    claims: tuple[Claim, ...]
    terms: tuple[Path, Path]
    bundles: tuple[Path, ...]
    seconds: int


def perform(view: View, out: Path, trace: Trace | None, seed: int, *, answers: TextIO) -> Outcome:
    """Play everything.

    Args:
        view: shows it.
        out: directory for bundles, trust file and journals; replaced if it is from an earlier demo.
        trace: a user's own figures, to play the lab `alpha`; the shipped table if None.
        seed: of the meters' random errors.
        answers: where the auditor's commands write their answers.

    Raises:
        DemoFailed: something did not come up or did not happen in time; journals are in `out` then as well.
        NotADemo: `out` holds something else; it was left alone.
    """
    timeline = Timeline()
    players = {name: play(lab, timeline, cheats=name == CHEAT) for name, lab in labs(trace).items()}
    _clear(out)
    for name, played in players.items():
        for note in played.lab.notes:
            view.quote(f"{name}: {note}")
    text = terms_text(timeline, most_exempt(players.values()))
    with tempfile.TemporaryDirectory(prefix="standstill-") as home:
        cluster = Cluster(Path(home), text, players, seed)
        stage = Stage(cluster, timeline, players, view, partial(_ask, cluster, answers))
        try:
            terms = _show_terms(text, view, out)
            for number, (name, act) in enumerate(ACTS, 1):
                view.act(number, name)
                before = len(stage.claims)
                act(stage)
                view.claims(stage.claims[before:])
            bundles = _bundles(stage, out)
            view.verdicts({lab: stage.verdicts(lab, timeline.first, timeline.last) for lab in LABS})
            for question in (["status"], ["lab", YOURS, "--period", f"P{timeline.bounded}"], ["findings", CHEAT]):
                stage.ask(*question)
        finally:
            cluster.stop()
            _keep(cluster, out)
    before = len(stage.claims)
    for bundle in bundles:
        stage.claim(f"{bundle.name} verifies offline, all services stopped", _verify(bundle, view))
    stage.claim("the same bundle with one byte changed does not", not _verify(_spoiled(bundles[-1]), None))
    view.claims(stage.claims[before:])
    return Outcome(tuple(stage.claims), terms, tuple(bundles), view.seconds)


def labs(trace: Trace | None) -> dict[str, Lab]:
    """The three labs, each on the figures of a real cluster."""
    table = power()
    traces = {name: read_trace(TRACES / file) for name, file in TABLES.items()}
    if trace is not None:
        traces[YOURS] = trace
    return {name: lab_from_trace(name, traces[name], table) for name in LABS}


class NotADemo(Exception):
    """A directory holds something that no demo left there."""


def _clear(out: Path) -> None:
    """Make room for this demo's results; a directory that is not a demo's is left alone."""
    out.mkdir(parents=True, exist_ok=True)
    left = sorted(out.iterdir())
    # An auditor has bundles and a file `trust` as well, and maybe a key beside them, but no daemons' journals.
    others = [path.name for path in left if not any(path.match(ours) for ours in _OURS)]
    if others or (left and not any(out.glob("*.jsonl"))):
        found = ", ".join(others[:3]) or "no journals"
        raise NotADemo(f"{out} is not empty and not from an earlier demo ({found}); name another directory with --out")
    for path in left:
        path.unlink()


def _bundles(stage: Stage, out: Path) -> list[Path]:
    """Fetch the evidence for one honored period and for both cheats."""
    timeline = stage.timeline
    wanted = [(YOURS, timeline.bounded), (CHEAT, timeline.cheat_a), (CHEAT, timeline.cheat_b)]
    paths = []
    for lab, period in wanted:
        request = audit_service_pb2.GetBundleRequest(lab=lab, period=period)
        data = b"".join(answer.chunk for answer in stage.cluster.audit.GetBundle(request))
        path = out / f"{lab}-P{period}.bundle"
        with _writing(out):
            write_whole(path, data)
        paths.append(path)
    return paths


def _show_terms(text: str, view: View, out: Path) -> tuple[Path, Path]:
    """Leave the preset and the terms as texts, and say how far they differ."""
    texts = {out / f"{PRESET.name}.agreement": PRESET.text, out / "demo.agreement": text}
    with _writing(out):
        for path, said in texts.items():
            write_whole(path, said.encode())
    counts = Counter(str(change.direction) for change in differences(terms_of(PRESET.text), terms_of(text)))
    listed = ", ".join(f"{count} {direction}" for direction, count in counts.items())
    preset, played = texts
    view.terms(f"{played}: the preset {PRESET.name} with {counts.total()} changes ({listed})")
    return preset, played


def _ask(cluster: Cluster, answers: TextIO, *words: str) -> None:
    """Ask as an auditor does, by the command that an auditor types."""
    profile = cluster.home / AUDITOR
    address = (cluster.home / VERIFIER / "address").read_text().strip()
    write_whole(profile / "verifier.toml", f'address = "{address}"\n'.encode())
    write_whole(profile / "verifier.crt", (cluster.home / VERIFIER / "tls.crt").read_bytes())
    write_whole(profile / "trust", (cluster.home / "trust").read_bytes())
    print(f"\n$ standstill audit {' '.join(words)}", file=answers, flush=True)
    subprocess.run([*_PROGRAM, "audit", *words, "--profile", str(profile)], check=False, stdout=answers)


_PROGRAM: Final = (sys.executable, "-m", "cli.main")


def _verify(bundle: Path, view: View | None) -> bool:
    """Run the offline check as a user would, in a process of its own."""
    command = [*_PROGRAM, "audit", "verify", str(bundle), "--trust", str(bundle.parent / "trust")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if view is not None and done.returncode != 0:
        view.quote(done.stdout + done.stderr)
    return done.returncode == 0


def _spoiled(bundle: Path) -> Path:
    """A copy with one bit flipped in the middle."""
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    path = bundle.with_suffix(".spoiled")
    write_whole(path, bytes(data))
    return path


def _keep(cluster: Cluster, out: Path) -> None:
    """Keep what helps afterwards: trust file, agreement, journals. Keys and stores go with the temporary directory."""
    with _writing(out):
        for name in ("trust", "agreement"):
            shutil.copy(cluster.home / name, out / name)
        for journal in cluster.home.glob("*/journal.jsonl"):
            shutil.copy(journal, out / f"{journal.parent.name}.jsonl")


@contextlib.contextmanager
def _writing(out: Path) -> Iterator[None]:
    """Name the directory that results go to where one of them cannot be written."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(out)) from error
