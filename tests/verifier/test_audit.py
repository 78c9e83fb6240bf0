"""Answers to auditors: what each reader may have, within limits, and changes as they happen."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import grpc
import pytest

from daemon.rows import identity_of
from daemon.rpc_errors import refused_by
from protocol.errors import Reason
from protocol.state import Stage, read_state
from standstill.v1 import audit_service_pb2 as audit
from standstill.v1 import audit_service_pb2_grpc, condition_pb2, header_pb2
from tests import builders
from tests.builders import LABS, PERIOD, START
from tests.verifier.cluster import VERA, Cluster, look, until
from tests.verifier.test_assess import begun
from verifier import changes
from verifier.changes import MAX_WATCHERS, Changes
from verifier.daemon import Daemon

Stub = audit_service_pb2_grpc.AuditServiceStub


def refusal(call: Callable[[], object]) -> tuple[Reason, str, grpc.StatusCode]:
    """Reason, field and status of a call that must be refused."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    refused = refused_by(caught.value)
    assert refused is not None
    return refused.reason, refused.field, caught.value.code()


def test_get_state_tells_where_everything_stands(cluster: Cluster) -> None:
    daemon = begun(cluster)

    answer = cluster.audit().GetState(audit.GetStateRequest())

    assert answer.agreement == cluster.agreement.digest
    assert (answer.name, answer.verifier, answer.status) == ("test agreement", VERA, "in_force")
    assert (answer.closed, answer.now) == (3, cluster.agreement.end_of(3))
    assert (answer.period_seconds, answer.start) == (PERIOD, START)
    assert answer.state == daemon._registrar.state.digest()
    assert [(level.name, level.rank, level.phase) for level in answer.levels] == [
        ("slowdown", 1, condition_pb2.PHASE_OPEN),
        ("pause", 2, condition_pb2.PHASE_OPEN),
    ]
    assert [(lab.lab, lab.level, lab.standing, lab.freshness, list(lab.counts)) for lab in answer.labs] == [
        (lab, 0, "relied", "fresh", [1, 0, 0, 0]) for lab in LABS
    ]
    assert {(log.party, log.state, log.seen) for log in answer.logs} == {
        (name, "ok", cluster.agreement.start_of(3) + 600) for name in cluster.nodes
    }


def test_get_state_hands_out_the_state_and_the_terms_if_asked(cluster: Cluster) -> None:
    begun(cluster)
    stub = cluster.audit()

    brief, whole = (stub.GetState(audit.GetStateRequest(whole=wanted)) for wanted in (False, True))

    assert (brief.state_text, brief.terms) == (b"", b"")
    assert sha256(whole.state_text).digest() == whole.state == brief.state
    assert read_state(whole.state_text).agreement == sha256(whole.terms).digest() == cluster.agreement.digest


def test_get_state_answers_before_anything_was_closed(cluster: Cluster) -> None:
    cluster.open()

    answer = cluster.audit().GetState(audit.GetStateRequest())

    assert not answer.HasField("closed")
    assert answer.status == "forming"
    assert {log.state for log in answer.logs} == {"not reached yet"}
    assert not answer.labs[0].HasField("newest")


def test_a_level_is_told_with_whom_it_binds_and_why(cluster: Cluster) -> None:
    daemon = begun(cluster)
    for lab in LABS:
        cluster.nodes[lab].say(builders.pledge())
    cluster.honest(daemon, 4)
    cluster.nodes["alpha"].say(builders.indicator_report(value=2_500), period=4)
    for lab in LABS[:2]:
        cluster.nodes[lab].say(builders.ballot())
    cluster.honest(daemon, 5)

    answer = cluster.audit().GetState(audit.GetStateRequest())

    pause = answer.levels[1]
    assert (pause.phase, pause.episode, pause.start, pause.end) == (condition_pb2.PHASE_WINDING, 1, 7, 19)
    assert list(pause.bound) == list(LABS)
    assert "vote to call: 2 groups say yes, 2 needed" in pause.why
    assert [lab.level for lab in answer.labs] == [0, 0, 0]
    cluster.honest(daemon, 6)
    assert [lab.level for lab in cluster.audit().GetState(audit.GetStateRequest()).labs] == [2, 2, 2]


def test_list_assessments_gives_the_newest_periods_first_within_bounds(cluster: Cluster) -> None:
    daemon = begun(cluster)
    for period in range(4, 8):
        cluster.honest(daemon, period)
    stub = cluster.audit()

    def periods(**asked: Any) -> list[int]:
        found = stub.ListAssessments(audit.ListAssessmentsRequest(lab="alpha", **asked)).assessments
        return [one.period for one in found]

    assert periods() == [6, 5, 4, 3, 2]
    assert periods(limit=2) == [6, 5]
    assert periods(from_period=3, to_period=5) == [5, 4, 3]
    assert periods(to_period=4, limit=1) == [4]
    assert periods(to_period=0) == []
    assert periods(limit=1_000) == [6, 5, 4, 3, 2]
    (one,) = stub.ListAssessments(audit.ListAssessmentsRequest(lab="beta", limit=1)).assessments
    assert (one.lab, one.verdict, one.revision) == ("beta", header_pb2.VERDICT_HONORED, 1)
    assert one.details.record_period == 7
    stored = daemon._store.logs.leaf(one.statement.origin, one.statement.index)
    assert identity_of(stored) == one.statement.identity


def test_list_findings_gives_findings_with_their_place(cluster: Cluster) -> None:
    daemon = begun(cluster)
    cluster.within(4)
    cluster.attest(3, LABS[1:])
    cluster.meter(3)
    look(daemon)
    cluster.end(daemon, 4)
    cluster.within(5)
    cluster.meter(4)
    look(daemon)
    cluster.end(daemon, 5)
    stub = cluster.audit()

    def findings(**asked: Any) -> list[tuple[str, int, str]]:
        found = stub.ListFindings(audit.ListFindingsRequest(**asked)).findings
        return [(one.lab, one.period, one.finding.code) for one in found]

    missing = "attestation-missing"
    everything = [("alpha", 4, missing), ("beta", 4, missing), ("gamma", 4, missing), ("alpha", 3, missing)]
    assert findings() == everything
    assert findings(lab="alpha") == [everything[0], everything[3]]
    assert findings(limit=2) == everything[:2]
    assert findings(from_period=4) == everything[:3]


@pytest.mark.parametrize(
    ("name", "fails"),
    [
        ("unknown lab", (Reason.NAME_UNKNOWN, "lab", grpc.StatusCode.INVALID_ARGUMENT)),
        ("no lab", (Reason.NAME_UNKNOWN, "lab", grpc.StatusCode.INVALID_ARGUMENT)),
        ("too many", (Reason.VALUE_OUT_OF_RANGE, "limit", grpc.StatusCode.INVALID_ARGUMENT)),
    ],
)
def test_refuses_questions_out_of_range(
    cluster: Cluster, name: str, fails: tuple[Reason, str, grpc.StatusCode]
) -> None:
    begun(cluster)
    stub = cluster.audit()
    wrong: dict[str, dict[str, Any]] = {
        "unknown lab": {"lab": "nobody"},
        "no lab": {"lab": ""},
        "too many": {"lab": "alpha", "limit": 1_001},
    }

    assert refusal(lambda: stub.ListAssessments(audit.ListAssessmentsRequest(**wrong[name]))) == fails
    if name != "no lab":
        assert refusal(lambda: stub.ListFindings(audit.ListFindingsRequest(**wrong[name]))) == fails


def test_a_party_sees_verdicts_and_no_details(cluster: Cluster) -> None:
    begun(cluster)
    for name in ("observer", "beta"):
        stub = cluster.audit(name)
        newest = [lab.newest for lab in stub.GetState(audit.GetStateRequest()).labs]
        listed = stub.ListAssessments(audit.ListAssessmentsRequest(lab="alpha")).assessments

        assert [one.verdict for one in (*newest, *listed)] == [header_pb2.VERDICT_HONORED] * 4
        assert not any(one.HasField("details") for one in (*newest, *listed))
        too_low = (Reason.AUDIENCE_TOO_LOW, "certificate", grpc.StatusCode.PERMISSION_DENIED)
        assert refusal(lambda stub=stub: stub.ListFindings(audit.ListFindingsRequest())) == too_low  # type: ignore[misc]
        assert refusal(lambda stub=stub: list(stub.GetBundle(audit.GetBundleRequest(lab="alpha")))) == too_low  # type: ignore[misc]
    auditor = cluster.audit().GetState(audit.GetStateRequest())
    assert all(lab.newest.HasField("details") for lab in auditor.labs)


def test_the_public_is_told_nothing_but_the_record(cluster: Cluster) -> None:
    begun(cluster)
    stub = cluster.audit("passer-by")
    calls: list[Callable[[], object]] = [
        lambda: stub.GetState(audit.GetStateRequest()),
        lambda: stub.ListAssessments(audit.ListAssessmentsRequest(lab="alpha")),
        lambda: stub.ListFindings(audit.ListFindingsRequest()),
        lambda: list(stub.GetBundle(audit.GetBundleRequest(lab="alpha"))),
        lambda: list(stub.Watch(audit.WatchRequest())),
    ]

    assert {refusal(call)[0] for call in calls} == {Reason.AUDIENCE_TOO_LOW}


# -- watching ---------------------------------------------------------------------------------------------------------


def watchers(daemon: Daemon) -> int:
    with daemon._changes._lock:
        return len(daemon._changes._watchers)


def wait_for(number: int, daemon: Daemon) -> None:
    until(lambda: watchers(daemon) == number)


def test_watch_tells_closings_verdicts_and_levels_as_they_happen(cluster: Cluster) -> None:
    daemon = begun(cluster)
    for lab in LABS:
        cluster.nodes[lab].say(builders.pledge())
    cluster.honest(daemon, 4)
    cluster.nodes["alpha"].say(builders.indicator_report(value=2_500), period=4)
    for lab in LABS[:2]:
        cluster.nodes[lab].say(builders.ballot())
    watch = cluster.audit().Watch(audit.WatchRequest())
    wait_for(1, daemon)

    cluster.honest(daemon, 5)

    told = [next(watch) for _ in range(5)]
    assert [change.WhichOneof("change") for change in told] == ["level", "closed", *["assessed"] * 3]
    assert {change.time for change in told} == {cluster.agreement.end_of(5)}
    assert (told[0].level.name, told[0].level.phase) == ("pause", condition_pb2.PHASE_WINDING)
    assert daemon._registrar.state.levels[2].stage is Stage.WINDING
    assert (told[1].closed.period, told[1].closed.state) == (5, daemon._registrar.state.digest())
    assert [(change.assessed.lab, change.assessed.period) for change in told[2:]] == [(lab, 4) for lab in LABS]
    assert not any(change.assessed.HasField("details") for change in told[2:])


def test_watch_ends_when_the_verifier_stops(cluster: Cluster) -> None:
    daemon = begun(cluster)
    told: queue.Queue[int] = queue.Queue()
    watch = cluster.audit().Watch(audit.WatchRequest())
    thread = threading.Thread(target=lambda: told.put(len(list(watch))))
    thread.start()
    wait_for(1, daemon)

    cluster.shut(daemon)

    thread.join()
    assert told.get_nowait() == 0


def test_a_watcher_that_leaves_makes_room(cluster: Cluster) -> None:
    daemon = begun(cluster)
    watch = cluster.audit().Watch(audit.WatchRequest())
    wait_for(1, daemon)

    watch.cancel()

    wait_for(0, daemon)


def test_there_is_room_for_so_many_watchers_and_for_other_calls_beside_them(cluster: Cluster) -> None:
    daemon = begun(cluster)
    stub = cluster.audit()
    watches: list[Iterator[audit.WatchResponse]] = []
    for number in range(MAX_WATCHERS):
        watches.append(stub.Watch(audit.WatchRequest()))
        wait_for(number + 1, daemon)

    one_more = refusal(lambda: list(stub.Watch(audit.WatchRequest())))

    assert one_more[0] is Reason.TOO_MANY_WATCHERS
    assert one_more[2] is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert stub.GetState(audit.GetStateRequest()).closed == 3


def test_a_watcher_that_is_too_slow_is_told_that_it_lost_changes(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "WAITING", 1)
    daemon = begun(cluster)
    watch = cluster.audit().Watch(audit.WatchRequest())
    wait_for(1, daemon)
    # More than any buffer between here and there holds.
    level = audit.LevelStatus(why="x" * 100_000)
    while watchers(daemon):
        daemon._changes.tell(audit.WatchResponse(level=level))

    reason, _, status = refusal(lambda: list(watch))

    assert (reason, status) == (Reason.WATCHER_TOO_SLOW, grpc.StatusCode.ABORTED)


def test_who_watches_after_the_end_is_sent_home_at_once() -> None:
    handed = Changes()
    handed.close()

    with handed.watching() as watcher:
        assert watcher is not None
        assert watcher.get_nowait() is None
