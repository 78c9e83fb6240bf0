"""What can be written, and means nothing to this reader yet.

Terms that say something which nothing evaluates would be signed for what they do not do, so they are refused. Whoever
makes a field count takes its line away. What is only for people (means, citations, what the text does not encode, who
else belongs to a group) and what the terms merely state (unit, prior reports, covered clusters) is not listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from google.protobuf.message import Message

from protocol.errors import Reason, Refused

NOT_EVALUATED: Final[frozenset[str]] = frozenset()
"""Fields as `Message.field`, with the names of the .proto files; none at present."""


def problems(message: Message, where: str = "") -> Iterator[Refused]:
    """Every field of a message, and of the messages in it, that says something which nothing evaluates."""
    name = message.DESCRIPTOR.full_name.removeprefix("standstill.v1.")
    for descriptor, value in message.ListFields():
        place = f"{where}.{descriptor.name}" if where else descriptor.name
        if f"{name}.{descriptor.name}" in NOT_EVALUATED:
            yield Refused(Reason.VERSION_UNKNOWN, place, "nothing evaluates it: leave it out")
        elif isinstance(value, Message):
            yield from problems(value, place)
        elif descriptor.message_type is not None:
            for number, part in enumerate(value):
                yield from problems(part, f"{place}.{getattr(part, 'name', '') or number}")
