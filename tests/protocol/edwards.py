"""The curve of Ed25519 in plain integers (RFC 8032 section 5.1): slow, obvious, and free to be dishonest.

It makes what a library refuses to make: points of small and of mixed order, and signatures by them.
"""

from __future__ import annotations

from hashlib import sha512

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P

Point = tuple[int, int]
ZERO: Point = (0, 1)


def add(a: Point, b: Point) -> Point:
    """The sum of two points."""
    (x1, y1), (x2, y2) = a, b
    t = D * x1 * x2 * y1 * y2 % P
    return (x1 * y2 + x2 * y1) * pow(1 + t, -1, P) % P, (y1 * y2 + x1 * x2) * pow(1 - t, -1, P) % P


def multiply(scalar: int, point: Point) -> Point:
    """A multiple of a point."""
    total = ZERO
    while scalar:
        if scalar & 1:
            total = add(total, point)
        point = add(point, point)
        scalar >>= 1
    return total


def decode(encoded: bytes) -> Point | None:
    """The point of an encoding, canonical or not; None if the y belongs to no point."""
    number = int.from_bytes(encoded, "little")
    sign, y = number >> 255, (number & (2**255 - 1)) % P
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != square:
        return None
    return (P - x if x & 1 != sign else x) % P, y


def encode(point: Point) -> bytes:
    """The canonical encoding of a point."""
    x, y = point
    return (y | (x & 1) << 255).to_bytes(32, "little")


def challenge(commitment: bytes, key: bytes, message: bytes) -> int:
    """The k of RFC 8032: SHA-512 of R, A and message, modulo L."""
    return int.from_bytes(sha512(commitment + key + message).digest(), "little") % L


def _order_8() -> Point:
    y = 2
    while True:
        point = decode(y.to_bytes(32, "little"))
        if point is not None and multiply(4, multiply(L, point)) != ZERO:
            return multiply(L, point)
        y += 1


_BASE = decode(bytes([0x58] + [0x66] * 31))
assert _BASE is not None
BASE: Point = _BASE

TORSION: list[Point] = [multiply(index, _order_8()) for index in range(8)]
"""The eight points whose order divides 8; TORSION[0] is the neutral element."""

NON_CANONICAL: list[bytes] = [
    (number + sign).to_bytes(32, "little")
    for number, sign in [(1, 2**255), (P - 1, 2**255), (P, 0), (P, 2**255), (P + 1, 0), (P + 1, 2**255)]
]
"""Encodings of small-order points that no canonical encoder writes: y not reduced, or a sign for x = 0."""
