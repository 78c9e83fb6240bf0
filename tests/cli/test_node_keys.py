"""Root keys after the founding: new keys, keys that are taken back, a notice of withdrawal, on a node that runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cli.main import run
from cli.output import Exit
from daemon.keyfiles import read_seed
from node.ceremony import NEXT_KEY
from protocol.errors import Reason
from protocol.keys import public_key
from protocol.leaf import Cursor, ReadLeaf, read_leaves
from protocol.revocation import by_revoked_key, is_key_set, revoked
from standstill.v1 import header_pb2, log_service_pb2, membership_pb2
from tests.cli.test_node_commands import SHIPMENT, Operator, Said
from tests.cluster import Cluster


class Owner:
    """The owner of chipco, whose root keys lie elsewhere."""

    def __init__(self, cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
        cluster.found("chipco")
        self.cluster, self.home, self.safe = cluster, cluster / "chipco", cluster.directory / "safe"
        self.operator = Operator(self.home, capsys)
        self.capsys = capsys
        self.safe.mkdir()
        for path in (self.home / "keys").glob("root-*.key"):
            shutil.move(path, self.safe)
        (cluster.directory / "shipment.json").write_text(json.dumps(SHIPMENT))

    def __call__(self, *words: str) -> Said:
        """A command that the root signs."""
        self.capsys.readouterr()
        code = run(["node", *words, "--root-keys", str(self.safe), "--dir", str(self.home)])
        return Said(code, *self.capsys.readouterr())

    @property
    def key(self) -> bytes:
        return public_key(read_seed(self.home / "keys" / "statement.key"))

    def publish(self) -> Said:
        return self.operator("publish", str(self.cluster.directory / "shipment.json"))

    def read(self) -> list[ReadLeaf]:
        """The log of the running node, as any reader checks it; every signature holds."""
        party = self.cluster.agreement.parties["chipco"]
        with self.cluster.log_of("chipco") as log:
            note = log.GetCheckpoint(log_service_pb2.GetCheckpointRequest(origin=party.origin)).note
            size = int(note.splitlines()[1])
            request = log_service_pb2.StreamLeavesRequest(origin=party.origin, start=0, end=size)
            leaves = [leaf for batch in log.StreamLeaves(request) for leaf in batch.leaves]
        reads, _ = read_leaves(self.cluster.agreement, Cursor(party.origin, "chipco"), leaves)
        return reads


@pytest.fixture
def owner(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> Owner:
    return Owner(cluster, capsys)


def test_a_node_signs_with_its_new_key_and_readers_accept_it(owner: Owner) -> None:
    old = owner.key
    with owner.cluster.running("chipco"):
        assert owner.publish().code == 0
    said = owner("keys", "rotate", "--json")
    with owner.cluster.running("chipco"):
        assert owner.publish().code == 0
        reads = owner.read()

    assert (said.code, said.data["version"], said.data["public_key"]) == (0, 2, owner.key.hex())
    assert owner.key != old
    assert [read.refusal for read in reads] == [None] * 5
    assert not (owner.home / "keys" / NEXT_KEY).exists()
    assert is_key_set(reads[3])


def test_the_old_key_starts_no_node_after_a_rotation(owner: Owner) -> None:
    path = owner.home / "keys" / "statement.key"
    before = path.read_bytes()
    assert owner("keys", "rotate").code == 0
    after = path.read_bytes()
    path.write_bytes(before)

    with pytest.raises(AssertionError, match="KEY_NOT_IN_FORCE"):
        owner.cluster.start("chipco")
    path.write_bytes(after)
    with owner.cluster.running("chipco") as daemon:
        assert daemon.ready


def test_what_a_stolen_key_signed_is_taken_back_and_what_came_before_stands(owner: Owner) -> None:
    with owner.cluster.running("chipco"):
        assert owner.publish().code == 0  # index 2
        assert owner.publish().code == 0  # index 3: say, a thief
    said = owner("keys", "revoke", "--from", "3")
    with owner.cluster.running("chipco"):
        assert owner.publish().code == 0  # index 5
        reads = owner.read()

    taken = revoked(reads)
    refusals = [by_revoked_key(read, taken) for read in reads]
    assert "taken back" in said.out
    assert [refusal.reason if refusal else None for refusal in refusals] == [
        None,
        None,
        None,
        Reason.KEY_REVOKED,
        None,
        None,
    ]


def test_a_rotation_that_was_cut_short_goes_on_where_it_was(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", crash)
        assert owner("keys", "rotate").code == Exit.INTERRUPTED
    named = public_key(read_seed(owner.home / "keys" / NEXT_KEY))
    said = owner("keys", "rotate", "--json")

    assert (said.data["version"], said.data["size"]) == (2, 3)
    assert owner.key == named


def test_refuses_to_name_keys_while_the_node_runs(owner: Owner) -> None:
    with owner.cluster.running("chipco"):
        said = owner("keys", "rotate")
    before = owner.key

    assert (said.code, said.err.split()[0]) == (Exit.FAULT, "STORE_IN_USE")
    assert owner("keys", "rotate").code == 0
    assert owner.key != before


def test_refuses_to_take_back_what_was_not_said(owner: Owner) -> None:
    said = owner("keys", "revoke", "--from", "2")

    assert (said.code, said.err.split()[:2]) == (Exit.USAGE, ["VALUE_OUT_OF_RANGE", "revoked_from:"])
    assert not (owner.home / "keys" / NEXT_KEY).exists()
    assert owner("keys", "revoke", "--from", "1").code == 0


@pytest.mark.parametrize("words", [("keys", "rotate"), ("keys", "revoke", "--from", "1"), ("withdraw",)])
def test_nothing_is_said_without_the_root_keys(owner: Owner, words: tuple[str, ...]) -> None:
    (path,) = owner.safe.iterdir()
    path.rename(owner.home / "root.key")
    said = owner(*words)
    (owner.home / "root.key").rename(path)

    assert (said.code, said.err.split()[0]) == (Exit.USAGE, "SECRET_ABSENT")
    assert owner(*words).code == 0


def test_a_notice_of_withdrawal_is_signed_by_the_root(owner: Owner) -> None:
    said = owner("withdraw", "--reason", "we close", "--json")
    with owner.cluster.running("chipco"):
        reads = owner.read()

    assert said.data == {"index": 2}
    assert reads[2].refusal is None
    assert reads[2].header is not None
    assert reads[2].header.kind == header_pb2.KIND_WITHDRAWAL
    assert reads[2].body == membership_pb2.Withdrawal(reason="we close")
