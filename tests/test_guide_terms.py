"""The guide for people who write terms is true: its commands run as they stand there, and say what is shown."""

from __future__ import annotations

import re
from pathlib import Path

from language.presets import PRESETS
from tests.test_guide import ROOT, beside_a_checkout, pattern, run, steps

__all__ = ["beside_a_checkout"]

GUIDE = ROOT / "docs" / "writing-terms.md"


def test_every_command_of_the_guide_runs_and_says_what_is_shown(beside_a_checkout: Path) -> None:
    listed = steps(GUIDE.read_text("utf-8"))
    parts = [f"echo '=== line {step.line}'\n{step.commands}" for step in listed]
    on_path = 'export PATH="$PWD/.venv/bin:$PATH"; mkdir terms; cd terms'

    code, output = run("\n".join(["set -eu", on_path, *parts, "echo '=== end'"]), beside_a_checkout)

    assert code == 0, output
    said = re.split(r"^=== .*\n", output, flags=re.MULTILINE)[1:]
    for step, told in zip(listed, said, strict=False):
        fits = pattern(step.shown).match(told) is not None
        assert fits, f"docs/writing-terms.md:{step.line} shows\n{step.shown}\nand it says\n{told}"


def test_the_guide_shows_every_preset_and_links_to_what_is_there() -> None:
    text = GUIDE.read_text("utf-8")
    links = {link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link}

    assert [link for link in links if not (GUIDE.parent / link).exists()] == []
    for preset in PRESETS.values():
        assert f"{preset.name:<20}{preset.title}\n" in text
