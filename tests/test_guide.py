"""The guide for operators is true: its commands run as they stand there, and say what is shown under them."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

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
    found = []
    blocks = re.compile(r"^```sh\n(?P<sh>.*?)^```\n(?:\n```text\n(?P<text>.*?)^```\n)?", re.MULTILINE | re.DOTALL)
    for match in blocks.finditer(text):
        found.append(Step(text.count("\n", 0, match.start()) + 1, match["sh"], match["text"] or ""))
    return found


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
            with_children = process.pid
            try:
                os.killpg(with_children, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
    return code, output.read_text("utf-8")


@pytest.fixture
def beside_a_checkout() -> Iterator[Path]:
    """A directory that looks like a checkout from inside; its path is short, as that of a Unix socket has to be."""
    with tempfile.TemporaryDirectory(prefix="guide-") as name:
        directory = Path(name)
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


def test_the_guide_leaves_no_process_behind(beside_a_checkout: Path) -> None:
    sleeping = "sleep 600 & echo $!"

    code, output = run(sleeping, beside_a_checkout)

    assert code == 0
    with pytest.raises(ProcessLookupError):
        os.kill(int(output), 0)


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
    named = {word for word in re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", text)}
    links = {link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link}

    assert named <= set(Reason)
    assert [link for link in links if not (GUIDE.parent / link).exists()] == []
