"""From the parser's tree to the nodes of :mod:`language.syntax`. One method a rule of the grammar."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from lark import Transformer, v_args
from lark.exceptions import VisitError

from language import syntax as ast
from language.problem import Unreadable, error
from language.spans import Span

if TYPE_CHECKING:
    from lark import Token, Tree
    from lark.tree import Meta

_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")


@v_args(meta=True)
class Build(Transformer["Token", Any]):
    """Builds nodes from the leaves up. Absent parts come as None."""

    def read(self, tree: Tree[Token]) -> object:
        """The items of a text, or a condition.

        Raises:
            Unreadable: a text in quotation marks has an escape that is none.
        """
        try:
            return self.transform(tree)
        except VisitError as failed:
            if isinstance(failed.orig_exc, Unreadable):
                raise failed.orig_exc from None
            raise

    def start(self, meta: Meta, parts: list[Any]) -> tuple[ast.Item, ...]:
        return tuple(parts)

    def body(self, meta: Meta, parts: list[Any]) -> tuple[ast.Item, ...]:
        return tuple(parts)

    def block(self, meta: Meta, parts: list[Any]) -> ast.Block:
        *head, items = parts
        word, name = _word(head[0]), None if head[1] is None else _name(head[1])
        return ast.Block(word, name, items, word.span.through(name.span if name else word.span), _span(meta))

    def entry(self, meta: Meta, parts: list[Any]) -> ast.Entry:
        return ast.Entry(_word(parts[0]), parts[1], _span(meta))

    def text(self, meta: Meta, parts: list[Any]) -> ast.Text:
        return _text(parts[0])

    def word(self, meta: Meta, parts: list[Any]) -> ast.Word:
        return _word(parts[0])

    def moment(self, meta: Meta, parts: list[Any]) -> ast.Moment:
        return ast.Moment(str(parts[0]), _at(parts[0]))

    def ident(self, meta: Meta, parts: list[Any]) -> ast.Word | ast.Text:
        return _name(parts[0])

    def listed(self, meta: Meta, parts: list[Any]) -> ast.Listed:
        return ast.Listed(tuple(part for part in parts if part is not None), _span(meta))

    def quantity(self, meta: Meta, parts: list[Any]) -> ast.Quantity:
        return ast.Quantity(str(parts[0]), str(parts[1] or ""), _span(meta))

    def amount(self, meta: Meta, parts: list[Any]) -> ast.Amount:
        quantity, of, per, after, ceiling = parts
        return ast.Amount(quantity, of, per, after, ceiling, _span(meta))

    def all_of(self, meta: Meta, parts: list[Any]) -> ast.All:
        return ast.All(_parts(parts), _span(meta))

    def any_of(self, meta: Meta, parts: list[Any]) -> ast.Any:
        return ast.Any(_parts(parts), _span(meta))

    def at_least_of(self, meta: Meta, parts: list[Any]) -> ast.AtLeast:
        return ast.AtLeast(parts[0], _parts(parts[1:]), _span(meta))

    def negation(self, meta: Meta, parts: list[Any]) -> ast.Not:
        return ast.Not(parts[0], _span(meta))

    def moves(self, meta: Meta, parts: list[Any]) -> ast.Moves:
        word, share, every, limit = parts
        return ast.Moves(word == "falling", share, every, limit, _span(meta))

    def reading(self, meta: Meta, parts: list[Any]) -> ast.Reading:
        indicator, group, sign, threshold, moves = parts
        return ast.Reading(indicator, group, str(sign), threshold, moves, _span(meta))

    def overdue(self, meta: Meta, parts: list[Any]) -> ast.Overdue:
        indicator, group, lasting = parts
        return ast.Overdue(indicator, group, lasting, _span(meta))

    def trend(self, meta: Meta, parts: list[Any]) -> ast.Trend:
        indicator, group, over, sign, limit = parts
        return ast.Trend(indicator, group, over, str(sign), limit, _span(meta))

    def keeps(self, meta: Meta, parts: list[Any]) -> ast.Keeps:
        group, level, lasting = parts
        return ast.Keeps(group, level, lasting, _span(meta))

    def is_(self, meta: Meta, parts: list[Any]) -> ast.Is:
        return ast.Is(parts[0], _word(parts[1]), parts[2], _span(meta))

    def since(self, meta: Meta, parts: list[Any]) -> ast.Since:
        clock, level, sign, lasting = parts
        return ast.Since(_word(clock), level, str(sign), lasting, _span(meta))

    def motion(self, meta: Meta, parts: list[Any]) -> ast.Motion:
        rule, level, asked = parts
        return ast.Motion(rule, level, asked and _text(asked), _span(meta))

    def event(self, meta: Meta, parts: list[Any]) -> ast.Event:
        name, level, whenever, reporters, lasting = parts
        return ast.Event(name, level, whenever is not None, reporters, lasting, _span(meta))

    def always(self, meta: Meta, parts: list[Any]) -> ast.Constant:
        return ast.Constant(value=True, span=_span(meta))

    def never(self, meta: Meta, parts: list[Any]) -> ast.Constant:
        return ast.Constant(value=False, span=_span(meta))

    def one(self, meta: Meta, parts: list[Any]) -> ast.One:
        return ast.One(parts[0], _span(meta))

    def any_role(self, meta: Meta, parts: list[Any]) -> ast.Some:
        return ast.Some(None, _word(parts[0]), (), _span(meta))

    def every_role(self, meta: Meta, parts: list[Any]) -> ast.Every:
        return ast.Every(_word(parts[0]), (), _span(meta))

    def every_named(self, meta: Meta, parts: list[Any]) -> ast.Every:
        return ast.Every(None, _parts(parts), _span(meta))

    def some_role(self, meta: Meta, parts: list[Any]) -> ast.Some:
        return ast.Some(parts[0], _word(parts[1]), (), _span(meta))

    def some_named(self, meta: Meta, parts: list[Any]) -> ast.Some:
        return ast.Some(parts[0], None, _parts(parts[1:]), _span(meta))

    def weighted(self, meta: Meta, parts: list[Any]) -> ast.Weighted:
        return ast.Weighted(parts[0], _parts(parts[1:]), _span(meta))

    def weight(self, meta: Meta, parts: list[Any]) -> tuple[ast.Quantity, ast.Word | ast.Text]:
        return parts[0], parts[1]


def _parts(parts: list[Any]) -> tuple[Any, ...]:
    return tuple(part for part in parts if part is not None)


def _word(token: Token) -> ast.Word:
    return ast.Word(str(token), _at(token))


def _name(token: Token) -> ast.Word | ast.Text:
    return _text(token) if token.type == "STRING" else _word(token)


def _text(token: Token) -> ast.Text:
    try:
        said = json.loads(token, strict=False)
    except json.JSONDecodeError as failed:
        span = _at(token)
        raise Unreadable([error("syntax", "", f"{failed.msg.lower()} in a text", span, 'write \\" and \\\\')]) from None
    if _SURROGATE.search(said):
        raise Unreadable([error("syntax", "", "half a character in a text", _at(token), "write the character itself")])
    return ast.Text(said, _at(token))


def _span(meta: Meta) -> Span:
    return Span(meta.line, meta.column, meta.end_line, meta.end_column)


def _at(token: Token) -> Span:
    line, column = token.line or 1, token.column or 1
    return Span(line, column, token.end_line or line, token.end_column or column + len(token))
