"""What a stranger gets: locks without addresses, commands that exist, an install that never looks finished early."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ["requirements.lock", "bench/requirements.lock"]
PINNED = re.compile(r"[a-z0-9][a-z0-9.-]*(\[[a-z,]+\])?==[A-Za-z0-9.+!]+( ; [^#@/]+)?")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def entries(lock: str) -> list[list[str]]:
    """The requirements of a lock: each the pinned version followed by its hashes."""
    text = (ROOT / lock).read_text(encoding="utf-8").replace("\\\n", " ")
    return [re.split(r"\s+(?=--)", line.strip()) for line in text.splitlines() if line.strip()]


def locked(lock: str) -> dict[str, str]:
    """Distribution -> version."""
    parsed = [Requirement(entry[0]) for entry in entries(lock)]
    return {canonicalize_name(item.name): str(item.specifier).removeprefix("==") for item in parsed}


def project() -> dict[str, dict[str, list[str]]]:
    """pyproject.toml."""
    parsed: dict[str, dict[str, list[str]]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return parsed


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))


def fenced_commands(page: str) -> list[str]:
    """The command lines of a page's fenced blocks, without comments and prompts."""
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    lines = [line.partition("#")[0].strip().removeprefix("$ ") for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


def run_make(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", f"PYTHON={tree / 'python'}", *arguments]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A scratch copy of what the set-up rules read, with an interpreter that makes an environment of shell scripts."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "hatch_build.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "proto/standstill/v1").mkdir(parents=True)
    (tmp_path / "proto/standstill/v1/x.proto").touch()
    install_interpreter(tmp_path, pip="exit 0")
    return tmp_path


def install_interpreter(tree: Path, pip: str, checks: str = "exit 0") -> None:
    """Write `tree`/python: answers `-c` by `checks`; `-m venv --clear DIR` makes DIR/bin/pip, which runs `pip`."""
    script = tree / "python"
    script.write_text(
        f'#!/bin/sh\n[ "$1" = -c ] && {{ {checks}; }}\nrm -rf "$4"; mkdir -p "$4/bin"\n'
        f'printf \'#!/bin/sh\\necho run >> pip.log\\n{pip}\\n\' > "$4/bin/pip"; chmod +x "$4/bin/pip"\n',
        encoding="utf-8",
    )
    script.chmod(0o755)


def installs(tree: Path) -> int:
    """How often pip was run so far."""
    log = tree / "pip.log"
    return len(log.read_text(encoding="utf-8").splitlines()) if log.exists() else 0


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_every_dependency_by_version_and_hash(lock: str) -> None:
    found = entries(lock)

    assert found
    assert [entry[0] for entry in found if not PINNED.fullmatch(entry[0])] == []
    assert [entry[0] for entry in found if len(entry) < 2 or not all(map(HASH.fullmatch, entry[1:]))] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_address_and_no_path(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")

    assert not re.search(r"://|@|/|--(?!hash=sha256:)", text)


def test_the_lock_holds_every_declared_dependency() -> None:
    declared = project()["project"]["dependencies"]
    declared += project()["project"]["optional-dependencies"]["postgres"]  # type: ignore[call-overload]
    declared += project()["dependency-groups"]["dev"]
    versions = locked("requirements.lock")

    wanted = [Requirement(line) for line in declared]

    assert [str(item) for item in wanted if canonicalize_name(item.name) not in versions] == []
    assert [str(item) for item in wanted if versions[canonicalize_name(item.name)] not in item.specifier] == []


def test_the_benchmark_lock_fits_on_top_of_the_main_lock() -> None:
    main, bench = locked("requirements.lock"), locked("bench/requirements.lock")

    assert {name: version for name, version in bench.items() if main.get(name, version) != version} == {}


def test_the_gpl_peer_stays_out_of_the_main_lock() -> None:
    assert "pymerkle" in locked("bench/requirements.lock")
    assert "pymerkle" not in locked("requirements.lock")


@pytest.mark.parametrize("command", ["make demo", "make test"])
def test_the_readme_shows_the_two_commands_of_the_quick_start(command: str) -> None:
    assert command in fenced_commands("README.md")


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_make_command_of_a_page_is_a_target(page: str) -> None:
    shown = {line.split()[1] for line in fenced_commands(page) if line.startswith("make ")}

    assert shown
    assert shown <= make_targets()


def test_help_lists_every_target() -> None:
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)

    assert set(re.findall(r"^  make ([a-z]+)", done.stdout, flags=re.MULTILINE)) == make_targets()


def test_a_finished_install_is_not_repeated(tree: Path) -> None:
    first = run_make(tree, ".venv/ready")
    after_first = installs(tree)

    second = run_make(tree, ".venv/ready")

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert after_first == installs(tree) == 2


def test_a_failed_install_is_done_again_from_an_empty_environment(tree: Path) -> None:
    install_interpreter(tree, pip="touch .venv/half-written; exit 1")
    failed = run_make(tree, ".venv/ready")
    install_interpreter(tree, pip="exit 0")

    repeated = run_make(tree, ".venv/ready")

    assert failed.returncode != 0
    assert repeated.returncode == 0, repeated.stderr
    assert not (tree / ".venv/half-written").exists()
    assert installs(tree) == 1 + 2


def test_a_changed_proto_installs_the_package_alone(tree: Path) -> None:
    run_make(tree, ".venv/ready")
    ready = (tree / ".venv/ready").stat().st_mtime
    os.utime(tree / "proto/standstill/v1/x.proto", (ready + 5, ready + 5))

    again = run_make(tree, ".venv/ready")

    assert again.returncode == 0, again.stderr
    assert installs(tree) == 2 + 1


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [("version_info", "Python 3.11 or later is needed"), ("ensurepip", "apt install python3-venv")],
)
def test_an_unfit_python_is_named_in_a_plain_sentence(tree: Path, missing: str, sentence: str) -> None:
    install_interpreter(tree, pip="exit 0", checks=f'case "$2" in *{missing}*) exit 1;; *) exit 0;; esac')

    done = run_make(tree, ".venv/ready")

    assert done.returncode != 0
    assert sentence in done.stdout
    assert not (tree / ".venv").exists()


def test_generated_code_is_ignored_and_regenerated_beside_its_sources(tmp_path: Path) -> None:
    shutil.copy(ROOT / "hatch_build.py", tmp_path / "hatch_build.py")
    folder = tmp_path / "proto/sample/v1"
    folder.mkdir(parents=True)
    (folder / "sample.proto").write_text(
        'syntax = "proto3";\npackage sample.v1;\nmessage Sample {}\n', encoding="utf-8"
    )
    (folder / "gone_pb2.py").touch()

    subprocess.run([sys.executable, "hatch_build.py"], cwd=tmp_path, check=True, capture_output=True)

    suffixes = {"_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi"}
    assert {path.name for path in folder.iterdir()} == {"sample.proto"} | {f"sample{suffix}" for suffix in suffixes}
    assert {f"*{suffix}" for suffix in suffixes} <= set((ROOT / ".gitignore").read_text(encoding="utf-8").splitlines())
