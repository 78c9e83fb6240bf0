"""Tables that a node keeps beside its log, of the record that it follows. All of it can be fetched again."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, LargeBinary, Table, Text

from daemon.schema import METADATA

FOLLOWED: Final = Table(
    "followed",
    METADATA,
    Column("origin", Text, primary_key=True),
    Column("previous", LargeBinary, nullable=False),
    Column("frontier", LargeBinary, nullable=False),
    Column("key_set", LargeBinary, nullable=False),
)
"""How far each log has been read: its last leaf hash, its frontier, and the KeySet in force there, empty before one."""

STATES: Final = Table(
    "states",
    METADATA,
    Column("period", BigInteger, primary_key=True, autoincrement=False),
    Column("state", LargeBinary, nullable=False),
)
"""The newest states by the period of their closing, as text."""
