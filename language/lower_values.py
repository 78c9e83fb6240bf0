"""Values of keys that need nothing but themselves, by kind. The others stand in `lower_special` and `lower_caps`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from language import syntax as ast
from language.context import Context, put
from language.errors import meant
from language.keys import Key, Kind
from language.names import known
from language.problem import Unfit, error
from language.units import Dimension, exact, measure, seconds, unit_of, whole, wrong_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from google.protobuf.message import Message

    Handler = Callable[[Context, Key, Message, ast.Value], None]

A_TEXT: Final = 'a text in "..."'
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
T = TypeVar("T")
_SHAPES: Final[Mapping[type, str]] = {
    ast.Word: "a word",
    ast.Text: "a text",
    ast.Moment: "a date",
    ast.Amount: "a number",
    ast.Listed: "a list",
}


def unfit(subject: str, wanted: str, value: ast.Value) -> Unfit:
    """`late is a time, a list stands here`."""
    found = _SHAPES.get(type(value), "a condition")
    remedy = f'write "{value.text}"' if wanted == A_TEXT and isinstance(value, ast.Word) else ""
    return Unfit(error("wrong-kind", "", f"{subject} is {wanted}, and this is {found}", value.span, remedy))


def plain(subject: str, wanted: str, value: ast.Value) -> ast.Quantity:
    """A quantity by itself.

    Raises:
        Unfit: anything else.
    """
    if not isinstance(value, ast.Amount) or value.of or value.per or value.after or value.ceiling:
        raise unfit(subject, wanted, value)
    return value.quantity


def items(value: ast.Value) -> tuple[ast.Value, ...]:
    """The items of a list; a value by itself is a list of one."""
    return value.items if isinstance(value, ast.Listed) else (value,)


def name(subject: str, value: ast.Value) -> ast.Name:
    """A name, in quotation marks or not.

    Raises:
        Unfit: anything else.
    """
    if not isinstance(value, ast.Word | ast.Text):
        raise unfit(subject, "a name", value)
    return value


def text(subject: str, value: ast.Value) -> str:
    """A text in quotation marks.

    Raises:
        Unfit: anything else.
    """
    if not isinstance(value, ast.Text):
        raise unfit(subject, A_TEXT, value)
    return value.text


def word(subject: str, words: Mapping[str, int], value: ast.Value) -> int:
    """A word of a closed list; its plural will do.

    Raises:
        Unfit: `unknown-word`, with the one that is near.
    """
    if not isinstance(value, ast.Word):
        raise unfit(subject, " or ".join(words), value)
    said = value.text if value.text in words else value.text.removesuffix("s")
    if said not in words:
        found = f"{subject} is {' or '.join(words)}, not {value.text}."
        raise Unfit(error("unknown-word", "", found, value.span, meant(value.text, words)))
    return words[said]


def each_once(subject: str, values: list[T], value: ast.Value) -> list[T]:
    """The same list, if nothing is in it twice.

    Raises:
        Unfit: `twice`.
    """
    for number, one in enumerate(values):
        if one in values[:number]:
            item = items(value)[number]
            said = f"{item.text} " if isinstance(item, ast.Word | ast.Text) else ""
            raise Unfit(error("twice", "", f"{subject} lists {said}twice", item.span, "remove one"))
    return values


def moment(value: ast.Moment) -> int:
    """Unix seconds of a date (its first second) or time.

    Raises:
        Unfit: no such day, or before 1970.
    """
    try:
        read = datetime.fromisoformat(value.text)
    except ValueError:
        raise Unfit(error("wrong-kind", "", f"there is no {value.text}", value.span)) from None
    if read.year < _EPOCH.year:
        raise Unfit(error("out-of-range", "", f"times are counted from {_EPOCH.year} on", value.span))
    return (read.replace(tzinfo=UTC) - _EPOCH) // timedelta(seconds=1)


def time(subject: str, value: ast.Value) -> int:
    """Unix seconds of a moment, or seconds since 1970 with their unit.

    Raises:
        Unfit: anything else.
    """
    if isinstance(value, ast.Moment):
        return moment(value)
    quantity = plain(subject, "a date such as 2027-01-03T00:00Z", value)
    return whole(quantity, seconds(quantity, subject), "seconds")


def hexadecimal(subject: str, value: ast.Value) -> bytes:
    """Bytes in hexadecimal digits.

    Raises:
        Unfit: anything else.
    """
    try:
        return bytes.fromhex(text(subject, value))
    except ValueError:
        raise Unfit(error("wrong-kind", "", f"{subject} is hexadecimal digits", value.span)) from None


def names_known(context: Context, what: str) -> frozenset[str] | Mapping[str, int]:
    """The names that things of this sort have."""
    names = context.names
    return {"rule": names.rules, "party": names.parties, "lab": names.labs, "level": frozenset(names.levels)}[what]


def _measured(dimension: Dimension) -> Handler:
    def handle(context: Context, key: Key, message: Message, value: ast.Value) -> None:
        quantity = plain(key.name, dimension, value)
        put(message, key.field, measure(quantity, dimension, key.name, context.units), value.span)

    return handle


def _span(context: Context, key: Key, message: Message, value: ast.Value) -> None:
    quantity = plain(key.name, Dimension.TIME, value)
    legal = key.kind is Kind.LONG_SPAN
    put(message, key.field, context.periods(quantity, key.name, legal=legal), value.span)


def _seconds(context: Context, key: Key, message: Message, value: ast.Value) -> None:
    quantity = plain(key.name, Dimension.TIME, value)
    put(message, key.field, whole(quantity, seconds(quantity, key.name), "seconds"), value.span)


def _milli(context: Context, key: Key, message: Message, value: ast.Value) -> None:
    quantity = plain(key.name, "a number such as 1.1", value)
    if (found := unit_of(quantity, context.units).dimension) is not Dimension.COUNT:
        raise wrong_kind(f"{key.name} is {Dimension.COUNT}", Dimension.COUNT, quantity, found)
    milli = whole(quantity, exact(quantity.number, quantity.span) * 1_000, "thousandths")
    put(message, key.field, milli, value.span)


def _time(context: Context, key: Key, message: Message, value: ast.Value) -> None:
    put(message, key.field, time(key.name, value), value.span)


def _period(context: Context, key: Key, message: Message, value: ast.Value) -> None:
    put(message, key.field, period(context, key.name, value), value.span)


def period(context: Context, subject: str, value: ast.Value) -> int:
    """The first period that begins at a moment or later; or a number of `periods`.

    Raises:
        Unfit: anything else, or before the agreement starts.
    """
    if not isinstance(value, ast.Moment):
        return context.periods(plain(subject, "a date", value), subject)
    found = -(-(moment(value) - context.start) // context.period)
    if found < 0:
        raise Unfit(error("out-of-range", "", f"{value.text} is before the agreement starts", value.span))
    return found


def _string(context: Context, key: Key, message: Message, value: ast.Value) -> None:
    put(message, key.field, text(key.name, value), value.span)


def _strings(context: Context, key: Key, message: Message, value: ast.Value) -> None:
    said = [name(key.name, item).text for item in items(value)]
    put(message, key.field, said, value.span)


def _name(context: Context, key: Key, message: Message, value: ast.Value) -> None:
    put(message, key.field, known(name(key.name, value), names_known(context, key.of), key.of), value.span)


def _names(context: Context, key: Key, message: Message, value: ast.Value) -> None:
    wanted = names_known(context, key.of)
    each_once(key.name, [name(key.name, item).text for item in items(value)], value)
    for item in items(value):
        try:
            put(message, key.field, [known(name(key.name, item), wanted, key.of)], item.span)
        except Unfit as unfit:
            context.report(unfit.problem)


def _word(context: Context, key: Key, message: Message, value: ast.Value) -> None:
    found = word(key.name, key.words, value)
    flag = set(key.words.values()) <= {0, 1} and isinstance(getattr(message, key.field), bool)
    put(message, key.field, bool(found) if flag else found, value.span)


def _words(context: Context, key: Key, message: Message, value: ast.Value) -> None:
    found = [word(key.name, key.words, item) for item in items(value)]
    put(message, key.field, each_once(key.name, found, value), value.span)


def _hex(context: Context, key: Key, message: Message, value: ast.Value) -> None:
    put(message, key.field, hexadecimal(key.name, value), value.span)


HANDLERS: Final[Mapping[Kind, Handler]] = {
    Kind.CHIPS: _measured(Dimension.CHIPS),
    Kind.CHIP_TIME: _measured(Dimension.CHIP_TIME),
    Kind.FLOP: _measured(Dimension.COMPUTE),
    Kind.FLOP_LIMIT: _measured(Dimension.COMPUTE),
    Kind.HEX: _hex,
    Kind.LONG_SPAN: _span,
    Kind.MILLI: _milli,
    Kind.NAME: _name,
    Kind.NAMES: _names,
    Kind.PERIOD: _period,
    Kind.POWER: _measured(Dimension.POWER),
    Kind.RATE: _measured(Dimension.RATE),
    Kind.SECONDS: _seconds,
    Kind.SHARE: _measured(Dimension.SHARE),
    Kind.SPAN: _span,
    Kind.STRING: _string,
    Kind.STRINGS: _strings,
    Kind.TIME: _time,
    Kind.WHOLE: _measured(Dimension.COUNT),
    Kind.WORD: _word,
    Kind.WORDS: _words,
}
