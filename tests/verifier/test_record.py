"""Closing periods: what was witnessed before the end of a period is in its closing, and nothing else."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import grpc
import pytest
import structlog
from sqlalchemy import Connection

from daemon.rpc_errors import refused_by
from protocol import fold
from protocol.closing import Record
from protocol.errors import Reason, Refused
from protocol.leaf import Bodies, Cursor, KeyRing, ReadLeaf, read_leaves
from protocol.state import State, Status
from standstill.v1 import decision_pb2, envelope_pb2, header_pb2, log_service_pb2, record_pb2
from tests import bodies, builders
from tests.builders import LABS, PAUSE
from tests.verifier.cluster import VERA, Cluster, look, until, verdicts
from verifier.assessor import Assessor
from verifier.daemon import Daemon
from verifier.registrar import MAX_WHY_CHARACTERS, Registrar, _short
from verifier.store import VerifierStore
from verifier.trouble import PASSING


def closings(daemon: Daemon) -> list[record_pb2.Closing]:
    return [record_pb2.Closing.FromString(stored.body) for stored in daemon._store.closings_between(None, 2**40)]


def recorded(closing: record_pb2.Closing, cluster: Cluster, name: str) -> int | None:
    """Size of a log in a closing."""
    origin = cluster.agreement.parties[name].origin
    return next((head.size for head in closing.heads if head.origin == origin), None)


class Killed(BaseException):
    """Stands for the end of the process."""


@contextmanager
def killed_in(monkeypatch: pytest.MonkeyPatch, method: str) -> Iterator[None]:
    """The process ends in the middle of a transaction, after the last write of `method` of the store."""
    original = getattr(VerifierStore, method)

    def last(self: VerifierStore, tx: Connection, *args: object) -> None:
        original(self, tx, *args)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(VerifierStore, method, last)
        with pytest.raises(Killed):
            yield


def test_records_what_was_cosigned_before_the_end_of_the_period_and_not_after(cluster: Cluster) -> None:
    daemon = cluster.open()
    look(daemon)
    cluster.end(daemon, 0)
    cluster.at(cluster.agreement.end_of(1) - 1)
    cluster.nodes["alpha"].say(builders.indicator_report(), period=1)
    look(daemon)
    cluster.at(cluster.agreement.end_of(1))
    cluster.nodes["alpha"].say(builders.indicator_report(), period=1)
    cluster.nodes["beta"].say(builders.indicator_report("beta"), period=1)
    look(daemon)
    cluster.end(daemon, 1)
    cluster.end(daemon, 2)

    first, second, third = closings(daemon)
    assert [recorded(first, cluster, name) for name in cluster.nodes] == [2] * len(cluster.nodes)
    assert (recorded(second, cluster, "alpha"), recorded(second, cluster, "beta")) == (3, None)
    assert (recorded(third, cluster, "alpha"), recorded(third, cluster, "beta")) == (4, 3)


def test_closes_nothing_before_the_end_of_a_period_and_no_period_twice(cluster: Cluster) -> None:
    daemon = cluster.open()
    look(daemon)

    assert not daemon.close_due(cluster.agreement.start_of(0) - 1)
    assert not daemon.close_due(cluster.agreement.end_of(0) - 1)
    assert daemon.close_due(cluster.agreement.end_of(0))
    assert not daemon.close_due(cluster.agreement.end_of(0))
    assert not daemon.close_due(cluster.agreement.end_of(1) - 1)


def test_periods_that_nobody_closed_stay_dark_and_fall_into_the_next_closing(cluster: Cluster) -> None:
    daemon = cluster.open()
    cluster.begin(daemon)
    cluster.honest(daemon, 2)
    cluster.honest(daemon, 3)
    for period in (4, 5):
        cluster.within(period)
        cluster.attest(period - 1)
        cluster.meter(period - 1)
        look(daemon)
    cluster.end(daemon, 6)

    assert [closing.period for closing in closings(daemon)] == [0, 1, 2, 3, 6]
    assert recorded(closings(daemon)[-1], cluster, "alpha") == cluster.nodes["alpha"].author.head.size
    # Assessed as well, and nobody is late for what could not be recorded.
    assert [verdicts(daemon, period) for period in (3, 4, 5)] == [
        ["honored"] * 3,
        ["honored"] * 3,
        ["inconclusive"] * 3,
    ]
    for period in (3, 4, 5):
        assert cluster.bundle("alpha", period).failed() is None


def test_a_closing_its_state_and_its_heads_are_one_transaction(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = cluster.open()
    cluster.begin(daemon)
    before, note = daemon._registrar.state, daemon._record.note
    cluster.at(cluster.agreement.end_of(2))

    with killed_in(monkeypatch, "add_closing"):
        daemon.close_due(cluster.agreement.end_of(2))
    daemon = cluster.reopen(daemon)

    assert daemon._registrar.state == before
    assert daemon._record.note == note
    assert [closing.period for closing in closings(daemon)] == [0, 1]
    cluster.end(daemon, 2)
    assert [closing.period for closing in closings(daemon)] == [0, 1, 2]
    assert daemon._record.head.size == 3


def test_a_restart_finds_the_state_the_reasons_and_the_place(cluster: Cluster) -> None:
    daemon = cluster.open()
    cluster.begin(daemon)
    cluster.honest(daemon, 2)
    state, why = daemon._registrar.state, daemon._registrar.why

    daemon = cluster.reopen(daemon)

    assert (daemon._registrar.state, daemon._registrar.why) == (state, why)
    assert state.status is Status.IN_FORCE
    assert not daemon.close_due(cluster.agreement.end_of(2))
    cluster.honest(daemon, 3)


def test_closings_chain_and_carry_the_digest_of_the_stored_state(cluster: Cluster) -> None:
    daemon = cluster.open()
    cluster.begin(daemon)
    for period in (2, 3, 5):
        cluster.honest(daemon, period)

    stored = daemon._store.closings_between(None, 99)
    previous = cluster.agreement.digest
    state = fold.initial(cluster.agreement).digest()
    for number, (one, closing) in enumerate(zip(stored, closings(daemon), strict=True)):
        assert (closing.previous, closing.state) == (previous, state)
        assert (one.leaf, one.period, closing.term) == (number, closing.period, 0)
        assert daemon._store.logs.leaf(daemon._record.origin, number).body == one.body
        previous, state = sha256(one.body).digest(), sha256(one.state).digest()
    assert daemon._registrar.state.digest() == state


def leaves_of(cluster: Cluster, origin: str, reader: str) -> list[envelope_pb2.Leaf]:
    """A log as the verifier serves it to somebody."""
    size = int(cluster.logs(reader).GetCheckpoint(log_service_pb2.GetCheckpointRequest(origin=origin)).note.split()[1])
    request = log_service_pb2.StreamLeavesRequest(origin=origin, start=0, end=size)
    return [leaf for batch in cluster.logs(reader).StreamLeaves(request) for leaf in batch.leaves]


def test_the_record_is_readable_by_everybody_and_in_good_form(cluster: Cluster) -> None:
    daemon = cluster.open()
    cluster.begin(daemon)
    origin = cluster.agreement.record_origin(0)

    leaves = leaves_of(cluster, origin, "passer-by")

    cursor = Cursor(origin, VERA, in_record=True, keys=KeyRing().after(builders.key_set(VERA)))
    read, _ = read_leaves(cluster.agreement, cursor, leaves)
    assert [leaf.refusal for leaf in read] == [None, None]
    assert [leaf.body for leaf in read] == closings(daemon)


def test_logs_other_than_the_record_are_not_for_everybody(cluster: Cluster) -> None:
    look(cluster.open())

    for name in (VERA, "alpha"):
        with pytest.raises(grpc.RpcError) as caught:
            leaves_of(cluster, cluster.agreement.parties[name].origin, "passer-by")
        refused = refused_by(caught.value)
        assert refused is not None
        assert refused.reason is Reason.AUDIENCE_TOO_LOW
    assert leaves_of(cluster, cluster.agreement.parties["alpha"].origin, "beta")


def refold(cluster: Cluster, daemon: Daemon, reader: str) -> State:
    """The state that somebody computes who has every log from the verifier, as far as it serves them."""
    agreement, read = cluster.agreement, dict[str, list[ReadLeaf]]()
    for name, party in agreement.parties.items():
        bodies_ = Bodies.READ if reader == "auditor" else Bodies.WITHHELD
        leaves = leaves_of(cluster, party.origin, reader)
        read[party.origin], _ = read_leaves(agreement, Cursor(party.origin, name), leaves, bodies=bodies_)
    state = fold.initial(agreement)
    for stored, closing in zip(daemon._store.closings_between(None, 99), closings(daemon), strict=True):
        begin = {party.origin: state.parties[name].size for name, party in agreement.parties.items()}
        found = {head.origin: read[head.origin][begin[head.origin] : head.size] for head in closing.heads}
        state = fold.step(agreement, state, Record(stored.body, closing, found)).state
        assert state.text() == stored.state
    return state


@pytest.mark.parametrize("reader", ["auditor", "observer"])
def test_who_has_only_the_headers_computes_the_same_states(cluster: Cluster, reader: str) -> None:
    daemon = cluster.open()
    cluster.begin(daemon)
    for lab in LABS:
        cluster.nodes[lab].say(builders.pledge())
    cluster.honest(daemon, 2)
    alpha, beta = cluster.nodes["alpha"], cluster.nodes["beta"]
    alpha.say(builders.indicator_report(value=2_500), period=2)
    for node in (alpha, beta):
        node.say(builders.ballot(decision_pb2.MOTION_CALL))
    # Attested in bad form: the header says that it was attested, which is all that the fold may know.
    bad = bodies.attestation(cluster.agreement, 3, start=1)
    for period in (3, 4, 5, 6):
        cluster.within(period)
        if period == 4:
            cluster.nodes["gamma"].inject(lambda party: party.write(party.draft(bad, period=3)))
        cluster.attest(period - 1, LABS if period != 4 else LABS[:2])
        cluster.meter(period - 1)
        look(daemon)
        cluster.end(daemon, period)

    assert refold(cluster, daemon, reader) == daemon._registrar.state
    assert daemon._registrar.state.levels[PAUSE].episode == 1
    assert verdicts(daemon, 3) == ["honored", "honored", "discrepant"]
    assert daemon._registrar.state.conduct["gamma"].silent == 0


def test_statements_that_the_fold_refuses_are_kept_with_the_reason(cluster: Cluster) -> None:
    daemon = cluster.open()
    cluster.nodes["alpha"].say(builders.pledge())
    look(daemon)
    cluster.end(daemon, 0)

    from sqlalchemy import select

    from verifier.schema import REFUSED

    with daemon._store.logs.database.reading() as connection:
        (row,) = connection.execute(select(REFUSED)).all()
    assert (row.origin, row.idx, row.period) == (cluster.nodes["alpha"].origin, 2, 0)
    assert row.reason.startswith(Reason.NOT_IN_FORCE)
    assert daemon._store.logs.leaf(row.origin, row.idx).kind == header_pb2.KIND_PLEDGE


def test_the_verifier_s_own_statements_are_recorded_on_its_own_signature(cluster: Cluster) -> None:
    daemon = cluster.open()
    cluster.begin(daemon)
    cluster.honest(daemon, 2)
    cluster.honest(daemon, 3)
    assessed = daemon._own.head.size
    cluster.honest(daemon, 4)

    assert assessed == 2 + len(LABS)
    assert recorded(closings(daemon)[-1], cluster, VERA) == assessed


# -- trouble ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried again is tried again at once."""
    for module in ("daemon", "follower"):
        monkeypatch.setattr(f"verifier.{module}.RETRY_SECONDS", 0.01)


def failing(monkeypatch: pytest.MonkeyPatch, owner: type, method: str, reason: Reason, times: int) -> None:
    """A method that refuses some times, and works then."""
    original, left = getattr(owner, method), [reason] * times

    def refuse(self: object, *arguments: Any) -> Any:
        if left:
            raise Refused(left.pop(), method, "out of order")
        return original(self, *arguments)

    monkeypatch.setattr(owner, method, refuse)


@contextmanager
def closing_loop(daemon: Daemon) -> Iterator[None]:
    """The loop that closes periods, as the daemon runs it."""
    loop = threading.Thread(target=daemon._guarded, args=(daemon._close_periods,))
    loop.start()
    try:
        yield
    finally:
        daemon._stop.set()
        loop.join()


@pytest.mark.usefixtures("_hasty")
@pytest.mark.parametrize("reason", sorted(PASSING))
def test_closing_waits_out_trouble_that_passes_and_notes_it_once(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, reason: Reason
) -> None:
    daemon = cluster.open()
    look(daemon)
    cluster.at(cluster.agreement.end_of(0))
    failing(monkeypatch, Registrar, "close", reason, times=3)

    with structlog.testing.capture_logs() as said, closing_loop(daemon):
        until(lambda: daemon._store.closing_at() is not None)

    assert [line["why"] for line in said if line["event"] == "closing waits"] == [f"{reason} close: out of order"]
    assert daemon._failure is None


@pytest.mark.usefixtures("_hasty")
def test_any_other_refusal_in_closing_ends_the_verifier(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = cluster.open()
    cluster.at(cluster.agreement.end_of(0))
    failing(monkeypatch, Registrar, "close", Reason.STORE_DAMAGED, times=1)

    with closing_loop(daemon):
        assert daemon._stop.wait(60)

    assert isinstance(daemon._failure, Refused)
    assert daemon._failure.reason is Reason.STORE_DAMAGED
    assert daemon._store.closing_at() is None
    cluster._open.remove(daemon)
    assert daemon.stop() == 7


@pytest.mark.usefixtures("_hasty")
def test_what_trouble_left_unassessed_is_assessed_when_it_has_passed(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = cluster.open()
    cluster.begin(daemon)
    cluster.honest(daemon, 2)
    cluster.within(3)
    cluster.attest(2)
    cluster.meter(2)
    look(daemon)
    cluster.at(cluster.agreement.end_of(3))
    failing(monkeypatch, Assessor, "_publish", Reason.STORE_UNAVAILABLE, times=2)

    with closing_loop(daemon):
        until(lambda: verdicts(daemon, 2) == ["honored"] * 3)

    assert [closing.period for closing in closings(daemon)] == [0, 1, 2, 3]


@pytest.mark.usefixtures("_hasty")
@pytest.mark.parametrize("shown", [str(builders.START).encode(), b"soon"], ids=["stepped back", "unreadable"])
def test_a_clock_that_is_wrong_for_a_while_ends_no_loop(cluster: Cluster, shown: bytes) -> None:
    daemon = Daemon(cluster.settings(), cluster.home)
    with structlog.testing.capture_logs() as said:
        daemon.start()
        until(lambda: all(follower.status.state == "ok" for follower in daemon.followers))
        cluster.clock_file.write_bytes(shown)
        until(lambda: any(line["event"] == "closing waits" for line in said))
        until(lambda: all(follower.status.state.startswith("CLOCK_") for follower in daemon.followers))
        cluster.at(cluster.agreement.end_of(0))
        until(lambda: daemon._store.closing_at() is not None)
        until(lambda: all(follower.status.state == "ok" for follower in daemon.followers))

    assert daemon.stop() == 0


def test_reasons_are_kept_no_longer_than_a_person_reads(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = cluster.open()
    cluster.begin(daemon)
    whole = daemon._registrar.why
    monkeypatch.setattr("verifier.registrar.MAX_WHY_CHARACTERS", 20)
    cluster.end(daemon, 2)

    assert any(len(text) > 20 for text in whole.values())
    assert not any("shortened" in text for text in whole.values())
    assert all(len(text) <= 20 for text in daemon._registrar.why.values())
    assert any(text.endswith("... (shortened)") for text in daemon._registrar.why.values())
    assert daemon._store.closing_at().why == json.dumps(daemon._registrar.why)  # type: ignore[union-attr]


def test_a_reason_of_just_the_most_characters_is_kept_whole() -> None:
    whole = "x" * MAX_WHY_CHARACTERS

    assert _short(whole) == whole
    assert len(_short(whole + "x")) == MAX_WHY_CHARACTERS == 4_000
    assert _short(whole + "x").endswith("x... (shortened)")
