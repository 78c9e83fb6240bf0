"""A process that checks signatures for :mod:`verifier.signatures`, until its standard input is closed."""

from __future__ import annotations

import signal
import struct
import sys
from typing import BinaryIO

from protocol.keys import KEY_BYTES, SIGNATURE_BYTES, signature_holds


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more."""
    while header := requests.read(4):
        (count,) = struct.unpack(">I", header)
        lengths = struct.unpack(f">{count}I", requests.read(4 * count))
        keys = requests.read(KEY_BYTES * count)
        joined = requests.read(sum(lengths))
        answers.write(_check(lengths, keys, joined))
        answers.flush()


def _check(lengths: tuple[int, ...], keys: bytes, joined: bytes) -> bytes:
    held = bytearray(len(lengths))
    start = 0
    for number, length in enumerate(lengths):
        key = keys[KEY_BYTES * number : KEY_BYTES * (number + 1)]
        middle, end = start + SIGNATURE_BYTES, start + length
        held[number] = signature_holds(key, joined[middle:end], joined[start:middle])
        start = end
    return bytes(held)


if __name__ == "__main__":
    # A terminal or a service manager tells a whole group to stop; the verifier decides when this process does.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    serve(sys.stdin.buffer, sys.stdout.buffer)
