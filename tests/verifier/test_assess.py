"""Assessing: one verdict per lab and period, a new revision when late evidence changes it, and never honored late."""

from __future__ import annotations

from collections import Counter

import pytest
from sqlalchemy import select

from daemon.leaf import StoredLeaf
from standstill.v1 import header_pb2
from tests.builders import LABS, handle, meter_reading
from tests.verifier.cluster import VERA, Cluster, look, verdict, verdicts
from tests.verifier.test_record import killed_in
from verifier.daemon import Daemon
from verifier.schema import COUNTS, VERDICTS


def begun(cluster: Cluster) -> Daemon:
    """A verifier that has closed the periods 0 to 3; the agreement is in force and period 2 is assessed."""
    daemon = cluster.open()
    cluster.begin(daemon)
    cluster.honest(daemon, 2)
    cluster.honest(daemon, 3)
    return daemon


def quiet(cluster: Cluster, daemon: Daemon, period: int) -> None:
    """A period in which nobody says anything."""
    cluster.within(period)
    look(daemon)
    cluster.end(daemon, period)


def assessments(daemon: Daemon, cluster: Cluster) -> list[StoredLeaf]:
    """All revisions in the verifier's log."""
    return daemon._store.logs.by_kind(cluster.agreement.parties[VERA].origin, header_pb2.KIND_ASSESSMENT)


def require_counts(daemon: Daemon) -> None:
    """The counts that are kept beside the verdicts are those of the verdicts."""
    with daemon._store.logs.database.reading() as connection:
        counted = Counter((row.lab, row.verdict) for row in connection.execute(select(VERDICTS)))
        kept = {(row.lab, row.verdict): row.number for row in connection.execute(select(COUNTS)) if row.number}
    assert kept == counted


def test_who_does_what_is_owed_is_honored(cluster: Cluster) -> None:
    daemon = begun(cluster)

    assert verdicts(daemon, 2) == ["honored"] * 3
    kinds = ("ATTESTATION", "ENERGY", "METER", "SHIPMENTS")
    present = " ".join(f"EVIDENCE_{kind}=EVIDENCE_STATE_PRESENT" for kind in kinds)
    assert verdict(daemon, "alpha", 2) == ("honored", 1, present)


def test_nothing_is_assessed_before_the_agreement_governs(cluster: Cluster) -> None:
    daemon = begun(cluster)

    assert verdicts(daemon, 0) == verdicts(daemon, 1) == [None] * 3
    assert daemon._registrar.state.since == 2


def test_a_silent_meter_leaves_inconclusive_until_it_speaks(cluster: Cluster) -> None:
    daemon = begun(cluster)
    cluster.within(4)
    cluster.attest(3)
    cluster.meter(3, LABS[1:])
    look(daemon)
    cluster.end(daemon, 4)
    assert verdicts(daemon, 3) == ["inconclusive", "honored", "honored"]

    cluster.within(5)
    cluster.attest(4)
    cluster.meter(4)
    cluster.meter(3, ["alpha"])
    look(daemon)
    cluster.end(daemon, 5)

    found = verdict(daemon, "alpha", 3)
    assert found is not None
    assert found[:2] == ("honored", 2)
    assert verdicts(daemon, 4) == ["honored"] * 3
    require_counts(daemon)


def test_a_late_attestation_is_a_new_revision_and_never_honored(cluster: Cluster) -> None:
    daemon = begun(cluster)
    for period in (4, 5, 6):
        cluster.within(period)
        cluster.attest(period - 1, LABS if period == 5 else LABS[1:])
        cluster.meter(period - 1)
        if period == 6:
            cluster.attest(3, ["alpha"])
        look(daemon)
        cluster.end(daemon, period)

    assert [verdict(daemon, "alpha", period)[0] for period in (3, 4, 5)] == ["inconclusive", "honored", "inconclusive"]  # type: ignore[index]
    late = verdict(daemon, "alpha", 3)
    assert late is not None
    assert late[2].split()[0] == "attestation-late"
    assert late[1] > 1


def test_silence_is_presumed_non_compliant_by_the_agreement_s_clock(cluster: Cluster) -> None:
    daemon, seen = begun(cluster), []
    for period in (4, 5, 6, 7, 8):
        quiet(cluster, daemon, period)
        found = verdict(daemon, "alpha", 3)
        assert found is not None
        seen.append((found[0], found[2].split()[0]))

    missing = ("inconclusive", "attestation-missing")
    presumed = ("discrepant", "presumed-non-compliant")
    assert seen == [missing, missing, presumed, presumed, presumed]

    cluster.within(9)
    cluster.attest(3)
    cluster.meter(3)
    look(daemon)
    cluster.end(daemon, 9)
    assert verdicts(daemon, 3) == ["inconclusive"] * 3


def test_silence_is_counted_in_closed_periods(cluster: Cluster) -> None:
    daemon, seen = begun(cluster), []
    for period in (4, 20, 21, 22):
        quiet(cluster, daemon, period)
        seen += [one for one in verdicts(daemon, 3, ["alpha"]) if one is not None]

    assert seen == ["inconclusive", "inconclusive", "discrepant", "discrepant"]


def test_an_unchanged_verdict_is_not_said_again(cluster: Cluster) -> None:
    daemon = begun(cluster)
    quiet(cluster, daemon, 4)
    before = len(assessments(daemon, cluster))
    revisions = [verdict(daemon, lab, 2) for lab in LABS]

    daemon.catch_up()
    cluster.nodes["gridco"].say(meter_reading(cluster.agreement, 2), site=handle("alpha"))
    quiet(cluster, daemon, 5)

    said = assessments(daemon, cluster)[before:]
    # Period 3 went from missing to stale, of period 4 it is said first that it is missing; of period 2 nothing is new.
    assert sorted(leaf.period or 0 for leaf in said) == [3, 3, 3, 4, 4, 4]
    assert [verdict(daemon, lab, 2) for lab in LABS] == revisions


@pytest.mark.parametrize("method", ["add_closing", "put_verdict"])
def test_a_crash_at_a_closing_leaves_one_assessment_of_each_lab_and_period(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    daemon = begun(cluster)
    before = len(assessments(daemon, cluster))
    cluster.within(4)
    cluster.attest(3)
    cluster.meter(3)
    look(daemon)
    cluster.at(cluster.agreement.end_of(4))
    with killed_in(monkeypatch, method):
        daemon.close_due(cluster.agreement.end_of(4))
    assert len(assessments(daemon, cluster)) == before

    daemon = cluster.reopen(daemon)
    daemon.catch_up()
    daemon.close_due(cluster.agreement.end_of(4))
    daemon = cluster.reopen(daemon)
    daemon.catch_up()

    assert verdicts(daemon, 3) == ["honored"] * 3
    assert len(assessments(daemon, cluster)) == before + len(LABS)
    require_counts(daemon)


def test_a_crash_between_closing_and_assessing_is_made_good_at_the_start(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = begun(cluster)
    cluster.within(4)
    cluster.attest(3)
    cluster.meter(3)
    look(daemon)
    cluster.at(cluster.agreement.end_of(4))
    with killed_in(monkeypatch, "put_verdict"):
        daemon.close_due(cluster.agreement.end_of(4))
    daemon = cluster.reopen(daemon)
    assert verdicts(daemon, 3) == [None] * 3

    daemon.catch_up()

    assert verdicts(daemon, 3) == ["honored"] * 3
    assert cluster.bundle("beta", 3).failed() is None


def test_the_fold_counts_the_verdicts_of_the_log(cluster: Cluster) -> None:
    daemon = begun(cluster)
    cluster.honest(daemon, 4)
    quiet(cluster, daemon, 5)
    quiet(cluster, daemon, 6)

    conduct = daemon._registrar.state.conduct["alpha"]
    assert conduct.settled == ("honored", "honored", "inconclusive")
    assert conduct.silent == 2
