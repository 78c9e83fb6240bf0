"""`standstill node`: from nothing to a node that attests, as its operator types it."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.main import run
from cli.node import status_lines
from cli.output import Exit
from standstill.v1 import node_admin_service_pb2 as pb
from tests.cluster import SITE, Cluster, standstill, until
from tests.terms import H100, PERIOD, START

LINE = f"{SITE},{H100},2"
HOURS = f"""\
hour,site,chip_class,chips,label,chip_seconds,watt_hours
2026-01-01T00:00:00Z,{LINE},train,3600,1300
2026-01-01T00:00:00Z,{LINE},idle,3600,400
2026-01-01T01:00:00Z,{LINE},inference,7200,1200
2026-01-01T03:00:00Z,{LINE},inference,7200,1200
"""
SHIPMENT: dict[str, Any] = {
    "kind": "ShipmentReport",
    "period": 0,
    "body": {
        "id": "s-1",
        "receiver": "gamma",
        "chip_class": H100,
        "chips": {"value": "2", "unit": "UNIT_CHIP", "basis": "BASIS_MEASURED"},
    },
}
TRANSFER: dict[str, Any] = {
    "kind": "Transfer",
    "period": 0,
    "body": {**SHIPMENT["body"], "direction": "DIRECTION_RECEIPT", "counterparty": "chipco"},
}
del TRANSFER["body"]["receiver"]


class Said:
    """What a command answered."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def data(self) -> Any:
        envelope = json.loads(self.out)
        assert envelope["exit"] == self.code
        return envelope["data"]


class Operator:
    """Types commands about one party."""

    def __init__(self, directory: Path, said: pytest.CaptureFixture[str]) -> None:
        self.directory, self.said = directory, said

    def __call__(self, command: str, *arguments: str) -> Said:
        self.said.readouterr()
        code = run(["node", command, "--dir", str(self.directory), *arguments])
        return Said(code, *self.said.readouterr())


# -- init and found ---------------------------------------------------------------------------------------------------


def init(home: Path, *more: str, name: str = "gamma") -> int:
    about = ["--party", name, "--role", "lab", "--owner", "Gamma KK", "--site", "g1", "--metered-by", "gridco"]
    return run(["node", "init", *about, "--dir", str(home / name), *more])


def test_init_writes_secrets_an_explained_configuration_and_a_descriptor(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(home, "--root-keys", "3", "--root-threshold", "2", "--listen", "127.0.0.1:7555") == 0

    said = capsys.readouterr()
    config = (home / "gamma" / "node.toml").read_text()
    written = [Path(line.removeprefix("wrote ")) for line in said.out.splitlines()]
    assert all(path.is_file() for path in written)
    assert {path.name for path in written} >= {"root-3.key", "log.key", "statement.key", "tls.key", "party.txtpb"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in written if path.suffix == ".key"} == {0o600}
    assert 'party = "gamma"' in config
    assert 'listen = "127.0.0.1:7555"' in config
    assert "[site.g1]" in config
    assert config.count("\n# ") > 40
    assert "node found" in said.err


def test_init_never_overwrites(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(home, "--json") == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "standstill/node.init/1"
    before = (home / "gamma" / "keys" / "log.key").read_bytes()

    assert init(home) == Exit.USAGE
    assert "SECRET_EXISTS" in capsys.readouterr().err
    assert (home / "gamma" / "keys" / "log.key").read_bytes() == before


def test_init_refuses_a_name_that_no_agreement_takes(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init(home, name="Gamma") == Exit.USAGE
    assert "NAME_MALFORMED" in capsys.readouterr().err
    assert not (home / "Gamma").exists()


def test_found_refuses_another_digest_and_prints_both(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.configure("gamma")
    operator = Operator(cluster / "gamma", capsys)
    terms = str(cluster.directory / "agreement")
    other = "00" * 32
    said = operator("found", "--agreement", terms, "--digest", other)

    assert said.code == Exit.NOT_TRUSTED
    assert other in said.err
    assert cluster.agreement.digest.hex() in said.err
    for digest in ("00", "xy" * 32):
        assert operator("found", "--agreement", terms, "--digest", digest).code == Exit.USAGE
    assert operator("found", "--agreement", f"{terms}.none", "--digest", other).code == Exit.USAGE


def test_found_can_be_repeated(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.configure("gamma")
    operator = Operator(cluster / "gamma", capsys)
    arguments = ["--agreement", str(cluster.directory / "agreement"), "--digest", cluster.agreement.digest.hex()]
    first = operator("found", *arguments)
    second = operator("found", *arguments, "--json")

    assert (first.code, second.code) == (0, 0)
    assert "its log has 2 statements" in first.out
    assert second.data["size"] == 2
    assert second.data["root"][:8] in first.out


def test_an_operator_needs_only_these_commands(home: Path) -> None:
    """The whole way of a new party, each command a process of its own, the agreement compiled from descriptors."""
    made = Cluster(home)
    draft = made.agreement.terms
    (home / "draft").write_bytes(b"")
    from google.protobuf import text_format

    parties = [f"--party={made / name / 'party.txtpb'}" for name in made.enrolled]
    without = type(draft)()
    without.CopyFrom(draft)
    del without.parties[:]
    (home / "draft").write_text(text_format.MessageToString(without))
    compiled = standstill("agreement", "compile", home / "draft", *parties, "-o", home / "compiled")
    made.configure("gamma")
    digest = compiled.stdout.strip()
    founded = standstill("node", "found", "--dir", made / "gamma", "--agreement", home / "compiled", "--digest", digest)
    with made.running("gamma"):
        status = standstill("node", "status", "--dir", made / "gamma")

    assert (compiled.returncode, founded.returncode, status.returncode) == (0, 0, 0), founded.stderr
    assert digest == made.agreement.digest.hex()
    assert f"gamma   agreement {digest[:8]}" in status.stdout


# -- commands to a daemon that runs -----------------------------------------------------------------------------------


@pytest.fixture
def running(cluster: Cluster) -> Iterator[Cluster]:
    """Gamma's node, which attests only when it is told, two periods after the start."""
    (cluster / "gamma" / "trace.csv").write_text(HOURS)
    cluster.found("gamma", attest="manual", site={"trace": "trace.csv"})
    cluster.tell(START + 2 * PERIOD + 5)
    with cluster.running("gamma"):
        yield cluster


@pytest.fixture
def operator(running: Cluster, capsys: pytest.CaptureFixture[str]) -> Operator:
    return Operator(running / "gamma", capsys)


def test_an_operator_at_work(operator: Operator, running: Cluster) -> None:
    owing = operator("status", "--json")
    shown = operator("attest", "--dry-run", "--period", "0")
    after_showing = operator("status", "--json")
    attested = operator("attest", "--period", "0", "--json")
    newest = operator("attest")
    again = operator("attest", "--period", "0")
    early = operator("attest", "--period", "2")
    running.tell(START + 3 * PERIOD + 5)
    missing = operator("attest")
    status = operator("status")

    assert (owing.code, owing.data["owed"], owing.data["attested"]) == (1, [0, 1], None)
    assert shown.code == 0
    assert f"{SITE} P0: 2 H100-SXM | 1,700 Wh" in shown.out
    assert "3,600 chip-seconds, 3,560,400 teraFLOP" in shown.out
    assert "nothing was published" in shown.out
    assert after_showing.data["size"] == owing.data["size"] == 2
    assert attested.data["statement"]["index"] == 2
    assert attested.data["drafts"][0]["site"] == SITE
    assert "index 3" in newest.out
    assert (again.code, early.code, missing.code) == (6, 6, 6)
    assert "PERIOD_OVERLAP" in again.err
    assert "PERIOD_NOT_ENDED" in early.err
    assert "trace.csv has no figures for period 2" in missing.err
    assert status.code == 1
    first_words = [line.split()[0] for line in status.out.splitlines()]
    assert first_words == ["gamma", "Log", "Attested", "Owed", "Order", "Collectors"]
    assert "Attested    to P1" in status.out
    assert "Owed        P2" in status.out


def test_what_attest_shows_can_be_published_as_it_is(operator: Operator, tmp_path: Path) -> None:
    drafts = operator("attest", "--dry-run", "--period", "1", "--json").data["drafts"]
    (tmp_path / "drafts.json").write_text(json.dumps(drafts))
    published = operator("publish", str(tmp_path / "drafts.json"), "--json")

    assert published.data["statement"]["index"] == 2
    assert len(published.data["statement"]["identities"]) == 1
    assert operator("status", "--json").data["owed"] == [0]


def test_publishes_all_statements_of_a_file_or_none(
    operator: Operator, tmp_path: Path, running: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "statements.json"
    file.write_text(json.dumps([TRANSFER, SHIPMENT]))
    not_mine = operator("publish", str(file))
    file.write_text(json.dumps([TRANSFER, {**TRANSFER, "body": {**TRANSFER["body"], "chips": {"value": -2}}}]))
    wrong = operator("publish", str(file))
    file.write_text(json.dumps([TRANSFER, TRANSFER]))
    good = operator("publish", str(file))
    piped = standstill("node", "publish", "--dir", running / "gamma", "-", stdin=json.dumps(TRANSFER))
    size = operator("status", "--json").data["size"]

    assert (not_mine.code, wrong.code, good.code, piped.returncode) == (6, 2, 0, 0)
    assert "NO_AUTHORITY" in not_mine.err
    assert "DRAFT_MALFORMED [1].body.chips.value: expected 0 to 18446744073709551615, found -2" in wrong.err
    assert "indices 2 to 3" in good.out
    assert "index 4" in piped.stdout
    assert size == 5


def test_a_clock_that_went_back_is_a_fault_of_this_machine(
    operator: Operator, running: Cluster, tmp_path: Path
) -> None:
    (tmp_path / "transfer.json").write_text(json.dumps(TRANSFER))
    running.tell(START)
    before = operator("publish", str(tmp_path / "transfer.json"))
    running.tell(START + 3 * PERIOD)

    assert before.code == Exit.FAULT
    assert "CLOCK_WENT_BACK" in before.err
    assert operator("publish", str(tmp_path / "transfer.json")).code == 0


def test_a_node_that_attests_by_itself_owes_nothing(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    (cluster / "gamma" / "trace.csv").write_text(HOURS)
    cluster.found("gamma", site={"trace": "trace.csv"})
    operator = Operator(cluster / "gamma", capsys)
    with cluster.running("gamma"):
        cluster.tell(START + 2 * PERIOD)
        until(lambda: operator("status", "--json").code == 0)
        done = operator("status", "--json")
        cluster.tell(START + 4 * PERIOD)
        until(lambda: operator("status", "--json").data["owed"] == [2])
        lacking = operator("status", "--json")

    assert (done.data["attested"], done.data["owed"]) == (1, [])
    assert done.data["collectors"] == [{"site": SITE, "source": "hourly", "state": "ok"}]
    assert (lacking.code, lacking.data["attested"]) == (1, 3)
    assert "no figures for period 2" in lacking.data["collectors"][0]["state"]


@pytest.mark.parametrize("command", [["status"], ["attest"], ["publish", "FILE"]])
def test_a_node_that_does_not_run_is_not_reached(
    cluster: Cluster, capsys: pytest.CaptureFixture[str], tmp_path: Path, command: list[str]
) -> None:
    cluster.found("gamma")
    (tmp_path / "transfer.json").write_text(json.dumps(TRANSFER))
    arguments = [str(tmp_path / "transfer.json") if word == "FILE" else word for word in command]
    said = Operator(cluster / "gamma", capsys)(*arguments)

    assert said.code == Exit.NOT_REACHED
    assert "standstill node run" in said.err


def test_a_node_that_was_killed_is_not_reached_either(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    cluster.found("gamma")
    cluster.start("gamma").kill()
    said = Operator(cluster / "gamma", capsys)("status")

    assert said.code == Exit.NOT_REACHED
    assert said.err.startswith("not reached: ")


def test_commands_need_a_configuration(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = Operator(home, capsys)("status")

    assert said.code == Exit.USAGE
    assert "node.toml: expected a readable file" in said.err


def test_status_says_what_is_left_of_an_exemption() -> None:
    limit = pb.ExemptionLimit(by="its cap", first=7, chip_seconds=3_000, chip_seconds_left=1_200, unattested=2)
    found = pb.GetStatusResponse(
        own_digest=bytes(32),
        exemptions=[
            pb.ExemptionStatus(name="audit", labels=["eval", "rollout"], applies=True, limits=[limit]),
            pb.ExemptionStatus(name="trial", labels=["train"]),
        ],
    )

    assert [line for line in status_lines(found) if line.startswith("Exempt")] == [
        "Exempt      audit: eval, rollout; left of its cap: 1,200 of 3,000 chip-seconds, P7 on, 2 attestations missing",
        "Exempt      trial: train; needs a grant, and none runs: standstill node request",
    ]
