"""`standstill agreement sign`: root keys at several places, one file that goes round."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from cli.main import run
from daemon.keyfiles import write_seed
from protocol.signing import progress, read_signing
from tests.terms import agreement, seed


@pytest.fixture
def compiled(tmp_path: Path) -> Path:
    path = tmp_path / "terms"
    path.write_bytes(agreement().data)
    return path


@pytest.fixture
def signed(compiled: Path) -> Path:
    return compiled.with_name("terms.signed")


def key(directory: Path, party: str, use: str) -> str:
    path = directory / f"{party}-{use.replace(' ', '-')}.key"
    if not path.exists():
        write_seed(path, seed(party, use))
    return str(path)


def sign(file: Path, party: str, number: int, *more: str, code: int = 0) -> None:
    root = key(file.parent, party, f"root {number}")
    assert run(["agreement", "sign", str(file), "--as", party, "--root-key", root, *more]) == code


def test_two_keys_of_a_party_sign_one_after_another(
    compiled: Path, signed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sign(compiled, "alpha", 1, "--yes")
    out = capsys.readouterr().out
    assert out.startswith("TEST AGREEMENT   0 of 4 founders have signed   times UTC\n")
    assert out.endswith("alpha: 1 of 2 root keys have signed; missing: alpha, beta, gamma, vera\n")

    sign(compiled, "alpha", 2, "--yes")
    assert capsys.readouterr().out.endswith("alpha: 2 of 2 root keys have signed; missing: beta, gamma, vera\n")
    sign(signed, "beta", 1, "--yes")
    found = progress(read_signing(signed.read_bytes()))
    assert {name: one.signed for name, one in found.items() if one.signed} == {"alpha": 2, "beta": 1}


def test_show_and_check_read_what_is_signed(compiled: Path, signed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in (1, 2):
        sign(compiled, "alpha", number, "--yes")
    capsys.readouterr()

    assert run(["agreement", "show", str(signed)]) == 0
    assert "1 of 4 founders have signed" in capsys.readouterr().out
    assert run(["agreement", "show", str(signed), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["data"]
    assert (found["signed"], found["missing"]) == (["alpha"], ["beta", "gamma", "vera"])
    assert run(["agreement", "check", str(signed)]) == 0


def test_signing_is_for_scripts_too(compiled: Path, signed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sign(compiled, "vera", 1, "--yes", "--json")
    found: Any = json.loads(capsys.readouterr().out)["data"]
    assert found == {
        "digest": agreement().digest.hex(),
        "party": "vera",
        "file": str(signed),
        "keys_signed": 1,
        "keys_needed": 2,
        "complete": [],
        "missing": ["alpha", "beta", "gamma", "vera"],
    }


def test_signs_only_what_the_signer_names_by_its_digest(
    compiled: Path, signed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sign(compiled, "alpha", 1, code=2)
    assert "give --yes" in capsys.readouterr().err

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(click, "prompt", lambda *_, **__: "00000000")
    sign(compiled, "alpha", 1, code=6)
    assert "nothing was signed" in capsys.readouterr().err
    assert not signed.exists()

    monkeypatch.setattr(click, "prompt", lambda *_, **__: agreement().digest.hex()[:8].upper())
    sign(compiled, "alpha", 1)
    assert signed.exists()


def test_refuses_keys_that_are_not_the_party_s(
    compiled: Path, signed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = key(compiled.parent, "beta", "root 1")
    assert run(["agreement", "sign", str(compiled), "--as", "alpha", "--root-key", other, "--yes"]) == 2
    assert "KEY_NOT_AGREED" in capsys.readouterr().err
    assert run(["agreement", "sign", str(compiled), "--as", "nobody", "--root-key", other, "--yes"]) == 2
    assert "NAME_UNKNOWN" in capsys.readouterr().err
    assert not signed.exists()


def test_refuses_text_which_others_might_compile_otherwise(compiled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.cli.agreement_texts import write_small

    small = write_small(compiled.parent)
    root = key(compiled.parent, "alpha", "root 1")
    assert run(["agreement", "sign", str(small), "--as", "alpha", "--root-key", root, "--yes"]) == 2
    assert "expected compiled terms" in capsys.readouterr().err


def test_acceptances_are_neither_lost_nor_mixed_with_those_of_other_terms(
    compiled: Path, signed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sign(compiled, "alpha", 1, "--yes")
    early = tmp_path / "early.signed"
    early.write_bytes(signed.read_bytes())
    sign(compiled, "alpha", 2, "--yes")
    capsys.readouterr()

    sign(early, "beta", 1, "--yes", "-o", str(signed), code=2)
    assert "has acceptances of alpha" in capsys.readouterr().err
    compiled.write_bytes(agreement(name="other terms").data)
    sign(compiled, "beta", 1, "--yes", code=5)
    assert "TRUST_ROOT_MISMATCH" in capsys.readouterr().err


def test_refuses_a_file_with_a_false_signature(
    compiled: Path, signed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sign(compiled, "alpha", 1, "--yes")
    data = bytearray(signed.read_bytes())
    place = data.rindex(agreement().digest)
    # Inside the signature of the Founding, which stands behind its payload.
    other = read_signing(bytes(data)).foundings["alpha"].envelope
    start = bytes(data).index(other)
    data[start + len(other) - 1] ^= 1
    assert place
    signed.write_bytes(bytes(data))
    sign(signed, "beta", 1, "--yes", code=2)
    assert "signature-invalid" in capsys.readouterr().err
