from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from language import syntax as ast
from language.keys import BLOCKS, CITED, KEYS, RETIRED, Key, Kind, Stricter, blocks_in, keys_of
from language.lower import compile_text
from language.lower_special import ALL_HANDLERS
from language.names import name_of
from language.parse import parse
from language.words import LISTS
from language.write_values import OWN_WRITERS, WRITERS
from tests.language.texts import FRONTIER

# Fields that a row sets beside its own, or that come from elsewhere than the text.
DERIVED: Final = {
    ("Agreement", "citations"): "cite",
    ("Party", "root_keys"): "root",
    ("Rule", "yes"): "yes",
    ("BrakeTerms", "parties"): "by",
    ("Indicator", "by_subject"): "reported_by",
}


def said_by_rows() -> Iterator[tuple[str, str]]:
    """Message and field of every row, block and block name, through the messages that rows reach into."""
    for key in KEYS.values():
        message = BLOCKS[key.block].message
        if key.field and message is not None:
            descriptor = message.DESCRIPTOR
            if key.kind is Kind.LIARS:
                descriptor = BLOCKS["agreement"].message.DESCRIPTOR  # type: ignore[union-attr]
            for step in key.field.split("."):
                yield descriptor.name, step
                field = descriptor.fields_by_name[step]
                descriptor = field.message_type or descriptor
    for block in BLOCKS.values():
        if block.message is not None and block.named:
            yield block.message.DESCRIPTOR.name, block.named
        for parent in block.parents:
            around = BLOCKS[parent].message
            if block.field and around is not None and block.field in around.DESCRIPTOR.fields_by_name:
                yield around.DESCRIPTOR.name, block.field


@pytest.mark.parametrize("block", [one for one in BLOCKS.values() if one.message], ids=lambda one: one.word)
def test_every_field_of_the_wire_is_said_by_some_row(block: object) -> None:
    message = block.message  # type: ignore[attr-defined]
    rows = set(said_by_rows()) - {("Agreement", "citations")}
    said = rows | DERIVED.keys()
    assert not rows & DERIVED.keys()

    missing = [field.name for field in message.DESCRIPTOR.fields if (message.DESCRIPTOR.name, field.name) not in said]

    assert missing == []


@pytest.mark.parametrize("key", KEYS.values(), ids=lambda key: f"{key.block}.{key.name}")
def test_every_row_has_a_sentence_a_kind_and_words_that_exist(key: Key) -> None:
    assert key.sentence or KEYS[key.block, key.with_].sentence
    assert key.kind in ALL_HANDLERS or key.block == "caps"
    assert key.block == "caps" or key.kind in WRITERS or (key.block, key.name) in OWN_WRITERS or not key.field
    assert key.help
    assert key.spec
    assert (key.kind in {Kind.WORD, Kind.WORDS, Kind.ALLOW}) <= bool(key.words)
    assert not (key.required and key.default)


def test_every_list_of_words_gives_each_value_one_word_to_write() -> None:
    for words in LISTS.values():
        assert len(set(words)) == len(words)
        assert words


def test_every_retired_word_is_no_live_one_and_names_what_to_write() -> None:
    for (block, word), remedy in RETIRED.items():
        assert block in BLOCKS
        assert (block, word) not in KEYS
        assert word not in {child.word for child in blocks_in(block)}
        assert remedy


def test_every_block_can_be_reached_and_every_clause_can_be_cited() -> None:
    assert [block.word for block in blocks_in("")] == ["agreement", "pledge"]
    assert all(parent in BLOCKS for block in BLOCKS.values() for parent in block.parents)
    assert BLOCKS.keys() >= CITED


def test_conditions_tell_which_way_is_stricter() -> None:
    for key in KEYS.values():
        if key.kind is Kind.CONDITION:
            assert key.stricter in {Stricter.IMPLIED, Stricter.IMPLIES}


def block_of(text: str, word: str) -> ast.Block | None:
    todo = [item for item in parse(text).items if isinstance(item, ast.Block)]
    while todo:
        block = todo.pop(0)
        if block.word.text == word:
            return block
        todo += [item for item in block.items if isinstance(item, ast.Block)]
    return None


EXTRA: Final = {
    "chip": "chip X { peaks = [1 TFLOP/s of bf16_dense]   power { labels = [train]   low = 1 W   high = 2 W } }",
    "prior_report": "prior_report { above = 1e22 FLOP   answered_by = evalco   answer = 30 d }",
    "covered_cluster": "covered_cluster { above = 16 H100e   registered_within = 120 d }",
    "citation": 'citation "elsewhere" { source = "x" }',
}
WHOLE_TEXT: Final = (
    FRONTIER.replace('unit "H100e"', "\n".join(EXTRA.values()) + '\n  unit "H100e"')
    .replace("keys = pending\n", 'keys = pending site "00" { pue_low = 1   pue_high = 2 } ', 1)
    .replace("seats public { count = 3   keys = pending }", 'seats public { seat one { owner = "One" } }')
    .replace("cluster = 20_000 chips", "cap other { window = 4 h   chip_time = 5 chip_h }")
)
IN_TEXT: Final = [key for key in KEYS.values() if key.block not in {"pledge", "keep", "class"}]


def test_the_text_of_this_test_is_right_before_it_is_made_wrong() -> None:
    assert compile_text(parse(WHOLE_TEXT)).problems == ()
    assert {key.block for key in IN_TEXT if block_of(WHOLE_TEXT, key.block) is None} == set()


@pytest.mark.parametrize("key", IN_TEXT, ids=lambda key: f"{key.block}.{key.name}")
def test_a_value_of_the_wrong_kind_is_refused_where_it_stands(key: Key) -> None:
    block = block_of(WHOLE_TEXT, key.block)
    assert block is not None
    lines = WHOLE_TEXT.split("\n")
    at = sum(len(line) + 1 for line in lines[: block.head.end_line - 1]) + block.head.end_column - 1
    opening = WHOLE_TEXT.index("{", at) + 1
    wrong = f" {key.name} = [2027-01-01] "
    text = WHOLE_TEXT[:opening] + wrong + WHOLE_TEXT[opening:]
    line, column = text.count("\n", 0, opening) + 1, opening - text.rfind("\n", 0, opening)

    problems = compile_text(parse(text)).problems

    inside = range(column, column + len(wrong))
    there = [one for one in problems if one.span and one.span.line == line and one.span.column in inside]
    assert there, (key.name, name_of(block), problems)
    assert there[0].code in {"wrong-kind", "unknown-word"}
    assert key.name in there[0].clause or block.word.text in there[0].clause or not there[0].clause


def test_the_keys_of_a_block_keep_their_order() -> None:
    assert [key.name for key in keys_of("unit")] == ["equals", "format"]
