"""Following a log: all of it is checked before any of it is stored, and a head is cosigned once it is held."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from daemon.fsck import fsck
from daemon.keyfiles import write_seed
from daemon.leaf import MAX_REASON_CHARACTERS
from protocol.audience import Reader
from protocol.checkpoint import Checkpoint, checkpoint_of, sign_checkpoint
from protocol.cosignature import cosignature_time, cosignature_verifier, witness_key
from protocol.errors import Reason, Refused
from protocol.keys import public_key
from protocol.merkle import verify_inclusion
from protocol.note import NoteSignature, add_signatures, ed25519_verifier, open_note, sign_note, verifier_key
from protocol.wire import encode
from standstill.v1 import envelope_pb2, header_pb2, log_service_pb2, record_pb2
from tests import builders
from tests.builders import LABS, START, change, seed
from tests.verifier.cluster import VERA, Cluster, look, until, verdicts
from verifier.daemon import Daemon
from verifier.follower import Follower

Leaves = list[envelope_pb2.Leaf]


def follower_of(daemon: Daemon, name: str) -> Follower:
    return next(follower for follower in daemon.followers if follower.status.party == name)


def held(daemon: Daemon, cluster: Cluster, name: str) -> tuple[int, bytes | None]:
    """Size of a log that is held, and its newest note."""
    logs, origin = daemon._store.logs, cluster.nodes[name].origin
    return logs.head(origin).size, logs.note(origin)[0]


def looked(daemon: Daemon, cluster: Cluster, name: str) -> str:
    """What is said of a log after one look; the log must be as it was before."""
    before = held(daemon, cluster, name)
    state = follower_of(daemon, name).look().state
    assert held(daemon, cluster, name) == before
    return state


def say_more(cluster: Cluster, name: str = "alpha", count: int = 3) -> None:
    cluster.nodes[name].say(*[builders.indicator_report(value=value) for value in range(count)], period=0)


def test_pulls_every_log_and_cosigns_what_it_holds(cluster: Cluster) -> None:
    daemon = cluster.open()
    cluster.at(START + 100)
    cluster.attest(0)

    assert look(daemon) == dict.fromkeys(cluster.nodes, "ok")

    for name, node in cluster.nodes.items():
        size, note = held(daemon, cluster, name)
        log = verifier_key(node.origin, public_key(seed(name, "log")))
        witness = witness_key(cluster.agreement.witness_name(VERA), public_key(seed(VERA, "cosignature 1")))
        opened = open_note(note or b"", [ed25519_verifier(log), cosignature_verifier(witness)])
        assert opened.signed_by(log)
        assert opened.signed_by(witness)
        assert checkpoint_of(opened, node.origin, log) == Checkpoint(node.origin, *node.author.head)
        assert cosignature_time(opened.verified[1]) == START + 100
        assert size == node.author.head.size == (3 if name in LABS else 2)
        stored, original = daemon._store.logs.leaf(node.origin, size - 1), node.store.leaf(node.origin, size - 1)
        assert stored == original
        assert fsck(daemon._store.logs, node.origin) == []


def test_serves_the_cosigned_head_to_the_log_s_own_party(cluster: Cluster) -> None:
    daemon = cluster.open()
    look(daemon)
    origin = cluster.nodes["beta"].origin

    answer = cluster.logs("beta").GetCheckpoint(log_service_pb2.GetCheckpointRequest(origin=origin))

    assert answer.note == held(daemon, cluster, "beta")[1]


def test_looking_again_at_a_log_that_did_not_grow_changes_nothing(cluster: Cluster) -> None:
    daemon = cluster.open()
    look(daemon)
    cluster.at(START + 500)

    assert looked(daemon, cluster, "alpha") == "ok"
    assert follower_of(daemon, "alpha").status.seen == START + 500
    assert cluster.nodes["alpha"].servicer.asked == [(0, 2)]


def test_catches_up_in_chunks_each_proven_part_of_the_signed_head(cluster: Cluster) -> None:
    daemon = cluster.open(chunk_leaves=3)
    say_more(cluster, count=8)

    assert look(daemon)["alpha"] == "ok"

    node = cluster.nodes["alpha"]
    assert node.servicer.asked == [(0, 3), (3, 6), (6, 9), (9, 10)]
    assert daemon._store.logs.head(node.origin) == node.author.head
    assert daemon._store.cosigned_note(node.origin, 3) is None
    assert daemon._store.cosigned_note(node.origin, 10) is not None


def test_a_chunk_ends_where_its_bytes_would_fill_the_memory(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verifier.follower.CHUNK_BYTES", 1)
    daemon, node = cluster.open(), cluster.nodes["alpha"]
    for _ in range(2):
        say_more(cluster, count=400)

    assert look(daemon)["alpha"] == "ok"

    assert node.servicer.asked == [(0, 802), (500, 802)]
    assert daemon._store.logs.head(node.origin) == node.author.head


def test_refuses_a_batch_without_leaves_however_large(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verifier.follower.CHUNK_BYTES", 1)
    daemon, servicer = cluster.open(), cluster.nodes["alpha"].servicer
    unknown_field = b"\x7a\x80\x80\x04" + bytes(1 << 16)
    servicer.endless = log_service_pb2.StreamLeavesResponse.FromString(unknown_field)
    assert not servicer.endless.leaves
    assert servicer.endless.ByteSize() == len(unknown_field)

    assert looked(daemon, cluster, "alpha").startswith(f"{Reason.LEAF_WITHHELD} ")

    assert servicer.asked == [(0, 2)]
    servicer.endless = None
    assert follower_of(daemon, "alpha").look().state == "ok"


def test_stops_between_two_chunks_of_a_catch_up_and_keeps_what_it_has(cluster: Cluster) -> None:
    daemon, node = cluster.open(chunk_leaves=3), cluster.nodes["alpha"]
    say_more(cluster, count=8)
    stop = threading.Event()

    def then_stop(leaves: Leaves) -> Leaves:
        if node.servicer.asked[-1] == (3, 6):
            stop.set()
        return leaves

    node.servicer.alter = then_stop
    follower_of(daemon, "alpha").run(60, stop)

    assert node.servicer.asked == [(0, 3), (3, 6)]
    assert held(daemon, cluster, "alpha") == (6, None)
    daemon = cluster.reopen(daemon, chunk_leaves=3)
    assert look(daemon)["alpha"] == "ok"
    assert node.servicer.asked[2:] == [(6, 9), (9, 10)]


def test_goes_on_after_a_restart_where_it_was(cluster: Cluster) -> None:
    daemon = cluster.open()
    look(daemon)
    daemon = cluster.reopen(daemon)
    say_more(cluster)

    assert look(daemon)["alpha"] == "ok"

    assert cluster.nodes["alpha"].servicer.asked == [(0, 2), (2, 5)]
    read = [daemon._store.logs.leaf(cluster.nodes["alpha"].origin, index).refusal for index in range(5)]
    assert read == [None] * 5


def test_goes_on_in_the_middle_of_a_catch_up(cluster: Cluster) -> None:
    daemon, node = cluster.open(chunk_leaves=3), cluster.nodes["alpha"]
    say_more(cluster, count=8)
    stop = node.store.leaf(node.origin, 6).body_salt
    node.servicer.alter = lambda leaves: [] if leaves[0].body_salt == stop else leaves
    assert look(daemon)["alpha"].startswith(Reason.LEAF_WITHHELD)
    assert held(daemon, cluster, "alpha") == (6, None)
    node.servicer.alter = lambda leaves: leaves

    daemon = cluster.reopen(daemon, chunk_leaves=3)

    assert look(daemon)["alpha"] == "ok"
    assert node.servicer.asked == [(0, 3), (3, 6), (6, 9), (6, 9), (9, 10)]


def test_cosigns_at_the_next_start_what_a_crash_left_held_and_not_cosigned(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*args: object) -> None:
        raise RuntimeError("crash between leaves and cosignature")

    daemon = cluster.open()
    with monkeypatch.context() as patch:
        patch.setattr(Follower, "_keep", crash)
        with pytest.raises(RuntimeError):
            follower_of(daemon, "alpha").look()
    assert held(daemon, cluster, "alpha") == (2, None)

    daemon = cluster.reopen(daemon)

    assert look(daemon)["alpha"] == "ok"
    assert held(daemon, cluster, "alpha")[1] is not None


def withheld(leaves: Leaves) -> Leaves:
    return [envelope_pb2.Leaf(leaf_salt=leaf.leaf_salt) for leaf in leaves]


def without_bodies(leaves: Leaves) -> Leaves:
    return [envelope_pb2.Leaf(leaf_salt=leaf.leaf_salt, envelope=leaf.envelope) for leaf in leaves]


def truncated(leaves: Leaves) -> Leaves:
    return leaves[:-1]


def nothing(leaves: Leaves) -> Leaves:
    return leaves[:0]


def one_more(leaves: Leaves) -> Leaves:
    return [*leaves, leaves[-1]]


def endless(leaves: Leaves) -> Leaves:
    return leaves * 5_000


def swapped_bodies(leaves: Leaves) -> Leaves:
    one, two = leaves[0], leaves[1]
    return [
        change(one, body=two.body, body_salt=two.body_salt),
        change(two, body=one.body, body_salt=one.body_salt),
        *leaves[2:],
    ]


def other_body(leaves: Leaves) -> Leaves:
    return [change(leaves[0], body=leaves[0].body + b"\0"), *leaves[1:]]


def other_salt(leaves: Leaves) -> Leaves:
    return [change(leaves[0], leaf_salt=bytes(32)), *leaves[1:]]


def short_salt(leaves: Leaves) -> Leaves:
    return [change(leaves[0], leaf_salt=bytes(31)), *leaves[1:]]


def exchanged(leaves: Leaves) -> Leaves:
    return [leaves[1], leaves[0], *leaves[2:]]


@pytest.mark.parametrize(
    ("alter", "reason"),
    [
        (withheld, Reason.LEAF_WITHHELD),
        (without_bodies, Reason.LEAF_WITHHELD),
        (truncated, Reason.LEAF_WITHHELD),
        (nothing, Reason.LEAF_WITHHELD),
        (one_more, Reason.LEAF_WITHHELD),
        (endless, Reason.LEAF_WITHHELD),
        (swapped_bodies, Reason.COMMITMENT_MISMATCH),
        (other_body, Reason.COMMITMENT_MISMATCH),
        (short_salt, Reason.SALT_LENGTH),
        (other_salt, Reason.ROOT_MISMATCH),
        (exchanged, Reason.ROOT_MISMATCH),
    ],
)
def test_stores_nothing_of_a_stream_that_is_not_what_the_head_commits_to(
    cluster: Cluster, alter: Callable[[Leaves], Leaves], reason: Reason
) -> None:
    daemon, node = cluster.open(), cluster.nodes["alpha"]
    look(daemon)
    say_more(cluster)
    node.servicer.alter = alter

    assert looked(daemon, cluster, "alpha").startswith(f"{reason} ")

    node.servicer.alter = lambda leaves: leaves
    assert look(daemon)["alpha"] == "ok"
    assert held(daemon, cluster, "alpha")[0] == 5


def test_stores_nothing_of_a_chunk_that_is_no_part_of_the_signed_head(cluster: Cluster) -> None:
    daemon, node = cluster.open(chunk_leaves=3), cluster.nodes["alpha"]
    look(daemon)
    say_more(cluster, count=6)
    node.servicer.alter = exchanged

    assert looked(daemon, cluster, "alpha").startswith(f"{Reason.ROOT_MISMATCH} ")


def other_root(cluster: Cluster, size: int, name: str = "alpha") -> bytes:
    return sign_checkpoint(Checkpoint(cluster.nodes[name].origin, size, bytes(32)), seed(name, "log"))


def test_stores_nothing_under_a_head_with_another_root(cluster: Cluster) -> None:
    daemon, node = cluster.open(), cluster.nodes["alpha"]
    node.servicer.note = other_root(cluster, 2)

    assert looked(daemon, cluster, "alpha").startswith(f"{Reason.ROOT_MISMATCH} ")


def test_asks_for_no_leaves_of_a_head_that_the_log_did_not_sign(cluster: Cluster) -> None:
    daemon, node = cluster.open(), cluster.nodes["alpha"]
    head = Checkpoint(node.origin, *node.author.head)
    node.servicer.note = sign_note(head.text(), node.origin, seed("beta", "log"))

    assert looked(daemon, cluster, "alpha").startswith(Reason.NOTE_UNVERIFIED)
    assert node.servicer.asked == []


@pytest.mark.parametrize("position", range(0, 120, 7))
def test_refuses_a_checkpoint_with_any_byte_flipped(cluster: Cluster, position: int) -> None:
    daemon, node = cluster.open(), cluster.nodes["alpha"]
    note = bytearray(node.author.note)
    note[position] ^= 1
    node.servicer.note = bytes(note)

    assert looked(daemon, cluster, "alpha") != "ok"
    assert node.servicer.asked == []


def test_refuses_the_head_of_another_log(cluster: Cluster) -> None:
    daemon = cluster.open()
    cluster.nodes["alpha"].servicer.note = cluster.nodes["beta"].author.note

    assert looked(daemon, cluster, "alpha").startswith(Reason.NOTE_UNVERIFIED)


def test_refuses_a_head_smaller_than_the_one_it_holds(cluster: Cluster) -> None:
    daemon, node = cluster.open(), cluster.nodes["alpha"]
    old = node.author.note
    say_more(cluster)
    look(daemon)
    node.servicer.note = old

    assert looked(daemon, cluster, "alpha").startswith(f"{Reason.ROLLED_BACK} ")

    daemon = cluster.reopen(daemon)
    assert looked(daemon, cluster, "alpha").startswith(f"{Reason.ROLLED_BACK} ")
    node.servicer.note = None
    assert look(daemon)["alpha"] == "ok"


def test_a_line_in_the_verifier_s_name_does_not_spoil_its_cosignature(cluster: Cluster) -> None:
    daemon, node = cluster.open(), cluster.nodes["alpha"]
    witness = witness_key(cluster.agreement.witness_name(VERA), public_key(seed(VERA, "cosignature 1")))
    false = NoteSignature(witness.name, witness.key_id, bytes(72))
    node.servicer.note = add_signatures(node.author.note, [false])

    assert look(daemon)["alpha"] == "ok"

    log = verifier_key(node.origin, public_key(seed("alpha", "log")))
    opened = open_note(held(daemon, cluster, "alpha")[1] or b"", [ed25519_verifier(log), cosignature_verifier(witness)])
    assert opened.signed_by(witness)


def test_a_dead_log_does_not_hold_up_the_others(cluster: Cluster) -> None:
    cluster.nodes["alpha"].server.stop(0)
    daemon = cluster.open()

    found = look(daemon)

    assert found.pop("alpha") == "not reached: UNAVAILABLE"
    assert found == dict.fromkeys(cluster.nodes.keys() - {"alpha"}, "ok")
    cluster.nodes["alpha"].serve(cluster.vera.certificate)
    # The connection is tried again after a moment, not at every call.
    until(lambda: follower_of(daemon, "alpha").look().state == "ok")


def test_a_slow_log_does_not_hold_up_the_others(cluster: Cluster) -> None:
    daemon, release = cluster.open(), threading.Event()

    def slow(leaves: Leaves) -> Leaves:
        release.wait(20)
        return leaves

    cluster.nodes["alpha"].servicer.alter = slow
    stop = threading.Event()
    threads = [threading.Thread(target=follower.run, args=(1, stop)) for follower in daemon.followers]
    for thread in threads:
        thread.start()
    until(lambda: sum(follower.status.state == "ok" for follower in daemon.followers) == len(threads) - 1)
    assert follower_of(daemon, "alpha").status.state == "not reached yet"
    release.set()
    stop.set()
    for thread in threads:
        thread.join()
    assert follower_of(daemon, "alpha").status.state == "ok"


def test_a_log_too_slow_to_answer_in_time_is_not_reached(cluster: Cluster) -> None:
    daemon, release = cluster.open(answer_seconds=0.3), threading.Event()

    def slow(leaves: Leaves) -> Leaves:
        release.wait(20)
        return leaves

    cluster.nodes["alpha"].servicer.alter = slow

    assert looked(daemon, cluster, "alpha") == "not reached: DEADLINE_EXCEEDED"
    release.set()


@pytest.mark.parametrize(
    ("reader", "state"),
    [(Reader.PUBLIC, f"refused us: {Reason.AUDIENCE_TOO_LOW} "), (Reader.PARTY, f"{Reason.LEAF_WITHHELD} ")],
)
def test_says_why_a_log_that_does_not_know_the_verifier_is_not_followed(
    cluster: Cluster, reader: Reader, state: str
) -> None:
    daemon, node = cluster.open(), cluster.nodes["alpha"]
    cluster.attest(0)
    node.server.stop(0)
    node.serve(cluster.vera.certificate, reader)

    assert looked(daemon, cluster, "alpha").startswith(state)


def test_refuses_a_peer_that_is_no_other_party_of_the_agreement(cluster: Cluster) -> None:
    peer = cluster.settings().peer["alpha"]

    for name in (VERA, "nobody"):
        with pytest.raises(Refused) as caught:
            cluster.open(peer={name: peer})
        assert caught.value.reason is Reason.NAME_UNKNOWN
        assert caught.value.field == f"peer.{name}"


def test_refuses_to_cosign_with_a_key_that_the_root_has_not_named(cluster: Cluster) -> None:
    path = cluster.home / "keys" / "cosignature.key"
    path.unlink()
    write_seed(path, seed(VERA, "cosignature 2"))

    with pytest.raises(Refused) as caught:
        cluster.open()

    assert caught.value.reason is Reason.KEY_NOT_IN_FORCE


# -- statements that break a rule -------------------------------------------------------------------------------------


def as_it_is(header: header_pb2.Header) -> None:
    """No edit."""


def forged(
    edit: Callable[[header_pb2.Header], object], **options: Any
) -> Callable[[builders.Party], envelope_pb2.Leaf]:
    """A leaf with another header."""
    return lambda party: party.forge(party.draft(builders.indicator_report(), period=0), edit, **options)


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        pytest.param(forged(as_it_is, seeds=[seed("beta", "statement 1")]), Reason.SIGNATURE_INVALID, id="signature"),
        pytest.param(forged(lambda header: setattr(header, "sequence", 7)), Reason.SEQUENCE_MISMATCH, id="sequence"),
        pytest.param(
            forged(lambda header: setattr(header, "previous", bytes(32))), Reason.PREVIOUS_MISMATCH, id="previous"
        ),
        pytest.param(forged(lambda header: setattr(header, "author", "beta")), Reason.WRONG_AUTHOR, id="author"),
        pytest.param(
            forged(lambda header: setattr(header, "author", "al\0pha")), Reason.WRONG_AUTHOR, id="NUL in the author"
        ),
        pytest.param(forged(lambda header: setattr(header, "kind", 99)), Reason.KIND_UNKNOWN, id="kind"),
        pytest.param(forged(as_it_is, payload_type="text/\0plain"), Reason.PAYLOAD_TYPE_UNKNOWN, id="NUL in the type"),
        pytest.param(forged(as_it_is, payload_type="x" * 30_000), Reason.PAYLOAD_TYPE_UNKNOWN, id="long type"),
        pytest.param(forged(as_it_is, extra=b"\xf8\x01\x01"), Reason.MESSAGE_NOT_CANONICAL, id="unknown field"),
        pytest.param(forged(as_it_is, extra=b"\xff"), Reason.MESSAGE_MALFORMED, id="not protobuf"),
    ],
)
def test_keeps_a_statement_that_breaks_a_rule_in_its_place_with_the_rule(
    cluster: Cluster, write: Callable[[builders.Party], envelope_pb2.Leaf], reason: Reason
) -> None:
    daemon, node = cluster.open(), cluster.nodes["alpha"]
    node.inject(write)
    say_more(cluster, count=1)

    assert look(daemon)["alpha"] == "ok"

    refused, after = (daemon._store.logs.leaf(node.origin, index).refusal for index in (2, 3))
    assert refused is not None
    assert refused.startswith(reason)
    assert len(refused) <= MAX_REASON_CHARACTERS
    assert "\0" not in refused
    assert after is None


# -- split view -------------------------------------------------------------------------------------------------------


def accusations(daemon: Daemon, cluster: Cluster) -> list[record_pb2.Misbehavior]:
    origin = cluster.agreement.parties[VERA].origin
    rows = daemon._store.logs.by_kind(origin, header_pb2.KIND_MISBEHAVIOR)
    return [record_pb2.Misbehavior.FromString(row.body or b"") for row in rows]


@pytest.mark.parametrize("behind", [0, 3])
def test_two_roots_of_one_size_are_proven_once_and_convict(cluster: Cluster, behind: int) -> None:
    daemon, node = cluster.open(), cluster.nodes["alpha"]
    cluster.begin(daemon)
    size = node.author.head.size
    if behind:
        say_more(cluster, count=behind)
        assert look(daemon)["alpha"] == "ok"
    junk = [NoteSignature("stranger.example", bytes([number] * 4), bytes(64)) for number in range(20)]
    node.servicer.note = add_signatures(other_root(cluster, size), junk)

    for _ in range(2):
        assert looked(daemon, cluster, "alpha").startswith(f"{Reason.EQUIVOCATION} ")
        daemon = cluster.reopen(daemon)
    cluster.within(2)
    cluster.end(daemon, 2)

    (proof,) = accusations(daemon, cluster)
    assert proof.party == "alpha"
    assert b"stranger" not in encode(proof)
    assert daemon._registrar.state.parties["alpha"].convicted
    assert not daemon._registrar.state.parties["beta"].convicted


def test_a_split_view_breaches_and_the_bundle_proves_it(cluster: Cluster) -> None:
    daemon, node = cluster.open(), cluster.nodes["alpha"]
    cluster.begin(daemon)
    node.servicer.note = other_root(cluster, node.author.head.size)
    look(daemon)
    node.servicer.note = None
    cluster.end(daemon, 2)
    cluster.honest(daemon, 3)

    assert verdicts(daemon, 2) == ["breached", "honored", "honored"]
    report = cluster.bundle("alpha")
    assert report.failed() is None
    assert report.assessment is not None
    assert [finding.code for finding in report.assessment.findings] == ["log-equivocation"]


def test_a_root_that_was_never_cosigned_accuses_nobody(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon, node = cluster.open(), cluster.nodes["alpha"]
    with monkeypatch.context() as patch:
        patch.setattr(daemon._store.logs, "note", lambda origin: (None, 99) if origin else None)
        look(daemon)
    node.servicer.note = other_root(cluster, 2)

    assert looked(daemon, cluster, "alpha").startswith(f"{Reason.EQUIVOCATION} ")
    assert accusations(daemon, cluster) == []


# -- mirror -----------------------------------------------------------------------------------------------------------


def test_a_mirror_holds_and_proves_and_cosigns_and_closes_nothing(cluster: Cluster) -> None:
    daemon, node = cluster.open(mirror=True), cluster.nodes["alpha"]
    node.inject(forged(as_it_is, seeds=[seed("beta", "statement 1")]))

    assert look(daemon) == dict.fromkeys(cluster.nodes, "ok")

    assert held(daemon, cluster, "alpha") == (3, node.author.note)
    assert daemon._store.cosigned_note(node.origin, 3) is None
    request = log_service_pb2.GetInclusionProofRequest(origin=node.origin, index=1, size=3)
    path = tuple(cluster.logs("beta").GetInclusionProof(request).hashes)
    verify_inclusion(1, 3, node.store.leaf(node.origin, 1).leaf_hash, path, node.author.head.root)
    cluster.at(cluster.agreement.end_of(0))
    daemon._close_periods()
    assert daemon._store.closing_at() is None


def test_a_mirror_finds_leaves_that_are_not_those_of_the_head(cluster: Cluster) -> None:
    daemon = cluster.open(mirror=True)
    cluster.nodes["alpha"].servicer.alter = other_salt

    assert looked(daemon, cluster, "alpha").startswith(f"{Reason.ROOT_MISMATCH} ")


def test_a_store_that_was_filled_as_a_mirror_never_becomes_a_verifier_s(cluster: Cluster) -> None:
    daemon = cluster.open(mirror=True)
    look(daemon)
    cluster.reopen(daemon, mirror=True)
    cluster.shut(cluster._open[0])

    with pytest.raises(Refused) as caught:
        cluster.open()

    assert caught.value.reason is Reason.STORE_IS_MIRROR
