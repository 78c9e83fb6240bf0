"""`standstill pledges`: who is bound on whose account, computed here from the state that a verifier hands out.

show      who keeps what, on whom it rests, what would tip each level
explain   why one party keeps what it keeps, and what it lacks
what-if   who would be bound after a change
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

COMMANDS: Final = {
    "show": "who keeps what, on whom it rests, what would tip each level",
    "explain": "why one party keeps what it keeps, and what it lacks",
    "what-if": "who would be bound after a change",
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
        found: click.Command = import_module(f"cli.pledges.{cmd_name.replace('-', '_')}").command
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands)
def command() -> None:
    """Show who is bound on whose account, and what would change it.

    Everything is computed here, from the state that a verifier hands out. Exit codes: 0 obtained, 2 usage, 4 verifier
    not reached, 5 not trusted.
    """
