"""What changes between two agreements, clause by clause, and whether it tightens: `agreement diff`.

Terms are compared by the key table, not by their text: blocks are matched by name, values by what they mean. Conditions
are compared by what records they hold in, so a trigger that is called sooner is stricter however it is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, unique
from typing import TYPE_CHECKING, Final

from language.compare import compare, compare_caps
from language.direction import Direction
from language.keys import BLOCKS, Block, Key, blocks_in, keys_of
from language.write import write_block
from language.write_conditions import Terms
from language.write_values import OWN_WRITERS, WRITERS, cap_text
from standstill.v1 import agreement_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message


@dataclass(frozen=True, slots=True)
class Change:
    """One key, or one whole block, that differs.

    Attributes:
        clause: block, as in the text: `level pause`; empty for the agreement itself.
        key: the key; empty for a block that only one of the two has.
        old: how the old terms say it; empty if they do not.
        new: how the new terms say it; empty if they do not.
        direction: whether the new terms are stricter there.
    """

    clause: str
    key: str
    old: str
    new: str
    direction: Direction


@unique
class _Side(StrEnum):
    OLD = "old"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class _Said:
    """A block with the message that it becomes. `parents` are the blocks around it."""

    block: Block
    message: Message
    parents: tuple[str, ...]


def differences(old: pb.Agreement, new: pb.Agreement) -> list[Change]:
    """Every change from old terms to new, in the order in which the new terms say them, then what is gone."""
    before, after = dict(_blocks(old)), dict(_blocks(new))
    changes: list[Change] = []
    if old.name != new.name:
        changes.append(Change("", "name", old.name, new.name, Direction.OTHER))
    for clause, said in after.items():
        earlier = before.get(clause)
        if earlier is None:
            changes += _whole(clause, said, new, _Side.NEW, before)
        else:
            changes += _keys(clause, earlier, said, old, new)
    for clause, said in before.items():
        if clause not in after:
            changes += _whole(clause, said, old, _Side.OLD, after)
    # The source of a whole block comes and goes with it.
    whole = {change.clause for change in changes if not change.key}
    changes += [change for change in _citations(old, new) if change.clause not in whole]
    order = {clause: number for number, clause in reversed(list(enumerate(change.clause for change in changes)))}
    return sorted(changes, key=lambda change: order[change.clause])


def _blocks(terms: pb.Agreement) -> Iterator[tuple[str, _Said]]:
    yield "", _Said(BLOCKS["agreement"], terms, ())
    yield from _inside(BLOCKS["agreement"], terms, "", ())


def _inside(block: Block, message: Message, clause: str, parents: tuple[str, ...]) -> Iterator[tuple[str, _Said]]:
    around = (*parents, clause) if clause else parents
    for child in blocks_in(block.word):
        for name, part in _parts(child, message):
            head = f"{child.word} {name}" if name else child.word
            whole = f"{clause}.{head}" if clause else head
            yield whole, _Said(child, part, around)
            yield from _inside(child, part, whole, around)


def _parts(child: Block, message: Message) -> Iterator[tuple[str, Message]]:
    """The messages of a kind of block, with their names. Citations and caps are compared as such."""
    if child.message is None or child.word in {"citation", "cap"}:
        return
    if child.word == "brake" and isinstance(message, pb.Agreement):
        return
    if not child.field:
        yield "", message
    elif child.many:
        for number, one in enumerate(getattr(message, child.field)):
            name = getattr(one, child.named) if child.named else str(number + 1)
            yield (name.hex() if isinstance(name, bytes) else str(name)), one
    elif message.HasField(child.field):
        yield "", getattr(message, child.field)


_BY_PRESENCE: Final = {"level": Direction.STRICTER, "brake": Direction.STRICTER, "exempt": Direction.LOOSER}
"""What it does to terms to have a block."""


def _whole(clause: str, said: _Said, terms: pb.Agreement, side: _Side, others: dict[str, _Said]) -> Iterator[Change]:
    """A block that only one of the two has; what is within it is not told again."""
    if any(parent not in others for parent in said.parents):
        return
    direction = _BY_PRESENCE.get(said.block.word, Direction.OTHER)
    text = write_block(said.block, said.message, terms).rstrip()
    if side is _Side.OLD:
        yield Change(clause, "", text, "", direction.turned)
    else:
        yield Change(clause, "", "", text, direction)


def _keys(clause: str, earlier: _Said, later: _Said, old: pb.Agreement, new: pb.Agreement) -> Iterator[Change]:
    for key in keys_of(later.block.word):
        before, after = _text(key, earlier.message, old), _text(key, later.message, new)
        if before != after:
            direction = compare(key, (earlier.message, old), (later.message, new))
            yield Change(clause, key.name, before, after, direction)
    if isinstance(earlier.message, pb.Level) and isinstance(later.message, pb.Level):
        yield from _caps(clause, (earlier.message, old), (later.message, new))


def _text(key: Key, message: Message, terms: pb.Agreement) -> str:
    """How a key is written; empty where it is not."""
    write = OWN_WRITERS.get((key.block, key.name)) or WRITERS.get(key.kind)
    if write is None or not (key.field or key.block == "level"):
        return ""
    rank = message.rank if isinstance(message, pb.Level) else 0
    return write(Terms(terms, rank), key, message) or ""


def _caps(clause: str, old: tuple[pb.Level, pb.Agreement], new: tuple[pb.Level, pb.Agreement]) -> Iterator[Change]:
    before = {cap.name: cap for cap in old[0].caps}
    after = {cap.name: cap for cap in new[0].caps}
    for name in dict.fromkeys([*after, *before]):
        one, other = before.get(name), after.get(name)
        if (
            one is None
            or other is None
            or one.SerializeToString(deterministic=True) != other.SerializeToString(deterministic=True)
        ):
            texts = [_cap(cap, *side) if cap else "" for cap, side in ((one, old), (other, new))]
            same = old[1].period_seconds == new[1].period_seconds
            either = pb.Level(allowed={*old[0].allowed, *new[0].allowed})
            direction = compare_caps(one, other, either) if same else Direction.OTHER
            yield Change(f"{clause}.caps", name, texts[0], texts[1], direction)


def _cap(cap: pb.Cap, level: pb.Level, terms: pb.Agreement) -> str:
    """How a cap is written: in short, or key by key."""
    short = cap_text(Terms(terms), cap, level)
    if short is not None:
        return short.partition(" = ")[2]
    said = ((key.name, _text(key, cap, terms)) for key in keys_of("cap"))
    return "   ".join(f"{name} = {text}" for name, text in said if text)


def _citations(old: pb.Agreement, new: pb.Agreement) -> Iterator[Change]:
    before = {one.clause: one.source for one in old.citations}
    after = {one.clause: one.source for one in new.citations}
    for clause in dict.fromkeys([*after, *before]):
        if before.get(clause) != after.get(clause):
            yield Change(clause, "cite", before.get(clause, ""), after.get(clause, ""), Direction.OTHER)
