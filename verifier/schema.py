"""Tables that a verifier keeps beside the logs. All of it can be derived again from the logs and the cosignatures."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    text,
)

from daemon.schema import METADATA

COSIGNED: Final = Table(
    "cosigned",
    METADATA,
    Column("origin", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("note", LargeBinary, nullable=False),
    PrimaryKeyConstraint("origin", "size"),
)
"""Every head that this verifier cosigned, with its cosignature: what a restored verifier must never contradict."""

MIRRORED: Final = Table("mirrored", METADATA, Column("origin", Text, primary_key=True))
"""Logs that were pulled without checking the signatures of their statements: nothing in them may ever be counted."""

CLOSINGS: Final = Table(
    "closings",
    METADATA,
    Column("period", BigInteger, primary_key=True, autoincrement=False),
    Column("idx", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("state", LargeBinary, nullable=False),
    Column("why", Text, nullable=False),
)
"""Each closing with its leaf in the record log, its body, the state after it, and the reasons as JSON for people."""

RECORDED: Final = Table(
    "recorded",
    METADATA,
    Column("origin", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("period", BigInteger, nullable=False),
    PrimaryKeyConstraint("origin", "size"),
)
"""Sizes of logs by the closing that recorded them: the heads of all closings, findable by leaf."""

REFUSED: Final = Table(
    "refused",
    METADATA,
    Column("origin", Text, nullable=False),
    Column("idx", BigInteger, nullable=False),
    Column("period", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    PrimaryKeyConstraint("origin", "idx"),
)
"""Statements that the fold refused, with the broken rule."""

HAS_FINDINGS: Final = text("findings > 0")
"""Said with the number itself: a database uses a partial index only where it sees the same words."""

VERDICTS: Final = Table(
    "verdicts",
    METADATA,
    Column("lab", Text, nullable=False),
    Column("period", BigInteger, nullable=False),
    Column("verdict", SmallInteger, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("idx", BigInteger, nullable=False),
    Column("findings", Integer, nullable=False),
    Column("sketch", Text, nullable=False),
    PrimaryKeyConstraint("lab", "period"),
    Index(None, "lab", "verdict", "period"),
    # Only where there are some: most periods of most labs have none.
    Index("ix_verdicts_findings", "lab", "period", sqlite_where=HAS_FINDINGS, postgresql_where=HAS_FINDINGS),
)
"""Newest revision of each assessment by this verifier: where it stands in its log, and what it says in short."""

PROOFS: Final = Table(
    "proofs",
    METADATA,
    Column("digest", LargeBinary, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)
"""Proofs of bounds and floors, by the SHA-256 that an assessment states."""

COUNTS: Final = Table(
    "counts",
    METADATA,
    Column("lab", Text, nullable=False),
    Column("verdict", SmallInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    PrimaryKeyConstraint("lab", "verdict"),
)
"""Periods by newest verdict, kept up to date on write: a count must not grow slower with history."""
