"""A verifier whose agreement is amended while it runs: from when it judges by the new terms."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from protocol import wire
from protocol.in_force import in_force
from standstill.v1 import agreement_pb2, decision_pb2
from standstill.v1 import audit_service_pb2 as audit
from tests.bodies import amendment
from tests.builders import LABS, agreement, ballot
from tests.terms import change, level, terms
from tests.verifier.cluster import METERED, Cluster, look, verdicts

UNMETERED = [kind for kind in METERED if kind != agreement_pb2.EVIDENCE_METER]


def _terms(required: list[agreement_pb2.Evidence.ValueType], *levels: agreement_pb2.Level) -> agreement_pb2.Agreement:
    verification = change(terms().verification, required=required)
    return terms(verification=verification, levels=[*terms().levels, *levels], amended_by="council")


LATER = wire.encode(_terms(UNMETERED, level("halt", 3)))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster whose council may amend terms that require a meter."""
    made = _terms(list(METERED))
    opened = Cluster(
        tmp_path, agreement(verification=made.verification, levels=list(made.levels), amended_by="council")
    )
    yield opened
    opened.close()


def test_assesses_under_the_terms_that_govern_the_period(cluster: Cluster) -> None:
    daemon = cluster.open()
    cluster.begin(daemon)
    cluster.honest(daemon, 2)
    for period in range(3, 9):
        cluster.within(period)
        cluster.attest(period - 1)
        if period == 3:
            cluster.nodes["alpha"].say(amendment(LATER))
            for lab in LABS[:2]:
                cluster.nodes[lab].say(ballot(decision_pb2.MOTION_AMEND, 0, 0, asked=sha256(LATER).digest()))
        look(daemon)
        cluster.end(daemon, period)
    # Passed with closing 3, in force with closing 4, which governs from period 6: nobody reads a meter in any of them.
    assert daemon._registrar.state.terms == sha256(LATER).digest()
    assert [verdicts(daemon, period)[0] for period in range(3, 8)] == ["inconclusive"] * 3 + ["honored"] * 2
    reports = [cluster.bundle("alpha", period) for period in (5, 6)]
    assert [report.failed() for report in reports] == [None, None]
    state = cluster.audit().GetState(audit.GetStateRequest())
    assert [one.name for one in state.levels] == ["slowdown", "pause", "halt"]
    reopened = cluster.reopen(daemon)
    assert len(in_force(cluster.agreement, reopened._registrar.state).levels) == 3
