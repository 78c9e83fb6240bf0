"""What a demo has to show."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that must come out true, and whether it did."""

    text: str
    held: bool
