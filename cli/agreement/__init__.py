"""`standstill agreement`: write terms, check and read them, sign them, compare and try them."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

COMMANDS: Final = {
    "new": "begin from a preset",
    "check": "say all that is wrong, doubtful or worth knowing",
    "fmt": "give a text its one layout, or write terms as text",
    "show": "the one page, in words",
    "compile": "from text and descriptors to the bytes that everybody signs",
    "sign": "accept with a root key, one after another",
    "diff": "what differs, and whether it is stricter",
    "try": "what terms would have called on a record",
    "pledge": "compile a pledge",
}


class LazyCommands(click.Group):
    """Commands that are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"cli.agreement.{cmd_name}_command").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group("agreement", cls=LazyCommands)
def command() -> None:
    """Write, check, read, sign and compare the terms of an agreement.

    A FILE is text in the language, protobuf text, compiled terms, or terms with signatures; `-` is standard input.
    """
