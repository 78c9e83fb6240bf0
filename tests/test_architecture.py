"""The shape of the code: who may import whom, the purity of the core, and the size of modules and functions."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Package -> the packages of this project that it may import, itself apart. ARCHITECTURE.md draws the same table.
MAY_IMPORT: dict[str, set[str]] = {
    "protocol": set(),
    "bound": {"protocol"},
    "language": {"protocol"},
    "daemon": {"protocol"},
    "node": {"protocol", "daemon"},
    "verifier": {"protocol", "bound", "daemon"},
    "demo": {"protocol", "bound", "language", "daemon", "node", "verifier", "cli"},
    "cli": {"protocol", "bound", "language", "daemon", "node", "verifier", "demo"},
    "bench": {"protocol", "bound", "language", "daemon", "node", "verifier", "demo", "cli"},
}

# What the core may use of the standard library: computation on values, nothing that reads the world.
PURE_STDLIB = {
    *("__future__", "abc", "array", "base64", "binascii", "bisect", "collections", "contextlib", "copy", "dataclasses"),
    *("datetime", "decimal", "difflib", "enum", "fractions", "functools", "graphlib", "hashlib", "heapq", "hmac"),
    *("itertools", "json", "math", "numbers", "operator", "re", "string", "struct", "textwrap", "tomllib", "types"),
    *("typing", "unicodedata", "zlib"),
}
PURE_LIBRARIES = {"google", "nacl", "standstill"}

# What must not be in memory after the core is imported, unless its three libraries bring it along by themselves.
IMPURE = {
    *("asyncio", "click", "concurrent", "grpc", "http", "logging", "multiprocessing", "pathlib", "psycopg", "queue"),
    *("random", "rich", "secrets", "selectors", "signal", "socket", "sqlalchemy", "sqlite3", "ssl", "structlog"),
    *("subprocess", "tempfile", "threading", "urllib", "uuid"),
    *("bench", "cli", "daemon", "demo", "language", "node", "verifier"),
}

# The linter cannot ban builtins. `hash` differs between processes, `id` between runs.
IMPURE_BUILTINS = {"__import__", "breakpoint", "eval", "exec", "hash", "id", "input", "open", "print"}

MODULE_LINES = 400
FUNCTION_LINES = 30


def sources(*packages: str) -> list[Path]:
    """Every module of the packages, generated code apart."""
    return sorted(path for package in packages for path in (ROOT / package).rglob("*.py"))


def module_name(path: Path) -> str:
    """The dotted name by which `path` is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sources(*MAY_IMPORT)}


def imports(tree: ast.AST, importer: Path) -> Iterator[str]:
    """Yield the dotted name of everything imported anywhere in `tree`, inside functions and type checks too."""
    package = importer.relative_to(ROOT).parent.parts
    for item in ast.walk(tree):
        if isinstance(item, ast.Import):
            yield from (alias.name for alias in item.names)
        elif isinstance(item, ast.ImportFrom):
            above = package[: len(package) - item.level + 1] if item.level else ()
            base = ".".join([*above, *filter(None, [item.module])])
            yield from (f"{base}.{alias.name}" for alias in item.names)


def imports_of(path: Path) -> set[str]:
    return set(imports(ast.parse(path.read_text(encoding="utf-8")), path))


def as_module(name: str) -> str | None:
    """The module of this project that an imported name stands for: itself, or what defines it."""
    if name in MODULES:
        return name
    parent = name.rpartition(".")[0]
    return parent if parent in MODULES else None


def modules_after(statements: str) -> set[str]:
    """The modules in memory of a fresh interpreter after `statements`."""
    program = f"{statements}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def length_without_docstring(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from the first statement after the docstring to the last, comments and blank lines included."""
    body = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def own_parts(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names} & MAY_IMPORT.keys()


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_the_architecture_allows(package: str) -> None:
    allowed = MAY_IMPORT[package] | {package}

    strays = {module_name(path): own_parts(imports_of(path)) - allowed for path in sources(package)}

    assert not {name: found for name, found in strays.items() if found}


def test_the_core_imports_only_pure_libraries() -> None:
    allowed = PURE_STDLIB | PURE_LIBRARIES | {"protocol"}

    strays = {
        module_name(path): {name for name in imports_of(path) if name.partition(".")[0] not in allowed}
        for path in sources("protocol")
    }

    assert strays
    assert not {name: found for name, found in strays.items() if found}


def test_the_core_calls_no_builtin_that_reaches_outside() -> None:
    calls = {
        f"{module_name(path)}:{item.lineno}": item.func.id
        for path in sources("protocol")
        for item in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(item, ast.Call) and isinstance(item.func, ast.Name)
    }

    assert calls
    assert not {place: name for place, name in calls.items() if name in IMPURE_BUILTINS}


def test_importing_the_core_brings_in_nothing_impure() -> None:
    wanted = {name for path in sources("protocol") for name in imports_of(path)}
    generated = {".".join(name.split(".")[:3]) for name in wanted if name.startswith("standstill.v1.")}
    libraries = ["hashlib", "nacl.bindings", "google.protobuf.message", *sorted(generated)]
    core = [name for name in MODULES if name.partition(".")[0] == "protocol"]

    without = modules_after("\n".join(f"import {name}" for name in libraries))
    added = modules_after("\n".join(f"import {name}" for name in [*libraries, *core])) - without

    assert set(core) <= added
    assert not {name for name in added if name.partition(".")[0] in IMPURE}


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {
        name: {found for wanted in imports_of(path) if (found := as_module(wanted)) and found != name}
        for name, path in MODULES.items()
    }

    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


@pytest.mark.parametrize("package", [*MAY_IMPORT, "scripts"])
def test_a_module_is_short_enough_to_be_read_at_once(package: str) -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sources(package)}

    assert not {module_name(path): lines for path, lines in lengths.items() if lines > MODULE_LINES}


@pytest.mark.parametrize("package", [*MAY_IMPORT, "scripts"])
def test_a_function_is_short_enough_to_be_read_at_once(package: str) -> None:
    long = {
        f"{module_name(path)}.{item.name}": lines
        for path in sources(package)
        for item in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := length_without_docstring(item)) > FUNCTION_LINES
    }

    assert not long


def test_the_architecture_page_names_every_package() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")

    assert [package for package in MAY_IMPORT if f"{package}/" not in page and f"`{package}`" not in page] == []


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("import time\n\nNOW = time.time()\n", "time"),
        ("from datetime import UTC, datetime\n\nNOW = datetime.now(UTC)\n", "datetime.datetime.now"),
        ("import random\n\nDRAW = random.Random(1)\n", "random"),
        ("from os import environ\n\nHOME = environ\n", "os"),
        ("from sqlalchemy import Table\n\nROWS = Table\n", "sqlalchemy"),
        ("from nacl.utils import random as salt\n\nSALT = salt\n", "nacl.utils"),
    ],
    ids=lambda value: value if "\n" not in value else "source",
)
def test_the_linter_refuses_the_outside_world_in_the_core_only(source: str, rule: str) -> None:
    in_core, in_shell = banned_uses(source, "protocol/clock.py"), banned_uses(source, "node/clock.py")
    in_core_tests = banned_uses(source, "tests/protocol/test_clock.py")

    assert any(f"`{rule}`" in message for message in in_core)
    assert not in_shell
    assert not in_core_tests


def banned_uses(source: str, path: str) -> list[str]:
    """What ruff's banned-api rule says about `source` if it stood at `path`."""
    ruff = Path(sys.executable).with_name("ruff")
    options = ["--no-cache", "--select=TID251", "--output-format=json", f"--stdin-filename={path}", "-"]
    done = subprocess.run(
        [ruff, "check", *options], input=source, capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode in {0, 1}, done.stderr
    return [found["message"] for found in json.loads(done.stdout)]
