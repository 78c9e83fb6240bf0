from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from language.layout import fmt
from language.lower import compile_text
from language.parse import parse, tokens
from language.problem import Unreadable
from protocol import wire
from tests.language.texts import FRONTIER, PLEDGE


@pytest.mark.parametrize("text", [FRONTIER, PLEDGE], ids=["agreement", "pledge"])
def test_a_text_laid_out_stays_as_it_is(text: str) -> None:
    laid = fmt(text)

    assert fmt(laid) == laid
    assert laid != text


def test_layout_keeps_the_digest() -> None:
    before, after = compile_text(parse(FRONTIER)), compile_text(parse(fmt(FRONTIER)))

    assert before.problems == ()
    assert wire.encode(after.terms) == wire.encode(before.terms)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_layout_keeps_words_and_comments_wherever_they_stand(data: st.DataObject) -> None:
    blanks = st.sampled_from([" ", "\n", "\n\n\n", "  # one\n", "\n# two\n\n# three\n"])
    text = "".join(f"{token}{data.draw(blanks)}" for token in tokens(PLEDGE))

    laid = fmt(text)

    assert fmt(laid) == laid
    assert [str(token) for token in tokens(laid)] == [str(token) for token in tokens(text)]
    assert [one.text for one in parse(laid).comments] == [one.text for one in parse(text).comments]


def test_short_blocks_stand_on_one_line_and_long_conditions_are_broken() -> None:
    long = ", ".join(f"task_horizon of any lab >= {hours} h" for hours in range(1, 5))
    text = f'agreement "x" {{ rule   a {{ yes=2   open = 3 d }}\nlevel b {{ trigger = any[{long},] }} }}'

    assert (
        fmt(text)
        == """\
agreement "x" {
  rule a { yes = 2   open = 3 d }
  level b {
    trigger = any [
      task_horizon of any lab >= 1 h,
      task_horizon of any lab >= 2 h,
      task_horizon of any lab >= 3 h,
      task_horizon of any lab >= 4 h
    ]
  }
}
"""
    )


def test_comments_stay_beside_what_they_speak_of() -> None:
    text = "# head\n\n\na = 1 # beside\nb { # opening\n# inside\nc = [1, # within\n 2] }  # behind\n# end"

    assert (
        fmt(text)
        == """\
# head

a = 1  # beside
b {  # opening
  # inside
  # within
  c = [1, 2]
}  # behind
# end
"""
    )


def test_what_cannot_be_read_is_not_laid_out() -> None:
    with pytest.raises(Unreadable) as refused:
        fmt("a = {")
    assert refused.value.problems[0].code == "syntax"
    assert fmt("") == ""
    assert fmt("# only\n") == "# only\n"
