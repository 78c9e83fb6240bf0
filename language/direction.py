"""Which way a change of terms goes."""

from __future__ import annotations

from enum import StrEnum, unique
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from standstill.v1 import agreement_pb2 as pb

Side: TypeAlias = "tuple[Message, pb.Agreement]"
"""A block's message, and the terms that it stands in."""


@unique
class Direction(StrEnum):
    """What a change does to those who are bound."""

    STRICTER = "stricter"
    LOOSER = "looser"
    OTHER = "other"
    """Neither, or both, or not to be compared."""

    @property
    def turned(self) -> Direction:
        """The direction of the change back."""
        return {Direction.STRICTER: Direction.LOOSER, Direction.LOOSER: Direction.STRICTER}.get(self, self)
