"""Terms to text: `compile_text(parse(write(terms)))` gives the same bytes for all terms that the rules accept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from language.chips import PRESET_TABLE
from language.keys import BLOCKS, CITE, CITED, Block, blocks_in, keys_of
from language.layout import fmt
from language.write_conditions import Terms, name_text, quoted
from language.write_values import OWN_WRITERS, WRITERS, cap_text, exempt_cap
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import pledge_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from google.protobuf.message import Message

    from protocol.agreement import Agreement


def write(terms: pb.Agreement) -> str:
    """The text of terms, in the order of the key table, with every default written out.

    Args:
        terms: terms that the rules of agreements accept; others may come out as text that does not compile.
    """
    cited = _inline_citations(terms)
    writer = _Writer(Terms(terms), cited)
    body = "".join(writer.inside(BLOCKS["agreement"], terms, ""))
    return fmt(f"agreement {quoted(terms.name)} {{\n{body}}}\n")


def write_block(block: Block, message: Message, terms: pb.Agreement) -> str:
    """The text of one block of terms, without sources."""
    writer = _Writer(Terms(terms), {})
    return fmt("".join(writer.block(block, message, _name(message, block), block.word)))


def write_pledge(pledge: pledge_pb2.Pledge, agreement: Agreement, by: str) -> str:
    """The text of a pledge of a lab under an agreement."""
    around = Terms(agreement.terms)
    writer = _Writer(around, {})
    lines = [f"by = {name_text(by)}\n", f"under = {quoted('sha256:' + agreement.digest.hex())}\n\n"]
    for clause in pledge.clauses:
        inner = replace(around, own_level=clause.level)
        body = "".join(writer.keys(BLOCKS["keep"], clause, inner))
        lines.append(f"keep {around.level(clause.level)} {{\n{body}}}\n")
    return fmt(f"pledge {{\n{''.join(lines)}}}\n")


def _inline_citations(terms: pb.Agreement) -> Mapping[str, str] | None:
    """Source by clause, if every citation can stand in its clause; None if they must stand by themselves."""
    sources = {one.clause: one.source for one in terms.citations}
    writer = _Writer(Terms(terms), sources)
    for _ in writer.inside(BLOCKS["agreement"], terms, ""):
        pass
    found = [(one.clause, one.source) for one in terms.citations]
    return sources if found == [(clause, sources[clause]) for clause in writer.cited] else None


class _Writer:
    """Writes blocks by the key table.

    Attributes:
        cited: clauses with a source, in the order in which they were written.
    """

    def __init__(self, around: Terms, sources: Mapping[str, str] | None) -> None:
        self._around = around
        self._sources = sources
        self.cited: list[str] = []

    def inside(self, block: Block, message: Message, clause: str, around: Terms | None = None) -> Iterator[str]:
        """Keys and blocks of a block."""
        around = around or self._around
        yield from self.keys(block, message, around)
        if block.word in CITED and self._sources is not None and clause in self._sources:
            self.cited.append(clause)
            yield f"{CITE} = {quoted(self._sources[clause])}\n"
        for child in blocks_in(block.word):
            blocks = [one for part, name in _parts(child, message) for one in self.block(child, part, name, clause)]
            # A line between the sections of an agreement.
            yield ("\n" if blocks and not clause else "") + "".join(blocks)

    def keys(self, block: Block, message: Message, around: Terms) -> Iterator[str]:
        """Keys of a block."""
        for key in keys_of(block.word):
            write = OWN_WRITERS.get((block.word, key.name)) or WRITERS.get(key.kind)
            value = write(around, key, message) if write and key.field else None
            if value is not None:
                yield f"{key.name} = {value}\n"

    def block(self, block: Block, message: Message, name: str | None, clause: str) -> Iterator[str]:
        """A block, if anything is to be written of it."""
        if block.word == "citation" and self._sources is not None:
            return
        head = block.word if name is None else f"{block.word} {name}"
        inner_clause = block.word if name is None else f"{block.word} {_plain(message, block)}"
        whole = f"{clause}.{inner_clause}" if clause else inner_clause
        around = replace(self._around, own_level=message.rank) if isinstance(message, pb.Level) else self._around
        if block.word == "caps" and isinstance(message, pb.Level):
            body: Iterable[str] = self._caps(message, whole)
        else:
            body = self.inside(block, message, whole, around)
        yield f"{head} {{\n{''.join(body)}}}\n"

    def _caps(self, level: pb.Level, clause: str) -> Iterator[str]:
        for cap in level.caps:
            short = cap_text(self._around, cap, level)
            if short is not None:
                yield f"{short}\n"
            else:
                yield from self.block(BLOCKS["cap"], cap, name_text(cap.name), clause)


def _plain(message: Message, block: Block) -> str:
    value = getattr(message, block.named)
    return value.hex() if isinstance(value, bytes) else str(value)


def _parts(child: Block, message: Message) -> list[tuple[Message, str | None]]:
    """The messages that a kind of block is written for, with their names."""
    if child.word in {"class", "cap", "caps"} or (isinstance(message, pb.Agreement) and _elsewhere(child, message)):
        return _caps_of(child, message)
    if not child.field:
        return [(message, None)]
    found = getattr(message, child.field)
    if child.many:
        return [(one, _name(one, child)) for one in found]
    present = child.implied or message.HasField(child.field)
    return [(found, _name(found, child))] if present else []


def _elsewhere(child: Block, terms: pb.Agreement) -> bool:
    """Brakes are written in their levels, the shipped table by its name."""
    return child.word == "brake" or (child.word == "chip" and tuple(terms.chips) == PRESET_TABLE)


def _caps_of(child: Block, message: Message) -> list[tuple[Message, str | None]]:
    """The caps of a level in one block; the cap of an exemption if it has no short form."""
    if child.word == "caps" and isinstance(message, pb.Level):
        return [(message, None)] if message.caps else []
    if child.word != "cap" or not isinstance(message, pb.Exemption) or not message.HasField("cap"):
        return []
    short = exempt_cap(Terms(pb.Agreement(period_seconds=1)), next(iter(keys_of("exempt"))), message)
    return [] if short else [(message.cap, name_text(message.cap.name))]


def _name(message: Message, block: Block) -> str | None:
    if not block.named:
        return None
    value = getattr(message, block.named)
    return quoted(value.hex()) if isinstance(value, bytes) else name_text(str(value))
