"""The auditor's commands against the verifier daemon itself: what it answers is what these commands can read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.main import run
from cli.output import Exit
from standstill.v1 import quantity_pb2 as q
from tests import builders
from tests.bundles import bytes_of
from tests.terms import H100
from tests.verifier.cluster import VERA, Cluster, look

HIDING = {"chips": {H100: 1}, "use": [builders.used(q.LABEL_INFERENCE)]}


def record(cluster: Cluster) -> None:
    """Three periods: alpha and beta honest, gamma hiding a chip in the last, and the meters agreeing."""
    daemon = cluster.open()
    cluster.begin(daemon)
    cluster.honest(daemon, 2)
    cluster.honest(daemon, 3)
    cluster.within(4)
    cluster.attest(3, ["alpha", "beta"])
    cluster.attest(3, ["gamma"], **HIDING)
    cluster.meter(3)
    look(daemon)
    cluster.end(daemon, 4)


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The profile of an auditor of a verifier that runs."""
    base = tmp_path_factory.mktemp("real")
    cluster = Cluster(base)
    try:
        record(cluster)
        made = base / "auditor"
        (made / "verifier.crt").write_bytes((base / VERA / "tls.crt").read_bytes())
        (made / "verifier.toml").write_text(f'address = "{cluster.address}"\n')
        (made / "trust").write_text(cluster.agreement.digest.hex())
        yield made
    finally:
        cluster.close()


@pytest.fixture
def said(profile: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run `standstill audit ...` in an empty directory; gives exit code and standard output."""
    monkeypatch.chdir(tmp_path)

    def audit(*arguments: str) -> tuple[int, str]:
        code = run(["audit", *arguments, "--profile", str(profile)])
        return code, capsys.readouterr().out

    return audit


def test_status_tells_the_honest_from_the_cheat(said: Any) -> None:
    code, out = said("status", "--json")
    labs = json.loads(out)["data"]["labs"]

    assert code == Exit.NOT_CONFIRMED
    assert [(lab["lab"], lab["verdict"], lab["period"]) for lab in labs] == [
        ("alpha", "honored", 3),
        ("beta", "honored", 3),
        ("gamma", "breached", 3),
    ]
    assert "gamma is not confirmed. Why: standstill audit findings gamma." in said("status")[1]


def test_lab_speaks_of_the_period_that_was_asked_for(said: Any) -> None:
    assert said("lab", "gamma")[0] == Exit.NOT_CONFIRMED
    assert said("lab", "gamma", "--period", "2")[0] == Exit.DONE
    assert said("lab", "delta")[0] == Exit.REFUSED


def test_findings_name_the_contradicting_statements(said: Any) -> None:
    code, out = said("findings", "--fail-on", "breached")

    assert code == Exit.NOT_CONFIRMED
    assert "gamma P3   [B] breached   shipped-not-declared" in out
    assert "chipco.example/standstill[" in out
    assert "gamma.example/standstill[" in out


@pytest.mark.parametrize(("lab", "verdict"), [("alpha", "honored"), ("gamma", "breached")])
def test_a_fetched_bundle_is_confirmed_offline(
    said: Any, profile: Path, capsys: pytest.CaptureFixture[str], lab: str, verdict: str
) -> None:
    assert said("bundle", lab, "P3")[0] == Exit.DONE

    code = run(["audit", "verify", f"{lab}-P3.bundle", "--trust", str(profile / "trust")])

    assert code == Exit.DONE
    assert f'"{lab} P3 {verdict}" follows from these bytes' in capsys.readouterr().out


def test_the_verifiers_bundle_and_the_tests_own_have_the_same_parts(said: Any) -> None:
    from standstill.v1.bundle_pb2 import Bundle

    said("bundle", "gamma", "P3")
    theirs = Bundle.FromString(Path("gamma-P3.bundle").read_bytes())
    ours = Bundle.FromString(bytes_of("breached")[0])

    assert {log.origin for log in theirs.logs} == {log.origin for log in ours.logs}


def test_watch_ends_at_once_where_it_is_so_already(said: Any) -> None:
    assert said("watch", "--until", "breached", "--jsonl")[0] == Exit.DONE
