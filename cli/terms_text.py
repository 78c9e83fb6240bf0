"""Terms and descriptors as text files: protobuf text format in, one message or every complaint out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, TypeVar

import click
from google.protobuf import text_format
from google.protobuf.message import Message

from protocol.agreement import MAX_AGREEMENT_BYTES
from protocol.errors import Reason, Refused
from protocol.wire import encode, parse
from standstill.v1 import agreement_pb2

M = TypeVar("M", bound=Message)

_COMPILED: Final = frozenset({b"\x08", b"\x12"})
"""Tags of the first fields, `version` and `name`; no text begins with either."""

_PLACE: Final = re.compile(r"(?P<line>\d+):(?P<column>\d+) : (?P<what>.*)", re.DOTALL)


def read_bytes(path: Path) -> bytes:
    """A file's bytes.

    Raises:
        click.ClickException: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise click.ClickException(f"{path}: expected a readable file: {error.strerror}") from error


def parse_text(kind: type[M], data: bytes, name: str) -> M:
    """Read a message in protobuf text format.

    Raises:
        Refused: MESSAGE_MALFORMED with `name:line:column` as its field.
    """
    message = kind()
    try:
        text_format.Parse(data.decode("utf-8"), message)
    except UnicodeDecodeError as error:
        raise Refused(Reason.MESSAGE_MALFORMED, name, "expected UTF-8 text") from error
    except text_format.ParseError as error:
        found = _PLACE.match(str(error))
        if found is None:
            raise Refused(Reason.MESSAGE_MALFORMED, name, str(error)) from error
        place = f"{name}:{found['line']}:{found['column']}"
        raise Refused(Reason.MESSAGE_MALFORMED, place, found["what"]) from error
    return message


def read_party(path: Path) -> agreement_pb2.Party:
    """Read the descriptor of a party; refusals as :func:`read_bytes` and :func:`parse_text`."""
    return parse_text(agreement_pb2.Party, read_bytes(path), str(path))


def read_terms(path: Path) -> agreement_pb2.Agreement:
    """Read terms, compiled or as text.

    Raises:
        Refused: MESSAGE_MALFORMED, MESSAGE_TOO_LARGE, MESSAGE_NOT_CANONICAL.
    """
    data = read_bytes(path)
    if data[:1] in _COMPILED:
        return parse(agreement_pb2.Agreement, data, str(path), MAX_AGREEMENT_BYTES)
    return parse_text(agreement_pb2.Agreement, data, str(path))


def terms_bytes(path: Path) -> bytes:
    """The bytes of the terms in a file: those of compiled terms as they are; refusals as :func:`read_terms`."""
    data = read_bytes(path)
    return data if data[:1] in _COMPILED else encode(parse_text(agreement_pb2.Agreement, data, str(path)))
