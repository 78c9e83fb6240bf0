"""Deliveries are read as they are recorded, and once; verdicts are those of who reads them all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from protocol.case_needs import Need
from protocol.leaf import ReadLeaf
from standstill.v1 import header_pb2
from standstill.v1 import quantity_pb2 as q
from tests import builders
from tests.builders import H100, LABS, quantity
from tests.verifier.cluster import Cluster, look, verdicts
from verifier.assessor import Assessor
from verifier.daemon import Daemon
from verifier.held import Held

SETTLED = 8
"""A period in which the deliveries of period 1 are settled: five closings after they could be looked at again."""


@pytest.fixture
def daemon(cluster: Cluster) -> Daemon:
    """A verifier that has closed the period before :data:`SETTLED`; everybody was honest."""
    daemon = cluster.open()
    cluster.begin(daemon)
    for period in range(2, SETTLED):
        cluster.honest(daemon, period)
    return daemon


def settled(daemon: Daemon) -> dict[str, int]:
    """By lab, the deliveries that are not listed any more."""
    return {lab: len(account.closed) for lab, account in daemon._assessor._deliveries._accounts.items()}


def require_same(cluster: Cluster, daemon: Daemon, period: int) -> None:
    """The assessments that a closing makes due are those of an assessor that reads every delivery."""
    reader = Assessor(cluster.agreement, daemon._store, daemon._own)
    for lab in LABS:
        found = daemon._assessor.appraise(lab, period - 1, period)
        assert found == reader.appraise(lab, period - 1, period)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Need]:
    """What cases ask the store for from now on."""
    asked, original = list[Need](), Held.needed

    def needed(self: Held, need: Need, size: int) -> Iterator[ReadLeaf]:
        asked.append(need)
        return original(self, need, size)

    monkeypatch.setattr(Held, "needed", needed)
    return asked


def test_settled_deliveries_are_not_read_again(cluster: Cluster, daemon: Daemon, read: list[Need]) -> None:
    read.clear()
    cluster.honest(daemon, SETTLED)

    assert read
    assert not [need for need in read if need.kind in {header_pb2.KIND_TRANSFER, header_pb2.KIND_SHIPMENT_REPORT}]
    assert settled(daemon) == dict.fromkeys(LABS, 1)
    assert verdicts(daemon, SETTLED - 1) == ["honored"] * 3
    assert cluster.bundle("alpha", SETTLED - 1).failed() is None


def test_what_is_said_of_a_settled_delivery_opens_it_again(cluster: Cluster, daemon: Daemon) -> None:
    cluster.within(SETTLED)
    cluster.nodes["chipco"].say(builders.shipment_report(id="alpha 1"), period=SETTLED)
    for period in range(SETTLED, SETTLED + 5):
        cluster.honest(daemon, period)
        require_same(cluster, daemon, period)

    assert settled(daemon) == {"alpha": 0, "beta": 1, "gamma": 1}
    # In transit for two periods, then it is missing.
    found = [verdicts(daemon, period, ["alpha"]) for period in range(SETTLED, SETTLED + 4)]
    assert found == [["honored"]] * 3 + [["discrepant"]]
    assert cluster.bundle("alpha", SETTLED + 3).failed() is None


def test_new_deliveries_are_listed_until_they_settle(cluster: Cluster, daemon: Daemon) -> None:
    cluster.within(SETTLED)
    cluster.deliver(SETTLED, chips=1, labs=["beta"])
    for period in range(SETTLED, SETTLED + 8):
        cluster.within(period)
        cluster.attest(period - 1, ["alpha", "gamma"])
        chips = 2 if period == SETTLED else 3
        cluster.attest(
            period - 1, ["beta"], chips={H100: chips}, use=[builders.used(q.LABEL_INFERENCE, chips * builders.PERIOD)]
        )
        cluster.meter(period - 1)
        look(daemon)
        cluster.end(daemon, period)
        require_same(cluster, daemon, period)

    assert settled(daemon) == {"alpha": 1, "beta": 2, "gamma": 1}
    accounts = daemon._assessor._deliveries._accounts
    assert accounts["beta"].total.chips == {H100: 3}
    assert not accounts["beta"].open


def test_who_hides_chips_is_told_of_every_delivery_settled_or_not(cluster: Cluster, daemon: Daemon) -> None:
    cluster.within(SETTLED)
    cluster.attest(SETTLED - 1, ["alpha", "beta"])
    cluster.attest(SETTLED - 1, ["gamma"], chips={H100: 1}, use=[builders.used(q.LABEL_INFERENCE)])
    cluster.meter(SETTLED - 1)
    look(daemon)
    cluster.end(daemon, SETTLED)

    require_same(cluster, daemon, SETTLED)
    assert settled(daemon) == dict.fromkeys(LABS, 1)
    found = daemon._assessor.appraise("gamma", SETTLED - 1, SETTLED)
    (finding,) = [one for one in found.assessment.findings if one.code == "shipped-not-declared"]
    origins = {ref.origin for ref in finding.statements}
    assert origins == {cluster.agreement.parties[name].origin for name in ("gamma", "chipco")}
    assert cluster.bundle("gamma", SETTLED - 1).failed() is None


def test_a_restart_changes_no_verdict(cluster: Cluster, daemon: Daemon) -> None:
    cluster.honest(daemon, SETTLED)
    daemon = cluster.reopen(daemon)
    cluster.within(SETTLED + 1)
    cluster.nodes["alpha"].say(builders.transfer(id="unheard of", chips=quantity(1)), period=SETTLED)
    cluster.honest(daemon, SETTLED + 1)

    require_same(cluster, daemon, SETTLED + 1)
    assert settled(daemon) == dict.fromkeys(LABS, 1)
