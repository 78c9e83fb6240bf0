"""Text to syntax tree. Reads the grammar beside it; resolves nothing."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Final, Literal, cast

from lark import Lark, Token, UnexpectedInput

from language.characters import hidden
from language.errors import explain, span_of
from language.problem import Unreadable, error
from language.spans import Span
from language.syntax import Comment, Document
from language.tree import Build

if TYPE_CHECKING:
    from language.syntax import Condition, Item

MAX_TEXT: Final = 1 << 20
"""Longest text, characters."""
MAX_TOKENS: Final = 100_000
MAX_NESTING: Final = 32
"""Deepest nesting of brackets of all kinds: the presets need nine."""

_OPENING: Final = {"LBRACE", "LSQB", "LPAR"}
_CLOSING: Final = {"RBRACE", "RSQB", "RPAR"}
_TEXT_OR_COMMENT: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"|(#[^\n]*)')


def parse(text: str) -> Document:
    """The blocks and entries of an agreement or pledge, with its comments.

    Raises:
        Unreadable: the text is no sentence of the language, or larger than the limits of this module.
    """
    items = cast("tuple[Item, ...]", _read(text, "start"))
    return Document(items, tuple(_comments(text)), text)


def parse_condition(text: str) -> Condition:
    """One condition by itself, as explanations and pages print it.

    Raises:
        Unreadable: as :func:`parse`.
    """
    return cast("Condition", _read(text, "condition"))


@cache
def grammar() -> Lark:
    """The parser, built once."""
    source = resources.files("language").joinpath("agreement.lark").read_text(encoding="utf-8")
    return Lark(
        source,
        parser="lalr",
        lexer="contextual",
        propagate_positions=True,
        maybe_placeholders=True,
        start=["start", "condition"],
    )


def tokens(text: str, start: Literal["start", "condition"] = "start") -> list[Token]:
    """The words of a readable text in order, without comments.

    Raises:
        Unreadable: as :func:`parse`.
    """
    return _Reading(text, start).seen


def _read(text: str, start: Literal["start", "condition"]) -> object:
    return Build().read(_Reading(text, start).tree)


class _Reading:
    """One pass of the parser over a text, word by word, so that a mistake is told from the words before it."""

    def __init__(self, text: str, start: Literal["start", "condition"]) -> None:
        if len(text) > MAX_TEXT:
            whole = Span(1, 1, 1, 1)
            raise Unreadable([error("too-long", "", f"{len(text)} characters, at most {MAX_TEXT}", whole)])
        if unseen := list(hidden(text)):
            raise Unreadable(unseen)
        self.seen: list[Token] = []
        self._depth = 0
        parser = grammar().parse_interactive(text, start=start)
        try:
            for token in parser.lexer_thread.lex(parser.parser_state):  # type: ignore[no-untyped-call]
                self._count(token)
                parser.feed_token(token)
            self.tree = parser.feed_eof(self.seen[-1] if self.seen else None)  # type: ignore[no-untyped-call]
        except UnexpectedInput as unexpected:
            raise Unreadable([explain(unexpected, self.seen, text)]) from None

    def _count(self, token: Token) -> None:
        self.seen.append(token)
        self._depth += (token.type in _OPENING) - (token.type in _CLOSING)
        if len(self.seen) > MAX_TOKENS:
            raise Unreadable([error("too-long", "", f"more than {MAX_TOKENS} words", span_of(token))])
        if self._depth > MAX_NESTING:
            raise Unreadable([error("too-deep", "", f"nested deeper than {MAX_NESTING}", span_of(token))])


def _comments(text: str) -> list[Comment]:
    found = []
    line, start = 1, 0
    for match in _TEXT_OR_COMMENT.finditer(text):
        line += text.count("\n", start, match.start())
        start = match.start()
        if match[1] is not None:
            column = start - text.rfind("\n", 0, start)
            found.append(Comment(match[1], Span(line, column, line, column + len(match[1]))))
    return found
