"""Limits on work that goes on: caps, exemptions, the return in steps (annex 5.2, 5.4)."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from language import syntax as ast
from language.context import Context, put
from language.keys import Key, Kind
from language.lower_values import each_once, items, plain, unfit, word
from language.problem import Unfit, error
from language.units import Dimension, measure, unit_of
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import quantity_pb2 as q

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from google.protobuf.message import Message

TRAINING: Final = (q.LABEL_TRAIN, q.LABEL_UNLABELLED, q.LABEL_UNACCOUNTED)
"""What counts as training: work that nobody labels may be."""
POST_TRAINING: Final = (q.LABEL_POST_TRAIN, q.LABEL_ROLLOUT)
EVERYTHING: Final = tuple(label for label in q.Label.values() if label != q.LABEL_UNSPECIFIED)
WHOLE_BASELINE: Final = 1_000_000


def labels_of(key: Key, level: pb.Level) -> list[q.Label.ValueType]:
    """The labels that a cap of the `caps` block counts: of those that it is about, what the level allows."""
    if not key.of:
        return []
    return [label for label in (TRAINING if key.of == "train" else POST_TRAINING) if label in level.allowed]


def cap(context: Context, key: Key, level: pb.Level, value: ast.Value) -> None:
    """A cap by its key word: `training_total = 50 % of baseline per 30 d`."""
    if not isinstance(value, ast.Amount) or value.after or value.ceiling:
        raise unfit(key.name, "an amount such as 3e25 FLOP per 30 d", value)
    made = pb.Cap(name=key.name, labels=labels_of(key, level), window_periods=1)
    if value.per is not None:
        made.window_periods = context.periods(value.per, "per")
    if made_zero := _CAPS[key.kind](context, key, made, value):
        _must_be_forbidden(key, level, made_zero)
        return
    if key.of and not made.labels and level.allowed:
        text = f"{key.name} caps work that the level forbids"
        raise Unfit(error("contradiction", "", text, value.span, "remove it, or allow the work"))
    level.caps.append(made)


def _must_be_forbidden(key: Key, level: pb.Level, value: ast.Amount) -> None:
    if left := labels_of(key, level):
        found = ", ".join(q.Label.Name(label).removeprefix("LABEL_").lower() for label in left)
        text = f"{key.name} is 0 and allow lists {found}"
        raise Unfit(error("contradiction", "", text, value.span, "take it out of allow"))


def _run(context: Context, key: Key, made: pb.Cap, value: ast.Amount) -> ast.Amount | None:
    made.scope = pb.CAP_SCOPE_RUN
    return _operations(context, key, made, value)


def _total(context: Context, key: Key, made: pb.Cap, value: ast.Amount) -> ast.Amount | None:
    if unit_of(value.quantity, context.units).dimension is Dimension.SHARE:
        if not isinstance(value.of, ast.Word) or value.of.text != "baseline" or value.per is None:
            text = "a share is of something, per span"
            raise Unfit(error("syntax", "", text, value.span, "write 50 % of baseline per 30 d"))
        put(made, "baseline_ppm", measure(value.quantity, Dimension.SHARE, key.name, context.units), value.span)
        return None
    if value.per is None and value.quantity.number != "0":
        text = f"{key.name} is summed over a span"
        raise Unfit(error("syntax", "", text, value.span, f"write {value.quantity.number} FLOP per 30 d"))
    return _operations(context, key, made, value)


def _operations(context: Context, key: Key, made: pb.Cap, value: ast.Amount) -> ast.Amount | None:
    if value.of is not None:
        raise Unfit(error("syntax", "", "operations are of nothing", value.of.span, "remove it"))
    teraflop = measure(value.quantity, Dimension.COMPUTE, key.name, context.units)
    put(made, "teraflop", teraflop, value.span)
    return None if teraflop else value


def _cluster(context: Context, key: Key, made: pb.Cap, value: ast.Amount) -> ast.Amount | None:
    made.scope = pb.CAP_SCOPE_CLUSTER
    quantity = value.quantity
    put(made, "chips", measure(quantity, Dimension.CHIPS, key.name, context.units), value.span)
    return None


def _growth(context: Context, key: Key, made: pb.Cap, value: ast.Amount) -> ast.Amount | None:
    made.scope = pb.CAP_SCOPE_INVENTORY_GROWTH
    if value.per is None or value.of is not None:
        text = "growth is a share per span"
        raise Unfit(error("syntax", "", text, value.span, "write 5 % per 90 d"))
    put(made, "growth_ppm", measure(value.quantity, Dimension.SHARE, key.name, context.units), value.span)
    return None


def exempt_cap(context: Context, key: Key, message: Message, value: ast.Value) -> None:
    """`cap = 1e24 FLOP per 30 d`, or chip time: named and labelled like the exemption itself."""
    if not isinstance(message, pb.Exemption):
        raise TypeError(type(message))
    if not isinstance(value, ast.Amount) or value.of or value.after or value.ceiling or value.per is None:
        raise unfit("cap", "an amount per span such as 1e24 FLOP per 30 d", value)
    made = pb.Cap(name=message.name, labels=message.labels, window_periods=context.periods(value.per, "per"))
    chips = unit_of(value.quantity, context.units).dimension is Dimension.CHIP_TIME
    field, dimension = ("chip_seconds", Dimension.CHIP_TIME) if chips else ("teraflop", Dimension.COMPUTE)
    put(made, field, measure(value.quantity, dimension, "cap", context.units), value.span)
    message.cap.CopyFrom(made)


def allow(context: Context, key: Key, message: Message, value: ast.Value) -> None:
    """Labels in the order of the text; `everything` is all of them."""
    if isinstance(value, ast.Word) and value.text == "everything":
        put(message, key.field, list(EVERYTHING), value.span)
        return
    found = [word(key.name, key.words, item) for item in items(value)]
    put(message, key.field, each_once(key.name, found, value), value.span)


def ramp(context: Context, key: Key, message: Message, value: ast.Value) -> None:
    """`21 d`, or steps that rise to 100 %; then the last is the end."""
    if not isinstance(value, ast.Listed):
        put(
            message,
            "ramp_periods",
            context.periods(plain(key.name, "a time, or a list of steps", value), key.name),
            value.span,
        )
        return
    steps = [_step(context, item) for item in value.items]
    rises = all(
        low.after_periods < high.after_periods and low.share_ppm < high.share_ppm for low, high in pairwise(steps)
    )
    if not steps or not rises or steps[-1].share_ppm != WHOLE_BASELINE:
        raise Unfit(error("ramp-falls", "", "steps must rise to 100 %", value.span))
    put(message, "ramp", steps, value.span)
    put(message, "ramp_periods", steps[-1].after_periods, value.span)


def _step(context: Context, item: ast.Value) -> pb.RampStep:
    if not isinstance(item, ast.Amount) or item.after is None or item.of or item.per:
        raise unfit("a step", "such as 25 % after 7 d", item)
    share = measure(item.quantity, Dimension.SHARE, "a step", context.units)
    made = pb.RampStep(after_periods=context.periods(item.after, "after"))
    put(made, "share_ppm", share, item.span)
    return made


_CAPS: Final[Mapping[Kind, Callable[[Context, Key, pb.Cap, ast.Amount], ast.Amount | None]]] = {
    Kind.RUN_CAP: _run,
    Kind.TOTAL_CAP: _total,
    Kind.CLUSTER_CAP: _cluster,
    Kind.GROWTH_CAP: _growth,
}
"""How each sets its limit; gives the amount back where the limit is zero operations."""
