"""The guide for operators is true: its commands run as they stand there, and say what is shown under them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from daemon.schema import leaf_key
from protocol.errors import Reason

ROOT = Path(__file__).resolve().parent.parent
GUIDE = ROOT / "docs" / "running.md"
SECONDS = 540
"""After which a guide that waits for something in vain is ended."""


class Step(NamedTuple):
    """A block of commands, and what the guide shows of their output; nothing if it shows none."""

    line: int
    commands: str
    shown: str


def steps(text: str) -> list[Step]:
    """The blocks of the guide, in order."""
    blocks = re.compile(r"^```sh\n(?P<sh>.*?)^```\n(?:\n```text\n(?P<text>.*?)^```\n)?", re.MULTILINE | re.DOTALL)
    return [
        Step(text.count("\n", 0, match.start()) + 1, match["sh"], match["text"] or "")
        for match in blocks.finditer(text)
    ]


def pattern(shown: str) -> re.Pattern[str]:
    """What shown output stands for: a line of `…` for any lines, `…` within a line for anything up to its end."""
    lines = []
    for line in shown.splitlines():
        parts = [r"\s+".join(map(re.escape, part.split(" "))) for part in re.sub(" +", " ", line).split("…")]
        lines.append(r"(?:.*\n)*?" if line.strip() == "…" else ".*?".join(parts) + r"[ ]*\n")
    return re.compile("".join(lines))


def run(script: str, directory: Path) -> tuple[int, str]:
    """Run a script with bash; whatever it leaves running is ended."""
    output = directory / "output"
    surroundings = {key: value for key, value in os.environ.items() if not key.startswith("STANDSTILL")}
    with output.open("wb") as file:
        process = subprocess.Popen(
            ["bash", "-c", script],
            cwd=directory,
            env=surroundings | {"LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(SECONDS)
        finally:
            # The group is that of the session begun above: nothing else is in it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return code, output.read_text("utf-8")


@pytest.fixture
def beside_a_checkout() -> Iterator[Path]:
    """A directory that looks like a checkout from inside; its path is short, as that of a Unix socket has to be."""
    with tempfile.TemporaryDirectory(prefix="guide-") as name:
        directory = Path(name) / "checkout"
        shutil.copytree(ROOT / "docs", directory / "docs")
        (directory / ".venv").symlink_to(sys.prefix)
        yield directory


def test_every_command_of_the_guide_runs_and_says_what_is_shown(beside_a_checkout: Path) -> None:
    listed = steps(GUIDE.read_text("utf-8"))
    parts = [f"echo '=== line {step.line}'\n{step.commands}" for step in listed]

    code, output = run("\n".join(["set -eu", *parts, "echo '=== end'"]), beside_a_checkout)

    assert code == 0, output
    said = re.split(r"^=== .*\n", output, flags=re.MULTILINE)[1:]
    for step, told in zip(listed, said, strict=False):
        fits = pattern(step.shown).match(told) is not None
        assert fits, f"docs/running.md:{step.line} shows\n{step.shown}\nand it says\n{told}"


@pytest.mark.parametrize(
    ("shown", "said", "fits"),
    [
        ("a …\n", "a b c\n", True),
        ("a …\n", "b a c\n", False),
        ("a\n…\nz\n", "a\nb\nc\nz\n", True),
        ("a\nz\n", "a\nb\nz\n", False),
        ("a  b\n", "a b\n", True),
    ],
)
def test_shown_output_is_matched_line_by_line(shown: str, said: str, fits: bool) -> None:
    assert (pattern(shown).match(said) is not None) is fits


def test_the_guide_names_only_reasons_and_files_that_exist() -> None:
    text = GUIDE.read_text("utf-8")
    named = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", text))
    links = {link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link}

    assert named <= set(Reason)
    assert [link for link in links if not (GUIDE.parent / link).exists()] == []


# -- when a daemon does not start --------------------------------------------------------------------------------------

START = 1_803_859_200
PARTIES = {"alpha": "lab", "beta": "lab", "chipco": "supplier", "gridco": "meter"}


def standstill(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli.main", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=SECONDS)


@pytest.fixture(scope="module")
def founded() -> Iterator[Path]:
    """The directory of alpha after its founding, with a peer, and a clock beside the configuration."""
    with tempfile.TemporaryDirectory(prefix="guide-") as name:
        home = Path(name)
        for party, role in PARTIES.items():
            sites = ("--site", "main", "--metered-by", "gridco") if role == "lab" else ()
            about = ("--party", party, "--role", role, "--owner", party, *sites, "--listen", "127.0.0.1:0")
            assert standstill("node", "init", "--dir", home / party, *about).returncode == 0
        assert standstill("verifier", "init", "--dir", home / "vera", "--party", "vera", "--owner", "v").returncode == 0
        parties = [part for party in (*PARTIES, "vera") for part in ("--party", home / party / "party.txtpb")]
        terms = home / "agreement"
        draft = ROOT / "docs" / "example" / "draft.txtpb"
        compiled = standstill("agreement", "compile", draft, *parties, "-o", terms)
        alpha = home / "alpha"
        (alpha / "clock").write_text(str(START - 60))
        edit(alpha, '# clock = "system"', 'clock = "file:clock"')
        shutil.copy(home / "vera" / "tls.crt", alpha / "vera.crt")
        with (alpha / "node.toml").open("a") as file:
            file.write('\n[peer.vera]\ncertificate = "vera.crt"\nreader = "verifier"\n')
        done = standstill("node", "found", "--dir", alpha, "--agreement", terms, "--digest", compiled.stdout.strip())
        assert done.returncode == 0, done.stderr
        yield alpha


@pytest.fixture
def alpha(founded: Path) -> Iterator[Path]:
    """A copy of that directory."""
    with tempfile.TemporaryDirectory(prefix="guide-") as name:
        shutil.copytree(founded, Path(name) / "alpha")
        yield Path(name) / "alpha"


def edit(party: Path, old: str, new: str) -> None:
    """Replace what matches `old`, which has to be there, in a configuration."""
    config = party / "node.toml"
    text, count = re.subn(old, new, config.read_text())
    assert count == 1
    config.write_text(text)


def rewrite(path: Path, text: str) -> None:
    """Write into a file that keeps its mode."""
    assert path.exists()
    path.write_text(text)


def change_store(party: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(party / "store.db")) as connection, connection:
        assert connection.execute(statement).rowcount == 1


def occupy(party: Path) -> contextlib.AbstractContextManager[object]:
    """Listen where the node would."""
    listener = socket.create_server(("127.0.0.1", 0))
    edit(party, 'listen = ".*"', f'listen = "127.0.0.1:{listener.getsockname()[1]}"')
    return listener


def hold_store(party: Path) -> contextlib.AbstractContextManager[object]:
    """Write where the node would."""
    file = (party / "store.db.lock").open("a")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


TROUBLES: dict[str, Callable[[Path], object]] = {
    "NOT_FOUNDED": lambda party: edit(party, "digest = .*", ""),
    "TRUST_ROOT_MISMATCH": lambda party: rewrite(party / "agreement", "other terms"),
    "NAME_UNKNOWN": lambda party: edit(party, 'party = ".*"', 'party = "delta"'),
    "SECRET_ABSENT": lambda party: (party / "keys" / "statement.key").unlink(),
    "SECRET_EXPOSED": lambda party: (party / "keys" / "log.key").chmod(0o644),
    "SECRET_MALFORMED": lambda party: rewrite(party / "keys" / "log.key", "secret"),
    "KEY_NOT_AGREED": lambda party: rewrite(party / "keys" / "log.key", "11" * 32),
    "KEY_NOT_IN_FORCE": lambda party: rewrite(party / "keys" / "statement.key", "11" * 32),
    "STORE_ABSENT": lambda party: (party / "store.db").unlink(),
    "STORE_VERSION": lambda party: change_store(party, "UPDATE schema_version SET version = 99"),
    "STORE_IN_USE": hold_store,
    "STORE_UNAVAILABLE": lambda party: rewrite(party / "store.db", "no database" * 1_000),
    "STORE_DAMAGED": lambda party: change_store(
        party, f"UPDATE leaves SET leaf_salt = zeroblob(16) WHERE id = {leaf_key(1, 1)}"
    ),
    "CLOCK_UNREADABLE": lambda party: (party / "clock").unlink(),
    "CLOCK_WENT_BACK": lambda party: rewrite(party / "clock", str(START - 61)),
    "SITE_UNKNOWN": lambda party: edit(party, 'handle = "[0-9a-f]+"', f'handle = "{"00" * 16}"'),
    "CALLER_UNKNOWN": lambda party: edit(party, r"\[peer.vera\]\n.*\n.*\n", ""),
    "ADDRESS_IN_USE": occupy,
}
"""How to bring about each reason of the guide's table, apart from those that need a verifier."""


def advice() -> dict[str, int]:
    """The exit code by reason, as the guide's last table says."""
    rows = re.findall(r"^\| `([A-Z_]+)` \| (\d+) \|", GUIDE.read_text("utf-8"), re.MULTILINE)
    return {reason: int(code) for reason, code in rows}


def test_the_guide_lists_every_trouble_that_is_tried_here() -> None:
    elsewhere = {"STORE_BEHIND", "EQUIVOCATION"}

    assert advice().keys() == TROUBLES.keys() | elsewhere


@pytest.mark.parametrize("reason", TROUBLES)
def test_a_node_does_not_start_and_says_why_in_its_last_line(reason: str, alpha: Path) -> None:
    held = TROUBLES[reason](alpha)
    with held if isinstance(held, contextlib.AbstractContextManager) else contextlib.nullcontext():
        done = standstill("node", "run", "--dir", alpha)

    assert done.returncode == advice()[reason]
    assert done.stderr.splitlines()[-1].startswith(f"{reason} ")
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_node_does_not_start_with_a_key_that_nobody_reads(alpha: Path) -> None:
    edit(alpha, "# attest_after = 0", "atest_after = 0")

    done = standstill("node", "run", "--dir", alpha)

    assert done.returncode == 2
    assert re.fullmatch(r".*node\.toml:\d+: unknown key atest_after; did you mean attest_after\?\n", done.stderr)


def test_the_same_node_starts_when_nothing_is_wrong(alpha: Path) -> None:
    command = [sys.executable, "-m", "cli.main", "node", "run", "--dir", str(alpha)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        process.terminate()

        assert process.wait(SECONDS) == 0
    assert re.fullmatch(r"READY alpha 127\.0\.0\.1:\d+ [0-9a-f]{8} size 2\n", ready)
