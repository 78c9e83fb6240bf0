"""The same on PostgreSQL: followed, closed, assessed, restarted, derived again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon.fsck import fsck
from protocol.errors import Reason
from standstill.v1 import audit_service_pb2 as audit
from tests.builders import LABS
from tests.verifier.cluster import Cluster, look, verdict, verdicts
from tests.verifier.test_assess import assessments, require_counts
from tests.verifier.test_follow import as_it_is, forged


@pytest.fixture
def on_postgres(tmp_path: Path, postgres_url: str) -> Iterator[Cluster]:
    made = Cluster(tmp_path, store=postgres_url)
    yield made
    made.close()


def test_a_verifier_on_postgresql_does_the_same(on_postgres: Cluster) -> None:
    cluster = on_postgres
    daemon = cluster.open()
    cluster.begin(daemon)
    cluster.honest(daemon, 2)
    # Text with a NUL byte is refused by this database.
    cluster.nodes["alpha"].inject(forged(as_it_is, payload_type="text/\0plain"))
    cluster.honest(daemon, 3)
    daemon = cluster.reopen(daemon)
    daemon.catch_up()
    cluster.within(4)
    cluster.attest(3, LABS[1:])
    cluster.meter(3)
    assert look(daemon) == dict.fromkeys(cluster.nodes, "ok")
    cluster.end(daemon, 4)

    assert verdicts(daemon, 2) == ["honored"] * 3
    assert verdicts(daemon, 3) == ["inconclusive", "honored", "honored"]
    assert "attestation-missing" in (verdict(daemon, "alpha", 3) or ("", 0, ""))[2]
    for lab in LABS:
        assert cluster.bundle(lab).failed() is None
    found = cluster.audit().ListFindings(audit.ListFindingsRequest()).findings
    assert [one.finding.code for one in found] == ["attestation-missing"]
    require_counts(daemon)
    assert len(assessments(daemon, cluster)) == 2 * len(LABS)
    node = cluster.nodes["alpha"]
    refusal = next(leaf.refusal for leaf in daemon._store.logs.leaves(node.origin, 0, 99) if leaf.refusal)
    assert refusal.startswith(Reason.PAYLOAD_TYPE_UNKNOWN)
    for origin in daemon._store.logs.origins():
        assert fsck(daemon._store.logs, origin) == []
