"""What lowering knows and gathers: names, units, places and problems. One for each text that is compiled."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from language.problem import Problem, Unfit, too_large
from language.units import Dimension, exact, seconds, unit_of, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.message import Message

    from language import syntax as ast
    from language.names import Names
    from language.spans import Span
    from language.units import Unit
    from standstill.v1 import agreement_pb2 as pb


@dataclass(frozen=True, slots=True)
class Materials:
    """What a text refers to and does not contain.

    Attributes:
        parties: descriptors by name, for parties whose keys are pending: origin, keys, sites, seats.
        tables: tables of accelerators by the path that a text names.
    """

    parties: Mapping[str, pb.Party] = field(default_factory=dict)
    tables: Mapping[str, tuple[pb.ChipClass, ...]] = field(default_factory=dict)


NOTHING = Materials()


@dataclass(slots=True)
class Context:
    """State of one compilation.

    Attributes:
        document: the text.
        names: what names stand for.
        units: units that the text defines.
        period: length of a period, seconds.
        start: start of period 0, Unix seconds.
        materials: what the text refers to.
        terms: the terms as far as they are lowered.
        own_level: rank of the level around the present clause; 0 outside levels.
        clause: block and name around, for problems, such as `level pause`.
        path: dotted path of the present message, such as `levels.pause`.
        problems: found so far.
        places: where each field is said.
        pending: parties whose keys are not known.
        citations: clause and source, in the order of the text.
    """

    document: ast.Document
    names: Names
    units: Mapping[str, Unit]
    period: int
    start: int
    materials: Materials
    terms: pb.Agreement
    own_level: int = 0
    clause: str = ""
    path: str = ""
    problems: list[Problem] = field(default_factory=list)
    places: dict[str, Span] = field(default_factory=dict)
    pending: list[str] = field(default_factory=list)
    citations: list[tuple[str, str]] = field(default_factory=list)

    def report(self, problem: Problem) -> None:
        """Note a problem of the present clause."""
        self.problems.append(replace(problem, clause=problem.clause or self.clause))

    def at(self, field: str) -> str:
        """Dotted path of a field of the present message."""
        return f"{self.path}.{field}" if self.path else field

    def periods(self, quantity: ast.Quantity, subject: str, *, legal: bool = False) -> int:
        """A span in whole periods, rounded up (annex 1.1, 1).

        Raises:
            Unfit: it is no span.
        """
        if unit_of(quantity, self.units).dimension is Dimension.PERIODS:
            return whole(quantity, exact(quantity.number, quantity.span), "periods")
        spanned = seconds(quantity, subject, legal=legal) / self.period
        return -(-spanned.numerator // spanned.denominator)


def put(message: Message, path: str, value: object, span: Span) -> None:
    """Set a field, by its dotted path below a message.

    Raises:
        Unfit: the number is larger than the field.
    """
    *inner, name = path.split(".")
    for step in inner:
        message = getattr(message, step)
    try:
        if isinstance(value, list):
            getattr(message, name).extend(value)
        else:
            setattr(message, name, value)
    except ValueError:
        raise Unfit(too_large(span)) from None
