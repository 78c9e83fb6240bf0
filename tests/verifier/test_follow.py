"""Following logs: everything is checked before it is stored, and cosigned once it is held."""

from __future__ import annotations

from tests.verifier.cluster import Cluster, look, verdicts


def test_smoke(cluster: Cluster) -> None:
    daemon = cluster.open()
    cluster.begin(daemon)
    for period in range(2, 6):
        cluster.honest(daemon, period)
    print(look(daemon))
    print(daemon._registrar.state)
    for p in range(2, 5):
        print(p, verdicts(daemon, p))
    r = cluster.bundle("alpha", 3)
    print(r.steps)
    assert 0
