"""The node as a real process: real TLS, real sockets, real signals."""

from __future__ import annotations

import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from cli.main import run
from daemon.channel import open_channel, open_local_channel
from daemon.fsck import fsck
from daemon.leaf import Head
from daemon.log_service import SERVICE as LOG_SERVICE
from daemon.log_store import open_store
from daemon.rpc_errors import refused_by
from daemon.schema import leaf_key
from daemon.tls import load_certificate, make_certificate, read_certificate
from node.admin import SERVICE as ADMIN_SERVICE
from node.config import PeerSettings
from protocol.checkpoint import Checkpoint, open_checkpoint
from protocol.errors import Reason
from protocol.leaf import Bodies, Cursor, ReadLeaf, read_leaves
from protocol.note import verifier_key
from protocol.wire import encode
from standstill.v1 import evidence_pb2, header_pb2, log_service_pb2, log_service_pb2_grpc
from standstill.v1 import node_admin_service_pb2 as admin_pb2
from standstill.v1 import node_admin_service_pb2_grpc as admin_grpc
from tests import bodies
from tests.cluster import SITE, Cluster, Daemon, until
from tests.terms import H100, PERIOD, START

HOURS = f"""\
hour,site,chip_class,chips,label,chip_seconds,watt_hours
2026-01-01T00:00:00Z,{SITE},{H100},2,train,3600,1300
2026-01-01T00:00:00Z,{SITE},{H100},2,idle,3600,400
2026-01-01T01:00:00Z,{SITE},{H100},2,inference,7200,1200
"""


def checkpoint(cluster: Cluster, name: str, reader: str = "vera") -> Checkpoint:
    """The newest head of a party's log, as another party is served it."""
    party = cluster.agreement.parties[name]
    with cluster.log_of(name, reader) as log:
        note = log.GetCheckpoint(log_service_pb2.GetCheckpointRequest(origin=party.origin)).note
    return open_checkpoint(note, party.origin, verifier_key(party.origin, party.log_key))


def served(cluster: Cluster, name: str, reader: str = "vera") -> list[ReadLeaf]:
    """A party's whole log, as another party reads it."""
    party, size = cluster.agreement.parties[name], checkpoint(cluster, name, reader).size
    with cluster.log_of(name, reader) as log:
        request = log_service_pb2.StreamLeavesRequest(origin=party.origin, start=0, end=size)
        leaves = [leaf for batch in log.StreamLeaves(request) for leaf in batch.leaves]
    entitled = Bodies.READ if reader == "vera" else Bodies.WITHHELD
    return read_leaves(cluster.agreement, Cursor(party.origin, name), leaves, bodies=entitled)[0]


def shipment(number: int) -> admin_pb2.Draft:
    body = encode(bodies.shipment_report(id=f"shipment-{number}"))
    return admin_pb2.Draft(kind=header_pb2.KIND_SHIPMENT_REPORT, body=body, period=0)


# -- serving ----------------------------------------------------------------------------------------------------------


def test_a_lab_attests_and_serves_its_log_to_parties_and_verifiers(cluster: Cluster) -> None:
    (cluster / "gamma" / "trace.csv").write_text(HOURS)
    cluster.found("gamma", site={"trace": "trace.csv"})
    with cluster.running("gamma") as daemon:
        cluster.tell(START + 2 * PERIOD)
        until(lambda: checkpoint(cluster, "gamma").size == 4)
        verifiers, parties = served(cluster, "gamma"), served(cluster, "gamma", "alpha")
        assert daemon.terminate() == 0

    assert daemon.ready.split()[:2] == ["READY", "gamma"]
    assert [read.refusal for read in verifiers] == [None] * 4
    periods = [read.header.period for read in verifiers if read.header and read.header.HasField("period")]
    assert periods == [0, 1]
    assert [read.body is None for read in verifiers] == [False] * 4
    assert [read.header for read in parties] == [read.header for read in verifiers]


def test_a_meter_operator_reads_each_meter_once_a_period(cluster: Cluster) -> None:
    (cluster / "gridco" / "main.csv").write_text("period,watt_hours\n0,900\n1,800\n2,700\n")
    cluster.found("gridco", meter={"main": cluster.meter("gamma", file="main.csv", systematic_ppm=2_000)})
    with cluster.running("gridco"):
        cluster.tell(START + 2 * PERIOD)
        until(lambda: checkpoint(cluster, "gridco").size == 4)
        readings = [read.body for read in served(cluster, "gridco")[2:]]

    assert all(isinstance(body, evidence_pb2.MeterReading) for body in readings)
    assert [body.energy.value for body in readings if isinstance(body, evidence_pb2.MeterReading)] == [900, 800]


def test_a_stranger_is_not_served(cluster: Cluster, tmp_path: Path) -> None:
    cluster.found("chipco")
    stranger = make_certificate("alpha", tmp_path)
    with cluster.running("chipco"):
        address = (cluster / "chipco" / "address").read_text().strip()
        certificate = read_certificate(cluster / "chipco" / "tls.crt")
        request = log_service_pb2.GetCheckpointRequest(origin=cluster.agreement.parties["chipco"].origin)
        with open_channel(address, stranger, certificate, "chipco") as channel, pytest.raises(grpc.RpcError) as caught:
            log_service_pb2_grpc.LogServiceStub(channel).GetCheckpoint(request)
        known = checkpoint(cluster, "chipco", "alpha")

    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert known.size == 2


def test_health_and_reflection_answer_on_both_sides(cluster: Cluster) -> None:
    cluster.found("chipco")
    with cluster.running("chipco"):
        address = (cluster / "chipco" / "address").read_text().strip()
        own, peer = load_certificate(cluster / "vera"), read_certificate(cluster / "chipco" / "tls.crt")
        with open_channel(address, own, peer, "chipco") as peers, open_local_channel(socket_of(cluster)) as local:
            found = {LOG_SERVICE: services(peers), ADMIN_SERVICE: services(local)}
            healthy = [health(channel) for channel in (peers, local)]

    assert healthy == [health_pb2.HealthCheckResponse.SERVING] * 2
    assert LOG_SERVICE in found[LOG_SERVICE]
    assert ADMIN_SERVICE not in found[LOG_SERVICE]
    assert ADMIN_SERVICE in found[ADMIN_SERVICE]


def socket_of(cluster: Cluster) -> Path:
    return cluster / "chipco" / "admin.sock"


def health(channel: grpc.Channel) -> int:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    status: int = stub.Check(health_pb2.HealthCheckRequest(), timeout=10).status
    return status


def services(channel: grpc.Channel) -> set[str]:
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
    answers = stub.ServerReflectionInfo(iter([request]), timeout=10)
    return {service.name for answer in answers for service in answer.list_services_response.service}


def test_administration_is_only_for_the_owner_of_the_unix_socket(cluster: Cluster) -> None:
    cluster.found("chipco")
    with cluster.running("chipco"):
        mode = stat.S_IMODE(socket_of(cluster).stat().st_mode)
        address = (cluster / "chipco" / "address").read_text().strip()
        own, peer = load_certificate(cluster / "vera"), read_certificate(cluster / "chipco" / "tls.crt")
        with open_channel(address, own, peer, "chipco") as channel, pytest.raises(grpc.RpcError) as caught:
            admin_grpc.NodeAdminServiceStub(channel).GetStatus(admin_pb2.GetStatusRequest())
        with cluster.admin_of("chipco") as admin:
            status = admin.GetStatus(admin_pb2.GetStatusRequest())

    assert mode == 0o600
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
    assert (status.party, status.size, status.agreement) == ("chipco", 2, cluster.agreement.digest)


def test_all_drafts_of_a_call_are_logged_or_none(cluster: Cluster) -> None:
    cluster.found("chipco")
    wrong = admin_pb2.Draft(kind=header_pb2.KIND_SHIPMENT_REPORT, body=b"\xff", period=0)
    unknown = admin_pb2.Draft(kind=header_pb2.Kind.ValueType(99), body=b"")
    with cluster.running("chipco"), cluster.admin_of("chipco") as admin:
        refusals = [refusal(admin, drafts) for drafts in ([shipment(1), wrong], [shipment(1), unknown], [])]
        published = admin.Publish(admin_pb2.PublishRequest(drafts=[shipment(1), shipment(2)]))
        head = checkpoint(cluster, "chipco")

    assert refusals == [Reason.MESSAGE_MALFORMED, Reason.KIND_UNKNOWN, Reason.VALUE_OUT_OF_RANGE]
    assert (published.index, len(published.identities), head.size) == (2, 2, 4)


def refusal(admin: admin_grpc.NodeAdminServiceStub, drafts: list[admin_pb2.Draft]) -> Reason | None:
    with pytest.raises(grpc.RpcError) as caught:
        admin.Publish(admin_pb2.PublishRequest(drafts=drafts))
    refused = refused_by(caught.value)
    return refused.reason if refused is not None else None


def test_a_signal_ends_it_in_good_order_and_the_next_start_goes_on(cluster: Cluster) -> None:
    cluster.found("chipco")
    with cluster.running("chipco") as daemon, cluster.admin_of("chipco") as admin:
        admin.Publish(admin_pb2.PublishRequest(drafts=[shipment(1)]))
        before = checkpoint(cluster, "chipco")
        code = daemon.terminate()
    left = [path.name for path in (cluster / "chipco").iterdir() if path.name in {"address", "admin.sock"}]
    with cluster.running("chipco", "--check"):
        after = checkpoint(cluster, "chipco")

    assert (code, left) == (0, [])
    assert after == before


# -- killed -----------------------------------------------------------------------------------------------------------


class Publishing:
    """Publishes as fast as it can and remembers what was acknowledged."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.identities: dict[int, bytes] = {}
        self.heads: set[Head] = set()

    def run(self, number: int) -> None:
        """Publish until the daemon is gone."""
        with self.cluster.admin_of("chipco") as admin:
            while True:
                drafts = [shipment(number * 1_000_000 + len(self.identities) + more) for more in range(1 + number % 3)]
                try:
                    published = admin.Publish(admin_pb2.PublishRequest(drafts=drafts), timeout=10)
                except grpc.RpcError:
                    return
                for place, identity in enumerate(published.identities):
                    self.identities[published.index + place] = identity
                self.saw(published.checkpoint)

    def saw(self, note: bytes) -> None:
        party = self.cluster.agreement.parties["chipco"]
        head = open_checkpoint(note, party.origin, verifier_key(party.origin, party.log_key))
        self.heads.add(Head(head.size, head.root))


def test_kill_9_loses_nothing_acknowledged_and_signs_one_root_for_each_size(cluster: Cluster) -> None:
    cluster.found("chipco")
    publishing = Publishing(cluster)
    for number in range(10):
        daemon = cluster.start("chipco")
        before = checkpoint(cluster, "chipco")
        publishing.heads.add(Head(before.size, before.root))
        thread = threading.Thread(target=publishing.run, args=(number,))
        thread.start()
        threading.Event().wait(0.003 * number**2)
        assert daemon.kill() == -9
        thread.join()

    with cluster.running("chipco", "--check"):
        log = served(cluster, "chipco")
    assert {index: log[index].identity for index in publishing.identities} == publishing.identities
    assert all(read.refusal is None for read in log)
    assert len(publishing.identities) > 10
    sizes = [head.size for head in publishing.heads]
    assert len(sizes) == len(set(sizes))
    store = open_store(f"sqlite:///{cluster / 'chipco' / 'store.db'}")
    assert fsck(store, cluster.agreement.parties["chipco"].origin) == []
    store.close()


# -- refused starts ---------------------------------------------------------------------------------------------------


class Starting:
    """Starts in this process, which end as soon as they are ready: nobody has to wait for what is refused."""

    def __init__(self, said: pytest.CaptureFixture[str]) -> None:
        self.said = said

    def refused(self, cluster: Cluster, code: int, *words: str) -> None:
        """A start that ends at once with this code and a line that says these words."""
        self.said.readouterr()
        assert run(["node", "run", "--dir", str(cluster / "chipco")]) == code
        said = self.said.readouterr()

        assert "READY" not in said.out
        assert [word for word in words if word not in said.err] == []

    def starts(self, cluster: Cluster) -> None:
        """The twin: a start that gets as far as to say so."""
        self.said.readouterr()

        assert run(["node", "run", "--dir", str(cluster / "chipco")]) == 0
        assert self.said.readouterr().out.startswith("READY chipco 127.0.0.1:")


@pytest.fixture
def starting(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Starting]:
    monkeypatch.setattr("node.daemon.run_until_signalled", lambda _, ready: ready())
    yield Starting(capsys)
    # A daemon sets up the journal of its process, which here goes on after it.
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def edit(cluster: Cluster, old: str, new: str) -> None:
    path = cluster / "chipco" / "node.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_refuses_an_unknown_key_with_its_line_and_what_was_meant(cluster: Cluster, starting: Starting) -> None:
    cluster.found("chipco")
    edit(cluster, "# attest_after = 0", "atest_after = 0")
    starting.refused(cluster, 2, "node.toml:", "unknown key atest_after; did you mean attest_after?")

    edit(cluster, "atest_after", "attest_after")
    starting.starts(cluster)


@pytest.mark.parametrize("name", ["keys/log.key", "keys/statement.key", "tls.key"])
def test_refuses_a_secret_that_others_can_read(cluster: Cluster, starting: Starting, name: str) -> None:
    cluster.found("chipco")
    secret = cluster / "chipco" / name
    secret.chmod(0o644)
    starting.refused(cluster, 2, "SECRET_EXPOSED", f"chmod 600 {secret}")

    secret.chmod(0o600)
    starting.starts(cluster)


def test_refuses_a_missing_key_a_broken_key_and_somebody_elses(cluster: Cluster, starting: Starting) -> None:
    cluster.found("chipco")
    log, good = cluster / "chipco" / "keys" / "log.key", (cluster / "chipco" / "keys" / "log.key").read_text()
    log.unlink()
    starting.refused(cluster, 2, "SECRET_ABSENT", "log.key")
    log.touch(0o600)
    starting.refused(cluster, 2, "SECRET_MALFORMED", "restore it from a copy")
    log.write_text((cluster / "gridco" / "keys" / "log.key").read_text())
    starting.refused(cluster, 2, "KEY_NOT_AGREED", "the log key that the agreement names for chipco")

    log.write_text(good)
    starting.starts(cluster)


def test_refuses_a_clock_before_the_last_statement_until_it_is_set_right(cluster: Cluster, starting: Starting) -> None:
    cluster.tell(START + PERIOD)
    cluster.found("chipco")
    cluster.tell(START + PERIOD - 1)
    starting.refused(cluster, 7, "CLOCK_WENT_BACK", "set the clock right")

    cluster.tell(START + PERIOD)
    starting.starts(cluster)


def test_refuses_an_agreement_that_is_not_the_pinned_one(cluster: Cluster, starting: Starting) -> None:
    cluster.found("chipco")
    (cluster / "chipco" / "agreement").write_bytes(Cluster(_made(cluster / "other")).agreement.data)
    starting.refused(cluster, 5, "TRUST_ROOT_MISMATCH", cluster.agreement.digest.hex())

    (cluster / "chipco" / "agreement").write_bytes(cluster.agreement.data)
    starting.starts(cluster)


def _made(path: Path) -> Path:
    path.mkdir()
    return path


def test_refuses_to_run_before_the_founding(cluster: Cluster, starting: Starting) -> None:
    cluster.configure("chipco")
    starting.refused(cluster, 2, "NOT_FOUNDED", "run `found`")

    cluster.found("chipco")
    starting.starts(cluster)


def test_refuses_to_run_without_peers_and_says_which_key_is_missing(cluster: Cluster, starting: Starting) -> None:
    cluster.found("chipco", peer={})
    starting.refused(cluster, 2, "CALLER_UNKNOWN", "peers")


def test_refuses_a_second_daemon_on_the_same_store(cluster: Cluster, starting: Starting) -> None:
    cluster.found("chipco")
    with cluster.running("chipco"):
        starting.refused(cluster, 7, "STORE_IN_USE", "stop the other daemon")

    starting.starts(cluster)


def test_refuses_an_address_in_use(cluster: Cluster, starting: Starting) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        cluster.found("chipco", listen=f"127.0.0.1:{taken.getsockname()[1]}")
        starting.refused(cluster, 7, "ADDRESS_IN_USE")

    starting.starts(cluster)


def test_refuses_a_path_that_no_unix_socket_can_have(cluster: Cluster, starting: Starting) -> None:
    cluster.found("chipco", admin=Path("a" * 120))
    starting.refused(cluster, 7, "ADDRESS_IN_USE", "at most 107 bytes")


def test_refuses_a_damaged_store_before_it_signs(cluster: Cluster, starting: Starting) -> None:
    cluster.found("chipco")
    store = open_store(f"sqlite:///{cluster / 'chipco' / 'store.db'}")
    with store.transaction() as tx:
        tx.exec_driver_sql(f"UPDATE leaves SET envelope = x'00' WHERE id = {leaf_key(1, 1)}")
    store.close()
    starting.refused(cluster, 7, "STORE_DAMAGED", "restore a copy of the store")


def test_refuses_to_sign_after_a_restore_that_a_verifier_can_see(cluster: Cluster, starting: Starting) -> None:
    cluster.found("chipco")
    copy = (cluster / "chipco" / "store.db").read_bytes()
    with cluster.running("chipco"), cluster.admin_of("chipco") as admin:
        admin.Publish(admin_pb2.PublishRequest(drafts=[shipment(1)]))
    grown = cluster / "vera" / "mirror.db"
    (cluster / "chipco" / "store.db").rename(grown)
    (cluster / "chipco" / "store.db").write_bytes(copy)
    with Mirror(cluster, grown) as address:
        peer = PeerSettings(certificate=Path("../vera/tls.crt"), reader="verifier", address=address)
        cluster.configure("chipco", peer={"vera": peer})
        starting.refused(cluster, 7, "STORE_BEHIND", "vera holds 3", "the store 2", "restore the newest copy")
    # Nobody answers any more: a start must not depend on it.
    starting.starts(cluster)


class Mirror:
    """A verifier's log service over a copy of a party's store: the party's own program serves it well enough."""

    def __init__(self, cluster: Cluster, store: Path) -> None:
        from daemon.log_service import LogServicer
        from daemon.server import Server
        from daemon.tls import Peers, server_credentials

        self.logs = open_store(f"sqlite:///{store}")
        party = cluster.agreement.parties["chipco"]
        seed = bytes.fromhex((cluster / "chipco" / "keys" / "log.key").read_text())
        head = self.logs.head(party.origin)

        def note_of(origin: str) -> tuple[bytes, int]:
            from protocol.checkpoint import sign_checkpoint

            return sign_checkpoint(Checkpoint(origin, *head), seed), head.size

        self.server = Server(workers=2)
        servicer = LogServicer(self.logs, Peers().reader, note_of=note_of)
        self.server.add(log_service_pb2_grpc.add_LogServiceServicer_to_server, servicer, LOG_SERVICE)
        known = [read_certificate(cluster / "chipco" / "tls.crt")]
        port = self.server.listen_tls("127.0.0.1:0", server_credentials(load_certificate(cluster / "vera"), known))
        self.address = f"127.0.0.1:{port}"

    def __enter__(self) -> str:
        self.server.start()
        return self.address

    def __exit__(self, *_: object) -> None:
        self.server.stop()
        self.logs.close()


def test_a_journal_may_go_to_a_file(cluster: Cluster) -> None:
    cluster.found("chipco", journal=Path("node.log"))
    with cluster.running("chipco") as daemon:
        assert isinstance(daemon, Daemon)

    assert '"event": "ready"' in (cluster / "chipco" / "node.log").read_text()
    assert daemon.journal() == ""
