"""Terms tried on what a verifier holds, while it runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli.main import run
from cli.verifier import CONFIG
from daemon.enrolment import write_config
from protocol.wire import encode
from standstill.v1 import audit_service_pb2 as audit
from standstill.v1 import decision_pb2
from tests import builders
from tests.builders import LABS, PAUSE, change, reading
from tests.terms import terms
from tests.verifier.cluster import Cluster

CALLED = 5


def called(cluster: Cluster) -> None:
    """A pause is called in period 5, by an indicator and two votes."""
    write_config(cluster.home / CONFIG, cluster.settings())
    daemon = cluster.open()
    cluster.begin(daemon)
    for period in range(2, CALLED + 3):
        if period == CALLED - 1:
            for lab in LABS:
                cluster.nodes[lab].say(builders.pledge(builders.clause(PAUSE, builders.restrictive(PAUSE))))
            cluster.nodes["alpha"].say(builders.indicator_report(value=2_500), period=period - 1)
        if period == CALLED:
            for lab in LABS[:2]:
                cluster.nodes[lab].say(builders.ballot(decision_pb2.MOTION_CALL, PAUSE, 1))
        cluster.honest(daemon, period)


def tried(cluster: Cluster, threshold: int, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What terms with another threshold would have called on the verifier's record."""
    levels = [terms().levels[0], change(terms().levels[1], trigger=reading(threshold))]
    file = cluster.base / f"terms-{threshold}"
    file.write_bytes(encode(change(terms(), levels=levels)))
    capsys.readouterr()
    assert run(["agreement", "try", str(file), "--on", str(cluster.home), "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)["data"]
    return found


def test_says_what_other_terms_would_have_called_on_the_record(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    called(cluster)

    same, other = (tried(cluster, threshold, capsys) for threshold in (2_400, 9_000))

    assert [(one["period"], one["level"], one["to"]) for one in same["transitions"]][:1] == [
        (CALLED, "pause", "winding")
    ]
    assert set(same["bound"]) == set(LABS)
    assert (same["periods"], same["skipped"]) == (CALLED + 3, [])
    assert (other["transitions"], other["bound"], other["skipped"]) == ([], {}, [])


def test_a_bundle_holds_no_votes_to_try_terms_on(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    called(cluster)
    chunks = cluster.audit().GetBundle(audit.GetBundleRequest(lab="alpha"))
    bundle, file = tmp_path / "alpha.bundle", tmp_path / "terms"
    bundle.write_bytes(b"".join(chunk.chunk for chunk in chunks))
    file.write_bytes(cluster.agreement.data)

    code = run(["agreement", "try", str(file), "--on", str(bundle)])

    assert code == 2
    assert "BUNDLE_INCOMPLETE" in capsys.readouterr().err


def test_a_directory_of_nobody_is_refused(cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, empty = tmp_path / "terms", tmp_path / "empty"
    file.write_bytes(cluster.agreement.data)
    empty.mkdir()

    code = run(["agreement", "try", str(file), "--on", str(empty)])

    assert code == 2
    assert "verifier.toml" in capsys.readouterr().err
