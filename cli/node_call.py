"""What the commands of `standstill node` share: where the node is, how it is called, where its statements stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.output import Exit, end, hint

if TYPE_CHECKING:
    from node.config import NodeSettings
    from standstill.v1 import node_admin_service_pb2 as pb
    from standstill.v1 import node_admin_service_pb2_grpc

DIRECTORY: Final = click.Path(path_type=Path, file_okay=False)
FILE: Final = click.Path(path_type=Path, dir_okay=False)
CONFIG: Final = "node.toml"


def config_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--dir` and `--config`, as argument `config`: the path of node.toml."""

    def chosen(ctx: click.Context, parameter: click.Parameter, value: Path | None) -> Path:
        directory: Path = ctx.params.pop("directory", Path())
        return value if value is not None else directory / CONFIG

    config = click.option("--config", type=FILE, callback=chosen, help="Configuration; node.toml in --dir if absent.")
    where = click.option(
        "--dir", "directory", type=DIRECTORY, default=Path(), is_eager=True, help="The party's directory."
    )
    return where(config(function))


@contextmanager
def node_at(config: Path) -> Iterator[tuple[node_admin_service_pb2_grpc.NodeAdminServiceStub, NodeSettings]]:
    """The administration of the node that runs under a configuration."""
    from daemon.channel import open_local_channel
    from daemon.config import load_config
    from node.config import NodeSettings
    from node.daemon import admin_socket
    from standstill.v1 import node_admin_service_pb2_grpc

    settings = load_config(config, NodeSettings)
    path = admin_socket(settings, config.parent)
    if not path.is_socket():
        hint(f"not reached: no node listens at {path}. Start it: standstill node run --config {config}")
        end(Exit.NOT_REACHED)
    with open_local_channel(path) as channel:
        yield node_admin_service_pb2_grpc.NodeAdminServiceStub(channel), settings


def standing(published: pb.PublishResponse) -> dict[str, Any]:
    """Where statements stand, for scripts."""
    return {
        "index": published.index,
        "identities": list(published.identities),
        "checkpoint": published.checkpoint.decode(),
    }


def sentence(published: pb.PublishResponse) -> str:
    """Where statements stand, for people."""
    count = len(published.identities)
    last = published.index + count - 1
    where = f"index {published.index}" if count == 1 else f"indices {published.index} to {last}"
    return f"{where}; identity {published.identities[0].hex()[:8]}{'' if count == 1 else ' and following'}"
