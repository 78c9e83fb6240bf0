"""The reference is the key table: it names every block and key, and is written anew when they change."""

from __future__ import annotations

import re

from language.keys import BLOCKS, KEYS, RETIRED
from language.parse import parse_condition
from language.reference import reference, unexplained
from scripts.write_reference import FILE


def test_the_reference_in_the_docs_is_the_one_that_the_table_makes() -> None:
    assert FILE.read_text("utf-8") == reference(), "run: python scripts/write_reference.py"


def test_every_block_and_key_stands_in_it() -> None:
    text = reference()
    for block in BLOCKS.values():
        assert f"### `{block.word}" in text
    for key in KEYS.values():
        assert f"| `{key.name}` | " in text
        assert key.help in text
    for _, word in RETIRED:
        assert f"| `{word}` | " in text
    assert unexplained() == []


def test_tables_are_whole() -> None:
    rows = [line for line in reference().splitlines() if line.startswith("|")]
    assert rows
    assert all(row.endswith("|") for row in rows)


def test_every_condition_that_it_shows_is_one() -> None:
    table = reference().partition("## Conditions")[2].partition("## Blocks")[0]
    shown = [
        written
        for row in table.splitlines()
        if row.startswith("| `")
        for written in re.findall(r"`([^`]+)`", row.split(" | ")[0])
    ]
    assert len(shown) > 15
    for written in shown:
        parse_condition(written.replace("... >=", "task_horizon of any lab >="))
