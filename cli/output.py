"""What every command shares: exit codes, the JSON envelope, and where words go.

The answer goes to standard output; progress, warnings and hints go to standard error. Nothing here loads more than
click, so that a command that only computes starts fast.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from enum import Enum, IntEnum
from typing import Any, Final, NoReturn

import click

from protocol.errors import Reason

EXACT_JSON_INTEGER: Final = 2**53
"""Largest integer that every JSON reader keeps exactly; above it integers are strings."""


class Exit(IntEnum):
    """What a command's exit code says. Several at once: 5, 1, 3, 4 in that order."""

    DONE = 0
    """Yes, confirmed, or done."""
    NOT_CONFIRMED = 1
    """The answer is no."""
    USAGE = 2
    """Wrong usage, file or configuration; nothing was contacted or changed."""
    NOT_APPRAISED = 3
    """Could not appraise."""
    NOT_REACHED = 4
    """The other side was not reached."""
    NOT_TRUSTED = 5
    """A signature, proof, head or pinned digest failed: do not use the data."""
    REFUSED = 6
    """Refused by the other side."""
    FAULT = 7
    """A fault of this machine."""
    INTERRUPTED = 130
    """Interrupted; what was done is kept."""


_FAULTS: Final = frozenset(
    {
        Reason.CLOCK_UNREADABLE,
        Reason.CLOCK_WENT_BACK,
        Reason.STORE_IN_USE,
        Reason.STORE_UNAVAILABLE,
        Reason.STORE_DAMAGED,
        Reason.STORE_BEHIND,
        Reason.HEAD_CONFLICT,
        Reason.ADDRESS_IN_USE,
    }
)
_NOT_TRUSTED: Final = frozenset(
    {
        Reason.TRUST_ROOT_MISMATCH,
        Reason.SIGNATURE_INVALID,
        Reason.NOTE_UNVERIFIED,
        Reason.THRESHOLD_NOT_MET,
        Reason.COMMITMENT_MISMATCH,
        Reason.ROOT_MISMATCH,
        Reason.INCONSISTENT,
        Reason.EQUIVOCATION,
        Reason.ROLLED_BACK,
        Reason.STATE_DIFFERS,
    }
)


def exit_of(reason: Reason, *, remote: bool = False) -> Exit:
    """The exit code of a refusal; `remote` where another process refused."""
    if reason in _FAULTS:
        return Exit.FAULT
    if remote:
        return Exit.REFUSED
    return Exit.NOT_TRUSTED if reason in _NOT_TRUSTED else Exit.USAGE


def json_option(command: Any) -> Any:
    """Give a command the flag `--json`, as argument `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Answer in JSON, for scripts.")(command)


def answer(
    schema: str,
    answer: str,
    data: Mapping[str, Any],
    *,
    exit_code: Exit = Exit.DONE,
    as_of: int | None = None,
    notes: Sequence[str] = (),
) -> None:
    """Print an answer for scripts: one JSON object with the same envelope for every command.

    Args:
        schema: what `data` is, such as `standstill/node.status/1`; keys are only ever added under one number.
        answer: `confirmed`, `not_confirmed`, `could_not_appraise` or `done`.
        data: the answer itself; units stand in the keys, bytes become hexadecimal.
        exit_code: that the command is about to end with.
        as_of: moment that the answer speaks of, Unix seconds.
        notes: sentences for people.
    """
    # Imported by those who ask for it: most commands answer people.
    import json

    envelope = {
        "schema": schema,
        "answer": answer,
        "exit": int(exit_code),
        "as_of": as_of,
        "data": data,
        "notes": list(notes),
    }
    click.echo(json.dumps(plain(envelope), ensure_ascii=False))


def plain(value: Any) -> Any:  # noqa: PLR0911 - one line for each kind of value
    """A value as JSON holds it without loss: large integers as strings, bytes in hexadecimal, enumerations by value."""
    match value:
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
        case Enum():
            return plain(value.value)
        case bytes():
            return value.hex()
        case os.PathLike():
            return os.fspath(value)
        case int() if abs(value) > EXACT_JSON_INTEGER:
            return str(value)
        case _:
            return value


def end(code: Exit) -> NoReturn:
    """End the command under way with this code."""
    click.get_current_context().exit(int(code))


def hint(text: str) -> None:
    """Say something that is not the answer: progress, a warning, what to do next."""
    click.echo(text, err=True)
