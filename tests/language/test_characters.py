"""What does not show is refused in texts, and spelled out where somebody else wrote it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from language.characters import called, hidden, looks, visible
from language.page import PageView, page
from language.page_html import html_page
from language.parse import parse
from language.problem import Unreadable
from language.write_conditions import quoted
from tests.terms import terms


@pytest.mark.parametrize("letter", ["\u202e", "\u2066", "\u200b", "\u00a0", "\ufeff", "\x1b", "\x00", "\u2028", "\x85"])
@pytest.mark.parametrize("place", ['a = "b{}c"', "a = 1 # {}", "a {} = 1"], ids=["text", "comment", "between"])
def test_a_character_that_does_not_show_is_refused_wherever_it_stands(letter: str, place: str) -> None:
    text = "b = 2\n" + place.format(letter)
    with pytest.raises(Unreadable) as refused:
        parse(text)

    [problem] = refused.value.problems
    assert (problem.code, str(problem.span)) == ("hidden-character", f"2:{place.index('{') + 1}")
    assert called(letter) in problem.text
    assert letter not in problem.line("f", text)


def test_letters_of_every_language_may_stand_in_texts_and_comments() -> None:
    assert parse('a = "Prüfstelle für 検証, בדיקה"  # é\r\nb = 1\tc = 2\r\n').items


def test_a_carriage_return_by_itself_ends_no_line() -> None:
    with pytest.raises(Unreadable) as refused:
        parse("# one\ra = 1\r")

    assert [problem.sentence for problem in refused.value.problems] == [
        "U+000D does not show; end lines with a line feed"
    ]


def test_names_and_numbers_are_of_ascii() -> None:
    for text, letter in (("p\u0430rty = 1", "\u0430"), ("late = \uff12 h", "\uff12"), ("late = 2\u0663 h", "\u0663")):
        with pytest.raises(Unreadable) as refused:
            parse(text)
        assert called(letter) in str(refused.value)
    assert parse("party = 1 late = 23 h").items


@given(st.text())
def test_a_text_of_visible_characters_has_nothing_hidden(text: str) -> None:
    shown = visible(text)

    assert list(hidden(shown)) == []
    assert visible(shown) == shown
    assert (shown == text) == text.isprintable()


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_does_not_show_is_written_so_that_it_is_read_again(text: str) -> None:
    read = parse(f"a = {quoted(text)}").items[0]

    assert getattr(read, "value").text == text  # noqa: B009 - an entry, as the text says
    assert quoted(text).isprintable()


def test_names_that_look_alike_are_known_by_their_looks() -> None:
    alike = ["Alpha Holding", "alpha  holding ", "\u0410lpha Holding", "\u0391lph\u0430 H\u043elding", "Alpha-Holding",
             "\uff21lpha Holding", "\u00c4lpha Holding"]  # fmt: skip

    assert {looks(name) for name in alike} == {"alphaholding"}
    assert looks("Alpha Holdings") != looks("Alpha Holding")


def test_pages_spell_out_what_others_wrote_so_that_it_does_not_show() -> None:
    made = terms(name="x\u202ey")
    made.indicators[0].means = "speed\x1b[2J"
    view = PageView(terms=made)

    for said in (page(view), html_page(view)):
        assert "\\x1b[2J" in said
        assert "\x1b" not in said
        assert "\u202e" not in said
