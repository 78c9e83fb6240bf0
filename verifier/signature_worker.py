"""A process that checks signatures: asks nothing, keeps nothing, ends when its daemon does.

    stdin    count (u32), total bytes (u32), then u32 each: message lengths, signature lengths; then the claims, joined
    stdout   a byte per claim, in order: 1 where it holds

It is started as a module of its own, because a signature needs libsodium and nothing else of the daemon. It ends when
stdin ends, so that a daemon that was killed leaves nobody behind.
"""

from __future__ import annotations

import signal
import sys
from array import array
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO, Final

from protocol.keys import KEY_BYTES, signature_holds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from protocol.leaf import Claim

_WORD: Final = "I"
_WORD_BYTES: Final = array(_WORD).itemsize
_HEAD_WORDS: Final = 2


def pack(claims: Sequence[Claim]) -> bytes:
    """A request. Byte order is the machine's: both ends run on it."""
    messages = [len(claim.message) for claim in claims]
    signatures = [len(claim.signature) for claim in claims]
    total = sum(messages) + sum(signatures) + KEY_BYTES * len(claims)
    sizes = array(_WORD, chain((len(claims), total), messages, signatures))
    return sizes.tobytes() + b"".join(chain.from_iterable(claims))


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until they end."""
    while len(head := requests.read(_HEAD_WORDS * _WORD_BYTES)) == _HEAD_WORDS * _WORD_BYTES:
        count, total = array(_WORD, head)
        sizes = array(_WORD, requests.read(2 * count * _WORD_BYTES))
        claims = requests.read(total)
        answers.write(bytes(_checked(claims, sizes[:count], sizes[count:])))
        answers.flush()


def _checked(joined: bytes, messages: Sequence[int], signatures: Sequence[int]) -> Iterator[bool]:
    start = 0
    for message, signature in zip(messages, signatures, strict=True):
        signed = start + KEY_BYTES
        end = signed + message
        yield signature_holds(joined[start:signed], joined[signed:end], joined[end : end + signature])
        start = end + signature


if __name__ == "__main__":
    # Signals to the whole group are the daemon's to heed: it may still need answers while it stops.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    serve(sys.stdin.buffer, sys.stdout.buffer)
