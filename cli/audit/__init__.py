"""`standstill audit`: ask a verifier, or derive its verdict again offline.

    init      make the auditor's key, certificate and profile
    status    where the agreement and every lab stand
    lab       one lab, one period, in full
    why       why a level is where it is, and what would lift it
    findings  what was found, with figures and statements
    bundle    fetch the evidence behind one verdict as a file
    verify    derive the verdict in a bundle again, with no service running
    watch     changes as they happen

Every command is a module that is imported when it is used, so that `verify` starts fast.
"""

from __future__ import annotations

import gc
from importlib import import_module
from typing import Final

import click

COMMANDS: Final = {
    "init": "make the auditor's key, certificate and profile",
    "status": "where the agreement and every lab stand",
    "lab": "one lab, one period, in full",
    "why": "why a level is where it is, and what would lift it",
    "findings": "what was found, with figures and statements",
    "bundle": "fetch the evidence behind one verdict as a file",
    "verify": "derive the verdict in a bundle again, offline",
    "watch": "changes as they happen",
}


class _Commands(click.Group):
    """Imports a command's module when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        # Modules are no garbage; looking for it in them would take a tenth of the time that `verify` has.
        gc.disable()
        found: click.Command = import_module(f"cli.audit.{cmd_name}").command
        gc.freeze()
        gc.enable()
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands)
def command() -> None:
    """Ask a verifier about labs, or check a bundle offline.

    Exit codes: 0 confirmed, 1 not confirmed, 3 could not appraise, 4 not reached, 5 not trusted.
    """
