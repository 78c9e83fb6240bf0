"""Work under an exemption, from the mapping of a lab to what the checks say of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.author import Author
from daemon.clock import FileClock
from daemon.log_store import LogStore, open_store
from node.collectors import TraceCollector
from node.config import SiteSettings
from node.exemptions import exemptions_now
from node.order_file import OrderFile
from node.publisher import Publisher
from protocol.agreement import Agreement
from protocol.authoring import Draft
from protocol.duty import Duty
from protocol.errors import Reason
from protocol.obedience import Mode, Order
from protocol.state_entries import GrantState
from protocol.wire import encode
from standstill.v1 import compute_pb2, header_pb2
from standstill.v1 import node_admin_service_pb2 as pb
from standstill.v1 import quantity_pb2 as q
from tests.bodies import attestation
from tests.protocol.exempt import LIMIT, USUAL, agreed, exemption, rows
from tests.protocol.refusals import refuses
from tests.protocol.window import WINDOW
from tests.scenes import NOW, PAUSED, REPORTING, honest
from tests.terms import H100, PERIOD, handle
from tests.verifier.cluster import found

RULE = '{{ label = "{label}", account = "safety-*", exemption = "{name}" }}'


class Lab:
    """A site whose scheduler ran jobs in the period assessed: one of a safety team, one that serves users."""

    def __init__(self, home: Path) -> None:
        self.home, self.terms = home, USUAL
        (home / "clock").write_text(str(USUAL.end_of(NOW)))

    def run(self, seconds: int) -> None:
        """The safety team holds an accelerator for so long; users have it for the rest, and another all the time."""
        start, end = USUAL.start_of(NOW), USUAL.end_of(NOW)
        jobs = [f"{start},{start + seconds},safety-1", f"{start + seconds},{end},serve", f"{start},{end},serve"]
        lines = [f"{job},1" for job in jobs if not job.startswith(f"{end},")]
        (self.home / "jobs.csv").write_text("\n".join(["start_time,end_time,account,gpu_num", *lines]) + "\n")

    def map(self, label: str = "rollout", name: str = "audit") -> None:
        rules = f'{RULE.format(label=label, name=name)}, {{ label = "inference", account = "*" }}'
        (self.home / "mapping.toml").write_text(f"version = 1\nrule = [{rules}]\n")

    def collector(self) -> TraceCollector:
        settings = SiteSettings(
            handle=handle("alpha").hex(),
            trace=Path("jobs.csv"),
            mapping=Path("mapping.toml"),
            chip_class=H100,
            chips=2,
        )
        clock = FileClock(self.home / "clock")
        return TraceCollector(USUAL, clock, "g1", settings, self.home, lambda: self.terms)

    def attests(self) -> compute_pb2.ComputeAttestation:
        return compute_pb2.ComputeAttestation.FromString(self.collector().draft(NOW).body)

    def findings(self) -> list[str]:
        """What the checks say of this period under a pause."""
        scene = honest(PAUSED, USUAL, without=["attestation"])
        for period in WINDOW:
            scene.attest(period, use=rows(0))
        scene.attest(use=list(self.attests().use))
        return scene.codes()


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = Lab(tmp_path)
    made.run(LIMIT)
    made.map()
    return made


def use_of(body: compute_pb2.ComputeAttestation) -> dict[tuple[int, str], int]:
    return {(row.label, row.exemption): row.held.value for row in body.use}


def test_work_of_a_rule_with_an_exemption_is_attested_under_it(lab: Lab) -> None:
    assert use_of(lab.attests()) == {
        (q.LABEL_ROLLOUT, "audit"): LIMIT,
        (q.LABEL_INFERENCE, ""): 2 * PERIOD - LIMIT,
    }


def test_the_same_label_stands_apart_under_an_exemption_and_under_none(lab: Lab) -> None:
    text = (lab.home / "mapping.toml").read_text()
    (lab.home / "mapping.toml").write_text(text.replace('"inference"', '"rollout"'))

    assert use_of(lab.attests()) == {
        (q.LABEL_ROLLOUT, "audit"): LIMIT,
        (q.LABEL_ROLLOUT, ""): 2 * PERIOD - LIMIT,
    }


def test_a_table_of_figures_names_exemptions_in_a_column(lab: Lab) -> None:
    start = USUAL.start_of(NOW)
    lines = [
        "hour,site,chip_class,chips,label,chip_seconds,watt_hours,exemption",
        f"{start},g1,{H100},2,rollout,{LIMIT},100,audit",
        f"{start},g1,{H100},2,rollout,5,100,",
    ]
    (lab.home / "jobs.csv").write_text("\n".join(lines) + "\n")

    assert use_of(lab.attests()) == {
        (q.LABEL_ROLLOUT, "audit"): LIMIT,
        (q.LABEL_ROLLOUT, ""): 5,
        (q.LABEL_UNACCOUNTED, ""): 2 * PERIOD - LIMIT - 5,
    }
    (lab.home / "jobs.csv").write_text("\n".join([*lines, lines[1].replace("audit", "audits")]) + "\n")
    with refuses(Reason.NAME_UNKNOWN, "jobs.csv: column exemption"):
        lab.attests()


@pytest.mark.parametrize(("label", "name"), [("rollout", "audits"), ("train", "audit")], ids=["name", "label"])
def test_refuses_a_rule_whose_exemption_the_terms_do_not_have_for_its_work(lab: Lab, label: str, name: str) -> None:
    lab.map(label, name)
    with refuses(Reason.NAME_UNKNOWN, "mapping.toml: rule 1: exemption"):
        lab.attests()

    lab.map()
    assert lab.attests().use


def _without(name: str) -> Agreement:
    return agreed(exemption(name))


def test_the_terms_in_force_count_and_not_the_first(lab: Lab) -> None:
    lab.terms = _without("trial")
    with refuses(Reason.NAME_UNKNOWN, "mapping.toml: rule 1: exemption"):
        lab.attests()

    lab.terms = _without("audit")
    assert lab.attests().use


def test_an_honest_lab_may_use_its_exemption_up_to_its_cap(lab: Lab) -> None:
    assert lab.findings() == []

    lab.run(LIMIT + 1)
    assert lab.findings() == ["exemption-exceeded"]


def test_the_same_work_is_forbidden_where_the_mapping_names_no_exemption(lab: Lab) -> None:
    lab.map(name="")

    assert lab.findings() == ["label-not-allowed"]


# -- what is left -----------------------------------------------------------------------------------------------------


@pytest.fixture
def log(tmp_path: Path) -> Iterator[tuple[LogStore, Author]]:
    """Alpha's own log under the terms of these tests, founded."""
    (tmp_path / "clock").write_text(str(USUAL.end_of(NOW)))
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}", create=True)
    yield store, found(USUAL, "alpha", store, FileClock(tmp_path / "clock"))
    store.close()


def attest(author: Author, held: int, name: str = "audit", *, periods: Iterable[int] = (NOW,)) -> None:
    kind = header_pb2.KIND_COMPUTE_ATTESTATION
    for period in periods:
        body = encode(attestation(USUAL, period, use=rows(held, name)))
        author.publish([Draft(kind=kind, body=body, period=period, site=handle("alpha"))])


def left(log: tuple[LogStore, Author], duty: Duty = PAUSED, period: int = NOW + 1) -> dict[str, pb.ExemptionStatus]:
    store, author = log
    listed = exemptions_now(store, author.origin, USUAL, "alpha", duty, period)
    return {one.name: one for one in listed}


def test_says_what_is_left_of_a_cap_in_its_window(log: tuple[LogStore, Author]) -> None:
    attest(log[1], 1_000, periods=[NOW - 3])
    attest(log[1], 0, periods=[NOW - 2, NOW - 1])
    attest(log[1], 700)
    audit = left(log)["audit"]
    (limit,) = audit.limits

    assert (audit.applies, list(audit.labels)) == (True, ["rollout"])
    # The window of four periods ends with the one that runs, so the first has left it.
    assert (limit.by, limit.first, limit.periods) == ("its cap", NOW - 2, 4)
    assert (limit.chip_seconds, limit.chip_seconds_left, limit.unattested) == (LIMIT, LIMIT - 700, 0)
    assert not limit.HasField("teraflop_left")


def test_what_is_left_is_what_the_check_lets_through(log: tuple[LogStore, Author]) -> None:
    attest(log[1], 400, periods=WINDOW)
    (limit,) = left(log, period=NOW)["audit"].limits

    def codes(held: int) -> list[str]:
        scene = honest(PAUSED, USUAL, without=["attestation"])
        for period in WINDOW:
            scene.attest(period, use=rows(400))
        scene.attest(use=rows(held))
        return scene.codes()

    assert codes(limit.chip_seconds_left) == []
    assert codes(limit.chip_seconds_left + 1) == ["exemption-exceeded"]


def test_says_how_many_attestations_the_sum_lacks(log: tuple[LogStore, Author]) -> None:
    attest(log[1], 0, periods=WINDOW[1:])
    (limit,) = left(log, period=NOW)["audit"].limits

    assert limit.unattested == 1


def test_an_exemption_on_request_applies_under_a_grant_alone(log: tuple[LogStore, Author]) -> None:
    attest(log[1], 700, "trial")
    without = left(log)["trial"]
    grant = GrantState(chip_seconds=1_000, start=NOW, until=NOW + 5)
    under = left(log, replace(PAUSED, grants=(("trial", grant),)))["trial"]

    assert not without.applies
    assert under.applies
    assert [(limit.by, limit.chip_seconds_left) for limit in under.limits] == [
        ("its cap", LIMIT - 700),
        ("its grant", 300),
    ]


def test_there_are_none_where_no_level_is_kept(log: tuple[LogStore, Author]) -> None:
    assert left(log, REPORTING) == {}
    assert left(log).keys() == {"audit", "trial"}


def test_the_order_file_lists_them(log: tuple[LogStore, Author], tmp_path: Path) -> None:
    store, author = log
    publisher = Publisher(USUAL, store, author, FileClock(tmp_path / "clock"))
    OrderFile(tmp_path / "order.json", publisher.exemptions).tell(Order(PAUSED, Mode.FINAL, "why"), USUAL)
    told = json.loads((tmp_path / "order.json").read_text())["exemptions"]

    assert [(one["name"], one["applies"]) for one in told] == [("audit", True), ("trial", False)]
    assert told[0]["limits"][0]["chip_seconds_left"] == LIMIT
    assert told[0]["limits"][0]["teraflop_left"] is None
