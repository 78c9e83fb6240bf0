"""Pledge text to pledge (annex 4.1). Stands beside an agreement, whose names it uses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from language import syntax as ast
from language.context import NOTHING, Context
from language.keys import BLOCKS
from language.lower import fill
from language.lower_values import name, period, text
from language.names import known, of_terms
from language.problem import Problem, Unfit, error, in_order
from language.spans import Span
from language.units import UNITS, Dimension, Unit
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import pledge_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from protocol.agreement import Agreement

_DIGEST_DIGITS: Final = 8
"""Fewest hexadecimal digits by which a pledge names its agreement."""


@dataclass(frozen=True, slots=True)
class CompiledPledge:
    """What a pledge text becomes.

    Attributes:
        pledge: complete where there is no error among the problems.
        by: the lab that pledges.
        under: how the text names its agreement; empty if it does not.
        places: where each field is said, by dotted path.
        problems: in the order of the text.
    """

    pledge: pledge_pb2.Pledge
    by: str = ""
    under: str = ""
    places: Mapping[str, Span] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def pledger(document: ast.Document) -> str:
    """The lab that the text of a pledge names; empty if it names none."""
    blocks = (item for item in document.items if isinstance(item, ast.Block) and item.word.text == "pledge")
    entries = (item for block in blocks for item in block.items if isinstance(item, ast.Entry))
    said = (item.value for item in entries if item.key.text == "by")
    return next((value.text for value in said if isinstance(value, ast.Word | ast.Text)), "")


def compile_pledge(document: ast.Document, agreement: Agreement, newcomer: str = "") -> CompiledPledge:
    """The pledge that a text says under an agreement, with everything that is wrong about it. Never raises.

    Args:
        document: a parsed text.
        agreement: what the pledge is made under.
        newcomer: a lab that may pledge though it is no party yet; empty for none.
    """
    found = [item for item in document.items if isinstance(item, ast.Block) and item.word.text == "pledge"]
    made = pledge_pb2.Pledge()
    if len(found) != 1 or len(document.items) != 1:
        span = document.items[0].span if document.items else Span(1, 1, 1, 1)
        return CompiledPledge(made, problems=(error("missing-block", "", "a text is one pledge { ... }", span),))
    terms = agreement.terms
    units: dict[str, Unit] = {}
    if terms.HasField("unit"):
        per = UNITS["GFLOP/s"].per * terms.unit.gigaflop_per_second
        units[terms.unit.name] = Unit(Dimension.RATE, per)
    context = Context(document, of_terms(terms), units, terms.period_seconds, terms.start, NOTHING, pb.Agreement())
    context.clause = "pledge"
    fill(context, BLOCKS["pledge"], found[0], made)
    labs = context.names.labs | ({newcomer} if newcomer else set())
    by, under = _heading(context, found[0], agreement, made, labs)
    return CompiledPledge(made, by, under, context.places, in_order(context.problems))


def _heading(
    context: Context, block: ast.Block, agreement: Agreement, pledge: pledge_pb2.Pledge, labs: AbstractSet[str]
) -> tuple[str, str]:
    """Who pledges and under what; an end for all clauses goes to those without their own."""
    said = {item.key.text: item.value for item in block.items if isinstance(item, ast.Entry)}
    found = {"by": "", "under": ""}
    if "by" not in said:
        context.report(error("missing-key", "", "pledge needs by: the lab that pledges", block.head))
    for key, value in said.items():
        try:
            if key == "by":
                found["by"] = known(name("by", value), labs, "lab")
            elif key == "under":
                found["under"] = _under(value, agreement)
            elif key == "until":
                _end(pledge, period(context, "until", value))
        except Unfit as unfit:
            context.report(unfit.problem)
    return found["by"], found["under"]


def _end(pledge: pledge_pb2.Pledge, end: int) -> None:
    for clause in pledge.clauses:
        if not clause.HasField("until_period"):
            clause.until_period = end


def _under(value: ast.Value, agreement: Agreement) -> str:
    said = text("under", value)
    digits = said.removeprefix("sha256:").rstrip(".…")
    if len(digits) < _DIGEST_DIGITS or not agreement.digest.hex().startswith(digits):
        found = f"this is agreement {agreement.digest.hex()[:16]}, not {said}"
        raise Unfit(error("other-agreement", "", found, value.span))
    return said
