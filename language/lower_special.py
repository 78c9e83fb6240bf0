"""Values that set more than their own field, or mean something by a word of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from language import syntax as ast
from language.chips import PRESET_TABLE
from language.context import Context, put
from language.keys import Key, Kind
from language.lower_caps import allow, exempt_cap, ramp
from language.lower_conditions import Scope, Use, lower
from language.lower_rules import seats_of, voters, yes
from language.lower_values import HANDLERS, hexadecimal, items, name, plain, unfit
from language.names import indicator_unit, known
from language.problem import Unfit, error
from language.units import Dimension, measure, seconds
from language.words import ROLES
from protocol.agreement_limits import MAX_PERIODS
from protocol.statistics import Z_MILLI
from standstill.v1 import agreement_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.message import Message

    from language.lower_values import Handler


def _condition(context: Context, key: Key, message: Message, value: ast.Value) -> None:
    made = lower(value, Scope(context, Use[key.of.upper()]), context.at(key.field))
    getattr(message, key.field).CopyFrom(made)


def _caller(context: Context, key: Key, message: Message, value: ast.Value) -> None:
    if not (isinstance(value, ast.Word) and value.text == "automatic"):
        HANDLERS[Kind.NAME](context, key, message, value)


def _reporters(context: Context, key: Key, message: Message, value: ast.Value) -> None:
    for item in items(value):
        if isinstance(item, ast.Word) and item.text == "subject":
            put(message, "by_subject", True, item.span)
        else:
            put(message, key.field, [known(name(key.name, item), context.names.parties, "party")], item.span)


def _brakers(context: Context, key: Key, message: Message, value: ast.Value) -> None:
    for item in items(value):
        said = name(key.name, item)
        role = ROLES.get(said.text.removesuffix("s"))
        if role is not None and isinstance(said, ast.Word):
            put(message, "roles", [role], item.span)
        else:
            put(message, "parties", [known(said, context.names.parties, "party")], item.span)


def _voters(context: Context, key: Key, message: Message, value: ast.Value) -> None:
    if not seats_of(context, value):
        voters(context, value)


def _root(context: Context, key: Key, message: Message, value: ast.Value) -> None:
    if not isinstance(value, ast.Amount) or not isinstance(value.of, ast.Listed) or value.per or value.after:
        raise unfit(key.name, 'such as 2 of ["hex", "hex", "hex"]', value)
    put(message, "root_threshold", measure(value.quantity, Dimension.COUNT, key.name, context.units), value.span)
    put(message, "root_keys", [hexadecimal("a root key", item) for item in value.of.items], value.span)


def _pending(context: Context, key: Key, message: Message, value: ast.Value) -> None:
    if not isinstance(value, ast.Word) or value.text != "pending":
        raise unfit(key.name, "pending", value)
    if not isinstance(message, pb.Party):
        return
    described = context.materials.parties.get(message.name)
    if described is None:
        context.pending.append(message.name)
        return
    for field in ("origin", "log_key", "root_threshold", "record_origin"):
        setattr(message, field, getattr(described, field))
    message.root_keys.extend(described.root_keys)
    message.sites.extend(described.sites)


def _seat_count(context: Context, key: Key, message: Message, value: ast.Value) -> None:
    quantity = plain(key.name, Dimension.COUNT, value)
    number = measure(quantity, Dimension.COUNT, key.name, context.units)
    if not 1 <= number <= 1_000:
        raise Unfit(error("out-of-range", "", "1 to 1,000 seats", value.span))
    group = getattr(message, "name", "")
    seats = [pb.Seat(name=f"{group}-{seat}", owner=f"{group} seat {seat}") for seat in range(1, number + 1)]
    put(message, key.field, seats, value.span)


def _holders(context: Context, key: Key, message: Message, value: ast.Value) -> None:
    holders = [known(name(key.name, item), context.names.parties, "party") for item in items(value)]
    owners = context.names.owners
    put(message, key.field, [pb.Seat(name=one, owner=owners[one], held_by=one) for one in holders], value.span)


def _unit(context: Context, key: Key, message: Message, value: ast.Value) -> None:
    put(message, key.field, indicator_unit(name(key.name, value)), value.span)


def _peaks(context: Context, key: Key, message: Message, value: ast.Value) -> None:
    peaks = []
    for item in items(value):
        if not isinstance(item, ast.Amount) or not isinstance(item.of, ast.Word) or item.of.text not in key.words:
            raise unfit("a peak", "such as 989 TFLOP/s of bf16_dense", item)
        peak = pb.PeakRate()
        put(peak, "format", key.words[item.of.text], item.span)
        put(peak, "gigaflop_per_second", measure(item.quantity, Dimension.RATE, "a peak", context.units), item.span)
        peaks.append(peak)
    put(message, key.field, peaks, value.span)


def _sunset(context: Context, key: Key, message: Message, value: ast.Value) -> None:
    if isinstance(value, ast.Constant) and not value.value:
        put(message, key.field, MAX_PERIODS, value.span)
    else:
        quantity = plain(key.name, "a time, or never", value)
        put(message, key.field, context.periods(quantity, key.name, legal=True), value.span)


def _false_alarm(context: Context, key: Key, message: Message, value: ast.Value) -> None:
    if not isinstance(value, ast.Amount) or value.of or value.after or value.ceiling:
        raise unfit(key.name, "a share, of each test or per span", value)
    share = measure(value.quantity, Dimension.SHARE, key.name, context.units)
    if value.per is not None:
        # At most so often in the span, with one test a period: the largest rate of the table that stays below.
        tests = seconds(value.per, "per") / context.period
        share = max((rate for rate in Z_MILLI if rate * tests <= share), default=0)
    if share not in Z_MILLI:
        rates = ", ".join(f"{rate} ppm" for rate in Z_MILLI)
        raise Unfit(error("no-such-rate", "", "no rate of the table is as low", value.span, f"rates are {rates}"))
    put(message, key.field, share, value.span)


def _liars(context: Context, key: Key, message: Message, value: ast.Value) -> None:
    HANDLERS[Kind.WHOLE](context, key, context.terms, value)


def _chip_table(context: Context, key: Key, message: Message, value: ast.Value) -> None:
    if isinstance(value, ast.Word) and value.text in {"preset", "none"}:
        put(message, key.field, list(PRESET_TABLE if value.text == "preset" else ()), value.span)
        return
    if not isinstance(value, ast.Text):
        raise unfit(key.name, "preset, none, or the path of a table", value)
    if value.text not in context.materials.tables:
        raise Unfit(error("missing-table", "", f"the table {value.text} was not given", value.span))
    put(message, key.field, list(context.materials.tables[value.text]), value.span)


def _nothing(context: Context, key: Key, message: Message, value: ast.Value) -> None:
    """Lowered by its block."""


ALL_HANDLERS: Final[Mapping[Kind, Handler]] = {
    **HANDLERS,
    Kind.ALLOW: allow,
    Kind.BRAKERS: _brakers,
    Kind.CALLER: _caller,
    Kind.CHIP_TABLE: _chip_table,
    Kind.CONDITION: _condition,
    Kind.EXEMPT_CAP: exempt_cap,
    Kind.FALSE_ALARM: _false_alarm,
    Kind.HOLDERS: _holders,
    Kind.LEVEL: _nothing,
    Kind.LIARS: _liars,
    Kind.LONG_SPAN: _sunset,
    Kind.NEED: yes,
    Kind.PEAKS: _peaks,
    Kind.PENDING: _pending,
    Kind.RAMP: ramp,
    Kind.REPORTERS: _reporters,
    Kind.ROOT: _root,
    Kind.SEAT_COUNT: _seat_count,
    Kind.UNIT: _unit,
    Kind.VOTERS: _voters,
}
