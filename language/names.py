"""What the names of a text stand for. Collected before anything is lowered, so that a text has no order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from language import syntax as ast
from language.errors import meant
from language.problem import Unfit, error
from standstill.v1 import agreement_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from language.spans import Span

COMPUTE_UNIT: Final = "teraFLOP"
_LISTED: Final = 8
"""Most names that are proposed."""


@dataclass(frozen=True, slots=True)
class Names:
    """Everything that has a name, with what conditions and rules must know of it.

    Attributes:
        parties: parties.
        labs: those of them that are labs.
        owners: control group by party, where it is said.
        levels: ranks by name of the level.
        rules: decision rules.
        classes: abbreviations for lists of voters.
        seats: name of the council by name of the class of its seats.
        indicators: unit by name of the indicator.
        events: who may report it by name of the event.
    """

    parties: frozenset[str] = frozenset()
    labs: frozenset[str] = frozenset()
    owners: Mapping[str, str] = field(default_factory=dict)
    levels: Mapping[str, int] = field(default_factory=dict)
    rules: frozenset[str] = frozenset()
    classes: Mapping[str, ast.Value | None] = field(default_factory=dict)
    seats: Mapping[str, str] = field(default_factory=dict)
    indicators: Mapping[str, str] = field(default_factory=dict)
    events: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def known(name: ast.Name, names: Iterable[str], what: str) -> str:
    """The name, if something has it.

    Raises:
        Unfit: `unknown-name`, with the name that is near, or those that there are.
    """
    listed = sorted(names)
    if name.text not in listed:
        text = f"{name.text} is no {what}."
        raise Unfit(error("unknown-name", "", text, name.span, meant(name.text, listed) or _there_are(listed, what)))
    return name.text


def _there_are(names: Sequence[str], what: str) -> str:
    """The names that would do, as far as they fit in a line."""
    if not names:
        return f"No {what} is declared"
    more = ", ..." if len(names) > _LISTED else ""
    return f"Declared: {', '.join(names[:_LISTED])}{more}"


def of_terms(terms: pb.Agreement) -> Names:
    """The names of finished terms, for conditions that stand beside them: pledges."""
    return Names(
        parties=frozenset(party.name for party in terms.parties),
        labs=frozenset(party.name for party in terms.parties if pb.ROLE_LAB in party.roles),
        owners={party.name: party.owner for party in terms.parties},
        levels={level.name: level.rank for level in terms.levels},
        rules=frozenset(rule.name for rule in terms.rules),
        classes={},
        seats={seats.name: party.name for party in terms.parties for seats in party.seats},
        indicators={indicator.name: indicator.unit for indicator in terms.indicators},
        events={event.name: tuple(event.reported_by) for event in terms.events},
    )


def collect(block: ast.Block) -> Names:
    """The names that an agreement's blocks declare. Values that do not fit are left out; lowering says so."""
    levels = list(_named(block, "level"))
    parties = list(_named(block, "party"))
    return Names(
        parties=frozenset(name for name, _ in parties),
        labs=frozenset(name for name, party in parties if _is_lab(party)),
        owners={name: "".join(_words(_value(party, "owner"))) for name, party in parties},
        levels={name: _rank(level, number) for number, (name, level) in enumerate(levels, 1)},
        rules=frozenset(name for name, _ in _named(block, "rule")),
        classes={name: _value(group, "held_by") for name, group in _named(block, "class")},
        seats={seats: name for name, party in parties for seats, _ in _named(party, "seats")},
        indicators={name: indicator_unit(_value(one, "unit")) for name, one in _named(block, "indicator")},
        events={name: tuple(_words(_value(one, "reported_by"))) for name, one in _named(block, "event")},
    )


def name_of(block: ast.Block) -> str:
    """The name of a block; empty if it has none."""
    return block.name.text if block.name else ""


def span_of(block: ast.Block) -> Span:
    """Where a block is named."""
    return block.name.span if block.name else block.word.span


def indicator_unit(value: ast.Value | None) -> str:
    """The unit of an indicator on the wire: `FLOP` is counted in teraFLOP, since a reading has 64 bits."""
    if not isinstance(value, ast.Word | ast.Text):
        return ""
    return COMPUTE_UNIT if value.text == "FLOP" and isinstance(value, ast.Word) else value.text


def _is_lab(party: ast.Block) -> bool:
    return any(word in {"lab", "labs"} for word in _words(_value(party, "role")))


def _named(block: ast.Block, word: str) -> Iterator[tuple[str, ast.Block]]:
    for item in block.items:
        if isinstance(item, ast.Block) and item.word.text == word:
            yield name_of(item), item


def _value(block: ast.Block, key: str) -> ast.Value | None:
    return next((item.value for item in block.items if isinstance(item, ast.Entry) and item.key.text == key), None)


def _words(value: ast.Value | None) -> list[str]:
    if isinstance(value, ast.Word | ast.Text):
        return [value.text]
    if isinstance(value, ast.Listed):
        return [item.text for item in value.items if isinstance(item, ast.Word | ast.Text)]
    return []


def _rank(level: ast.Block, number: int) -> int:
    value = _value(level, "rank")
    if isinstance(value, ast.Amount) and value.quantity.number.isdigit():
        return int(value.quantity.number)
    return number
