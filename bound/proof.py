"""Multipliers as bytes: few bits for each, as rounding costs tightness and never truth (annex: bound, 5.2).

zlib( for each row: exponent as a byte, leading 24 bits with their sign as a little-endian 32-bit integer )
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final

from protocol.errors import Reason, Refused, require

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_ROWS: Final = 1 << 20
_BITS: Final = 24
_ROW: Final = struct.Struct("<Bi")
"""Exponent, and signed leading bits."""


def rounded(multipliers: Sequence[int]) -> list[int]:
    """The multipliers with all but their leading bits cleared, towards 0: what :func:`unpack` gives back."""
    return unpack(pack(multipliers), len(multipliers))


def pack(multipliers: Sequence[int]) -> bytes:
    """The bytes of a proof."""
    rows = bytearray()
    for value in multipliers:
        exponent = max(0, abs(value).bit_length() - _BITS)
        leading = abs(value) >> exponent
        rows += _ROW.pack(exponent, leading if value >= 0 else -leading)
    return zlib.compress(bytes(rows), 9)


def unpack(data: bytes, rows: int) -> list[int]:
    """The multipliers of a proof.

    Args:
        data: the bytes.
        rows: of the program; a proof of another length is refused before it is unpacked in full.

    Raises:
        Refused: CERTIFICATE_MALFORMED.
    """
    require(rows <= MAX_ROWS, Reason.CERTIFICATE_MALFORMED, "proof", f"{rows} rows")
    size = rows * _ROW.size
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(data, size + 1)
    except zlib.error as error:
        raise Refused(Reason.CERTIFICATE_MALFORMED, "proof", str(error)) from error
    whole = len(raw) == size and inflater.eof and not inflater.unused_data
    require(whole, Reason.CERTIFICATE_MALFORMED, "proof", f"not {rows} multipliers")
    return [leading << exponent for exponent, leading in _ROW.iter_unpack(raw)]
