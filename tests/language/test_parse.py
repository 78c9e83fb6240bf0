from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from language import syntax as ast
from language.layout import fmt
from language.parse import parse, parse_condition, tokens
from language.problem import Unreadable
from language.spans import Span
from tests.language.texts import FRONTIER, PLEDGE


def shape(node: Any) -> Any:
    """A tree without places."""
    if is_dataclass(node):
        left = [shape(getattr(node, one.name)) for one in fields(node) if one.name not in {"span", "head"}]
        return [type(node).__name__, *left]
    return [shape(part) for part in node] if isinstance(node, tuple) else node


def spans(node: Any) -> list[Span]:
    if isinstance(node, Span):
        return [node]
    if is_dataclass(node):
        return [span for one in fields(node) for span in spans(getattr(node, one.name))]
    return [span for part in node for span in spans(part)] if isinstance(node, tuple) else []


def entry(text: str) -> ast.Entry:
    item = parse(text).items[0]
    assert isinstance(item, ast.Entry)
    return item


def test_an_agreement_and_a_pledge_are_read_whole() -> None:
    assert [item.word.text for item in parse(FRONTIER).items if isinstance(item, ast.Block)] == ["agreement"]
    assert [item.word.text for item in parse(PLEDGE).items if isinstance(item, ast.Block)] == ["pledge"]
    assert len(parse(FRONTIER).comments) == 3


def test_a_span_covers_exactly_what_it_names() -> None:
    document = parse(FRONTIER)

    block = document.items[0]
    assert isinstance(block, ast.Block)
    assert document.said(block.head) == 'agreement "frontier-pause"'
    first = block.items[0]
    assert isinstance(first, ast.Entry)
    assert document.said(first.span) == "language = 1"
    assert [document.said(comment.span) for comment in document.comments][-1] == "# algorithmic progress"


def test_a_word_of_the_grammar_may_be_a_name() -> None:
    block = parse("party event { role = carried   level = overdue }").items[0]
    named = parse('event "all" { }').items[0]

    assert isinstance(block, ast.Block)
    assert shape(block.name) == ["Word", "event"]
    assert isinstance(named, ast.Block)
    assert shape(named.name) == ["Text", "all"]


def test_a_unit_word_before_an_equals_sign_is_a_key() -> None:
    assert [
        item.key.text for item in parse("language = 1 x = 2 h = 3 min = 4").items if isinstance(item, ast.Entry)
    ] == [*("language", "x", "h", "min")]


def test_keep_before_a_brace_begins_a_block_and_elsewhere_a_test() -> None:
    block = parse("pledge { by = beta keep slowdown { when = alpha keeps pause } }").items[0]

    assert isinstance(block, ast.Block)
    assert [type(item).__name__ for item in block.items] == ["Entry", "Block"]


def test_and_binds_closer_than_or() -> None:
    assert shape(parse_condition("always or never and always")) == [
        *("Any", [["Constant", True], ["All", [["Constant", False], ["Constant", True]]]])
    ]


def test_a_number_keeps_its_digits_as_written() -> None:
    value = entry("a = 20_000.50e3 FLOP per 30 d").value

    assert isinstance(value, ast.Amount)
    assert (value.quantity.number, value.quantity.unit) == ("20_000.50e3", "FLOP")
    assert value.per is not None
    assert value.per.number == "30"


def test_a_number_sign_in_quotation_marks_is_no_comment() -> None:
    document = parse('a = "no # comment"  # comment')

    assert [comment.text for comment in document.comments] == ["# comment"]


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_blanks_and_comments_between_words_change_no_meaning(data: st.DataObject) -> None:
    spaces = st.sampled_from([" ", "\n", "\t ", "  # remark\n", " \n\n # }{ \n "])
    words = [str(token) for token in tokens(PLEDGE)]
    text = "".join(word + data.draw(spaces) for word in words)

    assert shape(parse(text).items) == shape(parse(PLEDGE).items)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(FRONTIER) - 1), st.characters(max_codepoint=300), st.integers(0, 3))
def test_a_damaged_text_is_read_or_refused_with_a_place_inside_it(at: int, letter: str, cut: int) -> None:
    text = FRONTIER[:at] + letter + FRONTIER[at + cut :]
    lines = text.split("\n")

    try:
        found = spans(parse(text))
        fmt(text)
    except Unreadable as unreadable:
        found = [problem.span for problem in unreadable.problems if problem.span]
        assert len(found) == 1

    for span in found:
        assert 1 <= span.line <= span.end_line <= len(lines)
        assert 1 <= span.column <= len(lines[span.line - 1]) + 1
