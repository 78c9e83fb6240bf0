"""What a text says, word for word, with places. Nothing is resolved: a name may stand for nothing, a unit may not fit.

Document
└── Block | Entry             block WORD [NAME] { items }   entry KEY = value
    └── Value                 Word, Text, Moment, Amount, Listed, or a condition of these and the tests below
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from language.spans import Span


@dataclass(frozen=True, slots=True)
class Word:
    """A name or key word. `text` is as written."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Text:
    """A text in quotation marks. `text` is what stands between them."""

    text: str
    span: Span


Name: TypeAlias = Word | Text
"""A name; in quotation marks where it is written like a key word or a number."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A date or a time in UTC, `2027-01-03` or `2027-01-03T00:00Z`."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with or without a unit. `number` is as written: digits, `_`, one point, one exponent."""

    number: str
    unit: str
    span: Span


@dataclass(frozen=True, slots=True)
class Amount:
    """`50 % of baseline per 30 d`, `2 of [alpha, beta]`, `25 % after 7 d`, `60 of [30 of a, 40 of b] ceiling 25`."""

    quantity: Quantity
    of: Name | Listed | None
    per: Quantity | None
    after: Quantity | None
    ceiling: Quantity | None
    span: Span


@dataclass(frozen=True, slots=True)
class Listed:
    """`[a, b]`."""

    items: tuple[Value, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class One:
    """A party by name."""

    name: Name
    span: Span


@dataclass(frozen=True, slots=True)
class Every:
    """`all labs`, `all bound`, or `all of { alpha, beta }`: `role` or `names` is said."""

    role: Word | None
    names: tuple[Name, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Some:
    """`any lab` (k is 1), `at least 2 labs`, or `at least 2 of { alpha, beta }`: `role` or `names` is said."""

    k: Quantity | None
    role: Word | None
    names: tuple[Name, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Weighted:
    """`at least 60 of { 30 of alpha, 40 of beta }`."""

    at_least: Quantity
    weights: tuple[tuple[Quantity, Name], ...]
    span: Span


@dataclass(frozen=True, slots=True)
class All:
    """Every part: `a and b`, `all [a, b]`."""

    parts: tuple[Condition, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Any:
    """One part: `a or b`, `any [a, b]`."""

    parts: tuple[Condition, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class AtLeast:
    """`at least 2 of [a, b, c]`."""

    k: Quantity
    parts: tuple[Condition, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Not:
    """`not a`."""

    part: Condition
    span: Span


@dataclass(frozen=True, slots=True)
class Moves:
    """`falling 10 % per 90 d to 24 h`, `rising 5 % per 30 d to 60 h`: how a threshold moves by itself."""

    falling: bool
    share: Quantity
    every: Quantity
    limit: Quantity
    span: Span


@dataclass(frozen=True, slots=True)
class Reading:
    """`task_horizon of any lab >= 24 h`. `sign` is one of `<= >= < >`."""

    indicator: Name
    group: Group
    sign: str
    threshold: Quantity
    moves: Moves | None
    span: Span


@dataclass(frozen=True, slots=True)
class Trend:
    """`doubling of task_horizon of any lab over 365 d <= 60 d`."""

    indicator: Name
    group: Group
    over: Quantity
    sign: str
    limit: Quantity
    span: Span


@dataclass(frozen=True, slots=True)
class Overdue:
    """`judgement_win_rate of any lab overdue for 120 d`."""

    indicator: Name
    group: Group
    lasting: Quantity
    span: Span


@dataclass(frozen=True, slots=True)
class Keeps:
    """`alpha keeps pause`, `all bound keep pause for 30 d`."""

    group: Group | Weighted
    level: Name
    lasting: Quantity | None
    span: Span


@dataclass(frozen=True, slots=True)
class Is:
    """`pause is in_force`, `any lab is breached`, `alpha is bound by pause`. A single name is a level or a party."""

    group: Group
    status: Word
    level: Name | None
    span: Span


@dataclass(frozen=True, slots=True)
class Since:
    """`since in_force >= 60 d`, `since opened of slowdown >= 30 d`."""

    clock: Word
    level: Name | None
    sign: str
    lasting: Quantity
    span: Span


@dataclass(frozen=True, slots=True)
class Motion:
    """`motion review carried`, `motion review of pause on "sha256:..." carried`."""

    rule: Name
    level: Name | None
    asked: Text | None
    span: Span


@dataclass(frozen=True, slots=True)
class Event:
    """`event control_review`, with `of pause` or `whenever`, `reported by evalco`, `for 10 d`."""

    name: Name
    level: Name | None
    whenever: bool
    reported_by: Group | None
    lasting: Quantity | None
    span: Span


@dataclass(frozen=True, slots=True)
class Constant:
    """`always`, `never`."""

    value: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Entry:
    """`key = value`."""

    key: Word
    value: Value
    span: Span


@dataclass(frozen=True, slots=True)
class Block:
    """`word name { items }`. `head` is word and name, `span` all of it."""

    word: Word
    name: Name | None
    items: tuple[Item, ...]
    head: Span
    span: Span


@dataclass(frozen=True, slots=True)
class Comment:
    """From `#` to the end of the line."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Document:
    """A whole text: its items in order, and the comments between and behind them."""

    items: tuple[Item, ...]
    comments: tuple[Comment, ...]
    text: str

    def said(self, span: Span) -> str:
        """What stands there, in one line."""
        lines = self.text.split("\n")[span.line - 1 : span.end_line]
        lines[-1] = lines[-1][: span.end_column - 1]
        lines[0] = lines[0][span.column - 1 :]
        return " ".join(" ".join(lines).split())


Group: TypeAlias = One | Every | Some
Condition: TypeAlias = (
    All
    | Any
    | AtLeast
    | Not
    | Reading
    | Trend
    | Overdue
    | Keeps
    | Is
    | Since
    | Motion
    | Event
    | Constant
    | Word
    | Amount
)
"""A test. A Word alone is a value or a mistake; an Amount is a count of votes and stands in decision rules only."""
Value: TypeAlias = Condition | Text | Moment | Listed
Item: TypeAlias = Block | Entry
