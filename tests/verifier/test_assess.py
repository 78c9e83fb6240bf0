"""Assessing: one verdict per lab and period, a new revision when late evidence changes it, and never honored late."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import select

from daemon.leaf import StoredLeaf
from protocol import appraisal
from protocol.agreement import Agreement, read_agreement
from protocol.case import Case
from protocol.case_needs import Need
from protocol.duty import Duty, duty
from protocol.errors import Reason, Refused
from protocol.leaf import ReadLeaf
from protocol.state import State
from protocol.wire import encode
from standstill.v1 import agreement_pb2, compute_pb2, decision_pb2, header_pb2
from standstill.v1 import quantity_pb2 as q
from tests import builders
from tests.builders import LABS, SLOWDOWN, handle, meter_reading
from tests.verifier.cluster import METERED, VERA, Cluster, look, verdict, verdicts
from tests.verifier.test_record import killed_in
from verifier.assessor import Assessor
from verifier.daemon import Daemon
from verifier.held import Held
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


# -- trouble with one lab ---------------------------------------------------------------------------------------------


@pytest.fixture
def failing_for(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Exception], Callable[[], None]]:
    """Makes appraising a lab fail; gives what mends that."""

    def fail(lab: str, error: Exception) -> Callable[[], None]:
        broken = {lab}

        def appraise(case: Case, state: bytes) -> appraisal.Appraisal:
            if case.lab in broken:
                raise error
            return appraisal.appraise(case, state)

        monkeypatch.setattr("verifier.assessor.appraise", appraise)
        return broken.clear

    return fail


ERRORS = [Refused(Reason.ENTRY_TOO_LARGE, "body", "too large"), ZeroDivisionError("a mistake of ours")]


@pytest.mark.parametrize("error", ERRORS, ids=["refused", "mistake"])
def test_what_fails_for_one_lab_is_told_and_leaves_the_others_assessed(
    cluster: Cluster, failing_for: Any, error: Exception
) -> None:
    daemon = begun(cluster)
    failing_for("beta", error)
    with structlog.testing.capture_logs() as said:
        cluster.honest(daemon, 4)

    assert verdicts(daemon, 3) == ["honored", None, "honored"]
    (told,) = [line for line in said if line["log_level"] == "error"]
    assert (told["lab"], told["period"], told["exc_info"]) == ("beta", 3, error)
    require_counts(daemon)


def test_what_failed_for_one_lab_is_tried_again_at_the_next_closing(cluster: Cluster, failing_for: Any) -> None:
    daemon = begun(cluster)
    mend = failing_for("beta", ERRORS[0])
    cluster.honest(daemon, 4)
    cluster.honest(daemon, 5)
    mend()
    cluster.honest(daemon, 6)

    assert [verdicts(daemon, period) for period in (3, 4, 5)] == [["honored"] * 3] * 3
    require_counts(daemon)


def test_what_failed_before_a_restart_is_tried_again_after_it(cluster: Cluster, failing_for: Any) -> None:
    daemon = begun(cluster)
    mend = failing_for("beta", ERRORS[1])
    cluster.honest(daemon, 4)
    cluster.honest(daemon, 5)
    mend()
    daemon = cluster.reopen(daemon)
    cluster.honest(daemon, 6)

    assert [verdicts(daemon, period) for period in (3, 4, 5)] == [["honored"] * 3] * 3


def test_a_revision_that_failed_is_tried_again_at_the_next_closing(cluster: Cluster, failing_for: Any) -> None:
    daemon = begun(cluster)
    cluster.honest(daemon, 4)
    cluster.within(5)
    cluster.attest(3, ["beta"], watt_hours=701)
    mend = failing_for("beta", ERRORS[0])
    cluster.honest(daemon, 5)
    assert verdicts(daemon, 3) == ["honored"] * 3
    mend()
    cluster.honest(daemon, 6)

    assert verdicts(daemon, 3) == ["honored", "discrepant", "honored"]


@pytest.mark.parametrize("reason", [Reason.STORE_UNAVAILABLE, Reason.STORE_DAMAGED, Reason.HEAD_CONFLICT])
def test_trouble_of_this_machine_is_no_lab_s_trouble(cluster: Cluster, failing_for: Any, reason: Reason) -> None:
    daemon = begun(cluster)
    mend = failing_for("beta", Refused(reason, "store", "out of order"))

    with pytest.raises(Refused) as caught:
        cluster.honest(daemon, 4)

    assert caught.value.reason is reason
    assert verdicts(daemon, 3) == ["honored", None, None]
    mend()
    daemon.catch_up()
    assert verdicts(daemon, 3) == ["honored"] * 3


# -- what late evidence reaches ---------------------------------------------------------------------------------------


def capped_agreement() -> Agreement:
    """Whoever is slowed down holds an accelerator for training for one hour in four periods at most."""
    cap = agreement_pb2.Cap(name="training", labels=[q.LABEL_TRAIN], chip_seconds=builders.PERIOD, window_periods=4)
    slowdown, pause = builders.terms().levels
    binding = {"binds": agreement_pb2.BINDS_EVERYONE, "trigger": builders.ALWAYS, "caps": [cap]}
    verification = builders.change(builders.terms().verification, required=METERED)
    return builders.agreement(levels=[builders.change(slowdown, **binding), pause], verification=verification)


def slowed_down(cluster: Cluster, last: int) -> Daemon:
    """Everybody is slowed down in full from period 5 on, and does what they owe up to `last`."""
    daemon = cluster.open()
    cluster.begin(daemon)
    cluster.within(2)
    for lab in LABS[:2]:
        cluster.nodes[lab].say(builders.ballot(decision_pb2.MOTION_CALL, SLOWDOWN, 1))
    for period in range(2, last + 1):
        if period == 5:
            for lab in LABS:
                cluster.nodes[lab].say(builders.halt_report(SLOWDOWN), period=4)
        cluster.honest(daemon, period)
    return daemon


def appraised(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Labs and periods that are appraised from now on."""
    seen, original = list[tuple[str, int]](), Assessor.appraise

    def appraise(self: Assessor, lab: str, period: int, record_period: int) -> appraisal.Appraisal:
        seen.append((lab, period))
        return original(self, lab, period, record_period)

    monkeypatch.setattr(Assessor, "appraise", appraise)
    return seen


def say_late(cluster: Cluster, daemon: Daemon, about: int, now: int) -> None:
    """Alpha says of a period, a second time and late, that it held two accelerators for training."""
    cluster.within(now)
    use = [builders.used(q.LABEL_TRAIN, 2 * builders.PERIOD, teraflop=1)]
    cluster.attest(about, ["alpha"], use=use)
    cluster.honest(daemon, now)


@pytest.fixture
def capped(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path, capped_agreement())
    yield made
    made.close()


def test_a_late_word_changes_the_later_periods_whose_cap_counts_it(
    capped: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = slowed_down(capped, 10)
    assert [verdicts(daemon, period) for period in range(2, 10)] == [["honored"] * 3] * 8
    seen = appraised(monkeypatch)

    say_late(capped, daemon, about=5, now=11)

    found = [verdicts(daemon, period, ["alpha"]) for period in range(5, 11)]
    assert found == [["breached"]] * 4 + [["honored"]] * 2
    assert seen == [("alpha", period) for period in (5, 6, 7, 8, 10)] + [("beta", 10), ("gamma", 10)]
    assert capped.bundle("alpha", 8).failed() is None


def test_a_late_word_on_exempted_work_reaches_the_later_periods_whose_ledger_counts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = capped_agreement().terms
    exempt = agreement_pb2.Exemption(name="safe", labels=[q.LABEL_TRAIN], cap=made.levels[0].caps[0])
    levels = [builders.change(made.levels[0], exemptions=[exempt], caps=None), made.levels[1]]
    cluster = Cluster(tmp_path, read_agreement(encode(builders.change(made, levels=levels))))
    try:
        daemon = slowed_down(cluster, 10)
        seen = appraised(monkeypatch)
        cluster.within(11)
        used = builders.change(builders.used(q.LABEL_TRAIN, 2 * builders.PERIOD, teraflop=1), exemption="safe")
        cluster.attest(5, ["alpha"], use=[used])
        cluster.honest(daemon, 11)
        assert seen == [("alpha", period) for period in (5, 6, 7, 8, 10)] + [("beta", 10), ("gamma", 10)]
        # What was added in one period exceeds the cap in that period.
        found = [verdicts(daemon, period, ["alpha"]) for period in range(5, 11)]
        assert found == [["breached"]] + [["honored"]] * 5
    finally:
        cluster.close()


@pytest.fixture
def measured(tmp_path: Path) -> Iterator[Cluster]:
    """Whoever is slowed down serves users as much as in the two periods before, and no more."""
    terms = capped_agreement().terms
    cap = agreement_pb2.Cap(name="serving", labels=[q.LABEL_INFERENCE], window_periods=1, baseline_ppm=1_000_000)
    levels = [builders.change(level, caps=[cap]) for level in terms.levels]
    levels[1].binds = agreement_pb2.BINDS_EVERYONE
    made = Cluster(tmp_path, builders.agreement(levels=levels, baseline_periods=2, verification=terms.verification))
    yield made
    made.close()


def test_a_late_word_on_the_baseline_changes_every_later_period_that_is_a_share_of_it(
    measured: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = slowed_down(measured, 8)
    assert [verdicts(daemon, period) for period in range(2, 8)] == [["honored"] * 3] * 6
    seen = appraised(monkeypatch)

    say_late(measured, daemon, about=3, now=9)

    assert [period for lab, period in seen if lab == "alpha"] == [3, 5, 6, 7, 8]
    assert [verdicts(daemon, period, ["alpha"]) for period in range(4, 9)] == [["honored"]] + [["breached"]] * 4
    assert measured.bundle("alpha", 7).failed() is None


def test_a_baseline_is_read_once_and_again_when_a_word_on_it_is_added(
    measured: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = slowed_down(measured, 6)
    read, original = list[Need](), Held.needed

    def needed(self: Held, need: Need, size: int) -> Iterator[ReadLeaf]:
        read.append(need)
        return original(self, need, size)

    monkeypatch.setattr(Held, "needed", needed)
    origin = measured.agreement.parties["alpha"].origin
    baseline = Need(origin, header_pb2.KIND_COMPUTE_ATTESTATION, 2, 3)

    for period in (7, 8):
        measured.honest(daemon, period)
    assert read
    assert read.count(baseline) == 0

    say_late(measured, daemon, about=3, now=9)
    assert read.count(baseline) == 1


@pytest.mark.parametrize(("about", "looked_at"), [(3, range(4, 13)), (5, range(6, 8))])
def test_a_late_word_is_followed_only_while_something_remembers_its_period(
    measured: Cluster, monkeypatch: pytest.MonkeyPatch, about: int, looked_at: range
) -> None:
    daemon = slowed_down(measured, 13)
    asked = list[int]()

    def owed(agreement: Agreement, state: State, lab: str, period: int) -> Duty:
        asked.append(period)
        return duty(agreement, state, lab, period)

    monkeypatch.setattr("verifier.assessor.duty", owed)
    found = list(daemon._assessor._windows("alpha", about, 12))

    assert asked == list(looked_at)
    assert found == (list(range(5, 13)) if about == 3 else [])


def test_a_late_word_reaches_no_period_that_is_not_assessed_yet(
    capped: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = slowed_down(capped, 8)
    seen = appraised(monkeypatch)

    say_late(capped, daemon, about=5, now=9)

    assert [period for lab, period in seen if lab == "alpha"] == [5, 6, 7, 8]


def test_a_late_word_reaches_no_other_period_without_a_cap(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = begun(cluster)
    for period in range(4, 8):
        cluster.honest(daemon, period)
    seen = appraised(monkeypatch)

    say_late(cluster, daemon, about=3, now=8)

    assert [period for lab, period in seen if lab == "alpha"] == [3, 7]


def test_a_late_delivery_changes_the_newest_verdict_of_the_labs_that_it_concerns(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = begun(cluster)
    cluster.honest(daemon, 4)
    cluster.honest(daemon, 5)
    seen = appraised(monkeypatch)
    cluster.within(6)
    cluster.nodes["chipco"].say(builders.shipment_report(id="forgotten"), period=1)
    cluster.honest(daemon, 6)

    assert [verdicts(daemon, period) for period in (3, 4, 5)] == [
        ["honored"] * 3,
        ["discrepant", "honored", "honored"],
        ["discrepant", "honored", "honored"],
    ]
    assert seen == [("alpha", 4), ("alpha", 5), ("beta", 5), ("gamma", 5)]


def test_a_late_transfer_concerns_both_its_labs(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = begun(cluster)
    cluster.honest(daemon, 4)
    cluster.honest(daemon, 5)
    seen = appraised(monkeypatch)
    cluster.within(6)
    dispatch = builders.transfer(id="between", counterparty="gamma", direction=compute_pb2.DIRECTION_DISPATCH)
    cluster.nodes["beta"].say(dispatch, period=1)
    cluster.honest(daemon, 6)

    assert seen == [("alpha", 5), ("beta", 4), ("beta", 5), ("gamma", 4), ("gamma", 5)]


def test_a_delivery_said_in_time_opens_no_older_period(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = begun(cluster)
    cluster.honest(daemon, 4)
    cluster.honest(daemon, 5)
    seen = appraised(monkeypatch)
    cluster.within(6)
    cluster.deliver(5, labs=["alpha"])
    cluster.honest(daemon, 6)

    assert seen == [(lab, 5) for lab in LABS]
