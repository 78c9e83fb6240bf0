"""Text to terms. The key table drives it: a key or block that is not there cannot be said."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final

from language import syntax as ast
from language.chips import PRESET_TABLE
from language.context import NOTHING, Context, Materials, put
from language.errors import meant
from language.keys import BLOCKS, CITE, CITED, KEYS, RETIRED, Block, Key, Kind, blocks_in, keys_of
from language.lower_caps import cap
from language.lower_special import ALL_HANDLERS
from language.lower_values import hexadecimal, moment, plain, text
from language.lower_values import name as value_name
from language.names import collect, known, name_of, span_of
from language.parse import parse
from language.problem import Problem, Unfit, error, in_order, too_large
from language.spans import Span
from language.units import UNITS, Dimension, Unit, measure, seconds
from protocol.agreement_limits import NAME
from protocol.wire import encode
from standstill.v1 import agreement_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from google.protobuf.message import Message

_WITHOUT_FIELD: Final = {Kind.PENDING, Kind.VOTERS}
"""Kinds that mean something though they have no field."""
_DEFAULT_PERIOD: Final = 3_600
_IN_PATHS: Final = {"party", "indicator", "level", "rule", "exempt", "cap"}
"""Blocks whose names the protocol restricts (agreement 1)."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """What a text becomes.

    Attributes:
        terms: as far as they could be lowered; complete where there is no error among the problems.
        places: where each field is said, by dotted path.
        problems: in the order of the text.
        pending: parties whose keys are not known.
    """

    terms: pb.Agreement
    places: Mapping[str, Span] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    pending: tuple[str, ...] = ()

    @property
    def data(self) -> bytes:
        """The bytes that are signed, of terms without errors and with all keys."""
        return encode(self.terms)


def compile_text(document: ast.Document, materials: Materials = NOTHING) -> Compiled:
    """The terms that a text says, with everything that is wrong about it. Total: never raises.

    Args:
        document: a parsed text with one `agreement` block.
        materials: descriptors of parties and tables of accelerators that the text refers to.
    """
    found = [item for item in document.items if isinstance(item, ast.Block) and item.word.text == "agreement"]
    strays = [item for item in document.items if item not in found[:1]]
    problems = [error("misplaced-block", "", "a text is one agreement { ... }", stray.span) for stray in strays]
    if not found:
        where = problems[0].span if problems else Span(1, 1, 1, 1)
        return Compiled(pb.Agreement(), problems=(error("missing-block", "", 'no agreement "NAME" { ... }', where),))
    if wrong := _period_problem(found[0]):
        # Every other span is counted in it.
        return Compiled(pb.Agreement(), problems=(wrong,))
    context = _context(document, found[0], materials)
    context.problems.extend(problems)
    if found[0].name is None:
        context.report(error("missing-name", "", 'an agreement has a name: agreement "NAME" { ... }', found[0].head))
    context.terms.name = name_of(found[0])
    fill(context, BLOCKS["agreement"], found[0], context.terms)
    for clause, source in context.citations:
        context.terms.citations.add(clause=clause, source=source)
    return Compiled(context.terms, context.places, in_order(context.problems), tuple(dict.fromkeys(context.pending)))


def _period_problem(block: ast.Block) -> Problem | None:
    """What is wrong with the length of a period, where that is a time at all."""
    length = _early(
        block, "period", lambda value: int(seconds(plain("period", Dimension.TIME, value), "period")), _DEFAULT_PERIOD
    )
    if length > 0:
        return None
    said = next(item for item in block.items if isinstance(item, ast.Entry) and item.key.text == "period")
    return error("out-of-range", "period", "a period has a length", said.value.span, "write period = 1 h")


def _context(document: ast.Document, block: ast.Block, materials: Materials) -> Context:
    """Names, and the few values that others are counted in. What does not fit here is reported when it is lowered."""
    start = _early(block, "start", lambda value: moment(value) if isinstance(value, ast.Moment) else 0, 0)
    period = _early(
        block, "period", lambda value: int(seconds(plain("period", Dimension.TIME, value), "period")), _DEFAULT_PERIOD
    )
    units = dict(_units(block))
    return Context(document, collect(block), units, max(1, period), start, materials, pb.Agreement())


def _early(block: ast.Block, key: str, read: Callable[[ast.Value], int], otherwise: int) -> int:
    for item in block.items:
        if isinstance(item, ast.Entry) and item.key.text == key:
            try:
                return read(item.value)
            except Unfit:
                return otherwise
    return otherwise


def _units(block: ast.Block) -> Iterator[tuple[str, Unit]]:
    for item in block.items:
        if isinstance(item, ast.Block) and item.word.text == "unit":
            rate = _early(
                item, "equals", lambda value: measure(plain("", "", value), Dimension.RATE, "equals", UNITS), 0
            )
            yield name_of(item), Unit(Dimension.RATE, UNITS["GFLOP/s"].per * rate)


def fill(context: Context, block: Block, node: ast.Block, message: Message) -> None:
    """Lower the keys and blocks of a block into its message, in the order of the table."""
    given = _given(context, block, node)
    for key in keys_of(block.word):
        if key.field or key.kind in _WITHOUT_FIELD:
            _key(context, key, node, message, given.get(key.name))
    _cite(context, given.get(CITE))
    for child in blocks_in(block.word):
        _children(context, child, node, message)
    if block.word in _AFTER:
        _AFTER[block.word](context, message, given)


def _given(context: Context, block: Block, node: ast.Block) -> dict[str, ast.Entry]:
    """Entries by key; reports keys and blocks that are unknown, misplaced or said twice."""
    given: dict[str, ast.Entry] = {}
    allowed = [child.word for child in blocks_in(block.word)]
    for item in node.items:
        word = item.word if isinstance(item, ast.Block) else item.key
        if remedy := RETIRED.get((block.word, word.text)):
            context.report(error("retired", "", f"{word.text} is no longer written", word.span, remedy))
        elif isinstance(item, ast.Block):
            if word.text not in allowed:
                _unknown_block(context, block, word, allowed)
        elif (block.word, word.text) not in KEYS and (word.text != CITE or block.word not in CITED):
            keys = [key.name for key in keys_of(block.word)]
            text = f"{block.word} has no key {word.text}."
            context.report(error("unknown-key", "", text, word.span, meant(word.text, keys)))
        elif word.text in given:
            context.report(error("twice", "", f"{word.text} is said twice", word.span, "remove one"))
        else:
            given[word.text] = item
    return given


def _unknown_block(context: Context, block: Block, word: ast.Word, allowed: list[str]) -> None:
    if word.text in BLOCKS:
        parents = " or ".join(parent or "the text" for parent in BLOCKS[word.text].parents) or "the text itself"
        text = f"{word.text} stands in {parents}, not in {block.word}"
        context.report(error("misplaced-block", "", text, word.span))
    else:
        text = f"{block.word} has no block {word.text}."
        context.report(error("unknown-key", "", text, word.span, meant(word.text, allowed)))


def _key(context: Context, key: Key, node: ast.Block, message: Message, entry: ast.Entry | None) -> None:
    if entry is None and key.required:
        text = f"{key.block} needs {key.name}: {key.help}"
        context.report(error("missing-key", "", text, node.head))
    value = entry.value if entry else _default(key.name, key.default)
    if value is None:
        return
    if entry and key.field:
        context.places[context.at(key.name if key.block == "caps" else key.field)] = entry.value.span
    try:
        if key.block == "caps" and isinstance(message, pb.Level):
            cap(context, key, message, value)
        else:
            ALL_HANDLERS[key.kind](context, key, message, value)
    except Unfit as unfit:
        context.report(unfit.problem)
    except ValueError:
        context.report(too_large(value.span))


@cache
def _default(name: str, said: str) -> ast.Value | None:
    if not said:
        return None
    item = parse(f"{name} = {said}").items[0]
    return item.value if isinstance(item, ast.Entry) else None


def _cite(context: Context, entry: ast.Entry | None) -> None:
    if entry is None:
        return
    try:
        context.citations.append((context.clause, text(CITE, entry.value)))
    except Unfit as unfit:
        context.report(unfit.problem)


def _children(context: Context, child: Block, node: ast.Block, message: Message) -> None:
    found = [item for item in node.items if isinstance(item, ast.Block) and item.word.text == child.word]
    if not found and child.implied:
        found = [ast.Block(ast.Word(child.word, node.word.span), None, (), node.head, node.span)]
    seen: set[str] = set()
    for one in found:
        name = name_of(one)
        if (name in seen if child.named else seen) and (child.named or not child.many) and child.word != "citation":
            context.report(error("twice", "", f"{child.word} {name}".strip() + " stands twice", one.head))
            continue
        if child.named or not child.many:
            seen.add(name)
        if not child.many and len(seen) > 1:
            context.report(error("twice", "", f"one {child.word} at most", one.head))
            continue
        _child(context, child, one, message)


def _child(context: Context, child: Block, node: ast.Block, message: Message) -> None:
    name = name_of(node)
    if (node.name is not None) != bool(child.named):
        text = f"{child.word} {'needs a name' if child.named else 'has no name'}"
        context.report(error("missing-name" if child.named else "syntax", "", text, span_of(node)))
        if child.named:
            return
    before = context.clause, context.path
    inside = f"{child.word} {name}".strip()
    context.clause = f"{before[0]}.{inside}" if before[0] else inside
    context.path = context.at(".".join(part for part in (child.field, name if child.many else "") if part))
    try:
        _lower_child(context, child, node, message)
    except Unfit as unfit:
        context.report(unfit.problem)
    finally:
        context.clause, context.path = before


def _lower_child(context: Context, child: Block, node: ast.Block, message: Message) -> None:
    if child.word == "caps" and isinstance(message, pb.Level):
        _caps(context, child, node, message)
        return
    if child.message is None:
        fill(context, child, node, pb.Agreement())
        return
    target = _target(context, child, node, message)
    context.places[context.path] = node.head
    if child.named and node.name is not None:
        put(target, child.named, _block_name(context, child, node.name), node.name.span)
    if child.word == "level":
        context.own_level = context.names.levels[name_of(node)]
    fill(context, child, node, target)
    if child.word == "level":
        context.own_level = 0


def _block_name(context: Context, child: Block, name: ast.Name) -> str | bytes | int:
    if child.word == "site":
        return hexadecimal("a site", ast.Text(name.text, name.span))
    if child.word in _IN_PATHS and not NAME.fullmatch(name.text):
        text = f"{name.text!r} is no name: it stands in paths and file names"
        context.report(error("name-malformed", "", text, name.span, "write a-z, 0-9, and - or _ within"))
    if child.word == "keep":
        context.own_level = context.names.levels[known(name, context.names.levels, "level")]
        return context.own_level
    return name.text


def _target(context: Context, child: Block, node: ast.Block, message: Message) -> Message:
    """The message that a block fills: a new one of a list, a part of the message around, or that itself."""
    if not child.field:
        return message
    if child.word == "brake" and isinstance(message, pb.Agreement):
        message = _braked_level(context, node, message)
    if isinstance(message, pb.Exemption):
        return message.cap
    inner = getattr(message, child.field)
    if child.many:
        return inner.add()  # type: ignore[no-any-return]
    inner.SetInParent()
    return inner  # type: ignore[no-any-return]


def _braked_level(context: Context, node: ast.Block, terms: pb.Agreement) -> pb.Level:
    said = next((i.value for i in node.items if isinstance(i, ast.Entry) and i.key.text == "level"), None)
    if said is None:
        raise Unfit(error("missing-key", "", "brake needs level, or stands in one", node.head))
    name = known(value_name("level", said), context.names.levels, "level")
    context.path = f"levels.{name}.brake"
    return next(level for level in terms.levels if level.name == name)


def _caps(context: Context, child: Block, node: ast.Block, level: pb.Level) -> None:
    """Caps in the order of the text, whichever way each is written."""
    given = _given(context, child, node)
    for item in node.items:
        if isinstance(item, ast.Entry) and given.get(item.key.text) is item:
            _key(context, KEYS["caps", item.key.text], node, level, item)
        elif isinstance(item, ast.Block) and item.word.text == "cap":
            context.path = context.path.removesuffix(".caps")
            _child(context, BLOCKS["cap"], item, level)


def _after_agreement(context: Context, message: Message, given: Mapping[str, ast.Entry]) -> None:
    if "chip_table" not in given and not context.terms.chips:
        context.terms.chips.extend(PRESET_TABLE)


def _after_indicator(context: Context, message: Message, given: Mapping[str, ast.Entry]) -> None:
    """A reading needs one report, and one more that confirms it where somebody is to confirm."""
    if not isinstance(message, pb.Indicator):
        raise TypeError(type(message))
    if "confirmations" not in given and message.confirmed_by:
        message.confirmations = 1
    if "reports" not in given:
        message.reports = 1 + message.confirmations


def _after_level(context: Context, message: Message, given: Mapping[str, ast.Entry]) -> None:
    if not isinstance(message, pb.Level):
        raise TypeError(type(message))
    if "rank" not in given:
        message.rank = context.own_level
    elif not message.rank and not any(one.span == given["rank"].value.span for one in context.problems):
        remedy = "rank levels 1, 2, 3 from the mildest on"
        context.report(error("out-of-range", "", "0 is the rank of no level", given["rank"].value.span, remedy))


def _after_party(context: Context, message: Message, given: Mapping[str, ast.Entry]) -> None:
    """Seats whose keys are still to come take those of the descriptor, in order."""
    if not isinstance(message, pb.Party):
        raise TypeError(type(message))
    described = context.materials.parties.get(message.name, pb.Party())
    keys = {group.name: [seat.public_key for seat in group.seats] for group in described.seats}
    for group in message.seats:
        open_seats = [seat for seat in group.seats if not seat.public_key and not seat.held_by]
        for seat, key in zip(open_seats, keys.get(group.name, ()), strict=False):
            seat.public_key = key
        if any(not seat.public_key for seat in open_seats):
            context.pending.append(message.name)


_AFTER: Final[Mapping[str, Callable[[Context, Message, Mapping[str, ast.Entry]], None]]] = {
    "agreement": _after_agreement,
    "indicator": _after_indicator,
    "level": _after_level,
    "party": _after_party,
}
"""What is said by leaving a key out and is more than a constant."""
