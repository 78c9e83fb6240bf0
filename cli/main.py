"""`standstill`: the groups of commands, each loaded only when it is used, and how a failure ends.

A group lives in the module `cli.<name>` as the click command `command`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

import click

from cli.output import Exit, exit_of, hint
from protocol.errors import Refused

GROUPS: Final = {
    "agreement": "compile, check and show the terms",
    "node": "the daemon of a lab, supplier, meter operator or evaluator",
    "verifier": "the daemon that checks, closes periods and assesses",
    "audit": "ask a verifier, or check a bundle offline",
    "pledges": "who is bound on whose account, and what would change it",
    "demo": "a pause on this machine: called, honored, cheated, caught",
}


class LazyGroup(click.Group):
    """A group whose commands are modules that are imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, in the order of the table."""
        return list(GROUPS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of one group."""
        if cmd_name not in GROUPS:
            return None
        command: click.Command = import_module(f"cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the groups without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(GROUPS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="standstill")
def standstill() -> None:
    """Coordinate a pause in AI development, and check that it is honored.

    Exit codes: 0 yes or done, 1 no, 2 usage or configuration, 3 could not appraise, 4 not reached, 5 not trusted,
    6 refused by the other side, 7 fault of this machine, 130 interrupted.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        the exit code; what went wrong stands in one clear line on standard error.
    """
    try:
        code = standstill.main(arguments, prog_name="standstill", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return Exit.USAGE
    except (click.Abort, KeyboardInterrupt):
        hint("interrupted")
        return Exit.INTERRUPTED
    except Refused as refused:
        # Imported where something went wrong, so that what goes well starts fast.
        from cli.audit.words import safe

        hint(safe(str(refused)))
        return exit_of(refused.reason)
    except BrokenPipeError:
        # The reader of our output has gone; there is nobody left to tell.
        sys.stderr.close()
        return Exit.DONE
    except Exception as error:  # noqa: BLE001 - every failure ends in a line and an exit code
        return _known_failure(error)
    return int(code or Exit.DONE)


def _known_failure(error: Exception) -> int:
    """The exit code of a failure of a library that only some commands load, or of one that nobody foresaw."""
    config, grpc = sys.modules.get("daemon.config"), sys.modules.get("grpc")
    if config is not None and isinstance(error, config.ConfigError):
        for line in error.lines:
            hint(line)
        return Exit.USAGE
    if grpc is not None and isinstance(error, grpc.RpcError):
        from cli.calls import explain_failure

        said, code = explain_failure(error)
        hint(said)
        return code
    if isinstance(error, OSError):
        hint(f"{error.filename or 'input or output'}: {error.strerror}")
        return Exit.FAULT
    # A mistake of ours: exit code 1 would say that the answer is no.
    sys.excepthook(type(error), error, error.__traceback__)
    return Exit.FAULT


if __name__ == "__main__":
    main()
