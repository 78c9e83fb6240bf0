"""A node follows the record through a real verifier and computes the state for itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.author import Seeds, open_author
from daemon.channel import open_channel
from daemon.clock import FileClock
from daemon.keyfiles import write_seed
from daemon.log_client import LogClient
from daemon.log_store import open_store
from node.order_file import OrderFile, allowed, sentence
from node.record import RecordFollower
from node.record_store import KEPT_STATES, Place
from protocol.duty import Duty
from protocol.errors import Reason, Refused
from protocol.leaf import Cursor
from protocol.obedience import Mode, Order
from standstill.v1 import envelope_pb2
from tests import builders
from tests.builders import LABS, PAUSE, seed
from tests.verifier.cluster import VERA, Cluster, look
from verifier.daemon import Daemon


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path)
    yield made
    made.close()


@contextmanager
def following(cluster: Cluster, party: str = "alpha") -> Iterator[RecordFollower]:
    """The follower of a party's node, with the node's own store."""
    node = cluster.nodes[party]
    orders = OrderFile(node.home / "order.json", lambda *_: [])
    with open_channel(cluster.address, node.identity, cluster.vera.certificate, VERA, deadline=10.0) as channel:
        yield RecordFollower(cluster.agreement, party, node.store.database, channel, node.clock, orders.tell)


def begun(cluster: Cluster) -> Daemon:
    """The agreement governs; periods 0 to 3 are closed."""
    daemon = cluster.open()
    cluster.begin(daemon)
    for period in (2, 3):
        cluster.honest(daemon, period)
    return daemon


def call(cluster: Cluster, daemon: Daemon) -> None:
    """Pledges in period 4; reports and ballots in period 5, whose closing calls a pause."""
    for lab in LABS:
        cluster.nodes[lab].say(builders.pledge())
    cluster.honest(daemon, 4)
    cluster.nodes["alpha"].say(builders.indicator_report(value=2_500), period=4)
    for lab in LABS[:2]:
        cluster.nodes[lab].say(builders.ballot())
    cluster.honest(daemon, 5)


def now(cluster: Cluster) -> int:
    return cluster.nodes["alpha"].clock.now()


def test_computes_the_state_that_the_verifier_computed(cluster: Cluster) -> None:
    daemon = begun(cluster)
    with following(cluster) as follower:
        follower.look()

        assert follower.trouble == ""
        assert follower.newest.digest() == daemon._registrar.state.digest()
        cluster.honest(daemon, 4)
        follower.look()
        assert follower.newest.period == 4
        assert follower.newest.digest() == daemon._registrar.state.digest()
        assert follower.confirmed is not None
        assert follower.confirmed.period == 3


def test_goes_on_where_it_was_after_a_restart(cluster: Cluster) -> None:
    daemon = begun(cluster)
    with following(cluster) as follower:
        follower.look()
    cluster.honest(daemon, 4)
    with following(cluster) as follower:
        assert follower.newest.period == 3
        follower.look()
        assert (follower.trouble, follower.newest.period) == ("", 4)


def test_a_crash_within_a_closing_folds_it_neither_twice_nor_half(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(cluster)
    with following(cluster) as follower, monkeypatch.context() as patched:

        def crash(*_: object) -> None:
            raise KeyboardInterrupt

        patched.setattr(follower._store, "_prune", crash)
        with pytest.raises(KeyboardInterrupt):
            follower.look()
        assert follower._store.states()[-1].period is None
    with following(cluster) as follower:
        follower.look()
        assert (follower.trouble, follower.newest.period) == ("", 3)


def test_keeps_the_newest_states_alone(cluster: Cluster) -> None:
    daemon = begun(cluster)
    for period in range(4, 4 + KEPT_STATES):
        cluster.honest(daemon, period)
    with following(cluster) as follower:
        follower.look()
        kept = [state.period for state in follower._store.states()]

    assert kept == list(range(4, 4 + KEPT_STATES))


def test_a_call_is_obeyed_at_once_and_said_in_the_order_file(cluster: Cluster) -> None:
    daemon = begun(cluster)
    call(cluster, daemon)
    with following(cluster) as follower:
        follower.look()
        ahead = follower.order(now(cluster))
        assert ahead is not None
        follower._tell(ahead, follower.terms())

    assert (ahead.mode, ahead.duty.winding) == (Mode.AHEAD, PAUSE)
    assert sentence(cluster.agreement, ahead) == "wind down to pause"
    told = json.loads((cluster.nodes["alpha"].home / "order.json").read_text())
    assert (told["winding_down_to"], told["level"], told["mode"]) == ("pause", 0, "ahead")


def test_a_level_in_force_is_said_with_what_it_allows(cluster: Cluster) -> None:
    daemon = begun(cluster)
    call(cluster, daemon)
    for period in (6, 7, 8):
        cluster.honest(daemon, period)
    with following(cluster) as follower:
        follower.look()
        found = follower.order(now(cluster))
        assert found is not None
        follower._tell(found, follower.terms())

    assert (found.mode, found.duty.level) == (Mode.FINAL, PAUSE)
    told = json.loads((cluster.nodes["alpha"].home / "order.json").read_text())
    assert told["name"] == "pause"
    assert "train" not in told["allowed"]


def test_a_party_that_is_no_lab_computes_the_state_and_has_no_order(cluster: Cluster) -> None:
    daemon = begun(cluster)
    with following(cluster, "gridco") as follower:
        follower.look()

        assert follower.newest.digest() == daemon._registrar.state.digest()
        assert follower.order(now(cluster)) is None


def test_a_verifier_that_is_down_changes_no_order(cluster: Cluster) -> None:
    daemon = begun(cluster)
    call(cluster, daemon)
    with following(cluster) as follower:
        follower.look()
        before = follower.order(now(cluster))
        cluster.shut(daemon)
        follower.look()

        assert follower.trouble.startswith("not reached")
        assert follower.order(now(cluster)) == before


def test_a_state_that_the_verifier_made_up_raises_the_alarm(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = begun(cluster)
    with following(cluster) as follower:
        follower.look()
        # The verifier goes on from a state that does not follow from what was said.
        honest = daemon._registrar.state
        parties = {**honest.parties, "alpha": replace(honest.parties["alpha"], founded=False)}
        monkeypatch.setattr(daemon._registrar, "_state", replace(honest, parties=parties))
        cluster.honest(daemon, 4)
        follower.look()

        assert follower.trouble.startswith("STATE_DIFFERS")
        found = follower.order(now(cluster))
        assert found is not None
        assert found.mode is Mode.DIFFERS
        assert follower.newest.period == 3


def test_a_body_that_parties_may_read_must_be_there(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = begun(cluster)
    call(cluster, daemon)

    def stripped(client: LogClient, origin: str, start: int, end: int) -> Iterator[object]:
        for leaves, size in served(client, origin, start, end):
            if origin == cluster.nodes["beta"].origin:
                yield [envelope_pb2.Leaf(leaf_salt=leaf.leaf_salt, envelope=leaf.envelope) for leaf in leaves], size
            else:
                yield leaves, size

    served = LogClient.leaves
    monkeypatch.setattr(LogClient, "leaves", stripped)
    with following(cluster) as follower:
        follower.look()

        assert "LEAF_WITHHELD" in follower.trouble
        assert follower.newest.period is None


def test_another_record_than_the_one_read_raises_the_alarm(cluster: Cluster) -> None:
    daemon = begun(cluster)
    with following(cluster) as follower:
        follower.look()
        place = follower._store.place(Cursor(follower._origin, VERA, in_record=True))
        # As after a restart of the verifier from an old copy, whose record then grows another way.
        other = replace(place, frontier=Place(place.cursor).frontier.append([bytes(32)] * 4))
        with cluster.nodes["alpha"].store.transaction() as tx:
            follower._store.keep(tx, [other])
        cluster.honest(daemon, 4)
        follower.look()

        found = follower.order(now(cluster))
        assert found is not None
        assert found.mode is Mode.DIFFERS


def test_look_is_harmless_before_anything_was_closed(cluster: Cluster) -> None:
    daemon = cluster.open()
    look(daemon)
    with following(cluster) as follower:
        follower.look()

        assert follower.newest.period is None


def test_the_alarm_outlasts_a_verifier_that_then_withholds(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon = begun(cluster)
    with following(cluster) as follower:
        follower.look()
        monkeypatch.setattr(follower, "_follow", refusing(Reason.STATE_DIFFERS))
        follower.look()
        monkeypatch.setattr(follower, "_follow", refusing(Reason.LEAF_WITHHELD))
        follower.look()

        assert follower.trouble.startswith("LEAF_WITHHELD")
        found = follower.order(now(cluster))
        assert found is not None
        assert found.mode is Mode.DIFFERS
        monkeypatch.undo()
        cluster.honest(daemon, 4)
        follower.look()
        healed = follower.order(now(cluster))
        assert healed is not None
        assert healed.mode is not Mode.DIFFERS


def refusing(reason: Reason) -> Callable[[], None]:
    def refuse() -> None:
        raise Refused(reason, "record", "told to")

    return refuse


def test_an_order_that_cannot_be_written_is_written_later(cluster: Cluster) -> None:
    daemon = begun(cluster)
    call(cluster, daemon)
    home = cluster.nodes["alpha"].home
    with following(cluster) as follower:
        follower.look()
        found = follower.order(now(cluster))
        assert found is not None
        (home / "order.json").mkdir()
        follower._tell(found, follower.terms())
        (home / "order.json").rmdir()
        follower._tell(found, follower.terms())

    assert json.loads((home / "order.json").read_text())["mode"] == "ahead"


def test_a_level_that_allows_nothing_says_so(cluster: Cluster) -> None:
    slowdown, pause = cluster.agreement.terms.levels
    terms = builders.agreement(levels=[slowdown, builders.change(pause, allowed=[], caps=None)])

    assert allowed(terms, PAUSE) == []
    assert allowed(terms, 0) is None


def test_a_lab_on_its_way_back_is_told_its_share(cluster: Cluster) -> None:
    returning = Order(Duty(level=PAUSE, since=9, ramp_ppm=250_000, reports=True), Mode.FINAL, "")

    assert sentence(cluster.agreement, returning) == (
        "returning from pause: what it forbids goes on at 25 % of the baseline"
    )


def rotated(cluster: Cluster, daemon: Daemon) -> Daemon:
    """The verifier after a KeySet, signed by its root while it stood still, has given it other keys."""
    cluster.shut(daemon)
    store = open_store(cluster.store_url)
    root = (seed(VERA, "root 1"), seed(VERA, "root 2"))
    seeds, cursor = Seeds(log=seed(VERA, "log"), root=root), Cursor(cluster.agreement.parties[VERA].origin, VERA)
    author = open_author(cluster.agreement, store, seeds, FileClock(cluster.clock_file), cursor)
    author.publish([builders.Party(cluster.agreement, VERA).draft(builders.key_set(VERA, 2))])
    store.close()
    for use in ("statement", "cosignature"):
        path = cluster.home / "keys" / f"{use}.key"
        path.unlink()
        write_seed(path, seed(VERA, f"{use} 2"))
    return cluster.open()


@pytest.mark.parametrize("before", [True, False], ids=["follows all the time", "was away"])
def test_follows_a_registrar_whose_keys_change_between_two_closings(cluster: Cluster, before: bool) -> None:
    daemon = begun(cluster)
    with following(cluster) as follower:
        if before:
            follower.look()
    daemon = rotated(cluster, daemon)
    for period in (4, 5):
        cluster.honest(daemon, period)

    with following(cluster) as follower:
        follower.look()

        assert (follower.trouble, follower.newest.period) == ("", 5)
        assert follower.newest.digest() == daemon._registrar.state.digest()
    # What was closed before the change and what was closed after it derive again.
    assert [cluster.bundle("alpha", period).failed() for period in (2, 3, 4)] == [None] * 3
