"""What to say of a text that is no sentence: chosen from the last words read and from what could have followed."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Final

from lark import Token, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from language.characters import called
from language.problem import Problem, error
from language.spans import Span
from language.units import UNIT_ALIASES, UNITS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

CLOCKS: Final = ("entry", "winding", "in_force", "opened", "called")
"""Words that begin a clock after `since`."""

_BRACKETS: Final = {"LBRACE": "{", "LSQB": "[", "LPAR": "("}
_CLOSING: Final = {"RBRACE", "RSQB", "RPAR"}
_SHOWN: Final = {
    "NAME": "a name",
    "STRING": 'a text in "..."',
    "NUMBER": "a number",
    "UNIT": "a unit",
    "MOMENT": "a date",
    "EQUAL": "=",
    "LBRACE": "{",
    "RBRACE": "}",
    "LSQB": "[",
    "RSQB": "]",
    "LPAR": "(",
    "RPAR": ")",
    "CMP": "<, <=, > or >=",
    "MOVES": "falling",
    "KEEP_BLOCK": "keep",
    "_AT_LEAST": "at least",
    "_DOUBLING_OF": "doubling of",
    "_REPORTED_BY": "reported by",
    "_COMMA": ",",
    "$END": "the end",
}
_SHOWN_AT_MOST: Final = 6
_DIGITS: Final = re.compile("[0-9]+")
_THOUSANDS: Final = 3
"""Digits of a group, behind a comma that is none of decimals."""
_NEGATIVE: Final = re.compile(r"[eE]-[0-9]+")
_WRITTEN: Final = {
    "^": "powers of ten are written 1e24",
    ":": "a key and its value are joined by =",
    ";": "entries need nothing between them; leave it out",
    "-": "numbers have no sign",
    "/": "a date is 2027-01-03 or 2027-01-03T00:00Z",
    "'": 'texts stand in "..."',
    "!": "what is not so is: not ...",
    "&": "write and",
    "|": "write or",
    "\N{LEFT DOUBLE QUOTATION MARK}": 'texts stand in "..."',
    "\N{RIGHT DOUBLE QUOTATION MARK}": 'texts stand in "..."',
    "\N{DOUBLE LOW-9 QUOTATION MARK}": 'texts stand in "..."',
    "\N{GREATER-THAN OR EQUAL TO}": "write >=",
    "\N{LESS-THAN OR EQUAL TO}": "write <=",
    "\N{EN DASH}": "write -",
    "\N{EM DASH}": "write -",
    "\N{NON-BREAKING HYPHEN}": "write -",
    "\N{MINUS SIGN}": "numbers have no sign",
}
"""What to write instead of characters that people bring along."""


def explain(unexpected: UnexpectedInput, seen: Sequence[Token], text: str) -> Problem:
    """The problem of the first word that fits nowhere.

    Args:
        unexpected: what the parser raised.
        seen: the words read so far, the one that does not fit last if it was read.
        text: the whole text.
    """
    if isinstance(unexpected, UnexpectedCharacters):
        return _character(unexpected, text)
    if not isinstance(unexpected, UnexpectedToken):
        raise TypeError(type(unexpected))
    bad = unexpected.token
    before = [token for token in seen if token is not bad]
    wanted: Collection[str] = {*(unexpected.accepts or unexpected.expected)}
    if problem := _comma(before, bad, text):
        return problem
    for rule in (_end, _exponent, _compared, _unit, _comparison, _group):
        if problem := rule(before, bad):
            return problem
    return _equals(before, bad, wanted) or _expected(bad, wanted)


def span_of(token: Token) -> Span:
    """Where a word stands."""
    line, column = token.line or 1, token.column or 1
    return Span(line, column, token.end_line or line, token.end_column or column + len(token))


def near(word: str, known: Iterable[str]) -> str:
    """The known word that was probably meant; empty if none is near."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else ""


def meant(word: str, known: Iterable[str]) -> str:
    """A question after the known word that is near; empty if none is."""
    found = near(word, known)
    return f"Did you mean {found}?" if found else ""


def _character(unexpected: UnexpectedCharacters, text: str) -> Problem:
    span = Span(unexpected.line, unexpected.column, unexpected.line, unexpected.column + 1)
    letter = text.split("\n")[unexpected.line - 1][unexpected.column - 1]
    if letter == '"':
        return error("syntax", "", "a text in quotation marks that does not end on its line", span, 'close it with "')
    if not letter.isascii():
        text = f"{letter!r}, {called(letter)}, stands for nothing here"
        remedy = _WRITTEN.get(letter) or "names are written in a-z, 0-9, - and _"
        return error("syntax", "", text, span, remedy)
    return error("syntax", "", f"{letter!r} stands for nothing here", span, _WRITTEN.get(letter, ""))


def _end(before: Sequence[Token], bad: Token) -> Problem | None:
    if bad.type != "$END":
        return None
    open_ones: list[Token] = []
    for token in before:
        if token.type in _BRACKETS:
            open_ones.append(token)
        elif token.type in _CLOSING and open_ones:
            open_ones.pop()
    if not open_ones:
        return None
    last = span_of(before[-1])
    end = Span(last.end_line, last.end_column, last.end_line, last.end_column + 1)
    opened = open_ones[-1]
    return error("unclosed", "", f"{opened} opened at {span_of(opened)} is not closed", end)


def _comma(before: Sequence[Token], bad: Token, text: str) -> Problem | None:
    if bad.type != "_COMMA" or not before or before[-1].type != "NUMBER" or not before[-1].isdigit():
        return None
    number, after = before[-1], _DIGITS.match(text, bad.end_pos or 0)
    if after and len(after[0]) != _THOUSANDS:
        remedy = f"write {number}.{after[0]}, not {number},{after[0]}"
    else:
        remedy = f"write {number}_000, not {number},000"
    return error("number-comma", "", "a comma ends a number", span_of(bad), remedy)


def _exponent(before: Sequence[Token], bad: Token) -> Problem | None:
    """`2e-3`: the exponent is read as a name, and what follows it as another."""
    for number, power in ((-2, -1), (-3, -2)):
        kinds = [token.type for token in before[number : power + 1 or None]]
        if kinds == ["NUMBER", "NAME"] and _NEGATIVE.fullmatch(before[power]):
            span = span_of(before[number]).through(span_of(before[power]))
            text = f"{before[number]}{before[power]}: no number has a negative exponent"
            return error("syntax", "", text, span, "write it out, or in a smaller unit")
    return None


def _compared(before: Sequence[Token], bad: Token) -> Problem | None:
    """`=`, `==` and `=>` where a comparison is meant: behind the group of a reading, or behind a clock."""
    kinds = [token.type for token in before[-3:]]
    behind = kinds[-2:] in (["ANY", "NAME"], ["ALL", "NAME"], ["SINCE", "NAME"]) or kinds == ["NAME", "OF", "NAME"]
    if bad.type != "EQUAL" or not behind:
        return None
    return error("syntax", "", f"expected <, <=, > or >=, found {bad}", span_of(bad), "write >= for from there on")


def _unit(before: Sequence[Token], bad: Token) -> Problem | None:
    kinds = [token.type for token in before[-3:]]
    if bad.type == "NAME" and kinds[-1:] == ["NUMBER"]:
        word = bad
    elif kinds[-2:] == ["NUMBER", "NAME"] and bad.type != "EQUAL":
        word = before[-1]
    elif kinds[:2] == ["NUMBER", "NAME"] and len(kinds) == 3 and bad.type == "EQUAL":
        word = before[-2]
    else:
        return None
    unit = UNIT_ALIASES.get(word.lower()) or near(word, UNITS)
    if not unit and bad.type in {"NUMBER", "NAME", "STRING"}:
        return None
    remedy = f"Did you mean {unit}?" if unit else f"Units are {' '.join(UNITS)}"
    return error("unknown-unit", "", f"{word}.", span_of(word), remedy)


def _comparison(before: Sequence[Token], bad: Token) -> Problem | None:
    if bad.type != "CMP" or not before or before[-1].type != "NAME":
        return None
    if before[-1] in CLOCKS:
        remedy = f"a clock is: since {before[-1]} {bad} 60 d"
        return error("syntax", "", "expected keep, is or of", span_of(bad), remedy)
    return error("syntax", "", "a reading names whose", span_of(bad), f"write {before[-1]} of any lab {bad} 24 h")


def _group(before: Sequence[Token], bad: Token) -> Problem | None:
    kinds = [token.type for token in before[-3:]]
    if kinds[-1:] in (["ALL"], ["ANY"]) or (kinds[-1:] == ["OF"] and kinds[:1] == ["_AT_LEAST"]):
        return error("syntax", "", "expected [ with conditions, or a role such as lab", span_of(bad))
    return None


def _equals(before: Sequence[Token], bad: Token, wanted: Collection[str]) -> Problem | None:
    if bad.type == "$END" and len(before) == 1:
        return error("missing-block", "", 'no agreement "NAME" { ... } and no pledge { ... }', span_of(before[0]))
    if before and before[-1].type == "NAME" and "EQUAL" in wanted:
        return error("missing-equals", "", f"after {before[-1]} expected =", span_of(bad))
    if [token.type for token in before[-2:]] == ["NAME", "NAME"] and "LBRACE" in wanted:
        return error("missing-equals", "", f"after {before[-2]} expected =", span_of(before[-1]))
    return None


def _expected(bad: Token, wanted: Collection[str]) -> Problem:
    names = sorted({_SHOWN.get(one, one.lower().lstrip("_")) for one in wanted})
    if len(names) > _SHOWN_AT_MOST:
        names = [*names[:_SHOWN_AT_MOST], "..."]
    found = "the end" if bad.type == "$END" else f"{bad}"
    said = " or ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
    return error("syntax", "", f"expected {said}, found {found}", span_of(bad))
