from __future__ import annotations

import pytest

from language.lower import compile_text
from language.lower_pledge import compile_pledge
from language.parse import parse
from language.problem import Problem, Severity, Unreadable, error, in_order
from language.spans import Span
from protocol import wire
from protocol.agreement import Agreement
from tests.language.texts import FRONTIER, PLEDGE, changed


def unreadable(text: str) -> Problem:
    with pytest.raises(Unreadable) as refused:
        parse(text)
    assert len(refused.value.problems) == 1
    return refused.value.problems[0]


SYNTAX = [
    ("3e25 FLOP ", "3e25 FLOPs ", "36:32", "unknown-unit", "FLOPs. Did you mean FLOP?"),
    ("and since in_force", "and in_force", "34:61", "syntax",
     "expected keep, is or of; a clock is: since in_force >= 60 d"),
    ("20_000 chips", "20,000 chips", "37:24", "number-comma", "a comma ends a number; write 20_000, not 20,000"),
    ("task_horizon of any lab >= 24 h", "task_horizon >= 24 h", "32:44", "syntax",
     "a reading names whose; write task_horizon of any lab >= 24 h"),
    ("late = 2 h", "late 2 h", "5:8", "missing-equals", "after late expected ="),
    ("role = lab  ", "role lab  ", "11:23", "missing-equals", "after role expected ="),
    ("any [ task", "any task", "41:32", "syntax", "expected is or keep, found of"),
    ("any [ task_horizon", "any 3", "41:19", "syntax", "expected [ with conditions, or a role such as lab"),
    ("baseline = 90 d", "baseline = 90 days", "7:17", "unknown-unit", "days. Did you mean d?"),
    ("50 % after", "50 pct after", "38:34", "unknown-unit", "pct. Did you mean %?"),
    ('"Beta Inc"', '"Beta Inc', "13:45", "syntax",
     'a text in quotation marks that does not end on its line; close it with "'),
    ("late = 2 h", "late = ?", "5:10", "syntax", "'?' stands for nothing here"),
    ('"Beta Inc"', '"\\q"', "13:45", "syntax", 'invalid \\escape in a text; write \\" and \\\\'),
    ("lab >= 24 h", "lab = 24 h", "32:55", "syntax", "expected <, <=, > or >=, found =; write >= for from there on"),
    ("lab >= 24 h", "lab => 24 h", "32:55", "syntax", "expected <, <=, > or >=, found =; write >= for from there on"),
    ("since in_force >= 60 d", "since in_force = 60 d", "34:67", "syntax",
     "expected <, <=, > or >=, found =; write >= for from there on"),
    ("late = 2 h", "late: 2 h", "5:7", "syntax", "':' stands for nothing here; a key and its value are joined by ="),
    ("late = 2 h", "late = -2 h", "5:10", "syntax", "'-' stands for nothing here; numbers have no sign"),
    ("late = 2 h", "late = 2e-3 h stale = 1 h", "5:10", "syntax",
     "2e-3: no number has a negative exponent; write it out, or in a smaller unit"),
    ('"Beta Inc"', "\u201cBeta Inc\u201d", "13:45", "syntax",
     "'\u201c', U+201C (LEFT DOUBLE QUOTATION MARK), stands for nothing here; texts stand in \"...\""),
    ("party beta", "party b\u0435ta", "13:10", "syntax",
     "'\u0435', U+0435 (CYRILLIC SMALL LETTER IE), stands for nothing here; names are written in a-z, 0-9, - and _"),
    ("late = 2 h", "late = 2,5 h", "5:11", "number-comma", "a comma ends a number; write 2.5, not 2,5"),
    ("= 1e24 FLOP ", "= 10^24 FLOP ", "46:48", "syntax",
     "'^' stands for nothing here; powers of ten are written 1e24"),
    ("late = 2 h", "late = = 2 h", "5:10", "syntax",
     'expected (, [, a date, a name, a number, a text in "..." or ..., found ='),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "place", "code", "sentence"), SYNTAX, ids=[row[1] for row in SYNTAX])
def test_a_text_that_is_none_is_told_from_its_last_words(
    old: str, new: str, place: str, code: str, sentence: str
) -> None:
    problem = unreadable(changed(FRONTIER, old, new))

    assert (str(problem.span), problem.code, problem.sentence) == (place, code, sentence)
    assert problem.severity is Severity.ERROR


def test_the_carets_stand_under_the_word() -> None:
    text = "a {\n  b = 3e25 FLOPs  c = 50 %\n}\n"

    line = unreadable(text).line("f.agreement", text)

    assert line == (
        "f.agreement:2:12: error unknown-unit: FLOPs. Did you mean FLOP?\n"
        "    2 |   b = 3e25 FLOPs  c = 50 %\n"
        "      |            ^^^^^"
    )


def test_of_a_long_line_what_stands_around_is_shown() -> None:
    text = "a = [" + "1, " * 30_000 + "2e999 FLOPs]"

    first, shown, carets = unreadable(text).line("f", text).split("\n")

    assert first == "f:1:90012: error unknown-unit: FLOPs. Did you mean FLOP?"
    assert len(shown) < 200
    assert shown[carets.index("^") :] == "FLOPs]"
    assert carets.count("^") == 5


def test_a_file_that_is_no_terms_is_told_what_terms_are() -> None:
    assert unreadable("hello").text == 'no agreement "NAME" { ... } and no pledge { ... }'


def test_a_bracket_that_is_not_closed_is_named_where_it_opened() -> None:
    problem = unreadable("a {\n  b = [1, 2\n")

    assert (problem.code, problem.text) == ("unclosed", "[ opened at 2:7 is not closed")


def test_a_text_is_refused_before_it_is_too_deep_to_read() -> None:
    problem = unreadable("a { b = " + "[" * 5 + "(" * 100_000)
    deep = unreadable("a {" * 33 + "}" * 33)
    fine = parse("a {" * 32 + "}" * 32)

    assert (problem.code, deep.code, deep.text) == ("syntax", "too-deep", "nested deeper than 32")
    assert len(fine.items) == 1


def test_a_text_is_refused_when_it_is_too_long() -> None:
    assert unreadable("#" * ((1 << 20) + 1)).code == "too-long"
    assert unreadable("a = 1 " * 34_000).text == "more than 100000 words"


def of(text: str, code: str) -> Problem:
    found = [problem for problem in compile_text(parse(text)).problems if problem.code == code]
    assert len(found) == 1, compile_text(parse(text)).problems
    return found[0]


def test_a_threshold_of_another_kind_is_told_with_what_to_write() -> None:
    text = changed(FRONTIER, "lab >= 24 h", "lab >= 24 FLOP")

    assert of(text, "wrong-kind").line("frontier.agreement") == (
        "frontier.agreement:32:58: error wrong-kind: task_horizon is a time (min), 24 FLOP is compute; write 24 h"
    )


def test_a_wish_that_another_goes_on_is_told_in_its_own_words() -> None:
    compiled = compile_text(parse(FRONTIER))
    agreement = Agreement(wire.encode(compiled.terms), compiled.terms)
    text = changed(PLEDGE, "alpha keeps pause,", "not alpha keeps pause,")

    found = compile_pledge(parse(text), agreement).problems

    assert [problem.line("beta.pledge") for problem in found] == [
        'beta.pledge:6:36: error not-monotone: "not alpha keeps pause" wants another party to go on. Remove "not".',
        "beta.pledge:6:82: note dormant-clause: delta is not a party; the clause counts as unmet until it accedes.",
    ]


def test_problems_are_listed_as_the_text_is_read_and_each_once() -> None:
    late, early = error("b", "", "two", Span(9, 1, 9, 2)), error("a", "", "one", Span(2, 5, 2, 6))
    nowhere = error("c", "", "three", None)

    assert in_order([nowhere, late, early, late]) == (early, late, nowhere)


def test_other_places_stand_in_brackets_behind_the_text() -> None:
    problem = Problem(
        "never-lifts", Severity.ERROR, "", "after the sunset", "", Span(1, 1, 1, 2), (Span(45, 5, 45, 9),)
    )

    assert problem.line("f") == "f:1:1: error never-lifts: after the sunset (45:5)"
