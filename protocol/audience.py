"""Who may read what of a log (semantics annex 7).

anyone           tiles, entries (commitments), proofs, checkpoints; headers and public bodies of public logs
parties          every header, and bodies for parties
verifiers        also bodies for verifiers
nobody           sealed bodies: only their commitment travels until they are challenged
"""

from __future__ import annotations

from enum import IntEnum

from standstill.v1 import header_pb2


class Reader(IntEnum):
    """Whom a log speaks to; the values rise with trust and are those of the audiences that each may read."""

    PUBLIC = header_pb2.AUDIENCE_PUBLIC
    PARTY = header_pb2.AUDIENCE_PARTIES
    VERIFIER = header_pb2.AUDIENCE_VERIFIERS


def may_read_header(reader: Reader, *, public_log: bool) -> bool:
    """Whether `reader` may see envelope and header; of a public log, such as a record log, everybody may."""
    return public_log or reader >= Reader.PARTY


def may_read_body(reader: Reader, audience: int) -> bool:
    """Whether `reader` may see a body of `audience` (a value of `Audience`); nobody sees a sealed or unknown one."""
    return header_pb2.AUDIENCE_PUBLIC <= audience <= reader
