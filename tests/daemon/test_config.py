"""Configuration files."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field

from daemon.config import ConfigError, Settings, explain, load_config


class Site(Settings):
    """A site."""

    name: str = Field(description="Name of the site.")
    collector: str = Field(default="hourly", description="Kind of source: hourly or sacct.")
    pue: float = Field(default=1.2, ge=1, description="Site energy over accelerator energy.")


class Listen(Settings):
    """Where to listen."""

    address: str = Field(default="127.0.0.1:0", description="host:port.")
    socket: Path | None = Field(default=None, description="Unix socket for administration.")


class Program(Settings):
    """A whole configuration."""

    name: str = Field(description="Name in the agreement.\nNever changes.")
    store: Path = Field(default=Path("store.db"), description="Where the log is kept.")
    labels: tuple[str, ...] = Field(default=(), description="Labels in use.")
    quiet: bool = Field(default=False, description="Say less.")
    listen: Listen = Field(default_factory=Listen, description="Where to listen.")
    site: tuple[Site, ...] = Field(default=(), description="One table per site.")


GOOD = """\
name = "alpha"
labels = ["train", "eval"]

[listen]
address = "127.0.0.1:7000"

[[site]]
name = "north"

[[site]]
name = "south"
collector = "sacct"
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "node.toml"
    path.write_text(text)
    return path


def complaints(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(path, Program)
    return [line.removeprefix(f"{path.parent}/") for line in caught.value.lines]


def test_reads_a_file_into_an_immutable_model(tmp_path: Path) -> None:
    program = load_config(write(tmp_path, GOOD), Program)

    assert program.labels == ("train", "eval")
    assert program.listen.address == "127.0.0.1:7000"
    assert [site.collector for site in program.site] == ["hourly", "sacct"]
    with pytest.raises(ValueError, match="frozen"):
        setattr(program, "name", "beta")  # noqa: B010 - the type checker would refuse it as well


def test_refuses_an_unknown_key_at_its_line_and_guesses_what_was_meant(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.replace("collector", "collecter"))

    assert complaints(path) == ["node.toml:12: unknown key collecter; did you mean collector?"]


def test_an_unknown_key_like_no_other_is_answered_with_all_that_are_known(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.replace("address", "xyzzy"))

    assert complaints(path) == ["node.toml:5: unknown key xyzzy; known are: address, socket"]


def test_says_everything_that_is_wrong_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, 'nmae = "alpha"\nquiet = 3\n\n[[site]]\nname = "north"\npue = 0.5\n')

    assert complaints(path) == [
        "node.toml: missing key name",
        "node.toml:1: unknown key nmae; did you mean name?",
        "node.toml:2: quiet: expected a valid boolean, unable to interpret input, found 3",
        "node.toml:6: site.0.pue: expected greater than or equal to 1, found 0.5",
    ]


def test_finds_the_line_in_the_right_one_of_several_tables(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + "pue = 0.1\n")

    assert complaints(path) == ["node.toml:13: site.1.pue: expected greater than or equal to 1, found 0.1"]


def test_refuses_what_is_not_toml_at_its_line(tmp_path: Path) -> None:
    (complaint,) = complaints(write(tmp_path, 'name = "alpha"\nquiet = yes\n'))

    assert complaint.startswith("node.toml:2: ")


@pytest.mark.parametrize("data", [b"\xff\xfe", None])
def test_refuses_a_file_that_cannot_be_read(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "node.toml"
    if data is not None:
        path.write_bytes(data)

    (complaint,) = complaints(path)
    assert complaint.startswith("node.toml: expected ")


def test_an_explained_configuration_reads_back_as_the_same(tmp_path: Path) -> None:
    program = load_config(write(tmp_path, GOOD), Program)
    path = write(tmp_path, explain(program))

    assert load_config(path, Program) == program


def test_an_explained_configuration_shows_every_key_its_default_and_its_meaning() -> None:
    text = explain(Program(name="alpha", quiet=True))

    assert text == (
        "# Name in the agreement.\n# Never changes.\n"
        'name = "alpha"\n\n'
        "# Where the log is kept.\n"
        '# store = "store.db"\n\n'
        "# Labels in use.\n"
        "# labels = []\n\n"
        "# Say less.\n"
        "quiet = true\n\n"
        "# Where to listen.\n"
        "[listen]\n"
        "# host:port.\n"
        '# address = "127.0.0.1:0"\n\n'
        "# Unix socket for administration.\n"
        "# socket =\n\n"
        "# One table per site.\n"
        "# [[site]]\n"
        "# Name of the site.\n"
        "# name =   (required)\n\n"
        "# Kind of source: hourly or sacct.\n"
        '# collector = "hourly"\n\n'
        "# Site energy over accelerator energy.\n"
        "# pue = 1.2\n"
    )


def test_every_key_of_a_model_is_explained_without_values() -> None:
    text = explain(Program)

    assert all(f"# {name} =" in text for name in ("name", "store", "labels", "quiet", "address", "socket", "pue"))
