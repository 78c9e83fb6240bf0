"""Terms in whatever form a file has them: text, protobuf text, compiled bytes, or bytes with signatures.

What a file is shows in what it holds, not in its name.
"""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from google.protobuf import text_format
from google.protobuf.message import Message

from protocol import signing
from protocol.agreement import MAX_AGREEMENT_BYTES
from protocol.errors import Reason, Refused
from protocol.wire import encode, parse
from standstill.v1 import agreement_pb2, signing_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from language.context import Materials
    from language.problem import Problem
    from language.spans import Span
    from language.syntax import Document

M = TypeVar("M", bound=Message)

FILE: Final = click.Path(path_type=Path, dir_okay=False, allow_dash=True)
STDIN: Final = Path("-")

_COMPILED: Final = frozenset({b"\x08", b"\x12"})
"""Tags of the first fields, `version` and `name`; no text begins with either."""
_PLACE: Final = re.compile(r"(?P<line>\d+):(?P<column>\d+) : (?P<what>.*)", re.DOTALL)
_LEADING: Final = re.compile(r"(?:\s|#[^\n]*)*")
_FIRST_WORD: Final = re.compile(r"\w+")
_FIELDS: Final = frozenset(one.name for one in agreement_pb2.Agreement.DESCRIPTOR.fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a file says.

    Attributes:
        file: its name, as given.
        terms: the terms; without the keys of the parties that `pending` names.
        data: the exact bytes; None while keys are to come or the text has errors.
        problems: what reading and compiling found; empty for bytes.
        source: the text, if it is one of the language.
        places: where the text says each field, by dotted path.
        pending: parties whose keys are not known yet.
        signing: acceptances, if the file holds any.
    """

    file: str
    terms: agreement_pb2.Agreement
    data: bytes | None = None
    problems: tuple[Problem, ...] = ()
    source: str = ""
    places: Mapping[str, Span] = field(default_factory=dict)
    pending: tuple[str, ...] = ()
    signing: signing.Signing | None = None

    @property
    def readable(self) -> agreement_pb2.Agreement:
        """The terms as the rules can read them: with keys that anybody can make for parties that are pending."""
        from language.stand_in import with_stand_ins

        return with_stand_ins(self.terms, self.pending) if self.pending else self.terms

    @property
    def broken(self) -> bool:
        """Whether the text could not be compiled."""
        return any(problem.severity == "error" for problem in self.problems)


def party_option(command: Any) -> Any:
    """Give a command the option `--party`, descriptors of parties whose keys are pending, as argument `parties`."""
    text = "Descriptor of a party, as `init` writes it; repeat."
    return click.option("--party", "parties", type=FILE, multiple=True, help=text)(command)


def read_bytes(path: Path) -> bytes:
    """A file's bytes; `-` is standard input.

    Raises:
        click.ClickException: it cannot be read.
    """
    try:
        return sys.stdin.buffer.read() if path == STDIN else path.read_bytes()
    except OSError as error:
        raise click.ClickException(f"{path}: expected a readable file: {error.strerror}") from error


def read_terms(path: Path, parties: Sequence[Path] = ()) -> Terms:
    """Read terms in any form.

    Args:
        path: the file.
        parties: descriptors; of a text, for parties whose keys are pending; of protobuf text, for more parties.

    Raises:
        Refused: MESSAGE_MALFORMED, MESSAGE_TOO_LARGE, MESSAGE_NOT_CANONICAL; what
            :func:`protocol.signing.read_signing` refuses.
        Unreadable: the text is no sentence of the language.
        click.ClickException: a file cannot be read.
    """
    data, name = read_bytes(path), str(path)
    if data[:1] in _COMPILED:
        terms = parse(agreement_pb2.Agreement, data, name, MAX_AGREEMENT_BYTES)
        return Terms(file=name, terms=terms, data=data)
    if collected := _signing(data):
        agreement = collected.agreement
        return Terms(file=name, terms=agreement.terms, data=agreement.data, signing=collected)
    if is_protobuf_text(data):
        terms = parse_text(agreement_pb2.Agreement, data, name)
        terms.parties.extend(read_party(party) for party in parties)
        return Terms(file=name, terms=terms, data=encode(terms))
    return _compiled(path, decoded(data, name), parties)


def is_protobuf_text(data: bytes) -> bool:
    """Whether a text begins with a field of the terms, as protobuf text does and no text of the language."""
    text = data.decode("utf-8-sig", "replace")
    word = _first_word(text)
    return word is not None and (word[0] in _FIELDS or text[word.end() :].lstrip()[:1] == ":")


def is_pledge(data: bytes) -> bool:
    """Whether a file holds the text of a pledge."""
    word = _first_word(data.decode("utf-8-sig", "replace"))
    return word is not None and word[0] == "pledge"


def _first_word(text: str) -> re.Match[str] | None:
    start = _LEADING.match(text)
    return _FIRST_WORD.match(text, start.end() if start else 0)


def decoded(data: bytes, name: str) -> str:
    """The text in a file, without the mark of byte order that some editors put before it.

    Raises:
        Refused: MESSAGE_MALFORMED if it is not UTF-8.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(Reason.MESSAGE_MALFORMED, name, "expected UTF-8 text") from error


@contextmanager
def naming(file: str, text: str) -> Iterator[None]:
    """Say of what cannot be read which file it is, and show its lines; standard input can be read only once."""
    from language.problem import Unreadable

    try:
        yield
    except Unreadable as unreadable:
        unreadable.file, unreadable.source = file, text
        raise


def read_party(path: Path) -> agreement_pb2.Party:
    """Read the descriptor of a party; refusals as :func:`read_bytes` and :func:`parse_text`."""
    return parse_text(agreement_pb2.Party, read_bytes(path), str(path))


def parse_text(kind: type[M], data: bytes, name: str) -> M:
    """Read a message in protobuf text format.

    Raises:
        Refused: MESSAGE_MALFORMED with `name:line:column` as its field.
    """
    message = kind()
    try:
        text_format.Parse(decoded(data, name), message)
    except text_format.ParseError as error:
        found = _PLACE.match(str(error))
        if found is None:
            raise Refused(Reason.MESSAGE_MALFORMED, name, str(error)) from error
        place = f"{name}:{found['line']}:{found['column']}"
        raise Refused(Reason.MESSAGE_MALFORMED, place, found["what"]) from error
    return message


def materials_for(path: Path, document: Document, parties: Sequence[Path]) -> Materials:
    """What a text refers to: descriptors, and the table of accelerators that it names, beside it.

    Raises:
        Refused: as :func:`read_party`.
        Unreadable: the table is none.
        click.ClickException: a file cannot be read.
    """
    from language.chips import read_chip_table
    from language.context import Materials

    tables = {}
    for name in _tables(document):
        beside = Path(name) if path == STDIN else path.parent / name
        table = decoded(read_bytes(beside), str(beside))
        with naming(str(beside), table):
            tables[name] = read_chip_table(table)
    described = {party.name: party for party in map(read_party, parties)}
    return Materials(parties=described, tables=tables)


def _signing(data: bytes) -> signing.Signing | None:
    """Acceptances, if the bytes hold any: their first tag is a line feed, with which a text may begin too."""
    if data[:1] != b"\n":
        return None
    try:
        parse(signing_pb2.SignedAgreement, data, "signed", signing.MAX_SIGNED_BYTES)
    except Refused:
        return None
    return signing.read_signing(data)


def _compiled(path: Path, text: str, parties: Sequence[Path]) -> Terms:
    from language.lower import compile_text
    from language.parse import parse as parse_language

    with naming(str(path), text):
        document = parse_language(text)
    compiled = compile_text(document, materials_for(path, document, parties))
    broken = any(problem.severity == "error" for problem in compiled.problems)
    whole = not broken and not compiled.pending
    return Terms(
        file=str(path),
        terms=compiled.terms,
        data=encode(compiled.terms) if whole else None,
        problems=compiled.problems,
        source=text,
        places=compiled.places,
        pending=compiled.pending,
    )


def _tables(document: Document) -> list[str]:
    from language.syntax import Block, Entry, Text

    blocks = (item for item in document.items if isinstance(item, Block))
    entries = (item for block in blocks for item in block.items if isinstance(item, Entry))
    return [one.value.text for one in entries if one.key.text == "chip_table" and isinstance(one.value, Text)]
