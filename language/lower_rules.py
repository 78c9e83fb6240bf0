"""Who must say yes: rules of decisions (annex 5.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from language import syntax as ast
from language.errors import meant
from language.lower_values import each_once, items, unfit
from language.problem import Unfit, error
from language.units import Dimension, measure
from language.words import ROLES
from standstill.v1 import agreement_pb2 as pb

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from language.context import Context
    from language.keys import Key


def yes(context: Context, key: Key, message: Message, value: ast.Value) -> None:
    """`yes = 2` beside `voters = [...]`, or all that :func:`need` reads."""
    if not isinstance(message, pb.Rule):
        raise TypeError(type(message))
    if isinstance(value, ast.Amount) and value.of is None:
        message.yes = _number(context, value.quantity, "yes")
    else:
        message.need.CopyFrom(need(context, value))


def need(context: Context, value: ast.Value) -> pb.Need:
    """Votes joined by `and`, `or`, `all [...]`, `any [...]`.

    Raises:
        Unfit: a test of the record, or voters that are none.
    """
    if isinstance(value, ast.All):
        return pb.Need(all=pb.Need.Several(of=[need(context, part) for part in value.parts]))
    if isinstance(value, ast.Any):
        return pb.Need(any=pb.Need.Several(of=[need(context, part) for part in value.parts]))
    if isinstance(value, ast.Word):
        return pb.Need(count=pb.Need.Count(k=1, voters=[_voter(context, value)]))
    if not isinstance(value, ast.Amount) or value.of is None or value.per or value.after:
        raise unfit("yes", "a count of votes such as 2 of [alpha, beta] and 2 of board.public", value)
    if isinstance(value.of, ast.Listed) and any(isinstance(item, ast.Amount) for item in value.of.items):
        return pb.Need(weighted=_weighted(context, value, value.of))
    if value.ceiling is not None:
        raise Unfit(error("syntax", "", "a ceiling stands behind weights only", value.ceiling.span))
    return pb.Need(count=_count(context, _number(context, value.quantity, "votes"), value.of))


def voters(context: Context, value: ast.Value) -> list[str]:
    """Names of parties and of seats, `"board/seat"`.

    Raises:
        Unfit: `unknown-name`, or no names, or one of them twice.
    """
    return each_once("voters", [_voter(context, item) for item in items(value)], value)


def seats_of(context: Context, value: ast.Value) -> str:
    """The class of seats that is named, `board.public` or `public`; empty if it is none."""
    only = items(value)[0] if len(items(value)) == 1 else value
    if not isinstance(only, ast.Word | ast.Text):
        return ""
    council, _, seats = only.text.rpartition(".")
    return seats if seats in context.names.seats and council in {"", context.names.seats[seats]} else ""


def _number(context: Context, quantity: ast.Quantity, subject: str) -> int:
    found = measure(quantity, Dimension.COUNT, subject, context.units)
    if found < 1:
        raise Unfit(error("out-of-range", "", f"{subject} are at least 1", quantity.span))
    return found


def _count(context: Context, k: int, of: ast.Name | ast.Listed) -> pb.Need.Count:
    if isinstance(of, ast.Listed | ast.Text):
        return _at_most(k, voters(context, of), of)
    names, group = context.names, context.names.classes.get(of.text)
    if group is not None:
        seats = seats_of(context, group)
        return pb.Need.Count(k=k, seats=seats) if seats else _at_most(k, voters(context, group), of)
    if seats := seats_of(context, of):
        return pb.Need.Count(k=k, seats=seats)
    if (role := of.text.removesuffix("s")) in ROLES:
        return pb.Need.Count(k=k, role=pb.Role.Name(ROLES[role]))  # type: ignore[arg-type]
    if of.text in names.parties:
        return _at_most(k, [of.text], of)
    seated = [f"{council}.{one}" for one, council in names.seats.items()]
    near = meant(of.text, [*names.classes, *seated, *ROLES, *names.parties])
    raise Unfit(error("unknown-name", "", f"{of.text} is no class, seats, role or party.", of.span, near))


def _at_most(k: int, names: list[str], of: ast.Name | ast.Listed) -> pb.Need.Count:
    if k > len(names):
        raise Unfit(error("cannot-be-met", "", f"{k} of {len(names)} voters", of.span))
    return pb.Need.Count(k=k, voters=names)


def _weighted(context: Context, value: ast.Amount, of: ast.Listed) -> pb.Need.Weighted:
    made = pb.Need.Weighted(at_least=_number(context, value.quantity, "votes"))
    for item in of.items:
        if not isinstance(item, ast.Amount) or not isinstance(item.of, ast.Word | ast.Text):
            raise unfit("a weight", "such as 30 of alpha", item)
        weight = _number(context, item.quantity, "a weight")
        made.of.append(pb.VoterWeight(voter=_voter(context, item.of), weight=weight))
    if value.ceiling is not None:
        made.ceiling = _number(context, value.ceiling, "a ceiling")
    return made


def _voter(context: Context, value: ast.Value) -> str:
    if not isinstance(value, ast.Word | ast.Text):
        raise unfit("a voter", "a name", value)
    party, slash, _ = value.text.partition("/")
    councils = set(context.names.seats.values())
    if value.text in context.names.parties or (slash and party in councils):
        return value.text
    text = f"{value.text} is no party."
    raise Unfit(error("unknown-name", "", text, value.span, meant(value.text, context.names.parties)))
