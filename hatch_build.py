"""Generate the Python code of the .proto files, beside their sources.

Hatchling runs :class:`ProtobufBuildHook` at every build, wheel and editable; `python hatch_build.py` (`make proto`)
does the same without a build. The output is never committed: generated code demands a runtime at least as new as its
generator, so it is made with the generator that stands in the lock beside that runtime.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SUFFIXES = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi")


def generate(root: Path) -> list[Path]:
    """Generate messages, services and their type stubs for every .proto file below `root`/proto.

    Returns:
        the .proto files, in order.

    Raises:
        FileNotFoundError: there is no .proto file, or a generator is not installed.
        subprocess.CalledProcessError: protoc refused; its message is on standard error.
    """
    include = root / "proto"
    sources = sorted(include.rglob("*.proto"))
    if not sources:
        raise FileNotFoundError("no .proto file below proto/")
    _remove_stale(include, sources)
    outputs = [f"--{kind}={include}" for kind in ("python_out", "grpc_python_out")]
    outputs += [f"--{kind}=quiet:{include}" for kind in ("mypy_out", "mypy_grpc_out")]
    plugins = [f"--plugin={name}={_plugin(name)}" for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={include}", *plugins, *outputs]
    subprocess.run([*command, *map(str, sources)], check=True)
    return sources


def _remove_stale(include: Path, sources: Iterable[Path]) -> None:
    """Remove generated code whose source is gone, so that nothing imports it by mistake."""
    current = {source.with_name(source.stem + suffix) for source in sources for suffix in SUFFIXES}
    for suffix in SUFFIXES:
        for path in set(include.rglob(f"*{suffix}")) - current:
            path.unlink()


def _plugin(name: str) -> str:
    """Find a protoc plugin beside the running interpreter, else on the path (isolated builds keep it there)."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is not installed (package mypy-protobuf)")
    return found


class ProtobufBuildHook(BuildHookInterface[Any]):
    """Generate before the files of the wheel are collected."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Run the generator; `version` is the kind of build, `build_data` stays as it is."""
        generate(Path(self.root))


if __name__ == "__main__":
    print(f"generated code for {len(generate(Path(__file__).resolve().parent))} .proto files")
