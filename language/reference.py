"""The reference of the language, made from the key table: `docs/language.md`."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Final

from language.keys import BLOCKS, CITED, KEYS, RETIRED, Kind, Stricter, blocks_in, keys_of
from language.units import UNITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from language.keys import Block, Key

_VALUES: Final = {
    Kind.ALLOW: "list of labels, or `everything`",
    Kind.BRAKERS: "list of roles and parties",
    Kind.CALLER: "rule, or `automatic`",
    Kind.CHIPS: "number of chips",
    Kind.CHIP_TABLE: "`preset`, `none`, or a path in quotation marks",
    Kind.CHIP_TIME: "chip time",
    Kind.CLUSTER_CAP: "number of chips",
    Kind.CONDITION: "condition",
    Kind.EXEMPT_CAP: "compute or chip time `per` time",
    Kind.FALSE_ALARM: "share, or share `per` time",
    Kind.FLOP: "compute",
    Kind.FLOP_LIMIT: "compute",
    Kind.GROWTH_CAP: "share `per` time",
    Kind.HEX: "hexadecimal, in quotation marks",
    Kind.HOLDERS: "list of parties",
    Kind.LEVEL: "level",
    Kind.LIARS: "number",
    Kind.LONG_SPAN: "time, `12 months`, or `never`",
    Kind.MILLI: "number with at most three decimals",
    Kind.NAME: "name",
    Kind.NAMES: "list of names",
    Kind.NEED: "`2 of [a, b] and 1 of council.seats`, joined by `and`, `or`",
    Kind.PEAKS: "list of rates `of` a format",
    Kind.PENDING: "`pending`",
    Kind.PERIOD: "moment",
    Kind.POWER: "power, `700 W`",
    Kind.RAMP: "time, or `[25 % after 0 d, 100 % after 21 d]`",
    Kind.RATE: "rate",
    Kind.REPORTERS: "list of parties, `subject`",
    Kind.ROOT: "`2 of [` keys `]`",
    Kind.RUN_CAP: "compute",
    Kind.SEAT_COUNT: "number",
    Kind.SECONDS: "time",
    Kind.SHARE: "share",
    Kind.SPAN: "time",
    Kind.STRING: "text in quotation marks",
    Kind.STRINGS: "list of texts",
    Kind.TIME: "moment",
    Kind.TOTAL_CAP: "compute, or share `of baseline`, `per` time",
    Kind.UNIT: "`min`, `h`, `d`, `s`, `ppm`, `x`, `FLOP`, or a text",
    Kind.VOTERS: "list of voters",
    Kind.WHOLE: "number",
    Kind.WORD: "one of",
    Kind.WORDS: "list of",
}
_STRICTER: Final = {
    Stricter.NEITHER: "",
    Stricter.LESS: "less",
    Stricter.MORE: "more",
    Stricter.FEWER_ITEMS: "fewer",
    Stricter.MORE_ITEMS: "more",
    Stricter.IMPLIED: "holds sooner",
    Stricter.IMPLIES: "holds later",
}


def reference() -> str:
    """The whole reference, in Markdown."""
    units = ", ".join(f"`{unit}`" for unit in UNITS)
    head = resources.files("language").joinpath("reference_head.md").read_text("utf-8")
    lines = [head.replace("UNITS", units), "## Blocks", ""]
    for block in BLOCKS.values():
        lines += _block(block)
    lines += ["## Words of earlier drafts", "", "| in | key | instead |", "|---|---|---|"]
    lines += [f"| `{block}` | `{key}` | {_cell(remedy)} |" for (block, key), remedy in RETIRED.items()]
    return "\n".join(lines) + "\n"


def _block(block: Block) -> Iterator[str]:
    name = " NAME" if block.named else ""
    yield f"### `{block.word}{name} {{ ... }}`"
    yield ""
    stands = " and ".join(f"`{parent}`" for parent in block.parents)
    parts = [f"Stands in {stands}." if stands else "A text of its own."]
    if block.many:
        parts.append("May stand several times.")
    if block.implied:
        parts.append("Defaults hold where it is not written.")
    if inner := blocks_in(block.word):
        parts.append(f"Holds {', '.join(f'`{one.word}`' for one in inner)}.")
    if block.word in CITED:
        parts.append("`cite` names its source.")
    yield " ".join(parts)
    yield ""
    yield "| key | value | default | stricter | meaning |"
    yield "|---|---|---|---|---|"
    yield from (_row(key) for key in keys_of(block.word))
    yield ""


def _row(key: Key) -> str:
    value = _VALUES[key.kind]
    if key.kind in {Kind.WORD, Kind.WORDS}:
        value += f" {', '.join(f'`{word}`' for word in key.words)}"
    default = "required" if key.required else f"`{key.default}`" if key.default else ""
    return f"| `{key.name}` | {_cell(value)} | {default} | {_STRICTER[key.stricter]} | {_cell(key.help)} |"


def _cell(text: str) -> str:
    """A text that does not end its cell of the table."""
    return text.replace("|", "\\|")


def unexplained() -> list[str]:
    """Keys whose kind of value the reference does not explain; none, or it would not be made."""
    return [f"{key.block}.{key.name}" for key in KEYS.values() if key.kind not in _VALUES]
