"""Bytes of a file to rows of cells: compression, encoding, line ends, separators, quoting.

One line is one row, so that a row's number is the line an editor shows and a quote left open costs one row, not the
rest of the file. A byte order mark and CRLF, which spreadsheets write, change nothing. What makes a file unreadable
as a whole is raised; what concerns one row is put on the tally and reading goes on.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from node.collect.figures import Tally
from protocol.errors import Reason, Refused, require

MAX_BYTES: Final = 1 << 28
"""Largest input after decompression: 256 MiB, several million jobs. Bounds memory against a compression bomb."""

_GZIP: Final = b"\x1f\x8b"
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_BOM: Final = b"\xef\xbb\xbf"
_PUNCTUATION: Final = re.compile(r"[^a-z0-9]")


@dataclass(frozen=True, slots=True)
class Table:
    """A file's header and its lines.

    Attributes:
        name: file name without its folder.
        columns: names as the file has them.
        separator: one character.
        lines: all lines; the header is `lines[header]`.
        header: index of the header's line.
        open_ended: whether every line ends in a separator (`sacct -p`).
    """

    name: str
    columns: tuple[str, ...]
    separator: str
    lines: tuple[str, ...]
    header: int
    open_ended: bool

    def find(self, *names: str) -> str | None:
        """Return the file's name for the first of `names` that it has; case and punctuation do not matter."""
        known = {plain(column): column for column in self.columns}
        return next((known[name] for name in names if name in known), None)

    def rows(self, tally: Tally) -> Iterator[tuple[int, Mapping[str, str]]]:
        """Yield each usable row with its line number; list the others on `tally`."""
        for number, line in enumerate(self.lines[self.header + 1 :], start=self.header + 2):
            if not line.strip():
                continue
            try:
                cells = self._cells(line)
            except Refused as no:
                tally.reject(number, no, line)
                continue
            yield number, dict(zip(self.columns, cells, strict=False))

    def _cells(self, line: str) -> list[str]:
        require("\0" not in line, Reason.TRACE_NUL_BYTE, "", "the row contains a NUL byte")
        require(_is_utf8(line), Reason.TRACE_NOT_UTF8, "", "the row is not UTF-8")
        cells = split(line, self.separator)
        if self.open_ended and cells and not cells[-1]:
            cells.pop()
        want, found = len(self.columns), len(cells)
        hint = "; a field contains the separator" if found > want else ""
        require(found == want, Reason.TRACE_FIELD_COUNT, "", f"{found} fields, the header has {want}{hint}")
        return cells


def plain(column: str) -> str:
    """Return a column name without case and punctuation: `Start Time`, `start_time` and `StartTime` are one."""
    return _PUNCTUATION.sub("", column.lower())


def split(line: str, separator: str, where: str = "") -> list[str]:
    """Split one line into cells: RFC 4180 quoting, except with `|`, where sacct quotes nothing.

    Raises:
        Refused: TRACE_QUOTING, with `where` as its field.
    """
    if separator == "|" or '"' not in line:
        return line.split(separator)
    try:
        return next(csv.reader([line], delimiter=separator, strict=True))
    except csv.Error as error:
        detail = f"quotes do not match ({error}); a field may not contain a line break"
        raise Refused(Reason.TRACE_QUOTING, where, detail) from None


def read_text(path: Path) -> str:
    """Return a file's text, decompressed; bytes that are not UTF-8 are kept as surrogates for the row to be named."""
    try:
        data = _read_bytes(path)
    except OSError as error:
        raise Refused(Reason.TRACE_UNREADABLE, path.name, error.strerror or "damaged gzip data") from None
    except (EOFError, zlib.error):
        raise Refused(Reason.TRACE_GZIP_DAMAGED, path.name, "the compressed data ends early or is damaged") from None
    require(len(data) <= MAX_BYTES, Reason.TRACE_TOO_LARGE, path.name, f"more than {MAX_BYTES} bytes; split it")
    require(not data.startswith(_UTF16), Reason.TRACE_NOT_UTF8, path.name, "this is UTF-16; save it as UTF-8")
    text = data.removeprefix(_BOM).decode("utf-8", "surrogateescape")
    require(bool(text.strip()), Reason.TRACE_EMPTY, path.name, "the file is empty")
    return text


def _read_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if not data.startswith(_GZIP):
        return data
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            return file.read(MAX_BYTES + 1)
    except gzip.BadGzipFile as error:
        raise Refused(Reason.TRACE_GZIP_DAMAGED, path.name, str(error)) from None


def parse_table(name: str, text: str) -> Table:
    """Find the header, its separator and its columns; refuse columns that occur twice."""
    lines = tuple(line.removesuffix("\r") for line in text.split("\n"))
    header = next(index for index, line in enumerate(lines) if line.strip())
    first = lines[header]
    require("\0" not in first, Reason.TRACE_NUL_BYTE, name, "the header contains a NUL byte")
    require(_is_utf8(first), Reason.TRACE_NOT_UTF8, name, "the header is not UTF-8")
    separator = next((mark for mark in "|\t;," if mark in first and (mark != ";" or "," not in first)), ",")
    columns = tuple(cell.strip() for cell in split(first, separator, f"{name}:{header + 1}"))
    open_ended = len(columns) > 1 and not columns[-1]
    columns = columns[:-1] if open_ended else columns
    seen: dict[str, str] = {}
    for column in columns:
        key = plain(column) or column
        clash = f'columns "{seen.get(key)}" and "{column}" have one name'
        require(key not in seen, Reason.TRACE_COLUMN_DUPLICATE, f"{name}:{header + 1}", clash)
        seen[key] = column
    return Table(name, columns, separator, lines, header, open_ended)


def _is_utf8(line: str) -> bool:
    """Return whether no byte of the line had to be escaped when it was decoded."""
    return line.isascii() or not any("\udc80" <= char <= "\udcff" for char in line)
