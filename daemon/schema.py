"""The tables that both daemons keep, for SQLite and PostgreSQL. A daemon adds its own to the same metadata.

    schema_version   one row: which version of these tables this is
    logs             one row per log: its head, what is needed to append, its newest signed note
    leaves           all that is known of each leaf; the log entry is recomputed from leaf_salt and envelope
    tiles            hash tiles of 256 (C2SP tlog-tiles); at level 0 only full ones, for the rest stands in `leaves`

Columns that are read for themselves stand before the long ones, which SQLite keeps on pages of their own.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
)

VERSION: Final = 2
"""Rises with every change of a table."""

METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

INDEX_BITS: Final = 40
"""A leaf's key is the number of its log, shifted by so many bits, and its index. It is one number so that SQLite stores
rows by it and keeps no second tree to find them; a log may hold 2^40 leaves."""


def leaf_key(log_id: int, index: int) -> int:
    """The key of a leaf; of an index beyond all leaves, that of the end of the log."""
    return (log_id << INDEX_BITS) + min(index, (1 << INDEX_BITS) - 1)


SCHEMA_VERSION: Final = Table("schema_version", METADATA, Column("version", Integer, nullable=False))

LOGS: Final = Table(
    "logs",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("origin", Text, nullable=False, unique=True),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("frontier", LargeBinary, nullable=False),
    Column("note", LargeBinary),
    Column("note_size", BigInteger, nullable=False),
)

# Author, site and identity stand in the envelope: a column costs more to write than what is read of it costs to parse.
LEAVES: Final = Table(
    "leaves",
    METADATA,
    # SQLite takes the row's own number for a key only where its type is spelled so.
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("log_id", ForeignKey(LOGS.c.id), nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("period", BigInteger),
    Column("audience", SmallInteger, nullable=False),
    Column("leaf_hash", LargeBinary, nullable=False),
    Column("leaf_salt", LargeBinary, nullable=False),
    Column("refusal", Text),
    Column("body_salt", LargeBinary),
    Column("envelope", LargeBinary, nullable=False),
    Column("body", LargeBinary),
    # The last column makes the order of equal periods that of the log, in every database.
    Index(None, "log_id", "kind", "period", "id"),
)

TILES: Final = Table(
    "tiles",
    METADATA,
    Column("log_id", ForeignKey(LOGS.c.id), nullable=False),
    Column("level", SmallInteger, nullable=False),
    Column("idx", BigInteger, nullable=False),
    Column("hashes", LargeBinary, nullable=False),
    PrimaryKeyConstraint("log_id", "level", "idx"),
)
