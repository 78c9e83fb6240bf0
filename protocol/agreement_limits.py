"""What the rules of terms share: limits, names, and the tests of one value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from protocol.errors import Reason, Refused
from standstill.v1 import agreement_pb2 as pb
from standstill.v1 import quantity_pb2 as q

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?")
CLASS_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
ORIGIN: Final = re.compile(r"[a-z0-9][a-z0-9.-]*(?:/[a-z0-9._-]+)*")
LABELS: Final = tuple(value for value in q.Label.values() if value != q.LABEL_UNSPECIFIED)
MAX_PERIODS: Final = 1_000_000
"""Longest duration, periods: over a century of hours. Keeps every sum of periods far from overflow."""


def quorum(terms: pb.Agreement) -> int:
    """floor((n+f)/2) + 1 over verifier operators counted by control group (annex 1.1, 2)."""
    operators = {party.owner for party in terms.parties if pb.ROLE_VERIFIER in party.roles}
    return (len(operators) + terms.lying_verifiers) // 2 + 1


def within(field: str, value: int, low: int, high: int) -> Iterator[Refused]:
    """A number lies between two others, or equals one."""
    if not low <= value <= high:
        yield Refused(Reason.VALUE_OUT_OF_RANGE, field, f"{value}, not {low} to {high}")


def names(field: str, pattern: re.Pattern[str], found: list[str]) -> Iterator[Refused]:
    """Names have a form, and each is there once."""
    for name in found:
        if not pattern.fullmatch(name):
            yield Refused(Reason.NAME_MALFORMED, field, repr(name))
        if found.count(name) > 1:
            yield Refused(Reason.NAME_TWICE, field, repr(name))


def known(field: str, used: Iterable[str], declared: Iterable[str]) -> Iterator[Refused]:
    """Names that are used are declared."""
    for name in used:
        if name not in declared:
            yield Refused(Reason.NAME_UNKNOWN, field, repr(name))


def labels(field: str, found: Iterable[int]) -> Iterator[Refused]:
    """Labels are in the closed list, and each is there once."""
    listed = list(found)
    if not set(listed) <= set(LABELS):
        yield Refused(Reason.LABEL_UNKNOWN, field, str(sorted(set(listed) - set(LABELS))))
    if len(set(listed)) != len(listed):
        yield Refused(Reason.LABEL_TWICE, field, "each label once")
