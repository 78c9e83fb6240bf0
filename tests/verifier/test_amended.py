"""A verifier whose agreement is amended while it runs: from when it judges by the new terms."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from daemon.author import Author, Seeds, open_author
from daemon.clock import FileClock
from daemon.log_store import LogStore
from protocol import wire
from protocol.agreement import Agreement
from protocol.bundle import Report
from protocol.in_force import in_force
from protocol.leaf import Cursor
from protocol.state import Membership
from standstill.v1 import agreement_pb2, decision_pb2, header_pb2, membership_pb2
from standstill.v1 import audit_service_pb2 as audit
from tests import builders
from tests.bodies import admission, amendment
from tests.builders import LABS, agreement, ballot, party, seed
from tests.terms import change, level, terms
from tests.verifier.cluster import METERED, Cluster, Node, look, seeds_of, verdict, verdicts

UNMETERED = [kind for kind in METERED if kind != agreement_pb2.EVIDENCE_METER]


def _terms(required: list[agreement_pb2.Evidence.ValueType], *levels: agreement_pb2.Level) -> agreement_pb2.Agreement:
    verification = change(terms().verification, required=required)
    return terms(
        verification=verification, levels=[*terms().levels, *levels], amended_by="council", admitted_by="council"
    )


LATER = wire.encode(_terms(UNMETERED, level("halt", 3)))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster whose council may amend terms that require a meter."""
    made = _terms(list(METERED))
    opened = Cluster(
        tmp_path,
        agreement(
            verification=made.verification, levels=list(made.levels), amended_by="council", admitted_by="council"
        ),
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


def _acceded(agreement: Agreement, name: str, store: LogStore, clock: FileClock) -> Author:
    """As :func:`tests.verifier.cluster.found`, for a party that was admitted."""
    party = builders.Party(agreement, name)
    cursor = Cursor(agreement.parties[name].origin, name)
    root = (seed(name, "root 1"), seed(name, "root 2"))
    beginner = open_author(agreement, store, Seeds(log=seed(name, "log"), root=root), clock, cursor)
    accession = membership_pb2.Accession(agreement=agreement.digest, terms=agreement.digest)
    beginner.publish([party.draft(accession), party.draft(builders.key_set(name))])
    return open_author(agreement, store, seeds_of(name), clock, cursor)


def word_of(report: Report) -> str:
    assert report.verdict is not None
    return header_pb2.Verdict.Name(report.verdict).removeprefix("VERDICT_").lower()


def test_follows_and_assesses_a_lab_that_was_admitted(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = cluster.open()
    cluster.begin(daemon)
    offered = admission(party("delta", agreement_pb2.ROLE_LAB))
    cluster.nodes["alpha"].say(offered)
    for lab in LABS[:2]:
        cluster.nodes[lab].say(ballot(decision_pb2.MOTION_ADMIT, 0, 0, asked=sha256(offered.party).digest()))
    cluster.honest(daemon, 2)
    terms_ = in_force(cluster.agreement, daemon._registrar.state)
    monkeypatch.setattr("tests.verifier.cluster.found", _acceded)
    home = cluster.base / "delta"
    home.mkdir()
    node = Node(terms_, "delta", home, cluster.clock_file)
    cluster.nodes["delta"] = node
    node.serve(cluster.vera.certificate)
    # It is followed from the next start on, with its address in the configuration.
    daemon = cluster.reopen(daemon)
    cluster.honest(daemon, 3)
    assert daemon._registrar.state.parties["delta"].membership is Membership.IN
    # Listed by closing 2, in by closing 3, it owes attestations from period 5.
    for period in range(4, 8):
        cluster.within(period)
        cluster.attest(period - 1)
        cluster.meter(period - 1)
        if period > 5:
            node.say(builders.attestation(terms_, period - 1, chips={}, use=()))
        look(daemon)
        cluster.end(daemon, period)
    found = [verdict(daemon, "delta", period) for period in range(3, 7)]
    assert [one is None for one in found] == [True, True, False, False]
    assert "attestation" not in (found[2] or ("", 0, ""))[2].replace("EVIDENCE_ATTESTATION", "").lower()
    # Its bundles derive again from the digest of the first terms, which did not know it; and so do those of founders.
    reports = {(lab, period): cluster.bundle(lab, period) for lab in ("delta", "alpha") for period in (5, 6)}
    assert [report.failed() for report in reports.values()] == [None] * 4
    assert [said for said, _, _ in filter(None, found)] == [word_of(reports["delta", period]) for period in (5, 6)]
    labs = cluster.audit().GetState(audit.GetStateRequest()).labs
    assert [lab.lab for lab in labs] == ["alpha", "beta", "delta", "gamma"]
