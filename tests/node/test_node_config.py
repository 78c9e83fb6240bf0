"""node.toml: every key explained, read back as it was written, every mistake at its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from daemon.config import ConfigError, explain, load_config
from node.config import MeterSettings, NodeSettings, PeerSettings, SiteSettings

HANDLE = "ab" * 16
FULL = NodeSettings(
    party="gamma",
    digest="cd" * 32,
    attest_after=120,
    peer={
        "vera": PeerSettings(certificate=Path("vera.crt"), reader="verifier", address="127.0.0.1:7444"),
        "alpha": PeerSettings(certificate=Path("alpha.crt")),
    },
    site={"hall 1": SiteSettings(handle=HANDLE, trace=Path("jobs.csv"), chips=512, shift="start")},
    meter={"main": MeterSettings(handle=HANDLE, file=Path("main.csv"), systematic_ppm=5_000)},
)


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "node.toml"
    path.write_text(text)
    return path


def test_what_is_explained_reads_back_as_it_was(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, explain(FULL)), NodeSettings) == FULL


def test_a_new_configuration_needs_only_the_name(tmp_path: Path) -> None:
    made = NodeSettings(party="gamma")

    assert load_config(write(tmp_path, explain(made)), NodeSettings) == made


def test_tables_by_name_stand_under_their_name() -> None:
    text = explain(FULL)

    assert [line for line in text.splitlines() if line.startswith("[")] == [
        "[peer.vera]",
        "[peer.alpha]",
        '[site."hall 1"]',
        "[meter.main]",
    ]
    assert "# [peer.NAME]" in explain(NodeSettings(party="gamma"))


@pytest.mark.parametrize("model", [NodeSettings, PeerSettings, SiteSettings, MeterSettings])
def test_every_key_is_explained(model: type[BaseModel]) -> None:
    fields = model.model_fields

    assert [name for name, field in fields.items() if not field.description] == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[peer.vera]\ncertificat = "a"\n', "unknown key certificat; did you mean certificate?"),
        ('[peer.vera]\nreader = "public"\n', "missing key peer.vera.certificate"),
        ('[peer.vera]\ncertificate = "a"\nreader = "everyone"\n', "peer.vera.reader: expected 'public', 'party' or"),
        ('[site.g1]\nhandle = "abc"\n', "site.g1.handle: expected String should match pattern"),
        (f'[site.g1]\nhandle = "{HANDLE}"\nutilisation_ppm = 1000001\n', "site.g1.utilisation_ppm: expected less than"),
        (f'[site.g1]\nhandle = "{HANDLE}"\nshift = "end"\n', "site.g1.shift: expected 'none' or 'start'"),
        ('attest = "sometimes"\n', "attest: expected 'automatic' or 'manual'"),
        ("attest_after = -1\n", "attest_after: expected greater than or equal to 0"),
        ("lsiten = 5\n", "unknown key lsiten; did you mean listen?"),
    ],
)
def test_a_mistake_is_named_at_its_line(tmp_path: Path, text: str, complaint: str) -> None:
    path = write(tmp_path, f'party = "gamma"\n{text}')
    with pytest.raises(ConfigError) as caught:
        load_config(path, NodeSettings)

    (line,) = (line for line in caught.value.lines if complaint in line)
    assert line.startswith((f"{path}:2: ", f"{path}:3: ", f"{path}:4: "))
