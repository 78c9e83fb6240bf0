"""One look for texts: every key on its line, short blocks on one, long conditions broken at their commas."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from typing import TYPE_CHECKING, Final

from language import syntax as ast
from language.parse import parse, tokens

if TYPE_CHECKING:
    from lark import Token

    from language.spans import Span

WIDTH: Final = 100
"""Longest line where breaking helps, characters."""
STEP: Final = "  "
GAP: Final = "   "
"""Between the keys of a block on one line."""

_OPENING: Final = {"LSQB", "LPAR", "LBRACE"}
_CLOSING: Final = {"RSQB", "RPAR", "RBRACE"}
_COMMA: Final = "_COMMA"


def fmt(text: str) -> str:
    """The same text in the one layout, words and comments kept. A text in that layout stays as it is.

    Raises:
        Unreadable: the text is no sentence of the language.
    """
    return _Layout(text).lines()


class _Layout:
    def __init__(self, text: str) -> None:
        self._document = parse(text)
        self._tokens = tokens(text)
        self._starts = [(token.line or 1, token.column or 1) for token in self._tokens]
        self._comments = deque(self._document.comments)
        self._lines: list[str] = []
        self._last = 0
        self._fresh = True

    def lines(self) -> str:
        """The text."""
        self._items(self._document.items, "", (1 << 30, 0))
        return "\n".join([*self._lines, ""]) if self._lines else ""

    def _items(self, items: tuple[ast.Item, ...], indent: str, end: tuple[int, int]) -> None:
        for item in items:
            inside = item.head if isinstance(item, ast.Block) else item.span
            self._write_comments((inside.end_line, inside.end_column), indent)
            self._blank(item.span.line)
            if isinstance(item, ast.Entry):
                self._lines += _laid(self._of(item.span), indent, WIDTH)
            else:
                self._block(item, indent)
            self._last, self._fresh = item.span.end_line, False
        self._write_comments(end, indent)

    def _block(self, block: ast.Block, indent: str) -> None:
        if (line := self._on_one_line(block, indent)) is not None:
            self._lines.append(line)
            return
        opening = self._tokens[self._after(block.head)]
        self._lines.append(f"{indent}{_flat(self._of(block.head))} {{")
        self._last, self._fresh = opening.line or 1, True
        self._items(block.items, indent + STEP, (block.span.end_line, block.span.end_column))
        self._lines.append(indent + "}")

    def _on_one_line(self, block: ast.Block, indent: str) -> str | None:
        """The block in one line; None if it holds comments or blocks, or is too long."""
        end = (block.span.end_line, block.span.end_column)
        entries = [item for item in block.items if isinstance(item, ast.Entry)]
        if len(entries) < len(block.items) or (self._comments and _start(self._comments[0].span) < end):
            return None
        inner = GAP.join(_flat(self._of(entry.span)) for entry in entries)
        line = f"{indent}{_flat(self._of(block.head))} {{ {inner} }}" if inner else None
        line = line or f"{indent}{_flat(self._of(block.head))} {{ }}"
        return line if len(line) <= WIDTH else None

    def _write_comments(self, end: tuple[int, int], indent: str) -> None:
        """The comments before a place: behind the last line where they stood there, else on lines of their own."""
        while self._comments and _start(self._comments[0].span) < end:
            comment = self._comments.popleft()
            text = comment.text.rstrip()
            if comment.span.line == self._last and self._lines:
                self._lines[-1] += f"  {text}"
            else:
                self._blank(comment.span.line)
                self._lines.append(indent + text)
                self._last = comment.span.line
            self._fresh = False

    def _blank(self, line: int) -> None:
        if not self._fresh and line > self._last + 1:
            self._lines.append("")

    def _after(self, span: Span) -> int:
        return bisect_left(self._starts, (span.end_line, span.end_column))

    def _of(self, span: Span) -> list[Token]:
        return self._tokens[bisect_left(self._starts, _start(span)) : self._after(span)]


def _start(span: Span) -> tuple[int, int]:
    return span.line, span.column


def _laid(words: list[Token], indent: str, width: int, tail: str = "") -> list[str]:
    """Words in lines: one if they fit, else broken in their longest brackets, part by part."""
    line = indent + _flat(words) + tail
    found = _longest_brackets(words)
    if len(line) <= width or found is None:
        return [line]
    first, last = found
    lines = [indent + _flat(words[: first + 1])]
    parts = _parts(words[first + 1 : last])
    for number, part in enumerate(parts, 1):
        lines += _laid(part, indent + STEP, width, "," if number < len(parts) else "")
    return [*lines, indent + _flat(words[last:]) + tail]


def _longest_brackets(words: list[Token]) -> tuple[int, int] | None:
    """First and last word of the outermost brackets that hold most; None without any."""
    found: tuple[int, int] | None = None
    depth = first = 0
    for number, word in enumerate(words):
        if word.type in _OPENING:
            first = first if depth else number
            depth += 1
        elif word.type in _CLOSING:
            depth -= 1
            if depth == 0 and (found is None or number - first > found[1] - found[0]):
                found = first, number
    return found if found and found[1] > found[0] + 1 else None


def _parts(words: list[Token]) -> list[list[Token]]:
    """Words between the commas of one level; a comma behind the last part is dropped."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for word in words:
        depth += (word.type in _OPENING) - (word.type in _CLOSING)
        if word.type == _COMMA and depth == 0:
            parts.append([])
        else:
            parts[-1].append(word)
    return [part for part in parts if part]


def _flat(words: list[Token]) -> str:
    """Words in one line: no space inside [ ] and ( ), nor before a comma."""
    said = ""
    for number, word in enumerate(words):
        following = words[number + 1] if number + 1 < len(words) else None
        if word.type == _COMMA and following is not None and following.type in _CLOSING:
            continue
        text = word if word.type == "STRING" else " ".join(word.split())
        glued = word.type in {_COMMA, "RSQB", "RPAR"} or said.endswith(("[", "(")) or not said
        said += text if glued else f" {text}"
    return said
