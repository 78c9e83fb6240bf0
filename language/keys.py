"""What may be said where: every block and key, its kind, its field, its default, its sentence. Data only.

The rows stand in `keys.csv`. Checker, writer, page, comparison of terms and reference are driven by them, so that a key
cannot mean one thing to the compiler and another to the reader.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from enum import Enum, auto
from importlib import resources
from typing import TYPE_CHECKING, Final

from language.words import LISTS
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import pledge_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from google.protobuf.message import Message


class Kind(Enum):
    """What a value is, and how it becomes the field."""

    ALLOW = auto()
    BRAKERS = auto()
    CALLER = auto()
    CHIPS = auto()
    CHIP_TABLE = auto()
    CHIP_TIME = auto()
    CLUSTER_CAP = auto()
    CONDITION = auto()
    EXEMPT_CAP = auto()
    FALSE_ALARM = auto()
    FLOP = auto()
    FLOP_LIMIT = auto()
    GROWTH_CAP = auto()
    HEX = auto()
    HOLDERS = auto()
    LEVEL = auto()
    LIARS = auto()
    LONG_SPAN = auto()
    MILLI = auto()
    NAME = auto()
    NAMES = auto()
    NEED = auto()
    PEAKS = auto()
    PENDING = auto()
    PERIOD = auto()
    POWER = auto()
    RAMP = auto()
    RATE = auto()
    REPORTERS = auto()
    ROOT = auto()
    RUN_CAP = auto()
    SEAT_COUNT = auto()
    SECONDS = auto()
    SHARE = auto()
    SPAN = auto()
    STRING = auto()
    STRINGS = auto()
    TIME = auto()
    TOTAL_CAP = auto()
    UNIT = auto()
    VOTERS = auto()
    WHOLE = auto()
    WORD = auto()
    WORDS = auto()


class Stricter(Enum):
    """Which change of a value tightens the terms."""

    NEITHER = auto()
    LESS = auto()
    MORE = auto()
    FEWER_ITEMS = auto()
    MORE_ITEMS = auto()
    IMPLIED = auto()
    """A condition that the old one implies: it holds sooner."""
    IMPLIES = auto()
    """A condition that implies the old one: it holds later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of one block.

    Attributes:
        block: word of the block.
        name: the key.
        kind: what its value is.
        field: dotted path below the block's message; empty where it says nothing on the wire.
        of: what its names are names of, or the list (:data:`language.words.LISTS`) of its words, or a use.
        words: the words of that list.
        required: whether a block must say it.
        default: what is compiled where it is not said, as text; empty for an absent field.
        stricter: which change tightens.
        sentence: how the page says it; `{value}` and other keys in braces. Empty where `with_` says it.
        with_: the key whose sentence holds it.
        spec: section of the specification.
        help: one line for editors and the reference.
    """

    block: str
    name: str
    kind: Kind
    field: str
    of: str
    words: Mapping[str, int]
    required: bool
    default: str
    stricter: Stricter
    sentence: str
    with_: str
    spec: str
    help: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One kind of block.

    Attributes:
        word: how it begins.
        message: what it becomes; None for an abbreviation.
        field: where its message goes in that of the block around it; empty where it fills that message itself.
        parents: blocks around it; empty for the outermost.
        named: whether a name follows the word, and goes into the field `name` or, where that is said here, another.
        many: whether it may stand more than once.
        implied: whether it is compiled from defaults where it is not written.
        title: heading of the page.
    """

    word: str
    message: type[Message] | None
    field: str
    parents: tuple[str, ...]
    named: str = ""
    many: bool = False
    implied: bool = False
    title: str = ""


def _blocks() -> Iterator[Block]:
    """The blocks in the order in which they are written."""
    yield Block(word="agreement", message=pb.Agreement, field="", parents=(), named="name", title="TERMS")
    yield _top("unit", pb.UnitOfCompute, "unit", "UNIT", named="name")
    yield _top("chip", pb.ChipClass, "chips", "CHIPS", named="name")
    yield Block(word="power", message=pb.PowerBound, field="power", parents=("chip",), many=True)
    yield _top("party", pb.Party, "parties", "WHO", named="name")
    yield _inner("site", pb.Site, "sites", "party", named="handle")
    yield _inner("seats", pb.SeatClass, "seats", "party")
    yield _inner("seat", pb.Seat, "seats", "seats")
    yield _top("class", None, "", "", named="name")
    yield _top("indicator", pb.Indicator, "indicators", "MEASURED", named="name")
    yield _top("event", pb.Event, "events", "OUTSIDE EVENTS", named="name")
    yield _top("level", pb.Level, "levels", "LEVEL", named="name")
    yield Block(word="caps", message=None, field="caps", parents=("level",))
    yield Block(word="cap", message=pb.Cap, field="caps", parents=("caps", "exempt"), named="name", many=True)
    yield _inner("exempt", pb.Exemption, "exemptions", "level")
    yield Block(word="brake", message=pb.BrakeTerms, field="brake", parents=("level", "agreement"), title="BRAKE")
    yield _top("rule", pb.Rule, "rules", "RULES", named="name")
    yield _top("standing", pb.Standing, "standing", "A BREACH", implied=True)
    yield _top("membership", pb.Agreement, "", "LEAVING", implied=True)
    yield _top("verification", pb.Verification, "verification", "WORTH", implied=True)
    yield _top("prior_report", pb.PriorReport, "prior_report", "BEFORE")
    yield _top("covered_cluster", pb.CoveredCluster, "covered_cluster", "CLUSTERS")
    yield _top("citation", pb.Citation, "citations", "", named="clause")
    yield Block(word="pledge", message=pledge_pb2.Pledge, field="", parents=(), title="PLEDGE")
    yield _inner("keep", pledge_pb2.PledgeClause, "clauses", "pledge", named="level")


def _top(
    word: str, message: type[Message] | None, field: str, title: str, *, named: str = "", implied: bool = False
) -> Block:
    """A block of the agreement itself; all that are named may stand more than once, but the unit."""
    many = bool(named) and word != "unit"
    top = ("agreement",)
    return Block(
        word=word, message=message, field=field, parents=top, named=named, many=many, implied=implied, title=title
    )


def _inner(word: str, message: type[Message], field: str, parent: str, named: str = "name") -> Block:
    """A named block within another, as many as are needed."""
    return Block(word=word, message=message, field=field, parents=(parent,), named=named, many=True)


def _rows() -> Iterator[Key]:
    table = resources.files("language").joinpath("keys.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(table.splitlines()):
        yield Key(
            block=row["block"],
            name=row["key"],
            kind=Kind[row["kind"]],
            field=row["field"],
            of=row["words"],
            words=LISTS.get(row["words"], {}),
            required=row["required"] == "yes",
            default=row["default"],
            stricter=Stricter[row["stricter"] or "NEITHER"],
            sentence=row["sentence"],
            with_=row["with"],
            spec=row["spec"],
            help=row["help"],
        )


BLOCKS: Final[Mapping[str, Block]] = {block.word: block for block in _blocks()}
KEYS: Final[Mapping[tuple[str, str], Key]] = {(key.block, key.name): key for key in _rows()}
RETIRED: Final[Mapping[tuple[str, str], str]] = {
    ("agreement", "root"): "write keys = pending, or root = k of [keys], in each party",
    ("agreement", "withdrawal"): "write membership { withdrawal_notice = ... }",
    ("agreement", "hysteresis"): "write standing { breached = 2   of_last = 3   back_after = 30 d }",
    ("agreement", "snap_back"): "write snap_back = yes in the level, and held_by in standing",
    ("agreement", "exemption"): "write exempted_by = RULE",
    ("agreement", "clarification"): "write clarification_answer in verification",
    ("membership", "blackout"): "nobody leaves while a level is called or in force",
    ("indicator", "crossed_after_silence"): "write X of any lab overdue for 120 d in the trigger",
    ("indicator", "drift"): "write X of any lab >= 40 h falling 10 % per 90 d to 24 h in the trigger",
    ("level", "settle"): "write it in standing",
    ("verification", "verdict"): "the quorum follows from dishonest_verifiers",
    ("verification", "cosigned"): "the quorum follows from dishonest_verifiers",
    ("verification", "compare_heads"): "heads are always compared",
    ("rule", "veto"): "write 1 of [name] and ... in yes",
    ("class", "weights"): "write 60 of [30 of alpha, 40 of beta] in yes",
    ("pledge", "sequence"): "the log counts",
}
"""Words of earlier texts and drafts, and what to write instead."""
CITE: Final = "cite"
"""Key of every block: where its clause comes from."""
CITED: Final = frozenset(
    {
        *(
            "agreement",
            "unit",
            "chip",
            "party",
            "indicator",
            "event",
            "level",
            "rule",
            "brake",
            "standing",
            "membership",
        ),
        *("verification", "prior_report", "covered_cluster"),
    }
)
"""Blocks that are clauses, which a source can be cited for. Others share the citation of the block around them."""


def keys_of(block: str) -> tuple[Key, ...]:
    """The keys of a block in the order in which they are written."""
    return tuple(key for key in KEYS.values() if key.block == block)


def blocks_in(block: str) -> tuple[Block, ...]:
    """The blocks that may stand in a block; those of the whole text for the empty word."""
    return tuple(one for one in BLOCKS.values() if (block in one.parents if block else not one.parents))
