"""Digests as people type them."""

from __future__ import annotations

import click

_DIGITS = 64


def parse_digest(text: str) -> bytes:
    """A SHA-256 in hexadecimal, with or without "sha256:" before it, as 32 bytes.

    Raises:
        click.BadParameter: it is something else.
    """
    digits = text.strip().removeprefix("sha256:")
    if len(digits) == _DIGITS:
        try:
            return bytes.fromhex(digits)
        except ValueError:
            pass
    raise click.BadParameter(f"expected {_DIGITS} hexadecimal digits, found {text!r}", param_hint="digest")
